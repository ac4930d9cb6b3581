//! What one request can cost at most. A bound, not an estimate: a token is at least one byte, and an answer is no
//! longer than the limit that is sent with the request.

use crate::domain::money::{Money, Price};

/// Tokens counted for an image: what it costs does not follow from its bytes, and the size of one that the vendor
/// fetches does not even stand in the request. The dearest known image is about 48,000 tokens.
pub const HOSTED_INPUT_TOKENS: u64 = 50_000;

/// Tokens that a vendor adds to a request by itself: the frame of a chat, its instructions for tools.
const ADDED_TOKENS: u64 = 1024;

/// The fewest tokens that every dialect lets an answer have: who asks for fewer gets so many.
pub const LEAST_ANSWER_TOKENS: u64 = 16;

/// What of a request its price depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Bytes of the request.
    pub bytes: u64,
    /// Images, whoever fetches them.
    pub hosted_inputs: u64,
    /// The model's context in tokens, where the request holds a part that may fill it: a video, a document.
    pub filled_context: u64,
    /// Bytes of an expected answer that come with the request: what of it is wrong is billed as output.
    pub predicted: u64,
    /// The caller marks parts for the vendor's cache, which costs more to write than to read past.
    pub writes_cache: bool,
}

/// How long and how many the answers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Tokens of one answer; 0 for work without one, as embeddings.
    pub max_tokens: u64,
    /// `n`, or `best_of` where that is more.
    pub count: u64,
}

/// The most a request can cost, and how that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub amount: Money,
}

impl Bound {
    pub fn of(price: &Price, sizes: Sizes, choices: Choices) -> Self {
        let input_tokens = sizes
            .bytes
            .saturating_add(sizes.hosted_inputs.saturating_mul(HOSTED_INPUT_TOKENS))
            .saturating_add(sizes.filled_context)
            .saturating_add(ADDED_TOKENS);
        let output_tokens = choices.max_tokens.saturating_add(sizes.predicted).saturating_mul(choices.count.max(1));
        let or_none = Option::unwrap_or_default;
        // Some vendors write into their cache unasked.
        let mut dearest = price.input.max(or_none(price.cached_input)).max(or_none(price.cache_write));
        if sizes.writes_cache {
            // Where nobody says it, an hour's cache costs twice the input to write, the dearest there is.
            dearest = dearest.max(price.cache_write_hour.unwrap_or_default()).max(price.input.times(2));
        }
        let amount = dearest.times(input_tokens).saturating_add(price.output.times(output_tokens));
        Self { input_tokens, output_tokens, amount }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Usage;
    use proptest::prelude::*;

    #[test]
    fn a_bound_is_bytes_at_the_input_rate_and_every_answer_at_the_output_rate() {
        let price = Price::per_million(0.60, 2.20, Some(0.11)).unwrap();
        let sizes = Sizes { bytes: 1000, ..Sizes::default() };
        let bound = Bound::of(&price, sizes, Choices { max_tokens: 4096, count: 2 });
        assert_eq!((bound.input_tokens, bound.output_tokens), (2024, 8192));
        assert_eq!(bound.amount, price.of(2024, 0, 8192));
        let hosted = Bound::of(&price, Sizes { hosted_inputs: 1, ..sizes }, Choices { max_tokens: 0, count: 0 });
        assert_eq!((hosted.input_tokens, hosted.output_tokens), (52_024, 0));
        let filled = Sizes { filled_context: 65_536, predicted: 10, ..sizes };
        let filled = Bound::of(&price, filled, Choices { max_tokens: 100, count: 1 });
        assert_eq!((filled.input_tokens, filled.output_tokens), (67_560, 110));
        let cached = Bound::of(&price, Sizes { writes_cache: true, ..sizes }, Choices { max_tokens: 0, count: 1 });
        assert_eq!(cached.amount, price.input.times(4048));
    }

    proptest! {
        /// Whatever a vendor counts within the request's size and the answer's limit costs no more than the bound.
        #[test]
        fn no_call_costs_more_than_its_bound(
            rates in (0.0..1000.0f64, 0.0..1000.0f64, prop::option::of(0.0..1000.0f64)),
            bytes in 0u64..2_000_000,
            max_tokens in 0u64..200_000,
            count in 1u64..8,
            shares in (0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64),
            writes in (prop::option::of(0.0..2000.0f64), prop::option::of(0.0..4000.0f64)),
            writes_cache in any::<bool>(),
        ) {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
            let part = |whole: u64, share: f64| (whole as f64 * share) as u64;
            let price = Price::per_million(rates.0, rates.1, rates.2).unwrap().with_cache_writes(writes.0, writes.1);
            let input = part(bytes, shares.0);
            let cached = part(input, shares.1);
            let cache_written = part(input - cached, shares.3);
            let usage = Usage {
                input,
                output: part(max_tokens * count, shares.2),
                cached,
                cache_written,
                // Nothing is kept for an hour that was not marked to be.
                cache_written_hour: if writes_cache { part(cache_written, shares.4) } else { 0 },
                ..Usage::default()
            };
            let cost = price.of_usage(&usage);
            let sizes = Sizes { bytes, writes_cache, ..Sizes::default() };
            let bound = Bound::of(&price, sizes, Choices { max_tokens, count });
            prop_assert!(cost <= bound.amount);
        }
    }
}
