//! No secret can be read where it does not belong: while a run works, in what it tells, in what it
//! leaves.
//!
//! It refuses to know whether the run went well.

use super::notifications::bodies;
use crate::harness::app::App;
use crate::harness::compose;
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

/// A registry of somebody else's on the server: it wants a password and notes what it is told.
const EAVESDROPPER: &str = r#"use IO::Socket::INET;
    my $door = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 5999, Listen => 9, ReuseAddr => 1) or die;
    open(my $heard, ">", "/tmp/heard"); $heard->autoflush(1);
    while (my $guest = $door->accept) {
        sysread($guest, my $asked, 65536);
        if ($asked =~ m{^[A-Z]+ /}) {
            print $heard $asked;
            print $guest "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        }
        close $guest;
    }"#;

#[test]
fn the_registry_password_goes_to_its_registry_alone() {
    let app = App::running("v1");
    let slot = &app.slot;
    slot.sh_as("root", "cat > /tmp/eavesdropper", EAVESDROPPER.as_bytes());
    slot.sh(
        "setsid timeout 100 perl /tmp/eavesdropper >/dev/null 2>&1 </dev/null &
        for n in $(seq 100); do [ -e /tmp/heard ] && break; sleep 0.1; done",
    );
    let compose = compose::web("127.0.0.1:5999/beacon:v2");
    let heard_by = |registry: &str| {
        let act = app.deploy().image("").ship("compose.yaml", &compose);
        let done = act.input("registry", registry).run();
        done.ends("refused", 2).says(&["127.0.0.1:5999"]);
        slot.sh("cat /tmp/heard; : > /tmp/heard")
    };
    let heard = heard_by("registry.lab:5000");
    assert!(heard.contains("GET /v2/"), "it was asked: {heard}");
    let told = |heard: &str| heard.to_lowercase().contains("authorization:");
    assert!(!told(&heard), "it heard a password: {heard}");
    // Whoever it is for does hear it.
    let heard = heard_by("127.0.0.1:5999");
    assert!(told(&heard), "{heard}");
}

#[test]
fn a_fault_of_an_env_file_is_told_without_a_piece_of_its_values() {
    let app = App::running("v1");
    let before = app.untouched();
    let compose = format!(
        "{}    env_file: conf/app.env\n",
        compose::web(&compose::beacon("latest"))
    );
    // Compose asks for a variable, finds no name behind the sign, misses a quote, or a name.
    let faults: [(&str, &str, &str); 5] = [
        (
            "OK=1\nDB_PASSWORD=hunter2-op$en_sesame_77\n",
            ".env",
            "line 2 (`DB_PASSWORD`)",
        ),
        (
            "OK=1\nDB_PASSWORD=\"hunter2-op${en_sesame_77\"\n",
            ".env",
            "(`DB_PASSWORD`)",
        ),
        (
            "DB_PASSWORD=\"hunter2-open_sesame_77\n",
            ".env",
            "line 1 (`DB_PASSWORD`)",
        ),
        (
            "OK=1\nDB_PASSWORD=hunter2-op$en_sesame_77\n",
            "conf/app.env",
            "line 2 (`DB_PASSWORD`)",
        ),
        ("OK=1\nhunter2 open_sesame_77\n", "conf/app.env", "line 2"),
    ];
    for (text, path, place) in faults {
        let mut act = app.deploy().input("env_file", text);
        if path != ".env" {
            act = act
                .input("env_file_path", path)
                .ship("compose.yaml", &compose);
        }
        let done = act.run();
        done.ends("refused", 2).says(&[place]);
        let told = unmasked(&done.everything_told());
        for piece in ["hunter2", "sesame", "en_s", "op$"] {
            assert!(!told.contains(piece), "{text:?}: {piece} was told:\n{told}");
        }
        app.is_untouched(&before);
    }
    // What to write instead works.
    let right = "A='hunter2-op$en_sesame_77'\nB=hunter2-op$$en_sesame_78\n";
    app.latest("v2");
    let done = app.deploy().input("env_file", right).run();
    done.ends("deployed", 0);
}

#[test]
fn an_application_that_prints_its_settings_as_it_dies_shows_no_secret() {
    let app = App::running("v1");
    let secret = "Zq7v&xR+k/2w<p9t:8u";
    let hex: Vec<String> = secret.bytes().map(|b| format!("{b:02X}")).collect();
    let base64 = app
        .slot
        .sh(&format!("printf %s 'ana:{secret}' | base64 -w0"));
    let settings = [
        secret.to_owned(),
        format!(
            "\u{1b}[31m{}\u{1b}[0m{}\u{200b}{}",
            &secret[..4],
            &secret[4..9],
            &secret[9..]
        ),
        format!("{}\n    {}", &secret[..9], &secret[9..]),
        secret.replace('/', "\\/").replace('&', "\\u0026"),
        secret
            .replace('&', "%26")
            .replace('+', "%2B")
            .replace('/', "%2f")
            .replace('<', "%3C")
            .replace(':', "%3a"),
        secret.replace('&', "&amp;").replace('<', "&lt;"),
        hex.concat(),
        base64.trim().to_owned(),
    ];
    let last = "x".repeat(100_000);
    let command = serde_json::json!([format!("{}\n{last}", settings.join("\n"))]);
    let service = format!(
        "  noisy:\n    image: {}\n    command: {}\n    environment: [APP_SECRET]\n",
        compose::beacon("latest"),
        command.to_string().replace('$', "$$"),
    );
    let compose = format!("{}{service}", compose::web(&compose::beacon("latest")));
    let done = app
        .deploy()
        .input(
            "env_file",
            &format!("APP_SECRET='{secret}'\nNODE_ENV=production\n"),
        )
        .input("pre_deploy", "./migrate.sh || true")
        .ship("compose.yaml", &compose)
        .run();
    done.ends("rolled_back", 1).says(&[
        "./migrate.sh: not found",
        "there is no verb",
        " more bytes)",
    ]);
    let kept = app
        .slot
        .sh("cat /srv/app-backups/.landfall/runs/*/journal /srv/app-backups/*.json");
    let told = unmasked(&done.everything_told());
    for (place, text) in [("the log", &told), ("the journal", &kept)] {
        for piece in settings
            .iter()
            .flat_map(|s| s.lines())
            .chain(["Zq7v", "x".repeat(20_000).as_str()])
        {
            assert!(!text.contains(piece.trim()), "{piece} is in {place}");
        }
        assert!(text.len() < 400_000, "{place} is {} bytes long", text.len());
    }
}

#[test]
fn nobody_of_the_same_user_reads_the_memory_of_an_agent() {
    let app = App::running("v1");
    app.latest("v2");
    let run = app.deploy().start_held();
    let look = "for p in /proc/[0-9]*; do
            tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^[^ ]*landfall-[0-9a-f]* agent' || continue
            echo seen
            cat $p/environ >/dev/null 2>&1 && echo readable
            head -c 1 $p/mem 2>&1 | grep -qi 'denied' || echo mappable
        done; true";
    let seen = app.slot.sh_as("deploy", look, b"");
    run.let_go();
    run.wait().ends("deployed", 0);
    assert!(seen.contains("seen"), "there was no agent");
    assert!(!seen.contains("able"), "{seen}");
}
