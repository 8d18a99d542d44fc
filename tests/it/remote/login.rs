//! Login shells that print, end, wait or start another one, each played by a real sshd that forces a
//! command on whoever logs in.
//!
//! It refuses to know what the agent does.

use std::time::Duration;

use landfall::remote::transport::{Ended, Transport};
use landfall::words::error::Error;
use landfall::words::event::{Failure, FailureKind, Status};
use landfall::words::plan::Private;

use super::place::Place;
use crate::sshd::{Sshd, user};

const SOON: Duration = Duration::from_mins(1);

/// A server whose login shell does this.
fn with_shell(script: &str) -> Sshd {
    Sshd::start_with(&[], &format!("ForceCommand {script}\n"))
}

/// What is said of a server whose login shell runs nothing.
async fn refusal(script: &str) -> Failure {
    let server = with_shell(script);
    let mut target = server.pinned();
    target.connect_timeout = Duration::from_secs(1);
    let Err(error) = Transport::there(target).await else {
        panic!("it got in");
    };
    assert_eq!(error.status(), Status::Refused);
    let failure = error.failures()[0].clone();
    let address = format!("`{}@[127.0.0.1]:{}` ", user(), server.port);
    assert!(failure.what.starts_with(&address), "{failure}");
    failure
}

#[tokio::test]
async fn what_a_login_shell_prints_without_a_last_newline_does_no_harm() {
    let banner = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(banner.path(), "Authorised use only. timed out").unwrap();
    let forced =
        "printf 'Welcome to web-1'; printf 'no mail' >&2; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let more = format!(
        "Banner {}\nForceCommand {forced}\n",
        banner.path().display()
    );
    let server = Sshd::start_with(&[], &more);
    let there = Transport::there(server.pinned()).await.unwrap();
    let first = there.run_first("printf first", SOON).await.unwrap();
    assert_eq!(first.stdout, b"first");
    let output = there.run("cat; exit 3", b"fed\0whole", SOON).await.unwrap();
    assert_eq!(
        (output.ended, &*output.stdout),
        (Ended::Exited(3), &b"fed\0whole"[..])
    );
}

#[tokio::test]
async fn an_agent_is_placed_and_followed_behind_a_login_shell_that_prints() {
    let server = with_shell("printf 'Welcome {\"v\":1}'; exec sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let place = Place::on(server).await;
    let agent = place.install().await;
    let plan = place.plan(3, 1);
    let mut run = agent.start(&plan, &Private::default(), []).unwrap();
    let mut heard = 0;
    while run.next().await.unwrap().is_some() {
        heard += 1;
    }
    assert!(heard > 3, "{heard}");
}

#[tokio::test]
async fn a_login_shell_that_ends_is_told_with_its_status_and_what_it_printed() {
    let failure = refusal("echo closed for today; exit 0").await;
    assert!(
        failure
            .what
            .ends_with("its login shell ended with status 0 before it ran anything"),
        "{failure}"
    );
    assert_eq!(failure.because, ["it printed: closed for today"]);
    let failure = refusal("/bin/false").await;
    assert!(failure.what.contains("ended with status 1"), "{failure}");
    assert_eq!(failure.because, ["it printed nothing"]);
    assert!(failure.hints[0].contains("/bin/false"), "{failure:?}");
    let failure = refusal("/usr/sbin/nologin").await;
    assert!(
        failure.what.ends_with("has no shell on the server"),
        "{failure}"
    );
    let failure = refusal("echo Connection refused; exit 255").await;
    assert!(failure.what.contains("its login shell ended"), "{failure}");
}

#[tokio::test]
async fn a_login_shell_that_starts_another_or_waits_is_told_from_a_server_that_does_not_answer() {
    let failure = refusal("printf 'choose: '; exec cat > /dev/null").await;
    assert!(
        failure
            .what
            .ends_with("its login shell ran nothing within 21 s"),
        "{failure}"
    );
    assert_eq!(failure.because, ["it printed: choose: "]);
    assert_eq!(failure.kind, FailureKind::TimedOut);
}

#[tokio::test]
async fn a_run_of_which_nothing_began_is_refused_and_not_unknown() {
    // Lets the login and the copy through, and then nobody.
    let forced = "n=$(cat DIR/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > DIR/n; \
                  if [ $n -gt 2 ]; then echo go away; exit 0; fi; exec sh -c \"$SSH_ORIGINAL_COMMAND\"";
    let place = Place::on(with_shell(forced)).await;
    let agent = place.install().await;
    let plan = place.plan(3, 1);
    let mut run = agent.start(&plan, &Private::default(), []).unwrap();
    let error: Error = run.next().await.unwrap_err();
    assert_eq!(error.status(), Status::Refused, "{error}");
    assert!(error.to_string().contains("it printed: go away"), "{error}");
    let looked = agent.look("history", &[], SOON).await.unwrap_err();
    assert!(
        looked
            .to_string()
            .contains("its login shell ended with status 0"),
        "{looked}"
    );
    assert!(!place.run_dir(&plan).path().exists());
}
