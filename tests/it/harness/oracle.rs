//! Looks for itself at what is on the server, past Landfall and its agent.
//!
//! It refuses to know what was deployed; it can only say whether two moments are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use serde_json::Value;

use super::app::App;
use super::neighbours::STAGING;
use super::poll::{seconds, until};

/// A container as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub id: String,
    pub name: String,
    pub image_id: String,
    pub config_hash: String,
    pub state: String,
    pub health: String,
    pub started: String,
}

/// What contract 1 is about: images and configuration of every service, and the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Per service: name, image ID, configuration hash, state and health of each container.
    pub services: BTreeMap<String, Vec<[String; 5]>>,
    /// What each line of the compose files' images means.
    pub tags: BTreeSet<String>,
    /// Per path: kind, mode, owner, group, link target, checksum.
    pub tree: BTreeMap<String, String>,
    /// Networks and volumes.
    pub plumbing: BTreeSet<String>,
}

/// Everything on the server that a refused run must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untouched {
    containers: BTreeMap<String, Vec<Seen>>,
    images: BTreeSet<String>,
    tree: BTreeMap<String, String>,
    plumbing: BTreeSet<String>,
}

impl App {
    /// All containers on the server but the neighbours', by service; those of nobody under an empty
    /// name.
    #[track_caller]
    pub fn containers(&self) -> BTreeMap<String, Vec<Seen>> {
        // One that goes between the two looks is no fault of anybody's.
        let script = "for look in 1 2 3 4 5; do
                all=$(docker ps -aq --no-trunc | xargs -r docker inspect) && break
                all=
            done 2>/dev/null
            [ \"$look\" != 5 ] || [ -n \"$all\" ]
            printf '%s' \"$all\"";
        let text = self.slot.sh(script);
        let all: Vec<Value> = match text.trim() {
            "" => Vec::new(),
            text => serde_json::from_str(text).unwrap(),
        };
        let mut services: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
        for one in all.iter().filter(|one| !is_a_neighbours(one)) {
            services
                .entry(label(one, "service"))
                .or_default()
                .push(seen(one));
        }
        for list in services.values_mut() {
            list.sort();
        }
        services
    }

    /// The one container of a service.
    #[track_caller]
    pub fn container(&self, service: &str) -> Seen {
        let mut all = self.containers().remove(service).unwrap_or_default();
        assert_eq!(all.len(), 1, "containers of `{service}`: {all:#?}");
        all.remove(0)
    }

    /// The release as it runs and lies there; data is what containers write.
    #[track_caller]
    pub fn release(&self) -> Release {
        let services = self.containers().into_iter();
        Release {
            services: services
                .map(|(name, seen)| (name, seen.iter().map(settled).collect()))
                .collect(),
            tags: self.tags(),
            tree: self.tree(),
            plumbing: self.plumbing(),
        }
    }

    /// Must be the same release again: images, configuration, tags, files, networks, no leftovers;
    /// and nothing of the run left either.
    #[track_caller]
    pub fn is_again(&self, before: &Release) {
        self.nothing_lingers();
        let now = self.release();
        same("the services", &before.services, &now.services);
        same("the tags", &before.tags, &now.tags);
        same_tree(&before.tree, &now.tree);
        same("networks and volumes", &before.plumbing, &now.plumbing);
    }

    /// Everything that a refused run must leave alone.
    #[track_caller]
    pub fn untouched(&self) -> Untouched {
        Untouched {
            containers: self.containers(),
            images: self
                .images("-a --digests --format '{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}}'"),
            tree: self.whole_tree(),
            plumbing: self.plumbing(),
        }
    }

    /// Must have nothing left on the server of a run that is over: no agent, no login.
    #[track_caller]
    pub fn nothing_lingers(&self) {
        until("the agent on the server to end", seconds(10), || {
            let agents = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'landfall-[0-9a-f]* agent'";
            let output = self.slot.try_sh_as("root", agents, b"");
            (output.stdout.starts_with(b"0")).then_some(())
        });
        let logins = self
            .slot
            .sh("ls /home/*/.docker/config.json ~root/.docker/config.json 2>/dev/null || true");
        assert_eq!(logins, "", "a login was left on the server");
    }

    /// Must be untouched: the very same containers, images, files.
    #[track_caller]
    pub fn is_untouched(&self, before: &Untouched) {
        let now = self.untouched();
        same("the containers", &before.containers, &now.containers);
        same("the images", &before.images, &now.images);
        same_tree(&before.tree, &now.tree);
        same("networks and volumes", &before.plumbing, &now.plumbing);
    }

    /// The deploy directory without `data`: path to kind, mode, owner, group, target, checksum.
    #[track_caller]
    pub fn tree(&self) -> BTreeMap<String, String> {
        listing(&self.slot.sh(&list(
            &self.dir,
            "-path ./data -prune -o -path ./log -prune -o",
        )))
    }

    /// The whole deploy directory, but for the company's corner.
    #[track_caller]
    pub fn whole_tree(&self) -> BTreeMap<String, String> {
        listing(&self.slot.sh(&list(&self.dir, "-path ./log -prune -o")))
    }

    /// A file of the deploy directory.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        self.slot.sh(&format!("cat {}/{path}", self.dir))
    }

    /// What a reference means on the server: an image ID, or nothing.
    pub fn image(&self, reference: &str) -> Option<String> {
        let script = format!("docker image inspect --format '{{{{.Id}}}}' {reference}");
        let output = self.slot.try_sh_as("root", &script, b"");
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.trim().to_owned())
    }

    /// Names of files in the backup directory, sorted; Landfall's own corner aside.
    #[track_caller]
    pub fn backup_files(&self) -> Vec<String> {
        let script = format!(
            "cd {} 2>/dev/null && find . -maxdepth 1 -not -name '.*' -not -type p -printf '%f\\n' || true",
            self.backups()
        );
        self.lines(&script).into_iter().collect()
    }

    /// Timestamps of the backups, oldest first.
    #[track_caller]
    pub fn backup_timestamps(&self) -> Vec<String> {
        let files = self.backup_files();
        let of = |file: &String| {
            let stem = file.strip_suffix(".tar.gz")?;
            Some(stem.rsplit_once("-backup-")?.1.to_owned())
        };
        files.iter().filter_map(of).collect()
    }

    /// The journal of the newest run.
    #[track_caller]
    pub fn journal(&self) -> String {
        let script = format!(
            "cd {}/.landfall/runs && cat \"$(ls | sort | tail -n 1)/journal\"",
            self.backups()
        );
        self.slot.sh(&script)
    }

    /// Waits until the newest run has an end; its last record.
    #[track_caller]
    pub fn end_of_the_run(&self, within: Duration) -> String {
        until("the run to end on the server", within, || {
            let journal = self.journal();
            let last = journal.lines().last()?;
            let ended = last.contains("\"event\":\"finished\"");
            ended.then(|| last.to_owned())
        })
    }

    fn tags(&self) -> BTreeSet<String> {
        let all = self.images("--format '{{.Repository}}:{{.Tag}} {{.ID}}'");
        let kept = |line: &String| !line.starts_with("landfall") && !line.contains("<none>");
        all.into_iter().filter(kept).collect()
    }

    /// What the engine lists of images, but for the tag that whoever keeps the staging copy moves.
    #[track_caller]
    fn images(&self, how: &str) -> BTreeSet<String> {
        let mut all = self.lines(&format!("docker images --no-trunc {how}"));
        all.retain(|line| !line.starts_with(&format!("{STAGING} ")));
        all
    }

    fn plumbing(&self) -> BTreeSet<String> {
        self.lines("docker network ls --format 'network {{.Name}}'; docker volume ls --format 'volume {{.Name}}'")
    }

    #[track_caller]
    fn lines(&self, script: &str) -> BTreeSet<String> {
        self.slot
            .sh(script)
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// Prints a tree, one line a path; checksums come last, since names may hold anything else.
fn list(dir: &str, but: &str) -> String {
    format!(
        "cd {dir}
find . {but} -printf '%p\\t%y %m %U:%G %l\\n'
find . {but} -type f -print0 | xargs -0 -r sha256sum | awk '{{print substr($0, 67) \"\\t\" $1}}'"
    )
}

fn listing(text: &str) -> BTreeMap<String, String> {
    let mut tree: BTreeMap<String, String> = BTreeMap::new();
    for (path, fact) in text.lines().filter_map(|line| line.split_once('\t')) {
        let facts = tree.entry(path.to_owned()).or_default();
        *facts = [facts.as_str(), fact].join(" ");
    }
    tree
}

fn label(container: &Value, name: &str) -> String {
    let labels = &container["Config"]["Labels"];
    labels[format!("com.docker.compose.{name}")]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn is_a_neighbours(container: &Value) -> bool {
    container["Config"]["Labels"]["landfall.neighbour"].is_string()
}

fn seen(container: &Value) -> Seen {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Seen {
        id: text(&container["Id"]),
        name: text(&container["Name"]),
        image_id: text(&container["Image"]),
        config_hash: label(container, "config-hash"),
        state: text(&container["State"]["Status"]),
        // A healthcheck's first run comes an interval late; the application itself is asked elsewhere.
        health: text(&container["State"]["Health"]["Status"]).replace("starting", "healthy"),
        started: text(&container["State"]["StartedAt"]),
    }
}

/// What has to be the same when a container is another.
fn settled(seen: &Seen) -> [String; 5] {
    // A healthcheck's first run comes an interval late; the application itself is asked elsewhere.
    let health = seen.health.replace("starting", "healthy");
    // A one-shot that had ended is made again and not run again: an old migration is not for a
    // newer database.
    let state = seen.state.replace("created", "exited");
    [
        seen.name.clone(),
        seen.image_id.clone(),
        seen.config_hash.clone(),
        state,
        health,
    ]
}

#[track_caller]
fn same<T: PartialEq + Debug>(what: &str, before: &T, now: &T) {
    assert!(
        before == now,
        "{what} are not as before\nbefore: {before:#?}\nnow: {now:#?}"
    );
}

#[track_caller]
fn same_tree(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    let paths: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path))
        .map(|path| (path, before.get(path), now.get(path)))
        .collect();
    assert!(
        differing.is_empty(),
        "files are not as before (path, before, now): {differing:#?}"
    );
}
