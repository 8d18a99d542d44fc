//! What containers of a service see of what outlives them, and at which path.
//!
//! It refuses to know whether anything lies there. Volumes that are a directory of the server are
//! left out: whoever wrote that path down chose it.

use serde_json::Value;

use crate::host::{Kept, Mounted, volume};

/// The mounts of a service; `whole` is the whole configuration.
pub fn of(service: &Value, whole: &Value, project: &str) -> Vec<Mounted> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    let mounted = volumes.filter_map(|volume| match volume.as_str() {
        Some(text) => short(text, whole, project),
        None => long(volume, whole, project),
    });
    let mut mounted: Vec<Mounted> = mounted.collect();
    mounted.sort();
    mounted
}

/// Compose 1's `source:target:mode`.
fn short(text: &str, whole: &Value, project: &str) -> Option<Mounted> {
    let (source, rest) = text.split_once(':')?;
    let (target, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
    Some(Mounted {
        target: target.to_owned(),
        kept: if source.starts_with('/') {
            Kept::At(source.into())
        } else {
            named(source, whole, project)?
        },
        writable: !mode.split(',').any(|m| m == "ro"),
    })
}

fn long(volume: &Value, whole: &Value, project: &str) -> Option<Mounted> {
    let source = volume["source"].as_str().filter(|s| !s.is_empty())?;
    let kept = match volume["type"].as_str()? {
        "bind" => Kept::At(source.into()),
        "volume" => named(source, whole, project)?,
        _ => return None,
    };
    Some(Mounted {
        target: volume["target"].as_str()?.to_owned(),
        kept,
        writable: !volume["read_only"].as_bool().unwrap_or(false),
    })
}

/// A volume by the name that the engine has for it.
fn named(name: &str, whole: &Value, project: &str) -> Option<Kept> {
    let declared = &whole["volumes"][name];
    let options = &declared["driver_opts"];
    let behind = volume::behind(declared["driver"].as_str(), |key| options[key].as_str());
    if behind.is_some() {
        return None;
    }
    let external = &declared["external"];
    let is_external = external.as_bool().unwrap_or(external.is_object());
    let full = declared["name"].as_str().or(external["name"].as_str());
    Some(Kept::In(match full {
        Some(full) => full.to_owned(),
        None if is_external => name.to_owned(),
        None => format!("{project}_{name}"),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_tell_what_lies_where_and_volumes_have_their_full_names() {
        let whole = json!({ "volumes": {
            "db": {}, "named": { "name": "kept" }, "theirs": { "external": true },
            "dir": { "driver_opts": { "o": "bind", "device": "/x" } },
        }});
        let service = json!({ "volumes": [
            { "type": "bind", "source": "/opt/mcp/data", "target": "/data" },
            { "type": "volume", "source": "db", "target": "/db", "read_only": true },
            { "type": "volume", "source": "named", "target": "/named" },
            { "type": "volume", "source": "dir", "target": "/dir" },
            { "type": "volume", "target": "/nameless" },
            { "type": "tmpfs", "target": "/tmp" },
            "theirs:/theirs:ro", "/opt/mcp/x:/x", "plain:/plain:rw", "/lone",
        ]});
        let told = of(&service, &whole, "mcp").into_iter().map(|m| {
            let kept = match m.kept {
                Kept::At(path) => path.display().to_string(),
                Kept::In(name) => name,
            };
            format!("{}={kept}{}", m.target, if m.writable { "" } else { ":ro" })
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "/data=/opt/mcp/data",
                "/db=mcp_db:ro",
                "/named=kept",
                "/plain=mcp_plain",
                "/theirs=theirs:ro",
                "/x=/opt/mcp/x"
            ]
        );
    }
}
