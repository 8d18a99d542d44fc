//! Who is running: version, greeting, configuration and host name, as JSON.
//! It refuses to know how the answer travels.

use std::fs;

const CONFIG: &str = "/etc/beacon/beacon.conf";

/// The version that was baked into the image.
pub fn version() -> String {
    std::env::var("VERSION").unwrap_or_else(|_| "unknown".into())
}

/// One JSON object; `greeting` and `config` are there only if they are set.
pub fn as_json() -> String {
    object(&[
        ("name", Some("beacon".into())),
        ("version", Some(version())),
        ("greeting", std::env::var("GREETING").ok()),
        ("config", fs::read_to_string(CONFIG).ok()),
        (
            "hostname",
            fs::read_to_string("/proc/sys/kernel/hostname").ok(),
        ),
    ])
}

fn object(fields: &[(&str, Option<String>)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .filter_map(|(name, value)| {
            Some(format!("\"{name}\":{}", quoted(value.as_ref()?.trim_end())))
        })
        .collect();
    format!("{{{}}}\n", fields.join(","))
}

fn quoted(text: &str) -> String {
    let escaped: String = text.chars().map(escape).collect();
    format!("\"{escaped}\"")
}

fn escape(character: char) -> String {
    match character {
        '"' | '\\' => format!("\\{character}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn what_is_not_set_is_left_out() {
        let fields = [("version", Some("v1".into())), ("greeting", None)];
        assert_eq!(object(&fields), "{\"version\":\"v1\"}\n");
    }

    #[test]
    fn quotes_and_line_ends_are_escaped() {
        let fields = [("config", Some("say \"a\"\nand b\n".into()))];
        assert_eq!(
            object(&fields),
            "{\"config\":\"say \\\"a\\\"\\u000aand b\"}\n"
        );
    }
}
