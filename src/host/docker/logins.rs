//! A configuration of the Docker client with the run's logins, for as long as somebody's commands
//! may need them.
//!
//! It is a directory for its owner alone, which goes when it is dropped: no argument list and no
//! other file has a password. What the user's own configuration has stays in force. The file
//! refuses to know what is pulled.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::files::foreign;
use crate::host::Login;
use crate::words::Result;
use crate::words::event::Failure;
use crate::words::reference::DOCKER_HUB;

/// How much of the user's own configuration is read, in bytes.
const OWN: u64 = 4 * 1024 * 1024;
/// The file that the client reads in the directory.
const FILE: &str = "config.json";

/// Such a directory.
#[derive(Debug)]
pub struct Logins(PathBuf);

impl Logins {
    /// Makes one; none where there is no login.
    pub fn keep(at: PathBuf, logins: &[(String, Login)]) -> Result<Option<Self>> {
        if logins.is_empty() {
            return Ok(None);
        }
        let _ = fs::remove_dir_all(&at);
        let made = Self(at);
        made.write(own().as_deref(), logins)
            .map_err(|e| Failure::new("the login cannot be handed to the hook").because(e))?;
        Ok(Some(made))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, own: Option<&Path>, logins: &[(String, Login)]) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.0)?;
        let names = own.map(fs::read_dir).into_iter().flatten().flatten();
        // Plugins and contexts of the user's.
        for entry in names.flatten().filter(|entry| entry.file_name() != FILE) {
            symlink(entry.path(), self.0.join(entry.file_name()))?;
        }
        let text = own.and_then(|own| foreign::text(&own.join(FILE), OWN).ok());
        let known = text.and_then(|text| serde_json::from_str(&text).ok());
        let config = with(known.unwrap_or_default(), logins);
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.0.join(FILE))?;
        file.write_all(Value::Object(config).to_string().as_bytes())
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The directory of the user's own configuration.
fn own() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))
}

/// A configuration with logins, each in the file itself, whatever program keeps the others.
fn with(mut config: Map<String, Value>, logins: &[(String, Login)]) -> Map<String, Value> {
    for (registry, login) in logins {
        let key = match registry.as_str() {
            DOCKER_HUB => "https://index.docker.io/v1/",
            other => other,
        };
        let both = format!("{}:{}", login.username, login.password.expose());
        put(
            &mut config,
            "auths",
            key,
            json!({ "auth": STANDARD.encode(both) }),
        );
        if config.contains_key("credsStore") || config.contains_key("credHelpers") {
            put(&mut config, "credHelpers", key, json!(""));
        }
    }
    config
}

fn put(config: &mut Map<String, Value>, list: &str, key: &str, value: Value) {
    let list = config.entry(list).or_insert_with(|| json!({}));
    if let Some(list) = list.as_object_mut() {
        list.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::words::secret::Secret;

    fn login() -> Vec<(String, Login)> {
        let login = Login {
            username: "lab".into(),
            password: Secret::new("s3cret"),
        };
        vec![("ghcr.io".into(), login)]
    }

    #[test]
    fn a_login_is_for_its_owner_alone_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        fs::create_dir_all(own.join("cli-plugins")).unwrap();
        fs::write(own.join(FILE), r#"{"credsStore":"pass","auths":{"a":{}}}"#).unwrap();
        let at = dir.path().join("docker-config");
        let logins = Logins(at.clone());
        logins.write(Some(&own), &login()).unwrap();
        let text = fs::read_to_string(at.join(FILE)).unwrap();
        insta::assert_snapshot!(text, @r#"{"credsStore":"pass","auths":{"a":{},"ghcr.io":{"auth":"bGFiOnMzY3JldA=="}},"credHelpers":{"ghcr.io":""}}"#);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&at), mode(&at.join(FILE))), (0o700, 0o600));
        assert!(at.join("cli-plugins").is_dir());
        drop(logins);
        assert!(!at.exists() && own.join("cli-plugins").is_dir());
    }

    #[test]
    fn without_a_login_there_is_no_configuration_of_ours() {
        let at = PathBuf::from("/nowhere/at/all");
        assert!(Logins::keep(at, &[]).unwrap().is_none());
    }
}
