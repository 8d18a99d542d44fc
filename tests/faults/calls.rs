//! The agent's system calls: which a thread makes, and one of them made to kill or to fail.
//!
//! An agent of the fault build stops itself before it works; strace takes hold of one thread of it,
//! and of nothing that the agent executes. It refuses to know what a fault leads to.

use std::collections::BTreeMap;

use super::cell::{Fault, Thread};
use super::scene::{FAULTS, Scene};

/// The calls that decide what a disk holds.
pub const CALLS: [&str; 16] = [
    "write",
    "fdatasync",
    "fsync",
    "unlinkat",
    "unlink",
    "renameat",
    "renameat2",
    "rename",
    "pwrite64",
    "writev",
    "copy_file_range",
    "sendfile",
    "ftruncate",
    "fallocate",
    "link",
    "linkat",
];
/// What a fault does to a call, in strace's words.
pub const INJECTIONS: [(Fault, &str); 3] = [
    (Fault::Kill, "signal=SIGKILL"),
    (Fault::Enospc, "error=ENOSPC"),
    (Fault::Eio, "error=EIO"),
];
/// Waits for the stopped agent, traces a thread to its end, and prints what strace saw.
const TRACE: &str = "wait_for() { n=0; until eval \"$1\"; do
        n=$((n + 1)); [ $n -lt 1500 ] || exit 9; sleep 0.02
    done; }
    wait_for '[ -s FAULTS/fired-0 ]'
    agent=$(cut -d' ' -f1 FAULTS/fired-0)
    wait_for 'grep -q \"^State:.T\" /proc/$agent/status'
    thread=THREAD
    : > /tmp/calls
    timeout 150 strace -q -y -ttt -s 60 -o /tmp/calls EXPRESSION -p $thread &
    wait_for 'grep -q \"^TracerPid:.[1-9]\" /proc/$thread/status'
    kill -CONT $agent
    wait $! || true
    cat /tmp/calls";

/// The calls of each kind that a thread makes, in their order: whether each is about the disk. What
/// wakes another thread is a `write` too, and no disk can make it fail.
pub type Calls = BTreeMap<(Thread, String), Vec<bool>>;

/// Orders the agent to stop as soon as a thread can be taken hold of.
pub fn order(scene: &Scene, thread: Thread) {
    let point = match thread {
        Thread::Main => "agent.claimed",
        Thread::Files => "file.create.before",
    };
    scene.order(&[(point, 1, "stop")]);
}

/// Strikes the n-th call of a thread; when, in ms since 1970, if it provably did.
pub fn strike(scene: &Scene, fault: Fault, thread: Thread, call: &str, nth: u64) -> Option<i64> {
    let mut injections = INJECTIONS.iter();
    let (_, how) = injections.find(|(each, _)| *each == fault)?;
    let expression = format!("-e trace={call} -e inject={call}:{how}:when={nth}");
    struck(&trace(scene, thread, &expression))
}

/// Runs once for each thread, without a fault, and counts.
pub fn census(scene: &mut Scene) -> Calls {
    let mut calls = Calls::new();
    for (thread, _) in Thread::ALL {
        order(scene, thread);
        let run = scene.act().start();
        let traced = trace(scene, thread, &format!("-e trace={}", CALLS.join(",")));
        run.wait();
        scene.reset(super::scene::Standing::Unknown);
        for (call, line) in traced
            .lines()
            .filter_map(|line| Some((call_of(line)?, line)))
        {
            let all = calls.entry((thread, call.to_owned())).or_default();
            all.push(is_about_the_disk(line));
        }
    }
    calls
}

fn trace(scene: &Scene, thread: Thread, expression: &str) -> String {
    let thread = match thread {
        Thread::Main => "$agent",
        Thread::Files => "$(ls /proc/$agent/task | sort -n | grep -vx $agent | head -n 1)",
    };
    let script = TRACE
        .replace("FAULTS", FAULTS)
        .replace("THREAD", thread)
        .replace("EXPRESSION", expression);
    let output = scene.app.slot.try_sh_as("root", &script, b"");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lines are `TIME CALL(…) = …`, or `TIME +++ killed by SIGKILL +++`.
fn struck(traced: &str) -> Option<i64> {
    let failed = |line: &str| line.ends_with("(INJECTED)") && is_about_the_disk(line);
    let is_proof = |line: &&str| failed(line) || line.contains("+++ killed by SIGKILL");
    let proof = traced.lines().find(is_proof)?;
    let (seconds, rest) = proof.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    Some(seconds * 1000 + rest.get(..3)?.parse::<i64>().ok()?)
}

/// strace tells what a descriptor is: `write(7<anon_inode:[eventfd]>, …`.
fn is_about_the_disk(line: &str) -> bool {
    let elsewhere = ["<anon_inode:", "<pipe:", "<socket:", "<UNIX", "<TCP"];
    !elsewhere.iter().any(|kind| line.contains(kind))
}

fn call_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(' ')?;
    let (call, _) = rest.split_once('(')?;
    CALLS.into_iter().find(|each| *each == call)
}
