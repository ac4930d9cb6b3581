//! A condition looked at while it is typed: what it reads, or what is wrong and how far that reaches.

use super::read;
use crate::domain::routing::condition::{FACTS, Fact};
use crate::engine::protocol::{ConditionCheck, ConditionSlip};

/// Looks at a condition; pure, and fast enough for every key.
pub fn examine(text: &str) -> ConditionCheck {
    match read(text) {
        Ok(condition) => ConditionCheck {
            slip: None,
            reads: condition.reads().iter().map(|fact| (fact.to_string(), type_of(fact).to_owned())).collect(),
        },
        Err(slip) => {
            let (at, length) = span(text, slip.at);
            let slip = ConditionSlip { at, length, message: slip.message, remedy: slip.remedy };
            ConditionCheck { slip: Some(slip), reads: Vec::new() }
        }
    }
}

/// Where what stands at a place begins, and its characters: a whole name or number, a run of signs, or one.
fn span(text: &str, at: usize) -> (usize, usize) {
    let named = |c: &char| c.is_alphanumeric() || *c == '_';
    let chars: Vec<char> = text.chars().collect();
    let rest = chars.get(at..).unwrap_or_default();
    if rest.first() == Some(&'.') {
        // The grammar places a path at its last dot: it is meant as a whole.
        let before = chars[..at].iter().rev().take_while(|c| named(c) || **c == '.').count();
        let behind = rest[1..].iter().take_while(|c| named(c)).count();
        return (at - before, before + 1 + behind);
    }
    let word = rest.iter().take_while(|c| named(c)).count();
    let signs = rest.iter().take_while(|c| "=!<>&|".contains(**c)).count();
    (at, word.max(signs).max(1))
}

/// The type of a fact, in the words of the list of facts.
fn type_of(fact: &Fact) -> &'static str {
    if matches!(fact, Fact::Tag(_)) {
        return crate::domain::routing::condition::FactType::Text.word();
    }
    let name = match fact.provider() {
        Some(_) => format!("provider[\"ID\"].{}", fact.to_string().rsplit('.').next().unwrap_or_default()),
        None => fact.to_string(),
    };
    FACTS.iter().find(|named| named.name == name).map_or("", |named| named.kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_reaches_over_the_whole_word_and_a_good_one_says_what_it_reads() {
        let check = examine("request.prompt_tokens > 24000 && request.audeince == \"scholar\"");
        let slip = check.slip.unwrap();
        assert_eq!((slip.at, slip.length), (41, 8), "{slip:?}");
        let slip = examine("request.stream && request.audience").slip.unwrap();
        assert_eq!((slip.at, slip.length), (18, 16), "{slip:?}");
        let check = examine("provider[\"zai\"].p50_ms > 100 && request.tags.privacy == \"high\" || time.hour < 6");
        assert_eq!(check.slip, None);
        let reads: Vec<(&str, &str)> = check.reads.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        assert_eq!(
            reads,
            [
                ("provider[\"zai\"].p50_ms", "a whole number"),
                ("request.tags.privacy", "text"),
                ("time.hour", "a whole number")
            ]
        );
        assert_eq!(examine(""), ConditionCheck::default());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_typed_has_a_place_within_it(text in "[a-z.&|=<>\"' ()0-9é]{0,40}") {
            if let Some(slip) = examine(&text).slip {
                proptest::prop_assert!(slip.at <= text.chars().count() && slip.length > 0);
            }
        }
    }
}
