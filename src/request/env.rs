//! The env file of a request: what is wrong with what was given for it, all at once.
//!
//! It refuses to know where the file goes on the server.

use crate::words::env_file::EnvFile;
use crate::words::event::Failure;

use super::fault::Caller;
use super::inputs::Given;

/// The failure of an env file that was given and holds nothing; `meant` is what the workflow names.
pub(super) fn empty(caller: Caller, given: Given<'_>, meant: Option<&str>) -> Failure {
    let label = caller.label(given.input.name);
    let keep = format!(
        "leave {label} out to keep the file that is on the server; one that is to set nothing holds \
         a comment: `# nothing`"
    );
    let Some(name) = meant else {
        let what = format!("{label} is given and empty");
        let hint = match caller {
            Caller::Action => {
                "set the secret that it comes from, where this job can see it: of this repository, \
                 or of the job's `environment`"
            }
            Caller::Operator => "look into the file, or at the variable, that it comes from",
        };
        return Failure::new(what).hint(hint).hint(keep);
    };
    let (kind, word) = name.split_once('.').unwrap_or(("secrets", name));
    let command = if kind == "vars" { "variable" } else { "secret" };
    let what = format!("{label} is given and empty: `{name}` is not set where this job can see it");
    Failure::new(what)
        .hint(format!(
            "set it, in this repository or in the job's `environment`: \
             `gh {command} set {word} < .env`, with `--env NAME` for an environment"
        ))
        .hint(keep)
}

/// What is wrong with the content of a file that Compose itself reads.
pub(super) fn faults(content: &str) -> Vec<Failure> {
    let faults = EnvFile::read(content).faults;
    let told = faults.iter();
    told.map(|fault| Failure::new(fault.to_string()).hint(fault.hint))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Raw;

    fn told(caller: Caller, meant: Option<&str>) -> String {
        let failure = empty(caller, Raw::default().env_file(), meant);
        format!("{failure}\n{}", failure.hints.join("\n"))
    }

    #[test]
    fn the_secret_that_was_meant_is_named_with_what_sets_it() {
        let told = told(Caller::Action, Some("secrets.PRODUCTION_ENV"));
        assert!(
            told.contains("`secrets.PRODUCTION_ENV` is not set"),
            "{told}"
        );
        assert!(
            told.contains("`gh secret set PRODUCTION_ENV < .env`"),
            "{told}"
        );
    }

    #[test]
    fn without_a_name_the_place_is_told_by_who_asks() {
        let action = told(Caller::Action, None);
        assert!(
            action.starts_with("`env_file` is given and empty\nset the secret"),
            "{action}"
        );
        let operator = told(Caller::Operator, None);
        assert!(
            operator.starts_with("`--env-file` is given and empty\nlook into"),
            "{operator}"
        );
    }
}
