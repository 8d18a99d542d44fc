//! Flags out of the table of inputs: one for each, with dashes, and a `LANDFALL_…` variable.
//!
//! A secret is never the value of a flag, which every process on the machine could read: its flag
//! names a file. It refuses to know what a value may be.

use std::io::Read as _;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use crate::request::{Group, INPUTS, Input, Raw, Shape, Unset};
use crate::words::event::Failure;

/// Which inputs a command takes.
pub trait Scope {
    /// The groups of those inputs.
    const GROUPS: &'static [Group];
}

/// The flags of a command, as they were given.
#[derive(Clone)]
pub struct Flags<S> {
    raw: Raw,
    secret_files: Vec<(&'static Input, PathBuf)>,
    scope: PhantomData<S>,
}

impl<S: Scope> Flags<S> {
    /// The inputs as they were given, those of secrets aside.
    #[must_use]
    pub fn given(&self) -> &Raw {
        &self.raw
    }

    /// The inputs that the flags and variables make, and every fault in reading secrets.
    pub fn read(
        self,
        var: impl Fn(&str) -> Option<String>,
        mut stdin: impl std::io::Read,
    ) -> (Raw, Vec<Failure>) {
        let mut raw = self.raw;
        let mut faults = Vec::new();
        let mut stdin_is_taken = false;
        for input in taken::<S>().filter(|input| input.shape == Shape::Secret) {
            let file = self.secret_files.iter().find(|(known, _)| *known == input);
            let read = match file {
                None => match var(&input.cli_variable()) {
                    Some(text) => Ok(text),
                    None => continue,
                },
                Some((_, path)) if path == Path::new("-") => {
                    if std::mem::replace(&mut stdin_is_taken, true) {
                        faults.push(second_stdin(input));
                        continue;
                    }
                    read_all(&mut stdin)
                }
                Some((_, path)) => std::fs::read_to_string(path),
            };
            if let Ok(text) = &read
                && text.trim().is_empty()
                && input.unset == Unset::Stays
            {
                raw.note_empty(input, None);
            }
            match (read, raw.slot(input.name)) {
                (Ok(text), Some(slot)) => *slot = text,
                (Err(error), _) => faults.push(unreadable(input, &error)),
                (Ok(_), None) => {}
            }
        }
        (raw, faults)
    }
}

fn read_all(reader: &mut impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(1 << 20).read_to_string(&mut text)?;
    Ok(text)
}

fn second_stdin(input: &Input) -> Failure {
    Failure::new(format!(
        "`--{}` is the second to read standard input",
        input.flag()
    ))
    .hint(format!("name a file, or set `{}`", input.cli_variable()))
}

/// The value is not shown: whoever mistakes the flag gives the secret itself.
fn unreadable(input: &Input, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "the file that `--{}` names cannot be read",
        input.flag()
    ))
    .because(error)
    .hint(format!(
        "give the path of a file or `-`, never the secret itself; or set `{}` to the text",
        input.cli_variable()
    ))
}

impl<S: Scope> Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        command.args(taken::<S>().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Scope> FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self {
            raw: Raw::default(),
            secret_files: Vec::new(),
            scope: PhantomData,
        };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for input in taken::<S>() {
            let Some(values) = matches.get_many::<String>(input.name) else {
                continue;
            };
            let values: Vec<_> = values.map(String::as_str).collect();
            if input.shape == Shape::Secret {
                self.secret_files.push((input, values.join("\n").into()));
            } else if let Some(slot) = self.raw.slot(input.name) {
                *slot = values.join("\n");
            }
        }
        Ok(())
    }
}

fn taken<S: Scope>() -> impl Iterator<Item = &'static Input> {
    INPUTS
        .iter()
        .filter(|input| S::GROUPS.contains(&input.group))
}

/// The letters of what is typed most, as OpenSSH and Docker have them where they do.
const SHORT: [(&str, char); 5] = [
    ("host", 'H'),
    ("port", 'p'),
    ("user", 'u'),
    ("ssh_key", 'i'),
    ("deploy_dir", 'd'),
];

fn arg(input: &'static Input) -> Arg {
    let arg = Arg::new(input.name)
        .long(input.flag())
        .help(help(input))
        .help_heading(heading(input.group))
        .action(ArgAction::Set);
    let short = SHORT.iter().find(|(name, _)| *name == input.name);
    let arg = match short {
        Some((_, letter)) => arg.short(*letter),
        None => arg,
    };
    match input.shape {
        // The variable holds the text itself, so clap must not take it for a path; and a key that
        // is given by mistake begins with dashes, and clap would print it as an unknown flag.
        Shape::Secret => arg
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .allow_hyphen_values(true),
        Shape::Switch => switch(arg).env(input.cli_variable()),
        Shape::Lines => arg
            .action(ArgAction::Append)
            .value_name(value_name(input))
            .env(input.cli_variable()),
        Shape::Line | Shape::Text => arg.value_name(value_name(input)).env(input.cli_variable()),
    }
    .hide_env_values(true)
}

fn switch(arg: Arg) -> Arg {
    arg.num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_name("true|false")
}

fn value_name(input: &Input) -> String {
    match input.name.rsplit('_').next() {
        Some("timeout" | "watch") => "SECONDS".to_owned(),
        Some(last @ ("dir" | "file" | "url" | "path" | "timestamp")) => last.to_uppercase(),
        _ => input.name.to_uppercase(),
    }
}

/// What is true of a workflow alone.
const FOR_WORKFLOWS: [&str; 3] = [
    " Store it as a secret.",
    " Leave it out once to be shown what the server presents and how to confirm it.",
    "With `mode: rollback`, ",
];

fn help(input: &Input) -> String {
    let mut text = FOR_WORKFLOWS
        .iter()
        .fold(input.doc.to_owned(), |text, part| text.replace(part, ""));
    for other in INPUTS {
        text = text.replace(&format!("`{}`", other.name), &format!("--{}", other.flag()));
    }
    text = capitalised(text.trim_end_matches('.'));
    let more = match input.shape {
        Shape::Secret => format!(
            ". Reads FILE, or standard input for `-`; or set {} to the text",
            input.cli_variable()
        ),
        Shape::Lines => ". May be repeated".to_owned(),
        _ => String::new(),
    };
    let default = unset(input).map_or_else(String::new, |words| format!(" [default: {words}]"));
    format!("{text}{more}{default}")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(chars)
        .collect()
}

/// What a flag that is left out means; an operator has defaults that a workflow lacks.
fn unset(input: &Input) -> Option<&'static str> {
    match (input.name, input.unset) {
        _ if input.shape == Shape::Switch => None,
        ("host", _) => Some("this machine"),
        ("ssh_key", _) => Some("your own agent and keys"),
        ("host_key", _) => Some("your own known_hosts"),
        (_, Unset::Value(words) | Unset::Words(words)) => Some(words),
        (_, Unset::Stays) => Some("the file on the server stays"),
        (_, Unset::Required | Unset::Nothing) => None,
    }
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Mode | Group::Run => "The run",
        Group::Server => "The server (leave out to work on this machine)",
        Group::Site => "The application",
        Group::Release | Group::Registry => "The release",
        Group::Checks => "Checks",
        Group::Backups | Group::Rollback => "Backups",
        Group::Telling => "Messages",
    }
}
