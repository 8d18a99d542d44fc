//! A run of the action that must go nowhere.
//!
//! It refuses to know which inputs are faulty, and in what.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACAHBwcHBwcHBwcHBwcH\n\
    BwcHBwcHBwcHBwcHBwcHBwcHBwAAAEAJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ\n\
    CQkJCQkJCQkJCQkJ\n\
    -----END OPENSSH PRIVATE KEY-----\n";
const PRINT: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// A run of the action in a workspace of its own, towards a listener that counts who comes.
pub struct Run {
    inputs: BTreeMap<String, String>,
    workspace: tempfile::TempDir,
    server: TcpListener,
}

pub struct Refused {
    pub faults: Vec<String>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Inputs without a fault, except that they name a server which must not be contacted.
    pub fn of(inputs: &[(&str, &str)]) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let least = [
            ("HOST", "127.0.0.1"),
            ("PORT", &port),
            ("USER", "deploy"),
            ("SSH_KEY", KEY),
            ("HOST_KEY", PRINT),
            ("DEPLOY_DIR", "/opt/mcp"),
        ];
        let inputs = least
            .iter()
            .chain(inputs)
            .map(|(name, value)| (format!("INPUT_{name}"), (*value).to_owned()))
            .collect();
        let workspace = tempfile::tempdir().unwrap();
        fs::write(workspace.path().join("compose.yml"), "services: {}\n").unwrap();
        Self {
            inputs,
            workspace,
            server,
        }
    }

    pub fn start(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_landfall"))
            .env_clear()
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", self.workspace.path())
            .env("GITHUB_OUTPUT", self.workspace.path().join("output"))
            .env("GITHUB_STEP_SUMMARY", self.workspace.path().join("summary"))
            .envs(&self.inputs)
            .output()
            .unwrap()
    }

    /// Runs to a refusal, and asserts what is true of every one.
    #[track_caller]
    pub fn refused(&self) -> Refused {
        let output = self.start();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stdout}{stderr}");
        assert!(self.server.accept().is_err(), "somebody was contacted");
        let outputs = fs::read_to_string(self.workspace.path().join("output")).unwrap();
        assert_eq!(outputs.lines().nth(1), Some("refused"), "{outputs}");
        assert!(outputs.contains("\nreason<<") && outputs.ends_with('\n'));
        let annotations = stdout.lines().filter(|line| line.starts_with("::"));
        assert_eq!(annotations.count(), 1, "one annotation for the cause");
        let faults = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .map(str::to_owned)
            .collect();
        Refused {
            faults,
            stdout,
            stderr,
        }
    }
}
