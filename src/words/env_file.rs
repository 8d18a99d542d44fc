//! Env files as Compose 2 reads them: which variables, in which lines, and what is wrong with them.
//!
//! A fault names a line and a variable, never a value: values are secrets. It refuses to know where
//! a file lies and what its variables are for.

use std::fmt;

use crate::words::event::Failure;
use crate::words::secret::Secret;

/// What an env file holds.
#[derive(Debug, Default)]
pub struct EnvFile {
    /// The variables that it sets, in its order.
    pub variables: Vec<Variable>,
    /// Lines that set nothing and are no comment either: a piece of a value, most likely.
    pub loose: Vec<Secret>,
    /// What Compose refuses, or reads in a way that nobody means.
    pub faults: Vec<Fault>,
}

/// One variable of an env file.
#[derive(Debug)]
pub struct Variable {
    /// The line it begins in, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What stands in the file, quotes aside; may have several lines.
    pub written: Secret,
    /// The quote around it, if there is one.
    pub quote: Option<char>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which line, from 1.
    pub line: usize,
    /// The variable, if the line has got that far.
    pub name: Option<String>,
    /// What is wrong with it, as the end of a sentence.
    pub what: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "line {} (`{name}`) {}", self.line, self.what),
            None => write!(f, "line {} {}", self.line, self.what),
        }
    }
}

/// What to write where a `$` is meant as such.
pub const DOLLAR: &str =
    "put the value in single quotes (`NAME='…'`), or write `$$` for each `$` that is meant as such";
const UNCLOSED: &str = "close the quote at the end of the value; a value that holds one goes into \
     the other kind: `NAME='a\"b'`";
const NO_NAME: &str = "write `NAME=value`, the name of letters, digits and `_` alone; a value of \
     several lines goes in quotes: `NAME=\"…\"`";

impl EnvFile {
    /// Reads a text, to its end whatever is wrong with it.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let mut lines = Lines {
            all: text.split('\n').collect(),
            at: 0,
        };
        let mut file = Self::default();
        while let Some(line) = lines.next() {
            file.take(line.trim(), &mut lines);
        }
        file
    }

    fn take(&mut self, line: &str, lines: &mut Lines<'_>) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let set = line.strip_prefix("export ").unwrap_or(line).trim_start();
        match set
            .find(['=', ':'])
            .map(|at| (set[..at].trim_end(), &set[at + 1..]))
        {
            Some((name, value)) if is_name(name) => self.variable(name, value.trim_start(), lines),
            // A bare name takes the value that the surroundings have.
            None if is_name(set) => {
                if !is_like_a_variable(set) {
                    self.loose.push(Secret::new(line));
                }
            }
            _ => {
                self.loose.push(Secret::new(line));
                self.faults.push(Fault {
                    line: lines.at,
                    name: None,
                    what: "sets no variable",
                    hint: NO_NAME,
                });
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str, lines: &mut Lines<'_>) {
        let line = lines.at;
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let written = match quote {
            None => value
                .split(" #")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
            Some(quote) => lines.quoted(&value[1..], quote).unwrap_or_else(|| {
                self.faults.push(Fault {
                    line,
                    name: Some(name.to_owned()),
                    what: "opens a quote that is never closed",
                    hint: UNCLOSED,
                });
                value[1..].to_owned()
            }),
        };
        self.variables.push(Variable {
            line,
            name: name.to_owned(),
            written: Secret::new(written),
            quote,
        });
    }

    /// Makes sure that a file sets these variables, each to something; what it lacks is told at once.
    ///
    /// # Errors
    /// The end of a sentence about the file.
    pub fn require(&self, names: &[String]) -> Result<(), Failure> {
        let set = |name: &String| self.variables.iter().rfind(|v| v.name == *name);
        let missing: Vec<_> = names.iter().filter(|name| set(name).is_none()).collect();
        let is_nothing = |v: &Variable| v.meant().expose().trim().is_empty();
        let empty: Vec<_> = names
            .iter()
            .filter(|name| set(name).is_some_and(is_nothing))
            .collect();
        let told = [("does not set", missing), ("sets to nothing", empty)];
        let told = told.into_iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told
            .map(|(what, names)| {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("{what} {}", names.join(", "))
            })
            .collect();
        if told.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("it {}", told.join(", and ")))
            .hint("set them to something, or take them out of `require_env`"))
    }

    /// The variables in whose value a `$` begins this name, so that Compose looks for one.
    pub fn that_refer_to<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Variable> {
        let refers = move |v: &&Variable| v.references().any(|found| found == name);
        self.variables.iter().filter(refers)
    }

    /// The variables that hold a `$` which Compose takes for the beginning of a name.
    pub fn with_dollars(&self) -> impl Iterator<Item = &Variable> {
        let has_one = |v: &&Variable| v.pieces().nth(1).is_some();
        self.variables.iter().filter(has_one)
    }
}

impl Variable {
    /// The value as a container gets it where no `$` stands for another variable.
    #[must_use]
    pub fn meant(&self) -> Secret {
        let text = self.written.expose();
        Secret::new(match self.quote {
            Some('\'') => text.replace("\\'", "'"),
            Some(_) => unescaped(text).replace("$$", "$"),
            None => text.replace("$$", "$"),
        })
    }

    /// The names that Compose looks for to put their values in: each may be a piece of a secret.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let named = |piece: &'_ str| {
            let rest = piece.strip_prefix('{').unwrap_or(piece);
            let other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            rest.find(other).unwrap_or(rest.len()) + (piece.len() - rest.len())
        };
        self.pieces()
            .skip(1)
            .map(move |piece| piece[..named(piece)].trim_start_matches('{'))
            .filter(|name| !name.is_empty())
    }

    /// What stands between the signs that Compose takes for the beginning of a name.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let text = self.written.expose();
        let mut from = Some(0);
        let literal = self.quote == Some('\'');
        std::iter::from_fn(move || {
            let start = from?;
            let end = if literal {
                None
            } else {
                dollar(&text[start..])
            };
            from = end.map(|end| start + end + 1);
            Some(&text[start..end.map_or(text.len(), |end| start + end)])
        })
    }
}

/// Where the first `$` stands that is not doubled.
fn dollar(text: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('$').map(|i| at + i) {
        if !text[found + 1..].starts_with('$') {
            return Some(found);
        }
        at = found + 2;
    }
    None
}

struct Lines<'a> {
    all: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.at += 1;
        self.all.get(self.at - 1).copied()
    }

    /// The rest of a quoted value, over as many lines as it has; none where it never ends, and then
    /// the lines behind it are read as lines of their own.
    fn quoted(&mut self, first: &str, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut line = first;
        for next in self.at.. {
            if let Some(end) = closing(line, quote) {
                value.push_str(&line[..end]);
                self.at = next;
                return Some(value);
            }
            value.push_str(line);
            value.push('\n');
            line = self.all.get(next)?;
        }
        None
    }
}

/// Where the quote ends that a line is inside of.
fn closing(line: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(next @ ('"' | '\\' | '$'))) => out.push(next),
            _ => {
                out.push(c);
                continue;
            }
        }
        rest.next();
    }
    out
}

/// Names are written in capitals; what else stands alone in a line may be a piece of a value.
fn is_like_a_variable(name: &str) -> bool {
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(capital)
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let file = EnvFile::read(text);
        let shown = |v: &Variable| (v.line, v.name.clone(), v.meant().expose().to_owned());
        file.variables.iter().map(shown).collect()
    }

    fn faults(text: &str) -> String {
        let faults = EnvFile::read(text).faults;
        let shown: Vec<_> = faults.iter().map(ToString::to_string).collect();
        shown.join("; ")
    }

    #[test]
    fn variables_are_read_as_compose_reads_them() {
        let text = "\u{feff}# first\r\nA=1 # one\r\nexport B = \"x\\\"y\\nz\"\nC='$it''s'\nD: yes\nE=\nHOME\nF=\"1\n2\"\nG=p$$q\n";
        let wanted = [
            (2, "A", "1"),
            (3, "B", "x\"y\nz"),
            (4, "C", "$it"),
            (5, "D", "yes"),
            (6, "E", ""),
            (8, "F", "1\n2"),
            (10, "G", "p$q"),
        ];
        let wanted = wanted.map(|(line, name, value)| (line, name.to_owned(), value.to_owned()));
        assert_eq!(read(text), wanted);
        assert_eq!(faults(text), "");
    }

    #[test]
    fn a_fault_names_line_and_variable_and_never_a_value() {
        let text =
            "OK=1\nPASSWORD=\"hunter2-open\nA B=hunter2\nhunter2/open=\n-hunter2 open\nZ=1\n";
        let told = faults(text);
        insta::assert_snapshot!(told, @"line 2 (`PASSWORD`) opens a quote that is never closed; line 3 sets no variable; line 4 sets no variable; line 5 sets no variable");
        let hints = EnvFile::read(text).faults;
        assert!(hints.iter().all(|f| !f.hint.contains("hunter2")));
        assert_eq!(read(text).len(), 3, "the others are read all the same");
    }

    #[test]
    fn a_dollar_is_found_with_the_name_that_it_begins() {
        let text = "A=ab$cdef\nB=\"x${ghi:-j}$$k\"\nC='$cdef'\nD=1$\nE=$5x\n";
        let file = EnvFile::read(text);
        let names: Vec<_> = file.with_dollars().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "D", "E"]);
        let of = |name: &str| file.that_refer_to(name).map(|v| v.line).collect::<Vec<_>>();
        assert_eq!((of("cdef"), of("ghi"), of("k")), (vec![1], vec![2], vec![]));
    }
}
