//! One look at a server before the agent is there: what it is, as whom we act, what it has.
//!
//! The look is one line of POSIX shell; its answer is lines of `landfall: …`, so that whatever a
//! login shell prints around them is no matter. It refuses to know what follows from the answer.

use std::path::Path;

use super::binary::Arch;
use super::shell::{LOOK, MAKE};
use crate::words::choices::Sudo;
use crate::words::shell::word;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The state directory, which is made if it is not there.
    pub state: &'a Path,
    /// A directory that must be there already, or nothing is made.
    pub not_without: Option<&'a Path>,
    /// Whether sudo may be used.
    pub sudo: Sudo,
    /// The processors for which there is an executable.
    pub archs: &'a [Arch],
    /// The executables' names; each that is there is told with its digest.
    pub names: &'a [String],
}

/// What a server answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// `uname -s`.
    pub system: String,
    /// `uname -m`.
    pub machine: String,
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The number of a group of the user's own; none if others may be in it.
    pub group: Option<u32>,
    /// Whether sudo works; none if it was not asked for.
    pub sudo: Option<bool>,
    /// The executables that are there, or why there is no place for one.
    pub place: Place,
    /// Hex SHA-256 of each asked executable that is there, as the server reads it now.
    pub digests: Vec<String>,
}

/// The directory of executables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is there, with these files, newest first: size and name.
    Ready(Vec<(u64, String)>),
    /// Somebody else might put there what we are about to run.
    Unsafe(Unsafe),
    /// It could not be made.
    Refused(String),
    /// It was not made, since the directory it must not be made without is missing.
    Without,
}

/// A path that somebody else rules over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsafe {
    /// What is wrong with it.
    pub fault: Unsafety,
    /// The name of its owner.
    pub owner: String,
    /// The path.
    pub path: String,
}

/// How somebody else rules over a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafety {
    /// It belongs neither to root nor to us, or is a link of such an owner.
    Stranger,
    /// Others may write to it, and no sticky bit holds them back.
    Writable,
}

impl Default for Place {
    fn default() -> Self {
        Self::Refused(String::new())
    }
}

/// The script that asks.
#[must_use]
pub fn script(question: Question) -> String {
    let archs: Vec<_> = question
        .archs
        .iter()
        .flat_map(|arch| match arch {
            Arch::X86 => ["x86_64", "amd64"],
            Arch::Arm => ["aarch64", "arm64"],
        })
        .collect();
    let text = |path: &Path| word(&path.to_string_lossy());
    format!(
        "state={}; without={}; mode={}; archs={}; names={}; script={}; {}",
        text(question.state),
        question.not_without.map_or_else(|| "''".to_owned(), text),
        question.sudo.word(),
        word(&archs.join(" ")),
        word(&question.names.join(" ")),
        word(&MAKE),
        *LOOK,
    )
}

/// Reads the answer.
#[must_use]
pub fn parse(stdout: &str) -> Answer {
    let mut answer = Answer::default();
    let mut code = 1;
    let mut made = Vec::new();
    for line in stdout.lines() {
        let Some((word, rest)) = line
            .strip_prefix("landfall: ")
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
        else {
            continue;
        };
        match word {
            "system" => rest.clone_into(&mut answer.system),
            "machine" => rest.clone_into(&mut answer.machine),
            "user" => {
                let (uid, name) = rest.split_once(' ').unwrap_or((rest, ""));
                answer.uid = uid.parse().unwrap_or(u32::MAX);
                name.clone_into(&mut answer.user);
            }
            "group" => answer.group = rest.parse().ok(),
            "sudo" => answer.sudo = Some(rest == "yes"),
            "place" => code = rest.parse().unwrap_or(1),
            "made" => made.push(rest),
            _ => {}
        }
    }
    answer.digests = made.iter().filter_map(|line| digest(line)).collect();
    answer.place = match code {
        8 => made.iter().find_map(|line| not_safe(line)).map_or_else(
            || Place::Refused(made.join(" ").trim().to_owned()),
            Place::Unsafe,
        ),
        0 => Place::Ready(made.into_iter().filter_map(listed).collect()),
        9 => Place::Without,
        _ => Place::Refused(made.join(" ").trim().to_owned()),
    };
    answer
}

/// The digest of `sum <digest> …`.
fn digest(line: &str) -> Option<String> {
    let (digest, _) = line.strip_prefix("sum ")?.split_once(' ')?;
    (digest.len() == 64).then(|| digest.to_owned())
}

/// Reads `unsafe <fault> <owner> <path>`.
fn not_safe(line: &str) -> Option<Unsafe> {
    let (fault, rest) = line.strip_prefix("unsafe ")?.split_once(' ')?;
    let (owner, path) = rest.split_once(' ')?;
    Some(Unsafe {
        fault: match fault {
            "writable" => Unsafety::Writable,
            _ => Unsafety::Stranger,
        },
        owner: owner.to_owned(),
        path: path.to_owned(),
    })
}

/// Size and name of a plain file in `ls -ln`'s form; the names are ours, without spaces.
fn listed(line: &str) -> Option<(u64, String)> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [mode, _, _, _, size, .., name] = words[..] else {
        return None;
    };
    let ours = mode.starts_with('-') && name.starts_with("landfall-");
    Some((size.parse().ok().filter(|_| ours)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::transport::Transport;
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    async fn ask(question: Question<'_>) -> Answer {
        let script = script(question);
        assert!(
            !script.contains('\n'),
            "some login shells take one line only"
        );
        let output = Transport::Here
            .run(&script, b"", Duration::from_secs(10))
            .await
            .unwrap();
        parse(&String::from_utf8(output.stdout).unwrap())
    }

    fn about<'a>(
        state: &'a Path,
        not_without: Option<&'a Path>,
        archs: &'a [Arch],
    ) -> Question<'a> {
        Question {
            state,
            not_without,
            sudo: Sudo::Never,
            archs,
            names: &[],
        }
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn state_in(dir: &Path) -> std::path::PathBuf {
        let state = dir.join("backups/.landfall");
        std::fs::create_dir_all(state.join("bin")).unwrap();
        for path in ["backups", "backups/.landfall", "backups/.landfall/bin"] {
            chmod(&dir.join(path), 0o755);
        }
        state
    }

    #[tokio::test]
    async fn an_executable_is_told_with_the_digest_of_what_it_holds_now() {
        let dir = tempfile::tempdir().unwrap();
        let state = state_in(dir.path());
        std::fs::write(state.join("bin/landfall-a"), b"").unwrap();
        std::fs::write(state.join("bin/landfall-other"), b"other").unwrap();
        let question = Question {
            names: &["landfall-a".into(), "landfall-missing".into()],
            ..about(&state, None, &Arch::ALL)
        };
        assert_eq!(
            ask(question).await.digests,
            ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
        );
    }

    #[tokio::test]
    async fn a_digest_is_taken_once_and_again_when_the_file_may_have_changed() {
        let dir = tempfile::tempdir().unwrap();
        let state = state_in(dir.path());
        let names = ["landfall-a".to_owned()];
        let question = Question {
            names: &names,
            ..about(&state, None, &Arch::ALL)
        };
        let file = state.join("bin/landfall-a");
        std::fs::write(&file, b"one").unwrap();
        let one = ask(question).await.digests;
        let seen = state.join("bin/.seen-landfall-a");
        let kept = std::fs::read_to_string(&seen).unwrap();
        std::fs::write(&seen, kept.replacen(&one[0], &"0".repeat(64), 1)).unwrap();
        assert_eq!(ask(question).await.digests, ["0".repeat(64)]);
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, b"two").unwrap();
        let touched = std::fs::File::options().write(true).open(&file).unwrap();
        touched.set_modified(modified).unwrap();
        let two = ask(question).await.digests;
        assert!(two != one && two != ["0".repeat(64)], "{two:?}");
    }

    #[tokio::test]
    async fn a_place_that_others_may_write_to_is_not_used() {
        for name in [".", "bin"] {
            let dir = tempfile::tempdir().unwrap();
            let state = state_in(dir.path());
            chmod(&state.join(name), 0o757);
            let answer = ask(about(&state, None, &Arch::ALL)).await;
            let Place::Unsafe(unsafety) = answer.place else {
                panic!("{answer:?}");
            };
            assert_eq!(unsafety.fault, Unsafety::Writable);
            chmod(&state.join(name), 0o1757);
            let answer = ask(about(&state, None, &Arch::ALL)).await;
            assert_eq!(answer.place, Place::Ready(Vec::new()), "sticky");
        }
    }

    /// Only root can give a directory away, so the rest of this is silent for anybody else.
    #[tokio::test]
    async fn a_place_of_a_stranger_is_not_used_and_nothing_is_made_through_their_link() {
        for name in ["backups", "backups/.landfall", "backups/.landfall/bin"] {
            let dir = tempfile::tempdir().unwrap();
            let state = state_in(dir.path());
            let path = dir.path().join(name);
            if std::os::unix::fs::chown(&path, Some(4_242), None).is_err() {
                return;
            }
            let answer = ask(about(&state, None, &Arch::ALL)).await;
            let wanted = Unsafe {
                fault: Unsafety::Stranger,
                owner: "4242".into(),
                path: path.to_string_lossy().into_owned(),
            };
            assert_eq!(answer.place, Place::Unsafe(wanted));
        }
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let state = dir.path().join(".landfall");
        std::os::unix::fs::symlink(&elsewhere, &state).unwrap();
        std::os::unix::fs::lchown(&state, Some(4_242), None).unwrap();
        let answer = ask(about(&state, None, &Arch::ALL)).await;
        assert!(matches!(answer.place, Place::Unsafe(_)), "{answer:?}");
        assert!(!elsewhere.join("bin").exists());
    }

    /// The answer to a look for root at `theirs/backups/.landfall`, whose first part is a stranger's.
    async fn below_a_stranger(dir: &Path, state: &Path) -> Option<(Answer, std::path::PathBuf)> {
        let theirs = dir.join("theirs");
        std::fs::create_dir_all(theirs.join("backups")).unwrap();
        chmod(&theirs, 0o755);
        let is_given = std::os::unix::fs::chown(&theirs, Some(4_242), None).is_ok();
        if !is_given {
            return None;
        }
        Some((ask(about(state, None, &Arch::ALL)).await, theirs))
    }

    /// Only root can give a directory away, so the rest of this is silent for anybody else.
    #[tokio::test]
    async fn root_uses_no_place_below_a_strangers_directory_by_whatever_way() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let at = |way: &str| dir.path().join(way);
        std::os::unix::fs::symlink("theirs/backups", at("near")).unwrap();
        std::os::unix::fs::symlink(at("near"), at("far")).unwrap();
        for way in [
            "theirs/backups/.landfall",
            "near/.landfall",
            "far/x/.landfall",
        ] {
            let Some((answer, theirs)) = below_a_stranger(dir.path(), &at(way)).await else {
                return;
            };
            let wanted = Unsafe {
                fault: Unsafety::Stranger,
                owner: "4242".into(),
                path: theirs.to_string_lossy().into_owned(),
            };
            assert_eq!(answer.place, Place::Unsafe(wanted), "{way}");
        }
        assert_eq!(std::fs::read_dir(at("theirs/backups")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn root_uses_no_place_behind_an_access_list_that_lets_others_write() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let state = state_in(dir.path());
        // The owner, user 1717, the group, a mask and all others; see acl(5).
        let entries = [
            (1, 7, -1),
            (2, 7, 1_717),
            (4, 5, -1),
            (16, 7, -1),
            (32, 5, -1),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, may, id) in entries {
            list.extend(u16::to_le_bytes(tag));
            list.extend(u16::to_le_bytes(may));
            list.extend(i32::to_le_bytes(id));
        }
        let (name, flags) = ("system.posix_acl_access", rustix::fs::XattrFlags::empty());
        if rustix::fs::setxattr(dir.path().join("backups"), name, &list, flags).is_err() {
            return;
        }
        let answer = ask(about(&state, None, &Arch::ALL)).await;
        assert!(matches!(answer.place, Place::Unsafe(_)), "{answer:?}");
    }

    #[tokio::test]
    async fn a_look_makes_the_directory_and_lists_our_executables_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("it's a place/.landfall");
        let answer = ask(about(&state, None, &Arch::ALL)).await;
        assert_eq!(
            (answer.system.as_str(), answer.place),
            ("Linux", Place::Ready(vec![]))
        );
        std::fs::write(state.join("bin/landfall-1"), b"old").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(state.join("bin/landfall-2"), b"newer").unwrap();
        std::fs::write(state.join("bin/other"), b"").unwrap();
        let found = vec![(5, "landfall-2".to_owned()), (3, "landfall-1".to_owned())];
        assert_eq!(
            ask(about(&state, None, &Arch::ALL)).await.place,
            Place::Ready(found)
        );
    }

    /// Asks as a user who may make directories through `sudo` alone, if there is any.
    async fn ask_as_deploy(state: &Path, sudo: Sudo, has_sudo: bool) -> Answer {
        let tools = tempfile::tempdir().unwrap();
        let tool = |name: &str, text: &str| {
            let path = tools.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        tool(
            "id",
            r#"echo "uid=1000(deploy) gid=1000(deploy) groups=1000(deploy),998(docker)""#,
        );
        tool(
            "mkdir",
            r#"[ -n "$ROOT" ] && exec /bin/mkdir "$@"; echo Permission denied >&2; exit 1"#,
        );
        let sudoer = r#"[ "$1" = -n ] || exit 1; shift; [ "$1" = -- ] && shift; ROOT=1 exec "$@""#;
        tool("sudo", if has_sudo { sudoer } else { "exit 1" });
        let question = Question {
            sudo,
            ..about(state, None, &Arch::ALL)
        };
        let script = format!(
            "PATH={}:$PATH; {}",
            tools.path().display(),
            script(question)
        );
        let output = Transport::Here
            .run(&script, b"", Duration::from_secs(10))
            .await;
        parse(&String::from_utf8(output.unwrap().stdout).unwrap())
    }

    #[tokio::test]
    async fn sudo_is_used_where_it_is_needed_and_allowed() {
        let refused = Place::Refused("Permission denied".to_owned());
        let ready = Place::Ready(Vec::new());
        for (sudo, has_sudo, used, place) in [
            (Sudo::Auto, true, Some(true), &ready),
            (Sudo::Always, true, Some(true), &ready),
            (Sudo::Never, true, None, &refused),
            (Sudo::Auto, false, Some(false), &refused),
            (
                Sudo::Always,
                false,
                Some(false),
                &Place::Refused(String::new()),
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let answer = ask_as_deploy(&dir.path().join(".landfall"), sudo, has_sudo).await;
            assert_eq!(
                (answer.sudo, &answer.place),
                (used, place),
                "{sudo:?} {has_sudo}"
            );
            assert_eq!((answer.uid, answer.user.as_str()), (1000, "deploy"));
        }
    }

    /// Asks with an `id` that says this.
    async fn ask_as(ids: &str, state: &Path) -> Answer {
        let tools = tempfile::tempdir().unwrap();
        let id = tools.path().join("id");
        std::fs::write(&id, format!("#!/bin/sh\necho '{ids}'\n")).unwrap();
        chmod(&id, 0o755);
        let look = script(about(state, None, &Arch::ALL));
        let script = format!("PATH={}:$PATH; {look}", tools.path().display());
        let output = Transport::Here
            .run(&script, b"", Duration::from_secs(10))
            .await;
        parse(&String::from_utf8(output.unwrap().stdout).unwrap())
    }

    /// Only root can give a directory to a group, so this is silent for anybody else.
    #[tokio::test]
    async fn a_group_of_the_users_own_may_write_and_one_that_is_shared_may_not() {
        for (ids, name, ready) in [
            (
                "uid=1000(deploy) gid=4242(deploy) groups=9(x)",
                "deploy",
                true,
            ),
            ("uid=1000(deploy) gid=4242(domain users)", "deploy", false),
            ("uid=1000(deploy) gid=42424(deploy)", "deploy", false),
            ("uid=1000 gid=4242(deploy)", "1000", false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let bin = state_in(dir.path()).join("bin");
            if std::os::unix::fs::chown(&bin, None, Some(4_242)).is_err() {
                return;
            }
            chmod(&bin, 0o775);
            let answer = ask_as(ids, bin.parent().unwrap()).await;
            assert_eq!((answer.uid, &*answer.user), (1000, name), "{ids}");
            let found = matches!(answer.place, Place::Ready(_));
            assert_eq!(found, ready, "{ids}: {:?}", answer.place);
        }
    }

    #[tokio::test]
    async fn a_missing_deploy_directory_is_never_made_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let deploy = dir.path().join("app");
        let state = deploy.join("backups/.landfall");
        let answer = ask(about(&state, Some(&deploy), &Arch::ALL)).await;
        assert_eq!(answer.place, Place::Without);
        assert!(!deploy.exists());
    }

    #[tokio::test]
    async fn a_server_of_another_kind_is_left_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join(".landfall");
        ask(about(&state, None, &[])).await;
        assert!(!state.exists());
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_made_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let answer = ask(about(&file.join(".landfall"), None, &Arch::ALL)).await;
        let Place::Refused(why) = answer.place else {
            panic!("{answer:?}");
        };
        assert!(why.contains("Not a directory"), "{why}");
    }

    #[test]
    fn what_a_login_shell_prints_is_no_part_of_the_answer() {
        let answer = parse(
            "Welcome!\nlandfall: system Linux\nlandfall: user 1000 deploy\n** fortune **\nlandfall: sudo no\n",
        );
        assert_eq!(
            (answer.user.as_str(), answer.uid, answer.sudo),
            ("deploy", 1000, Some(false))
        );
    }
}
