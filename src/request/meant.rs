//! Which secret of a workflow an input most likely comes from: a guess, for a message alone.
//!
//! The runner hands over values and never the expressions behind them, so the workflow's own file is
//! looked at, where the job has checked it out. It refuses to know what a secret holds.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::files::foreign;

/// The longest workflow that is read, in bytes.
const MOST: u64 = 1024 * 1024;

/// The name of the secret or variable that the workflow's file gives to an input, such as
/// `secrets.PRODUCTION_ENV`; none where it cannot be read, or names several.
#[must_use]
pub fn by(var: impl Fn(&str) -> Option<String>, input: &str) -> Option<String> {
    let reference = var("GITHUB_WORKFLOW_REF")?;
    let repository = format!("{}/", var("GITHUB_REPOSITORY")?);
    let path = reference.strip_prefix(&repository)?.split('@').next()?;
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(stays) {
        return None;
    }
    let file = Path::new(&var("GITHUB_WORKSPACE")?).join(path);
    named(&foreign::text(&file, MOST).ok()?, input)
}

fn named(workflow: &str, input: &str) -> Option<String> {
    let lines = workflow.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(':')?;
        (name == input).then_some(value)
    });
    let names: BTreeSet<&str> = lines.filter_map(expression).collect();
    let mut names = names.into_iter();
    names
        .next()
        .filter(|_| names.next().is_none())
        .map(Into::into)
}

/// What stands alone between `${{` and `}}`, if it is a secret or a variable.
fn expression(value: &str) -> Option<&str> {
    let (_, inner) = value.split_once("${{")?;
    let (name, _) = inner.split_once("}}")?;
    let name = name.trim();
    let (kind, word) = name.split_once('.')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (matches!(kind, "secrets" | "vars") && !word.is_empty() && word.chars().all(is_word))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WORKFLOW: &str = "    - uses: landfall-deploy/landfall@v0
      with:
        env_file: ${{ secrets.PRODUCTION_ENV }}
        host: ${{ vars.HOST || 'example.org' }}
";

    #[test]
    fn the_secret_is_the_one_that_the_workflow_gives_to_the_input() {
        let found = |text: &str| named(text, "env_file");
        assert_eq!(found(WORKFLOW).as_deref(), Some("secrets.PRODUCTION_ENV"));
        let twice = format!("{WORKFLOW}        env_file: ${{{{ secrets.STAGING_ENV }}}}\n");
        assert_eq!(found(&twice), None);
        assert_eq!(named(WORKFLOW, "host"), None);
        assert_eq!(found("env_file: NAME=value\n"), None);
    }

    #[test]
    fn the_workflow_is_looked_for_in_the_workspace_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(".github/workflows");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("deploy.yml"), WORKFLOW).unwrap();
        let guess = |reference: &'static str| {
            let workspace = dir.path().to_string_lossy().into_owned();
            let var = move |name: &str| match name {
                "GITHUB_WORKFLOW_REF" => Some(reference.to_owned()),
                "GITHUB_REPOSITORY" => Some("owner/app".to_owned()),
                "GITHUB_WORKSPACE" => Some(workspace.clone()),
                _ => None,
            };
            by(var, "env_file")
        };
        let real = "owner/app/.github/workflows/deploy.yml@refs/heads/main";
        assert_eq!(guess(real).as_deref(), Some("secrets.PRODUCTION_ENV"));
        assert_eq!(guess("owner/app/../app/deploy.yml@main"), None);
        assert_eq!(guess("other/app/.github/workflows/deploy.yml@main"), None);
    }
}
