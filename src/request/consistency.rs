//! How inputs bear on each other: what contradicts, and what would have no effect.
//!
//! It refuses to know grammars: every value that it sees is well by itself.

use std::collections::BTreeSet;
use std::path::Path;

use crate::words::event::Failure;
use crate::words::plan::{Checks, Probe, Site};

use super::fault::{Found, shown};
use super::inputs::{Given, Group, Raw};
use super::{EnvFile, LocalFile, Mode, Reference, grammar};

/// What is known of a request while some of its inputs may have faults.
pub(super) struct Draft<'a> {
    pub mode: Option<Mode>,
    pub site: Option<&'a Site>,
    pub images: &'a [Reference],
    pub files: &'a [LocalFile],
    pub env_file: Option<&'a EnvFile>,
    pub checks: &'a Checks,
    pub timeout: Option<u64>,
}

/// Finds every contradiction among the values that are well one by one.
pub(super) fn check(draft: &Draft<'_>, raw: &Raw, found: &mut Found) {
    if let Some(mode) = draft.mode {
        rollback_inputs(mode, raw, found);
        env_file_path(mode, raw, found);
    }
    if let Some(site) = draft.site {
        directories(site, raw, found);
        targets(draft, site, raw, found);
        services(&site.services, draft.checks, raw, found);
    }
    images(draft.images, raw, found);
    if let Some(timeout) = draft.timeout {
        time(draft.checks, timeout, raw, found);
    }
}

fn rollback_inputs(mode: Mode, raw: &Raw, found: &mut Found) {
    if !matches!(mode, Mode::Deploy | Mode::Plan) {
        return;
    }
    for given in [raw.backup_timestamp(), raw.restore_data(), raw.to_nothing()] {
        if given.is_set() {
            let what = format!("{} is for rollbacks alone", found.label(given));
            found.add(
                Failure::new(what)
                    .hint("leave it out, or ask for a rollback; `dry_run` shows one beforehand"),
            );
        }
    }
}

fn env_file_path(mode: Mode, raw: &Raw, found: &mut Found) {
    let (path, content) = (raw.env_file_path(), raw.env_file());
    let is_of_use = !content.text.is_empty() || raw.require_env().is_set();
    if path.is_set() && !is_of_use && matches!(mode, Mode::Deploy | Mode::Plan) {
        let what = format!(
            "{} is given without {}",
            found.label(path),
            found.label(content)
        );
        let hint = "give both or neither; a secret that does not exist arrives empty";
        found.add(Failure::new(what).hint(hint));
    }
}

fn directories(site: &Site, raw: &Raw, found: &mut Found) {
    let (deploy, backup) = (found.label(raw.deploy_dir()), found.label(raw.backup_dir()));
    let hint = "keep the backups beside it, as in `/opt/app-backups` for `/opt/app`";
    if site.backup_dir == site.deploy_dir {
        found.add(Failure::new(format!("{backup} is the same directory as {deploy}")).hint(hint));
    } else if site.deploy_dir.starts_with(&site.backup_dir) {
        found.add(
            Failure::new(format!(
                "{deploy} lies inside {backup}, which only its owner may enter"
            ))
            .hint(hint),
        );
    }
}

fn images(images: &[Reference], raw: &Raw, found: &mut Found) {
    let mut repositories = BTreeSet::new();
    for image in images {
        if !repositories.insert(image.repository()) {
            let what = format!(
                "{}: {} is a second image of one repository",
                found.label(raw.image()),
                shown(&image.to_string()),
            );
            found.add(Failure::new(what).hint("keep the one that is to run"));
        }
    }
}

/// What is written must not be written twice, and not where the backups are.
fn targets(draft: &Draft<'_>, site: &Site, raw: &Raw, found: &mut Found) {
    let env = draft
        .env_file
        .iter()
        .map(|env| (raw.env_file_path(), env.path.as_str()));
    let files = draft
        .files
        .iter()
        .map(|file| (raw.files(), file.planned.path.as_str()));
    let mut taken = BTreeSet::new();
    for (given, path) in files.chain(env) {
        let what = format!("{}: {}", found.label(given), shown(path));
        let mut fault = |why: &str, hint: &str| {
            found.add(Failure::new(format!("{what} {why}")).hint(hint));
        };
        if site.deploy_dir.join(path).starts_with(&site.backup_dir) {
            fault("lies in the backup directory", "write it somewhere else");
        }
        if !taken.insert(path) {
            fault("would be written twice", "write one of them somewhere else");
        }
    }
    for (path, above) in taken
        .iter()
        .flat_map(|path| ancestors(path).map(move |up| (path, up)))
    {
        if taken.contains(above) {
            let what = format!(
                "{} would be a file and the directory of {}",
                shown(above),
                shown(path),
            );
            found.add(Failure::new(what).hint("write one of them somewhere else"));
        }
    }
    if let Some(env) = draft
        .env_file
        .as_ref()
        .filter(|e| site.compose_files.contains(&e.path))
    {
        let what = format!(
            "{}: {} is a compose file",
            found.label(raw.env_file_path()),
            shown(&env.path),
        );
        found.add(Failure::new(what).hint("write the env file somewhere else, such as `.env`"));
    }
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    Path::new(path)
        .ancestors()
        .skip(1)
        .filter_map(Path::to_str)
        .filter(|path| !path.is_empty())
}

/// A test of a service that is left alone would judge what this run does not change.
fn services(deployed: &[String], checks: &Checks, raw: &Raw, found: &mut Found) {
    if deployed.is_empty() {
        return;
    }
    for test in &checks.smoke {
        let (Probe::Service { service } | Probe::Exec { service, .. }) = &test.probe else {
            continue;
        };
        if !deployed.contains(service) {
            let what = format!(
                "{}: test {} looks at {}, which {} leaves alone",
                found.label(raw.smoke_tests()),
                shown(&test.name),
                shown(service),
                found.label(raw.services()),
            );
            let hint = format!(
                "add it to {}, or drop the test",
                found.label(raw.services())
            );
            found.add(Failure::new(what).hint(hint));
        }
    }
}

fn time(checks: &Checks, timeout: u64, raw: &Raw, found: &mut Found) {
    if checks.health_timeout + checks.watch < timeout {
        return;
    }
    let what = format!(
        "{} ({}) and {} ({}) leave no time within {} ({})",
        found.label(raw.health_timeout()),
        checks.health_timeout,
        found.label(raw.watch()),
        checks.watch,
        found.label(raw.timeout()),
        timeout,
    );
    found.add(Failure::new(what).hint(format!("raise {}", found.label(raw.timeout()))));
}

/// An operator who names no host means this machine, so nothing may be said about another.
pub(super) fn nothing_for_a_server(raw: &Raw, found: &mut Found) {
    let server = raw.all().filter(|given| given.input.group == Group::Server);
    for given in server.filter(|given| given.is_set()) {
        let what = format!(
            "{} says how to reach a server, and none is named",
            found.label(given)
        );
        let hint = "add `--host`, or leave it out to work on this machine";
        found.add(Failure::new(what).hint(hint));
    }
}

/// What was given, is no fault, and is most likely not what was meant.
pub(super) fn warnings(raw: &Raw, mode: Mode) -> Vec<String> {
    let mut warnings = without_effect(raw, mode);
    let webhook = raw.slack_webhook_url();
    if webhook.line().is_some_and(grammar::is_overheard) {
        let name = webhook.input.name;
        warnings.push(format!(
            "`{name}` is http: the URL is a secret, and whoever is on the way can read it; use https"
        ));
    }
    let (deploy, backup) = (raw.deploy_dir(), raw.backup_dir());
    if let (Some(outer), Some(inner)) = (deploy.line(), backup.line())
        && Path::new(inner).starts_with(outer)
    {
        let (deploy, backup) = (deploy.input.name, backup.input.name);
        warnings.push(format!(
            "`{backup}` lies inside `{deploy}`: a container that mounts `{deploy}` can change backups, \
             journals and Landfall's own program; keep it beside, as in `/opt/app-backups` for `/opt/app`"
        ));
    }
    warnings
}

/// What was given and will have no effect in this mode.
fn without_effect(raw: &Raw, mode: Mode) -> Vec<String> {
    let given: &[Given<'_>] = &match mode {
        Mode::Rollback => [
            raw.image(),
            raw.files(),
            raw.env_file(),
            raw.pre_deploy(),
            raw.post_deploy(),
        ],
        _ => return Vec::new(),
    };
    given
        .iter()
        .filter(|given| given.is_set())
        .map(|given| {
            let name = given.input.name;
            format!("`{name}` has no effect on a rollback, which runs what the backup describes")
        })
        .collect()
}
