//! The agent's place on a server: copied once, found again, replaced when it is not what it says.
//!
//! It refuses to know what an agent does once it is started.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use landfall::remote::agent::state_dir;
use landfall::words::error::Error;

use super::place::{Place, stand_in};
use crate::sshd::user;

#[tokio::test]
async fn the_agent_is_placed_once_and_found_again_by_its_digest() {
    let place = Place::new().await;
    place.install().await;
    let bin = state_dir(&place.site()).join("bin");
    let files = || {
        fs::read_dir(&bin)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect::<Vec<_>>()
    };
    let [first] = &files()[..] else {
        panic!("{:?}", files())
    };
    let before = fs::metadata(first).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o700);
    assert_eq!(
        fs::metadata(state_dir(&place.site()))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    assert_eq!(fs::read(first).unwrap(), fs::read(stand_in()).unwrap());
    place.install().await;
    let after = fs::metadata(first).unwrap();
    assert_eq!(
        (after.ino(), after.mtime_nsec()),
        (before.ino(), before.mtime_nsec())
    );
    assert_eq!(files().len(), 1);
    assert_eq!(place.server.logins(), 1);
}

#[tokio::test]
async fn only_the_newest_three_agents_stay_and_a_cut_off_copy_is_replaced() {
    let place = Place::new().await;
    let bin = state_dir(&place.site()).join("bin");
    fs::create_dir_all(&bin).unwrap();
    for age in 1..=4 {
        let old = bin.join(format!("landfall-{age}"));
        fs::write(&old, b"old").unwrap();
        let when = format!("-{age} days");
        assert!(
            Command::new("touch")
                .args(["-d", &when])
                .arg(old)
                .status()
                .unwrap()
                .success()
        );
    }
    place.install().await;
    let mut names: Vec<_> = fs::read_dir(&bin)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    let is_old = |name: &String| name.len() == "landfall-1".len();
    let (old, new): (Vec<_>, Vec<_>) = names.into_iter().partition(is_old);
    assert_eq!(old, ["landfall-1", "landfall-2"]);
    let newest = bin.join(&new[0]);
    fs::write(&newest, b"cut off").unwrap();
    place.install().await;
    assert_eq!(
        fs::metadata(newest).unwrap().len(),
        fs::metadata(stand_in()).unwrap().len()
    );
}

#[tokio::test]
async fn an_agent_of_the_right_name_and_size_but_other_content_is_never_run() {
    let place = Place::new().await;
    place.install().await;
    let bin = state_dir(&place.site()).join("bin");
    let mut there = fs::read_dir(&bin).unwrap().map(|e| e.unwrap().path());
    let is_kept_digest =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
    let planted = there.find(|path| !is_kept_digest(path)).unwrap();
    let size = fs::metadata(&planted).unwrap().len();
    fs::write(&planted, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
    place.install().await;
    assert!(fs::read(planted).unwrap() == fs::read(stand_in()).unwrap());
}

#[tokio::test]
async fn a_place_where_others_may_plant_an_agent_is_named_with_what_mends_it() {
    let place = Place::new().await;
    let state = state_dir(&place.site());
    fs::create_dir_all(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let Err(Error::Agent(failure)) = place.try_install(&place.site()).await else {
        panic!("anybody could plant an agent there");
    };
    let (path, user) = (state.display(), user());
    let typed = landfall::words::shell::path(&state);
    assert_eq!(
        failure.what,
        format!(
            "`{path}` is not safe to run anything from: it belongs to `{user}`, and others may write to it"
        )
    );
    assert!(
        failure.hints[0].ends_with(&format!("`chmod go-w {typed}`")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_backup_directory_that_cannot_be_made_is_named_with_what_mends_it() {
    let place = Place::new().await;
    let mut site = place.site();
    site.backup_dir = "/proc/landfall/backups".into();
    let Err(Error::Agent(failure)) = place.try_install(&site).await else {
        panic!("it cannot be there");
    };
    let user = user();
    assert_eq!(
        failure.what,
        format!("user `{user}` cannot use the backup directory `/proc/landfall/backups`")
    );
    assert!(
        failure.hints[0].contains(&format!(
            "install -d -o {user} -m 750 /proc/landfall/backups"
        )),
        "{failure:?}"
    );
    site.deploy_dir = place.dir.path().join("missing");
    site.backup_dir = site.deploy_dir.join("backups");
    assert!(place.try_install(&site).await.is_err());
    assert!(!site.deploy_dir.exists());
}

/// A look that the agent answers to; it must not be answered.
async fn is_refused(agent: &landfall::remote::agent::Agent, why: &str) {
    let looked = agent.look("history", &[], std::time::Duration::from_secs(20));
    let Err(Error::Agent(failure)) = looked.await else {
        panic!("it was answered");
    };
    assert!(failure.because.join("\n").contains(why), "{failure:?}");
}

/// The directory that holds the executables, and the one that was placed.
fn placed(place: &Place) -> (PathBuf, PathBuf) {
    let bin = state_dir(&place.site()).join("bin");
    let mut there = fs::read_dir(&bin).unwrap().map(|e| e.unwrap().path());
    let program = there.find(|path| {
        !path
            .file_name()
            .unwrap()
            .as_encoded_bytes()
            .starts_with(b".")
    });
    (bin, program.unwrap())
}

/// Root alone works for others; for anybody else these are silent.
fn is_root() -> bool {
    user() == "root"
}

#[tokio::test]
async fn what_was_changed_behind_the_look_is_not_run_by_root() {
    if !is_root() {
        return;
    }
    let place = Place::new().await;
    let agent = place.install().await;
    let (_, program) = placed(&place);
    let ran = place.dir.path().join("ran");
    let planted = format!("#!/bin/sh\ntouch \"{}\"\necho '{{}}'\n", ran.display());
    fs::remove_file(&program).unwrap();
    fs::write(&program, planted).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    is_refused(&agent, "is not the agent that was put there").await;
    assert!(!ran.exists(), "root ran what was planted");
}

#[tokio::test]
async fn a_directory_that_was_given_away_behind_the_look_is_not_entered_by_root() {
    if !is_root() {
        return;
    }
    let place = Place::new().await;
    let agent = place.install().await;
    std::os::unix::fs::chown(place.site().backup_dir, Some(4_242), None).unwrap();
    is_refused(&agent, "is not safe to run anything from as root").await;
}

#[tokio::test]
async fn the_agent_that_root_opened_runs_whatever_lies_at_its_path_by_then() {
    if !is_root() {
        return;
    }
    let place = Place::new().await;
    let agent = place.install().await;
    let plan = place.plan(30, 20);
    let mut run = agent
        .start(&plan, &landfall::words::plan::Private::default(), [])
        .unwrap();
    assert!(run.next().await.unwrap().is_some());
    let (_, program) = placed(&place);
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 9\n").unwrap();
    let mut heard = 0;
    while let Some(record) = run.next().await.unwrap() {
        heard += usize::from(matches!(record, landfall::remote::run::Heard::Record(_)));
    }
    assert!(heard > 30, "{heard}");
}
