//! How long and how many the answers to a client's own request may be: read where it says so, written into it where
//! it does not. A length that its server may not read, or reads otherwise, is no bound.

use super::raw_body::Members;
use crate::domain::budget::{Choices, LEAST_ANSWER_TOKENS};
use crate::domain::call::Work;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::kind::Kind;
use crate::domain::model::length::{self, NEW, OLD};
use serde_json::value::RawValue;

/// What the length is called as well: by llama.cpp, Ollama, text-generation-inference, the Responses interface.
const OTHERS: [&str; 4] = ["n_predict", "num_predict", "max_new_tokens", "max_output_tokens"];
/// How many answers are written, whoever sees them.
const COUNTS: [&str; 4] = ["n", "best_of", "n_cmpl", "num_return_sequences"];

/// Who is asked, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub kind: Kind,
    pub host: &'a str,
    pub model: &'a str,
    pub work: Work,
    /// Tokens of an answer whose request names no length.
    pub usual: u64,
    /// What cannot be bounded is refused.
    pub strict: bool,
}

impl Asked<'_> {
    /// The name by which the server surely knows the length.
    fn name(self) -> &'static str {
        length::name(self.kind, self.host, self.model, self.work)
    }
}

/// The body with the length of its answer in it, and what it asks for in all. One that says all of it stays as it
/// came.
///
/// # Errors
/// `invalid_request`, with the member: a number in it bounds nothing.
pub fn bounded(json: &str, mut body: Members<'_>, asked: Asked<'_>) -> Result<(String, Choices), Failure> {
    let tries = most(&body, &COUNTS, asked.strict)?.unwrap_or(1).max(1);
    let count = tries.saturating_mul(prompts(&body, asked.work));
    let named = most(&body, &[OLD, NEW], asked.strict)?.max(most(&body, &OTHERS, asked.strict)?);
    // To some servers none is as good as not said.
    if asked.strict && named == Some(0) && asked.work == Work::Chat {
        let why =
            "which some servers take for no length at all: under budget.daily_limit it is a whole number from 1 on";
        return Err(Failure::plain(ErrorCode::InvalidRequest, format!("the length of the answer is 0, {why}")));
    }
    let max_tokens = named.unwrap_or(asked.usual);
    let name = asked.name();
    let says = |name: &str| body.all(name).any(|value| count_of(value).is_some());
    let understood = says(name) || (name == NEW && says(OLD) && body.get(NEW).is_none());
    let json = if understood {
        json.to_owned()
    } else {
        body.remove(if name == OLD { NEW } else { OLD });
        body.set(name, max_tokens.to_string());
        body.write()
    };
    let least = if asked.work == Work::Chat { LEAST_ANSWER_TOKENS } else { 0 };
    Ok((json, Choices { max_tokens: max_tokens.max(least), count }))
}

/// The largest of the numbers that stand under any of these names.
fn most(body: &Members<'_>, names: &[&str], strict: bool) -> Result<Option<u64>, Failure> {
    let mut largest = None;
    for name in names {
        for written in body.all(name).map(str::trim).filter(|written| *written != "null") {
            match count_of(written) {
                Some(count) => largest = largest.max(Some(count)),
                None if strict => return Err(no_count(name, written)),
                None => {}
            }
        }
    }
    Ok(largest)
}

fn count_of(written: &str) -> Option<u64> {
    written.trim().parse().ok()
}

fn no_count(name: &str, written: &str) -> Failure {
    let written: String = written.chars().take(40).collect();
    Failure::plain(
        ErrorCode::InvalidRequest,
        format!(
            "{name} is {written}: under budget.daily_limit it has to be a whole number, as in \"{name}\": 8, or what the call may cost cannot be known"
        ),
    )
}

/// The prompts of a text completion: texts, or lists of tokens; one list of tokens is one prompt.
fn prompts(body: &Members<'_>, work: Work) -> u64 {
    let Some(prompt) = body.get("prompt").filter(|_| work == Work::Completion) else { return 1 };
    let is_token = |one: &&RawValue| one.get().trim_start().starts_with(|c: char| c.is_ascii_digit());
    serde_json::from_str::<Vec<&RawValue>>(prompt)
        .map_or(1, |prompts| prompts.iter().filter(|one| !is_token(one)).count().max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn asked(kind: Kind) -> Asked<'static> {
        Asked { kind, host: "127.0.0.1", model: "m", work: Work::Chat, usual: 4096, strict: true }
    }

    fn read(json: &str, asked: Asked<'_>) -> Result<(String, Choices), Failure> {
        bounded(json, Members::read(json).unwrap(), asked)
    }

    fn sent(json: &str, asked: Asked<'_>) -> (Value, Choices) {
        let (json, choices) = read(json, asked).unwrap();
        (serde_json::from_str(&json).unwrap(), choices)
    }

    #[test]
    fn a_number_that_servers_read_otherwise_is_refused_by_its_name() {
        for (json, name) in [
            (r#"{"n":8.0,"max_tokens":5}"#, "n is 8.0"),
            (r#"{"n":8e0}"#, "n is 8e0"),
            (r#"{"n":"8"}"#, "n is \"8\""),
            (r#"{"max_completion_tokens":1,"max_tokens":100000.0}"#, "max_tokens is 100000.0"),
            (r#"{"max_tokens":-1}"#, "max_tokens is -1"),
            (r#"{"best_of":[3]}"#, "best_of is [3]"),
            (r#"{"max_tokens":0}"#, "length of the answer is 0"),
        ] {
            let refused = read(json, asked(Kind::OpenaiCompatible)).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidRequest, "{json}");
            assert!(refused.message.contains(name), "{json}: {}", refused.message);
            let lenient = Asked { strict: false, ..asked(Kind::LmStudio) };
            assert!(read(json, lenient).is_ok(), "whom the limit does not stop is not asked for numbers: {json}");
        }
    }

    #[test]
    fn the_length_goes_out_by_the_name_that_the_server_knows() {
        let own = r#"{"max_completion_tokens":9}"#;
        for kind in [Kind::OpenaiCompatible, Kind::Openrouter, Kind::Vllm, Kind::ZAiGlm] {
            let (body, choices) = sent(own, asked(kind));
            assert_eq!((&body["max_tokens"], body.get(NEW), choices.max_tokens), (&9.into(), None, 16), "{kind:?}");
        }
        let newer = Asked { model: "gpt-5.5", ..asked(Kind::OpenaiCompatible) };
        let azure = Asked { host: "mine.openai.azure.com", ..asked(Kind::OpenaiCompatible) };
        for asked in [asked(Kind::Openai), newer, azure] {
            assert_eq!(read(own, asked).unwrap().0, own);
            assert_eq!(sent("{}", asked).0[NEW], 4096);
        }
        // What is null says nothing, and must not hide what does.
        let (body, _) = sent(r#"{"max_tokens":null,"max_completion_tokens":100}"#, asked(Kind::ZAiGlm));
        assert_eq!((&body["max_tokens"], body.get(NEW)), (&100.into(), None));
        let completion = Asked { work: Work::Completion, ..asked(Kind::OpenaiCompatible) };
        assert_eq!(sent(own, completion).0["max_tokens"], 9, "text completions know the old name alone");
    }

    #[test]
    fn every_name_of_a_length_and_of_a_count_is_looked_at() {
        let json = r#"{"max_tokens":1,"n_predict":900,"n":2,"n_cmpl":7}"#;
        let (_, choices) = sent(json, asked(Kind::OpenaiCompatible));
        assert_eq!((choices.max_tokens, choices.count), (900, 7));
    }
}
