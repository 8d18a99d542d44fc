//! Carries out what a fault test orders at a named point, and proves that it did.
//!
//! The orders are `<state>/faults/plan`, one a line: `NAME[:ABOUT] K ACT`, for the K-th time that
//! this process comes by. Each is carried out once and after those before it: `fired-N` says so, on
//! disk before it happens.
//! A file `trace` is told every point. It refuses to know what should come of a fault.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Where orders are looked for.
static ORDERS: OnceLock<PathBuf> = OnceLock::new();
/// How often this process has come by each point.
static PASSED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// How long all threads may take to stop.
const SETTLING: Duration = Duration::from_millis(50);

/// Looks for orders below a state directory from now on; the first one stays.
pub fn arm(state: &Path) {
    let _ = ORDERS.set(state.join("faults"));
}

/// What a test set the clock by: seconds in the file `clock` beside the orders.
#[must_use]
pub fn clock_set_by() -> chrono::TimeDelta {
    let file = ORDERS.get().map(|orders| orders.join("clock"));
    let text = file.and_then(|file| fs::read_to_string(file).ok());
    let seconds = text.and_then(|text| text.trim().parse().ok());
    chrono::TimeDelta::seconds(seconds.unwrap_or(0))
}

/// Comes by a point: goes on, or does what is ordered.
///
/// # Errors
/// Where a failure is ordered.
pub fn at(name: &str, about: &str) -> io::Result<()> {
    let Some(orders) = ORDERS.get() else {
        return Ok(());
    };
    let full = match about {
        "" => name.to_owned(),
        about => format!("{name}:{about}"),
    };
    let (by_name, by_full) = (pass(name), pass(&format!("{name}:{about}")));
    trace(orders, &full);
    let plan = fs::read_to_string(orders.join("plan")).unwrap_or_default();
    for (number, line) in plan.lines().enumerate() {
        let mut words = line.split_whitespace();
        let (place, nth, act) = (words.next(), words.next(), words.next());
        let passed = match place {
            Some(place) if place == name => by_name,
            Some(place) if place == full => by_full,
            _ => continue,
        };
        let is_next = number
            .checked_sub(1)
            .is_none_or(|n| proof(orders, n).exists());
        let is_now = is_next && nth == Some(passed.to_string().as_str());
        if is_now && fire(orders, number, &full).is_ok() {
            strike(act.unwrap_or_default(), &full)?;
        }
    }
    Ok(())
}

fn pass(key: &str) -> u64 {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.entry(key.to_owned()).or_default();
    *count += 1;
    *count
}

fn trace(orders: &Path, full: &str) {
    if let Ok(mut file) = OpenOptions::new().append(true).open(orders.join("trace")) {
        let _ = writeln!(file, "{} {full}", getpid());
    }
}

fn proof(orders: &Path, number: usize) -> PathBuf {
    orders.join(format!("fired-{number}"))
}

/// The proof, on disk before the fault; an order that was carried out is not carried out again.
fn fire(orders: &Path, number: usize, full: &str) -> io::Result<()> {
    let path = proof(orders, number);
    let mut proof = OpenOptions::new().write(true).create_new(true).open(path)?;
    let at = chrono::Utc::now().timestamp_millis();
    writeln!(proof, "{} {at} {full}", getpid())?;
    proof.sync_all()?;
    File::open(orders)?.sync_all()
}

fn strike(act: &str, full: &str) -> io::Result<()> {
    match act {
        "kill" => kill(getpid()),
        "kill-group" => {
            for pid in below(getpid()) {
                signal(pid, Signal::KILL);
            }
            kill(getpid())
        }
        "stop" => {
            signal(getpid(), Signal::STOP);
            // Another thread may have taken the signal; this one is not to get any further.
            std::thread::sleep(SETTLING);
            Ok(())
        }
        _ => Err(io::Error::other(format!("a fault was ordered at `{full}`"))),
    }
}

/// Never comes back: the signal may need a moment.
fn kill(pid: Pid) -> ! {
    signal(pid, Signal::KILL);
    loop {
        std::thread::park();
    }
}

fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// The children of a process, and theirs.
fn below(pid: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| Pid::from_raw(e.file_name().to_str()?.parse().ok()?));
    let children = pids.filter(|child| parent(*child) == Some(pid.as_raw_nonzero().get()));
    children
        .flat_map(|child| [vec![child], below(child)].concat())
        .collect()
}

fn parent(pid: Pid) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// What the last of some journal lines tells, such as `started.up`.
#[must_use]
pub fn event(lines: &str) -> String {
    let last = lines.lines().last().unwrap_or_default();
    let json = last.split_once(' ').map_or("", |(_, json)| json);
    let record: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let words = ["event", "step"].map(|key| record[key].as_str());
    words.into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// What a command does, such as `up`.
#[must_use]
pub fn verb(argv: &[String]) -> String {
    let verbs = ["up", "create", "config", "version", "build"];
    let verb = argv.iter().find(|arg| verbs.contains(&arg.as_str()));
    verb.map_or("other", String::as_str).to_owned()
}
