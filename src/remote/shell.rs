//! The shell scripts that run on a server before an agent is there, each as the one line that every
//! login shell takes.
//!
//! It refuses to know what they are given and what their answers mean.

use std::sync::LazyLock;

/// What a server is and as whom an agent would act; it runs [`MAKE`].
pub static LOOK: LazyLock<String> = LazyLock::new(|| {
    one_line(concat!(
        include_str!("shell/engine.sh"),
        include_str!("shell/look.sh")
    ))
});
/// Makes the place for executables.
pub static MAKE: LazyLock<String> = LazyLock::new(|| {
    one_line(concat!(
        include_str!("shell/way.sh"),
        include_str!("shell/make.sh")
    ))
});
/// Becomes the agent, as root, once it is known to be the one that was put there.
pub static GUARD: LazyLock<String> = LazyLock::new(|| {
    one_line(concat!(
        include_str!("shell/way.sh"),
        include_str!("shell/guard.sh")
    ))
});
/// Takes an executable.
pub static PLACE: LazyLock<String> = LazyLock::new(|| one_line(include_str!("shell/place.sh")));
/// Runs a script as whom the agent would act.
pub static ROLE: LazyLock<String> = LazyLock::new(|| {
    one_line(concat!(
        include_str!("shell/engine.sh"),
        include_str!("shell/role.sh")
    ))
});

/// Joins the lines of a script whose lines all end as a line may; its comments have their own.
fn one_line(script: &str) -> String {
    code(script).join(" ")
}

/// The lines that the shell is given.
fn code(script: &str) -> Vec<&str> {
    let lines = script.lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    code.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    /// A line that ends in the middle of a list of commands would swallow the next as arguments.
    #[test]
    fn every_line_of_a_script_ends_where_another_may_follow() {
        let ends = [";", ";;", "{", "then", "else", "do", "in"];
        for script in [
            concat!(
                include_str!("shell/engine.sh"),
                include_str!("shell/look.sh")
            ),
            concat!(include_str!("shell/way.sh"), include_str!("shell/make.sh")),
            concat!(include_str!("shell/way.sh"), include_str!("shell/guard.sh")),
            include_str!("shell/place.sh"),
            concat!(
                include_str!("shell/engine.sh"),
                include_str!("shell/role.sh")
            ),
        ] {
            let code = code(script);
            let (_, all_but_last) = code.split_last().unwrap();
            for line in all_but_last {
                assert!(ends.iter().any(|end| line.ends_with(end)), "{line}");
            }
        }
    }

    #[test]
    fn the_shell_can_read_every_script_as_one_line() {
        for script in [&LOOK, &MAKE, &GUARD, &PLACE, &ROLE] {
            assert!(!script.contains('\n'));
            assert!(
                !script.contains('\''),
                "fish reads another word than was quoted twice"
            );
            let read = Command::new("sh")
                .args(["-nc", script.as_str()])
                .output()
                .unwrap();
            assert!(
                read.status.success(),
                "{}",
                String::from_utf8_lossy(&read.stderr)
            );
        }
    }

    /// What `engine.sh` says is told to be used, by these variables and settings.
    fn told(host: &str, context: &str, settings: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), settings).unwrap();
        let script = one_line(include_str!("shell/engine.sh")) + " echo \"$own\"";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .env("DOCKER_HOST", host)
            .env("DOCKER_CONTEXT", context)
            .env("DOCKER_CONFIG", dir.path());
        let output = shell.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn an_engine_of_the_users_own_is_told_from_the_systems() {
        let used = r#"{"auths": {}, "currentContext": "rootless"}"#;
        assert_eq!(told("", "", used), "rootless");
        assert_eq!(told("", "default", used), "");
        assert_eq!(told("unix:///var/run/docker.sock", "x", used), "");
        assert_eq!(
            told("unix:///run/user/1/docker.sock", "", ""),
            "unix:///run/user/1/docker.sock"
        );
        for none in [
            "",
            "{}",
            r#"{"currentContext":""}"#,
            r#"{"currentContext":"default"}"#,
        ] {
            assert_eq!(told("", "", none), "", "{none}");
        }
    }
}
