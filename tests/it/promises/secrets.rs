//! No secret can be read where it does not belong: while a run works, in what it tells, in what it
//! leaves.
//!
//! It refuses to know whether the run went well.

use super::notifications::bodies;
use crate::harness::app::App;
use crate::harness::slack::{Mood, Slack};
use crate::harness::snoop::Bystander;

#[test]
fn no_secret_is_in_an_argument_list_a_log_a_notification_a_description_or_a_file_that_outlives_the_run()
 {
    let app = App::running("v1");
    let slack = Slack::that(Mood::Takes);
    let secrets = Secrets::made_up(&app, &slack);
    for (version, status, code) in [("v2", "deployed", 0), ("exits-at-start", "rolled_back", 1)] {
        app.latest(version);
        let bystander = Bystander::on(&app);
        let hook = format!("echo the hook says {}", secrets.env);
        let act = app
            .deploy()
            .input(
                "env_file",
                &format!("GREETING=hello\nDB_PASSWORD={}\n", secrets.env),
            )
            .input("slack_webhook_url", &slack.url(&secrets.slack))
            .input("pre_deploy", &hook);
        let done = act.run();
        done.ends(status, code);
        app.nothing_lingers();
        secrets.absent_from("the processes of the server", &bystander.saw(&app));
        secrets.absent_from("what was told", &unmasked(&done.everything_told()));
        secrets.absent_from("the messages", &bodies(&slack));
        secrets.absent_from("the files", &files(&app));
    }
    assert_eq!(slack.heard().len(), 2);
}

struct Secrets {
    env: String,
    slack: String,
    registry: String,
    key: String,
}

impl Secrets {
    fn made_up(app: &App, slack: &Slack) -> Self {
        let key = app.slot.file("SSH_KEY");
        Self {
            env: "env-secret-9f1c27".into(),
            slack: format!("hook-secret-{}", slack.heard().len() + 5521),
            registry: app.slot.fact("REGISTRY_PASSWORD").to_owned(),
            key: key.lines().nth(2).unwrap().to_owned(),
        }
    }

    #[track_caller]
    fn absent_from(&self, place: &str, text: &str) {
        assert!(text.len() > 100, "{place}: there is nothing to search");
        let all = [
            ("env", &self.env),
            ("slack", &self.slack),
            ("registry", &self.registry),
            ("key", &self.key),
        ];
        for (name, secret) in all {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(
                found.is_none(),
                "the {name} secret is in {place}: {found:?}"
            );
        }
    }
}

/// Masks are how the runner is told what to hide; it shows none of them.
fn unmasked(told: &str) -> String {
    let shown = told
        .lines()
        .filter(|line| !line.starts_with("::add-mask::"));
    shown.collect::<Vec<_>>().join("\n")
}

/// Every file that outlives a run, archives unpacked; the env file is the user's own.
#[track_caller]
fn files(app: &App) -> String {
    app.slot.sh(
        "cd /srv; find . -type f ! -name '*.tar.gz' ! -path ./app/.env ! -path '*/.landfall/bin/*' -exec cat {} +
        for archive in app-backups/*.tar.gz; do tar -xzOf $archive --exclude ./.env; done
        find /home /root /tmp /var/tmp /dev/shm /run -xdev -type f ! -name authorized_keys -size -1000k -exec cat {} + 2>/dev/null || true",
    )
}
