//! What a service mounts from the server's own directories, however the compose file puts it.
//!
//! It refuses to know which of it is data.

use serde_json::Value;

use crate::host::{Access, Bind, volume};

/// The bind mounts of a service, and what is mounted like one; `whole` is the whole configuration.
pub fn of(service: &Value, whole: &Value) -> Vec<Bind> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    volumes
        .filter_map(|volume| bind(volume, whole))
        .chain(file_backed(service, whole))
        .collect()
}

/// `configs` and `secrets` that are files on the server: Compose mounts them like binds.
fn file_backed(service: &Value, whole: &Value) -> Vec<Bind> {
    let mut binds = Vec::new();
    for kind in ["configs", "secrets"] {
        for used in service[kind].as_array().into_iter().flatten() {
            let name = used["source"].as_str().or_else(|| used.as_str());
            let file = name.and_then(|name| whole[kind][name]["file"].as_str());
            binds.extend(file.map(|file| Bind {
                source: file.into(),
                access: Access::ReadOnly,
            }));
        }
    }
    binds
}

/// A mount in the long form, or in Compose 1's `source:target:mode`.
fn bind(volume: &Value, whole: &Value) -> Option<Bind> {
    if let Some(short) = volume.as_str() {
        let (source, rest) = short.split_once(':')?;
        let mode = rest.split_once(':').map_or("rw", |(_, mode)| mode);
        let access = access(mode.split(',').any(|m| m == "ro"));
        if source.starts_with('/') {
            let source = source.into();
            return Some(Bind { source, access });
        }
        return named(source, access, whole);
    }
    let source = volume["source"].as_str().unwrap_or_default();
    let access = access(volume["read_only"].as_bool().unwrap_or(false));
    if volume["type"] == "volume" {
        return named(source, access, whole);
    }
    let source = source.into();
    (volume["type"] == "bind").then_some(Bind { source, access })
}

/// The directory behind a named volume, if it has one.
fn named(name: &str, access: Access, whole: &Value) -> Option<Bind> {
    let declared = &whole["volumes"][name];
    let options = &declared["driver_opts"];
    let mut bind = volume::behind(declared["driver"].as_str(), |key| options[key].as_str())?;
    if access == Access::ReadOnly {
        bind.access = access;
    }
    Some(bind)
}

fn access(read_only: bool) -> Access {
    if read_only {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        let bound = |device: &str| json!({"type": "none", "o": "bind", "device": device});
        json!({"volumes": {
            "pg": {"driver": "local", "driver_opts": bound("/opt/mcp/data/pg")},
            "conf": {"driver_opts": bound("/opt/mcp/conf")},
            "own": {"name": "mcp_own"},
        }})
    }

    fn seen(volumes: &Value) -> Vec<(String, Access)> {
        let binds = of(&json!({ "volumes": volumes }), &whole()).into_iter();
        binds
            .map(|b| (b.source.display().to_string(), b.access))
            .collect()
    }

    #[test]
    fn a_volume_that_is_bound_to_a_directory_is_a_bind_of_that_directory() {
        let volume = |name: &str| json!({"type": "volume", "source": name, "target": "/x"});
        let mut conf = volume("conf");
        conf["read_only"] = true.into();
        assert_eq!(
            seen(&json!([
                volume("pg"),
                conf,
                volume("own"),
                volume("unheard-of")
            ])),
            [
                ("/opt/mcp/data/pg".to_owned(), Access::ReadWrite),
                ("/opt/mcp/conf".to_owned(), Access::ReadOnly),
            ]
        );
    }

    #[test]
    fn compose_ones_short_form_means_the_same() {
        assert_eq!(
            seen(&json!([
                "pg:/var/lib/pg:rw",
                "conf:/etc/x:ro",
                "own:/y",
                "/srv/x:/x"
            ])),
            [
                ("/opt/mcp/data/pg".to_owned(), Access::ReadWrite),
                ("/opt/mcp/conf".to_owned(), Access::ReadOnly),
                ("/srv/x".to_owned(), Access::ReadWrite),
            ]
        );
    }
}
