//! What in a hook is likely a secret: hooks are scripts, and most of what a script says is no secret.
//!
//! It refuses to know where a hook runs.

use super::public::is_telling;

/// A shorter word is no secret, whatever stands before it.
const SHORTEST: usize = 6;
/// From this length on, a word that mixes letters and digits without order looks random.
const RANDOM: usize = 12;
/// How often letters and digits take turns in such a word at least.
const TURNS: usize = 3;
/// Words that a secret follows.
const BEFORE: [&str; 3] = ["bearer", "basic", "apikey"];
/// Ends of names whose values only say where a secret is.
const ELSEWHERE: [&str; 4] = ["FILE", "PATH", "STDIN", "DIR"];

/// The words of a script that look like secrets.
#[must_use]
pub fn secrets(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let lines = script.lines().map(str::trim_start);
    for line in lines.filter(|line| !line.starts_with('#')) {
        of_line(line, &mut found);
    }
    found
}

fn of_line<'s>(line: &'s str, found: &mut Vec<&'s str>) {
    let pipes_a_login = line.contains("--password-stdin");
    let mut before = "";
    for word in words(line) {
        let follows = is_before(before) || (pipes_a_login && matches!(before, "echo" | "printf"));
        let (name, value) = named(word).unwrap_or((label(before), word));
        let is_named = is_name(name) && is_telling(name) && !says_where(name);
        if (is_named || follows) && may_be_secret(value) {
            found.push(value);
        }
        found.extend(random(word));
        before = word;
    }
}

fn is_before(word: &str) -> bool {
    BEFORE.iter().any(|b| word.eq_ignore_ascii_case(b))
}

/// What a word says of the next one, if anything: `--password`, `X-Api-Key:`, `TOKEN=`.
fn label(word: &str) -> &str {
    let bare = word.trim_end_matches([':', '=']);
    if word.starts_with('-') || bare.len() < word.len() {
        bare
    } else {
        ""
    }
}

/// Words in and out of quotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let signs =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | ';' | '|');
    line.split(signs).filter(|word| !word.is_empty())
}

/// `NAME=value`, `--name=value`.
fn named(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    is_name(name).then_some((name, value))
}

fn is_name(text: &str) -> bool {
    let bare = text.trim_start_matches('-');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !bare.is_empty() && bare.chars().all(plain)
}

fn says_where(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ELSEWHERE.iter().any(|end| name.ends_with(end))
}

/// A variable, a path and a flag only lead to one.
fn may_be_secret(value: &str) -> bool {
    let leads = ['$', '/', '.', '~', '-', '<', '>', '&'];
    value.chars().count() >= SHORTEST && !value.starts_with(leads) && !is_before(value)
}

/// The parts of a word that look random.
fn random(word: &str) -> impl Iterator<Item = &str> {
    let parts = word.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|part| is_random(part))
}

fn is_random(part: &str) -> bool {
    let kinds = part
        .bytes()
        .filter(|b| *b != b'_')
        .map(|b| b.is_ascii_digit());
    let kinds: Vec<bool> = kinds.collect();
    let turns = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    part.len() >= RANDOM && turns >= TURNS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_in_a_hook_is_found() {
        let script = "export API_TOKEN=\"open-sesame\"\n\
            curl -H 'Authorization: Bearer opensesame2' https://x/y\n\
            echo hunter2-open | docker login --password-stdin -u me\n\
            app --password letmein7 --key-file /etc/key.pem\n\
            restore ghp_a1B2c3D4e5F6 \"x\"\n";
        let wanted = [
            "open-sesame",
            "opensesame2",
            "hunter2-open",
            "letmein7",
            "ghp_a1B2c3D4e5F6",
        ];
        assert_eq!(secrets(script), wanted);
    }

    #[test]
    fn the_plain_text_of_a_hook_is_no_secret() {
        let script = "set -eu\n./migrate.sh --to 20251017_143025 --wait\n\
            docker compose -p production run --rm web python3 manage.py migrate\n\
            export DB_PASSWORD=\"$(cat /run/secrets/db)\" TOKEN_FILE=/run/token\n\
            # API_TOKEN=example-token\n\
            echo 'the keys are in the vault' >> release-2025-10-17.log\n";
        assert_eq!(secrets(script), Vec::<&str>::new());
    }
}
