//! A stage: a directory that looks as the deploy directory will look with its new files in place,
//! made of symbolic links to what stays and of real files for what is new.
//!
//! `../x` works in it as in the original, because every level above is mirrored too. It refuses to
//! copy anything old, and to know who will look at it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::dir::{self, Dir};
use super::home::Home;
use super::put::{Content, Put, put_file};
use super::{Act, cannot};
use crate::words::backup::EntryKind;
use crate::words::event::Failure;

/// A file that is about to come.
pub struct NewFile<'a> {
    /// Where it goes, relative to the deploy directory.
    pub path: &'a str,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// What is in it.
    pub content: &'a mut dyn Content,
}

/// Makes the stage of `deploy_dir` below `stage_root`, which is created for its owner alone, and
/// returns the directory in it that stands for `deploy_dir`.
pub fn mirror(
    deploy_dir: &Path,
    stage_root: &Path,
    new_files: &mut [NewFile<'_>],
) -> Result<PathBuf, Failure> {
    let failed = |error: io::Error| cannot(Act::Write, &stage_root.display(), &error);
    remove_mirror(stage_root)?;
    std::fs::create_dir_all(stage_root).map_err(failed)?;
    let top = Dir::open(stage_root).map_err(failed)?;
    let own = top.mark().map_err(failed)?;
    top.dress(0o700, own.uid, own.gid).map_err(failed)?;
    let stage = levels(deploy_dir, top).map_err(failed)?;
    let staged = stage_root.join(deploy_dir.strip_prefix("/").unwrap_or(deploy_dir));
    fill(&stage, deploy_dir, None).map_err(failed)?;
    let home = Home::open(&staged).map_err(failed)?;
    for file in new_files {
        open_way(&stage, deploy_dir, file.path)?;
        put_over(&home, file)?;
    }
    Ok(staged)
}

/// Removes a stage; the originals that it links to stay.
pub fn remove_mirror(stage_root: &Path) -> Result<(), Failure> {
    // The standard library's own removal opens each directory without following links.
    match std::fs::remove_dir_all(stage_root) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(cannot(Act::Remove, &stage_root.display(), &error))
        }
        _ => Ok(()),
    }
}

/// Mirrors every level above the deploy directory and makes the place for the directory itself.
fn levels(deploy_dir: &Path, top: Dir) -> io::Result<Dir> {
    let mut original = PathBuf::from("/");
    let mut stage = top;
    for component in deploy_dir.components() {
        let Component::Normal(next) = component else {
            continue;
        };
        fill(&stage, &original, Some(next))?;
        stage.make_dir(next, 0o700)?;
        stage = stage.enter(next)?;
        original.push(next);
    }
    Ok(stage)
}

/// Links every name of the original but one into the stage; a level that cannot be read stays empty.
fn fill(stage: &Dir, original: &Path, but: Option<&OsStr>) -> io::Result<()> {
    let names = Dir::open(original)
        .and_then(|d| d.names())
        .unwrap_or_default();
    for each in names.iter().filter(|n| Some(n.as_os_str()) != but) {
        stage.make_link(each, original.join(each).as_os_str().as_bytes())?;
    }
    Ok(())
}

/// Turns the links on the way to a new file into real directories that link to what stays in them.
fn open_way(stage: &Dir, deploy_dir: &Path, rel: &str) -> Result<(), Failure> {
    let mut original = deploy_dir.to_owned();
    let failed = |error: io::Error| cannot(Act::Write, &deploy_dir.join(rel).display(), &error);
    let mut names = dir::names(Path::new(rel)).map_err(failed)?;
    names.pop();
    let mut at = stage.descend(Path::new("")).map_err(failed)?;
    for each in names {
        original.push(each);
        at = open_level(&at, each, &original).map_err(failed)?;
    }
    Ok(())
}

fn open_level(at: &Dir, each: &OsStr, original: &Path) -> io::Result<Dir> {
    match at.look(each)?.map(|m| m.kind) {
        Some(EntryKind::Dir) => return at.enter(each),
        Some(_) => {
            let real = std::fs::symlink_metadata(original)?;
            if !real.is_dir() {
                let text = format!("`{}` is not a directory", original.display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
            }
            at.remove(each)?;
        }
        None => {}
    }
    at.make_dir(each, 0o700)?;
    let made = at.enter(each)?;
    fill(&made, original, None)?;
    Ok(made)
}

fn put_over(staged: &Home, file: &mut NewFile<'_>) -> Result<Put, Failure> {
    put_file(staged, file.path, file.content, file.mode, None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::fs;
    use std::io::Cursor;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lay(dir: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_stage_shows_new_files_among_the_old_ones_and_the_levels_above() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().canonicalize().unwrap();
        let deploy = home.join("opt/mcp");
        lay(
            &deploy,
            &[
                ("compose.yaml", "old"),
                ("conf/a", "a"),
                ("conf/b", "b"),
                ("data/x", "x"),
            ],
        );
        lay(&home, &[("opt/shared/common.yaml", "shared")]);
        let (mut one, mut two) = (Cursor::new("new"), Cursor::new("B"));
        let mut files = [
            NewFile {
                path: "compose.yaml",
                mode: 0o644,
                content: &mut one,
            },
            NewFile {
                path: "conf/deep/b",
                mode: 0o600,
                content: &mut two,
            },
        ];
        let stage_root = home.join("stage");
        let staged = mirror(&deploy, &stage_root, &mut files).unwrap();

        let read = |p: &str| fs::read_to_string(staged.join(p)).unwrap();
        assert_eq!(read("compose.yaml"), "new");
        assert_eq!(read("conf/a"), "a");
        assert_eq!(read("conf/deep/b"), "B");
        assert_eq!(read("data/x"), "x");
        assert_eq!(
            fs::read_to_string(staged.join("../shared/common.yaml")).unwrap(),
            "shared"
        );
        assert!(staged.join("data").is_symlink());
        let mode = fs::metadata(staged.join("conf/deep/b"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(
            fs::read_to_string(deploy.join("compose.yaml")).unwrap(),
            "old"
        );
        assert!(!deploy.join("conf/deep").exists());

        remove_mirror(&stage_root).unwrap();
        assert!(!stage_root.exists());
        assert_eq!(fs::read_to_string(deploy.join("data/x")).unwrap(), "x");
        assert_eq!(
            fs::read_to_string(home.join("opt/shared/common.yaml")).unwrap(),
            "shared"
        );
    }

    #[test]
    fn a_new_file_is_not_staged_through_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().canonicalize().unwrap();
        lay(&home, &[("mcp/compose.yaml", "old"), ("outside/x", "x")]);
        std::os::unix::fs::symlink(home.join("outside"), home.join("mcp/conf")).unwrap();
        let mut text = Cursor::new("evil");
        let mut files = [NewFile {
            path: "conf/x",
            mode: 0o644,
            content: &mut text,
        }];
        let error = mirror(&home.join("mcp"), &home.join("stage"), &mut files).unwrap_err();
        assert!(error.to_string().contains("is not a directory"), "{error}");
        assert_eq!(fs::read_to_string(home.join("outside/x")).unwrap(), "x");
    }
}
