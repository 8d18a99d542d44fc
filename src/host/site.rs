//! The deploy directory: with its backups, the half of the server that is files.
//!
//! It refuses to know Docker and Compose; what belongs to containers is told to it.

mod backups;
mod coming;

use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::files::archive::space;
use crate::files::foreign::{self, Links};
use crate::files::rundir::RunDir;
use crate::files::tree::{self, Home, NewFile, Put, Us, whose};
use crate::host::ground::Ground;
use crate::words::Result;
use crate::words::env_file::EnvFile;
use crate::words::event::Failure;
use crate::words::plan::{Plan, Private, RequiredEnv, Site};
use crate::words::shell;

pub use coming::coming;

pub use backups::{
    backup, backups, check_target, clear_partial, differing, drop_backup, has_theirs,
    listed_within, restore, standings,
};

/// How many paths a message names.
const NAMED: usize = 8;
/// The env file's permission bits.
const ENV_MODE: u32 = 0o600;
/// How much of it is looked at, in bytes.
const ENV_FILE: u64 = 1024 * 1024;

/// Makes sure that the deploy directory is there and can be written.
pub fn check(site: &Site) -> Result<()> {
    let dir = &site.deploy_dir;
    let shown = dir.display();
    let found = fs::metadata(dir).map_err(|e| {
        let failure = Failure::new(format!("`{shown}` cannot be used")).because(&e);
        match e.kind() {
            std::io::ErrorKind::NotFound => failure.hint(format!(
                "make it once: `sudo install -d -o {} {}`",
                whose::me(),
                shell::path(dir)
            )),
            _ => failure,
        }
    })?;
    if !found.is_dir() {
        return Err(Failure::new(format!("`{shown}` is not a directory")));
    }
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| {
        Failure::new(format!("`{shown}` cannot be written"))
            .because(e)
            .hint(format!(
                "give the directory itself to the SSH user: `sudo chown {} {}`; what containers write in it keeps its owner",
                whose::me(),
                shell::path(dir)
            ))
            .hint("or give this user sudo without a password, and set `sudo: always`")
    })
}

/// Says whether anything lies at a path: a file, or a directory with something in it. What is there
/// and may not be looked into counts.
#[must_use]
pub fn holds(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut names) => names.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Makes sure that a backup fits.
pub fn check_room(ground: &Ground, site: &Site, exclude: &[String]) -> Result<()> {
    let scope = ground.scope(&site.backup_dir)?.excluding(exclude)?;
    let needed = space::estimate(ground.deploy(), &scope)?;
    if space::free_space(&site.backup_dir)?.bytes >= needed {
        return Ok(());
    }
    Err(space::full(ground.deploy(), &site.backup_dir, &scope))
}

/// Makes sure that an image of about this many bytes fits where Docker keeps images.
///
/// Where that cannot be looked at, as on an engine in a machine of its own, nothing is refused.
pub fn check_image_room(root: &Path, bytes: u64) -> Result<()> {
    let Ok(free) = space::free_space(root) else {
        return Ok(());
    };
    if !root.is_dir() || free.bytes >= bytes {
        return Ok(());
    }
    let (free, needed) = (space::in_words(free.bytes), space::in_words(bytes));
    let shown = root.display();
    Err(Failure::new(format!(
        "`{shown}` has {free} free, too little for the image"
    ))
    .because(format!("the image that runs now takes {needed}"))
    .hint("free disk space on the server: `docker system df`, `docker image prune`"))
}

/// Lays the files that came with the plan beside the old ones; the directory to ask Compose about.
pub fn lay_stage(plan: &Plan, private: &Private, run: &RunDir) -> Result<PathBuf> {
    let dir = lay(plan, private, run)?;
    if let Some(required) = &plan.required {
        require(required, &plan.site.deploy_dir, &dir)?;
    }
    Ok(dir)
}

/// Makes sure that the env file in `dir`, as it will be, sets what it must.
fn require(required: &RequiredEnv, deploy_dir: &Path, dir: &Path) -> Result<()> {
    let told = |failure: Failure| {
        let path = deploy_dir.join(&required.path);
        let what = format!("`{}`: {}", path.display(), failure.what);
        Failure { what, ..failure }
    };
    let text = match foreign::text(&dir.join(&required.path), ENV_FILE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|e| told(Failure::new("it cannot be read").because(e)))?,
    };
    EnvFile::read(&text).require(&required.names).map_err(told)
}

fn lay(plan: &Plan, private: &Private, run: &RunDir) -> Result<PathBuf> {
    let mut contents = contents(plan, private, run)?;
    if contents.is_empty() {
        return Ok(plan.site.deploy_dir.clone());
    }
    let mut files: Vec<NewFile<'_>> = contents
        .iter_mut()
        .map(|file| NewFile {
            path: &file.path,
            mode: file.mode,
            content: file.bytes.as_mut(),
        })
        .collect();
    tree::mirror(&plan.site.deploy_dir, &run.stage(), &mut files)
}

/// Removes the stage and what was unpacked for it.
pub fn strike_stage(run: &RunDir) -> Result<()> {
    tree::remove_mirror(&run.stage())
}

/// Makes sure that each file of the plan that is to change can be replaced, and put back.
pub fn check_files(ground: &Ground, plan: &Plan, private: &Private, run: &RunDir) -> Result<()> {
    let (dir, us) = (ground.deploy(), Us::now());
    let mut stuck = Vec::new();
    for file in &mut contents(plan, private, run)? {
        let why = whose::obstacle(dir, Path::new(&file.path), &us);
        if let Some(why) = why
            && !tree::put::holds(dir, &file.path, file.bytes.as_mut(), file.mode)
        {
            stuck.push((file.path.clone(), why));
        }
    }
    refuse_stuck(dir.path(), "bring", &stuck)
}

/// What could be begun and not be ended is not begun.
fn refuse_stuck(dir: &Path, verb: &str, stuck: &[(String, String)]) -> Result<()> {
    let Some((first, _)) = stuck.first() else {
        return Ok(());
    };
    let mut failure = Failure::new(match stuck.len() {
        1 => format!("the run cannot {verb} `{}`", dir.join(first).display()),
        n => format!("the run cannot {verb} {n} files in `{}`", dir.display()),
    });
    let all = stuck.iter().take(NAMED);
    failure.because = all
        .map(|(path, why)| format!("`{}`: {why}", dir.join(path).display()))
        .collect();
    Err(failure
        .hint(format!(
            "give it to the SSH user: `sudo chown {} {}`",
            whose::me(),
            shell::path(&dir.join(first))
        ))
        .hint("or give this user sudo without a password, and set `sudo: always`"))
}

/// Puts the files of the plan in place; those that differ from what was there.
pub fn put_files(
    ground: &Ground,
    plan: &Plan,
    private: &Private,
    run: &RunDir,
) -> Result<Vec<String>> {
    let home = ground.deploy();
    let own = home.dir().mark()?;
    let mut changed = Vec::new();
    for file in &mut contents(plan, private, run)? {
        let owner = (!is_there(home, &file.path)).then_some((own.uid, own.gid));
        let content = file.bytes.as_mut();
        if tree::put_file(home, &file.path, content, file.mode, owner)? != Put::Untouched {
            changed.push(file.path.clone());
        }
    }
    Ok(changed)
}

/// Says whether there is something at a path below a directory, be it a link.
fn is_there(home: &Home, path: &str) -> bool {
    let path = Path::new(path);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    let found = home.dir().descend(parent).and_then(|dir| dir.look(name));
    found.is_ok_and(|mark| mark.is_some())
}

/// A file of the plan with its content.
struct Content {
    path: String,
    mode: u32,
    bytes: Box<dyn tree::put::Content>,
}

/// The env file, and the files of the tar stream that came with the plan.
fn contents(plan: &Plan, private: &Private, run: &RunDir) -> Result<Vec<Content>> {
    let mut contents = Vec::new();
    if !plan.files.is_empty() {
        unpack(plan, run, &mut contents)?;
    }
    if let (Some(path), Some(text)) = (&plan.env_file_path, &private.env_file) {
        contents.push(Content {
            path: path.clone(),
            mode: ENV_MODE,
            bytes: Box::new(Cursor::new(text.expose().as_bytes().to_vec())),
        });
    }
    Ok(contents)
}

/// Finds each planned file in the tar stream; content is read where it lies.
fn unpack(plan: &Plan, run: &RunDir, contents: &mut Vec<Content>) -> Result<()> {
    let cannot = |e: std::io::Error| {
        Failure::new("the files that came with the plan cannot be read").because(e)
    };
    let mut archive =
        tar::Archive::new(foreign::open(&run.files(), Links::Refused).map_err(cannot)?);
    for entry in archive.entries().map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let path = entry.path().map_err(cannot)?.to_string_lossy().into_owned();
        let Some(planned) = plan.files.iter().find(|f| f.path == path) else {
            return Err(Failure::new(format!("`{path}` came without being planned")));
        };
        let part = Part::new(&run.files(), entry.raw_file_position(), entry.size());
        contents.push(Content {
            path: planned.path.clone(),
            mode: planned.mode,
            bytes: Box::new(part.map_err(cannot)?),
        });
    }
    if contents.len() < plan.files.len() {
        return Err(Failure::new("not every planned file came with the plan"));
    }
    Ok(())
}

/// A stretch of a file, read as a file of its own.
struct Part {
    file: File,
    start: u64,
    len: u64,
    at: u64,
}

impl Part {
    fn new(path: &Path, start: u64, len: u64) -> std::io::Result<Self> {
        let file = foreign::open(path, Links::Refused)?;
        Ok(Self {
            file,
            start,
            len,
            at: 0,
        })
    }
}

impl std::io::Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let read = self
            .file
            .read_at(&mut buffer[..wanted], self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl std::io::Seek for Part {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            std::io::SeekFrom::Start(at) => Some(at),
            std::io::SeekFrom::End(by) => self.len.checked_add_signed(by),
            std::io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Makes the directories that paths lie in, for the owner of the deploy directory where this
/// process may give them away; one that cannot be made is left to the engine.
pub fn make_way(ground: &Ground, paths: &[String]) {
    let dir = ground.deploy();
    let owner = dir.dir().mark().ok().map(|home| (home.uid, home.gid));
    for parent in paths.iter().filter_map(|path| Path::new(path).parent()) {
        if tree::make_dir(dir, parent, owner).is_err() {
            let _ = tree::make_dir(dir, parent, None);
        }
    }
}

/// Removes directories that are empty; what is not stays, and so does what lies behind a link.
pub fn remove_empty(ground: &Ground, paths: &[String]) {
    for path in paths {
        let _ = tree::remove_empty(ground.deploy(), Path::new(path));
    }
}
