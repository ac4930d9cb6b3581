//! Reads the text of a `.env`: `NAME=value`, quotes, `export`, comments. A value is what stands there: nothing in it
//! is replaced by another variable, or a `.env` that came with a folder could send a key away under another name.
//!
//! Where the file lies, and whose value wins, is `environment`'s business.

use super::expand::is_name;

/// One entry of a `.env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub value: String,
    /// Counted from 1.
    pub line: usize,
    /// The value holds `${` outside of single quotes: other readers would replace it, this one does not.
    pub refers: bool,
}

/// All entries in order; for what is no entry the number of its line.
pub fn parse(text: &str) -> Vec<Result<Entry, usize>> {
    let mut found = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let bare = first.trim();
        if bare.is_empty() || bare.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        // A quoted value may go on over several lines. One that never ends spoils its first line only.
        let read = name_of(first).and_then(|(name, at)| {
            let value = value_of(rest.get(at..)?)?;
            Some((name, at + value.length, value))
        });
        if let Some((name, end, value)) = read {
            let over = rest.get(..end).unwrap_or_default().matches('\n').count();
            found.push(Ok(Entry { name: name.to_owned(), value: value.text, line, refers: value.refers }));
            line += over + 1;
            rest = rest.get(end..).and_then(|rest| rest.split_once('\n')).map_or("", |(_, rest)| rest);
        } else {
            found.push(Err(line));
            (rest, line) = (after, line + 1);
        }
    }
    found
}

/// The name a line begins with, and where its value begins.
fn name_of(line: &str) -> Option<(&str, usize)> {
    let (before, _) = line.split_once('=')?;
    let name = before.trim();
    let name = match name.split_once(char::is_whitespace) {
        Some(("export", name)) => name.trim_start(),
        Some(_) => return None,
        None => name,
    };
    // Dots are used by some programs; no reference can name such a variable.
    is_name(&name.replace('.', "_")).then_some((name, before.len() + 1))
}

struct Value {
    text: String,
    refers: bool,
    /// Bytes read, up to the end of its last line.
    length: usize,
}

/// What stands behind the `=`. `None` for an open quote, an unknown escape, and words behind the value.
fn value_of(text: &str) -> Option<Value> {
    let mut value = Value { text: String::new(), refers: false, length: text.len() };
    let mut quote: Option<char> = None;
    // Blanks before the value belong to nobody; behind it only a comment may follow.
    let mut begun = false;
    let mut ended = false;
    let mut signs = text.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        if quote.is_none() && sign == '\n' {
            value.length = at;
            return Some(value);
        }
        if quote.is_none() && sign.is_whitespace() {
            ended = begun;
            continue;
        }
        if sign == '#' && quote.is_none() && (ended || !begun) {
            value.length = text.get(at..)?.find('\n').map_or(text.len(), |end| at + end);
            return Some(value);
        }
        if ended {
            return None;
        }
        begun = true;
        match (quote, sign) {
            (None, '"' | '\'') => quote = Some(sign),
            (Some(open), sign) if open == sign => quote = None,
            (None | Some('"'), '\\') => value.text.push(escaped(signs.next()?.1)?),
            (quote, sign) => {
                value.refers |=
                    sign == '$' && quote != Some('\'') && signs.peek().is_some_and(|(_, next)| *next == '{');
                value.text.push(sign);
            }
        }
    }
    quote.is_none().then_some(value)
}

fn escaped(sign: char) -> Option<char> {
    match sign {
        'n' => Some('\n'),
        '\\' | '\'' | '"' | '$' | ' ' => Some(sign),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Option<(String, String)> {
        match parse(text).as_slice() {
            [Ok(entry)] => Some((entry.name.clone(), entry.value.clone())),
            _ => None,
        }
    }

    #[test]
    fn a_value_is_what_stands_there() {
        for (text, value) in [
            ("KEY=abc", "abc"),
            ("KEY=abc\r\n", "abc"),
            ("  export  KEY = abc  # why", "abc"),
            ("export=abc", "abc"),
            ("KEY=", ""),
            ("KEY= # nothing", ""),
            ("KEY=a#b", "a#b"),
            ("KEY=a$b", "a$b"),
            ("KEY='a$b'", "a$b"),
            ("KEY=\"a$b ${HOME}\"", "a$b ${HOME}"),
            ("KEY=https://x.example/${HOME}", "https://x.example/${HOME}"),
            ("KEY=a\\$b", "a$b"),
            ("KEY='a\\$b'", "a\\$b"),
            ("KEY=\"a b\" # why", "a b"),
            ("KEY=a'b c'\"d\\\"\"", "ab cd\""),
            ("KEY=\"one\ntwo\"\n", "one\ntwo"),
            ("KEY=\"one\\ntwo\"", "one\ntwo"),
        ] {
            let name = if text.starts_with("export=") { "export" } else { "KEY" };
            assert_eq!(one(text), Some((name.to_owned(), value.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_is_named_by_its_line_and_the_others_are_read() {
        let text = "A=1\nno line\n# comment\nB='open\nC=two words\n1D=x\nE=\\q\nF=\"over\ntwo\"\nG=${A}\n";
        let seen: Vec<_> = parse(text).into_iter().map(|item| item.map(|entry| (entry.name, entry.line))).collect();
        let entry = |name: &str, line| Ok((name.to_owned(), line));
        assert_eq!(seen, [entry("A", 1), Err(2), Err(4), Err(5), Err(6), Err(7), entry("F", 8), entry("G", 10)]);
        assert!(parse("A=\"${B}\"")[0].as_ref().unwrap().refers && !parse("A='${B}'")[0].as_ref().unwrap().refers);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[A-C=\"'# $\\\\{}\n\r.é]{0,60}") {
            for item in parse(&text) {
                let line = item.map_or_else(|line| line, |entry| entry.line);
                prop_assert!(line >= 1 && line <= text.lines().count());
            }
        }

        #[test]
        fn a_quoted_value_comes_back_whole(value in "[^']{0,40}") {
            let written = format!("KEY='{value}'\nNEXT=1\n");
            let read = parse(&written);
            prop_assert_eq!(read.len(), 2);
            prop_assert_eq!(&read[0].as_ref().unwrap().value, &value);
        }
    }
}
