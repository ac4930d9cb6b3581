//! What an attempt may cost at most, put aside before it goes out. Where a request says nothing of the length of
//! its answer, the bound is written into it: a bound that is not sent is none.

use super::super::live::Live;
use super::super::till::{Held, Refused, Till};
use super::account::price_of_target;
use super::inputs::{nothing_beside, sizes_of};
use super::lengths::{Asked, bounded};
use super::raw_body::Members;
use crate::domain::budget::{Bound, Choices, LEAST_ANSWER_TOKENS, Sizes, WhenExhausted};
use crate::domain::call::{Body, Work};
use crate::domain::config::Profile;
use crate::domain::failure::{ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::domain::kind::Kind;
use crate::domain::money::Money;
use std::sync::Arc;

/// What stands around a message besides its text.
const MESSAGE_FRAME: u64 = 16;

/// The answer of an older text completion where the request names no length: what `OpenAI` documents.
const OPENAI_COMPLETION_TOKENS: u64 = 16;

/// The body as it is to be sent, and what it may cost, put aside; nothing for what is free or has no limit.
///
/// # Errors
/// `budget`: the day's limit does not reach, the price or what the request costs at it is unknown, or the store
/// cannot be used. `invalid_request`: the body, or a number in it that bounds the answer, cannot be read.
pub async fn reserve(
    till: &Arc<Till>,
    live: &Live,
    target: &Target,
    profile: &Profile,
    body: Body,
) -> Result<(Body, Option<Held>), Failure> {
    let money = &live.config.money;
    let Some(limit) = money.daily_limit else { return Ok((body, None)) };
    let Some(price) = price_of_target(target, live) else {
        return if money.allow_unpriced { Ok((body, None)) } else { Err(unpriced(target)) };
    };
    if price.is_free() {
        return Ok((body, None));
    }
    // What one's own machine costs is counted and stops nobody. A nearby server with a price of its own may be a
    // proxy that buys elsewhere.
    let near = live.world.providers.iter().any(|known| known.id == target.provider && known.reach.is_local());
    let own = near && price.input == money.local_price && price.output == money.local_price;
    let overdraw = own || money.when_exhausted == WhenExhausted::Warn;
    let asked = Asked {
        kind: profile.kind,
        host: &profile.endpoint.host,
        model: target.model.as_str(),
        work: Work::Chat,
        usual: profile.settings_for(&target.model).max_tokens.unwrap_or(live.config.limits.default_max_tokens),
        strict: !overdraw,
    };
    let context = live.world.model(target).and_then(|model| model.context);
    let (body, sizes, choices) = measure(body, asked, context)?;
    let bound = Bound::of(&price, sizes, choices).amount;
    match till.reserve(money, limit, bound, overdraw).await {
        Ok(held) => Ok((body, Some(held))),
        Err(Refused::Short { left }) => Err(short(target, limit, left, bound)),
        Err(Refused::Store(sentence)) => Err(Failure::plain(
            ErrorCode::Budget,
            format!("the day's limit cannot be kept, so {target} was not asked: {sentence}"),
        )),
    }
}

pub fn unpriced(target: &Target) -> Failure {
    Failure::plain(
        ErrorCode::Budget,
        format!(
            "{target} has no known price, and a daily limit is set: give its model a price in the configuration, or set budget.allow_unpriced"
        ),
    )
}

fn short(target: &Target, limit: Money, left: Money, bound: Money) -> Failure {
    Failure::plain(
        ErrorCode::Budget,
        format!(
            "the day's limit of {limit} leaves {left}, and this call may cost up to {bound} at {target}: lower max_tokens, raise budget.daily_limit, or ask a local model"
        ),
    )
}

/// The body with the length of its answer bounded, and what its price depends on.
fn measure(body: Body, asked: Asked<'_>, context: Option<u64>) -> Result<(Body, Sizes, Choices), Failure> {
    let strict = asked.strict;
    match body {
        Body::Chat { messages, max_tokens, temperature, stream } => {
            let bytes = messages.iter().map(|message| message.content.len() as u64 + MESSAGE_FRAME).sum();
            let max_tokens = max_tokens.unwrap_or(asked.usual);
            let sizes = Sizes { bytes, ..Sizes::default() };
            let body = Body::Chat { messages, max_tokens: Some(max_tokens), temperature, stream };
            Ok((body, sizes, Choices { max_tokens: max_tokens.max(LEAST_ANSWER_TOKENS), count: 1 }))
        }
        Body::RawOpenaiEmbeddings { json } => {
            let sizes = sizes_of(&json, context, strict)?;
            Ok((Body::RawOpenaiEmbeddings { json }, sizes, Choices { max_tokens: 0, count: 1 }))
        }
        Body::RawOpenaiChat { json } => {
            let (json, sizes, choices) = measure_raw(&json, asked, context)?;
            Ok((Body::RawOpenaiChat { json }, sizes, choices))
        }
        Body::RawOpenaiCompletion { json } => {
            let usual = if asked.kind == Kind::Openai { OPENAI_COMPLETION_TOKENS } else { asked.usual };
            let asked = Asked { usual, work: Work::Completion, ..asked };
            let (json, sizes, choices) = measure_raw(&json, asked, context)?;
            Ok((Body::RawOpenaiCompletion { json }, sizes, choices))
        }
    }
}

fn measure_raw(json: &str, asked: Asked<'_>, context: Option<u64>) -> Result<(String, Sizes, Choices), Failure> {
    let body = Members::read(json)?;
    if asked.strict {
        nothing_beside(&body)?;
    }
    let (json, choices) = bounded(json, body, asked)?;
    let sizes = sizes_of(&json, context, asked.strict)?;
    Ok((json, sizes, choices))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: Kind) -> Asked<'static> {
        Asked { kind, host: "127.0.0.1", model: "m", work: Work::Chat, usual: 4096, strict: true }
    }

    fn measured(json: &str, kind: Kind) -> (String, Sizes, Choices) {
        match measure(Body::RawOpenaiChat { json: json.into() }, asked(kind), None).unwrap() {
            (Body::RawOpenaiChat { json }, sizes, choices) => (json, sizes, choices),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_without_a_length_gets_the_one_that_was_reserved_for() {
        let (json, sizes, choices) = measured(r#"{"model":"m","messages":[]}"#, Kind::Anthropic);
        assert!(json.contains(r#""max_tokens":4096"#), "{json}");
        assert_eq!((choices.max_tokens, choices.count, sizes.bytes), (4096, 1, json.len() as u64));
        let (json, _, _) = measured(r#"{"model":"m"}"#, Kind::Openai);
        assert!(json.contains(r#""max_completion_tokens":4096"#), "{json}");
    }

    #[test]
    fn a_request_that_says_its_length_stays_as_it_came_to_the_byte() {
        let own = r#"{ "model":"m", "max_tokens": 10,"n":3,"max_completion_tokens":20 }"#;
        let (json, _, choices) = measured(own, Kind::Openai);
        assert_eq!((json.as_str(), choices.max_tokens, choices.count), (own, 20, 3));
    }

    #[test]
    fn every_prompt_of_a_completion_and_every_hidden_try_counts() {
        let json = r#"{"prompt":["a","b"],"n":2,"best_of":5,"max_tokens":7}"#.to_owned();
        let (_, _, choices) = measure(Body::RawOpenaiCompletion { json }, asked(Kind::Openai), None).unwrap();
        assert_eq!((choices.max_tokens, choices.count), (7, 10));
        let json = r#"{"prompt":[1,2,3]}"#.to_owned();
        let (_, _, choices) = measure(Body::RawOpenaiCompletion { json }, asked(Kind::Openai), None).unwrap();
        assert_eq!((choices.max_tokens, choices.count), (16, 1));
    }
}
