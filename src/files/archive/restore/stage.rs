//! Unpacks the files that a restore needs beside the tree, each checked against its digest, before
//! anything in the tree is touched.
//!
//! It refuses to unpack what was not asked for.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::apply::Site;
use super::plan::Plan;
use crate::files::archive::read::{Item, Then, broken, read_through};
use crate::files::tree::dir::{self, Dir};
use crate::files::tree::sums::{Key, Summing};
use crate::files::tree::{Act, BUFFER, Home, cannot, hex};
use crate::words::backup::{Entry, EntryKind};
use crate::words::event::Failure;

/// The directory at the top of the tree in which files wait.
const STAGING: &str = ".landfall-tmp-restore";

/// Files that wait for their place, named by their path.
pub(crate) struct Staged<'a> {
    /// Where they wait; none if no file was needed.
    pub dir: Option<Dir>,
    /// The name of each there.
    pub names: HashMap<&'a str, OsString>,
}

/// Removes what waits in the tree.
pub(crate) fn clear(deploy_dir: &Home) -> io::Result<()> {
    deploy_dir.dir().remove_all(OsStr::new(STAGING))
}

/// Unpacks the files of a plan with their final permissions and owners. One that cannot be given
/// them is noted as a failure of the site's, and keeps no other from its place.
pub(crate) fn stage<'a>(
    archive: &Path,
    plan: &'a Plan,
    site: &mut Site,
    key: Option<&Key>,
) -> Result<Staged<'a>, Failure> {
    if plan.files.is_empty() {
        return Ok(Staged {
            dir: None,
            names: HashMap::new(),
        });
    }
    let at = site.root.path().join(STAGING);
    let failed = |e: io::Error| cannot(Act::Write, &at.display(), &e);
    let dir = site.make_staging(OsStr::new(STAGING)).map_err(failed)?;
    let mut waiting: HashMap<&str, &Entry> =
        plan.files.iter().map(|e| (e.path.as_str(), e)).collect();
    let mut names = HashMap::new();
    read_through(archive, &mut |item: &mut Item| {
        if let Some((path, want)) = waiting.remove_entry(item.entry.path.as_str()) {
            let name = OsString::from(waiting.len().to_string());
            expect_same_size(archive, want, item)?;
            let same = match unpack(&dir, &name, want, item, key) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    let shown = site.root.path().join(path);
                    site.failed.push(cannot(Act::Write, &shown.display(), &e));
                    return Ok(Then::GoOn);
                }
                other => other.map_err(|e| cannot(Act::Write, &at.join(path).display(), &e))?,
            };
            if !same {
                let text = format!("`{path}` in it is not what the description says");
                return Err(broken(archive, &text));
            }
            names.insert(path, name);
        }
        Ok(if waiting.is_empty() {
            Then::Stop
        } else {
            Then::GoOn
        })
    })?;
    if let Some(path) = waiting.into_keys().min() {
        return Err(broken(archive, &format!("it lacks `{path}`")));
    }
    Ok(Staged {
        dir: Some(dir),
        names,
    })
}

/// The description bounds what an archive may unpack to.
fn expect_same_size(archive: &Path, want: &Entry, item: &Item) -> Result<(), Failure> {
    let is = &item.entry;
    if is.kind == EntryKind::File && is.size == want.size {
        return Ok(());
    }
    Err(broken(
        archive,
        &format!(
            "`{}` in it is not the file that the description lists",
            want.path
        ),
    ))
}

/// Says whether what was unpacked is what the description says.
fn unpack(
    dir: &Dir,
    name: &OsStr,
    want: &Entry,
    item: &mut Item,
    key: Option<&Key>,
) -> io::Result<bool> {
    let mut file = dir.create(name)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut body = Summing::new(&mut *item.body, key);
    loop {
        match body.read(&mut buffer)? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                file.write_all(&buffer[..n])?;
            }
        }
    }
    dir::dress_file(&file, want.mode, want.uid, want.gid)?;
    dir::set_mtime(&file, item.mtime)?;
    file.sync_all()?;
    Ok(match (&want.hmac, body.finish().1) {
        (Some(said), Some(is)) => *said == is,
        _ => want.sha256 == Some(hex(&hash.finalize())),
    })
}
