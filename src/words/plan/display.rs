//! A plan as a person reads it: what a dry run prints.
//!
//! One numbered line a step, with what it is about below it; steps with nothing to do are left
//! out. It refuses to know the server: what is only known there is not guessed.

use std::fmt::{self, Display};

use super::{Goal, Plan, PlannedFile, Probe, SmokeTest};
use crate::words::event::Step;

impl Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        let steps = self.steps().iter().filter_map(|step| self.told(*step));
        for (i, (step, says)) in steps.enumerate() {
            write!(f, "{:>3}. {:<12} {}", i + 1, step.word(), says.what)?;
            for detail in &says.details {
                write!(f, "\n     {:<12}   {detail}", "")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "If a step before commit fails, everything is put back as it was."
        )
    }
}

/// What a step is going to do.
struct Says {
    what: String,
    details: Vec<String>,
}

fn says(what: impl Into<String>) -> Says {
    Says {
        what: what.into(),
        details: Vec::new(),
    }
}

impl Says {
    fn with<T: Display>(mut self, details: impl IntoIterator<Item = T>) -> Self {
        self.details
            .extend(details.into_iter().map(|detail| detail.to_string()));
        self
    }
}

impl Plan {
    fn headline(&self) -> String {
        let dir = self.site.deploy_dir.display();
        let environment = match self.origin.environment.as_str() {
            "" => String::new(),
            name => format!(" ({name})"),
        };
        match &self.goal {
            Goal::Deploy { .. } => format!("Deploy to {dir}{environment}:"),
            Goal::Rollback { to, .. } => {
                format!("Roll {dir}{environment} back to {}:", backup_named(to))
            }
        }
    }

    /// What a step is going to do; none for a step that has nothing to do.
    fn told(&self, step: Step) -> Option<(Step, Says)> {
        let told = match step {
            Step::Preflight => says(
                "look at Docker, Compose, disk space and the compose files; refuse what cannot succeed",
            ),
            Step::Stage => says("ask Compose about the configuration that will run"),
            Step::Pull => self.pull(),
            Step::Backup => self.backup(),
            Step::Files => self.written()?,
            Step::Restore => self.restore(),
            Step::PreDeploy => self
                .hooks
                .pre_deploy
                .then(|| says("run the `pre_deploy` commands"))?,
            Step::Up => says(format!("let Compose replace {}", self.services())),
            Step::Verify => self.verify(),
            Step::Confirm => self.confirm()?,
            Step::Commit => self.commit(),
            Step::PostDeploy => self
                .hooks
                .post_deploy
                .then(|| says("run the `post_deploy` commands"))?,
        };
        Some((step, told))
    }

    fn services(&self) -> String {
        match self.site.services.as_slice() {
            [] => "the containers of every service that changed".to_owned(),
            services => format!("the containers of {}", services.join(", ")),
        }
    }

    fn pull(&self) -> Says {
        match &self.goal {
            Goal::Deploy { images } if !images.is_empty() => {
                says("pull by digest, and give to the services of the same repository:")
                    .with(images)
            }
            Goal::Deploy { .. } => says("pull by digest what the compose files name"),
            Goal::Rollback { .. } => {
                says("fetch by digest whichever recorded images are gone from the server")
            }
        }
    }

    fn backup(&self) -> Says {
        let dir = self.site.deploy_dir.display();
        let into = self.site.backup_dir.display();
        let excluded = self
            .backups
            .exclude
            .iter()
            .map(|glob| format!("without {glob}"));
        says(format!("archive {dir} into {into}")).with(excluded)
    }

    fn written(&self) -> Option<Says> {
        let env = self
            .env_file_path
            .iter()
            .map(|path| format!("{path}  0600  from `env_file`"));
        let details: Vec<_> = self.files.iter().map(line).chain(env).collect();
        (!details.is_empty()).then(|| says("write into the deploy directory:").with(details))
    }

    fn restore(&self) -> Says {
        let data = matches!(self.goal, Goal::Rollback { restore_data, .. } if restore_data);
        says("bring every file back to what the backup holds").with([if data {
            "what containers write is restored too"
        } else {
            "what containers write is left alone"
        }])
    }

    fn verify(&self) -> Says {
        let checks = &self.checks;
        let watch = match checks.watch {
            0 => String::new(),
            seconds => format!(", then watch for {seconds} s"),
        };
        let url = checks
            .health_url
            .iter()
            .map(|url| format!("health_url: {}", without_query(url)));
        says(format!(
            "judge every service within {} s{watch}",
            checks.health_timeout
        ))
        .with(url)
        .with(checks.from_server().map(asks))
    }

    fn confirm(&self) -> Option<Says> {
        let tests: Vec<_> = self.checks.from_runner().map(asks).collect();
        let what = match tests.as_slice() {
            [] => "hear from the machine that started the run",
            _ => "hear from the machine that started the run, which tests from outside:",
        };
        let wanted = self.checks.await_the_runner();
        wanted.then(|| says(what).with(tests))
    }

    fn commit(&self) -> Says {
        let keep = self.backups.keep;
        says(format!(
            "make it final, and keep the newest {keep} good releases"
        ))
    }
}

fn backup_named(to: &str) -> String {
    match to {
        "latest" => "the newest good backup of a release older than what runs".to_owned(),
        word => format!("the backup of {word}"),
    }
}

fn line(file: &PlannedFile) -> String {
    format!("{}  {:04o}  {}", file.path, file.mode, bytes(file.size))
}

fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{}.{} kB", size / 1_000, size % 1_000 / 100),
        _ => format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000),
    }
}

/// What a test asks, without what may hold a secret: a URL's query, a command's words.
fn asks(test: &SmokeTest) -> String {
    let what = match &test.probe {
        Probe::Http { url, .. } => without_query(url).to_owned(),
        Probe::Tcp { address } => format!("a connection to {address}"),
        Probe::Service { service } => format!("service {service}"),
        Probe::Exec { service, .. } => format!("a command in {service}"),
    };
    format!("{}: {what}", test.name)
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
