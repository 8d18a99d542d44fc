//! The border as a whole: what a set of inputs becomes, and how faults are told.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use base64::Engine as _;

use super::*;
use crate::request::{HostKey, Place, one_line};
use crate::words::plan::{Goal, Origin};

/// A key's shape with nothing in it that opens anything.
pub(super) fn key(cipher: &str) -> String {
    let field = |content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length, content].concat()
    };
    let public = [field(b"ssh-ed25519"), field(&[7; 32])].concat();
    let options = [field(cipher.as_bytes()), field(b"none"), field(b"")].concat();
    let parts = [
        &options,
        &[0, 0, 0, 1][..],
        &field(&public),
        &field(&[9; 64]),
    ];
    let blob = [b"openssh-key-v1\0", &*parts.concat()].concat();
    let body = base64::engine::general_purpose::STANDARD.encode(blob);
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
}

const PRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

struct Inputs {
    raw: Raw,
    caller: Caller,
    workspace: PathBuf,
}

impl Inputs {
    /// The least that an action needs.
    fn least() -> Self {
        Self::none(Caller::Action)
            .with("host", "example.org")
            .with("user", "deploy")
            .with("ssh_key", &key("none"))
            .with("host_key", PRINT)
            .with("deploy_dir", "/opt/mcp")
    }

    fn none(caller: Caller) -> Self {
        Self {
            raw: Raw::default(),
            caller,
            workspace: PathBuf::from("/nonexistent"),
        }
    }

    #[must_use]
    #[track_caller]
    fn with(mut self, name: &str, value: &str) -> Self {
        value.clone_into(self.raw.slot(name).unwrap());
        self
    }

    fn check(&self) -> Result<Request, Faults> {
        Request::check(&self.raw, self.caller, &self.workspace, Vec::new())
    }

    #[track_caller]
    fn request(&self) -> Request {
        self.check().map_err(|faults| faults.all).unwrap()
    }

    #[track_caller]
    fn faults(&self) -> Vec<String> {
        let faults = self.check().unwrap_err();
        faults.all.iter().map(one_line).collect()
    }
}

fn moment() -> String {
    "20251017_143025-0a1b2c".to_owned()
}

#[test]
fn the_least_inputs_mean_the_documented_defaults() {
    let request = Inputs::least().request();
    assert_eq!(request.mode, Mode::Deploy);
    assert!(!request.only_shows());
    let target = request.target().unwrap();
    assert_eq!((target.host.as_str(), target.port), ("example.org", 22));
    let pinned = HostKeys::Pinned(vec![HostKey::Fingerprint(PRINT.into())]);
    assert_eq!(target.host_keys, pinned);
    let (plan, private) = request.plan(moment(), Origin::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap(), @r#"
    {
      "v": 1,
      "id": "20251017_143025-0a1b2c",
      "goal": {
        "goal": "deploy",
        "images": []
      },
      "site": {
        "deploy_dir": "/opt/mcp",
        "backup_dir": "/opt/mcp-backups",
        "compose_files": [],
        "project_name": null,
        "services": []
      },
      "files": [],
      "env_file_path": null,
      "hooks": {
        "pre_deploy": false,
        "post_deploy": false
      },
      "checks": {
        "health_url": null,
        "smoke": [],
        "health_timeout": 120,
        "watch": 10,
        "confirm": "auto"
      },
      "backups": {
        "keep": 3,
        "exclude": []
      },
      "lock_timeout": 600,
      "timeout": 1800,
      "origin": {
        "environment": "production",
        "url": null,
        "actor": null,
        "repository": null,
        "commit": null,
        "commit_title": null,
        "commit_author": null,
        "run_url": null
      }
    }
    "#);
    assert!(private.env_file.is_none() && private.registry_password.is_none());
}

#[test]
fn a_plan_holds_no_secret_and_its_private_half_holds_them_all() {
    let request = Inputs::least()
        .with("env_file", "TOKEN=hunter2\r\n\n")
        .with("registry_username", "robot")
        .with("registry_password", "hunter3\n")
        .with("registry", "ghcr.io")
        .with("pre_deploy", "curl -H 'hunter4' localhost\r\ntrue")
        .with("slack_webhook_url", "https://hooks.example/hunter5")
        .request();
    let (plan, private) = request.plan(moment(), Origin::default());
    let shown = format!(
        "{request:?} {plan:?} {private:?} {}",
        serde_json::to_string(&plan).unwrap()
    );
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(private.env_file.unwrap().expose(), "TOKEN=hunter2\r\n\n");
    assert_eq!(private.registry_password.unwrap().expose(), "hunter3");
    assert_eq!(
        private.pre_deploy.unwrap().expose(),
        "curl -H 'hunter4' localhost\ntrue"
    );
    assert_eq!(plan.env_file_path.as_deref(), Some(".env"));
    assert!(plan.hooks.pre_deploy && !plan.hooks.post_deploy);
}

#[test]
fn a_rollback_plans_the_backup_and_warns_of_what_it_leaves_out() {
    let request = Inputs::least()
        .with("mode", "rollback")
        .with("backup_timestamp", "20251017_143025")
        .with("restore_data", "true")
        .with("image", "ghcr.io/acme/app:2")
        .with("files", "not/checked/out")
        .with("env_file", "A=1")
        .request();
    let (plan, private) = request.plan(moment(), Origin::default());
    assert_eq!(
        plan.goal,
        Goal::Rollback {
            to: "20251017_143025".into(),
            restore_data: true,
            to_nothing: false,
        }
    );
    assert!(plan.files.is_empty() && plan.env_file_path.is_none() && private.env_file.is_none());
    insta::assert_snapshot!(request.warnings.join("\n"), @r"
    `image` has no effect on a rollback, which runs what the backup describes
    `files` has no effect on a rollback, which runs what the backup describes
    `env_file` has no effect on a rollback, which runs what the backup describes
    ");
}

#[test]
fn a_webhook_that_others_can_read_on_the_way_is_warned_of_without_being_shown() {
    let told = |url| {
        let inputs = Inputs::least().with("slack_webhook_url", url);
        inputs.request().warnings.join("\n")
    };
    assert!(told("http://hooks.example/hunter5").starts_with("`slack_webhook_url` is http:"));
    assert!(!told("http://hooks.example/hunter5").contains("hunter5"));
    assert_eq!(told("https://hooks.example/hunter5"), "");
}

#[test]
fn the_suite_narrows_the_smoke_tests() {
    let yaml = "- {name: a, service: x}\n- {name: b, tcp: 'x:1', suite: full}";
    let names = |suite: &str| {
        let inputs = Inputs::least().with("smoke_tests", yaml);
        let request = inputs.with("smoke_suite", suite).request();
        request
            .checks
            .smoke
            .into_iter()
            .map(|test| test.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("basic"), ["a"]);
    assert_eq!(names("full"), ["a", "b"]);
    assert_eq!(names(""), ["a"]);
}

#[test]
fn smoke_tests_may_lie_in_the_workspace_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("smoke.yml"), "- {name: a, service: x}").unwrap();
    let mut inputs = Inputs::least().with("smoke_tests", "./smoke.yml\n");
    inputs.workspace = dir.path().to_owned();
    assert_eq!(inputs.request().checks.smoke.len(), 1);
    let faults = inputs.with("smoke_tests", "../smoke.yml").faults();
    assert_eq!(
        faults,
        ["`smoke_tests`: `../smoke.yml` contains `..`; name something inside the directory"]
    );
}

#[test]
fn an_operator_on_the_server_needs_no_more_than_the_directory() {
    let request = Inputs::none(Caller::Operator)
        .with("deploy_dir", "/opt/mcp")
        .request();
    assert!(matches!(request.place, Place::Here));
}

#[test]
fn an_operator_elsewhere_may_use_their_own_keys() {
    let request = Inputs::none(Caller::Operator)
        .with("deploy_dir", "/opt/mcp")
        .with("host", "example.org")
        .with("user", "deploy")
        .request();
    let target = request.target().unwrap();
    assert!(matches!(target.identity, Identity::Own));
    assert_eq!(target.host_keys, HostKeys::Own);
}

#[test]
fn an_operator_is_told_of_flags() {
    let faults = Inputs::none(Caller::Operator)
        .with("user", "deploy")
        .with("ssh_key_passphrase", "x")
        .faults();
    insta::assert_snapshot!(faults.join("\n"), @r"
    `--user` says how to reach a server, and none is named; add `--host`, or leave it out to work on this machine
    `--ssh-key-passphrase` says how to reach a server, and none is named; add `--host`, or leave it out to work on this machine
    `--deploy-dir` is required; pass `--deploy-dir` or set `LANDFALL_DEPLOY_DIR`
    ");
}

#[test]
fn a_missing_host_key_alone_leaves_a_target_to_look_at() {
    let inputs = Inputs::least().with("host_key", "# nothing yet\n");
    let faults = inputs.check().unwrap_err();
    assert_eq!(faults.only_host_key_missing.unwrap().host, "example.org");
    assert_eq!(faults.all.len(), 1);
    let faults = inputs.with("port", "0").check().unwrap_err();
    assert!(faults.only_host_key_missing.is_none());
    assert_eq!(faults.all.len(), 2);
    let wrong = Inputs::least().with("host_key", "nonsense").check();
    assert!(wrong.unwrap_err().only_host_key_missing.is_none());
}

#[test]
fn a_contradiction_is_told_beside_a_missing_host_key() {
    let faults = Inputs::least()
        .with("host_key", "")
        .with("backup_dir", "/opt/mcp/")
        .check()
        .unwrap_err();
    assert!(faults.only_host_key_missing.is_none());
    assert_eq!(faults.all.len(), 2);
}

#[test]
fn a_secret_that_slips_into_another_input_is_struck_out() {
    let faults = Inputs::least()
        .with("registry_username", "robot")
        .with("registry_password", "hunter2")
        .with("registry", "ghcr.io")
        .with("user", "root:hunter2")
        .faults();
    assert!(!faults.join("\n").contains("hunter2"), "{faults:?}");
    assert_eq!(faults.len(), 1);
}

#[test]
fn a_locked_key_needs_its_passphrase() {
    let locked = Inputs::least().with("ssh_key", &key("aes256-ctr"));
    assert_eq!(
        locked.faults(),
        ["`ssh_key` is locked by a passphrase; give `ssh_key_passphrase` too"]
    );
    let opened = locked
        .with("ssh_key_passphrase", " two  words \n")
        .request();
    let Identity::Key { passphrase, .. } = &opened.target().unwrap().identity else {
        panic!("not a key")
    };
    assert_eq!(passphrase.as_ref().unwrap().expose(), " two  words ");
}

#[test]
fn lists_are_lines_and_services_may_share_one() {
    let request = Inputs::least()
        .with("services", "api worker,web\r\n\n api ")
        .with("compose_file", " compose.yml\n\n./prod/compose.yml \n")
        .request();
    assert_eq!(request.site.services, ["api", "worker", "web"]);
    assert_eq!(
        request.site.compose_files,
        ["compose.yml", "prod/compose.yml"]
    );
}

#[test]
fn backups_may_lie_inside_but_nothing_is_written_there() {
    let inside = Inputs::least().with("backup_dir", "/opt/mcp/backups");
    assert_eq!(
        inside.request().site.backup_dir,
        PathBuf::from("/opt/mcp/backups")
    );
    let faults = inside
        .with("env_file", "A=1")
        .with("env_file_path", "backups/.env")
        .faults();
    assert_eq!(
        faults,
        ["`env_file_path`: `backups/.env` lies in the backup directory; write it somewhere else"]
    );
}

#[test]
fn a_dry_run_reads_as_what_would_happen() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("compose.yml"), "x".repeat(1234)).unwrap();
    let mut inputs = Inputs::least()
        .with("image", "ghcr.io/acme/app:1.2")
        .with("files", "compose.yml")
        .with("env_file", "A=1")
        .with("pre_deploy", "true")
        .with("health_url", "http://localhost:8000/health")
        .with("watch", "10")
        .with("backup_exclude", "cache/**")
        .with("smoke_suite", "full")
        .with(
            "smoke_tests",
            "- {name: web, http: 'https://example.org', from: runner}\n- {name: db, exec: {service: db, command: [pg_isready, -q]}}",
        );
    inputs.workspace = dir.path().to_owned();
    let (plan, _) = inputs.request().plan(moment(), Origin::default());
    insta::assert_snapshot!(plan, @r"
    Deploy to /opt/mcp (production):
      1. preflight    look at Docker, Compose, disk space and the compose files; refuse what cannot succeed
      2. stage        ask Compose about the configuration that will run
      3. pull         pull by digest, and give to the services of the same repository:
                        ghcr.io/acme/app:1.2
      4. backup       archive /opt/mcp into /opt/mcp-backups
                        without cache/**
      5. files        write into the deploy directory:
                        compose.yml  0644  1.2 kB
                        .env  0600  from `env_file`
      6. pre_deploy   run the `pre_deploy` commands
      7. up           let Compose replace the containers of every service that changed
      8. verify       judge every service within 120 s, then watch for 10 s
                        health_url: http://localhost:8000/health
                        db: a command in db
      9. confirm      hear from the machine that started the run, which tests from outside:
                        web: https://example.org
     10. commit       make it final, and keep the newest 3 good releases
    If a step before commit fails, everything is put back as it was.
    ");
}

#[test]
fn a_dry_rollback_reads_as_what_would_happen() {
    let request = Inputs::least().with("mode", "rollback").request();
    let (plan, _) = request.plan(moment(), Origin::default());
    insta::assert_snapshot!(plan, @r"
    Roll /opt/mcp (production) back to the newest good backup of a release older than what runs:
      1. preflight    look at Docker, Compose, disk space and the compose files; refuse what cannot succeed
      2. pull         fetch by digest whichever recorded images are gone from the server
      3. backup       archive /opt/mcp into /opt/mcp-backups
      4. restore      bring every file back to what the backup holds
                        what containers write is left alone
      5. up           let Compose replace the containers of every service that changed
      6. verify       judge every service within 120 s, then watch for 10 s
      7. commit       make it final, and keep the newest 3 good releases
    If a step before commit fails, everything is put back as it was.
    ");
}

/// The registry that a login goes to, or every fault.
fn registry_of(inputs: &[(&str, &str)]) -> Result<Option<String>, Vec<String>> {
    let mut all = Inputs::least();
    for (name, value) in inputs {
        all = all.with(name, value);
    }
    match all.check() {
        Ok(request) => Ok(request.registry.map(|login| login.registry)),
        Err(faults) => Err(faults.all.iter().map(crate::request::one_line).collect()),
    }
}

#[test]
fn a_login_is_for_one_registry_and_that_of_image_unless_another_is_named() {
    let login = [
        ("registry_username", "robot"),
        ("registry_password", "hunter2"),
    ];
    let of = |more: &[(&str, &str)]| registry_of(&[&login[..], more].concat());
    let named = |name: &str| Ok(Some(name.to_owned()));
    assert_eq!(of(&[("image", "ghcr.io/acme/app:1")]), named("ghcr.io"));
    assert_eq!(of(&[("image", "acme/app\nredis:7")]), named("docker.io"));
    for hub in [
        "index.docker.io",
        "https://index.docker.io/v1/",
        "Docker.io",
    ] {
        assert_eq!(of(&[("registry", hub)]), named("docker.io"), "{hub}");
    }
    let other = [("image", "quay.io/a/b"), ("registry", "reg.lab:5000")];
    assert_eq!(of(&other), named("reg.lab:5000"));
    let rollback = [("mode", "rollback"), ("registry", "ghcr.io")];
    assert_eq!(of(&rollback), named("ghcr.io"));
    assert_eq!(registry_of(&[("registry", "ghcr.io")]), Ok(None));
    assert_eq!(of(&[("mode", "status")]), Ok(None), "nothing is pulled");
}

#[test]
fn a_password_that_is_for_no_registry_is_refused_before_anything_is_contacted() {
    let login = [
        ("registry_username", "robot"),
        ("registry_password", "hunter2"),
    ];
    let faults = |more: &[(&str, &str)]| {
        let faults = registry_of(&[&login[..], more].concat()).unwrap_err();
        faults.join("\n")
    };
    let hint =
        "name the one that it is for with `registry`, such as `ghcr.io`; no other one receives it";
    let none = format!("`registry_password` is given, and nothing says for which registry; {hint}");
    assert_eq!(faults(&[]), none);
    assert_eq!(faults(&[("mode", "rollback")]), none);
    assert_eq!(
        faults(&[("image", "ghcr.io/a/b\nquay.io/a/c")]),
        format!("`registry_password` is given, and `image` names several registries; {hint}")
    );
    for wrong in ["ghcr.io/acme", "http://ghcr.io", "a b"] {
        let told = faults(&[("registry", wrong)]);
        assert!(
            told.starts_with(&format!("`registry`: `{wrong}` is no registry;")),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_fault_of_the_env_file_is_told_by_line_and_name_and_never_by_value() {
    let faults = Inputs::least()
        .with(
            "env_file",
            "OK=1\nDB_PASSWORD=\"hunter2-open\nSOME THING=hunter3-open\n",
        )
        .faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0]
            .starts_with("`env_file`: line 2 (`DB_PASSWORD`) opens a quote that is never closed; ")
    );
    assert!(faults[1].starts_with("`env_file`: line 3 sets no variable; write `NAME=value`"));
    assert!(!faults.join("").contains("hunter"), "{faults:?}");
    // What Compose does not read by itself may have a grammar of its own.
    let elsewhere = Inputs::least()
        .with("env_file", "anything goes\n")
        .with("env_file_path", "app.ini");
    assert_eq!(elsewhere.request().env_file.unwrap().path, "app.ini");
}
