//! A request to a plan and what travels beside it. Pure: the same request gives the same plan.
//!
//! It refuses to know the server; what is found there is the agent's business.

use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, Utc};

use crate::words::plan::{Goal, Hooks, Origin, PLAN_VERSION, Plan, Private, RequiredEnv};

use super::{Mode, Request};

impl Request {
    /// The plan under an id, and the secrets that travel beside it.
    ///
    /// The environment's name and the application's address in the origin become the request's.
    #[must_use]
    pub fn plan(&self, id: String, origin: Origin) -> (Plan, Private) {
        let private = self.private();
        let plan = Plan {
            v: PLAN_VERSION,
            id,
            goal: self.goal(),
            site: self.site.clone(),
            files: self.files.iter().map(|file| file.planned.clone()).collect(),
            env_file_path: self
                .env_file
                .as_ref()
                .filter(|_| private.env_file.is_some())
                .map(|env| env.path.clone()),
            public_env: self.public_env.clone(),
            required: self.required(),
            hooks: Hooks {
                pre_deploy: private.pre_deploy.is_some(),
                post_deploy: private.post_deploy.is_some(),
            },
            checks: self.checks.clone(),
            backups: self.backups.clone(),
            lock_timeout: self.lock_timeout,
            timeout: self.timeout,
            origin: Origin {
                environment: self.environment.clone(),
                url: self.url.clone(),
                ..origin
            },
        };
        (plan, private)
    }

    /// A rollback brings back what the backup has.
    fn required(&self) -> Option<RequiredEnv> {
        (self.mode != Mode::Rollback && !self.require_env.is_empty()).then(|| RequiredEnv {
            path: self.env_file_path.clone(),
            names: self.require_env.clone(),
        })
    }

    fn goal(&self) -> Goal {
        match self.mode {
            Mode::Rollback => Goal::Rollback {
                to: self.backup_timestamp.clone(),
                restore_data: self.restore_data,
                to_nothing: self.to_nothing,
            },
            Mode::Deploy | Mode::Plan | Mode::Status => Goal::Deploy {
                images: self.images.iter().map(ToString::to_string).collect(),
            },
        }
    }

    /// A rollback brings nothing of its own except the login that may fetch an old image.
    fn private(&self) -> Private {
        let login = self.registry.as_ref();
        let private = Private {
            registry: login.map(|login| login.registry.clone()),
            public_values: self.public_values(),
            registry_username: login.map(|login| login.username.clone()),
            registry_password: login.map(|login| login.password.clone()),
            ..Private::default()
        };
        if self.mode == Mode::Rollback {
            return private;
        }
        Private {
            env_file: self.env_file.as_ref().map(|env| env.content.clone()),
            pre_deploy: self.pre_deploy.clone(),
            post_deploy: self.post_deploy.clone(),
            ..private
        }
    }
}

impl Request {
    /// What is told of the server anyhow, and is not in the plan.
    fn public_values(&self) -> Vec<String> {
        let target = self.target().into_iter();
        let of_server = target.flat_map(|target| {
            let jump = target.jump_host.as_ref().map(|jump| jump.host.clone());
            [target.host.clone(), target.user.clone()]
                .into_iter()
                .chain(jump)
        });
        let registry = self.registry.iter().map(|login| login.registry.clone());
        of_server.chain(registry).collect()
    }
}

/// A deployment's id: sortable by time to the second, and unique.
#[must_use]
pub fn deployment_id(now: DateTime<Utc>) -> String {
    let random = RandomState::new().hash_one(now.timestamp_nanos_opt());
    format!("{}-{:06x}", now.format("%Y%m%d_%H%M%S"), random & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_sorts_by_time_and_is_unique() {
        let moment = "2025-10-17T14:30:25Z".parse().unwrap();
        let id = deployment_id(moment);
        assert!(id.starts_with("20251017_143025-") && id.len() == 22, "{id}");
        let ids: std::collections::BTreeSet<_> = (0..50).map(|_| deployment_id(moment)).collect();
        assert!(ids.len() > 48);
    }
}
