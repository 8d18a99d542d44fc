//! Smoke tests: YAML to [`SmokeTest`]s, each fault naming its test and its key.
//!
//! It refuses to know where the YAML came from and how a test is carried out.

use serde_json::{Map, Value};

use crate::event::Failure;
use crate::plan::{Expect, Probe, SmokeTest, Vantage};

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
            let first_line = error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            Err(vec![
                Failure::new("it is not YAML")
                    .because(first_line)
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
        let given: Vec<_> = { PROBES.iter() }
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CONTRACT: &str = r#"
- name: api
  http: http://localhost:8000/api/v1/health   # from the server, unless `from: runner`
  expect: { status: 200, body: "ok", json: { /status: healthy }, max_ms: 800 }
- name: redis
  tcp: localhost:6379
- name: worker
  service: worker
- name: migrations
  exec: { service: api, command: ["python", "manage.py", "migrate", "--check"] }
- name: public
  http: https://api.example.org/health
  from: runner
  suite: full
"#;

    fn faults(yaml: &str) -> String {
        let faults = read(yaml).unwrap_err();
        let lines: Vec<_> = faults.iter().map(super::super::fault::one_line).collect();
        lines.join("\n")
    }

    #[test]
    fn the_documented_tests_are_read_as_written() {
        let declared = read(CONTRACT).unwrap();
        let suites: Vec<_> = declared.iter().map(|d| d.suite).collect();
        assert_eq!(suites[3..], [Suite::Basic, Suite::Full]);
        let tests: Vec<_> = declared.into_iter().map(|d| d.test).collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&tests).unwrap(), @r#"
        [
          {
            "name": "api",
            "probe": {
              "http": {
                "url": "http://localhost:8000/api/v1/health",
                "expect": {
                  "status": 200,
                  "body": "ok",
                  "json": {
                    "/status": "healthy"
                  },
                  "max_ms": 800
                }
              }
            },
            "from": "server"
          },
          {
            "name": "redis",
            "probe": {
              "tcp": {
                "address": "localhost:6379"
              }
            },
            "from": "server"
          },
          {
            "name": "worker",
            "probe": {
              "service": {
                "service": "worker"
              }
            },
            "from": "server"
          },
          {
            "name": "migrations",
            "probe": {
              "exec": {
                "service": "api",
                "command": [
                  "python",
                  "manage.py",
                  "migrate",
                  "--check"
                ]
              }
            },
            "from": "server"
          },
          {
            "name": "public",
            "probe": {
              "http": {
                "url": "https://api.example.org/health",
                "expect": {
                  "status": null,
                  "body": null,
                  "json": {},
                  "max_ms": null
                }
              }
            },
            "from": "runner"
          }
        ]
        "#);
    }

    #[test]
    fn every_fault_of_every_test_is_told() {
        insta::assert_snapshot!(faults(r#"
- nam: api
  htpp: http://localhost/
- name: two
  http: http://localhost/
  tcp: localhost:1
- name: expectations
  http: ftp://localhost/
  expect: { status: "200", bdy: ok, json: { status: healthy }, max_ms: 0, body: 7 }
- name: inside
  exec: { service: -api, command: python manage.py, user: root }
  from: runer
- name: outside
  service: api
  from: runner
  expect: { status: 200 }
- name: outside
  tcp: localhost
- just a text
- name: [a]
  exec: { command: [sleep, 5] }
  suite: all
"#), @r#"
test 1 has the unknown key `nam`; did you mean `name`?
test 1 has the unknown key `htpp`; did you mean `http`?
test 1 has no name; add `name:`, which messages will use
test 1 asks nothing; give exactly one of `http`, `tcp`, `service` or `exec`
test `two` asks more than one thing; give exactly one of `http`, `tcp`, `service` or `exec`
test `expectations` has a fault in `http`: `ftp://localhost/` is neither http nor https; give an http or https URL, such as `https://example.org/health`
test `expectations` has the unknown key `bdy` in `expect`; did you mean `body`?
test `expectations` has a fault in `expect.status`: `"200"` is out of place; give a whole number from 100 to 599
test `expectations` has a fault in `expect.body`: `7` is not a text; put it in quotes: `"7"`
test `expectations` has a fault in `expect.json`: `status` is not a JSON pointer; begin it with a slash: `/status`
test `expectations` has a fault in `expect.max_ms`: `0` is out of place; give a whole number from 1 to 3600000
test `inside` has a fault in `from`: there is no `runer`; did you mean `runner`?
test `inside` has the unknown key `user` in `exec`; use `service` or `command`
test `inside` has a fault in `exec.service`: `-api` is not a service name; use letters, digits, `.`, `-` and `_`, beginning with a letter, a digit or `_`
test `inside` has a fault in `exec.command`: it is not a list of words; write `command: ["python", "manage.py", "check"]`
test `outside` looks into the server's containers, which `from: runner` cannot; leave `from` out, or use `http` or `tcp`
test `outside` has an `expect`, which only `http` knows; leave it out
test `outside` has a fault in `tcp`: `localhost` has no port; write `host:port`
test 7 is not a mapping; begin it with `- name:`
test 8 has a fault in `name`: it is not a text; give it a single value
test 8 has a fault in `suite`: there is no `all`; use `basic` or `full`
test 8 has a fault in `exec.service`: it is missing; add `service:`
test 8 has a fault in `exec.command`: `5` is not a text; put it in quotes: `"5"`
"#);
    }

    #[test]
    fn two_tests_of_one_name_are_refused() {
        insta::assert_snapshot!(
            faults("- {name: a, service: x}\n- {name: a, service: y}"),
            @"test `a` has the name of another test; give it its own"
        );
    }

    #[test]
    fn what_is_no_list_of_tests_says_so() {
        for (yaml, what) in [
            ("name: api", "the YAML is not a list"),
            ("[]", "the list is empty"),
            ("- name: [", "it is not YAML"),
            ("- {name: a, name: b, service: x}", "it is not YAML"),
        ] {
            assert_eq!(read(yaml).unwrap_err().first().unwrap().what, what);
        }
    }

    #[test]
    fn a_deep_or_endless_document_is_refused_in_time() {
        assert!(read(&"[".repeat(100_000)).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(read(bomb).is_err());
    }
}
