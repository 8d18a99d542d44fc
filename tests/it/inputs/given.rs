//! What is not given, what is given by halves or for nothing, and what is given that nobody knows.
//!
//! It refuses to know what is wrong with a value by itself; only the last row has such values, to
//! show that their faults and these are told together.

use super::Row;

pub const ROWS: &[Row] = &[
    (
        "nothing at all",
        &[
            ("HOST", ""),
            ("PORT", ""),
            ("USER", ""),
            ("SSH_KEY", ""),
            ("HOST_KEY", ""),
            ("DEPLOY_DIR", ""),
        ],
        &[
            "`host` is required; add `host` under `with:`; a secret or variable that does not exist arrives empty",
            "`user` is required; add `user` under `with:`; a secret or variable that does not exist arrives empty",
            "`ssh_key` is required; add `ssh_key` under `with:`; a secret or variable that does not exist arrives empty",
            "`deploy_dir` is required; add `deploy_dir` under `with:`; a secret or variable that does not exist arrives empty",
            "`host_key` is required; add the server's `known_hosts` lines or `SHA256:…` fingerprints; `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows one on the server",
        ],
    ),
    (
        "white space alone",
        &[
            ("HOST", " "),
            ("USER", "\n"),
            ("SSH_KEY", " \n"),
            ("DEPLOY_DIR", "\t"),
        ],
        &[
            "`host` is required; add `host` under `with:`; a secret or variable that does not exist arrives empty",
            "`user` is required; add `user` under `with:`; a secret or variable that does not exist arrives empty",
            "`ssh_key` is required; add `ssh_key` under `with:`; a secret or variable that does not exist arrives empty",
            "`deploy_dir` is required; add `deploy_dir` under `with:`; a secret or variable that does not exist arrives empty",
        ],
    ),
    (
        "unknown names",
        &[
            ("DEPLOYDIR", "/x"),
            ("USERNAME", "x"),
            ("KEY", "x"),
            ("BANANA", ""),
        ],
        &[
            "unknown input `banana`; see the table of inputs in the README",
            "unknown input `deploydir`; did you mean `deploy_dir`?",
            "unknown input `key`; did you mean `ssh_key`?",
            "unknown input `username`; did you mean `user`?",
        ],
    ),
    (
        "an env file without content",
        &[("ENV_FILE_PATH", "prod.env")],
        &[
            "`env_file_path` is given without `env_file`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "an env file whose secret is not set",
        &[("ENV_FILE", "")],
        &[
            "`env_file` is given and empty; set the secret that it comes from, where this job can see it: of this repository, or of the job's `environment`; leave `env_file` out to keep the file that is on the server; one that is to set nothing holds a comment: `# nothing`",
        ],
    ),
    (
        "an env file that lacks what it must set",
        &[
            ("ENV_FILE", "TOKEN=x\nDATABASE=\n"),
            ("REQUIRE_ENV", "TOKEN\nDATABASE\nSECRET_KEY\nADMIN"),
        ],
        &[
            "`env_file`: it does not set `SECRET_KEY`, `ADMIN`, and sets to nothing `DATABASE`; set them to something, or take them out of `require_env`",
        ],
    ),
    (
        "half a login",
        &[("REGISTRY_USERNAME", "robot")],
        &[
            "`registry_username` is given without `registry_password`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "the other half",
        &[("REGISTRY_PASSWORD", "hunter2")],
        &[
            "`registry_password` is given without `registry_username`; give both or neither; a secret that does not exist arrives empty",
        ],
    ),
    (
        "a password for nobody knows which registry",
        &[
            ("REGISTRY_USERNAME", "robot"),
            ("REGISTRY_PASSWORD", "hunter2"),
        ],
        &[
            "`registry_password` is given, and nothing says for which registry; name the one that it is for with `registry`, such as `ghcr.io`; no other one receives it",
        ],
    ),
    (
        "a rollback's inputs in a deployment",
        &[
            ("BACKUP_TIMESTAMP", "20251017_143025"),
            ("RESTORE_DATA", "true"),
        ],
        &[
            "`backup_timestamp` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
        ],
    ),
    (
        "faults and contradictions together",
        &[
            ("PORT", "0"),
            ("BACKUP_DIR", "/opt/mcp"),
            ("RESTORE_DATA", "true"),
            ("IMAGE", "app:1\napp:2"),
            ("WATCH", "x"),
            ("TIMEOUT", "60"),
            ("REGISTRY_PASSWORD", "hunter2"),
            ("DEPLOYDIR", ""),
        ],
        &[
            "unknown input `deploydir`; did you mean `deploy_dir`?",
            "`port`: `0` is not between 1 and 65535; give a whole number from 1 to 65535, in digits alone",
            "`registry_password` is given without `registry_username`; give both or neither; a secret that does not exist arrives empty",
            "`watch`: `x` is not a whole number; give a whole number from 0 to 31536000, in digits alone",
            "`restore_data` is for rollbacks alone; leave it out, or ask for a rollback; `dry_run` shows one beforehand",
            "`backup_dir` is the same directory as `deploy_dir`; keep the backups beside it, as in `/opt/app-backups` for `/opt/app`",
            "`image`: `app:2` is a second image of one repository; keep the one that is to run",
            "`health_timeout` (120) and `watch` (0) leave no time within `timeout` (60); raise `timeout`",
        ],
    ),
];
