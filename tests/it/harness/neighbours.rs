//! Who lives on a server besides what is deployed there, and whether all of it is as it was.
//!
//! The laboratory lets them move in: [`tests/lab/server/neighbours`](../../lab/server/neighbours).
//! It refuses to know what trespassed.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::slot::Slot;

/// How long what an engine starts again with itself may take to be there.
const SETTLING: Duration = Duration::from_secs(20);

/// What the engine knows of them by name, who the engine is, and their files.
const LOOK: &str = "cat /opt/.neighbours NAMES | sort -u | xargs -r docker inspect 2>/dev/null || true
echo
echo ----
echo \"engine $(cat /run/docker.pid) $(stat -c %Z /run/docker.pid)\"
for place in /opt /home /root /etc/docker /var/lib/docker/volumes/*_kept; do
    find $place PRUNED -printf '%p\\t%y %m %U:%G %l\\n'
    find $place PRUNED -type f -print0 | xargs -0 -r sha256sum | awk '{print substr($0, 67) \"\\tis \" $1}'
done";

/// What is neither a neighbour's nor to be looked at: what logins and tools leave in a home.
const PRUNED: &str =
    "-path /opt/containerd -prune -o -path '/home/*/.*' -prune -o -path '/root/.*' -prune -o";

/// The tag that whoever keeps the copy for staging moves, in the repository of deployments.
pub const STAGING: &str = "registry.lab:5000/beacon:staging";

/// All that is theirs at one moment, by what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    theirs: BTreeMap<String, String>,
    /// When containers were started last; the engine starts them again with itself.
    started: BTreeMap<String, String>,
    engine: String,
}

impl Neighbours {
    /// Looks at them, and at what else is to be guarded by its name.
    #[track_caller]
    pub fn of(slot: &Slot, names: &BTreeSet<String>) -> Self {
        let asked = names.iter().cloned().collect::<Vec<_>>().join("\n");
        let script = LOOK.replace("PRUNED", PRUNED).replace("NAMES", "-");
        let text = slot.sh_as("root", &script, format!("{asked}\n").as_bytes());
        let (known, files) = text.split_once("\n----\n").unwrap();
        let known: Vec<Value> = serde_json::from_str(known).unwrap_or_default();
        let mut all = Self {
            theirs: BTreeMap::new(),
            started: BTreeMap::new(),
            engine: String::new(),
        };
        for one in &known {
            all.knows(one);
        }
        for (path, fact) in files.lines().filter_map(|line| line.split_once('\t')) {
            let facts = all.theirs.entry(format!("file {path}")).or_default();
            *facts = format!("{facts} {fact}");
        }
        let engine = files.lines().find(|line| line.starts_with("engine "));
        engine.unwrap_or_default().clone_into(&mut all.engine);
        all
    }

    /// Files one thing that the engine knows under its kind and name.
    fn knows(&mut self, one: &Value) {
        let text = |pointer: &str| match one.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let keys = |pointer: &str| {
            let keys = one.pointer(pointer).and_then(Value::as_object);
            keys.map(|map| map.keys().cloned().collect::<Vec<_>>().join(","))
        };
        let (name, id) = (text("/Name"), text("/Id"));
        if one.get("State").is_some() {
            let facts = ["/Image", "/State/Status", "/RestartCount"].map(text);
            let networks = keys("/NetworkSettings/Networks").unwrap_or_default();
            let facts = format!("{id} {} in {networks}", facts.join(" "));
            self.theirs.insert(format!("container {name}"), facts);
            self.started
                .insert(format!("container {name}"), text("/State/StartedAt"));
        } else if let Some(tags) = one.pointer("/RepoTags").and_then(Value::as_array) {
            let tags: Vec<_> = tags.iter().filter_map(Value::as_str).collect();
            self.knows_image(&id, &tags);
        } else if one.get("Mountpoint").is_some() {
            self.theirs
                .insert(format!("volume {name}"), text("/CreatedAt"));
        } else {
            let facts = format!("{id} of {}", text("/Labels"));
            self.theirs.insert(format!("network {name}"), facts);
        }
    }

    /// Files an image under its ID, and the tag that is moved from one of two to the other apart.
    fn knows_image(&mut self, id: &str, tags: &[&str]) {
        let (moved, others): (Vec<&str>, Vec<&str>) = tags.iter().partition(|tag| **tag == STAGING);
        self.theirs.insert(format!("image {id}"), others.join(" "));
        if !moved.is_empty() {
            let is_one_of_two = others
                .iter()
                .any(|tag| tag.starts_with("neighbours.lab/staging:"));
            let means = if is_one_of_two { "its own" } else { id };
            self.theirs
                .insert(format!("reference {STAGING}"), means.to_owned());
        }
    }

    /// What is not as it was: what, before, and now.
    pub fn trespasses(&self, now: &Self) -> Vec<String> {
        let mut wrong = differences(&self.theirs, &now.theirs);
        if self.engine == now.engine {
            let again = differences(&self.started, &now.started);
            wrong.extend(
                again
                    .into_iter()
                    .map(|text| format!("started again: {text}")),
            );
        }
        wrong
    }
}

fn differences(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing = keys.into_iter().filter(|k| before.get(*k) != now.get(*k));
    let word = |of: Option<&String>| of.map_or("nothing", |text| text.trim()).to_owned();
    differing
        .map(|key| {
            format!(
                "{key}: {} was {}",
                word(now.get(key)),
                word(before.get(key))
            )
        })
        .collect()
}

impl Slot {
    /// Takes what is there now for what has to stay as it is.
    #[track_caller]
    pub fn meet_the_neighbours(&self) {
        let now = Neighbours::of(self, &self.guarded.borrow());
        self.neighbours.replace(Some(now));
    }

    /// Guards something more that the engine knows by its name, which is there by now.
    #[allow(dead_code, reason = "for scenes with a stranger of their own")]
    #[track_caller]
    pub fn guard(&self, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned());
        self.guarded.borrow_mut().extend(names);
        self.meet_the_neighbours();
    }

    /// What somebody did to them since they were met. An engine that was started again may take a
    /// while to have everything up.
    #[track_caller]
    pub fn trespasses(&self) -> Vec<String> {
        let Some(before) = self.neighbours.borrow().clone() else {
            return Vec::new();
        };
        let begun = Instant::now();
        loop {
            let now = Neighbours::of(self, &self.guarded.borrow());
            let wrong = before.trespasses(&now);
            let is_at_rest = now.engine == before.engine;
            if wrong.is_empty() || is_at_rest || begun.elapsed() > SETTLING {
                return wrong;
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// Lets the application in `/opt/app` have the project name that Compose chooses for `/srv/app`.
    #[allow(dead_code, reason = "for scenes about two projects of one name")]
    #[track_caller]
    pub fn neighbour_has_our_project_name(&self) {
        self.sh_as(
            "deploy",
            "cd /opt/app
            compose() { if docker compose version >/dev/null 2>&1; then docker compose \"$@\"; else docker-compose \"$@\"; fi; }
            compose down
            echo COMPOSE_PROJECT_NAME=app > .env
            compose up -d",
            b"",
        );
        let theirs = "docker ps -a --filter label=com.docker.compose.project=app --format '{{.Names}}'; echo app_default";
        let names = self.sh(theirs);
        self.guard(&names.lines().collect::<Vec<_>>());
    }
}
