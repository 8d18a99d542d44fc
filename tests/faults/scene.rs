//! The stage of a scenario: the old release, what a run without a fault makes of it, and the way
//! back to the old one within a second or two.
//!
//! It refuses to know faults.

use std::cell::RefCell;
use std::time::Duration;

use super::actor::Left;
use super::cell::Scenario;
use super::draw::Census;
use super::harness::act::Act;
use super::harness::app::App;
use super::harness::compose;
use super::harness::oracle::Release;
use super::harness::poll::{seconds, until};

/// What a run without a fault ships besides.
const CONFIG: (&str, &str) = ("config/beacon.conf", "lamp = green\n");

/// Where the agent looks for orders; its owner is who logs in.
pub const FAULTS: &str = "/srv/app-backups/.landfall/faults";

/// Images by every name they go by.
const REFERENCES: &str = "references() {
    docker images -a --no-trunc --digests --format '{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}' |
        awk '{ if ($2 != \"<none>\") print $1 \":\" $2, $4; if ($3 != \"<none>\") print $1 \"@\" $3, $4 }' |
        grep -v '^registry.lab:5000/beacon:staging ' | sort -u
}";

/// Keeps the old release, to be put back from.
const KEEP: &str = "mkdir -p /var/lib/golden
    tar -C /srv -cpf /var/lib/golden/tree.tar --exclude app/log app
    tar -C /srv -cpf /var/lib/golden/backups.tar --exclude .landfall/bin --exclude .landfall/faults app-backups
    references > /var/lib/golden/references";

/// What any cell may have left, whatever runs.
const CLEAR: &str = "iptables -F INPUT
    lab-dockerd roomy
    ! mountpoint -q /srv/app-backups || umount -l /srv/app-backups
    [ ! -L /srv/app ] || rm /srv/app
    [ ! -d /srv/app.away ] || { rm -rf /srv/app; mv /srv/app.away /srv/app; }
    rm -rf /srv/victim /srv/elsewhere
    find /srv/app-backups -mindepth 1 -not -path '*/.landfall' -not -path '*/.landfall/bin*' -delete
    tar -C /srv -xpf /var/lib/golden/backups.tar
    install -d -o deploy -g deploy -m 700 FAULTS";

/// Makes references mean what they meant.
const NAME: &str = "references > /tmp/now
    comm -23 /tmp/now /var/lib/golden/references | cut -d' ' -f1 | xargs -r -n 1 docker rmi >/dev/null 2>&1 || true
    comm -13 /tmp/now /var/lib/golden/references | grep -v @ | while read -r name id; do docker tag $id $name; done";

/// Ends what hangs, removes what runs and puts the tree back; neighbours and company stay.
const CLEAN: &str = "pkill -KILL -f 'landfall-[0-9a-f]* agent' || true
    docker ps -a --format '{{.Label \"landfall.neighbour\"}} {{.ID}}' | sed -n 's/^ //p' | xargs -r docker rm -f >/dev/null
    docker network ls --filter type=custom --format '{{.Name}}' | grep -vxFf /opt/.neighbours | xargs -r docker network rm >/dev/null
    find /srv/app -mindepth 1 -not -path '/srv/app/log*' -delete
    tar -C /srv -xpf /var/lib/golden/tree.tar";

/// Whether the old release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was seen to.
    Old,
    /// Anything may.
    Unknown,
}

/// A scenario on a server.
pub struct Scene {
    pub app: App,
    pub scenario: Scenario,
    /// The release before a run.
    pub old: Release,
    /// The release after one, where it is to land.
    pub new: Option<Release>,
    /// What the application answers before and after, by port.
    pub answers: [Vec<Option<String>>; 2],
    /// What points a run comes by.
    pub census: Census,
    /// How long one takes.
    pub took: Duration,
    /// What somebody left in the cell that is being played.
    pub left: RefCell<Option<Left>>,
}

impl Scene {
    /// Makes the old release, and runs once without a fault.
    pub fn set_up(app: App, scenario: Scenario) -> Self {
        old_release(&app, scenario);
        app.slot.sh(&format!(
            "{REFERENCES}
             install -d -o deploy -g deploy -m 700 /srv/app-backups /srv/app-backups/.landfall
             {KEEP}"
        ));
        let mut scene = Self {
            old: app.release(),
            answers: [answers(&app), Vec::new()],
            app,
            scenario,
            new: None,
            census: Census::new(),
            took: Duration::ZERO,
            left: RefCell::default(),
        };
        scene.reset(Standing::Unknown);
        scene.rehearse();
        scene.reset(Standing::Unknown);
        scene
    }

    /// Runs once without a fault: how long, past what, to what.
    fn rehearse(&mut self) {
        self.app
            .slot
            .sh(&format!("install -o deploy /dev/null {FAULTS}/trace"));
        let done = self.act().run();
        let status = done.output("status").to_owned();
        self.took = done.took;
        self.census = census(&self.app.slot.sh(&format!("cat {FAULTS}/trace")));
        self.answers[1] = answers(&self.app);
        match self.scenario {
            Scenario::Exits | Scenario::Unwell => assert_eq!(status, "rolled_back"),
            _ => self.new = Some(self.app.release()),
        }
        assert!(self.new.is_none() || matches!(status.as_str(), "deployed" | "restored"));
    }

    /// The run of the scenario, not yet started.
    pub fn act(&self) -> Act<'_> {
        let deploy = || {
            let act = self.app.deploy().ship(CONFIG.0, CONFIG.1);
            act.input("health_timeout", "8").input("timeout", "60")
        };
        let pinned = |tag| {
            let act = deploy().image("");
            act.ship("compose.yaml", &compose::web(&compose::beacon(tag)))
        };
        match self.scenario {
            Scenario::Good => pinned("v2"),
            Scenario::Exits => pinned("exits-at-start"),
            Scenario::Unwell => pinned("health-500"),
            Scenario::First => pinned("v1"),
            Scenario::Two | Scenario::Mutable => deploy(),
            Scenario::Rollback => self
                .app
                .rollback()
                .input("health_timeout", "8")
                .with_registry(),
        }
    }

    /// Puts the old release back, and everything around it.
    pub fn reset(&mut self, standing: Standing) {
        let around = CLEAR.replace("FAULTS", FAULTS);
        let release = match standing {
            Standing::Old => "",
            Standing::Unknown => CLEAN,
        };
        self.app
            .slot
            .sh(&format!("{REFERENCES}\n{around}\n{release}\n{NAME}"));
        if standing == Standing::Unknown && self.scenario != Scenario::First {
            self.app.by_hand("docker compose up -d --pull never 2>&1");
        }
        self.await_the_old();
        self.app.company_comes_again();
        self.app.slot.meet_the_neighbours();
    }

    /// Waits until the old release stands.
    pub fn await_the_old(&self) {
        until("the old release", seconds(20), || {
            let back = self.app.release() == self.old && answers(&self.app) == self.answers[0];
            back.then_some(())
        });
    }

    /// Orders faults of the agent: a point, the how manieth time, and what happens.
    pub fn order(&self, orders: &[(&str, u64, &str)]) {
        let script = format!("cat > {FAULTS}/plan");
        let lines = orders
            .iter()
            .map(|(point, nth, act)| format!("{point} {nth} {act}\n"));
        let plan: String = lines.collect();
        self.app.slot.sh_as("deploy", &script, plan.as_bytes());
    }

    /// The proof that an order was carried out: by which process, and when in ms since 1970.
    pub fn fired(&self, order: usize) -> Option<(u32, i64)> {
        let script = format!("cat {FAULTS}/fired-{order}");
        let output = self.app.slot.try_sh_as("root", &script, b"");
        let text = String::from_utf8(output.stdout).ok()?;
        let mut words = text.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    }
}

/// Which versions answer on the two ports.
pub fn answers(app: &App) -> Vec<Option<String>> {
    [8000, 8001].map(|port| app.version_on(port)).into()
}

fn old_release(app: &App, scenario: Scenario) {
    let latest = compose::beacon("latest");
    match scenario {
        Scenario::Two => app.furnish(&compose::pair(&latest, &latest)),
        Scenario::Mutable | Scenario::Rollback => app.furnish(&compose::web(&latest)),
        _ => app.furnish(&compose::web(&compose::beacon("v1"))),
    }
    if scenario == Scenario::First {
        return;
    }
    app.latest("v1");
    let land = |act: Act| act.run().ends("deployed", 0).took;
    match scenario {
        Scenario::Good | Scenario::Exits | Scenario::Unwell => land(app.deploy().image("")),
        _ => land(app.deploy()),
    };
    app.latest("v2");
    if scenario == Scenario::Rollback {
        land(app.deploy().ship(CONFIG.0, CONFIG.1));
    }
}

/// How often one process comes by a point: the trace has `PID POINT` lines.
fn census(trace: &str) -> Census {
    let mut by_process = Census::new();
    for line in trace.lines() {
        *by_process.entry(line.to_owned()).or_default() += 1;
    }
    let mut census = Census::new();
    for (line, count) in by_process {
        let point = line.split_once(' ').map_or("", |(_, point)| point);
        let most = census.entry(point.to_owned()).or_default();
        *most = count.max(*most);
    }
    census
}
