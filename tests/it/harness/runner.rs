//! What the GitHub runner does around a container action: inputs to variables, files to outputs.
//!
//! It refuses to know Landfall: `action.yml` says which inputs there are.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// Every input of an `action.yml` with its default; the runner hands unset ones over as empty text.
pub fn inputs(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let action: Value = serde_saphyr::from_str(&text).unwrap();
    let inputs = action["inputs"].as_object().unwrap().iter();
    let default = |input: &Value| match &input["default"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    inputs
        .map(|(name, input)| (name.clone(), default(input)))
        .collect()
}

/// The variable of an input: upper case, and blanks become underscores.
pub fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase().replace(' ', "_"))
}

/// Reads a file of outputs as the runner does; panics where the runner would fail the step.
pub fn outputs(path: &Path) -> BTreeMap<String, String> {
    pairs(&std::fs::read_to_string(path).unwrap())
}

/// The names and values in the text of such a file.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the last line has no end"
    );
    let mut lines = text.lines();
    let mut outputs = BTreeMap::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = match (line.find("<<"), line.find('=')) {
            (Some(here), equals) if equals.is_none_or(|e| here < e) => {
                (&line[..here], heredoc(&line[here + 2..], &mut lines))
            }
            (_, Some(equals)) => (&line[..equals], line[equals + 1..].to_owned()),
            _ => panic!("the runner cannot read the line {line:?}"),
        };
        outputs.insert(name.to_owned(), value);
    }
    outputs
}

fn heredoc<'a>(delimiter: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut value = Vec::new();
    for line in lines {
        if line == delimiter {
            return value.join("\n");
        }
        value.push(line);
    }
    panic!("the delimiter {delimiter:?} never comes again");
}
