//! Which ports of the server processes listen on, and whose they are, as the kernel tells it.
//!
//! It connects to nobody. Whose a socket is, the kernel tells only of one's own processes and to root;
//! which user has it, it tells everybody. It refuses to know who wants a port.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;

use crate::files::tree::whose;
use crate::host::Port;

/// Where the kernel lists sockets, what they speak, and the state of one that is bound and waits.
const LISTS: [(&str, &str, &str); 4] = [
    ("/proc/net/tcp", "tcp", "0A"),
    ("/proc/net/tcp6", "tcp", "0A"),
    ("/proc/net/udp", "udp", "07"),
    ("/proc/net/udp6", "udp", "07"),
];

/// A socket that waits for whoever comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What it has.
    pub port: Port,
    /// The number of the user who has it.
    pub uid: u32,
    /// What the kernel calls it.
    inode: u64,
}

/// A process that has a socket, as far as it can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program's name.
    pub command: String,
    /// The text of its `cgroup`, which names the container that it is in.
    pub cgroup: String,
}

/// Every socket that listens in this network.
#[must_use]
pub fn listening() -> Vec<Listener> {
    let lists = LISTS.iter().flat_map(|(file, protocol, state)| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().skip(1);
        let read = lines.filter_map(|line| read(line, protocol, state));
        read.collect::<Vec<_>>()
    });
    lists.collect()
}

/// A line such as `0: 0100007F:1F40 00000000:0000 0A … uid 0 inode …`.
fn read(line: &str, protocol: &str, state: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != state {
        return None;
    }
    let (address, number) = words.get(1)?.split_once(':')?;
    Some(Listener {
        port: Port {
            address: Some(self::address(address)?.to_string()),
            number: u16::from_str_radix(number, 16).ok()?,
            protocol: protocol.to_owned(),
        },
        uid: words.get(7)?.parse().ok()?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// An address as the kernel writes it: words of four bytes in this machine's own order.
fn address(text: &str) -> Option<IpAddr> {
    let words = (0..text.len()).step_by(8).map(|at| {
        let word = text.get(at..at + 8)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(sixteen.to_canonical())
}

impl Listener {
    /// The process that has it, where this one may see that.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        let wanted = format!("socket:[{}]", self.inode);
        let all = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.into_iter().find_map(|pid| has(pid, &wanted))
    }

    /// Who has it, for a person.
    #[must_use]
    pub fn described(&self, process: Option<&Process>) -> String {
        let user = whose::user(self.uid);
        match process {
            Some(p) => format!("the process {} (`{}`) of `{user}`", p.pid, p.command),
            None => format!("a process of `{user}`"),
        }
    }
}

fn has(pid: u32, socket: &str) -> Option<Process> {
    let home = Path::new("/proc").join(pid.to_string());
    let mut files = fs::read_dir(home.join("fd")).ok()?.filter_map(Result::ok);
    let leads = |path: &Path| fs::read_link(path).is_ok_and(|to| to.as_os_str() == socket);
    files.find(|file| leads(&file.path()))?;
    let text = |file: &str| fs::read_to_string(home.join(file)).unwrap_or_default();
    Some(Process {
        pid,
        command: text("comm").trim().to_owned(),
        cgroup: text("cgroup"),
    })
}

/// Says whether a port that seems to be had can be had after all: a socket of IPv6 may have the same
/// number and leave IPv4 alone. Where that may not be tried, it counts as had.
#[must_use]
pub fn is_free(port: &Port) -> bool {
    let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    match port.address.as_deref().filter(|a| !a.is_empty()) {
        None => all.iter().all(|address| is_free_at(*address, port)),
        Some(text) => text.parse().is_ok_and(|address| is_free_at(address, port)),
    }
}

fn is_free_at(address: IpAddr, port: &Port) -> bool {
    let tried = match port.protocol.as_str() {
        "tcp" => TcpListener::bind((address, port.number)).map(drop),
        "udp" => UdpSocket::bind((address, port.number)).map(drop),
        _ => return false,
    };
    let said = tried.err().map(|error| error.kind());
    !matches!(
        said,
        Some(ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_of_the_kernels_is_read_and_one_that_does_not_listen_is_not() {
        let line = |address: &str, state: &str| {
            format!(
                "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0"
            )
        };
        let told = |line: &str| {
            let one = read(line, "tcp", "0A")?;
            Some((one.port.address?, one.port.number, one.uid, one.inode))
        };
        let four = u32::from_ne_bytes([127, 0, 0, 1]);
        let local = line(&format!("{four:08X}:1F40"), "0A");
        assert_eq!(told(&local), Some(("127.0.0.1".into(), 8000, 1000, 4711)));
        let all = line(&format!("{}:0050", "0".repeat(32)), "0A");
        assert_eq!(told(&all), Some(("::".into(), 80, 1000, 4711)));
        let established = line(&format!("{four:08X}:1F40"), "01");
        assert_eq!(told(&established), None);
        assert_eq!(told("nonsense"), None);
    }

    #[test]
    fn whoever_listens_is_seen_with_the_process_and_takes_the_port() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = socket.local_addr().unwrap().port();
        let wanted = Port {
            address: Some("127.0.0.1".into()),
            number,
            protocol: "tcp".into(),
        };
        let all = listening();
        let seen = all.iter().find(|l| l.port == wanted).unwrap();
        let process = seen.process().unwrap();
        assert_eq!(process.pid, std::process::id());
        assert!(seen.described(Some(&process)).contains(&process.command));
        assert!(!is_free(&wanted));
        let everywhere = Port {
            address: None,
            ..wanted.clone()
        };
        assert!(!is_free(&everywhere));
        drop(socket);
        assert!(is_free(&wanted));
    }
}
