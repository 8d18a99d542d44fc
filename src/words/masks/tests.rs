#![allow(clippy::unwrap_used)]

mod notations;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::words::plan::sample;

fn masks_of(private: &Private) -> Masks {
    Masks::of(&sample::deploy(), private)
}

fn masks(env_file: &str, password: &str) -> Masks {
    masks_of(&Private {
        env_file: Some(Secret::new(env_file)),
        registry_password: Some(Secret::new(password)),
        ..Private::default()
    })
}

fn hook(script: &str) -> Masks {
    masks_of(&Private {
        pre_deploy: Some(Secret::new(script)),
        ..Private::default()
    })
}

#[test]
fn no_secret_survives_scrubbing() {
    let masks = masks(
        "API_TOKEN=\"t0ps3cr3t\"\nDB=postgres://a:b@c/d\n",
        " hunter2 \n",
    );
    let told = masks.scrub("login hunter2 API_TOKEN=\"t0ps3cr3t\" t0ps3cr3t postgres://a:b@c/d");
    assert_eq!(
        told,
        "login [redacted] API_TOKEN=\"[redacted]\" [redacted] [redacted]"
    );
}

#[test]
fn the_login_of_a_url_that_is_asked_is_hidden_and_its_host_is_told() {
    let mut plan = sample::deploy();
    plan.checks.health_url = Some("https://probe:probe@app.example.org/health".into());
    let http = |url: &str| crate::words::plan::SmokeTest {
        name: "x".into(),
        probe: Probe::Http {
            url: url.into(),
            expect: crate::words::plan::Expect::default(),
        },
        from: crate::words::plan::Vantage::default(),
    };
    plan.checks.smoke = vec![
        http("https://ana:p%40ss-w0rd@b.example.org/"),
        http("https://t0kenalone@c.example.org/x@y"),
    ];
    let masks = Masks::of(&plan, &Private::default());
    for (text, told) in [
        (
            "GET https://probe:probe@app.example.org/health",
            "GET https://[redacted]:[redacted]@app.example.org/health",
        ),
        ("as ana with p@ss-w0rd", "as ana with [redacted]"),
        (
            "https://ana:p%40ss-w0rd@b.example.org/",
            "https://ana:[redacted]@b.example.org/",
        ),
        ("t0kenalone at c.example.org", "[redacted] at c.example.org"),
    ] {
        assert_eq!(masks.scrub(text), told);
    }
}

#[test]
fn what_is_no_secret_stays_readable() {
    let masks = masks(
        "# production\nDEBUG=true\nFLAVOUR=production\nEMPTY=\nNODE_ENV=production-blue\nWORKERS=16\nDATA=/opt/mcp\n",
        "x",
    );
    let text = "production is true # production EMPTY= x FLAVOUR=production production-blue WORKERS=16 /opt/mcp";
    assert_eq!(masks.scrub(text), text);
}

#[test]
fn a_name_that_is_listed_as_public_is_told_and_all_others_are_not() {
    let mut plan = sample::deploy();
    plan.public_env = vec!["GREETING".into()];
    let private = Private {
        env_file: Some(Secret::new(
            "GREETING=good-morning\nFAREWELL=good-evening\nSERVER=srv.example.org\n",
        )),
        public_values: vec!["srv.example.org".into()],
        ..Private::default()
    };
    let told = Masks::of(&plan, &private).scrub("good-morning good-evening srv.example.org");
    assert_eq!(told, "good-morning [redacted] srv.example.org");
}

#[test]
fn a_secret_inside_a_longer_one_leaves_no_rest() {
    let mut masks = Masks::default();
    masks.add(&Secret::new("abc"));
    masks.add(&Secret::new("abcdef"));
    masks.add(&Secret::new("efghij"));
    assert_eq!(masks.scrub("abcdef abc"), "[redacted] [redacted]");
    assert_eq!(masks.scrub("abcdefghij."), "[redacted].");
}

#[test]
fn a_short_secret_takes_no_word_with_it() {
    let mut masks = Masks::default();
    masks.add(&Secret::new("t0k3n"));
    assert_eq!(
        masks.scrub("T0K3N t0k3n t0\nk3n"),
        "T0K3N [redacted] [redacted]\n[redacted]"
    );
}

#[test]
fn each_line_of_a_key_is_hidden_and_short_ones_are_not() {
    let mut masks = Masks::default();
    masks.add(&Secret::new("-----BEGIN-----\n  b3BlbnNzaC1\n\n==\n"));
    let lines: Vec<_> = masks.lines().map(Secret::expose).collect();
    assert_eq!(lines, ["-----BEGIN-----", "b3BlbnNzaC1"]);
}

#[test]
fn every_line_of_a_value_of_several_lines_is_hidden() {
    let key = "-----BEGIN-----\nb3BlbnNzaC1r=\nAAAAB3Nz\n-----END-----";
    let masks = masks(&format!("KEY=\"{key}\"\nMODE=fast\nloose-piece\n"), "x");
    let told = "b3BlbnNzaC1r= AAAAB3Nz -----END----- loose-piece fast";
    let hidden = "[redacted] [redacted] [redacted] [redacted] fast";
    assert_eq!(masks.scrub(told), hidden);
    let escaped = serde_json::Value::from(key).to_string();
    assert!(!masks.scrub(&escaped).contains("AAAAB3Nz"));
    let coded = STANDARD.encode(key);
    assert_eq!(
        masks.scrub(&format!("key {coded} end")),
        "key [redacted] end"
    );
}

#[test]
fn a_value_is_hidden_as_it_stands_and_as_compose_hands_it_over() {
    let masks = masks(
        "A=ab$cdef99\nB=open$$sesame # two\nC=\"tab\\\"quote-x\"\nPIN=4711\nAPI_KEY=abc\n",
        "x",
    );
    // Compose names what it takes for a variable.
    let told = masks.scrub("The \"cdef99\" variable is not set: open$sesame tab\"quote-x");
    assert_eq!(
        told,
        "The \"[redacted]\" variable is not set: [redacted] [redacted]"
    );
    assert_eq!(masks.scrub("API_KEY=abc abc"), "[redacted] abc");
}

#[test]
fn the_name_of_another_variable_in_a_value_is_no_piece_of_it() {
    let masks = masks("CACHE=$HOME/cache-x1\nDSN=${DB_USER:-ana}\n", "x");
    let text = "HOME is set, DB_USER is not";
    assert_eq!(masks.scrub(text), text);
    assert_eq!(masks.scrub("$HOME/cache-x1"), "[redacted]");
}

#[test]
fn the_password_of_a_url_is_hidden_by_itself() {
    let masks = masks(
        "DB=postgres://app:pa55@db/x\nQ=amqp://guest:guest@mq\n",
        "x",
    );
    assert_eq!(masks.scrub("pa55 guest"), "[redacted] guest");
}

#[test]
fn a_file_of_a_secret_may_hold_an_ordinary_word() {
    let mut masks = Masks::default();
    masks.add_file(&Secret::new("postgres\n"));
    masks.add_file(&Secret::new("open-sesame\n"));
    assert_eq!(masks.scrub("postgres open-sesame"), "postgres [redacted]");
}

#[test]
fn a_hook_hides_its_secrets_and_not_its_plain_text() {
    let masks = hook("set -e\n./migrate.sh --token=open-sesame9\nbackup s3://x:k3yk3yk3y@host\n");
    let text = "sh: 4: ./migrate.sh: not found";
    assert_eq!(masks.scrub(text), text);
    assert_eq!(
        masks.scrub("open-sesame9 k3yk3yk3y"),
        "[redacted] [redacted]"
    );
}

#[test]
fn the_beginning_of_a_secret_before_a_cut_is_hidden() {
    let masks = masks("API_TOKEN=correct-horse-battery\n", "x");
    for cut in ["correct-hor", "correct-horse-batter", "%63orrect"] {
        let told = masks.scrub(&format!("it said: {cut}…"));
        assert_eq!(told, "it said: [redacted]…", "{cut}");
    }
    assert_eq!(masks.scrub("it said: cor…"), "it said: cor…");
}

#[test]
fn a_url_is_told_without_its_login_and_its_query() {
    let told = tellable("https://u:p@app.example.com:8080/health?token=s3cret#x");
    assert_eq!(told, "https://app.example.com:8080/health");
    assert_eq!(tellable("http://app?x=1"), "http://app");
}

/// Numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.roll(all.len())]
    }
}

/// What a terminal does not show, or shows as a colour.
const UNSEEN: [&str; 14] = [
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{feff}",
    "\u{ad}",
    "\u{202e}",
    "\u{e0041}",
    "\0",
    "\u{1b}[31m",
    "\u{1b}[0m",
    "\u{1b}[38;5;196m",
    "\u{1b}(B",
    "\u{1b}[K",
    "\u{9b}1m",
];

#[test]
fn nothing_that_cannot_be_seen_saves_a_secret_from_being_hidden() {
    let letters: Vec<char> = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .chain("+/=_-.!&é".chars())
        .collect();
    let mut dice = Dice(0x5eed);
    for round in 0..300 {
        let length = 6 + dice.roll(30);
        let secret: String = (0..length).map(|_| *dice.of(&letters)).collect();
        let mut masks = Masks::default();
        masks.add(&Secret::new(secret.clone()));
        for _ in 0..25 {
            let signs: Vec<char> = secret.chars().collect();
            let mut written = String::new();
            for (at, c) in signs.iter().enumerate() {
                if at > 0 && dice.roll(4) == 0 {
                    written.push_str(dice.of::<&str>(&UNSEEN));
                }
                written.push(*c);
            }
            let told = masks.scrub(&format!("<{written}>"));
            assert_eq!(told, "<[redacted]>", "round {round}: {written:?}");
            assert_eq!(clean::one_line(&told), "<[redacted]>");
        }
    }
}

#[test]
fn lines_of_one_program_are_searched_together() {
    let masks = masks("API_TOKEN=correct-horse-battery\n", "x");
    let lines: Vec<String> = ["begin", "", "correct-ho", "  rse-battery", "end"]
        .map(ToOwned::to_owned)
        .into();
    let told = masks.scrub_lines(&lines);
    assert_eq!(told, ["begin", "", "[redacted]", "[redacted]", "end"]);
    assert_eq!(masks.scrub_lines(&[]), Vec::<String>::new());
    assert_eq!(masks.scrub_lines(&[String::new()]), [""]);
}

#[test]
fn a_log_of_three_hundred_thousand_lines_is_searched_in_seconds() {
    let lines = (0..200).map(|n| format!("NAME_{n}=value-{n}-{}", n * 7919));
    let env = lines.collect::<Vec<_>>().join(
        "
",
    );
    let masks = masks(&env, "hunter2-open");
    let line = "2025-10-17T14:30:25Z INFO app::web request{id=17 path=\"/api/v1\"} took 12 ms";
    // A build for tests is many times slower than one that is shipped.
    let lines: u32 = if cfg!(debug_assertions) {
        10_000
    } else {
        300_000
    };
    let began = std::time::Instant::now();
    for _ in 0..lines {
        assert_eq!(masks.scrub(line).len(), line.len());
    }
    let took = began.elapsed();
    assert!(took.as_secs() < 30, "{took:?}");
}
