//! GitHub's Markdown for text that anybody may have written: it stays text.
//!
//! It refuses to know what a page says.

use crate::words::clean;

/// The longest text in one place; a page is read by people.
const LONGEST: usize = 2_000;

/// Running text: nothing in it is markup, a link, HTML or a mention.
pub fn text(untrusted: &str) -> String {
    let line = clean::clip(&clean::one_line(untrusted), LONGEST);
    let escaped = line.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention and an address need the letter right behind; an empty comment parts them.
            '@' => out.push_str("@<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
        out
    });
    let unlinked = escaped
        .replace("://", ":<!-- -->//")
        .replace("www.", "www<!-- -->.");
    no_block(unlinked)
}

/// A line whose first word begins no heading, list or rule.
fn no_block(line: String) -> String {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match line[digits..].chars().next() {
        Some('#' | '-' | '+' | '=') if digits == 0 => format!("\\{line}"),
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        _ => line,
    }
}

/// A name, digest or path as code; also fit for a table's cell.
pub fn code(untrusted: &str) -> String {
    let line = clean::clip(&clean::one_line(untrusted), LONGEST);
    if line.is_empty() {
        return String::new();
    }
    // A pipe ends a table's cell even between backticks, and a backslash before it is no help
    // behind another backslash.
    if line.contains('|') {
        return format!("<code>{}</code>", entities(&line));
    }
    let fence = "`".repeat(longest_run(&line) + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A sentence of ours: what stands between its backticks becomes code, the rest stays text.
pub fn prose(sentence: &str) -> String {
    let parts: Vec<_> = sentence.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text(sentence);
    }
    let told = parts.iter().enumerate().map(|(i, part)| match i % 2 {
        0 => spaced(part),
        _ => code(part),
    });
    told.collect()
}

/// Lines in a fence that none of them can close.
pub fn fenced(lines: &[String]) -> String {
    let shown: Vec<_> = lines.iter().flat_map(|l| clean::lines(l)).collect();
    let shown: Vec<_> = shown.iter().map(|l| clean::clip(l, LONGEST)).collect();
    let longest = shown.iter().map(|l| longest_run(l)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", shown.join("\n"))
}

/// A link, if the address is one that a browser may follow.
pub fn link(label: &str, address: &str) -> String {
    match web_address(address) {
        Some(address) => format!("[{}]({address})", text(label)),
        None => format!("{} {}", text(label), code(address)),
    }
}

/// A sentence of ours, and below it in a fence what is to be pasted: the lines behind its first.
/// Fit for an item of a list.
pub fn paragraph(hint: &str) -> String {
    let Some((first, pasted)) = hint.trim_end().split_once('\n') else {
        return prose(hint);
    };
    let pasted: Vec<String> = pasted.lines().map(ToOwned::to_owned).collect();
    let block = fenced(&pasted).replace('\n', "\n  ");
    format!("{}\n\n  {block}\n", prose(first))
}

/// A list; its items are Markdown already.
pub fn list(items: &[String]) -> String {
    format!("- {}\n", items.join("\n- "))
}

/// A table; its cells are Markdown already.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---"; head.len()];
    let mut table = line(head.to_vec()) + &line(rule);
    for row in rows {
        table += &line(row.iter().map(String::as_str).collect());
    }
    table
}

/// An http or https address with nothing in it that could end a link.
pub fn web_address(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let web = ["http", "https"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s));
    if !web || rest.is_empty() || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let safe = |c| match c {
        '<' | '>' | '(' | ')' | '"' | '\\' | '|' | '`' | '^' | '{' | '}' | '[' | ']' => {
            format!("%{:02X}", u32::from(c))
        }
        c => c.to_string(),
    };
    Some(address.chars().map(safe).collect())
}

/// Text with the white space at its ends kept, as one space: it stands between two codes.
fn spaced(part: &str) -> String {
    let before = if part.starts_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    let after = if part.len() > 1 && part.ends_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    format!("{before}{}{after}", text(part))
}

fn entities(line: &str) -> String {
    let entity = |c: char| match c {
        c if c.is_ascii_punctuation() => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    line.chars().map(entity).collect()
}

fn longest_run(line: &str) -> usize {
    let runs = line.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        insta::assert_snapshot!(text("<img src=x> | **b** [a](http://x) @octocat `c` ![i](y) https://e.org\n# h"), @r"&lt;img src=x&gt; \| \*\*b\*\* \[a\](http:<!-- -->//x) @<!-- -->octocat \`c\` !\[i\](y) https:<!-- -->//e.org # h");
    }

    #[test]
    fn a_sentence_keeps_its_code_and_nothing_else() {
        insta::assert_snapshot!(prose("service `web|x` exited: <b> `a"), @r"service \`web\|x\` exited: &lt;b&gt; \`a");
        insta::assert_snapshot!(prose("service `web|x` exited with *1*"), @r"service <code>web&#124;x</code> exited with \*1\*");
    }

    #[test]
    fn a_line_begins_no_list_and_no_heading() {
        let lines = ["# a", "- b", "1. c", "2) d", "3 e", "=== f", "www.x.org"];
        insta::assert_snapshot!(lines.map(text).join("\n"), @r"
        \# a
        \- b
        1\. c
        2\) d
        3 e
        \=== f
        www<!-- -->.x.org
        ");
    }

    #[test]
    fn code_with_backticks_stays_code() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "");
        assert_eq!(code(r"a\|<"), "<code>a&#92;&#124;&#60;</code>");
    }

    #[test]
    fn no_line_closes_its_fence() {
        let page = fenced(&["```".into(), "a\r`````".into()]);
        assert!(
            page.starts_with("``````text\n") && page.ends_with("\n``````"),
            "{page}"
        );
        let inner: Vec<_> = page.lines().collect();
        assert!(
            inner[1..inner.len() - 1]
                .iter()
                .all(|l| !l.contains("``````"))
        );
    }

    #[test]
    fn what_is_to_be_pasted_keeps_its_lines_inside_of_a_list() {
        let hint = "add to the inputs:\nhost_key: |\n  h ssh-ed25519 AAAA";
        insta::assert_snapshot!(list(&[paragraph(hint), paragraph("and `x`")]), @r"
        - add to the inputs:

          ```text
          host_key: |
            h ssh-ed25519 AAAA
          ```

        - and `x`
        ");
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        assert_eq!(
            link("run", "javascript:alert(1)"),
            "run `javascript:alert(1)`"
        );
        assert_eq!(link("run", "https://x/a)b"), "[run](https://x/a%29b)");
        assert_eq!(web_address("https://x/ y"), None);
    }
}
