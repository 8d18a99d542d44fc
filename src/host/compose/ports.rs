//! The ports of the server that a service publishes, as both versions of Compose write them.
//!
//! Ranges and numbers that the engine chooses are left out: nobody can hold those.

use serde_json::Value;

use crate::host::Port;

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
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (published, _) = text.rsplit_once(':')?;
    let (address, number) = match published.rsplit_once(':') {
        Some((address, number)) => (Some(address), number),
        None => (None, published),
    };
    Some(Port {
        address: address.map(|a| a.trim_matches(['[', ']']).to_owned()),
        number: number.parse().ok().filter(|n: &u16| *n > 0)?,
        protocol: protocol.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn published_ports_are_read_in_both_forms_and_ranges_are_not() {
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
    }
}
