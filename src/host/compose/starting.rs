//! What Compose gives a container only when it starts it, and the start that does so.
//!
//! Up to 2.37.2 `create` put configs and secrets that are no files into the container; since then
//! only `up` does, and a start by the engine alone leaves them out. The file refuses to know why
//! anything is started.

use serde_json::Value;

use super::Compose;
use crate::host::cmd::Cmd;
use crate::words::plan::Site;

impl Compose {
    /// `up` of one service that makes nothing, neither containers of others nor its own anew.
    #[must_use]
    pub fn start(&self, site: &Site, project: &str, service: &str, replicas: u32) -> Cmd {
        self.base(site, &site.deploy_dir, Some(project))
            .args(["up", "-d", "--no-build", "--pull", "never"])
            .args(["--no-deps", "--no-recreate", "--scale"])
            .arg(format!("{service}={replicas}"))
            .arg(service)
    }
}

/// Says whether a service's containers get something only from Compose, and only when they start:
/// configs and secrets that are no files, and hooks.
pub fn is_given_at_start(service: &Value, whole: &Value) -> bool {
    let given = |kind: &str| {
        let used = service[kind].as_array().into_iter().flatten();
        let mut names = used.filter_map(|one| one["source"].as_str().or_else(|| one.as_str()));
        names.any(|name| {
            let source = &whole[kind][name];
            source["content"].is_string() || source["environment"].is_string()
        })
    };
    let hooks = |name: &str| service[name].as_array().is_some_and(|all| !all.is_empty());
    given("configs") || given("secrets") || hooks("pre_start") || hooks("post_start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_file_and_every_hook_comes_with_the_start() {
        let whole = json!({
            "configs": { "inline": { "content": "x" }, "file": { "file": "/srv/app/x" } },
            "secrets": { "env": { "environment": "TOKEN" }, "file": { "file": "/srv/app/y" } },
        });
        for (service, given) in [
            (
                json!({ "configs": [{ "source": "inline", "target": "/x" }] }),
                true,
            ),
            (json!({ "secrets": ["env"] }), true),
            (json!({ "post_start": [{ "command": ["true"] }] }), true),
            (
                json!({ "configs": [{ "source": "file" }], "secrets": [{ "source": "file" }] }),
                false,
            ),
            (json!({ "post_start": [], "image": "beacon" }), false),
        ] {
            assert_eq!(is_given_at_start(&service, &whole), given, "{service}");
        }
    }
}
