//! The fenced blocks of the pages for users, and the commands of a console's.
//!
//! It refuses to know what becomes of a block.

use std::fs;
use std::path::Path;

/// One fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    pub page: String,
    pub kind: String,
    pub text: String,
}

impl Block {
    /// What it is known by.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The commands of a console, without its prompt.
    #[track_caller]
    pub fn commands(&self) -> Vec<&str> {
        assert_eq!(self.kind, "console", "{self:?}");
        let typed = |line| -> &str {
            let typed = str::strip_prefix(line, "$ ");
            typed.unwrap_or_else(|| panic!("no prompt before {line:?}"))
        };
        self.text.lines().map(typed).collect()
    }
}

/// The pages for users: the README, and all below `docs`.
pub fn pages() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(docs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let named = files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let mut pages: Vec<String> = named.map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    pages
}

/// A page as it is.
pub fn text(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// Every block of every page.
pub fn all() -> Vec<Block> {
    pages()
        .iter()
        .flat_map(|page| of(page, &text(page)))
        .collect()
}

/// What stands in backticks in the text of a page, blocks aside, if it has more than one word.
pub fn inline(page: &str) -> Vec<String> {
    let (mut found, mut is_block) = (Vec::new(), false);
    for line in text(page).lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            // Two backticks quote what has one.
            let quoted = line.replace("``", "");
            let quoted = quoted.split('`').skip(1).step_by(2);
            found.extend(quoted.filter(|q| q.contains(' ')).map(ToOwned::to_owned));
        }
    }
    found
}

/// The blocks of a text.
pub fn of(page: &str, text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    let mut indent = 0;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                indent = line.len() - line.trim_start().len();
                open = Some(Block {
                    page: page.to_owned(),
                    kind: kind.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                let indented = line.len() - line.trim_start().len();
                block.text.push_str(&line[indent.min(indented)..]);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of {page} has no end");
    blocks
}

/// The block of a page that begins like this.
#[track_caller]
pub fn named(page: &str, begins: &str) -> Block {
    let mut found = all().into_iter().filter(|b| b.page == page);
    let found = found.find(|b| b.first_line().starts_with(begins));
    found.unwrap_or_else(|| panic!("no block of {page} begins with {begins:?}"))
}
