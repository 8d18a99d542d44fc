//! What a person wrote to start a run: the line that was typed, or a workflow's `with:`, as far as it
//! is not what every good run has.
//!
//! It refuses to know what became of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Act, Face};
use crate::harness::runner;

impl Act<'_> {
    /// Keeps its two output streams apart.
    #[allow(dead_code, reason = "cells keep nothing apart")]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// Says whether it runs as the action.
    #[allow(dead_code, reason = "cells show nothing")]
    pub fn is_the_action(&self) -> bool {
        !matches!(self.face, Face::Cli(_))
    }

    /// What was typed, and the files beside it.
    #[allow(dead_code, reason = "cells show nothing")]
    pub fn typed(&self) -> String {
        let typed = match &self.face {
            Face::Cli(arguments) => self.line(arguments),
            Face::Action | Face::Post => self.with(),
        };
        format!("{typed}{}", self.files())
    }

    fn line(&self, arguments: &[String]) -> String {
        let mut line = String::new();
        for (name, value) in self.differences(&Act::cli(self.app, &[])) {
            let name = format!("LANDFALL_{}", name.to_uppercase());
            let _ = match value {
                Some(value) => writeln!(line, "$ export {name}={}", quoted(value)),
                None => writeln!(line, "$ unset {name}"),
            };
        }
        for (name, value) in &self.unknown {
            let _ = writeln!(line, "$ export {name}={}", quoted(value));
        }
        line += "$ landfall";
        for argument in arguments {
            let _ = write!(line, " {}", quoted(argument));
        }
        line + "\n"
    }

    fn with(&self) -> String {
        let mode = self.inputs.get("mode").map_or("deploy", String::as_str);
        let is_a_look = ["rollback", "status"].contains(&mode);
        let good = Act::action(self.app, if is_a_look { mode } else { "deploy" });
        let mut with = format!("with:\n  mode: {mode}\n");
        for (name, value) in self.differences(&good) {
            if name != "mode" {
                with += &entry(name, value.unwrap_or_default());
            }
        }
        for (name, value) in &self.unknown {
            let name = name.to_lowercase();
            with += &entry(name.strip_prefix("input_").unwrap_or(&name), value);
        }
        with
    }

    /// The inputs that another run has not, or has otherwise; no value where this one leaves it out.
    fn differences(&self, other: &Self) -> Vec<(&'static str, Option<&str>)> {
        let names = runner::inputs(&self.action).into_keys();
        let names = names.map(|name| &*name.leak());
        let of = |inputs: &BTreeMap<String, String>, name: &str| inputs.get(name).cloned();
        names
            .filter(|name| of(&self.inputs, name) != of(&other.inputs, name))
            .map(|name| (name, self.inputs.get(name).map(String::as_str)))
            .collect()
    }

    fn files(&self) -> String {
        let workspace = self.runner.path().join("workspace");
        let shipped = self.inputs.get("files").map_or("", String::as_str).lines();
        let mut shown = String::new();
        for path in shipped {
            if let Ok(text) = std::fs::read_to_string(workspace.join(path)) {
                let _ = write!(shown, "\n`{path}` in the workspace:\n{}", indented(&text));
            }
        }
        shown
    }
}

fn entry(name: &str, value: &str) -> String {
    match value {
        "" => format!("  {name}: \"\"\n"),
        value if value.contains('\n') => {
            format!("  {name}: |\n{}", indented(value).replace("    ", "      "))
        }
        value => format!("  {name}: {value}\n"),
    }
}

fn indented(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let _ = writeln!(all, "    {line}");
    }
    all
}

/// A word as a person types it for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=~@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
