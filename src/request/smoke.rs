//! Smoke tests: YAML to [`SmokeTest`]s, each fault naming its test and its key.
//!
//! It refuses to know where the YAML came from and how a test is carried out.

use serde_json::{Map, Value};

use crate::words::event::Failure;
use crate::words::plan::{Expect, Probe, SmokeTest, Vantage};

use super::fault::{listed, shown, unknown_word};
use super::{Suite, grammar, host};

const KEYS: [&str; 8] = [
    "name", "http", "tcp", "service", "exec", "expect", "from", "suite",
];
const PROBES: [&str; 4] = ["http", "tcp", "service", "exec"];

/// A test with the suite that it belongs to.
#[derive(Debug)]
pub(super) struct Declared {
    pub test: SmokeTest,
    pub suite: Suite,
}

/// Reads a YAML list of tests, and every fault in them.
pub(super) fn read(yaml: &str) -> Result<Vec<Declared>, Vec<Failure>> {
    let mut faults = Vec::new();
    let mut tests: Vec<Declared> = Vec::new();
    for (position, entry) in entries(yaml)?.iter().enumerate() {
        let mut reader = Reader::new(position, entry, &mut faults);
        let Some(declared) = reader.test() else {
            continue;
        };
        if tests.iter().any(|t| t.test.name == declared.test.name) {
            reader.fault(Failure::new("has the name of another test").hint("give it its own"));
        }
        tests.push(declared);
    }
    if faults.is_empty() {
        Ok(tests)
    } else {
        Err(faults)
    }
}

fn entries(yaml: &str) -> Result<Vec<Value>, Vec<Failure>> {
    let hint = "write a list of tests, each beginning with `- name:`";
    let options = serde_saphyr::options! {
        // A service may be named `on` or `y`.
        strict_booleans: true,
    };
    match serde_saphyr::from_str_with_options::<Value>(yaml, options) {
        Ok(Value::Array(entries)) if !entries.is_empty() => Ok(entries),
        Ok(Value::Array(_)) => Err(vec![Failure::new("the list is empty").hint(hint)]),
        Ok(_) => Err(vec![Failure::new("the YAML is not a list").hint(hint)]),
        Err(error) => {
            let told = error.to_string();
            let first_line = told.lines().next().unwrap_or_default();
            Err(vec![
                Failure::new("it is not YAML")
                    .because(first_line.trim_start_matches("error: "))
                    .hint(hint),
            ])
        }
    }
}

/// One entry of the list, and where its faults go.
struct Reader<'a> {
    title: String,
    entry: &'a Value,
    faults: &'a mut Vec<Failure>,
}

impl<'a> Reader<'a> {
    fn new(position: usize, entry: &'a Value, faults: &'a mut Vec<Failure>) -> Self {
        let title = match entry.get("name") {
            Some(Value::String(name)) if !name.is_empty() => format!("test {}", shown(name)),
            _ => format!("test {}", position + 1),
        };
        Self {
            title,
            entry,
            faults,
        }
    }

    fn fault(&mut self, mut failure: Failure) {
        failure.what = format!("{} {}", self.title, failure.what);
        self.faults.push(failure);
    }

    fn keep<T>(&mut self, key: &str, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|mut failure| {
            failure.what = format!("has a fault in `{key}`: {}", failure.what);
            self.fault(failure);
        })
        .ok()
    }

    fn test(&mut self) -> Option<Declared> {
        let Value::Object(entry) = self.entry else {
            self.fault(Failure::new("is not a mapping").hint("begin it with `- name:`"));
            return None;
        };
        let before = self.faults.len();
        self.known_keys("", entry, &KEYS);
        let name = self.name(entry);
        let suite = self.word(entry, "suite", Suite::WORDS);
        let from = self.word(entry, "from", VANTAGES);
        let probe = self.probe(entry);
        if let Some(probe) = &probe {
            self.fits(
                probe,
                from.unwrap_or_default(),
                entry.contains_key("expect"),
            );
        }
        let (name, probe) = (name?, probe?);
        (self.faults.len() == before).then(|| Declared {
            suite: suite.unwrap_or(Suite::Basic),
            test: SmokeTest {
                name,
                probe,
                from: from.unwrap_or_default(),
            },
        })
    }

    fn known_keys(&mut self, within: &str, map: &Map<String, Value>, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut fault = unknown_word("has the unknown key", key, known);
            fault.what.push_str(within);
            self.fault(fault);
        }
    }

    fn name(&mut self, entry: &Map<String, Value>) -> Option<String> {
        let Some(value) = entry.get("name") else {
            self.fault(Failure::new("has no name").hint("add `name:`, which messages will use"));
            return None;
        };
        let name = text(value).and_then(|name| grammar::one_line(name).map(str::to_owned));
        self.keep("name", name)
    }

    fn word<T: Copy>(
        &mut self,
        entry: &Map<String, Value>,
        key: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let value = entry.get(key)?;
        let word = text(value).and_then(|word| grammar::choice(word, words));
        self.keep(key, word)
    }

    fn probe(&mut self, entry: &Map<String, Value>) -> Option<Probe> {
        let given: Vec<_> = PROBES
            .iter()
            .filter_map(|key| Some((*key, entry.get(*key)?)))
            .collect();
        let [(key, value)] = given.as_slice() else {
            let what = match given.len() {
                0 => "asks nothing",
                _ => "asks more than one thing",
            };
            self.fault(Failure::new(what).hint(format!("give exactly one of {}", listed(&PROBES))));
            return None;
        };
        match *key {
            "http" => self.http(value, entry.get("expect")),
            "tcp" => {
                let address = text(value).and_then(address);
                Some(Probe::Tcp {
                    address: self.keep("tcp", address)?,
                })
            }
            "service" => {
                let service = text(value).and_then(grammar::service);
                Some(Probe::Service {
                    service: self.keep("service", service)?,
                })
            }
            _ => self.exec(value),
        }
    }

    fn http(&mut self, value: &Value, expect: Option<&Value>) -> Option<Probe> {
        let url = text(value).and_then(grammar::url);
        let url = self.keep("http", url);
        let expect = match expect {
            None => Some(Expect::default()),
            Some(Value::Object(expect)) => self.expect(expect),
            Some(_) => {
                self.fault(
                    Failure::new("has a fault in `expect`: it is not a mapping")
                        .hint("write `expect: { status: 200 }`"),
                );
                None
            }
        };
        Some(Probe::Http {
            url: url?,
            expect: expect?,
        })
    }

    fn expect(&mut self, map: &Map<String, Value>) -> Option<Expect> {
        self.known_keys(" in `expect`", map, &["status", "body", "json", "max_ms"]);
        let status = map.get("status").map(|value| whole(value, 100..=599));
        let body = map.get("body").map(|value| text(value).map(str::to_owned));
        let json = map.get("json").map(pointers);
        let max_ms = map.get("max_ms").map(|value| whole(value, 1..=3_600_000));
        // Each is read before any is missed, so that all faults are told.
        let status = status.map(|read| self.keep("expect.status", read));
        let body = body.map(|read| self.keep("expect.body", read));
        let json = json.map(|read| self.keep("expect.json", read));
        let max_ms = max_ms.map(|read| self.keep("expect.max_ms", read));
        Some(Expect {
            status: match status {
                Some(status) => Some(u16::try_from(status?).ok()?),
                None => None,
            },
            body: match body {
                Some(body) => Some(body?),
                None => None,
            },
            json: json.unwrap_or_else(|| Some(Map::new()))?,
            max_ms: match max_ms {
                Some(max_ms) => Some(max_ms?),
                None => None,
            },
        })
    }

    fn exec(&mut self, value: &Value) -> Option<Probe> {
        let Value::Object(map) = value else {
            self.fault(
                Failure::new("has a fault in `exec`: it is not a mapping")
                    .hint("write `exec: { service: api, command: [\"true\"] }`"),
            );
            return None;
        };
        self.known_keys(" in `exec`", map, &["service", "command"]);
        let missing = |key: &str| Failure::new("it is missing").hint(format!("add `{key}:`"));
        let service = match map.get("service") {
            Some(value) => text(value).and_then(grammar::service),
            None => Err(missing("service")),
        };
        let command = match map.get("command") {
            Some(value) => argv(value),
            None => Err(missing("command")),
        };
        let service = self.keep("exec.service", service);
        let command = self.keep("exec.command", command);
        Some(Probe::Exec {
            service: service?,
            command: command?,
        })
    }

    fn fits(&mut self, probe: &Probe, from: Vantage, has_expect: bool) {
        let inside = matches!(probe, Probe::Service { .. } | Probe::Exec { .. });
        if inside && from == Vantage::Runner {
            self.fault(
                Failure::new("looks into the server's containers, which `from: runner` cannot")
                    .hint("leave `from` out, or use `http` or `tcp`"),
            );
        }
        if has_expect && !matches!(probe, Probe::Http { .. }) {
            self.fault(
                Failure::new("has an `expect`, which only `http` knows").hint("leave it out"),
            );
        }
    }
}

const VANTAGES: &[(&str, Vantage)] = &[("server", Vantage::Server), ("runner", Vantage::Runner)];

fn text(value: &Value) -> Result<&str, Failure> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text),
        Value::String(_) | Value::Null => Err(Failure::new("it is empty").hint("give it a value")),
        Value::Array(_) | Value::Object(_) => {
            Err(Failure::new("it is not a text").hint("give it a single value"))
        }
        Value::Bool(_) | Value::Number(_) => Err(Failure::new(format!("`{value}` is not a text"))
            .hint(format!("put it in quotes: `\"{value}\"`"))),
    }
}

fn whole(value: &Value, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, Failure> {
    match value.as_u64() {
        Some(number) if bounds.contains(&number) => Ok(number),
        _ => Err(
            Failure::new(format!("{} is out of place", shown(&value.to_string()))).hint(format!(
                "give a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )),
        ),
    }
}

fn argv(value: &Value) -> Result<Vec<String>, Failure> {
    match value {
        Value::Array(words) if !words.is_empty() => words
            .iter()
            .map(|word| text(word).map(str::to_owned))
            .collect(),
        _ => Err(Failure::new("it is not a list of words")
            .hint("write `command: [\"python\", \"manage.py\", \"check\"]`")),
    }
}

fn pointers(value: &Value) -> Result<Map<String, Value>, Failure> {
    let Value::Object(map) = value else {
        return Err(Failure::new("it is not a mapping")
            .hint("write `json: { /status: healthy }`, each key a JSON pointer"));
    };
    match map
        .keys()
        .find(|key| !key.is_empty() && !key.starts_with('/'))
    {
        None => Ok(map.clone()),
        Some(key) => Err(
            Failure::new(format!("{} is not a JSON pointer", shown(key))).hint(format!(
                "begin it with a slash: {}",
                shown(&format!("/{key}"))
            )),
        ),
    }
}

fn address(text: &str) -> Result<String, Failure> {
    let (name, port) = text.rsplit_once(':').ok_or_else(|| {
        Failure::new(format!("{} has no port", shown(text))).hint("write `host:port`")
    })?;
    host::host(name)?;
    host::port(port)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
