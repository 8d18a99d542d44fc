//! Where the release and its backups are to lie on the server, and what a backup leaves out.
//!
//! It refuses to know what is put there.

use super::Row;

pub const ROWS: &[Row] = &[
    (
        "a deploy directory that is none",
        &[("DEPLOY_DIR", "opt/mcp")],
        &["`deploy_dir`: `opt/mcp` is not absolute; write the whole path, such as `/opt/app`"],
    ),
    (
        "the root",
        &[("DEPLOY_DIR", "/"), ("BACKUP_DIR", "/backups/../..")],
        &[
            "`deploy_dir`: `/` is the root of the file system; name a directory of its own, such as `/opt/app`",
            "`backup_dir`: `/backups/../..` contains `..`; write the path without `..`",
        ],
    ),
    (
        "a home directory",
        &[("DEPLOY_DIR", "~/mcp")],
        &[
            "`deploy_dir`: `~/mcp` is not expanded; write the absolute path, such as `/home/deploy/app`",
        ],
    ),
    (
        "a directory of the system",
        &[("DEPLOY_DIR", "/etc/")],
        &[
            "`deploy_dir`: `/etc/` belongs to the operating system; name a directory of its own, such as `/opt/app`",
        ],
    ),
    (
        "backups in the deploy directory's place",
        &[("BACKUP_DIR", "/opt/mcp/")],
        &[
            "`backup_dir` is the same directory as `deploy_dir`; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
        ],
    ),
    (
        "the deploy directory among the backups",
        &[("BACKUP_DIR", "/opt")],
        &[
            "`deploy_dir` lies inside `backup_dir`, which only its owner may enter; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
        ],
    ),
    (
        "globs that are none",
        &[("BACKUP_EXCLUDE", "cache/**\n[\n../x\n!keep")],
        &[
            "`backup_exclude`: `[` is not a glob: unclosed character class; missing ']'; escape a literal `[` or `{` with a backslash",
            "`backup_exclude`: `../x` contains `..`; name something inside the directory",
            "`backup_exclude`: `!keep` begins with `!`, which excludes nothing back; leave `keep` out, or narrow the other globs",
        ],
    ),
];
