//! Runs as they happen, for tests: each is a list of records with a clock of its own.

#![allow(clippy::needless_pass_by_value)]

use chrono::{DateTime, TimeDelta, Utc};

use crate::words::event::{
    Check, Event, Failure, Note, Outcome, RECORD_VERSION, Record, ServiceImage, Step,
};
use crate::words::plan::{self, Backups, Checks, Goal, Origin, Plan};

pub const OLD: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub const NEW: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
pub const NEW_DIGEST: &str =
    "sha256:abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
pub const OLD_DIGEST: &str =
    "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// Records in the making.
#[must_use]
pub struct Story {
    plan: Plan,
    now: DateTime<Utc>,
    records: Vec<Record>,
}

impl Story {
    pub fn of(plan: Plan) -> Self {
        let now = DateTime::from_timestamp(1_760_711_425, 0).unwrap_or_default();
        let first = Event::Planned {
            plan: Box::new(plan.clone()),
        };
        Self {
            plan,
            now,
            records: Vec::new(),
        }
        .event(first)
    }

    pub fn deploy() -> Self {
        Self::of(plan())
    }

    pub fn event(mut self, event: Event) -> Self {
        self.records.push(Record {
            v: RECORD_VERSION,
            seq: self.records.len() as u64,
            at: self.now,
            run: self.plan.id.clone(),
            event,
        });
        self
    }

    pub fn after(mut self, ms: i64) -> Self {
        self.now += TimeDelta::milliseconds(ms);
        self
    }

    pub fn start(self, step: Step) -> Self {
        self.event(Event::Started { step })
    }

    pub fn note(self, step: Step, note: Note) -> Self {
        self.event(Event::Note { step, note })
    }

    pub fn said(self, step: Step, text: &str) -> Self {
        let text = text.to_owned();
        self.note(step, Note::Said { text })
    }

    pub fn acts(self, step: Step, ms: i64) -> Self {
        self.start(step).done(step, ms)
    }

    pub fn done(self, step: Step, ms: i64) -> Self {
        self.after(ms).event(Event::Succeeded { step })
    }

    pub fn fails(self, step: Step, ms: i64, failure: &Failure) -> Self {
        let failure = failure.clone();
        self.after(ms).event(Event::Failed { step, failure })
    }

    pub fn undoes(self, step: Step, ms: i64) -> Self {
        self.event(Event::UndoStarted { step })
            .after(ms)
            .event(Event::Undone { step })
    }

    pub fn ends(self, outcome: Outcome) -> Vec<Record> {
        self.event(Event::Finished { outcome }).records
    }

    pub fn stops(self) -> Vec<Record> {
        self.records
    }

    /// Everything until the new containers run.
    pub fn until_up(self) -> Self {
        self.start(Step::Preflight)
            .note(Step::Preflight, server())
            .done(Step::Preflight, 120)
            .acts(Step::Stage, 80)
            .start(Step::Pull)
            .note(Step::Pull, progress(10, 100))
            .after(1_000)
            .note(Step::Pull, progress(60, 100))
            .note(Step::Pull, progress(61, 100))
            .after(1_000)
            .note(Step::Pull, progress(100, 100))
            .note(Step::Pull, images())
            .done(Step::Pull, 500)
            .start(Step::Backup)
            .note(Step::Backup, backup())
            .done(Step::Backup, 900)
            .acts(Step::Files, 5)
            .acts(Step::Up, 1_900)
    }
}

/// A good deployment.
pub fn deployed() -> Vec<Record> {
    Story::deploy()
        .until_up()
        .start(Step::Verify)
        .note(Step::Verify, check("web", "service", true, "running"))
        .note(Step::Verify, check("health_url", "http", true, "200 OK"))
        .note(Step::Verify, Note::Downtime { ms: 180 })
        .done(Step::Verify, 3_000)
        .acts(Step::Confirm, 20)
        .acts(Step::Commit, 5)
        .ends(Outcome::Deployed)
}

/// A new version that exits, taken back.
pub fn rolled_back() -> Vec<Record> {
    let cause = exited();
    going_back(&cause)
        .undoes(Step::Up, 1_200)
        .undoes(Step::Files, 10)
        .event(Event::UndoStarted { step: Step::Backup })
        .note(Step::Backup, check("web", "service", true, "running"))
        .after(300)
        .event(Event::Undone { step: Step::Backup })
        .ends(Outcome::RolledBack {
            cause,
            step: Step::Verify,
        })
}

/// The same, and putting back fails.
pub fn stuck() -> Vec<Record> {
    let (cause, undo) = (exited(), disk_full());
    going_back(&cause)
        .event(Event::UndoStarted { step: Step::Up })
        .after(700)
        .event(Event::UndoFailed {
            step: Step::Up,
            failure: undo.clone(),
        })
        .ends(Outcome::Stuck {
            cause,
            step: Step::Verify,
            undo,
        })
}

/// A server that says no.
pub fn refused() -> Vec<Record> {
    let cause = Failure::new("`compose.yml` does not parse")
        .because("line 3: did not find expected key")
        .hint("run `docker compose config` in `/opt/mcp`");
    Story::deploy()
        .start(Step::Preflight)
        .fails(Step::Preflight, 90, &cause)
        .ends(Outcome::Refused {
            cause,
            step: Step::Preflight,
        })
}

/// A manual rollback.
pub fn restored() -> Vec<Record> {
    let mut plan = plan();
    plan.goal = Goal::Rollback {
        to: "latest".into(),
        restore_data: false,
        to_nothing: false,
    };
    let target = Note::Target {
        made_by: None,
        timestamp: "20251016_101010".into(),
    };
    Story::of(plan)
        .start(Step::Preflight)
        .note(Step::Preflight, target)
        .done(Step::Preflight, 100)
        .start(Step::Backup)
        .note(Step::Backup, backup())
        .done(Step::Backup, 800)
        .acts(Step::Restore, 40)
        .acts(Step::Up, 1_100)
        .acts(Step::Verify, 2_000)
        .acts(Step::Commit, 4)
        .ends(Outcome::Restored)
}

fn going_back(cause: &Failure) -> Story {
    let lines = vec!["booting".to_owned(), "panic: no database".to_owned()];
    Story::deploy()
        .until_up()
        .start(Step::Verify)
        .note(Step::Verify, check("web", "service", false, "exited (1)"))
        .note(
            Step::Verify,
            Note::Logs {
                service: "web".into(),
                lines,
            },
        )
        .fails(Step::Verify, 1_000, cause)
}

pub fn exited() -> Failure {
    Failure::new("service `web` exited with code 1 three seconds after the start")
        .because("panic: no database")
        .hint("read what `web` printed last")
}

pub fn disk_full() -> Failure {
    Failure::new("`compose up` failed")
        .because("no space left on device")
        .hint("free some space, then run `landfall recover`")
}

pub fn check(name: &str, kind: &str, passed: bool, detail: &str) -> Note {
    Note::Checked {
        check: Check {
            name: name.into(),
            kind: kind.into(),
            passed,
            detail: detail.into(),
            ms: 40,
        },
    }
}

pub fn progress(done: u64, of: u64) -> Note {
    Note::Progress {
        what: "ghcr.io/acme/app:2".into(),
        done: done * 1_000_000,
        total: of * 1_000_000,
    }
}

fn server() -> Note {
    Note::Server {
        docker: "28.5.1".into(),
        compose: "2.40.3".into(),
        project: "mcp".into(),
    }
}

fn backup() -> Note {
    Note::Backup {
        timestamp: "20251017_143025".into(),
        file: "/opt/mcp-backups/mcp-backup-20251017_143025.tar.gz".into(),
        bytes: 2_048,
        ran: Some(true),
    }
}

pub fn images() -> Note {
    Note::Images {
        services: vec![image("web")],
    }
}

pub fn image(service: &str) -> ServiceImage {
    ServiceImage {
        service: service.into(),
        image: "ghcr.io/acme/app:2".into(),
        image_id: NEW.into(),
        digest: Some(NEW_DIGEST.into()),
        previous_image_id: Some(OLD.into()),
        previous_digest: Some(OLD_DIGEST.into()),
    }
}

pub fn plan() -> Plan {
    Plan {
        id: "20251017_143025-0a1b2c".into(),
        goal: Goal::Deploy {
            images: vec!["ghcr.io/acme/app:2".into()],
        },
        checks: Checks {
            health_url: Some("http://localhost:8000/health".into()),
            ..Checks::default()
        },
        backups: Backups::default(),
        origin: origin(),
        ..plan::sample::deploy()
    }
}

pub fn origin() -> Origin {
    Origin {
        environment: "production".into(),
        url: Some("https://app.example.org".into()),
        actor: Some("ada".into()),
        repository: Some("acme/app".into()),
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
        commit_title: Some("Serve the new page".into()),
        commit_author: Some("Ada L.".into()),
        run_url: Some("https://github.com/acme/app/actions/runs/7".into()),
    }
}
