//! How the release is to be judged: smoke tests, and the time there is for them.
//!
//! It refuses to know what is deployed.

use super::Row;

pub const ROWS: &[Row] = &[
    (
        "no time for the checks",
        &[("HEALTH_TIMEOUT", "1500"), ("WATCH", "300")],
        &[
            "`health_timeout` (1500) and `watch` (300) leave no time within `timeout` (1800); raise `timeout`",
        ],
    ),
    (
        "smoke tests that are no YAML",
        &[("SMOKE_TESTS", "- name: [")],
        &[
            "`smoke_tests`: it is not YAML: line 1 column 9: unclosed bracket '['; write a list of tests, each beginning with `- name:`",
        ],
    ),
    (
        "smoke tests that are no list",
        &[("SMOKE_TESTS", "name: api\nhttp: http://localhost")],
        &[
            "`smoke_tests`: the YAML is not a list; write a list of tests, each beginning with `- name:`",
        ],
    ),
    (
        "a smoke test file that is not there",
        &[("SMOKE_TESTS", "tests/smoke.yml")],
        &[
            "`smoke_tests`: `tests/smoke.yml` is not in the workspace; check the path; has the repository been checked out?",
        ],
    ),
    (
        "smoke tests full of faults",
        &[
            ("SERVICES", "api"),
            (
                "SMOKE_TESTS",
                "- name: a\n  htpp: http://x\n- name: a\n  service: worker\n  from: runner\n- name: b\n  exec: {service: db, command: ls}\n- name: c\n  http: http://localhost\n  expect: {status: 99, json: {x: 1}}\n",
            ),
        ],
        &[
            "`smoke_tests`: test `a` has the unknown key `htpp`; did you mean `http`?",
            "`smoke_tests`: test `a` asks nothing; give exactly one of `http`, `tcp`, `service` or `exec`",
            "`smoke_tests`: test `a` looks into the server's containers, which `from: runner` cannot; leave `from` out, or use `http` or `tcp`",
            "`smoke_tests`: test `b` has a fault in `exec.command`: it is not a list of words; write `command: [\"python\", \"manage.py\", \"check\"]`",
            "`smoke_tests`: test `c` has a fault in `expect.status`: `99` is out of place; give a whole number from 100 to 599",
            "`smoke_tests`: test `c` has a fault in `expect.json`: `x` is not a JSON pointer; begin it with a slash: `/x`",
        ],
    ),
    (
        "a test of a service that is left alone",
        &[
            ("SERVICES", "api"),
            ("SMOKE_TESTS", "- {name: w, service: worker}"),
        ],
        &[
            "`smoke_tests`: test `w` looks at `worker`, which `services` leaves alone; add it to `services`, or drop the test",
        ],
    ),
];
