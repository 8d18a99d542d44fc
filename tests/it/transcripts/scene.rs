//! A scene: mistakes that are made one after the other on one server.
//!
//! It refuses to know which; what is wrong with any of them is told in the end, all at once.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::path::Path;

use super::plain::Plain;
use super::{KEPT, screen};
use crate::harness::act::Act;
use crate::harness::app::App;
use crate::harness::done::Done;
use crate::harness::oracle::Release;
use crate::harness::whole::Whole;

/// What is true before a mistake. Looks cost more than most mistakes, so the one after it serves the
/// next; the release is held against itself only where something is put back.
struct Before {
    whole: Whole,
    release: Option<Release>,
}

/// What somebody made of a mistake: everything that is kept of it.
pub struct Told {
    /// What was typed.
    pub typed: String,
    /// The exit code.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The step summary, of the action alone.
    pub summary: Option<String>,
}

/// Mistakes on one server.
pub struct Scene<'a> {
    app: &'a App,
    names: &'static [&'static str],
    next: Cell<usize>,
    looked: RefCell<Option<Whole>>,
    puts_back: bool,
    wrong: RefCell<Vec<String>>,
}

impl<'a> Scene<'a> {
    /// Mistakes of these names, in this order.
    pub fn of(app: &'a App, names: &'static [&'static str]) -> Self {
        Self {
            app,
            names,
            next: Cell::new(0),
            looked: RefCell::default(),
            puts_back: false,
            wrong: RefCell::default(),
        }
    }

    /// The same where releases are tried and put back.
    pub fn that_puts_back(app: &'a App, names: &'static [&'static str]) -> Self {
        Self {
            puts_back: true,
            ..Self::of(app, names)
        }
    }

    /// Does something to the server between two mistakes.
    pub fn meanwhile<T>(&self, act: impl FnOnce() -> T) -> T {
        self.looked.take();
        act()
    }

    /// Somebody makes a mistake: who does what, in a line, and the run that it comes to.
    #[track_caller]
    pub fn mistake(&self, name: &str, who_does_what: &str, act: Act<'_>) -> Done {
        let typed = act.typed();
        let is_the_action = act.is_the_action();
        let before = self.before();
        let done = act.apart().run();
        let told = Told {
            typed,
            code: done.code,
            stdout: done.log.clone(),
            stderr: done.errors.clone(),
            summary: is_the_action.then(|| done.summary.clone()),
        };
        self.keeps(name, who_does_what, &before, &told);
        done
    }

    /// The same for a line that somebody types on the server itself.
    #[track_caller]
    pub fn on_the_server(&self, name: &str, who_does_what: &str, user: &str, line: &str) {
        let before = self.before();
        let done = self.app.slot.try_sh_as(user, line, b"");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = Told {
            typed: format!("{user}@server$ {line}\n"),
            code: done.status.code(),
            stdout: text(&done.stdout),
            stderr: text(&done.stderr),
            summary: None,
        };
        self.keeps(name, who_does_what, &before, &told);
    }

    /// Every mistake must have been made; what is not as it should be, of all of them.
    #[track_caller]
    pub fn ends(self) -> Vec<String> {
        let missing = &self.names[self.next.get()..];
        assert!(missing.is_empty(), "mistakes that nobody made: {missing:?}");
        self.wrong.take()
    }

    fn before(&self) -> Before {
        Before {
            whole: self.looked.take().unwrap_or_else(|| self.app.whole()),
            release: self.puts_back.then(|| self.app.release()),
        }
    }

    #[track_caller]
    fn keeps(&self, name: &str, who_does_what: &str, before: &Before, told: &Told) {
        let expected = self.names.get(self.next.get()).copied();
        assert_eq!(expected, Some(name), "the scene's list has another mistake");
        self.next.set(self.next.get() + 1);
        let now = self.app.whole();
        let plain = Plain::of(self.app);
        let is_as_before = now.things == before.whole.things;
        let is_the_release = is_as_before || self.is_the_release(before);
        let server = server(before, &now, is_the_release);
        let text = plain.text(&transcript(who_does_what, told, &server));
        let is = screen::Server {
            is_as_before,
            is_the_release,
        };
        let faults = screen::faults(told, is);
        let mut wrong = self.wrong.borrow_mut();
        wrong.extend(
            faults
                .iter()
                .map(|fault| format!("{name}: {fault}\n{text}")),
        );
        wrong.extend(unlike_what_is_kept(name, &text));
        self.looked.replace(Some(now));
    }

    fn is_the_release(&self, before: &Before) -> bool {
        let before = before.release.as_ref();
        before.is_some_and(|release| self.app.release() == *release)
    }
}

/// Says what is another than what is kept, or keeps it with `UPDATE=1`.
fn unlike_what_is_kept(name: &str, text: &str) -> Option<String> {
    let path = Path::new(KEPT).join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
        return None;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    (kept != text).then(|| {
        let diff = similar::TextDiff::from_lines(kept.as_str(), text);
        let diff = diff.unified_diff().header("kept", "now").to_string();
        format!("{name} is not told as it is kept:\n{diff}")
    })
}

fn transcript(who_does_what: &str, told: &Told, server: &str) -> String {
    let mut text = format!("{who_does_what}\n\n{}", told.typed);
    let mut part = |title: &str, content: &str| {
        let content = content.trim_end();
        let content = if content.is_empty() {
            "(nothing)"
        } else {
            content
        };
        let _ = write!(text, "\n==== {title}\n{content}\n");
    };
    part("standard output", &told.stdout);
    part("standard error", &told.stderr);
    if let Some(summary) = &told.summary {
        part("the step summary", summary);
    }
    let code = told
        .code
        .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    part("exit code", &code);
    part("the server", server);
    text
}

/// What the server looks like, held against what it was.
fn server(before: &Before, now: &Whole, is_the_release: bool) -> String {
    let differences = now.since(&before.whole);
    let mut lines = Vec::new();
    match (differences.is_empty(), is_the_release) {
        (true, _) => lines.push("as before".to_owned()),
        (false, true) => {
            lines.push("the release is as before: images, configuration, files".into());
        }
        (false, false) => lines.push("not as before".into()),
    }
    lines.extend(differences);
    let noted = now.noted_since(&before.whole);
    lines.extend(
        noted
            .into_iter()
            .map(|line| format!("Landfall's own: {line}")),
    );
    lines.join("\n")
}
