//! Faulty inputs: every fault is told at once, the run ends as `refused`, and nobody is contacted.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n\
    -----END OPENSSH PRIVATE KEY-----\n";
const LOCKED: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
const PRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// A run of the action in a workspace of its own, towards a listener that counts who comes.
struct Run {
    inputs: BTreeMap<String, String>,
    workspace: tempfile::TempDir,
    server: TcpListener,
}

struct Refused {
    faults: Vec<String>,
    stdout: String,
    stderr: String,
}

impl Run {
    /// Inputs without a fault, except that they name a server which must not be contacted.
    fn of(inputs: &[(&str, &str)]) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let least = [
            ("HOST", "127.0.0.1"),
            ("PORT", &port),
            ("USER", "deploy"),
            ("SSH_KEY", KEY),
            ("HOST_KEY", PRINT),
            ("DEPLOY_DIR", "/opt/mcp"),
        ];
        let inputs = least
            .iter()
            .chain(inputs)
            .map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned()))
            .collect();
        let workspace = tempfile::tempdir().unwrap();
        fs::write(workspace.path().join("compose.yml"), "services: {}\n").unwrap();
        Self {
            inputs,
            workspace,
            server,
        }
    }

    fn start(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_landfall"))
            .env_clear()
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", self.workspace.path())
            .env("GITHUB_OUTPUT", self.workspace.path().join("output"))
            .env("GITHUB_STEP_SUMMARY", self.workspace.path().join("summary"))
            .envs(&self.inputs)
            .output()
            .unwrap()
    }

    /// Runs to a refusal, and asserts what is true of every one.
    #[track_caller]
    fn refused(&self) -> Refused {
        let output = self.start();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stdout}{stderr}");
        assert!(self.server.accept().is_err(), "somebody was contacted");
        let outputs = fs::read_to_string(self.workspace.path().join("output")).unwrap();
        assert_eq!(outputs.lines().nth(1), Some("refused"), "{outputs}");
        assert!(outputs.contains("\nreason<<") && outputs.ends_with('\n'));
        let annotations = stdout.lines().filter(|line| line.starts_with("::"));
        assert_eq!(annotations.count(), 1, "one annotation for the cause");
        let faults = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .map(str::to_owned)
            .collect();
        Refused {
            faults,
            stdout,
            stderr,
        }
    }
}

/// A row: a name, inputs that replace or join those without a fault, and every fault to be told.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    (
        "nothing at all",
        &[
            ("HOST", ""),
            ("PORT", ""),
            ("USER", ""),
            ("SSH_KEY", ""),
            ("HOST_KEY", ""),
            ("DEPLOY_DIR", ""),
        ],
        &[
            "`host` is required; add `host` under `with:`; a secret or variable that does not exist arrives empty",
            "`user` is required; add `user` under `with:`; a secret or variable that does not exist arrives empty",
            "`ssh_key` is required; add `ssh_key` under `with:`; a secret or variable that does not exist arrives empty",
            "`deploy_dir` is required; add `deploy_dir` under `with:`; a secret or variable that does not exist arrives empty",
            "`host_key` is required; add the server's `known_hosts` lines or `SHA256:…` fingerprints; `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows one on the server",
        ],
    ),
    (
        "white space alone",
        &[
            ("HOST", " "),
            ("USER", "\n"),
            ("SSH_KEY", " \n"),
            ("DEPLOY_DIR", "\t"),
        ],
        &[
            "`host` is required; add `host` under `with:`; a secret or variable that does not exist arrives empty",
            "`user` is required; add `user` under `with:`; a secret or variable that does not exist arrives empty",
            "`ssh_key` is required; add `ssh_key` under `with:`; a secret or variable that does not exist arrives empty",
            "`deploy_dir` is required; add `deploy_dir` under `with:`; a secret or variable that does not exist arrives empty",
        ],
    ),
    (
        "unknown names",
        &[
            ("DEPLOYDIR", "/x"),
            ("USERNAME", "x"),
            ("KEY", "x"),
            ("BANANA", ""),
        ],
        &[
            "unknown input `banana`; see the table of inputs in the README",
            "unknown input `deploydir`; did you mean `deploy_dir`?",
            "unknown input `key`; did you mean `ssh_key`?",
            "unknown input `username`; did you mean `user`?",
        ],
    ),
    (
        "a mistyped mode",
        &[("MODE", "deplyo")],
        &["`mode`: there is no `deplyo`; did you mean `deploy`?"],
    ),
    (
        "words that are none",
        &[
            ("MODE", "restart"),
            ("SMOKE_SUITE", "all"),
            ("SUDO", "yes"),
            ("NOTIFY", "on_failure"),
        ],
        &[
            "`mode`: there is no `restart`; use `deploy`, `rollback`, `plan` or `status`",
            "`smoke_suite`: there is no `all`; use `basic` or `full`",
            "`sudo`: there is no `yes`; use `auto`, `always` or `never`",
            "`notify`: there is no `on_failure`; did you mean `failure`?",
        ],
    ),
    (
        "switches that are none",
        &[("DRY_RUN", "True"), ("RESTORE_DATA", "yes")],
        &[
            "`dry_run`: `True` is not a switch; use `true` or `false`, in lower case",
            "`restore_data`: `yes` is not a switch; use `true` or `false`, in lower case",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
        ],
    ),
    (
        "ports out of range",
        &[("PORT", "70000")],
        &[
            "`port`: `70000` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
        ],
    ),
    (
        "numbers that are none",
        &[
            ("PORT", "ssh"),
            ("HEALTH_TIMEOUT", "2m"),
            ("WATCH", "-1"),
            ("KEEP_BACKUPS", "0"),
            ("LOCK_TIMEOUT", "1.5"),
            ("TIMEOUT", "0x10"),
        ],
        &[
            "`port`: `ssh` is not a whole number; give a whole number from 1 to 65535, in digits alone",
            "`health_timeout`: `2m` is not a whole number; give a whole number from 1 to 31536000, in digits alone",
            "`watch`: `-1` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`keep_backups`: `0` is not between 1 and 4294967295; give a whole number from 1 to 4294967295, in digits alone",
            "`lock_timeout`: `1.5` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`timeout`: `0x10` is not a whole number; give a whole number from 1 to 31536000, in digits alone",
        ],
    ),
    (
        "a host that is an option",
        &[("HOST", "-oProxyCommand=id")],
        &[
            "`host`: `-oProxyCommand=id` is neither a host name nor an address; give a name or an address, such as `example.org` or `203.0.113.7`",
        ],
    ),
    (
        "a host with a scheme and a user with a host",
        &[("HOST", "ssh://127.0.0.1"), ("USER", "deploy@127.0.0.1")],
        &[
            "`host`: `ssh://127.0.0.1` is not only a host; leave the scheme out",
            "`user`: `deploy@127.0.0.1` is not only a user; put `deploy` into `user` and the rest into `host`",
        ],
    ),
    (
        "a host with a port",
        &[("HOST", "127.0.0.1:2222")],
        &["`host`: `127.0.0.1:2222` is not only a host; put the port into `port`"],
    ),
    (
        "an address without brackets",
        &[("HOST", "2001:db8::1")],
        &[
            "`host`: `2001:db8::1` is not only a host; write an IPv6 address in brackets, like `[2001:db8::1]`",
        ],
    ),
    (
        "a host of two lines",
        &[("HOST", "127.0.0.1\nProxyCommand id")],
        &["`host`: `127.0.0.1\\nProxyCommand id` has more than one line; give a single line"],
    ),
    (
        "a user that is an option",
        &[("USER", "-l root")],
        &[
            "`user`: `-l root` is not a user name; use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`",
        ],
    ),
    (
        "a jump host in pieces",
        &[("JUMP_HOST", "ops@gate:0")],
        &[
            "`jump_host`: `0` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
        ],
    ),
    (
        "a public key",
        &[("SSH_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@laptop")],
        &["`ssh_key`: it is a public key; give the private half, the file without `.pub`"],
    ),
    (
        "half a private key",
        &[(
            "SSH_KEY",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
        )],
        &[
            "`ssh_key`: the private key is cut off; store the key file as it is, `-----BEGIN` and `-----END` lines included",
        ],
    ),
    (
        "a locked key",
        &[("SSH_KEY", LOCKED)],
        &["`ssh_key` is locked by a passphrase; give `ssh_key_passphrase` too"],
    ),
    (
        "a host key that is none",
        &[(
            "HOST_KEY",
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\nMD5:aa:bb\nexample.org ssh-ed25519 AAAA\n-----BEGIN OPENSSH PRIVATE KEY-----",
        )],
        &[
            "`host_key`: line 2 is an MD5 fingerprint, which proves nothing; give the `SHA256:…` one",
            "`host_key`: line 3 is neither a `known_hosts` line nor a `SHA256:…` fingerprint; give what `ssh-keyscan` prints for the server, or `ssh-keygen -lf` on the server",
            "`host_key`: line 4 is a private key; give the server's public key; treat the private one as leaked",
        ],
    ),
    (
        "a deploy directory that is none",
        &[("DEPLOY_DIR", "opt/mcp")],
        &["`deploy_dir`: `opt/mcp` is not absolute; write the whole path, such as `/opt/app`"],
    ),
    (
        "the root",
        &[("DEPLOY_DIR", "/"), ("BACKUP_DIR", "/backups/../..")],
        &[
            "`deploy_dir`: `/` is the root of the file system; name a directory of its own, such as `/opt/app`",
            "`backup_dir`: `/backups/../..` contains `..`; write the path without `..`",
        ],
    ),
    (
        "a home directory",
        &[("DEPLOY_DIR", "~/mcp")],
        &[
            "`deploy_dir`: `~/mcp` is not expanded; write the absolute path, such as `/home/deploy/app`",
        ],
    ),
    (
        "a directory of the system",
        &[("DEPLOY_DIR", "/etc/")],
        &[
            "`deploy_dir`: `/etc/` belongs to the operating system; name a directory of its own, such as `/opt/app`",
        ],
    ),
    (
        "backups in the deploy directory's place",
        &[("BACKUP_DIR", "/opt/mcp/")],
        &[
            "`backup_dir` is the same directory as `deploy_dir`; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
        ],
    ),
    (
        "the deploy directory among the backups",
        &[("BACKUP_DIR", "/opt")],
        &[
            "`deploy_dir` lies inside `backup_dir`, which only its owner may enter; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
        ],
    ),
    (
        "compose files elsewhere",
        &[(
            "COMPOSE_FILE",
            "/opt/mcp/compose.yml\n../compose.yml\nprod/",
        )],
        &[
            "`compose_file`: `/opt/mcp/compose.yml` is absolute; write it relative, such as `config/app.yml`",
            "`compose_file`: `../compose.yml` contains `..`; name something inside the directory",
            "`compose_file`: `prod/` is a directory; name a file in it",
        ],
    ),
    (
        "names that Compose would refuse",
        &[("PROJECT_NAME", "My App"), ("SERVICES", "api\n-web\na/b")],
        &[
            "`project_name`: `My App` is not a Compose project name; use lower-case letters, digits, `-` and `_`, beginning with a letter or a digit",
            "`services`: `-web` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
            "`services`: `a/b` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
        ],
    ),
    (
        "images that no registry would take",
        &[(
            "IMAGE",
            "ghcr.io/Acme/App:1\nghcr.io/acme/app:\nhttps://ghcr.io/acme/app\napp@sha256:12\n--rm",
        )],
        &[
            "`image`: `ghcr.io/Acme/App:1` has an upper-case letter in its name; write the name in lower case",
            "`image`: `ghcr.io/acme/app:` has a tag that is none; use up to 128 letters, digits, `_`, `.` and `-`; is a variable empty?",
            "`image`: `https://ghcr.io/acme/app` has a scheme; leave `https://` out",
            "`image`: `app@sha256:12` has a digest that is none; write `@sha256:` and 64 hex digits",
            "`image`: `--rm` is not an image reference; write it like `ghcr.io/acme/app:1.2.3`",
        ],
    ),
    (
        "two images of one repository",
        &[("IMAGE", "nginx:1.27\ndocker.io/library/nginx:1.28")],
        &[
            "`image`: `docker.io/library/nginx:1.28` is a second image of one repository; keep the one that is to run",
        ],
    ),
    (
        "files that are not there",
        &[(
            "FILES",
            "compose.yml\ncompos.yml\ndist/**\n../secret\n/etc/passwd\na =>",
        )],
        &[
            "`files`: `compos.yml` matches no file; check the path; has the repository been checked out, and the file been built?",
            "`files`: `dist/**` matches no file; check the path; has the repository been checked out, and the file been built?",
            "`files`: `../secret` contains `..`; name something inside the directory",
            "`files`: `/etc/passwd` is absolute; write it relative, such as `config/app.yml`",
            "`files`: `a =>` lacks one side of `=>`; write `from => to`",
        ],
    ),
    (
        "two files in one place",
        &[
            ("FILES", "compose.yml\ncompose.yml => .env"),
            ("ENV_FILE", "A=1"),
        ],
        &["`env_file_path`: `.env` would be written twice; write one of them somewhere else"],
    ),
    (
        "a file where a directory is",
        &[(
            "FILES",
            "compose.yml => config\ncompose.yml => config/app.yml",
        )],
        &[
            "`config` would be a file and the directory of `config/app.yml`; write one of them somewhere else",
        ],
    ),
    (
        "an env file that leaves",
        &[("ENV_FILE", "A=1"), ("ENV_FILE_PATH", "../.env")],
        &["`env_file_path`: `../.env` contains `..`; name something inside the directory"],
    ),
    (
        "an env file without content",
        &[("ENV_FILE_PATH", "prod.env")],
        &[
            "`env_file_path` is given without `env_file`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "an env file over the compose file",
        &[
            ("ENV_FILE", "A=1"),
            ("ENV_FILE_PATH", "compose.yml"),
            ("COMPOSE_FILE", "compose.yml"),
        ],
        &[
            "`env_file_path`: `compose.yml` is a compose file; write the env file somewhere else, such as `.env`",
        ],
    ),
    (
        "half a login",
        &[("REGISTRY_USERNAME", "robot")],
        &[
            "`registry_username` is given without `registry_password`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "the other half",
        &[("REGISTRY_PASSWORD", "hunter2")],
        &[
            "`registry_password` is given without `registry_username`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "URLs that are none",
        &[
            ("HEALTH_URL", "localhost:8000/health"),
            ("URL", "ftp://example.org"),
            ("SLACK_WEBHOOK_URL", "hunter2.example/x"),
        ],
        &[
            "`health_url`: `localhost:8000/health` is neither http nor https; give an http or https URL, such as `https://example.org/health`",
            "`url`: `ftp://example.org` is neither http nor https; give an http or https URL, such as `https://example.org/health`",
            "`slack_webhook_url`: it is not a URL: relative URL without a base; give the webhook's URL as its maker shows it",
        ],
    ),
    (
        "a URL with a password in it",
        &[("HEALTH_URL", "http://admin:hunter2@localhost/health")],
        &[
            "`health_url`: it holds a login, which logs would show; give an http or https URL, such as `https://example.org/health`",
        ],
    ),
    (
        "globs that are none",
        &[("BACKUP_EXCLUDE", "cache/**\n[\n../x\n!keep")],
        &[
            "`backup_exclude`: `[` is not a glob: unclosed character class; missing ']'; escape a literal `[` or `{` with a backslash",
            "`backup_exclude`: `../x` contains `..`; name something inside the directory",
            "`backup_exclude`: `!keep` begins with `!`, which excludes nothing back; leave `keep` out, or narrow the other globs",
        ],
    ),
    (
        "a rollback's inputs in a deployment",
        &[
            ("BACKUP_TIMESTAMP", "20251017_143025"),
            ("RESTORE_DATA", "true"),
        ],
        &[
            "`backup_timestamp` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
        ],
    ),
    (
        "a day that never was",
        &[
            ("MODE", "rollback"),
            ("BACKUP_TIMESTAMP", "20250230_120000"),
        ],
        &[
            "`backup_timestamp`: `20250230_120000` names no moment; use `latest` or a backup's timestamp (UTC), such as `20251017_143025`",
        ],
    ),
    (
        "no time for the checks",
        &[("HEALTH_TIMEOUT", "1500"), ("WATCH", "300")],
        &[
            "`health_timeout` (1500) and `watch` (300) leave no time within `timeout` (1800); raise `timeout`",
        ],
    ),
    (
        "an environment of two lines",
        &[("ENVIRONMENT", "prod\nuction")],
        &["`environment`: `prod\\nuction` has more than one line; give a single line"],
    ),
    (
        "smoke tests that are no YAML",
        &[("SMOKE_TESTS", "- name: [")],
        &[
            "`smoke_tests`: it is not YAML: line 1 column 9: unclosed bracket '['; write a list of tests, each beginning with `- name:`",
        ],
    ),
    (
        "smoke tests that are no list",
        &[("SMOKE_TESTS", "name: api\nhttp: http://localhost")],
        &[
            "`smoke_tests`: the YAML is not a list; write a list of tests, each beginning with `- name:`",
        ],
    ),
    (
        "a smoke test file that is not there",
        &[("SMOKE_TESTS", "tests/smoke.yml")],
        &[
            "`smoke_tests`: `tests/smoke.yml` is not in the workspace; check the path; has the repository been checked out?",
        ],
    ),
    (
        "smoke tests full of faults",
        &[
            ("SERVICES", "api"),
            (
                "SMOKE_TESTS",
                "- name: a\n  htpp: http://x\n- name: a\n  service: worker\n  from: runner\n- name: b\n  exec: {service: db, command: ls}\n- name: c\n  http: http://localhost\n  expect: {status: 99, json: {x: 1}}\n",
            ),
        ],
        &[
            "`smoke_tests`: test `a` has the unknown key `htpp`; did you mean `http`?",
            "`smoke_tests`: test `a` asks nothing; give exactly one of `http`, `tcp`, `service` or `exec`",
            "`smoke_tests`: test `a` looks into the server's containers, which `from: runner` cannot; leave `from` out, or use `http` or `tcp`",
            "`smoke_tests`: test `b` has a fault in `exec.command`: it is not a list of words; write `command: [\"python\", \"manage.py\", \"check\"]`",
            "`smoke_tests`: test `c` has a fault in `expect.status`: `99` is out of place; give a whole number from 100 to 599",
            "`smoke_tests`: test `c` has a fault in `expect.json`: `x` is not a JSON pointer; begin it with a slash: `/x`",
        ],
    ),
    (
        "a test of a service that is left alone",
        &[
            ("SERVICES", "api"),
            ("SMOKE_TESTS", "- {name: w, service: worker}"),
        ],
        &[
            "`smoke_tests`: test `w` looks at `worker`, which `services` leaves alone; add it to `services`, or drop the test",
        ],
    ),
    (
        "faults and contradictions together",
        &[
            ("PORT", "0"),
            ("BACKUP_DIR", "/opt/mcp"),
            ("RESTORE_DATA", "true"),
            ("IMAGE", "app:1\napp:2"),
            ("WATCH", "x"),
            ("TIMEOUT", "60"),
            ("REGISTRY_PASSWORD", "hunter2"),
            ("DEPLOYDIR", ""),
        ],
        &[
            "unknown input `deploydir`; did you mean `deploy_dir`?",
            "`port`: `0` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
            "`registry_password` is given without `registry_username`; give both or neither; a secret that does not exist arrives empty",
            "`watch`: `x` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
            "`backup_dir` is the same directory as `deploy_dir`; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
            "`image`: `app:2` is a second image of one repository; keep the one that is to run",
            "`health_timeout` (120) and `watch` (0) leave no time within `timeout` (60); raise `timeout`",
        ],
    ),
    (
        "what a workflow command looks like",
        &[("MODE", "::error::x"), ("USER", "##[error]x")],
        &[
            "`mode`: there is no `::error::x`; use `deploy`, `rollback`, `plan` or `status`",
            "`user`: `## [error]x` is not a user name; use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`",
        ],
    ),
];

#[test]
fn every_fault_is_told_at_once_and_nobody_is_contacted() {
    assert!(ROWS.len() >= 30);
    for (name, inputs, expected) in ROWS {
        let refused = Run::of(inputs).refused();
        assert_eq!(refused.faults, *expected, "{name}");
    }
}

#[test]
fn a_fault_is_one_line_with_a_hint() {
    for (name, _, faults) in ROWS {
        for fault in *faults {
            assert!(
                !fault.contains('\n') && fault.contains("; "),
                "{name}: {fault}"
            );
        }
    }
}

#[test]
fn no_secret_is_told_however_wrong_it_is() {
    let secrets = [
        ("SSH_KEY", "hunter2-key"),
        ("SSH_KEY_PASSPHRASE", "hunter2\nphrase"),
        ("HOST_KEY", "hunter2-host-key"),
        ("ENV_FILE", "hunter2=env"),
        ("REGISTRY_USERNAME", "robot"),
        ("REGISTRY_PASSWORD", "hunter2\npassword"),
        ("SLACK_WEBHOOK_URL", "hunter2-hook"),
        ("USER", "root:hunter2-hook"),
    ];
    let refused = Run::of(&secrets).refused();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(refused.faults.len(), 6, "{:?}", refused.faults);
}

#[test]
fn a_workflow_command_in_an_input_stays_text() {
    let refused = Run::of(&[("MODE", "##[error]x"), ("USER", "::warning::x")]).refused();
    assert!(!refused.stdout.contains("##["), "{}", refused.stdout);
    assert!(
        !refused.stdout.contains("\n::warning"),
        "{}",
        refused.stdout
    );
}

#[test]
fn inputs_without_a_fault_pass_the_border() {
    let run = Run::of(&[("FILES", "*.yml"), ("ARGS", ""), ("ENTRYPOINT", "")]);
    let told = String::from_utf8(run.start().stdout).unwrap();
    for input in ["`files`", "`args`", "`entrypoint`", "unknown input"] {
        assert!(!told.contains(input), "{told}");
    }
}
