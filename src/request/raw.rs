//! The environment to raw strings: which variables are inputs, and which only look like one.
//!
//! It refuses to know what a value may be, and never shows one.

use std::ffi::OsString;

use crate::words::event::Failure;

use super::inputs::{INPUTS, Input, Raw, STAYS, Unset};
use super::meant;

const PREFIX: &str = "INPUT_";

/// Keys of `with:` that the runner itself reads.
const RUNNERS_OWN: [&str; 6] = [
    "args",
    "entrypoint",
    "pre-entrypoint",
    "pre_entrypoint",
    "post-entrypoint",
    "post_entrypoint",
];

impl Raw {
    /// Reads the `INPUT_…` variables of an environment, and every fault in their names.
    #[must_use]
    pub fn from_env(vars: impl IntoIterator<Item = (OsString, OsString)>) -> (Self, Vec<Failure>) {
        let vars: Vec<_> = vars.into_iter().collect();
        let (mut given, mut faults) = readable(vars.clone());
        faults.extend(given.iter().filter_map(|(name, _)| unknown(name)));
        let empty = empty(&given);
        given.retain(|(name, value)| !stays(name, value));
        match envy::prefixed(PREFIX).from_iter::<_, Self>(given) {
            Ok(mut raw) => {
                let var = |name: &str| {
                    let found = vars.iter().find(|(known, _)| known.to_str() == Some(name));
                    found.and_then(|(_, value)| value.to_str().map(str::to_owned))
                };
                for input in empty {
                    raw.note_empty(input, meant::by(var, input.name));
                }
                (raw, faults)
            }
            Err(error) => {
                faults.push(Failure::new("the inputs cannot be read").because(error));
                (Self::default(), faults)
            }
        }
    }
}

fn readable(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<(String, String)>, Vec<Failure>) {
    let mut faults = Vec::new();
    let mut read = Vec::new();
    for (name, value) in vars {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => read.push((name.to_owned(), value)),
            Err(_) => faults.push(
                Failure::new(format!("`{}` is not UTF-8 text", input_name(name)))
                    .hint("save it as UTF-8"),
            ),
        }
    }
    read.sort();
    (read, faults)
}

/// Says whether a variable holds what `action.yml` has for an input that is left out.
fn stays(variable: &str, value: &str) -> bool {
    let input = INPUTS.iter().find(|input| input.variable() == variable);
    input.is_some_and(|input| input.unset == Unset::Stays) && value.trim() == STAYS
}

/// The inputs that were given and are empty, where leaving them out would have meant something else.
///
/// Whoever hands over an empty text for an input that has a default does so for all that are unset.
fn empty(given: &[(String, String)]) -> Vec<&'static Input> {
    let is_empty = |input: &Input| {
        let variable = input.variable();
        let mut all = given.iter();
        all.any(|(name, value)| *name == variable && value.trim().is_empty())
    };
    if INPUTS.iter().any(|i| i.default().is_some() && is_empty(i)) {
        return Vec::new();
    }
    let keeping = INPUTS.iter().filter(|i| i.unset == Unset::Stays);
    keeping.filter(|input| is_empty(input)).collect()
}

fn input_name(variable: &str) -> String {
    variable[PREFIX.len()..].to_lowercase()
}

fn unknown(variable: &str) -> Option<Failure> {
    let name = input_name(variable);
    if RUNNERS_OWN.contains(&name.as_str()) || INPUTS.iter().any(|i| i.name == name) {
        return None;
    }
    let failure = Failure::new(format!("unknown input {}", super::fault::shown(&name)));
    Some(
        match nearest(&name, INPUTS.iter().map(|input| input.name)) {
            Some(known) => failure.hint(format!("did you mean `{known}`?")),
            None => failure.hint("see the table of inputs in the README"),
        },
    )
}

/// The known name that a mistyped one most likely means, if any is near enough.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let bare = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let known: Vec<_> = known.into_iter().collect();
    let word = typed.to_lowercase();
    let typed = bare(typed);
    known
        .iter()
        .map(|name| (strangeness(&typed, &bare(name)), *name))
        .min_by_key(|(strangeness, _)| *strangeness)
        .filter(|(strangeness, _)| *strangeness <= typed.len().div_ceil(3))
        .map(|(_, name)| name)
        // `key` is one word of `ssh_key`.
        .or_else(|| {
            known
                .into_iter()
                .find(|name| name.split('_').any(|part| part == word))
        })
}

/// Typing errors between two names; a name cut short or drawn out counts as two of them.
fn strangeness(typed: &str, known: &str) -> usize {
    let errors = strsim::damerau_levenshtein(typed, known);
    let shares_a_beginning =
        typed.len() >= 4 && (typed.starts_with(known) || known.starts_with(typed));
    if shares_a_beginning {
        errors.min(2)
    } else {
        errors
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(vars: &[(&str, &str)]) -> (Raw, Vec<String>) {
        let (raw, faults) = Raw::from_env(vars.iter().map(|(n, v)| (n.into(), v.into())));
        let faults = faults.iter().map(super::super::fault::one_line).collect();
        (raw, faults)
    }

    #[test]
    fn inputs_arrive_by_their_names() {
        let (raw, faults) = read(&[("INPUT_DEPLOY_DIR", "/opt/mcp"), ("PATH", "/bin")]);
        assert_eq!(raw.deploy_dir().text, "/opt/mcp");
        assert_eq!(raw.host().text, "");
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn an_empty_text_was_given_where_leaving_it_out_means_what_action_yml_says() {
        let given_empty = |vars: &[(&str, &str)]| {
            let (raw, _) = read(vars);
            let given = raw.env_file();
            assert_eq!(given.text.trim(), "");
            raw.given_empty(given.input).is_some()
        };
        assert!(given_empty(&[("INPUT_ENV_FILE", ""), ("INPUT_PORT", "22")]));
        assert!(given_empty(&[("INPUT_ENV_FILE", " \n")]));
        assert!(!given_empty(&[("INPUT_ENV_FILE", STAYS)]));
        assert!(!given_empty(&[("INPUT_PORT", "22")]));
        // Some runners hand over an empty text for everything that is unset.
        assert!(!given_empty(&[("INPUT_ENV_FILE", ""), ("INPUT_PORT", "")]));
    }

    #[test]
    fn the_runners_own_inputs_are_let_through() {
        let (_, faults) = read(&[
            ("INPUT_ARGS", ""),
            ("INPUT_ENTRYPOINT", "/landfall"),
            ("INPUT_POST-ENTRYPOINT", ""),
        ]);
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn a_mistyped_input_is_refused_with_the_nearest_name() {
        let nearest = |typed: &str| {
            let (_, faults) = read(&[(&format!("INPUT_{}", typed.to_uppercase()), "")]);
            faults.first().unwrap().clone()
        };
        insta::assert_snapshot!(
            ["deploydir", "deploy-dir", "hots", "username", "ssh_keys", "dry-run", "env", "key", "banana"]
                .map(nearest)
                .join("\n"),
            @r"
            unknown input `deploydir`; did you mean `deploy_dir`?
            unknown input `deploy-dir`; did you mean `deploy_dir`?
            unknown input `hots`; did you mean `host`?
            unknown input `username`; did you mean `user`?
            unknown input `ssh_keys`; did you mean `ssh_key`?
            unknown input `dry-run`; did you mean `dry_run`?
            unknown input `env`; did you mean `env_file`?
            unknown input `key`; did you mean `ssh_key`?
            unknown input `banana`; see the table of inputs in the README
            ",
        );
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_a_fault_and_not_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = OsString::from_vec(vec![b'a', 0xff]);
        let (_, faults) = Raw::from_env([("INPUT_ENV_FILE".into(), value)]);
        assert_eq!(faults.first().unwrap().what, "`env_file` is not UTF-8 text");
    }
}
