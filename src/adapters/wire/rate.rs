//! The headers in which vendors tell what is left of their limits. Each has its own names and its own way to
//! write a time: a duration (`6m0s`), a date, seconds from now, or since 1970 in seconds or milliseconds.

use crate::domain::rate::{RateState, RateUnit, RateWindow};
use crate::domain::time::{UnixMs, span};
use http::HeaderMap;
use std::time::Duration;

/// Windows further away than this were misread.
const LONGEST: Duration = Duration::from_hours(24 * 32);

/// Names of the count that is left, of the limit, of the reset; and what is counted.
const NAMES: [(&str, &str, &str, RateUnit); 9] = {
    use RateUnit::{InputTokens, OutputTokens, Requests, Tokens};
    [
        // OpenAI
        ("x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests", Requests),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens", Tokens),
        // Anthropic
        (
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-reset",
            Requests,
        ),
        (
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-reset",
            Tokens,
        ),
        (
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-reset",
            InputTokens,
        ),
        (
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-reset",
            OutputTokens,
        ),
        // OpenRouter and many others
        ("x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset", Requests),
        ("x-rate-limit-remaining", "x-rate-limit-limit", "x-rate-limit-reset", Requests),
        ("ratelimit-remaining", "ratelimit-limit", "ratelimit-reset", Requests),
    ]
};

/// What the headers of an answer say; `None` when they say nothing of limits.
pub fn read(headers: &HeaderMap, now: UnixMs) -> Option<RateState> {
    // Most answers, and all of local servers, have none of the names: they are not looked up one by one.
    if !headers.keys().any(|name| name.as_str().contains("rate")) {
        return None;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let mut windows = Vec::new();
    for (remaining, limit, reset, counts) in NAMES {
        let Some(remaining) = text(remaining).and_then(count) else { continue };
        let resets_at = text(reset).and_then(|text| time(text, now));
        windows.push(RateWindow { counts, limit: text(limit).and_then(count), remaining, resets_at });
    }
    (!windows.is_empty()).then_some(RateState { at: now, windows })
}

/// A whole number; some write `100.0`, and a limit may carry its window behind (`100;w=60`).
fn count(text: &str) -> Option<u64> {
    let number = text.split([';', ',']).next()?.trim();
    number.parse().ok().or_else(|| {
        let value: f64 = number.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        (0.0..9e15).contains(&value).then_some(value as u64)
    })
}

fn time(text: &str, now: UnixMs) -> Option<UnixMs> {
    let at = if let Ok(date) = text.parse::<jiff::Timestamp>() {
        UnixMs(date.as_millisecond())
    } else if let Ok(number) = text.parse::<f64>() {
        match number {
            _ if !(0.0..1e15).contains(&number) => return None,
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
            _ if number > 1e11 => UnixMs(number as i64),
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
            _ if number > 1e9 => UnixMs((number * 1000.0) as i64),
            _ => now.plus(Duration::from_secs_f64(number)),
        }
    } else {
        now.plus(span(text)?)
    };
    (at.since(now) <= LONGEST).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMs = UnixMs(1_780_000_000_000);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_way_to_write_a_reset_is_understood() {
        for (text, seconds) in [
            ("1s", Some(1.0)),
            ("12ms", Some(0.012)),
            ("6m0s", Some(360.0)),
            ("1h2m3.5s", Some(3723.5)),
            ("30", Some(30.0)),
            ("1780000060", Some(60.0)),
            ("1780000060000", Some(60.0)),
            ("2026-05-28T20:26:50Z", Some(10.0)),
            ("soon", None),
            ("", None),
            ("-4", None),
            ("99999h", None),
        ] {
            let found = time(text, NOW).map(|at| at.since(NOW).as_secs_f64());
            assert_eq!(found, seconds, "{text}");
        }
    }

    #[test]
    fn each_vendor_s_names_are_known() {
        let openai = headers(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "482"),
            ("x-ratelimit-reset-requests", "12s"),
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "1m30s"),
        ]);
        let state = read(&openai, NOW).unwrap();
        assert_eq!(state.windows.len(), 2);
        assert_eq!(state.exhausted_until(NOW), Some(NOW.plus(Duration::from_secs(90))));
        assert_eq!(state.current(NOW)[0].counts, RateUnit::Tokens);
        let anthropic = headers(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-05-28T20:26:50Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "30000"),
        ]);
        let state = read(&anthropic, NOW).unwrap();
        assert_eq!(state.windows[0].limit, Some(50));
        assert_eq!(state.windows[1].counts, RateUnit::InputTokens);
        assert_eq!(state.exhausted_until(NOW), None);
        let router = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1780000060000")]);
        assert_eq!(read(&router, NOW).unwrap().exhausted_until(NOW), Some(UnixMs(1_780_000_060_000)));
        assert_eq!(read(&headers(&[("content-type", "text/plain")]), NOW), None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_left(text in "[ -~]{0,30}") {
            let map = headers(&[("x-ratelimit-remaining", &text), ("x-ratelimit-reset", &text)]);
            let _ = read(&map, NOW);
            let _ = time(&text, NOW);
        }
    }
}
