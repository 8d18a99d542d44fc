//! Smoke tests as people write them, well and wrong.

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
    let lines: Vec<_> = faults.iter().map(crate::request::fault::one_line).collect();
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
