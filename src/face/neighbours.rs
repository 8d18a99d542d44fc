//! What a preview sees of other applications: whether containers of another directory carry the
//! project's name.
//!
//! The shell tells what Compose noted and where paths lead; `host::whose` decides, as it does on the
//! server. The file refuses to know how a server is reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::event::Failure;
use crate::host::whose::{Base, Lead, Made, Whose};
use crate::plan::Site;
use crate::request::Request;
use crate::saga::release::strangers;
use crate::shell::word;

/// How each line begins that is for this file.
const MARK: &str = "landfall\u{1f}";
/// How much of a compose file is looked at, in bytes.
const MOST: u64 = 1024 * 1024;
/// The compose files that Compose itself would find, in its order.
const FOUND: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Tells where the path in its first argument leads.
const LEAD: &str = "lead() { r=$(cd \"$1\" 2>/dev/null && pwd -P); \
    if test -n \"$r\"; then s=$(stat -c '%d %i' \"$r\" | tr ' ' '\\037'); printf 'landfall\\037lead\\037%s\\037there\\037%s\\037%s\\n' \"$1\" \"$r\" \"$s\"; \
    elif LC_ALL=C ls -d \"$1\" 2>&1 >/dev/null | grep -q 'No such file'; then \
    g=gone; test -d \"$(dirname \"$1\")\" && g=moved; printf 'landfall\\037lead\\037%s\\037%s\\n' \"$1\" \"$g\"; fi; }";

/// The label's value of a container, in the words of `docker inspect`.
fn label(name: &str) -> String {
    format!("{{{{index .Config.Labels \"com.docker.compose.{name}\"}}}}")
}

/// A line of shell behind a function `compose`, in the deploy directory; its lines are for [`split`].
#[must_use]
pub fn script(request: &Request) -> String {
    let (guess, is_sure) = project(request);
    questions(&request.site, &guess, is_sure)
}

fn questions(site: &Site, guess: &str, is_sure: bool) -> String {
    let format = [
        "service",
        "oneoff",
        "project.working_dir",
        "project.config_files",
    ];
    let format = format.map(label).join("\u{1f}");
    let format = format!("landfall\u{1f}made\u{1f}{{{{.Name}}}}\u{1f}{format}");
    let ask = if is_sure {
        String::new()
    } else {
        "n=$(compose config 2>/dev/null | sed -n 's/^name: *//p' | head -n 1); p=${n:-$p}; ".into()
    };
    [
        LEAD.to_owned(),
        format!("p={}; {ask}printf 'landfall\\037project\\037%s\\n' \"$p\"", word(guess)),
        "grep -E '^ *COMPOSE_(FILE|PATH_SEPARATOR) *=' .env 2>/dev/null | while read -r e; do printf 'landfall\\037env\\037%s\\n' \"$e\"; done"
            .to_owned(),
        format!("lead {}", word(&site.deploy_dir.to_string_lossy())),
        format!(
            "docker ps -aq --filter \"label=com.docker.compose.project=$p\" | while read -r c; do \
             l=$(docker inspect --format {} \"$c\" 2>/dev/null) || continue; printf '%s\\n' \"$l\"; \
             d=$(printf '%s' \"$l\" | cut -d \"$(printf '\\037')\" -f 6); test -z \"$d\" || lead \"$d\"; \
             printf '%s' \"$l\" | cut -d \"$(printf '\\037')\" -f 7 | tr ',' '\\n' | while read -r f; do lead \"$(dirname \"$f\")\"; done; done",
            word(&format)
        ),
    ]
    .join("; ")
}

/// The project's name as far as it can be told from here, and whether nothing on the server can
/// make it another.
fn project(request: &Request) -> (String, bool) {
    let site = &request.site;
    if let Some(name) = &site.project_name {
        return (name.clone(), true);
    }
    if let Some(name) = named_by_a_file(request) {
        return (name, true);
    }
    let first = site
        .compose_files
        .first()
        .map(|file| site.deploy_dir.join(file));
    let dir = first
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(&site.deploy_dir);
    let base = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = base.chars().filter(kept).collect();
    (name.trim_start_matches(['-', '_']).to_owned(), false)
}

/// The name that a compose file gives which this deployment brings.
fn named_by_a_file(request: &Request) -> Option<String> {
    let named = &request.site.compose_files;
    let is_compose = |path: &str| match named.as_slice() {
        [] => FOUND.contains(&path),
        named => named.iter().any(|file| file == path),
    };
    let brought = request.files.iter().filter(|f| is_compose(&f.planned.path));
    let texts = brought.filter_map(|f| crate::host::foreign::text(&f.source, MOST).ok());
    texts.filter_map(|text| name_in(&text)).next_back()
}

fn name_in(text: &str) -> Option<String> {
    let named = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    let name = named.split(" #").next()?.trim().trim_matches(['"', '\'']);
    (!name.is_empty() && !name.contains('$')).then(|| name.to_owned())
}

/// What a look said for people, and the refusal of a project that another directory has too.
#[must_use]
pub fn split(site: &Site, lines: Vec<String>) -> (Vec<String>, Option<Failure>) {
    let (ours, shown): (Vec<String>, Vec<String>) =
        lines.into_iter().partition(|line| line.starts_with(MARK));
    let seen = Seen::of(ours.iter().filter_map(|line| line.strip_prefix(MARK)));
    let refusal = seen.refusal(site);
    (shown, refusal)
}

/// What the shell told.
#[derive(Default)]
struct Seen {
    project: String,
    env: String,
    leads: BTreeMap<PathBuf, Lead>,
    made: Vec<(String, Made)>,
}

impl Seen {
    fn of<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut seen = Self::default();
        for line in lines {
            match line.split('\u{1f}').collect::<Vec<_>>()[..] {
                ["project", name] => name.clone_into(&mut seen.project),
                ["env", line] => seen.env += &[line, "\n"].concat(),
                ["lead", path, ref led @ ..] => {
                    seen.leads.insert(path.into(), lead(led));
                }
                ["made", name, service, oneoff, dir, files]
                    if !service.is_empty() && oneoff != "True" =>
                {
                    seen.made
                        .push((name.trim_start_matches('/').to_owned(), made(dir, files)));
                }
                _ => {}
            }
        }
        seen
    }

    fn refusal(&self, site: &Site) -> Option<Failure> {
        let base = Base::seen(site, self.lead(&site.deploy_dir), &self.env);
        self.made.iter().find_map(
            |(name, made)| match base.whose(made, |path| self.lead(path)) {
                Whose::Foreign(dir) => {
                    let who = format!("`{name}` was");
                    Some(strangers::refusal(site, &self.project, &dir, &who))
                }
                _ => None,
            },
        )
    }

    fn lead(&self, path: &Path) -> Lead {
        self.leads.get(path).cloned().unwrap_or(Lead::Hidden)
    }
}

fn lead(words: &[&str]) -> Lead {
    match words {
        ["there", real, dev, inode] => match (dev.parse(), inode.parse()) {
            (Ok(dev), Ok(inode)) => Lead::There(real.into(), dev, inode),
            _ => Lead::Hidden,
        },
        ["moved"] => Lead::Gone { parent: true },
        ["gone"] => Lead::Gone { parent: false },
        _ => Lead::Hidden,
    }
}

fn made(dir: &str, files: &str) -> Made {
    let files = files.split(',').filter(|file| !file.is_empty());
    Made {
        dir: (!dir.is_empty()).then(|| dir.into()),
        files: files.map(PathBuf::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::plan::sample;
    use crate::remote::transport::Transport;

    /// The script's lines on this machine, with a `docker` that has one container of that directory.
    async fn told(site: &Site, of: &Path) -> Vec<String> {
        let tools = tempfile::tempdir().unwrap();
        let docker = tools.path().join("docker");
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = ps ] && {{ echo 1; exit; }}\nprintf 'landfall\\037made\\037/app-web-1\\037web\\037False\\037{dir}\\037{dir}/compose.yml\\n'\n",
            dir = of.display()
        );
        fs::write(&docker, text).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let asked = questions(site, "app", false);
        let script = format!(
            "PATH={}:$PATH; cd {}; compose() {{ false; }}; {asked}",
            tools.path().display(),
            site.deploy_dir.display()
        );
        let output = Transport::Here.run(&script, b"", Duration::from_secs(10));
        let text = String::from_utf8(output.await.unwrap().stdout).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }

    #[tokio::test]
    async fn a_preview_decides_from_what_the_shell_says_as_the_server_does_itself() {
        let root = tempfile::tempdir().unwrap();
        let mut site = sample::deploy().site;
        site.deploy_dir = root.path().join("beta/app");
        for dir in ["alpha/app", "beta/app/docker"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        std::os::unix::fs::symlink("app", root.path().join("beta/link")).unwrap();
        for (dir, is_foreign) in [
            ("alpha/app", true),
            ("beta/app", false),
            ("beta/app/docker", false),
            ("beta/link", false),
            ("beta/gone", false),
            ("nowhere/other", true),
        ] {
            let (shown, refusal) = split(&site, told(&site, &root.path().join(dir)).await);
            assert_eq!(shown, Vec::<String>::new());
            assert_eq!(refusal.is_some(), is_foreign, "{dir}: {refusal:?}");
        }
        let compose = format!("COMPOSE_FILE={}/alpha/app/c.yml\n", root.path().display());
        fs::write(site.deploy_dir.join(".env"), compose).unwrap();
        let (_, refusal) = split(&site, told(&site, &root.path().join("alpha/app")).await);
        assert_eq!(refusal, None);
    }

    #[test]
    fn a_projects_name_is_read_where_a_compose_file_gives_one() {
        assert_eq!(
            name_in("services: {}\nname: lamp # ours\n").as_deref(),
            Some("lamp")
        );
        assert_eq!(name_in("name: \"a-b\"\n").as_deref(), Some("a-b"));
        assert_eq!(name_in("name: ${X}\n"), None);
        assert_eq!(name_in("services:\n  web:\n    name: x\n"), None);
    }
}
