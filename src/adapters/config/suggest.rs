//! Finds the key or word somebody meant.

use crate::domain::near::slips;

/// Other spellings that people bring along from elsewhere, and the key they mean here.
const ALSO: &[(&str, &str)] = &[
    ("api_key", "authToken"),
    ("apikey", "authToken"),
    ("auth_token", "authToken"),
    ("token", "authToken"),
    ("key", "authToken"),
    ("authToken", "api_key"),
    ("base_url", "endpoint"),
    ("api_base", "endpoint"),
    ("api_endpoint", "endpoint"),
    ("url", "endpoint"),
    ("address", "endpoint"),
    ("endpoint", "base_url"),
    ("endpoint", "api_endpoint"),
    ("base_url", "api_endpoint"),
    ("kind", "type"),
    ("provider", "type"),
    ("type", "provider"),
    ("title", "name"),
    ("model", "models"),
    ("model", "model_name"),
    ("disabled", "enabled"),
    ("rules", "policies"),
    ("condition", "when"),
    ("lmstudio", "lm_studio"),
    ("zai", "z_ai_glm"),
];

/// The closest of `known`, when one is close enough to be a slip or is another word for the same.
pub fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close =
        known.iter().filter_map(|other| Some((slips(&word.to_lowercase(), &other.to_lowercase())?, *other))).min();
    close.map(|(_, other)| other).or_else(|| {
        let meant = ALSO.iter().filter(|(from, _)| from.eq_ignore_ascii_case(word)).map(|(_, to)| *to);
        meant.into_iter().find_map(|to| known.iter().copied().find(|other| *other == to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_other_spellings_find_their_key() {
        let keys = ["id", "name", "type", "endpoint", "authToken", "enabled", "models"];
        for (word, meant) in [
            ("endpont", Some("endpoint")),
            ("enpdoint", Some("endpoint")),
            ("autToken", Some("authToken")),
            ("api_key", Some("authToken")),
            ("base_url", Some("endpoint")),
            ("kind", Some("type")),
            ("modles", Some("models")),
            ("something_else", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &keys), meant, "{word}");
        }
    }
}
