//! What the grammar stumbles over, in our words: the slips people make, found in the text itself.

use super::Slip;
use cel::ParseErrors;

const EXAMPLE: &str = "write it as in request.prompt_tokens > 24000 && request.priority != \"high\"";

/// The slip behind a syntax error, where it is a known one; else the place the parser gives.
pub fn explain(text: &str, errors: &ParseErrors) -> Slip {
    if let Some(slip) = known(text) {
        return slip;
    }
    let Some(first) = errors.errors.first() else { return Slip::new(0, "it is no condition", EXAMPLE) };
    let at = place(text, first.pos);
    let said = first.msg.lines().next().unwrap_or_default();
    if at >= text.trim_end().chars().count() {
        return Slip::new(at, "the condition ends too early", "something has to follow here: a fact, a value or )");
    }
    let rest: String = text.chars().skip(at).collect();
    let word: String = rest.chars().take_while(|c| !c.is_whitespace()).take(20).collect();
    if said.contains("reserved identifier") || said.contains("no viable alternative") {
        return Slip::new(at, format!("{word} cannot be used as a name here"), "put texts in quotes");
    }
    if said.contains("int literal") || said.contains("invalid") {
        return Slip::new(at, format!("{word} is no number that fits"), "use a smaller one");
    }
    Slip::new(at, format!("{word} is not expected here"), EXAMPLE)
}

/// Line and column from 1, in characters, to characters from the start.
fn place(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(|line| line.chars().count()).sum();
    (before + column).min(text.chars().count())
}

/// Goes over the text outside of quotes and stops at the first slip.
fn known(text: &str) -> Option<Slip> {
    let chars: Vec<char> = text.chars().collect();
    let at_or = |at: usize| chars.get(at).copied().unwrap_or(' ');
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let (before, after) = (at.checked_sub(1).map_or(' ', at_or), at_or(at + 1));
        match c {
            '"' | '\'' => {
                let raw = matches!(before, 'r' | 'R') && !at.checked_sub(2).map_or(' ', at_or).is_alphanumeric();
                match closing(&chars, at, raw) {
                    Some(end) => at = end,
                    None => {
                        return Some(Slip::new(at, "this quote is never closed", format!("close it with {c}")));
                    }
                }
            }
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' => {
                return Some(Slip::new(at, "this is a typographic quote", "use plain quotes: \""));
            }
            '=' if after == '=' && at_or(at + 2) == '=' => {
                return Some(Slip::new(at, "=== is not known here", "compare with =="));
            }
            '=' if after == '=' => at += 1,
            '=' if after == '>' => return Some(Slip::new(at, "=> is not known here", "at least is written >=")),
            '=' if after == '<' => return Some(Slip::new(at, "=< is not known here", "at most is written <=")),
            '=' if matches!(before, '!' | '<' | '>') => {}
            '=' => {
                return Some(Slip::new(
                    at,
                    "= does not compare",
                    "compare with ==, as in request.type == \"teaching_generation\"",
                ));
            }
            '<' if after == '>' => return Some(Slip::new(at, "<> is not known here", "unequal is written !=")),
            '&' | '|' if after == c => at += 1,
            '&' | '|' => {
                return Some(Slip::new(
                    at,
                    format!("a single {c} joins nothing"),
                    format!("join conditions with {c}{c}"),
                ));
            }
            ';' => return Some(Slip::new(at, "; does not belong here", "join conditions with && or ||")),
            '(' | '[' | '{' => open.push((at, c)),
            ')' | ']' | '}' => match open.pop() {
                Some((_, opened)) if partner(opened) == c => {}
                Some((place, opened)) => {
                    return Some(Slip::new(
                        at,
                        format!("{c} does not close the {opened} at column {}", place + 1),
                        format!("close it with {}", partner(opened)),
                    ));
                }
                None => return Some(Slip::new(at, format!("{c} closes nothing"), "remove it, or open the bracket")),
            },
            c if c.is_alphabetic() || c == '_' => {
                let end =
                    (at..chars.len()).find(|&i| !at_or(i).is_alphanumeric() && at_or(i) != '_').unwrap_or(chars.len());
                let word: String = chars[at..end].iter().collect();
                let sign = match word.to_ascii_lowercase().as_str() {
                    "and" => Some("&&"),
                    "or" => Some("||"),
                    "not" => Some("!"),
                    "is" | "equals" | "eq" => Some("=="),
                    _ => None,
                };
                if let Some(sign) = sign.filter(|_| before != '.' && at_or(end) != '(') {
                    let remedy = match sign {
                        "!" => "negate with !, as in !request.stream",
                        "==" => "compare with ==",
                        _ => "join conditions with && and ||",
                    };
                    return Some(Slip::new(at, format!("{word} is written {sign} here"), remedy));
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    let (at, opened) = open.first().copied()?;
    Some(Slip::new(at, format!("this {opened} is never closed"), format!("close it with {}", partner(opened))))
}

fn partner(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// Where the quote that opens at `at` closes. Texts in three quotes may hold line ends; others may not.
fn closing(chars: &[char], at: usize, raw: bool) -> Option<usize> {
    let quote = *chars.get(at)?;
    let triple = chars.get(at + 1) == Some(&quote) && chars.get(at + 2) == Some(&quote);
    let mut i = at + if triple { 3 } else { 1 };
    while let Some(&c) = chars.get(i) {
        if c == '\\' && !raw {
            i += 2;
            continue;
        }
        if c == '\n' && !triple {
            return None;
        }
        if c == quote {
            if !triple {
                return Some(i);
            }
            if chars.get(i + 1) == Some(&quote) && chars.get(i + 2) == Some(&quote) {
                return Some(i + 2);
            }
        }
        i += 1;
    }
    None
}
