//! OpenAI's Responses interface, for models that answer nowhere else: an OpenAI chat request in its form, its
//! answers in the chat shape.

pub mod answer;
pub mod request;
pub mod stream;

/// Pieces of names of models that OpenAI offers on `/v1/responses` and not on `/v1/chat/completions`: the vendor
/// answers those there with "This model is only supported in v1/responses". By its model pages and by reports of
/// that answer (codex-mini-latest, gpt-5-codex, o1-pro, o3-pro, gpt-4o-deep-research), read 2026-11-21.
const ONLY_THERE: [&str; 4] = ["codex", "pro", "deep-research", "computer-use-preview"];

/// Whether a model of OpenAI's answers only on the Responses interface.
pub fn only_there(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    // A fine-tuned model is named by people: `ft:gpt-4.1:acme:pro:1`.
    let name = name.strip_prefix("ft:").map_or(name, |rest| rest.split(':').next().unwrap_or(rest));
    ONLY_THERE.iter().any(|piece| {
        name.match_indices(piece).any(|(at, _)| {
            let before = name.get(..at).is_none_or(|before| before.is_empty() || before.ends_with('-'));
            let after = name.get(at + piece.len()..).is_none_or(|after| after.is_empty() || after.starts_with('-'));
            before && after
        })
    })
}

#[cfg(test)]
mod tests {
    use super::only_there;

    #[test]
    fn only_whole_words_of_a_name_count() {
        for model in ["gpt-5-codex", "codex-mini-latest", "o3-pro", "gpt-5.5-pro-2026-04-23", "o4-mini-deep-research"] {
            assert!(only_there(model), "{model}");
        }
        for model in ["gpt-4o", "gpt-6-sol", "ft:gpt-4.1:acme:pro:1", "professor-7b", "gpt-prose", "o3-mini"] {
            assert!(!only_there(model), "{model}");
        }
    }
}
