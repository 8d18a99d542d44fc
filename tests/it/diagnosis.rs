//! What fails is told by its cause, in the words of who deploys, with every check's last word.

use crate::harness::app::App;
use crate::harness::compose;
use crate::harness::done::Done;

/// A service whose healthcheck Docker asks too late for these tests.
fn slow_to_check(image: &str) -> String {
    compose::web(image).replace("interval: 1s", "interval: 60s")
}

/// The annotation's first line, which is what most people read.
fn cause(done: &Done) -> &str {
    let mut lines = done.log.lines();
    let told = lines.find(|l| l.contains("::error "));
    told.and_then(|l| l.split("%0A").next()).unwrap_or_default()
}

#[test]
fn an_answer_leads_before_a_pending_healthcheck_and_every_check_is_told_with_its_last_word() {
    let app = App::empty();
    app.furnish(&slow_to_check(&compose::beacon("latest")));
    app.ships("v1");
    app.latest("health-500");
    let tests = "- name: cache\n  tcp: localhost:8099\n\
                 - name: version\n  http: http://localhost:8000/version\n\
                 - name: elsewhere\n  http: http://web:8000/health\n";
    let done = app
        .deploy()
        .input("health_timeout", "8")
        .input("health_url", "http://localhost:8000/health")
        .input("smoke_tests", tests)
        .run();
    done.ends("rolled_back", 1).says(&[
        "waiting, 5 s of 8 s: ",
        "web (service): is not healthy yet",
        "health_url (http): answered 500",
        "cache (tcp): nothing listens at `localhost:8099` (connection refused): no service publishes port 8099; `web` publishes 8000",
        "elsewhere (http): the name `web` has no address",
        "version (http): answered 200 in",
    ]);
    let cause = cause(&done);
    let (lead, others) = cause.split_once("nor does this pass: ").unwrap();
    assert!(lead.contains("check `health_url`: answered 500"), "{cause}");
    assert!(others.contains("check `cache`"), "{cause}");
    for check in [
        "`web`",
        "`health_url`",
        "`cache`",
        "`elsewhere`",
        "`version`",
    ] {
        let row = |line: &&str| line.starts_with('|') && line.contains(check);
        assert!(done.summary.lines().any(|l| row(&l)), "{}", done.summary);
    }
    assert!(!done.everything_told().contains("os error"));
}

#[test]
fn what_keeps_containers_from_starting_is_the_headline_in_place_of_composes_command() {
    let app = App::running("v1");
    app.latest("v2");
    let web = compose::web(&compose::beacon("latest"));
    let tried = |compose: &str| {
        let act = app.deploy().input("health_timeout", "8");
        let done = act.ship("compose.yaml", compose).run();
        done.ends("rolled_back", 1);
        assert!(!cause(&done).contains("cli-plugins"), "{}", cause(&done));
        done
    };
    // The server's own sshd has it, which is in no container: nothing has to be tried for that.
    let taken = web.replace("8000:8000", "22:8000");
    let taken = app.deploy().ship("compose.yaml", &taken).run();
    taken
        .ends("refused", 2)
        .says(&["port 22, which service `web` publishes, is taken by a process of `root`"]);
    let missing = tried(&format!("{web}    entrypoint: [nowhere]\n"));
    assert!(
        cause(&missing).contains("its command `nowhere` is not in the image"),
        "{}",
        cause(&missing)
    );
    let curl = tried(&web.replace(
        "\"CMD\", \"/beacon\", \"check\"",
        "\"CMD\", \"curl\", \"-f\"",
    ));
    assert!(
        cause(&curl).contains("its healthcheck calls `curl`, which is not in the image"),
        "{}",
        cause(&curl)
    );
    assert!(!curl.log.contains("raise `health_timeout`"));
    assert_eq!(app.version().as_deref(), Some("v1"));
}
