//! `action.yml`, the README's tables and the code say the same.
//!
//! `UPDATE=1 cargo test --test it action_yml` writes what the code says between the markers.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use landfall::output::named::{OUTPUTS, Output};
use landfall::request::{INPUTS, Input, Unset};
use serde_json::Value;

fn top_level(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn action() -> Value {
    let text = fs::read_to_string(top_level("action.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Holds what stands between two markers of a file to what the code says, or writes it there.
#[track_caller]
fn between(file: &str, marker: &str, expected: &str) {
    // Two tests write one file.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock();
    let path = top_level(file);
    let text = fs::read_to_string(&path).unwrap();
    let (open, close) = match file {
        "README.md" => (format!("<!-- {marker} -->"), format!("<!-- /{marker} -->")),
        _ => (format!("# <{marker}>"), format!("# </{marker}>")),
    };
    let whole_line = |at: usize| at + text[at..].find('\n').map_or(0, |end| end + 1);
    let (Some(open), Some(close)) = (text.find(&open), text.find(&close)) else {
        panic!("{file} lacks the markers of {marker}");
    };
    let start = whole_line(open);
    let end = text[..close]
        .rfind('\n')
        .map_or(close, |line_end| line_end + 1);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(
            &path,
            format!("{}{expected}{}", &text[..start], &text[end..]),
        )
        .unwrap();
        return;
    }
    assert!(
        text[start..end] == *expected,
        "{file}: {marker} differ from the code; run `UPDATE=1 cargo test --test it action_yml`"
    );
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A default that is no value has no other place in `action.yml`.
fn description(input: &Input) -> String {
    match input.unset {
        Unset::Words(words) => format!("{} Default: {words}.", input.doc),
        _ => input.doc.to_owned(),
    }
}

fn input_of_the_action(input: &Input) -> String {
    let mut lines = format!(
        "  {}:\n    description: {}\n",
        input.name,
        quoted(&description(input))
    );
    writeln!(lines, "    required: {}", input.unset == Unset::Required).unwrap();
    if let Some(default) = input.declared() {
        writeln!(lines, "    default: {}", quoted(default)).unwrap();
    }
    lines
}

fn output_of_the_action(output: &Output) -> String {
    format!(
        "  {}:\n    description: {}\n",
        output.name,
        quoted(output.doc)
    )
}

fn output_row(output: &Output) -> String {
    format!("| `{}` | {} |\n", output.name, output.doc)
}

fn row(input: &Input) -> String {
    let default = match input.unset {
        Unset::Required => "required".to_owned(),
        Unset::Nothing => "–".to_owned(),
        Unset::Stays => "what is there".to_owned(),
        Unset::Value(value) => format!("`{value}`"),
        Unset::Words(words) => words.to_owned(),
    };
    format!("| `{}` | {default} | {} |\n", input.name, input.doc)
}

#[test]
fn the_inputs_of_action_yml_are_those_of_the_code() {
    let written: String = INPUTS.iter().map(input_of_the_action).collect();
    between("action.yml", "inputs", &written);
    let action = action();
    let inputs = action["inputs"].as_object().unwrap();
    assert!(inputs.keys().eq(INPUTS.iter().map(|input| input.name)));
    for input in INPUTS {
        let declared = &inputs[input.name];
        assert_eq!(
            declared["description"].as_str(),
            Some(description(input).as_str()),
            "{}",
            input.name
        );
        assert_eq!(
            declared["required"].as_bool(),
            Some(input.unset == Unset::Required),
            "{}",
            input.name
        );
        let default = declared.get("default").map(|text| text.as_str().unwrap());
        assert_eq!(default, input.declared(), "{}", input.name);
    }
}

#[test]
fn the_outputs_of_action_yml_are_those_of_the_code() {
    let written: String = OUTPUTS.iter().map(output_of_the_action).collect();
    between("action.yml", "outputs", &written);
    let action = action();
    let outputs = action["outputs"].as_object().unwrap();
    assert!(outputs.keys().eq(OUTPUTS.iter().map(|output| output.name)));
}

#[test]
fn the_action_runs_the_container_and_can_be_listed() {
    let action = action();
    assert_eq!(action["runs"]["using"], "docker");
    assert_eq!(action["runs"]["image"], "Dockerfile");
    assert_eq!(
        action["runs"]["post-entrypoint"],
        "/usr/local/bin/landfall-post"
    );
    assert_eq!(action["runs"]["post-if"], "always()");
    assert_eq!(action["branding"]["icon"], "anchor");
    assert_eq!(action["branding"]["color"], "blue");
    let description = action["description"].as_str().unwrap();
    assert!(
        description.len() <= 125,
        "the marketplace takes 125 characters"
    );
}

#[test]
fn the_tables_of_the_readme_are_those_of_the_code() {
    if !top_level("README.md").exists() {
        return;
    }
    let inputs: String = INPUTS.iter().map(row).collect();
    let head = "| input | default | meaning |\n|---|---|---|\n";
    between("README.md", "inputs", &format!("{head}{inputs}"));
    let outputs: String = OUTPUTS.iter().map(output_row).collect();
    let head = "| output | value |\n|---|---|\n";
    between("README.md", "outputs", &format!("{head}{outputs}"));
}

#[test]
fn no_description_breaks_its_table() {
    for doc in INPUTS
        .iter()
        .map(|i| i.doc)
        .chain(OUTPUTS.iter().map(|o| o.doc))
    {
        assert!(!doc.contains(['|', '\n']) && doc.ends_with('.'), "{doc}");
    }
}
