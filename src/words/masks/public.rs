//! What of an env file is no secret: a log full of stars helps nobody.
//!
//! Whatever is not known to be public is a secret. It refuses to know how secrets are hidden.

use std::collections::BTreeSet;

/// Words in the names of variables whose values are secrets, whatever else is said of them.
const TELLING: [&str; 12] = [
    "PASS",
    "PWD",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "DSN",
    "PRIVATE",
    "SALT",
    "CERT",
    "SIGNATURE",
];

/// Names whose values say where, how or how much, and open nothing.
const NAMES: [&str; 38] = [
    "PORT",
    "HOST",
    "HOSTNAME",
    "BIND",
    "LISTEN",
    "DOMAIN",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LOCALE",
    "ENV",
    "ENVIRONMENT",
    "STAGE",
    "MODE",
    "DEBUG",
    "VERBOSE",
    "LOGLEVEL",
    "LOGGING",
    "WORKERS",
    "THREADS",
    "CONCURRENCY",
    "WEB_CONCURRENCY",
    "REPLICAS",
    "TIMEOUT",
    "UID",
    "GID",
    "PUID",
    "PGID",
    "UMASK",
    "VERSION",
    "TAG",
    "IMAGE",
    "REGION",
    "PATH",
    "HOME",
    "USER",
    "SHELL",
];

/// Ends of such names: `NODE_ENV`, `LOG_LEVEL`, `DB_PORT`.
const ENDINGS: [&str; 24] = [
    "_ENV",
    "_ENVIRONMENT",
    "_LEVEL",
    "_PORT",
    "_HOST",
    "_HOSTNAME",
    "_DOMAIN",
    "_REGION",
    "_ZONE",
    "_TIMEZONE",
    "_LOCALE",
    "_LANG",
    "_FORMAT",
    "_DRIVER",
    "_MODE",
    "_TIMEOUT",
    "_INTERVAL",
    "_WORKERS",
    "_THREADS",
    "_VERSION",
    "_TAG",
    "_IMAGE",
    "_DIR",
    "_SETTINGS_MODULE",
];

/// Compose's own settings: files, profiles, the project's name.
const OF_COMPOSE: &str = "COMPOSE_";

/// Values that are ordinary words of this trade.
const WORDS: [&str; 76] = [
    "production",
    "development",
    "staging",
    "testing",
    "preview",
    "default",
    "primary",
    "replica",
    "secondary",
    "master",
    "leader",
    "follower",
    "worker",
    "server",
    "client",
    "service",
    "backend",
    "frontend",
    "website",
    "application",
    "database",
    "localhost",
    "local",
    "enabled",
    "disabled",
    "enable",
    "disable",
    "always",
    "required",
    "optional",
    "verify-full",
    "verify-ca",
    "prefer",
    "require",
    "strict",
    "warning",
    "verbose",
    "critical",
    "stdout",
    "stderr",
    "syslog",
    "console",
    "logfmt",
    "memory",
    "memcached",
    "filesystem",
    "postgres",
    "postgresql",
    "mariadb",
    "sqlite",
    "mongodb",
    "rabbitmq",
    "elasticsearch",
    "opensearch",
    "clickhouse",
    "cassandra",
    "public",
    "private",
    "internal",
    "external",
    "europe",
    "english",
    "german",
    "deutsch",
    "français",
    "en_us.utf-8",
    "de_de.utf-8",
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "europe/berlin",
    "europe/london",
    "etc/utc",
    "unlimited",
    "automatic",
];

/// What a run knows to be public.
#[derive(Debug, Clone, Default)]
pub struct Public {
    names: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Public {
    /// Adds names of variables that the operator listed.
    pub fn name_all(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.extend(names);
    }

    /// Adds what is told anyhow, such as inputs of the run.
    pub fn value_all(&mut self, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().map(|v| v.trim().to_lowercase());
        self.values.extend(values.filter(|v| !v.is_empty()));
    }

    /// Says whether a variable's value may be told.
    #[must_use]
    pub fn holds(&self, name: &str, value: &str) -> bool {
        if self.names.contains(name) {
            return true;
        }
        !is_telling(name) && (is_public_name(name) || self.is_public_value(value))
    }

    /// Says whether a text says nothing that is not told anyhow.
    #[must_use]
    pub fn is_public_value(&self, value: &str) -> bool {
        let value = value.trim().to_lowercase();
        self.values.contains(&value) || is_ordinary(&value)
    }
}

/// Says whether a name says that its value is a secret.
#[must_use]
pub fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace('-', "_");
    name != "PWD" && TELLING.iter().any(|word| name.contains(word))
}

fn is_public_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str())
        || name.starts_with(OF_COMPOSE)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A word of this trade, a number with its unit, or an address of this machine.
fn is_ordinary(value: &str) -> bool {
    let local = ["localhost:", "127.0.0.1", "0.0.0.0", "[::"];
    WORDS.contains(&value) || is_number(value) || local.iter().any(|l| value.starts_with(l))
}

fn is_number(value: &str) -> bool {
    const LONGEST_UNIT: usize = 2;
    let bare = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '_' | '-' | ':');
    value.len() - bare.len() <= LONGEST_UNIT && !bare.is_empty() && bare.chars().all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_nothing_is_public_and_everything_else_is_not() {
        let mut public = Public::default();
        public.name_all(["GREETING".to_owned()]);
        public.value_all(["app.example.org".to_owned()]);
        for (name, value) in [
            ("PORT", "anything"),
            ("NODE_ENV", "production-blue"),
            ("LOG_LEVEL", "warning"),
            ("COMPOSE_PROJECT_NAME", "mailboxes"),
            ("GREETING", "hello-world"),
            ("PUBLIC_NAME", "App.example.org"),
            ("FLAVOUR", "production"),
            ("CACHE_BYTES", "5000000kb"),
            ("UPSTREAM", "localhost:9000/x"),
        ] {
            assert!(public.holds(name, value), "{name}");
        }
        for (name, value) in [
            ("DB_PASSWORD", "production"),
            ("API_TOKEN", "12345678"),
            ("AUTH_HOST", "db.internal"),
            ("FLAVOUR", "open-sesame"),
            ("DATABASE_URL", "postgres://a:b@c/d"),
        ] {
            assert!(!public.holds(name, value), "{name}");
        }
    }
}
