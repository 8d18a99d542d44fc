//! Lines of a stream that anybody may have written: each kept up to a bound, and how much is missing.
//!
//! A line is told once it is masked, and only then cut short: the bound here is far behind that, and
//! keeps no more than memory. It refuses to know what is printed.

use crate::words::clean;

/// How much of a line is kept, in bytes.
pub const KEPT: usize = 64 * 1024;

/// A line that is still being read.
#[derive(Debug, Default)]
pub struct Line {
    kept: Vec<u8>,
    length: usize,
}

impl Line {
    /// Reads on; each line that ends in these bytes is handed over.
    pub fn read(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let room = KEPT.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            self.length += piece.len();
            if piece.ends_with(b"\n") {
                each(self.take());
            }
        }
    }

    /// The last line, where it had no end.
    pub fn rest(&mut self) -> Option<String> {
        (self.length > 0).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let told = clean::cut(text.trim_end(), self.length - self.kept.len());
        self.kept.clear();
        self.length = 0;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_handed_over_whole_and_endless_ones_cut() {
        let mut line = Line::default();
        let mut all = Vec::new();
        let long = vec![b'x'; 700_000];
        for bytes in [&b"on"[..], b"e\r\ntwo\n", &long, b"\nend"] {
            line.read(bytes, |text| all.push(text));
        }
        all.extend(line.rest());
        assert_eq!(line.rest(), None);
        assert_eq!(
            (all[0].as_str(), all[1].as_str(), all[3].as_str()),
            ("one", "two", "end")
        );
        let missing = 700_001 - KEPT;
        assert!(all[2].ends_with(&format!("x… ({missing} more bytes)")));
        let shown = clean::bounded(&all[2], 100);
        assert_eq!(
            shown,
            format!("{}… ({} more bytes)", "x".repeat(100), 700_001 - 100)
        );
    }
}
