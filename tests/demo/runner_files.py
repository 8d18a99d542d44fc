#!/usr/bin/env python3
"""What the GitHub runner reads and writes around a container action.

It knows the two file formats, and refuses to know what any input or output means.

usage: runner_files.py inputs ACTION_YML     NAME<TAB>DEFAULT, one declared input a line
       runner_files.py output FILE NAME      the value that an action set, or nothing
       runner_files.py log                   standard input as the runner's page shows it
"""

import json
import re
import sys

NAME = re.compile(r"  ([a-z_]+):$")
DEFAULT = re.compile(r"    default: (\".*\")$")


def inputs(text):
    """Yields the name and the default of each declared input; an absent default is empty."""
    block = re.search(r"^inputs:\n((?:[ #].*\n|\n)*)", text, re.M).group(1)
    found = {}
    for line in block.splitlines():
        if name := NAME.match(line):
            last = name.group(1)
            found[last] = ""
        elif default := DEFAULT.match(line):
            found[last] = json.loads(default.group(1))
    return found.items()


def outputs(text):
    """Yields what an action wrote to its output file, as the runner reads it."""
    lines = iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        heredoc, arrows, delimiter = line.partition("<<")
        if arrows and len(heredoc) < len(name if equals else line):
            value = []
            for part in lines:
                if part == delimiter:
                    break
                value.append(part)
            yield heredoc, "\n".join(value)
        else:
            yield name, value


def decoded(data):
    """The data of a command, as the runner decodes it."""
    for code, char in (("%0D", ""), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        data = data.replace(code, char)
    return data


def shown(lines):
    """Yields what a reader sees of a log: of a fold its title, and its lines only where it says
    what a service printed last."""
    fold = ""
    for line in lines:
        line = line.rstrip("\n")
        command = re.match(r"::([a-z-]+)(?: title=([^:]*))?::(.*)$", line)
        kind, title, data = command.groups() if command else ("", "", line)
        if kind == "group":
            fold = data
            yield f"\u25b8 {decoded(data)}"
        elif kind == "endgroup":
            fold = ""
        elif kind in ("error", "warning"):
            heading = f"{kind.capitalize()}: {decoded(title or '')}".rstrip(": ")
            yield f"\u2502 {heading}"
            yield from (f"\u2502 {part}" for part in decoded(data).split("\n"))
        elif not kind and (not fold or fold.startswith("last lines of ")):
            yield line


def main(verb, path="", *rest):
    if verb == "log":
        for line in shown(sys.stdin):
            print(line, flush=True)
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if verb == "inputs":
        for name, default in inputs(text):
            print(f"{name}\t{default}")
    else:
        print(dict(outputs(text)).get(rest[0], ""))


main(*sys.argv[1:])
