//! A run on a server: started once, heard whole, whatever the connection does.
//!
//! It refuses to know how the agent comes to its place, and what a real one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use landfall::remote::agent::Agent;
use landfall::remote::binary::Binaries;
use landfall::remote::run::{Heard, Run};
use landfall::remote::transport::Transport;
use landfall::words::choices::Sudo;
use landfall::words::error::Error;
use landfall::words::event::{Event, Note, Outcome, Record};
use landfall::words::plan::{Plan, PlannedFile, Private};
use landfall::words::secret::Secret;
use landfall::words::wire::Word;

use super::place::{Place, stand_in};

const SOON: Duration = Duration::from_secs(30);

fn start(agent: &Agent, plan: &Plan) -> Run {
    agent.start(plan, &Private::default(), []).unwrap()
}

async fn next(run: &mut Run) -> Option<Heard> {
    tokio::time::timeout(SOON, run.next())
        .await
        .expect("it is heard in time")
        .unwrap()
}

/// What a run's notes say, the rest of what is heard in brackets.
async fn heard(run: &mut Run) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(heard) = next(run).await {
        all.push(text(&heard));
    }
    all
}

fn text(heard: &Heard) -> String {
    match heard {
        Heard::Record(record) => said(record),
        Heard::Dropped(_) => "(dropped)".into(),
        Heard::Back => "(back)".into(),
        Heard::Gone(words) => format!("(gone: {})", words.join(" / ")),
    }
}

fn said(record: &Record) -> String {
    match &record.event {
        Event::Note {
            note: Note::Said { text },
            ..
        } => text.clone(),
        Event::Finished {
            outcome: Outcome::Deployed,
        } => "deployed".into(),
        other => format!("{other:?}"),
    }
}

fn records_only(heard: &[String]) -> Vec<&str> {
    heard
        .iter()
        .map(String::as_str)
        .filter(|text| !text.starts_with('('))
        .collect()
}

fn notes(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("note {n}")).collect()
}

#[tokio::test]
async fn plan_secrets_and_files_arrive_and_every_record_comes_back() {
    let place = Place::new().await;
    let agent = place.install().await;
    let local = place.dir.path().join("local");
    fs::write(&local, "content").unwrap();
    let file = PlannedFile {
        path: "conf/app.yml".into(),
        mode: 0o644,
        size: 7,
        sha256: String::new(),
    };
    let plan = place.plan(3, 1);
    let private = Private {
        env_file: Some(Secret::new("TOKEN=hunter2")),
        ..Private::default()
    };
    let mut run = agent.start(&plan, &private, [(file, local)]).unwrap();
    let heard = heard(&mut run).await;
    let wanted = [
        "files conf/app.yml=content",
        "env_file 13",
        "note 0",
        "note 1",
        "note 2",
        "deployed",
    ];
    assert_eq!(heard[1..], wanted);
    for entry in fs::read_dir(place.run_dir(&plan).path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{path:?}"
        );
        let bytes = fs::read(&path).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("hunter2"),
            "{path:?}"
        );
    }
    assert_eq!(place.server.logins(), 1);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_loses_and_repeats_no_record_and_the_agent_survives() {
    let place = Place::new().await;
    let agent = place.install().await;
    // Long enough that a slow machine still cuts it the second time before its end.
    let plan = place.plan(160, 50);
    let mut run = start(&agent, &plan);
    let mut all = Vec::new();
    for cut_at in ["note 10", "note 30"] {
        loop {
            all.push(text(&next(&mut run).await.unwrap()));
            if all.last().unwrap() == cut_at {
                break;
            }
        }
        place.cut().await;
    }
    all.extend(heard(&mut run).await);
    assert_eq!(
        all.iter().filter(|text| *text == "(dropped)").count(),
        2,
        "{all:?}"
    );
    assert_eq!(all.iter().filter(|text| *text == "(back)").count(), 2);
    let records = records_only(&all);
    assert_eq!(records[3..163], notes(160));
    assert_eq!(records[163..], ["deployed"]);
    let (pid, session) = records[0].split_once(" session ").unwrap();
    assert_eq!(
        pid,
        format!("pid {session}"),
        "it leads a session of its own"
    );
    assert_eq!(place.server.logins(), 3);
}

#[tokio::test]
async fn starting_a_run_twice_attaches_to_it() {
    let place = Place::new().await;
    let agent = place.install().await;
    let plan = place.plan(20, 20);
    let (mut first, mut second) = (start(&agent, &plan), start(&agent, &plan));
    let (one, two) = tokio::join!(heard(&mut first), heard(&mut second));
    assert_eq!(one, two, "the same process tells both");
    assert_eq!(one.len(), 24);
    let mut late = start(&agent, &plan);
    assert_eq!(
        heard(&mut late).await,
        one,
        "a run that is over is told, not repeated"
    );
    let journal = fs::read_to_string(place.run_dir(&plan).journal()).unwrap();
    assert_eq!(journal.lines().count(), one.len());
    assert_eq!(fs::metadata(place.run_dir(&plan).log()).unwrap().len(), 0);
    let left = fs::read_dir(place.run_dir(&plan).path()).unwrap();
    let staged = left.filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".files")
    });
    assert_eq!(staged.count(), 0);
}

#[tokio::test]
async fn attaching_begins_at_the_asked_record() {
    let place = Place::new().await;
    let agent = place.install().await;
    let plan = place.plan(3, 1);
    heard(&mut start(&agent, &plan)).await;
    assert_eq!(
        heard(&mut agent.attach(&plan.id, 5)).await,
        ["note 2", "deployed"]
    );
    let unknown = agent.attach("nobody", 0).next().await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no run `nobody` on this server"
    );
}

#[tokio::test]
async fn the_agent_hears_the_runners_word_over_a_new_connection_too() {
    let place = Place::new().await;
    let agent = place.install().await;
    let mut plan = place.plan(0, 0);
    plan.hooks.pre_deploy = true;
    let mut run = start(&agent, &plan);
    for _ in 0..3 {
        next(&mut run).await;
    }
    place.cut().await;
    run.say(Word::Deny, "it's down").await.unwrap();
    let all = heard(&mut run).await;
    assert_eq!(records_only(&all), ["deny it's down", "deployed"]);
}

#[tokio::test]
async fn an_agent_that_dies_is_told_with_its_last_words() {
    let place = Place::new().await;
    let agent = place.install().await;
    let mut plan = place.plan(1, 1);
    plan.checks.watch = 13;
    let heard = heard(&mut start(&agent, &plan)).await;
    assert_eq!(heard.last().unwrap(), "(gone: last words)");
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_planned_starts_nothing() {
    let place = Place::new().await;
    let agent = place.install().await;
    let local = place.dir.path().join("local");
    fs::write(&local, "short").unwrap();
    let file = PlannedFile {
        path: "a".into(),
        mode: 0o644,
        size: 700,
        sha256: String::new(),
    };
    let plan = place.plan(0, 0);
    let mut run = agent
        .start(&plan, &Private::default(), [(file, local)])
        .unwrap();
    let Err(Error::Local(failure)) = run.next().await else {
        panic!("it must not start");
    };
    assert!(
        failure.to_string().ends_with("it became shorter"),
        "{failure}"
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!place.run_dir(&plan).journal().exists());
}

#[tokio::test]
async fn an_agent_that_cannot_be_executed_says_so_at_once() {
    let place = Place::new().await;
    let script = place.dir.path().join("broken");
    fs::write(&script, "#!/nonexistent/interpreter\n").unwrap();
    let binaries = Binaries::of(script);
    let transport = Arc::clone(&place.transport);
    let agent = Agent::install(transport, &place.site(), Sudo::Auto, &binaries)
        .await
        .unwrap();
    let Err(Error::Agent(failure)) = start(&agent, &place.plan(0, 0)).next().await else {
        panic!("it cannot start");
    };
    assert_eq!(failure.what, "the agent cannot be started");
    assert!(failure.hints[0].contains("static build"), "{failure:?}");
}

#[tokio::test]
async fn a_look_answers_in_json() {
    let place = Place::new().await;
    let agent = place.install().await;
    let seen = agent.look("mirror", &["--a", "b c"], SOON).await.unwrap();
    assert_eq!(seen["args"], serde_json::json!(["--a", "b c"]));
    let Err(Error::Agent(failure)) = agent.look("nothing", &[], SOON).await else {
        panic!("there is nothing");
    };
    assert_eq!(failure.hints, ["ask for `mirror`"]);
}

#[tokio::test]
async fn on_the_server_itself_the_same_run_needs_no_connection() {
    let place = Place::new().await;
    let binaries = Binaries::of(stand_in());
    let here = Arc::new(Transport::Here);
    let agent = Agent::install(here, &place.site(), Sudo::Auto, &binaries)
        .await
        .unwrap();
    let heard = heard(&mut start(&agent, &place.plan(2, 1))).await;
    assert_eq!(heard.last().unwrap(), "deployed");
}
