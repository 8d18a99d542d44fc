#!/usr/bin/env python3
"""What the GitHub runner reads and writes around a container action.

It knows the two file formats, and refuses to know what any input or output means.

usage: runner_files.py inputs ACTION_YML     NAME<TAB>DEFAULT, one declared input a line
       runner_files.py output FILE NAME      the value that an action set, or nothing
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


def main(verb, path, *rest):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if verb == "inputs":
        for name, default in inputs(text):
            print(f"{name}\t{default}")
    else:
        print(dict(outputs(text)).get(rest[0], ""))


main(*sys.argv[1:])
