//! What is new: images, services, and the files that are shipped.
//!
//! It refuses to know how the release is judged.

use super::Row;

pub const ROWS: &[Row] = &[
    (
        "compose files elsewhere",
        &[(
            "COMPOSE_FILE",
            "/opt/mcp/compose.yml\n../compose.yml\nprod/",
        )],
        &[
            "`compose_file`: `/opt/mcp/compose.yml` is absolute; write it relative, such as `config/app.yml`",
            "`compose_file`: `../compose.yml` contains `..`; name something inside the directory",
            "`compose_file`: `prod/` is a directory; name a file in it",
        ],
    ),
    (
        "values that a command would read as its options",
        &[
            ("COMPOSE_FILE", "--help\n-\n./-\na.yml"),
            ("FILES", "-rf => a\na => --x"),
            ("BACKUP_EXCLUDE", "--exclude=*"),
            ("ENV_FILE", "A=1"),
            ("ENV_FILE_PATH", "-e"),
            ("PROJECT_NAME", "-p"),
            ("SERVICES", "--all"),
            ("HOST", "-oProxyCommand=x"),
            ("USER", "-l"),
            ("SMOKE_TESTS", "- name: a\n  service: --help"),
        ],
        &[
            "`host`: `-oProxyCommand=x` is neither a host name nor an address; give a name or an address, such as `example.org` or `203.0.113.7`",
            "`user`: `-l` is not a user name; use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`",
            "`compose_file`: `--help` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`compose_file`: `-` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`compose_file`: `./-` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`project_name`: `-p` is not a Compose project name; use lower-case letters, digits, `-` and `_`, beginning with a letter or a digit",
            "`services`: `--all` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
            "`files`: `-rf` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`files`: `--x` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`env_file_path`: `-e` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
            "`smoke_tests`: test `a` has a fault in `service`: `--help` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
            "`backup_exclude`: `--exclude=*` begins with `-`, as an option of a command would; name a file or a directory that does not, or rename it",
        ],
    ),
    (
        "names that Compose would refuse",
        &[("PROJECT_NAME", "My App"), ("SERVICES", "api\n-web\na/b")],
        &[
            "`project_name`: `My App` is not a Compose project name; use lower-case letters, digits, `-` and `_`, beginning with a letter or a digit",
            "`services`: `-web` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
            "`services`: `a/b` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`",
        ],
    ),
    (
        "images that no registry would take",
        &[(
            "IMAGE",
            "ghcr.io/Acme/App:1\nghcr.io/acme/app:\nhttps://ghcr.io/acme/app\napp@sha256:12\n--rm",
        )],
        &[
            "`image`: `ghcr.io/Acme/App:1` has an upper-case letter in its name; write the name in lower case",
            "`image`: `ghcr.io/acme/app:` has a tag that is none; use up to 128 letters, digits, `_`, `.` and `-`; is a variable empty?",
            "`image`: `https://ghcr.io/acme/app` has a scheme; leave `https://` out",
            "`image`: `app@sha256:12` has a digest that is none; write `@sha256:` and 64 hex digits",
            "`image`: `--rm` is not an image reference; write it like `ghcr.io/acme/app:1.2.3`",
        ],
    ),
    (
        "two images of one repository",
        &[("IMAGE", "nginx:1.27\ndocker.io/library/nginx:1.28")],
        &[
            "`image`: `docker.io/library/nginx:1.28` is a second image of one repository; keep the one that is to run",
        ],
    ),
    (
        "files that are not there",
        &[(
            "FILES",
            "compose.yml\ncompos.yml\ndist/**\n../secret\n/etc/passwd\na =>",
        )],
        &[
            "`files`: `compos.yml` matches no file; check the path; has the repository been checked out, and the file been built?",
            "`files`: `dist/**` matches no file; check the path; has the repository been checked out, and the file been built?",
            "`files`: `../secret` contains `..`; name something inside the directory",
            "`files`: `/etc/passwd` is absolute; write it relative, such as `config/app.yml`",
            "`files`: `a =>` lacks one side of `=>`; write `from => to`",
        ],
    ),
    (
        "two files in one place",
        &[
            ("FILES", "compose.yml\ncompose.yml => .env"),
            ("ENV_FILE", "A=1"),
        ],
        &["`env_file_path`: `.env` would be written twice; write one of them somewhere else"],
    ),
    (
        "a file where a directory is",
        &[(
            "FILES",
            "compose.yml => config\ncompose.yml => config/app.yml",
        )],
        &[
            "`config` would be a file and the directory of `config/app.yml`; write one of them somewhere else",
        ],
    ),
    (
        "an env file that leaves",
        &[("ENV_FILE", "A=1"), ("ENV_FILE_PATH", "../.env")],
        &["`env_file_path`: `../.env` contains `..`; name something inside the directory"],
    ),
    (
        "an env file over the compose file",
        &[
            ("ENV_FILE", "A=1"),
            ("ENV_FILE_PATH", "compose.yml"),
            ("COMPOSE_FILE", "compose.yml"),
        ],
        &[
            "`env_file_path`: `compose.yml` is a compose file; write the env file somewhere else, such as `.env`",
        ],
    ),
];
