//! Token counts in words: what a call used, and what a vendor counted before it was sent.

use super::units;
use crate::domain::call::Usage;
use crate::engine::protocol::TokenCount;

/// `26,112 in (24,000 cached, 1,200 written to the cache), 612 out (80 reasoning)`; what is 0 is left out.
pub fn words(usage: &Usage) -> String {
    let part = |tokens: u64, what: &str| (tokens > 0).then(|| format!("{} {what}", units::thousands(tokens)));
    let within = |parts: &[Option<String>]| {
        let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    };
    let cache = within(&[part(usage.cached, "cached"), part(usage.cache_written, "written to the cache")]);
    let thought = within(&[part(usage.reasoning, "reasoning")]);
    format!("{} in{cache}, {} out{thought}", units::thousands(usage.input), units::thousands(usage.output))
}

/// `1,204 tokens, counted by Anthropic`.
pub fn counted(count: &TokenCount) -> String {
    format!("{}, counted by {}", units::count(count.tokens, "token", "tokens"), count.by.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_with_their_parts() {
        let plain = Usage { input: 12, output: 3, ..Usage::default() };
        assert_eq!(words(&plain), "12 in, 3 out");
        let full = Usage {
            input: 26_112,
            output: 612,
            cached: 24_000,
            reasoning: 80,
            cache_written: 1200,
            cache_written_hour: 0,
        };
        assert_eq!(words(&full), "26,112 in (24,000 cached, 1,200 written to the cache), 612 out (80 reasoning)");
    }
}
