//! A tree with everything that trees have in the field, for tests of whatever reads or writes one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Writes files, making the directories they lie in.
pub(crate) fn lay(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub(crate) fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn inode(path: impl AsRef<Path>) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// Whether this process may give files away.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Bytes that no compressor makes small, the same each time.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Fills `root`: plain and empty files, empty and long and unreadable-to-humans names, links of all
/// kinds, odd permissions, a hard link, a big file, a socket and a foreign owner if we may.
pub(crate) fn plant(root: &Path) {
    fs::create_dir_all(root).unwrap();
    let files = [
        ("compose.yaml", "services: {}\n"),
        (".env", "KEY=value\n"),
        ("empty", ""),
        ("with space/and\nnewline", "x"),
        (r"back\slash", "y"),
        ("grüße/ß", "z"),
        ("setuid", "s"),
        ("data/pg/base", "rows"),
        ("config/app.conf", "a=1\n"),
    ];
    lay(root, &files);
    fs::create_dir_all(root.join("empty dir/below")).unwrap();
    lay(root, &[(&format!("{}/f", "n".repeat(120)), "long name")]);
    lay(root, &[(&format!("{}f", "long/".repeat(60)), "long path")]);
    lay(root, &[(&"x".repeat(255), "longest name")]);
    lay(
        root,
        &[
            (&"y".repeat(98), "98"),
            (&"y".repeat(99), "99"),
            (&"y".repeat(100), "100"),
        ],
    );
    fs::write(root.join(OsStr::from_bytes(b"not \xff utf-8")), "raw").unwrap();
    symlink("compose.yaml", root.join("link")).unwrap();
    symlink("nowhere/at/all", root.join("dangling")).unwrap();
    symlink("/etc/hostname", root.join("outside")).unwrap();
    symlink("t".repeat(300), root.join("long target")).unwrap();
    symlink(OsStr::from_bytes(b"raw \xfe"), root.join("raw target")).unwrap();
    fs::hard_link(root.join("compose.yaml"), root.join("hard")).unwrap();
    fs::write(root.join("big"), noise(3_000_000)).unwrap();
    chmod(root.join("setuid"), 0o4711);
    chmod(root.join(".env"), 0o600);
    chmod(root.join("empty dir"), 0o1777);
    chmod(root.join("empty dir/below"), 0o2750);
    UnixListener::bind(root.join("socket")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(root.join("config/app.conf"), Some(4321), Some(8765)).unwrap();
        std::os::unix::fs::lchown(root.join("dangling"), Some(4321), Some(8765)).unwrap();
    }
}
