//! Root on the server: what it asks for is done by the user who deploys, and the next deployment of
//! that user's works as before.
//!
//! It refuses to know how root hands over.

use crate::harness::app::App;
use crate::harness::compose;

/// What `docs/command-line.md` has people type to have the program on the server.
fn documented_installation(app: &App) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/command-line.md");
    let page = std::fs::read_to_string(page).unwrap();
    let line = page
        .lines()
        .find(|l| l.starts_with("$ sudo sh -c 'install "));
    line.unwrap()[2..].replace("/opt/app", &app.dir)
}

/// What is not the deploying user's in the two directories, cron's log aside.
fn of_others(app: &App) -> String {
    app.slot.sh(&format!(
        "find {0} {0}-backups ! -user {1} ! -path '{0}/log*' ! -path '{0}/data*'",
        app.dir, app.user
    ))
}

#[test]
fn root_asks_as_the_user_who_deploys_and_breaks_no_deployment_of_theirs() {
    let app = App::running("v1");
    app.ships("v2");
    let before = of_others(&app);
    app.slot.sh(&documented_installation(&app));
    let root = |words: &str| {
        let line = format!("cd /root && landfall {words} --deploy-dir /srv/app 2>&1");
        let done = app.slot.try_sh_as("root", &line, b"");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    };
    for (words, code, says) in [
        ("status", 0, "status     healthy"),
        ("history", 0, "deployed"),
        ("backups", 0, "latest"),
        ("verify", 0, "whole"),
        ("freeze 'moving house'", 0, "Frozen"),
        ("thaw", 0, "Thawed"),
        ("recover", 0, "Nothing was left to settle"),
        ("doctor", 0, "user deploy"),
        ("logs web --tail 5", 0, "app-web-1 | "),
        ("rollback --watch 0", 0, "Restored the backup"),
    ] {
        let (ended, said) = root(words);
        assert_eq!(ended, Some(code), "{words}: {said}");
        assert!(said.contains(says), "{words}: {said}");
        assert!(
            said.contains("as user `deploy`, who owns `/srv/app-backups/.landfall`"),
            "{said}"
        );
        assert_eq!(of_others(&app), before, "{words}");
    }
    assert_eq!(app.version().as_deref(), Some("v1"));
    // Root's own part opens nothing that is the user's.
    app.slot.sh("cd / && strace -f -o /tmp/calls -e trace=open,openat,readlink,readlinkat,execve,setuid,setresuid,getdents64 landfall status --deploy-dir /srv/app");
    let calls = app.slot.sh("cat /tmp/calls");
    let first = format!("{} ", calls.split_whitespace().next().unwrap());
    let mut ours = calls.lines().filter(|line| line.starts_with(&first));
    let read = ours.find(|line| line.contains("\"/srv/"));
    assert_eq!(read.filter(|line| !line.contains("execve")), None);
    let by_a_user = calls
        .lines()
        .any(|line| !line.starts_with(&first) && line.contains("\"/srv/app"));
    assert!(by_a_user, "{calls}");
    app.ships("v3");
    app.slot.sh("rm /usr/local/bin/landfall");
}

#[test]
fn what_containers_print_is_shown_without_secrets_and_followed_until_somebody_has_seen_enough() {
    let app = App::empty();
    app.furnish(&compose::pair(
        &compose::beacon("latest"),
        &compose::beacon("v2"),
    ));
    app.latest("v1");
    let secret = "opensesame-made-up-here";
    let env = format!("GREETING={secret}\n");
    app.deploy()
        .image("")
        .input("env_file", &env)
        .run()
        .ends("deployed", 0);
    let pid = "$(docker inspect -f '{{.State.Pid}}' app-web-1)";
    app.slot
        .sh(&format!("echo 'it is {secret}' > /proc/{pid}/fd/2"));
    let all = app.cli(&["logs"]).run();
    all.exits(0)
        .says(&["app-web-1 | it is [redacted]", "app-worker-1 | "]);
    assert!(!all.log.contains(secret), "{}", all.log);
    let one = app.cli(&["logs", "web", "--tail", "1"]).run();
    one.exits(0);
    assert_eq!(one.log.matches("app-web-1 | ").count(), 1, "{}", one.log);
    assert!(!one.log.contains("app-worker-1"), "{}", one.log);
    let none = app.cli(&["logs", "wbe"]).run();
    none.exits(2)
        .says(&["no container is of the service `wbe`", "`web`, `worker`"]);
    let json = app.cli(&["logs", "worker", "--json", "--tail", "1"]).run();
    json.exits(0).says(&["\"container\":\"app-worker-1\""]);
    let mut following = app.cli(&["logs", "-f", "--tail", "1"]).start();
    following.until_it_says("app-worker-1 | ", std::time::Duration::from_secs(30));
    // One that is made anew is followed too.
    app.by_hand("docker compose up -d --force-recreate web 2>&1");
    following.until_it_says("app-web-1 | ", std::time::Duration::from_secs(30));
    following.signal("INT");
    following.wait().exits(0);
    let left = "pgrep -fc 'landfall-[0-9a-f]* agent logs' || true";
    crate::harness::poll::until(
        "the agent to end",
        crate::harness::poll::seconds(10),
        || (app.slot.sh(left).trim() == "0").then_some(()),
    );
}
