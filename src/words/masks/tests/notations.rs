//! One secret in the notations in which programs print what they were given.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::masks;
use crate::words::clean;
use crate::words::secret::REDACTED;

/// A secret with every sign that a notation writes in its own way.
const SECRET: &str = "Zq7'v&x\"R+k/2<w>p\\L=9%m#é t:8@u";

/// A notation's name, and the secret in it.
type Written = (&'static str, String);

fn notations(secret: &str) -> Vec<Written> {
    [
        of_json(secret),
        of_the_web(secret),
        of_bytes(secret),
        of_languages(secret),
        of_layout(secret),
    ]
    .concat()
}

fn of_json(secret: &str) -> Vec<Written> {
    let go = json(secret)
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e");
    vec![
        ("JSON", json(secret)),
        ("JSON with slashes", json(secret).replace('/', "\\/")),
        ("JSON in JSON", json(&json(secret))),
        ("JSON in JSON in JSON", json(&json(&json(secret)))),
        ("JSON as Go writes it", go),
        ("JSON in ASCII", json(secret).replace('é', "\\u00e9")),
    ]
}

fn of_the_web(secret: &str) -> Vec<Written> {
    let once = percent(secret, true);
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let named = html.replace('"', "&quot;").replace('\'', "&#39;");
    let numbered = html.replace('"', "&#34;").replace('\'', "&#x27;");
    let query = once.replace("%20", "+");
    vec![
        ("a DSN", format!("postgres://app:{once}@db/x")),
        ("a URL in small letters", percent(secret, false)),
        ("a URL in a URL", percent(&once, true)),
        ("a query", format!("?key={query}&x=1")),
        ("HTML", named),
        ("HTML in numbers", numbered),
    ]
}

fn of_bytes(secret: &str) -> Vec<Written> {
    let base64 = STANDARD.encode(secret);
    let basic = STANDARD.encode(format!("ana:{secret}"));
    let longer = STANDARD.encode(format!("x{secret}yz"));
    let for_urls = URL_SAFE_NO_PAD.encode(format!("xy{secret}"));
    let hex: Vec<String> = secret.bytes().map(|b| format!("{b:02x}")).collect();
    vec![
        ("basic authentication", format!("Basic {basic}")),
        ("base64 of something longer", longer),
        ("base64 for URLs", for_urls),
        ("base64 in JSON", json(&base64).replace('/', "\\/")),
        ("base64 in a URL", percent(&base64, true)),
        ("hex", hex.concat()),
        ("hex in capitals", hex.concat().to_uppercase()),
        ("hex with colons", hex.join(":")),
        ("numbers", format!("{:?}", secret.as_bytes())),
    ]
}

fn of_languages(secret: &str) -> Vec<Written> {
    let escaped = |signs: &[char]| {
        secret.chars().fold(String::new(), |mut all, c| {
            if signs.contains(&c) {
                all.push('\\');
            }
            all.push(c);
            all
        })
    };
    let python = escaped(&['\\', '\'']);
    let java = escaped(&['\\', ':', '=', '#', ' ', '!']);
    let yaml = secret.replace('\'', "''");
    let quoted = secret.replace('\'', "'\\''");
    vec![
        ("Python", format!("'{python}'")),
        ("Python's bytes", python.replace('é', "\\xc3\\xa9")),
        ("Go's %q", format!("\"{}\"", escaped(&['\\', '"']))),
        ("Java's properties", java.replace('é', "\\u00E9")),
        ("YAML", format!("'{yaml}'")),
        ("a shell's quotes", format!("'{quoted}'")),
        (
            "a shell's backslashes",
            escaped(&['\\', '\'', '"', '&', '<', '>', '#', ' ']),
        ),
    ]
}

fn of_layout(secret: &str) -> Vec<Written> {
    let signs: Vec<char> = secret.chars().collect();
    let pieces: Vec<String> = signs.chunks(7).map(String::from_iter).collect();
    let wrapped_json = pieces.iter().map(|p| json(p).trim_matches('"').to_owned());
    let coloured = signs.iter().map(|c| format!("\u{1b}[34m{c}"));
    vec![
        ("a dump of the environment", format!("APP_SECRET={secret}")),
        ("wrapped over lines", pieces.join("\n    ")),
        (
            "wrapped JSON",
            wrapped_json.collect::<Vec<_>>().join("\\\n  "),
        ),
        ("colours", coloured.collect::<Vec<_>>().concat()),
        ("capitals", secret.to_ascii_uppercase()),
    ]
}

fn percent(text: &str, capitals: bool) -> String {
    let encode = |b: u8| match b {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b if capitals => format!("%{b:02X}"),
        b => format!("%{b:02x}"),
    };
    text.bytes().map(encode).collect()
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Runs of six signs, of which a notation is made.
fn runs(text: &str) -> Vec<String> {
    let signs: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let runs = signs.windows(6).map(String::from_iter);
    runs.filter(|run: &String| run.chars().any(char::is_alphanumeric))
        .collect()
}

/// Says whether a piece of what was written is left, the words around the secret aside.
fn leaks(told: &str, written: &str) -> bool {
    let words = ["APP_SECRET=", "postgres://app:", "?key=", "Basic "];
    let bare = |text: &str| {
        let text = text.to_owned();
        words
            .iter()
            .fold(text, |text, word| text.replace(word, "\n"))
    };
    let pieces = runs(&bare(&clean::lines(written).join("")));
    let left = bare(&told.replace(REDACTED, "\n"));
    left.lines().flat_map(runs).any(|run| pieces.contains(&run))
}

fn env_file() -> String {
    format!("APP_SECRET='{}'\n", SECRET.replace('\'', "\\'"))
}

#[test]
fn a_secret_is_hidden_in_every_notation_that_programs_print() {
    let masks = masks(&env_file(), "x");
    let mut shown = Vec::new();
    for (name, written) in notations(SECRET) {
        let told = masks.scrub(&format!("{written}\nfine"));
        assert!(told.ends_with("fine"), "{name}: {told}");
        if !told.contains(REDACTED) || leaks(&told, &written) {
            shown.push(format!("{name}: {written} became {told}"));
        }
    }
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn what_was_hidden_needs_no_second_look() {
    let masks = masks(&env_file(), "hunter2-open");
    for (_, written) in notations(SECRET) {
        let told = masks.scrub(&written);
        assert_eq!(masks.scrub(&told), told);
    }
}
