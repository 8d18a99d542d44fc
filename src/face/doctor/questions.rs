//! What is asked of a server, in the order in which it is told: names, shell, and what to do.
//!
//! Each is one line of shell that reads and changes nothing: it says what it sees and ends with 0,
//! with [`ADVICE`] where something could be better, or with anything else where it is not well.

use std::path::Path;

use crate::face::shell;
use crate::host::boot;
use crate::words::plan::Site;
use crate::words::shell::word;

/// How a question ends whose answer is well, and could be better.
pub const ADVICE: i32 = 3;

/// What a deployment and its backup need free at least, in kilobytes.
const ROOM: u32 = 512 * 1024;

/// A question: its name, the shell that answers it, and what to do when it says no.
pub type Question = (&'static str, String, String);

/// The questions about a site, for a user.
///
/// `typed` makes a command of this program about that site.
pub fn questions(site: &Site, user: &str, typed: &dyn Fn(&str) -> String) -> Vec<Question> {
    let mut all = of_machine(user);
    all.extend(of_directories(site, user));
    all.extend(of_disks(site));
    all.extend(of_sshd());
    all.extend(of_landfall(site, typed));
    all
}

fn of_machine(user: &str) -> Vec<Question> {
    let (name, owner) = (word(user), word(user));
    vec![
        (
            "system",
            "uname -sm; test \"$(uname -s)\" = Linux".into(),
            "Landfall deploys to Linux alone".into(),
        ),
        (
            "rights",
            format!(
                "if test \"$(id -u)\" = 0 && test {name} != root; then echo \"user {user}, with sudo\"; else echo \"user $(id -un)\"; fi"
            ),
            format!("give `{user}` sudo without a password, or set `sudo: auto`"),
        ),
        (
            "docker",
            "said=$(docker version --format '{{.Server.Version}}' 2>&1) && echo \"$said\" || \
             { printf '%s\\n' \"${said%%: Get *}\" >&2; exit 1; }"
                .into(),
            format!(
                "install Docker, start it, or let `{user}` use it: `sudo usermod -aG docker {owner}`; or give that user sudo without a password, and leave `sudo` at `auto`"
            ),
        ),
        (
            "compose",
            "docker compose version --short 2>/dev/null || docker-compose version --short".into(),
            "install it: `sudo apt-get install docker-compose-plugin`".into(),
        ),
    ]
}

fn of_directories(site: &Site, user: &str) -> Vec<Question> {
    let dir = site.deploy_dir.display().to_string();
    let backups = site.backup_dir.display().to_string();
    let (d, b, owner) = (word(&dir), word(&backups), word(user));
    let parent = site.backup_dir.parent().map(|p| p.display().to_string());
    let parent = word(&parent.unwrap_or_default());
    vec![
        ("deploy directory", format!("test -d {d} && test -w {d} && echo {d}"),
            format!("make it for `{user}`: `sudo install -d -o {owner} {d}`")),
        ("backup directory", format!("{{ test -d {b} && test -w {b}; }} || {{ ! test -e {b} && test -w {parent}; }} && echo {b}"),
            format!("make it for `{user}`: `sudo install -d -o {owner} -m 750 {b}`, or set `backup_dir`")),
        ("compose file", compose_file(site, &d, &b),
            "run `docker compose config` in the deploy directory; it names the line".into()),
        ("container logs", logs(site, &d),
            "bound them, or they fill the disk: `logging: { driver: json-file, options: { max-size: 10m, max-file: \"3\" } }` for each service, or `log-opts` in `/etc/docker/daemon.json`".into()),
    ]
}

/// Backups and images are what fills a disk, each its own.
fn of_disks(site: &Site) -> Vec<Question> {
    let backups = word(&site.backup_dir.to_string_lossy());
    vec![
        ("disk of backups", format!("at={backups}; until test -e \"$at\"; do at=$(dirname \"$at\"); done; {}", free("$at")),
            "free disk space there, keep fewer backups (`keep_backups`), or set `backup_dir` to a larger disk".into()),
        ("disk of images", format!(
            "at=$(docker info --format '{{{{.DockerRootDir}}}}' 2>/dev/null) || \
             {{ echo 'not looked at, for Docker does not answer'; exit 0; }}; \
             if ! test -e \"$at\"; then echo \"$at is not on this machine\"; exit 0; fi; {}", free("$at")),
            "free disk space: `docker system df`, `docker image prune`".into()),
    ]
}

/// What is free at a path, which is too little below [`ROOM`].
fn free(at: &str) -> String {
    format!(
        "df -Pk \"{at}\" | awk -v at=\"{at}\" 'NR==2 {{ print int($4/1024) \" MB free at \" at; exit ($4 < {ROOM}) }}'"
    )
}

/// The settings by which a runner's connections can be turned away, and those that let others in. As
/// `sshd` knows them where it says so, which it does to root alone; otherwise as the files say.
fn of_sshd() -> Vec<Question> {
    let settings = "PATH=$PATH:/usr/sbin:/sbin; etc=/etc/ssh; \
        said=$(sshd -T 2>/dev/null || \
        { test -r $etc/sshd_config && cat $etc/sshd_config.d/*.conf $etc/sshd_config 2>/dev/null; }); \
        if test -z \"$said\"; then echo 'not for this user to read'; exit 0; fi; \
        printf '%s\\n' \"$said\" | awk '\
        { k = tolower($1) } k == \"match\" { exit } \
        /^[a-zA-Z]/ && !(k in v) { v[k] = $2 } \
        END { split(\"port maxstartups permitrootlogin passwordauthentication\", all, \" \"); \
        for (i = 1; i in all; i++) { k = all[i]; out = out (i > 1 ? \", \" : \"\") k \" \" (k in v ? v[k] : \"as by default\") } \
        print out; few = 0; \
        if (\"maxstartups\" in v) { split(v[\"maxstartups\"], m, \":\"); few = m[1] < 10 } \
        exit (v[\"permitrootlogin\"] == \"yes\" || v[\"passwordauthentication\"] == \"yes\" || few) ? 3 : 0 }'"
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let bans = "if test -S /run/fail2ban/fail2ban.sock || test -S /var/run/fail2ban/fail2ban.sock; \
        then echo 'it runs'; exit 3; else echo 'it does not run'; fi";
    vec![
        ("sshd", settings,
            "in `/etc/ssh/sshd_config`: `PasswordAuthentication no` and `PermitRootLogin no` keep guessers out, once your own key works; `MaxStartups` from 10 up lets several runners connect at once".into()),
        ("fail2ban", bans.into(),
            "a runner with a wrong key is banned with its address, and shows as a timeout: see who is, `sudo fail2ban-client status sshd`".into()),
    ]
}

fn of_landfall(site: &Site, typed: &dyn Fn(&str) -> String) -> Vec<Question> {
    let backups = word(&site.backup_dir.to_string_lossy());
    vec![
        (
            "after a reboot",
            recovery(site),
            format!(
                "let systemd settle interrupted runs at boot, as a user with sudo: `{}`",
                typed("doctor --install")
            ),
        ),
        (
            "freeze",
            format!("test ! -e {backups}/.landfall/frozen.json && echo none"),
            format!(
                "a person froze deployments: `{}` tells why, `{}` ends it",
                typed("status"),
                typed("thaw")
            ),
        ),
    ]
}

/// Whether Compose takes the configuration; before a first deployment there may be none to take.
fn compose_file(site: &Site, dir: &str, backups: &str) -> String {
    let (compose, none) = (shell::compose(site), shell::no_compose_file(site));
    let first = format!("! ls {backups} 2>/dev/null | grep -q 'backup-.*[.]tar[.]gz$'");
    format!(
        "cd {dir} || exit 1; if {none} && {{ test -z \"$(ls -A)\" || {first}; }}; \
         then echo 'none yet; `files` brings it'; exit 0; fi; \
         {compose}; compose config -q && echo valid"
    )
}

/// The application's own containers whose lines are kept without a bound.
fn logs(site: &Site, dir: &str) -> String {
    let compose = shell::compose(site);
    format!(
        "cd {dir} 2>/dev/null || exit 0; {compose}; \
         all=$(compose ps -q 2>/dev/null | xargs -r docker inspect --format \
         '{{{{.Name}}}} {{{{.HostConfig.LogConfig.Type}}}} [{{{{index .HostConfig.LogConfig.Config \"max-size\"}}}}]' 2>/dev/null); \
         endless=$(printf '%s\\n' \"$all\" | awk '$2 == \"json-file\" && $3 == \"[]\" {{ printf \"%s%s\", s, substr($1, 2); s = \", \" }}'); \
         if test -n \"$endless\"; then echo \"no max-size: $endless\"; exit {ADVICE}; fi; \
         if test -z \"$all\"; then echo 'nothing runs'; else echo bounded; fi"
    )
}

/// A server without systemd, or whose user may install nothing, is as well as it can be.
fn recovery(site: &Site) -> String {
    let unit = word(&boot::unit_name(Path::new(&site.deploy_dir)));
    format!(
        "if test ! -d /run/systemd/system; then echo 'settled at the next contact: there is no systemd'; \
         elif test -L /etc/systemd/system/multi-user.target.wants/{unit}; then echo 'settled at boot'; \
         else echo 'settled at the next contact, not at boot'; exit {ADVICE}; fi"
    )
}
