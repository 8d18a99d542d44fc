//! Refuses a release whose containers would find nothing where they have their data now: another
//! directory, or a volume of another name, that is empty.
//!
//! The release would come up well, and everything in it would be gone. Whoever has put something at
//! the new place, be it an empty volume, has chosen. The file moves nothing, and refuses to know what
//! the data is.

use std::collections::BTreeSet;
use std::path::Path;

use crate::files::tree::scope::resolved;
use crate::host::whose::{Base, Whose, whose};
use crate::host::{Container, Host, Kept, Mounted, Occupant, ServiceConfig};
use crate::saga::facts::Wanted;
use crate::saga::steps::Run;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::plan::Site;

/// Where Compose itself looks for its file.
const FOUND: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Refuses where data would be left behind.
pub async fn refuse<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    before: &[Container],
) -> Result<()> {
    refuse_empty(run, wanted, before, None).await?;
    let occupants = run.host.occupants().await?;
    for project in of_the_same_file(&run.plan.site, &wanted.config.project, &occupants) {
        let theirs = run.host.containers(&project).await?;
        refuse_empty(run, wanted, &theirs, Some(&project)).await?;
    }
    Ok(())
}

async fn refuse_empty<H: Host>(
    run: &Run<'_, H>,
    wanted: &Wanted,
    containers: &[Container],
    of: Option<&str>,
) -> Result<()> {
    for service in wanted.deployed() {
        let own = containers.iter().filter(|c| c.service == service.name);
        for (container, old, new) in own.flat_map(|c| moved(c, service)) {
            let is_brought = |kept: &Kept| is_shipped(&run.plan.site, &wanted.shipped, kept);
            if is_brought(&new.kept) || run.host.holds(&new.kept).await? {
                continue;
            }
            if run.host.holds(&old.kept).await? {
                return Err(left(service, container, (old, new), of));
            }
        }
    }
    Ok(())
}

/// What a container writes and the service would have elsewhere.
fn moved<'a>(
    container: &'a Container,
    service: &'a ServiceConfig,
) -> impl Iterator<Item = (&'a Container, &'a Mounted, &'a Mounted)> {
    let written = container.sees.iter().filter(|old| old.writable);
    let kept = written.filter(|old| !is_nameless(&old.kept));
    kept.filter_map(move |old| {
        let at = |new: &&Mounted| Path::new(&new.target) == Path::new(&old.target);
        let new = service.mounts.iter().find(at)?;
        (!is_same(&old.kept, &new.kept)).then_some((container, old, new))
    })
}

fn is_same(old: &Kept, new: &Kept) -> bool {
    match (old, new) {
        (Kept::At(old), Kept::At(new)) => resolved(old) == resolved(new),
        (old, new) => old == new,
    }
}

/// A volume that nobody named: the image declares it, and most often nothing is in it.
fn is_nameless(kept: &Kept) -> bool {
    let is_id = |name: &String| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(kept, Kept::In(name) if is_id(name))
}

/// Says whether the run itself puts something there.
fn is_shipped(site: &Site, shipped: &[String], kept: &Kept) -> bool {
    let Kept::At(path) = kept else {
        return false;
    };
    let mut shipped = shipped.iter().map(|file| site.deploy_dir.join(file));
    shipped.any(|file| file.starts_with(path))
}

/// Other projects that were made in the deploy directory from a compose file of this deployment's: the
/// same application, most likely, under another name.
fn of_the_same_file(site: &Site, project: &str, occupants: &[Occupant]) -> BTreeSet<String> {
    let base = Base::of(site);
    let ours = |file: &Path| {
        let named = site.compose_files.iter().map(String::as_str);
        let mut files = named.chain(FOUND.into_iter().filter(|_| site.compose_files.is_empty()));
        files.any(|own| resolved(&site.deploy_dir.join(own)) == resolved(file))
    };
    let others = occupants.iter().filter(|o| {
        !matches!(whose(&base, &o.made), Whose::Foreign(_)) && o.made.files.iter().any(|f| ours(f))
    });
    let names = others.filter_map(|o| o.project.clone());
    names.filter(|name| name != project).collect()
}

fn told(kept: &Kept) -> String {
    match kept {
        Kept::At(path) => format!("`{}`", path.display()),
        Kept::In(name) => format!("the volume `{name}`"),
    }
}

/// Why such a release is not deployed; `of` is the project that the data is of, where it is another.
fn left(
    service: &ServiceConfig,
    container: &Container,
    (old, new): (&Mounted, &Mounted),
    of: Option<&str>,
) -> Failure {
    let (from, to) = (told(&old.kept), told(&new.kept));
    let failure = Failure::new(format!(
        "service `{}` would begin without its data",
        service.name
    ))
    .because(format!(
        "`{}` has {from} at `{}`, and this release would put {to} there, which is {}",
        container.name,
        old.target,
        match new.kept {
            Kept::At(_) => "empty or missing",
            Kept::In(_) => "not there yet",
        }
    ));
    let failure = match of {
        Some(project) => failure
            .because(format!(
                "the same compose file runs in this directory as the project `{project}`"
            ))
            .hint(format!(
                "to deploy that application, give it its name: `project_name: {project}`"
            )),
        None => failure.hint(keep(&old.kept, &old.target)),
    };
    failure.hint(begin(&old.kept, &new.kept))
}

/// How the data stays where it is.
fn keep(old: &Kept, target: &str) -> String {
    match old {
        Kept::At(path) => format!(
            "mount what has the data, in the compose file: `{}:{target}`",
            path.display()
        ),
        Kept::In(name) => format!(
            "name the volume that has the data, in the compose file: `name: {name}` and `external: true` below its entry in `volumes`"
        ),
    }
}

/// How something comes to be at the new place.
fn begin(old: &Kept, new: &Kept) -> String {
    match (old, new) {
        (_, Kept::In(name)) => {
            format!(
                "or, to begin with nothing there, make it yourself: `docker volume create {name}`"
            )
        }
        (Kept::At(from), Kept::At(to)) => format!(
            "or bring the data along first: `sudo cp -aT {} {}`",
            from.display(),
            to.display()
        ),
        (Kept::In(_), Kept::At(to)) => {
            format!("or put what is to be there into `{}` first", to.display())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::host::whose::Made;
    use crate::words::plan::sample;

    fn at(path: &str) -> Kept {
        Kept::At(path.into())
    }

    fn volume(name: &str) -> Kept {
        Kept::In(name.into())
    }

    fn mounted(target: &str, kept: Kept, writable: bool) -> Mounted {
        Mounted {
            target: target.into(),
            kept,
            writable,
        }
    }

    /// What of one mount a release with another would leave.
    fn leaves(old: Mounted, new: Mounted) -> bool {
        let container = Container {
            sees: vec![old],
            ..Container::default()
        };
        let service = ServiceConfig {
            mounts: vec![new],
            ..ServiceConfig::default()
        };
        moved(&container, &service).next().is_some()
    }

    #[test]
    fn what_is_written_and_would_lie_elsewhere_is_seen_whatever_keeps_it() {
        let data = |kept| mounted("/data", kept, true);
        for (old, new, leaves_it) in [
            (at("/home/x/data"), at("/srv/x/data"), true),
            (at("/srv/x/data"), at("/srv/x/./data"), false),
            (volume("x_db"), volume("y_db"), true),
            (volume("x_db"), volume("x_db"), false),
            (volume("x_db"), at("/srv/x/data"), true),
            (at("/srv/x/data"), volume("x_db"), true),
            (volume(&"0a".repeat(32)), volume("x_db"), false),
        ] {
            let shown = format!("{old:?} {new:?}");
            assert_eq!(leaves(data(old), data(new)), leaves_it, "{shown}");
        }
        let read_only = mounted("/data", at("/a"), false);
        assert!(!leaves(read_only, data(at("/b"))));
        let elsewhere = mounted("/other", at("/b"), true);
        assert!(!leaves(data(at("/a")), elsewhere));
        assert!(leaves(data(at("/a")), mounted("/data/", at("/b"), false)));
    }

    #[test]
    fn what_the_run_brings_is_not_empty() {
        let site = sample::deploy().site;
        let shipped = ["conf/app.toml".to_owned()];
        assert!(is_shipped(&site, &shipped, &at("/opt/mcp/conf")));
        assert!(!is_shipped(&site, &shipped, &at("/opt/mcp/data")));
        assert!(!is_shipped(&site, &shipped, &volume("conf")));
    }

    #[test]
    fn a_project_of_the_same_compose_file_is_the_same_application_under_another_name() {
        let site = sample::deploy().site;
        let occupant = |project: &str, dir: &str, file: &str| Occupant {
            project: Some(project.into()),
            made: Made {
                dir: Some(dir.into()),
                files: vec![Path::new(dir).join(file)],
            },
            ..Occupant::default()
        };
        let all = [
            occupant("mcp", "/opt/mcp", "compose.yaml"),
            occupant("shop", "/opt/mcp", "compose.yaml"),
            occupant("blog", "/opt/mcp", "blog.yml"),
            occupant("other", "/opt/other", "compose.yaml"),
        ];
        let found = of_the_same_file(&site, "shop", &all);
        assert_eq!(found, BTreeSet::from(["mcp".to_owned()]));
    }

    #[test]
    fn the_refusal_says_where_the_data_is_and_both_ways_on() {
        let service = ServiceConfig {
            name: "db".into(),
            ..ServiceConfig::default()
        };
        let container = Container {
            name: "app-db-1".into(),
            ..Container::default()
        };
        let old = mounted("/var/lib/db", volume("app_db"), true);
        let new = mounted("/var/lib/db", volume("shop_db"), true);
        let failure = left(&service, &container, (&old, &new), Some("app"));
        insta::assert_snapshot!(failure, @"service `db` would begin without its data: `app-db-1` has the volume `app_db` at `/var/lib/db`, and this release would put the volume `shop_db` there, which is not there yet: the same compose file runs in this directory as the project `app`");
        assert_eq!(
            failure.hints,
            [
                "to deploy that application, give it its name: `project_name: app`",
                "or, to begin with nothing there, make it yourself: `docker volume create shop_db`"
            ]
        );
    }
}
