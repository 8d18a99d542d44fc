//! The only text that may be written to a stream which the GitHub runner reads for commands.
//!
//! The runner obeys a line that starts with `::name` and one that has `##[name]` anywhere. What a
//! server prints must never be obeyed: `Log` writes nothing but [`Escaped`], its field is private,
//! and every way to one either neutralises the text or encodes it as a command's data.
//! It refuses to know what is being told.

use std::fmt;

use super::paint::{Paint, Tone};
use crate::words::clean;
use crate::words::secret::Secret;

/// The columns of the word that leads a line.
const LEAD: usize = 8;

/// One line that is safe to write, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escaped(String);

/// What Landfall itself asks of the runner.
#[derive(Debug, Clone, Copy)]
pub enum Command<'a> {
    /// Folds the lines that follow under a title.
    Group(&'a str),
    /// Ends the fold.
    EndGroup,
    /// The annotation for the cause.
    Error {
        /// Its heading.
        title: &'a str,
        /// Its text, of any number of lines.
        message: &'a str,
    },
    /// An annotation for what is worth acting on.
    Warning(&'a str),
    /// From here on the runner shows `***` in place of this line.
    Mask(&'a Secret),
}

impl Escaped {
    /// The lines of a text that anybody may have written, none of which the runner obeys.
    #[must_use]
    pub fn lines(text: &str) -> Vec<Self> {
        clean::lines(text).iter().map(|l| Self(inert(l))).collect()
    }

    /// The same in a single line.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self(inert(&clean::one_line(text)))
    }

    /// Texts in columns of these widths.
    #[must_use]
    pub fn row(cells: &[(&str, usize)]) -> Self {
        let padded = cells.iter().map(|(text, width)| {
            let text = clean::one_line(text);
            format!("{text:<width$}")
        });
        let row = padded.collect::<Vec<_>>().join("  ");
        Self(inert(row.trim_end()))
    }

    /// A line that the runner is meant to obey.
    #[must_use]
    pub fn command(command: Command<'_>) -> Self {
        Self(match command {
            Command::Group(title) => {
                format!("::group::{}", data(&clean::lines(title).join(" ")))
            }
            Command::EndGroup => "::endgroup::".to_owned(),
            Command::Error { title, message } => {
                let title = property(&clean::one_line(title));
                format!("::error title={title}::{}", paragraph(message))
            }
            Command::Warning(message) => format!("::warning::{}", paragraph(message)),
            // Not cleaned: the runner has to look for exactly this text.
            Command::Mask(secret) => format!("::add-mask::{}", data(secret.expose())),
        })
    }

    /// The same line behind a word of ours, in its tone.
    #[must_use]
    pub fn led_by(&self, word: &'static str, paint: Paint, tone: Tone) -> Self {
        let columns = if word.ends_with(':') { 0 } else { LEAD };
        let gap = " ".repeat(columns.saturating_sub(word.len()).max(1));
        Self(format!("{}{gap}{}", paint.word(word, tone), self.0))
    }

    /// The same line in a tone.
    #[must_use]
    pub fn toned(&self, paint: Paint, tone: Tone) -> Self {
        Self(paint.word(&self.0, tone))
    }

    /// The same line, moved to the right.
    #[must_use]
    pub fn indented(&self) -> Self {
        Self(format!("  {}", self.0))
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line that no version of the runner takes for a command.
fn inert(line: &str) -> String {
    let line = line.replace("##[", "## [");
    if line.trim_start().starts_with("::") {
        return format!("| {line}");
    }
    line
}

fn paragraph(message: &str) -> String {
    let lines: Vec<_> = clean::lines(message).iter().map(|l| inert(l)).collect();
    data(&lines.join("\n"))
}

/// A command's data, as the runner decodes it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A command's property, as the runner decodes it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obeyed(line: &str) -> bool {
        line.trim_start().starts_with("::") || line.contains("##[")
    }

    #[test]
    fn no_text_from_elsewhere_is_a_command() {
        let attacks = [
            "::set-output name=status::deployed",
            "  \t::error::x",
            "\u{a0}::stop-commands::x",
            "\u{feff}::error::x",
            "\u{1b}[0m::error::x",
            "progress\r::add-mask::a",
            "fine\n::error::x\n##[error]x",
            "x ##[command]y",
            "###[error]x ####[error]",
            "#\u{200d}#[error]x",
            "\u{b}::x\u{c}::y\u{85}::z\u{2028}::w",
        ];
        for attack in attacks {
            for line in Escaped::lines(attack)
                .iter()
                .chain([&Escaped::line(attack)])
            {
                assert!(!obeyed(&line.to_string()), "{attack:?} became {line:?}");
                assert!(!obeyed(&line.indented().to_string()), "{attack:?}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "std::io::Error: key=value [x] # comment";
        assert_eq!(Escaped::line(text).to_string(), text);
    }

    #[test]
    fn a_command_stays_one_line_whatever_it_carries() {
        let error = Escaped::command(Command::Error {
            title: "Landfall, 100%: refused\n::x",
            message: "50 %\r\n::error::a\n##[error]b",
        });
        insta::assert_snapshot!(error.to_string(), @"::error title=Landfall%2C 100%25%3A refused %3A%3Ax::50 %25%0A| ::error::a%0A## [error]b");
    }

    #[test]
    fn a_group_title_cannot_end_its_line() {
        let group = Escaped::command(Command::Group("pull\n::error::x"));
        assert_eq!(group.to_string(), "::group::pull ::error::x");
    }
}
