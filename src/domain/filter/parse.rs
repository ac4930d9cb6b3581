//! From the text a person types to a filter. No text of a person ever becomes more than a value.

use super::{
    CACHE_WORDS, Compare, FAILED, Filter, FilterError, KEYS, MAX_CHARS, MAX_TERMS, NUMBER_KEYS, NumberField, PICO,
    TEXT_KEYS, Term, Test,
};
use crate::domain::call::Status;
use crate::domain::failure::ErrorCode;

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
    let tag = key.strip_prefix("tag.").filter(|name| !name.is_empty());
    let known = tag.is_some() || TEXT_KEYS.iter().any(|(name, _)| *name == key) || OTHER_KEYS.contains(&key);
    let Some(value) = value else {
        if known {
            return Err(piece.error(format!("{key} takes a colon: write {key}:{}", &rest[1..])));
        }
        // `a=b` and `x>y` are words like any other: tags look like that.
        return Ok(Test::Word(format!("{key}{rest}")));
    };
    if let Some(name) = tag {
        return Ok(Test::Tag { name: name.to_owned(), value: value.to_owned() });
    }
    if let Some((_, field)) = TEXT_KEYS.iter().find(|(name, _)| *name == key) {
        // In quotes it is a part of the value.
        let sign = piece.bare > piece.text.len() - value.len();
        let (exact, value) = value.strip_prefix('=').filter(|_| sign).map_or((false, value), |whole| (true, whole));
        if value.is_empty() && !exact {
            return Err(piece.error(format!("{key}: needs a value, or {key}:= for calls without one")));
        }
        return Ok(Test::Text { field: *field, value: value.to_owned(), exact });
    }
    match key {
        "status" => status(piece, value),
        "since" => since(piece, value),
        "cache" if CACHE_WORDS.contains(&value) => Ok(Test::Cache(value.to_owned())),
        "cache" => Err(piece.error("cache is hit, miss or off")),
        _ => {
            let keys: Vec<&str> = KEYS.iter().map(|(key, _)| key.trim_end_matches([':', '>', '.'])).collect();
            let keys = keys.join(", ");
            Err(piece
                .error(format!("`{key}` is no key: use one of {keys}; or put the word in quotes: \"{key}{rest}\"")))
        }
    }
}

/// Keys beside those of texts and numbers.
const OTHER_KEYS: [&str; 3] = ["status", "since", "cache"];

fn status(piece: &Piece, value: &str) -> Result<Test, FilterError> {
    if value == "failed" {
        return Ok(Test::Status(FAILED.to_vec()));
    }
    let all = [Status::Ok, Status::Error, Status::Denied, Status::Cancelled];
    let wanted: Option<Vec<Status>> =
        value.split(',').map(|word| all.into_iter().find(|status| status.word() == word)).collect();
    wanted.map(Test::Status).ok_or_else(|| {
        let words = "status is ok, error, denied, cancelled, or failed (error and denied)";
        if ErrorCode::ALL.iter().any(|code| code.word() == value) {
            return piece.error(format!("{words}; for the kind of error write error:{value}"));
        }
        piece.error(words)
    })
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
        NumberField::Cost => (fixed(value.strip_prefix('$').unwrap_or(value), PICO), "0.01"),
        NumberField::Ttft | NumberField::Duration => (milliseconds(value), "500 (milliseconds), or as in 1.5s"),
        NumberField::Tokens | NumberField::TokensIn | NumberField::TokensOut => (digits(value), "1000"),
        NumberField::Tries => (digits(value), "1"),
    };
    let value = value.ok_or_else(|| piece.error(format!("{key} wants > or < and a number, as in {key}:>{example}")))?;
    Ok(Test::Number { field, compare, value })
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A decimal number in units of which `one` are 1; what is smaller than a unit is left out.
fn fixed(text: &str, one: i64) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { digits(whole)?.checked_mul(one)? };
    let mut unit = one;
    let mut sum = whole;
    for digit in part.bytes() {
        unit /= 10;
        sum = sum.checked_add(i64::from(digit - b'0') * unit)?;
    }
    Some(sum)
}

fn milliseconds(text: &str) -> Option<i64> {
    if let Some(ms) = text.strip_suffix("ms") {
        return digits(ms);
    }
    let units = [('s', 1000), ('m', 60_000), ('h', 3_600_000)];
    match units.into_iter().find_map(|(unit, ms)| text.strip_suffix(unit).map(|count| (count, ms))) {
        Some((count, ms)) => fixed(count, ms),
        None => digits(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TextField, completions};
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
    fn tags_the_cache_lists_of_states_and_units() {
        assert_eq!(one("tag.team:red").test, Test::Tag { name: "team".into(), value: "red".into() });
        assert_eq!(one("tag.team:").test, Test::Tag { name: "team".into(), value: String::new() });
        assert_eq!(one("cache:hit").test, Test::Cache("hit".into()));
        assert_eq!(one("status:ok,cancelled").test, Test::Status(vec![Status::Ok, Status::Cancelled]));
        let more = |field, value| Test::Number { field, compare: Compare::More, value };
        assert_eq!(one("duration>2s").test, more(NumberField::Duration, 2000));
        assert_eq!(one("duration>1.5m").test, more(NumberField::Duration, 90_000));
        assert_eq!(one("tries>1").test, more(NumberField::Tries, 1));
        assert_eq!(one("tokens_out>500").test, more(NumberField::TokensOut, 500));
        assert_eq!(one("cost>9000.000000000001").test, more(NumberField::Cost, 9_000_000_000_000_001));
        assert_eq!(
            one("provider:\"=x\"").test,
            Test::Text { field: TextField::Provider, value: "=x".into(), exact: false }
        );
    }

    #[test]
    fn every_example_of_a_key_is_understood_and_every_key_completes() {
        for (key, example) in KEYS {
            assert!(example.starts_with(key) || key == "target:", "{key}: {example}");
            assert!(!matches!(one(example).test, Test::Word(_)), "{example}");
        }
        assert_eq!(completions("ok -pro"), (3, vec!["provider:"]));
        assert_eq!(completions("t").1, ["target:", "type:", "tag.", "ttft>", "tokens_in>", "tokens_out>", "tries>"]);
        assert_eq!(completions("provider:zai"), (12, vec![]));
        assert_eq!(completions("\"pro"), (0, vec![]));
        assert_eq!(completions("ok "), (0, vec![]));
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
        assert!(wrong("provider=zai").message.contains("write provider:zai"));
        assert!(wrong("status:rate_limit").message.contains("error:rate_limit"));
        assert!(wrong("cache:no").message.contains("hit, miss or off"));
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
                    "0.01", "9999999999999999999", "$", ".", "é", "x", "tag.", "tag.a:", "cache:", "hit", ",", "ms",
                ]),
                0..30,
            )
        ) {
            let text = parts.concat();
            match parse(&text) {
                Err(error) => prop_assert!(error.at >= 1 && error.at <= text.chars().count()),
                Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
            }
        }

        #[test]
        fn what_is_written_reads_as_the_same(
            parts in prop::collection::vec(
                ("-?", prop::sample::select(vec![
                    "provider:", "model:=", "type:", "tag.a-b:", "tag:", "cost>", "cost<=", "ttft:>=", "duration=",
                    "tokens_out>", "tries>", "since:", "status:", "cache:", "",
                ]), prop_oneof![
                    "[0-9]{1,7}(\\.[0-9]{1,12})?", "[0-9]{1,4}(s|m|h|d|w|ms)", "\"[^\"]{1,8}\"",
                    "(ok|error|denied),(ok|cancelled)", "hit", "failed", "\\PC{1,8}",
                ]).prop_map(|(minus, key, value)| format!("{minus}{key}{value}")),
                1..6,
            )
        ) {
            if let Ok(filter) = parse(&parts.join(" ")) {
                let written = filter.to_string();
                prop_assert_eq!(parse(&written), Ok(filter), "{}", written);
            }
        }

        #[test]
        fn a_word_in_quotes_is_that_word(word in "[^\"]{1,20}") {
            let filter = parse(&format!("\"{word}\"")).unwrap();
            prop_assert_eq!(filter.terms, [Term { negated: false, test: Test::Word(word) }]);
        }
    }
}
