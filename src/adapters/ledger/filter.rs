//! The filter language of calls: words and `key:value` conditions, from the text a person types to values.
//! What they mean in SQL is `search`'s business; no text of a person ever becomes SQL text.

use crate::domain::call::Status;
use crate::domain::money::Money;
use std::fmt;

/// Conditions of one filter at most: more is a paste gone wrong, not a question.
pub const MAX_TERMS: usize = 32;
/// Characters of one filter at most.
pub const MAX_CHARS: usize = 2000;

/// Every term must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    pub terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub negated: bool,
    pub test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Any text field holds it.
    Word(String),
    Text {
        field: TextField,
        value: String,
        /// `key:=value`: the whole field, not a part of it.
        exact: bool,
    },
    /// Any of these.
    Status(Vec<Status>),
    /// Not older than this many milliseconds.
    Since(i64),
    Number {
        field: NumberField,
        compare: Compare,
        /// In the column's unit.
        value: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    Provider,
    Model,
    Target,
    Client,
    Type,
    Policy,
    Error,
    Session,
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    /// Pico-dollars; written in dollars.
    Cost,
    /// Milliseconds.
    Ttft,
    /// Milliseconds.
    Duration,
    /// In and out together.
    Tokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Counts characters from 1.
    pub at: usize,
    pub message: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter is not understood at character {}: {}", self.at, self.message)
    }
}

const TEXT_KEYS: [(&str, TextField); 9] = [
    ("provider", TextField::Provider),
    ("model", TextField::Model),
    ("target", TextField::Target),
    ("client", TextField::Client),
    ("type", TextField::Type),
    ("policy", TextField::Policy),
    ("error", TextField::Error),
    ("session", TextField::Session),
    ("tag", TextField::Tag),
];
const NUMBER_KEYS: [(&str, NumberField); 4] = [
    ("cost", NumberField::Cost),
    ("ttft", NumberField::Ttft),
    ("duration", NumberField::Duration),
    ("tokens", NumberField::Tokens),
];
const ALL_KEYS: &str =
    "provider, model, target, client, type, policy, error, session, tag, status, since, cost, ttft, duration, tokens";

/// Reads a filter as typed.
///
/// # Errors
/// The first thing that is wrong, with its place and what would be right.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    let mut terms = Vec::new();
    for piece in split(text)? {
        if terms.len() == MAX_TERMS {
            return Err(piece.error(format!("more than {MAX_TERMS} conditions: leave some out")));
        }
        terms.push(term(&piece)?);
    }
    Ok(Filter { terms })
}

/// A piece between blanks, quotes taken off.
struct Piece {
    at: usize,
    text: String,
    /// Bytes of `text` before the first character that stood in quotes; separators count only there.
    bare: usize,
}

impl Piece {
    fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError { at: self.at, message: message.into() }
    }
}

fn split(text: &str) -> Result<Vec<Piece>, FilterError> {
    let mut pieces = Vec::new();
    let mut open: Option<Piece> = None;
    let mut quote: Option<usize> = None;
    let mut seen_quote = false;
    for (index, c) in text.chars().enumerate() {
        let at = index + 1;
        if at > MAX_CHARS {
            return Err(FilterError { at, message: format!("more than {MAX_CHARS} characters: leave some out") });
        }
        if quote.is_none() && c.is_whitespace() {
            pieces.extend(open.take());
            seen_quote = false;
            continue;
        }
        let piece = open.get_or_insert_with(|| Piece { at, text: String::new(), bare: 0 });
        if c == '"' {
            quote = if quote.is_some() { None } else { Some(at) };
            seen_quote = true;
            continue;
        }
        piece.text.push(c);
        if !seen_quote {
            piece.bare = piece.text.len();
        }
    }
    if let Some(at) = quote {
        return Err(FilterError { at, message: "this quote is not closed: write the second one".into() });
    }
    pieces.extend(open);
    Ok(pieces)
}

fn term(piece: &Piece) -> Result<Term, FilterError> {
    let negated = piece.bare > 0 && piece.text.starts_with('-');
    let skip = usize::from(negated);
    let (word, bare) = (&piece.text[skip..], piece.bare - skip);
    if word.is_empty() {
        let wanted =
            if negated { "a word or key:value must follow the -" } else { "there is nothing between the quotes" };
        return Err(piece.error(wanted));
    }
    let test = match word[..bare].find([':', '<', '>', '=']) {
        Some(end) => condition(piece, &word[..end], &word[end..])?,
        None => Test::Word(word.to_owned()),
    };
    Ok(Term { negated, test })
}

/// `rest` begins with the separator.
fn condition(piece: &Piece, key: &str, rest: &str) -> Result<Test, FilterError> {
    let value = rest.strip_prefix(':');
    if let Some((_, field)) = NUMBER_KEYS.iter().find(|(name, _)| *name == key) {
        return number(piece, key, *field, value.unwrap_or(rest));
    }
    // `a=b` and `x>y` are words like any other: tags look like that.
    let Some(value) = value else { return Ok(Test::Word(format!("{key}{rest}"))) };
    if let Some((_, field)) = TEXT_KEYS.iter().find(|(name, _)| *name == key) {
        let (exact, value) = value.strip_prefix('=').map_or((false, value), |whole| (true, whole));
        if value.is_empty() && !exact {
            return Err(piece.error(format!("{key}: needs a value, or {key}:= for calls without one")));
        }
        return Ok(Test::Text { field: *field, value: value.to_owned(), exact });
    }
    match key {
        "status" => status(piece, value),
        "since" => since(piece, value),
        _ => Err(piece
            .error(format!("`{key}` is no key: use one of {ALL_KEYS}; or put the word in quotes: \"{key}{rest}\""))),
    }
}

fn status(piece: &Piece, value: &str) -> Result<Test, FilterError> {
    let all = [Status::Ok, Status::Error, Status::Denied, Status::Cancelled];
    let wanted = match value {
        "failed" => vec![Status::Error, Status::Denied],
        word => all.into_iter().filter(|status| status.word() == word).collect(),
    };
    if wanted.is_empty() {
        return Err(piece.error("status is ok, error, denied, cancelled, or failed (error and denied)"));
    }
    Ok(Test::Status(wanted))
}

fn since(piece: &Piece, value: &str) -> Result<Test, FilterError> {
    let wrong = || piece.error("since wants a number and a unit, as in since:30m, since:2h, since:1d");
    let unit = value.chars().last().ok_or_else(wrong)?;
    let unit_ms: i64 = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return Err(wrong()),
    };
    let count = digits(&value[..value.len() - 1]).ok_or_else(wrong)?;
    count.checked_mul(unit_ms).map(Test::Since).ok_or_else(wrong)
}

fn number(piece: &Piece, key: &str, field: NumberField, text: &str) -> Result<Test, FilterError> {
    let operators = [
        (">=", Compare::AtLeast),
        ("<=", Compare::AtMost),
        (">", Compare::More),
        ("<", Compare::Less),
        ("=", Compare::Equal),
    ];
    let (compare, value) = operators
        .into_iter()
        .find_map(|(sign, compare)| text.strip_prefix(sign).map(|value| (compare, value)))
        .unwrap_or((Compare::Equal, text));
    let (value, example) = match field {
        NumberField::Cost => (dollars(value), "0.01"),
        NumberField::Ttft | NumberField::Duration => (milliseconds(value), "500 (milliseconds), or as in 1.5s"),
        NumberField::Tokens => (digits(value), "1000"),
    };
    let value = value.ok_or_else(|| piece.error(format!("{key} wants > or < and a number, as in {key}:>{example}")))?;
    Ok(Test::Number { field, compare, value })
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn decimal(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok())?
}

fn dollars(text: &str) -> Option<i64> {
    let amount = Money::from_dollars(decimal(text.strip_prefix('$').unwrap_or(text))?)?;
    Some(amount.0)
}

fn milliseconds(text: &str) -> Option<i64> {
    if let Some(ms) = text.strip_suffix("ms") {
        return digits(ms);
    }
    let Some(seconds) = text.strip_suffix('s') else { return digits(text) };
    let ms = decimal(seconds)? * 1000.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked in the same expression")]
    (0.0..9e15).contains(&ms).then(|| ms.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Term {
        let mut terms = parse(text).unwrap().terms;
        assert_eq!(terms.len(), 1, "{text}");
        terms.remove(0)
    }

    fn wrong(text: &str) -> FilterError {
        parse(text).unwrap_err()
    }

    #[test]
    fn words_conditions_and_negation() {
        let filter = parse("dspy -provider:openai status:failed").unwrap();
        assert_eq!(
            filter.terms,
            [
                Term { negated: false, test: Test::Word("dspy".into()) },
                Term {
                    negated: true,
                    test: Test::Text { field: TextField::Provider, value: "openai".into(), exact: false }
                },
                Term { negated: false, test: Test::Status(vec![Status::Error, Status::Denied]) },
            ]
        );
        assert_eq!(parse("  ").unwrap(), Filter::default());
    }

    #[test]
    fn numbers_with_and_without_the_colon_and_in_their_units() {
        for text in ["cost:>0.01", "cost>0.01", "cost:>$0.01"] {
            assert_eq!(
                one(text).test,
                Test::Number { field: NumberField::Cost, compare: Compare::More, value: 10_000_000_000 },
                "{text}"
            );
        }
        for text in ["ttft:>=1500", "ttft>=1500ms", "ttft>=1.5s"] {
            assert_eq!(
                one(text).test,
                Test::Number { field: NumberField::Ttft, compare: Compare::AtLeast, value: 1500 },
                "{text}"
            );
        }
        assert_eq!(one("since:2h").test, Test::Since(7_200_000));
        assert_eq!(
            one("tokens:7").test,
            Test::Number { field: NumberField::Tokens, compare: Compare::Equal, value: 7 }
        );
    }

    #[test]
    fn quotes_hold_blanks_and_take_a_key_s_meaning_away() {
        assert_eq!(one("\"two words\"").test, Test::Word("two words".into()));
        assert_eq!(one("\"qwen2.5:7b\"").test, Test::Word("qwen2.5:7b".into()));
        assert_eq!(one("\"-x\""), Term { negated: false, test: Test::Word("-x".into()) });
        assert_eq!(
            one("client:\"my app\"").test,
            Test::Text { field: TextField::Client, value: "my app".into(), exact: false }
        );
        assert_eq!(one("team=red").test, Test::Word("team=red".into()));
        assert_eq!(
            one("model:qwen2.5:7b").test,
            Test::Text { field: TextField::Model, value: "qwen2.5:7b".into(), exact: false }
        );
        assert_eq!(
            one("provider:=openai").test,
            Test::Text { field: TextField::Provider, value: "openai".into(), exact: true }
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
        let error = wrong("ok providr:zai");
        assert_eq!(error.at, 4);
        assert!(error.to_string().starts_with("the filter is not understood at character 4: `providr` is no key"));
        assert!(wrong("a status:bad").message.contains("ok, error, denied"));
        assert!(wrong("since:2").message.contains("since:2h"));
        assert!(wrong("since:9999999999999999w").message.contains("since:2h"));
        assert!(wrong("cost:>abc").message.contains("cost:>0.01"));
        assert!(wrong("cost:>-1").message.contains("cost:>0.01"));
        assert!(wrong("é \"open").message.contains("not closed"));
        assert_eq!(wrong("é \"open").at, 3);
        assert!(wrong("provider:").message.contains("needs a value"));
        assert!(wrong("-").message.contains("follow the -"));
        assert!(wrong("\"\"").message.contains("between the quotes"));
        assert_eq!(wrong(&"w ".repeat(MAX_TERMS + 1)).at, MAX_TERMS * 2 + 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_errors_point_into_the_text(text in "\\PC{0,60}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.at >= 1 && error.at <= text.chars().count());
            }
        }

        #[test]
        fn the_letters_of_the_language_in_any_order_do_no_harm(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "-", "\"", ":", ">", "<", "=", " ", "cost", "since", "status", "tag", "tokens", "failed", "2h",
                    "0.01", "9999999999999999999", "$", ".", "é", "x",
                ]),
                0..30,
            )
        ) {
            let text = parts.concat();
            if let Err(error) = parse(&text) {
                prop_assert!(error.at >= 1 && error.at <= text.chars().count());
            }
        }

        #[test]
        fn a_word_in_quotes_is_that_word(word in "[^\"]{1,20}") {
            let filter = parse(&format!("\"{word}\"")).unwrap();
            prop_assert_eq!(filter.terms, [Term { negated: false, test: Test::Word(word) }]);
        }
    }
}
