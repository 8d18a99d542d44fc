//! What ails a container, in a person's words, and what to do about it. Pure.
//!
//! It refuses to know whether that is a failure, and who asks.

use crate::host::{Container, State};
use crate::words::event::Failure;

/// What a person knows about an exit code, for the end of a sentence.
#[must_use]
pub fn meaning(container: &Container) -> &'static str {
    match container.exit_code {
        126 => " (its command cannot be executed)",
        127 => " (its command was not found)",
        137 if container.out_of_memory => " (killed: it had used up its memory)",
        137 => " (killed: out of memory, or stopped after its grace period)",
        139 => " (segmentation fault)",
        _ => "",
    }
}

/// The command that a healthcheck or an `exec` names and that is not in the image, by what the
/// engine or a shell said of it.
#[must_use]
pub fn missing_command(said: &str) -> Option<&str> {
    said.lines().find_map(|line| {
        let engine = line.split_once("exec: \"").and_then(|(_, rest)| {
            let (command, rest) = rest.split_once('"')?;
            let missing = ["executable file not found", "no such file or directory"];
            missing.iter().any(|w| rest.contains(w)).then_some(command)
        });
        // Shells say `sh: 1: curl: not found` and `bash: line 1: curl: command not found`.
        let shell = ["not found", "command not found"].iter().find_map(|end| {
            let before = line
                .trim_end()
                .strip_suffix(end)?
                .trim_end()
                .strip_suffix(':')?;
            let is_a_shells = before.split(':').count() > 1;
            is_a_shells.then(|| before.rsplit(": ").next().unwrap_or(before))
        });
        engine.or(shell)
    })
}

/// What to do about a container that is not well; empty where nothing but its log can say.
#[must_use]
pub fn hints(container: &Container) -> Vec<String> {
    let said = container.health.as_ref().map(|h| h.last_output.as_str());
    if container.state == State::Running {
        let missing = said.and_then(missing_command);
        return missing.map(by_healthcheck).into_iter().collect();
    }
    let hint = match container.exit_code {
        126 => {
            "see that what its command names may be executed: `chmod +x` before it goes into the image"
        }
        127 => {
            "see that what its command or entrypoint names is in the image, and the interpreter of a script too: behind a Windows line end it is not found either"
        }
        137 if container.out_of_memory => {
            "raise its memory limit (`mem_limit`, or `deploy.resources.limits.memory`), or find out what fills it"
        }
        137 => "see on the server whether memory ran out: `sudo dmesg | grep -i 'out of memory'`",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

fn by_healthcheck(command: &str) -> String {
    format!(
        "`{command}` is not in the image: let the healthcheck use what is, such as `wget` or a command of the application's own, or install it there"
    )
}

/// A failure with what a container's last lines explain that nothing else does.
#[must_use]
pub fn explained(failure: Failure, lines: &[String]) -> Failure {
    let has = |words: &str| lines.iter().any(|line| line.contains(words));
    if has("exec format error") {
        return failure
            .because("its image is made for another kind of processor than the server has")
            .hint("build the image for the server's: `docker buildx build --platform`, with what `docker version` on the server calls `OS/Arch`");
    }
    if has("o space left on device") {
        return failure
            .because("its log says that there is no space left")
            .hint("look on the server what is full: `df -h` and `docker system df`");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Health, HealthStatus};

    #[test]
    fn the_command_that_is_not_in_an_image_is_named_whoever_says_it() {
        for (said, command) in [
            ("/bin/sh: 1: curl: not found", Some("curl")),
            ("sh: wget: not found\n", Some("wget")),
            ("bash: line 1: curl: command not found", Some("curl")),
            (
                "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": executable file not found in $PATH: unknown",
                Some("curl"),
            ),
            (
                "exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown",
                Some("/bin/sh"),
            ),
            ("page not found", None),
            ("curl: (22) The requested URL returned error: 404", None),
            ("exec: \"/app/check\": permission denied: unknown", None),
        ] {
            assert_eq!(missing_command(said), command, "{said}");
        }
    }

    fn exited(exit_code: i64, out_of_memory: bool) -> Container {
        Container {
            state: State::Exited,
            exit_code,
            out_of_memory,
            ..Container::default()
        }
    }

    #[test]
    fn a_code_that_means_something_comes_with_what_to_do() {
        for (container, says, to_do) in [
            (exited(126, false), "cannot be executed", "chmod +x"),
            (exited(127, false), "was not found", "entrypoint"),
            (exited(137, true), "used up its memory", "mem_limit"),
            (exited(137, false), "out of memory, or", "dmesg"),
        ] {
            assert!(meaning(&container).contains(says), "{container:?}");
            assert!(hints(&container)[0].contains(to_do), "{container:?}");
        }
        assert!(hints(&exited(1, false)).is_empty());
        assert_eq!(meaning(&exited(1, false)), "");
    }

    #[test]
    fn a_healthcheck_whose_command_is_missing_is_told_what_else_it_may_use() {
        let container = Container {
            state: State::Running,
            health: Some(Health {
                status: HealthStatus::Starting,
                command: Vec::new(),
                interval: 30,
                retries: 3,
                last_output: "/bin/sh: 1: curl: not found".into(),
            }),
            ..Container::default()
        };
        assert!(hints(&container)[0].starts_with("`curl` is not in the image"));
    }

    #[test]
    fn a_log_explains_an_image_for_another_processor_and_a_full_disk() {
        let of = |line: &str| explained(Failure::new("x"), &[line.to_owned()]);
        let other = of("exec /usr/local/bin/app: exec format error");
        assert!(other.because[0].contains("kind of processor"), "{other}");
        let full = of("write /data/x: no space left on device");
        assert!(full.hints[0].contains("df -h"), "{full:?}");
        assert_eq!(of("listening"), Failure::new("x"));
    }
}
