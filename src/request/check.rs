//! The border: raw strings on one side, a [`Request`] on the other, every fault told at once.
//!
//! Each value is read by its own grammar here; how values bear on each other is `consistency`'s
//! business. It refuses to know the grammars themselves.

use std::collections::BTreeSet;
use std::path::Path;

use crate::words::env_file::EnvFile as EnvText;
use crate::words::event::Failure;
use crate::words::plan::{Backups, Checks, Confirm, Site, SmokeTest};
use crate::words::secret::Secret;

use super::fault::{Caller, Faults, Found};
use super::inputs::{Given, Raw};
use super::{
    EnvFile, HostKeys, Identity, Login, Mode, Notify, Place, Reference, Request, Sudo, Suite,
    Target, consistency, env, files, grammar, host, image, key, smoke,
};

impl Request {
    /// Validates inputs, and finds every fault in them together with those `found_before`.
    ///
    /// Reads `files` and `smoke_tests` from the workspace; contacts nothing.
    pub fn check(
        raw: &Raw,
        caller: Caller,
        workspace: &Path,
        found_before: Vec<Failure>,
    ) -> Result<Self, Faults> {
        let mut border = Border {
            raw,
            caller,
            workspace,
            found: Found::new(caller, found_before),
        };
        let request = border.request();
        let host_key_missing = border.host_key_is_missing();
        match request {
            Some(request) if border.found.is_empty() && !host_key_missing => Ok(request),
            request => Err(border.faults(request, host_key_missing)),
        }
    }
}

const CONFIRM: &[(&str, Confirm)] = &[("auto", Confirm::Auto), ("runner", Confirm::Runner)];

/// The env file that Compose itself reads.
const DOT_ENV: &str = ".env";

struct Border<'a> {
    raw: &'a Raw,
    caller: Caller,
    workspace: &'a Path,
    found: Found,
}

impl<'a> Border<'a> {
    /// Reads everything before anything is missed, so that no fault hides another.
    fn request(&mut self) -> Option<Request> {
        let raw = self.raw;
        let mode = self.one(raw.mode(), |text| grammar::choice(text, Mode::WORDS));
        let dry_run = self.one(raw.dry_run(), grammar::switch);
        let place = self.place();
        let site = self.site();
        let brings_a_release = !matches!(mode, Some(Mode::Rollback | Mode::Status));
        let images = self.images();
        let files = self.files(brings_a_release);
        let env_file_path = self.one(raw.env_file_path(), grammar::relative_file);
        let require_env = self.lines(raw.require_env(), grammar::variable);
        let env_file = self.env_file(brings_a_release, env_file_path.as_deref(), &require_env);
        let public_env = self.lines(raw.public_env(), grammar::variable);
        let registry = self.registry(mode, &images);
        let checks = self.checks();
        let backups = self.backups();
        let backup_timestamp = self.one(raw.backup_timestamp(), grammar::backup);
        let restore_data = self.one(raw.restore_data(), grammar::switch);
        let to_nothing = self.one(raw.to_nothing(), grammar::switch);
        let sudo = self.one(raw.sudo(), |text| grammar::choice(text, Sudo::WORDS));
        let lock_timeout = self.seconds(raw.lock_timeout(), grammar::SECONDS_OR_NONE);
        let timeout = self.seconds(raw.timeout(), grammar::SECONDS);
        let environment = self.one(raw.environment(), |text| {
            grammar::one_line(text).map(str::to_owned)
        });
        let url = self.one(raw.url(), grammar::url);
        let slack_webhook_url = self.one(raw.slack_webhook_url(), |text| {
            grammar::secret_url(text).map(Secret::new)
        });
        let notify = self.one(raw.notify(), |text| grammar::choice(text, Notify::WORDS));
        let draft = consistency::Draft {
            mode,
            site: site.as_ref(),
            images: &images,
            files: &files,
            env_file: env_file.as_ref(),
            checks: &checks,
            timeout,
        };
        consistency::check(&draft, raw, &mut self.found);
        Some(Request {
            mode: mode?,
            dry_run: dry_run?,
            place: place?,
            site: site?,
            images,
            files,
            env_file,
            require_env,
            env_file_path: env_file_path?,
            public_env,
            registry,
            pre_deploy: hook(raw.pre_deploy()),
            post_deploy: hook(raw.post_deploy()),
            checks,
            backups: backups?,
            backup_timestamp: backup_timestamp?,
            restore_data: restore_data?,
            to_nothing: to_nothing?,
            sudo: sudo?,
            lock_timeout: lock_timeout?,
            timeout: timeout?,
            environment: environment?,
            url,
            slack_webhook_url,
            notify: notify?,
            warnings: consistency::warnings(raw, mode?),
        })
    }

    /// The value of an input, if it has one and that is well.
    fn one<T>(
        &mut self,
        given: Given<'a>,
        read: impl FnOnce(&'a str) -> Result<T, Failure>,
    ) -> Option<T> {
        given
            .line()
            .and_then(|line| self.found.keep(given, read(line)))
    }

    fn required<T>(
        &mut self,
        given: Given<'a>,
        read: impl FnOnce(&'a str) -> Result<T, Failure>,
    ) -> Option<T> {
        if given.line().is_none() {
            self.found.missing(given);
        }
        self.one(given, read)
    }

    /// The lines of an input that are well, each once.
    fn lines<T: PartialEq>(
        &mut self,
        given: Given<'a>,
        read: impl Fn(&'a str) -> Result<T, Failure>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for line in given.lines() {
            match self.found.keep(given, read(line)) {
                Some(value) if !all.contains(&value) => all.push(value),
                _ => {}
            }
        }
        all
    }

    fn seconds(&mut self, given: Given<'a>, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        self.one(given, |text| grammar::number(text, bounds))
    }

    fn place(&mut self) -> Option<Place> {
        if self.caller == Caller::Operator && self.raw.host().line().is_none() {
            consistency::nothing_for_a_server(self.raw, &mut self.found);
            return Some(Place::Here);
        }
        self.target().map(Place::Server)
    }

    fn target(&mut self) -> Option<Target> {
        let raw = self.raw;
        let name = self.required(raw.host(), host::host);
        let port = self.one(raw.port(), host::port);
        let user = self.required(raw.user(), host::user);
        let identity = self.identity();
        let host_keys = self.host_keys();
        let jump_host = self.one(raw.jump_host(), host::jump_host);
        Some(Target {
            host: name?,
            port: port?,
            user: user?,
            identity: identity?,
            host_keys,
            jump_host,
        })
    }

    fn identity(&mut self) -> Option<Identity> {
        let (key, passphrase) = (self.raw.ssh_key(), self.raw.ssh_key_passphrase());
        let unlocks = self.passphrase();
        if self.caller == Caller::Operator && key.line().is_none() {
            if passphrase.is_set() {
                self.half(passphrase, key, "");
            }
            return Some(Identity::Own);
        }
        let read = self.required(key, key::private_key)?;
        if read.locked && unlocks.is_none() {
            let what = format!("{} is locked by a passphrase", self.found.label(key));
            let hint = format!("give {} too", self.found.label(passphrase));
            self.found.add(Failure::new(what).hint(hint));
        }
        Some(Identity::Key {
            text: read.text,
            passphrase: unlocks,
        })
    }

    /// Adds the fault of an input that makes no sense without another.
    fn half(&mut self, there: Given<'_>, missing: Given<'_>, why: &str) {
        if self.found.is_unreadable(missing) {
            return;
        }
        let (there, missing) = (self.found.label(there), self.found.label(missing));
        let failure = Failure::new(format!("{there} is given without {missing}"));
        self.found
            .add(failure.hint(format!("give both or neither{why}")));
    }

    /// A passphrase may begin or end with a space; only the line end behind it is not its own.
    fn passphrase(&mut self) -> Option<Secret> {
        let given = self.raw.ssh_key_passphrase();
        let text = given.text.trim_end_matches(['\n', '\r']);
        if text.contains(['\n', '\r', '\0']) {
            let fault = Failure::new("it has more than one line").hint("give a single line");
            return self.found.keep(given, Err(fault));
        }
        (!text.is_empty()).then(|| Secret::new(text))
    }

    fn host_keys(&mut self) -> HostKeys {
        let given = self.raw.host_key();
        if self.caller == Caller::Operator && !self.pins_a_host_key() {
            return HostKeys::Own;
        }
        let mut keys = Vec::new();
        for (position, line) in given.lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            // The line itself is not shown: people paste private keys here.
            let read = key::host_key(line).map_err(|mut fault| {
                fault.what = format!("line {} {}", position + 1, fault.what);
                fault
            });
            keys.extend(self.found.keep(given, read));
        }
        HostKeys::Pinned(keys)
    }

    fn pins_a_host_key(&self) -> bool {
        self.raw
            .host_key()
            .lines()
            .any(|line| !line.starts_with('#'))
    }

    fn host_key_is_missing(&self) -> bool {
        self.caller == Caller::Action && !self.pins_a_host_key()
    }

    fn site(&mut self) -> Option<Site> {
        let raw = self.raw;
        let deploy_dir = self.required(raw.deploy_dir(), grammar::directory);
        let backup_dir = self.one(raw.backup_dir(), grammar::directory);
        let compose_files = self.lines(raw.compose_file(), grammar::relative_file);
        let project_name = self.one(raw.project_name(), grammar::project);
        let services = self.services();
        let deploy_dir = deploy_dir?;
        Some(Site {
            backup_dir: backup_dir.unwrap_or_else(|| Site::usual_backup_dir(&deploy_dir)),
            deploy_dir,
            compose_files,
            project_name,
            services,
        })
    }

    /// Names hold no space and no comma, so a list in one line is as clear as one in many.
    fn services(&mut self) -> Vec<String> {
        let given = self.raw.services();
        let mut all: Vec<String> = Vec::new();
        for word in given.text.split([' ', ',', '\n', '\r', '\t']) {
            if word.is_empty() || all.iter().any(|known| known == word) {
                continue;
            }
            all.extend(self.found.keep(given, grammar::service(word)));
        }
        all
    }

    fn images(&mut self) -> Vec<Reference> {
        self.lines(self.raw.image(), Reference::parse)
    }

    fn files(&mut self, brings_a_release: bool) -> Vec<files::LocalFile> {
        let given = self.raw.files();
        if !brings_a_release || given.lines().next().is_none() {
            return Vec::new();
        }
        match files::resolve(given.lines(), self.workspace) {
            Ok(files) => files,
            Err(faults) => {
                self.each(given, faults);
                Vec::new()
            }
        }
    }

    fn each(&mut self, given: Given<'a>, faults: Vec<Failure>) {
        for fault in faults {
            self.found.keep::<()>(given, Err(fault));
        }
    }

    fn env_file(
        &mut self,
        brings_a_release: bool,
        path: Option<&str>,
        required: &[String],
    ) -> Option<EnvFile> {
        let given = self.raw.env_file();
        let content = given.text;
        if let Some(meant) = self.raw.given_empty(given.input)
            && brings_a_release
        {
            self.found.add(env::empty(self.caller, given, meant));
        }
        if path == Some(DOT_ENV) {
            self.each(given, env::faults(content));
        }
        if content.is_empty() {
            return None;
        }
        if let Err(fault) = EnvText::read(content).require(required) {
            self.each(given, vec![fault]);
        }
        Some(EnvFile {
            path: path?.to_owned(),
            content: Secret::new(content),
        })
    }

    fn registry(&mut self, mode: Option<Mode>, images: &[Reference]) -> Option<Login> {
        let (username, password) = (self.raw.registry_username(), self.raw.registry_password());
        let name = self.one(username, grammar::one_line);
        // The line end that `echo` puts behind a token is not part of it.
        let secret = password.text.trim_end_matches(['\n', '\r']);
        if username.line().is_some() == secret.is_empty() {
            let (there, missing) = if secret.is_empty() {
                (username, password)
            } else {
                (password, username)
            };
            self.half(
                there,
                missing,
                "; a secret that does not exist arrives empty",
            );
        }
        if secret.contains(['\n', '\r', '\0']) {
            let fault = Failure::new("it has more than one line").hint("give a single line");
            return self.found.keep(password, Err(fault));
        }
        let is_login = username.line().is_some() && !secret.is_empty();
        let registry = self.registry_of_login(images, is_login && pulls(mode));
        Some(Login {
            registry: registry?,
            username: name?.to_owned(),
            password: Secret::new(secret),
        })
    }

    /// The one registry that hears the password: what compose files on the server name is not asked.
    fn registry_of_login(&mut self, images: &[Reference], is_needed: bool) -> Option<String> {
        let raw = self.raw;
        let (registry, image) = (raw.registry(), raw.image());
        let named = self.one(registry, image::registry);
        if registry.is_set() || !is_needed {
            return named;
        }
        let of_images: BTreeSet<String> = images.iter().map(Reference::registry).collect();
        if of_images.len() == 1 {
            return of_images.into_iter().next();
        }
        if images.is_empty() && image.is_set() {
            return None;
        }
        let label = |given| self.found.label(given);
        let (password, registry) = (label(raw.registry_password()), label(registry));
        let failure = Failure::new(if of_images.is_empty() {
            format!("{password} is given, and nothing says for which registry")
        } else {
            format!(
                "{password} is given, and {} names several registries",
                label(image)
            )
        });
        self.found.add(failure.hint(format!(
            "name the one that it is for with {registry}, such as `ghcr.io`; no other one receives it"
        )));
        None
    }

    /// A number with a fault counts as none: it has been told, and the others are looked at.
    fn checks(&mut self) -> Checks {
        let raw = self.raw;
        let suite = self.one(raw.smoke_suite(), |text| {
            grammar::choice(text, Suite::WORDS)
        });
        Checks {
            health_url: self.one(raw.health_url(), grammar::url),
            smoke: self.smoke(suite),
            health_timeout: { self.seconds(raw.health_timeout(), grammar::SECONDS) }
                .unwrap_or_default(),
            watch: self
                .seconds(raw.watch(), grammar::SECONDS_OR_NONE)
                .unwrap_or_default(),
            confirm: self
                .one(raw.confirm(), |text| grammar::choice(text, CONFIRM))
                .unwrap_or_default(),
        }
    }

    fn smoke(&mut self, suite: Option<Suite>) -> Vec<SmokeTest> {
        let given = self.raw.smoke_tests();
        let Some(text) = given.line() else {
            return Vec::new();
        };
        let yaml = if is_path(text) {
            match self.found.keep(given, files::text(text, self.workspace)) {
                Some(yaml) => yaml,
                None => return Vec::new(),
            }
        } else {
            given.text.to_owned()
        };
        match smoke::read(&yaml) {
            Ok(tests) => tests
                .into_iter()
                .filter(|declared| declared.suite == Suite::Basic || suite == Some(Suite::Full))
                .map(|declared| declared.test)
                .collect(),
            Err(faults) => {
                self.each(given, faults);
                Vec::new()
            }
        }
    }

    fn backups(&mut self) -> Option<Backups> {
        let most = u64::from(u32::MAX);
        let keep = self.one(self.raw.keep_backups(), |text| {
            grammar::number(text, 1..=most)
        });
        let exclude = self.lines(self.raw.backup_exclude(), grammar::glob);
        Some(Backups {
            keep: u32::try_from(keep?).ok()?,
            exclude,
        })
    }

    fn faults(mut self, request: Option<Request>, host_key_missing: bool) -> Faults {
        let only_host_key_missing = match request {
            Some(request) if self.found.is_empty() => match request.place {
                Place::Server(target) => Some(Box::new(target)),
                Place::Here => None,
            },
            _ => None,
        };
        if host_key_missing {
            self.found.missing_host_key(self.raw.host_key());
        }
        Faults {
            all: self.found.into_faults(self.raw),
            only_host_key_missing,
        }
    }
}

/// Says whether a run of this mode may ask a registry.
fn pulls(mode: Option<Mode>) -> bool {
    mode.is_some_and(|mode| mode != Mode::Status)
}

/// A list begins with a sign; a path of one line does not.
fn is_path(text: &str) -> bool {
    !text.contains('\n') && !text.starts_with(['-', '[', '{', '#']) && !text.contains(": ")
}

/// What Compose will not take, by line and name.
fn hook(given: Given<'_>) -> Option<Secret> {
    (!given.text.trim().is_empty()).then(|| Secret::new(given.text.replace("\r\n", "\n")))
}

#[cfg(test)]
mod tests;
