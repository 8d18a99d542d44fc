//! The ports of the server that a service publishes, as both versions of Compose write them.
//!
//! Numbers that the engine chooses are left out, for nobody can hold those; of a range, somebody can
//! hold all.

use serde_json::Value;

use crate::host::{Port, Range};

/// The published ports of a service.
pub fn of(service: &Value) -> Vec<Port> {
    let ports = service["ports"].as_array().into_iter().flatten();
    let port = |port: &Value| match port.as_str() {
        Some(text) => short(text),
        None => long(port),
    };
    ports.filter_map(port).collect()
}

/// `{ "published": "8000", "protocol": "tcp", "host_ip": "127.0.0.1", … }`.
fn long(port: &Value) -> Option<Port> {
    let published = &port["published"];
    let number = match published.as_u64() {
        Some(number) => u16::try_from(number).ok(),
        None => published.as_str()?.parse().ok(),
    };
    Some(Port {
        address: port["host_ip"].as_str().map(ToOwned::to_owned),
        number: number.filter(|n| *n > 0)?,
        protocol: port["protocol"].as_str().unwrap_or("tcp").to_owned(),
    })
}

/// `127.0.0.1:8000:80/tcp`, `8000:80`; a lone `80` is the container's.
fn short(text: &str) -> Option<Port> {
    let (address, number, protocol) = parts(text)?;
    Some(Port {
        address,
        number: number.parse().ok().filter(|n: &u16| *n > 0)?,
        protocol,
    })
}

/// The address, the number or the range, and the protocol of the short form.
fn parts(text: &str) -> Option<(Option<String>, &str, String)> {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (published, _) = text.rsplit_once(':')?;
    let (address, number) = match published.rsplit_once(':') {
        Some((address, number)) => (Some(address), number),
        None => (None, published),
    };
    let address = address.map(|a| a.trim_matches(['[', ']']).to_owned());
    Some((address, number, protocol.to_owned()))
}

/// The ranges of a service: the engine takes one port of each that is free.
pub fn ranges(service: &Value) -> Vec<Range> {
    let ports = service["ports"].as_array().into_iter().flatten();
    let range = |port: &Value| match port.as_str() {
        Some(text) => {
            let (address, numbers, protocol) = parts(text)?;
            range(address, numbers, protocol)
        }
        None => range(
            port["host_ip"].as_str().map(ToOwned::to_owned),
            port["published"].as_str()?,
            port["protocol"].as_str().unwrap_or("tcp").to_owned(),
        ),
    };
    ports.filter_map(range).collect()
}

fn range(address: Option<String>, numbers: &str, protocol: String) -> Option<Range> {
    let (first, last) = numbers.split_once('-')?;
    let number = first.parse().ok().filter(|n: &u16| *n > 0)?;
    Some(Range {
        last: last.parse().ok().filter(|last| *last >= number)?,
        first: Port {
            address,
            number,
            protocol,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn published_ports_and_ranges_of_them_are_read_in_both_forms() {
        let ports = json!({ "ports": [
            { "target": 80, "published": "8000", "protocol": "tcp", "mode": "ingress" },
            { "target": 53, "published": 53, "protocol": "udp", "host_ip": "127.0.0.1" },
            { "target": 80, "published": "9000-9010" },
            { "target": 80 },
            "8001:80/tcp", "[::1]:8002:80", "127.0.0.1::80", "9100-9110:80", "80",
        ] });
        let told = |p: Port| {
            let address = p.address.unwrap_or_default();
            format!("{address}:{}/{}", p.number, p.protocol)
        };
        let told: Vec<String> = of(&ports).into_iter().map(told).collect();
        assert_eq!(
            told,
            [":8000/tcp", "127.0.0.1:53/udp", ":8001/tcp", "::1:8002/tcp"]
        );
        let ranges = ranges(&ports).into_iter();
        let ranges: Vec<_> = ranges.map(|r| (r.first.number, r.last)).collect();
        assert_eq!(ranges, [(9000, 9010), (9100, 9110)]);
    }
}
