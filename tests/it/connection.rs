//! One connection, which leaves nothing behind, and a runner that is stopped in the middle.

use std::time::Instant;

use crate::harness::app::App;
use crate::harness::poll::seconds;

/// A second sshd with a log, on a port of the application's; it ends with the scene.
struct Sshd<'a>(&'a App);

impl<'a> Sshd<'a> {
    #[track_caller]
    fn on(app: &'a App) -> Self {
        app.slot.sh("mkdir -p /run/sshd
            /usr/sbin/sshd -p 8004 -E /tmp/sshd.log -o LogLevel=VERBOSE -o PidFile=/tmp/sshd.pid");
        Self(app)
    }

    /// How many logins there were.
    #[track_caller]
    fn logins(&self) -> usize {
        let log = self.0.slot.sh("cat /tmp/sshd.log");
        log.lines()
            .filter(|line| line.contains("Accepted publickey for"))
            .count()
    }
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        self.0
            .slot
            .try_sh_as("root", "kill $(cat /tmp/sshd.pid)", b"");
    }
}

#[test]
fn a_deployment_makes_exactly_one_authenticated_connection_and_leaves_none() {
    let app = App::running("v1");
    let sshd = Sshd::on(&app);
    app.latest("v2");
    let pins = app.slot.file("FINGERPRINTS");
    let pins: Vec<&str> = pins
        .split_whitespace()
        .filter(|w| w.starts_with("SHA256:"))
        .collect();
    let act = app
        .deploy()
        .input("port", app.slot.fact("APP_PORT_8004"))
        .input("host_key", &pins.join("\n"));
    act.run().ends("deployed", 0);
    assert_eq!(sshd.logins(), 1);
    app.latest("exits-at-start");
    let known = app.slot.file("KNOWN_HOSTS").replace(
        &format!("]:{}", app.slot.fact("SSH_PORT")),
        &format!("]:{}", app.slot.fact("APP_PORT_8004")),
    );
    let act = app
        .deploy()
        .input("port", app.slot.fact("APP_PORT_8004"))
        .input("host_key", &known);
    act.run().ends("rolled_back", 1);
    assert_eq!(sshd.logins(), 2);
    let sessions = app.slot.sh("ps -eo args | grep -c '^sshd: deploy' || true");
    assert_eq!(sessions, "0\n");
    app.nothing_lingers();
}

#[test]
fn a_deployment_through_a_jump_host_works() {
    let app = App::running("v1");
    app.latest("v2");
    let port = app.slot.fact("SSH_PORT");
    let network = app.slot.file("NETWORK_KNOWN_HOSTS");
    let pins = format!("{}\n{network}", app.slot.file("KNOWN_HOSTS"));
    let act = app
        .deploy()
        .input("host", "server.lab")
        .input("port", "22")
        .input("jump_host", &format!("stranger@127.0.0.1:{port}"))
        .input("host_key", &pins);
    act.run().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

#[test]
fn a_key_with_a_passphrase_is_opened_with_it() {
    let app = App::running("v1");
    app.latest("v2");
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, app.slot.file("SSH_KEY")).unwrap();
    let chmod = |mode: &str| {
        std::process::Command::new("chmod")
            .arg(mode)
            .arg(&key)
            .status()
            .unwrap();
    };
    chmod("600");
    let locked = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "correct horse battery", "-f"])
        .arg(&key)
        .status();
    assert!(locked.unwrap().success());
    let key = std::fs::read_to_string(&key).unwrap();
    let act = app.deploy().input("ssh_key", &key);
    act.run().ends("refused", 2).says(&["ssh_key_passphrase"]);
    let act = app.deploy().input("ssh_key", &key);
    act.input("ssh_key_passphrase", "correct horse battery")
        .run()
        .ends("deployed", 0);
}

/// Stops the runner while the server waits in a hook; it must say so, and the server go back.
#[track_caller]
fn is_taken_back_after(signal: &str) {
    let app = App::running("v1");
    let before = app.release();
    let mut run = app.held_upgrade();
    let sent = Instant::now();
    run.signal(signal);
    run.until_it_says("takes itself back", seconds(5));
    assert!(sent.elapsed() < seconds(5));
    let done = run.wait();
    done.ends("rolled_back", 1).says(&["cancel"]);
    app.is_again(&before);
    assert_eq!(app.version().as_deref(), Some("v1"));
    app.nothing_lingers();
}

#[test]
fn a_runner_that_gets_sigterm_says_so_and_the_server_takes_itself_back() {
    is_taken_back_after("TERM");
}

#[test]
fn a_runner_that_gets_sigint_says_so_and_the_server_takes_itself_back() {
    is_taken_back_after("INT");
}

#[test]
fn a_runner_that_is_killed_leaves_a_server_that_settles_by_itself() {
    let app = App::running("v1");
    app.latest("v2");
    let run = app.deploy().start_held();
    run.signal("KILL");
    run.let_go();
    let ended = app.end_of_the_run(seconds(60));
    let version = app.version();
    match version.as_deref() {
        Some("v1") => assert!(ended.contains("rolled_back"), "{ended}"),
        Some("v2") => assert!(ended.contains("\"deployed\""), "{ended}"),
        other => panic!("{other:?} answers after {ended}"),
    }
    assert_eq!(app.containers()["web"].len(), 1);
    app.nothing_lingers();
    // The next run sweeps up what a killed one had to leave on the runner.
    app.deploy().input("mode", "plan").run().ends("planned", 0);
}

#[test]
fn a_connection_that_drops_is_made_again_and_the_run_goes_on() {
    let app = App::running("v1");
    app.latest("v2");
    let mut run = app.deploy().start_held();
    let dropped = app
        .slot
        .sh("for p in $(pgrep -f '^sshd: deploy'); do kill -KILL $p && echo dropped; done; true");
    assert!(dropped.contains("dropped"), "no session was there to drop");
    run.until_it_says("again", seconds(30));
    run.let_go();
    run.wait().ends("deployed", 0);
    assert_eq!(app.version().as_deref(), Some("v2"));
}

/// What `deploy`'s login shell does first, until the end of the scene: a reset spares that file.
struct AtLogin<'a>(&'a App);

impl<'a> AtLogin<'a> {
    #[track_caller]
    fn does(app: &'a App, line: &str) -> Self {
        let write = "cat > ~/.bashrc";
        app.slot.sh_as("deploy", write, line.as_bytes());
        Self(app)
    }
}

impl Drop for AtLogin<'_> {
    fn drop(&mut self) {
        let as_it_was = "cp /etc/skel/.bashrc ~/.bashrc";
        let _ = self.0.slot.try_sh_as("deploy", as_it_was, b"");
    }
}

#[test]
fn a_login_shell_that_prints_without_a_last_newline_keeps_nothing_from_being_deployed() {
    let app = App::running("v1");
    let _shell = AtLogin::does(&app, "printf 'Welcome to web-1'\n");
    let shell = app.slot.sh("getent passwd deploy");
    assert!(shell.trim().ends_with("/bin/bash"), "{shell}");
    app.ships("v2");
    app.cli(&["status"]).run().exits(0);
    app.rollback().run().ends("restored", 0);
}

#[test]
fn a_login_shell_that_ends_is_named_and_the_run_is_refused() {
    let app = App::running("v1");
    let before = app.untouched();
    let _shell = AtLogin::does(&app, "echo closed for today\nexit 0\n");
    app.deploy().run().ends("refused", 2).says(&[
        "let us in, and its login shell ended with status 0 before it ran anything",
        "it printed: closed for today",
        "`~/.bashrc`",
    ]);
    app.is_untouched(&before);
}

/// Makes a docker context of `deploy`'s and uses it.
#[track_caller]
fn uses_context(app: &App, name: &str, address: &str) {
    let script = format!(
        "docker context create {name} --docker host={address} && docker context use {name}"
    );
    app.slot.sh_as("deploy", &script, b"");
}

#[test]
fn the_engine_is_the_one_of_the_docker_context_in_use_for_everybody() {
    let app = App::running("v1");
    app.slot.sh("ln -s /var/run/docker.sock /tmp/own.sock");
    uses_context(&app, "own", "unix:///tmp/own.sock");
    app.latest("v2");
    let hook = "printenv DOCKER_HOST; docker compose ps -q | wc -l";
    let done = app.deploy().input("pre_deploy", hook).run();
    done.ends("deployed", 0).says(&[
        "Docker listens at `/tmp/own.sock` (docker context `own`, `docker context use`)",
        "unix:///tmp/own.sock",
    ]);
    let before = app.untouched();
    uses_context(&app, "far", "tcp://192.0.2.1:2375");
    app.deploy().run().ends("refused", 2).says(&[
        "the engine at `tcp://192.0.2.1:2375` cannot be reached",
        "docker context `far`, `docker context use` says so",
        "docker context use default",
    ]);
    app.is_untouched(&before);
}
