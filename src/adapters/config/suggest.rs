//! Finds the key or word somebody meant.

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
    let close = known
        .iter()
        .map(|other| (distance(&word.to_lowercase(), &other.to_lowercase()), *other))
        .min()
        .filter(|(far, other)| *far <= (other.len().max(word.len()) / 3).clamp(1, 3));
    close.map(|(_, other)| other).or_else(|| {
        let meant = ALSO.iter().filter(|(from, _)| from.eq_ignore_ascii_case(word)).map(|(_, to)| *to);
        meant.into_iter().find_map(|to| known.iter().copied().find(|other| *other == to))
    })
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let right: Vec<char> = right.chars().take(64).collect();
    let width = right.len() + 1;
    let mut cells = vec![0usize; (left.len() + 1) * width];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            let cell = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(left[i - 1] != right[j - 1]);
                let mut best = (cells[(i - 1) * width + j] + 1)
                    .min(cells[i * width + j - 1] + 1)
                    .min(cells[(i - 1) * width + j - 1] + same);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    best = best.min(cells[(i - 2) * width + j - 2] + 1);
                }
                best
            };
            cells[i * width + j] = cell;
        }
    }
    cells.last().copied().unwrap_or(0)
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
