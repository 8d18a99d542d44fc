//! Names of servers and of the users who log in to them.
//!
//! These texts end up in an ssh command's arguments and configuration, so the grammar is narrow.
//! It refuses to know keys, and never resolves a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::words::event::Failure;

use super::fault::shown;
use super::grammar::{number, one_line};

/// A host to connect through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JumpHost {
    /// The SSH user; none means the target's.
    pub user: Option<String>,
    /// A name or an address, IPv6 without its brackets.
    pub host: String,
    /// The SSH port.
    pub port: u16,
}

/// A host name or an address; IPv6 in brackets, which are taken off.
pub(super) fn host(text: &str) -> Result<String, Failure> {
    let text = one_line(text)?;
    if let Some(inner) = text.strip_prefix('[') {
        return address_in_brackets(text, inner);
    }
    if let Some(hint) = not_only_a_host(text) {
        return Err(Failure::new(format!("{} is not only a host", shown(text))).hint(hint));
    }
    if is_name(text) || text.parse::<Ipv4Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(Failure::new(format!(
        "{} is neither a host name nor an address",
        shown(text)
    ))
    .hint("give a name or an address, such as `example.org` or `203.0.113.7`"))
}

fn address_in_brackets(text: &str, inner: &str) -> Result<String, Failure> {
    inner
        .strip_suffix(']')
        .and_then(|address| address.parse::<Ipv6Addr>().ok())
        .map(|address| address.to_string())
        .ok_or_else(|| {
            Failure::new(format!(
                "{} is not an IPv6 address in brackets",
                shown(text)
            ))
            .hint("write it like `[2001:db8::1]`; a port goes into `port`")
        })
}

fn not_only_a_host(text: &str) -> Option<&'static str> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some("write an IPv6 address in brackets, like `[2001:db8::1]`");
    }
    [
        ("://", "leave the scheme out"),
        ("@", "put the user into `user`"),
        ("/", "leave the path out"),
        (":", "put the port into `port`"),
    ]
    .into_iter()
    .find_map(|(sign, hint)| text.contains(sign).then_some(hint))
}

/// Labels of letters, digits, `-` and `_`; the last one is not a number, which an address would be.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// An SSH user.
pub(super) fn user(text: &str) -> Result<String, Failure> {
    let text = one_line(text)?;
    if let Some((name, _)) = text.split_once('@') {
        return Err(
            Failure::new(format!("{} is not only a user", shown(text))).hint(format!(
                "put {} into `user` and the rest into `host`",
                shown(name)
            )),
        );
    }
    let bare = text.strip_suffix('$').unwrap_or(text);
    let begins_well = bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let goes_on_well = bare
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+'));
    if begins_well && goes_on_well && text.len() <= 64 {
        return Ok(text.to_owned());
    }
    Err(Failure::new(format!("{} is not a user name", shown(text)))
        .hint("use letters, digits, `_`, `-` and `.`, beginning with a letter, a digit or `_`"))
}

/// An SSH port.
pub(super) fn port(text: &str) -> Result<u16, Failure> {
    let port = number(text, 1..=u64::from(u16::MAX))?;
    Ok(u16::try_from(port).unwrap_or(u16::MAX))
}

/// A host to connect through: `host`, `user@host`, `host:port` or all of it.
pub(super) fn jump_host(text: &str) -> Result<JumpHost, Failure> {
    let text = one_line(text)?;
    let (name, rest) = match text.rsplit_once('@') {
        Some((name, rest)) => (Some(name), rest),
        None => (None, text),
    };
    let after_address = rest.rfind(']').map_or(0, |end| end + 1);
    let (address, digits) = match rest[after_address..].rfind(':') {
        Some(colon) => rest.split_at(after_address + colon),
        None => (rest, ":22"),
    };
    Ok(JumpHost {
        user: name.map(user).transpose()?,
        host: host(address)?,
        port: port(&digits[1..])?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for good in [
            "example.org",
            "web-1",
            "a_b.example.org",
            "203.0.113.7",
            "xn--bcher-kva.example",
            "3com.com",
            "1.example",
            "localhost",
        ] {
            assert_eq!(host(good).as_deref(), Ok(good));
        }
        assert_eq!(host("[2001:DB8::1]").as_deref(), Ok("2001:db8::1"));
    }

    #[test]
    fn what_could_be_read_as_anything_else_is_no_host() {
        let long = "a".repeat(64);
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nb",
            "a\u{0}b",
            "example..org",
            ".org",
            "org.",
            "-a.org",
            "a-.org",
            "256.1.1.1",
            "1.2.3",
            "1",
            "2001:db8::1",
            "[2001:db8::1",
            "[::1]:22",
            "[1.2.3.4]",
            "[fe80::1%eth0]",
            "bücher.example",
            "a;b",
            "$(id)",
            "%h",
            "a,b",
            "*",
            &long,
        ] {
            assert!(host(bad).is_err(), "{bad:?} is let through");
        }
    }

    #[test]
    fn a_host_with_more_than_a_host_says_where_the_rest_goes() {
        let hint = |text| host(text).unwrap_err().hints.join("");
        assert_eq!(hint("ssh://example.org"), "leave the scheme out");
        assert_eq!(hint("deploy@example.org"), "put the user into `user`");
        assert_eq!(hint("example.org:2222"), "put the port into `port`");
        assert_eq!(
            hint("2001:db8::1"),
            "write an IPv6 address in brackets, like `[2001:db8::1]`"
        );
    }

    #[test]
    fn users_are_plain_names() {
        for good in ["root", "deploy-1", "a.b", "_apt", "1000", "svc$"] {
            assert_eq!(user(good).as_deref(), Ok(good));
        }
        for bad in [
            "", "-l", "a b", "a@b", "a:b", "a/b", "$", "ä", "a\nb", "a'b", "%u",
        ] {
            assert!(user(bad).is_err(), "{bad:?} is let through");
        }
    }

    #[test]
    fn jump_hosts_name_a_user_and_a_port_or_neither() {
        let read = |text| {
            jump_host(text).map(|j| format!("{} {} {}", j.user.unwrap_or_default(), j.host, j.port))
        };
        assert_eq!(
            read("ops@gate.example:2200").unwrap(),
            "ops gate.example 2200"
        );
        assert_eq!(read("gate.example").unwrap(), " gate.example 22");
        assert_eq!(read("ops@[::1]:2200").unwrap(), "ops ::1 2200");
        assert_eq!(read("[::1]").unwrap(), " ::1 22");
        for bad in [
            "",
            "@gate",
            "ops@",
            "gate:",
            "gate:0",
            "a@b@c",
            "ops@-gate",
            "::1",
            "gate:ssh",
        ] {
            assert!(jump_host(bad).is_err(), "{bad:?} is let through");
        }
    }
}
