//! Where keys stand in clear in a configuration, and what to look for to hide them: in findings, in differences, in
//! what is shown of a file, and in any text that leaves.

use super::findings::names_a_secret;
use super::path::Path;
use super::schema::{self, Shape};
use super::tree::Tree;
use serde_yaml::Value;

/// What is shown in the place of a key. No key itself: whoever takes what is shown for a file has to put it back.
pub const HIDDEN: &str = "(hidden)";

/// A shorter one is no key, and hiding it would take letters out of every word.
const SHORTEST: usize = 4;
/// The same for a part of what an address asks for.
const SHORTEST_OF_QUERY: usize = 8;

/// Whether a value here is a secret by the table of keys; what stands below one is too.
pub fn is_secret(path: &Path) -> bool {
    std::iter::successors(Some(path.clone()), Path::parent)
        .find_map(|path| schema::row(&path))
        .is_some_and(|row| matches!(row.shape, Shape::Secret | Shape::Secrets))
}

/// Whether everything below this key is secret although the table does not know it.
pub fn hides_all(key: &str, path: &Path) -> bool {
    names_a_secret(key) && schema::row(path).is_none()
}

/// Secrets among values.
pub fn of_values(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each(value, &Path::root(), false, &mut |path, text, secret| of_one(path, text, secret, &mut found));
    told_apart(found)
}

/// Secrets of a file, as they are meant and as their lines are written.
pub fn of_document(text: &str, tree: &Tree, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each(value, &Path::root(), false, &mut |path, meant, secret| {
        of_one(path, meant, secret, &mut found);
        if !secret || meant.contains("${") {
            return;
        }
        match tree.find(path).and_then(|node| text.get(node.span.clone())) {
            Some(written) => found.extend(written.lines().map(bare)),
            // Merged in from elsewhere: nobody can tell how its lines are broken.
            None => found.extend(meant.split_whitespace().map(str::to_owned)),
        }
    });
    told_apart(found)
}

/// Secrets of a text; `None` when it is no YAML.
pub fn of_text(text: &str) -> Option<Vec<String>> {
    let value = serde_yaml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
    Some(of_document(text, &Tree::parse(text), &value))
}

/// Where keys may stand in a text that cannot be parsed: below every name of a secret, as far as it is indented
/// deeper or goes on as a list.
pub fn loose(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut below: Option<usize> = None;
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if let Some(above) = below {
            if depth > above || (depth == above && bare.starts_with('-')) {
                found.extend(bare.split([',', '[', ']', '{', '}', ':']).map(plain).filter(|word| !word.is_empty()));
                continue;
            }
            below = None;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let first = bare.trim_start_matches(['-', ' ', '?']).split(':').next().unwrap_or_default();
        let last = bare.trim_end_matches(|c| !word(c)).rsplit(|c| !word(c)).next().unwrap_or_default();
        if names_a_secret(first.trim_matches(['"', '\''])) || (!bare.ends_with(word) && names_a_secret(last)) {
            below = Some(depth);
        }
    }
    told_apart(found)
}

fn plain(word: &str) -> String {
    bare(word.trim().trim_start_matches("- ")).trim_matches('-').to_owned()
}

fn bare(line: &str) -> String {
    line.trim().trim_matches(['"', '\'', '\\', ' ']).to_owned()
}

/// Every scalar but switches, with whether it is a secret.
fn each(value: &Value, path: &Path, secret: bool, seen: &mut impl FnMut(&Path, &str, bool)) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                let key = key.as_str().unwrap_or_default();
                let at = path.key(key);
                each(value, &at, secret || hides_all(key, &at), seen);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                each(item, &path.index(index), secret, seen);
            }
        }
        Value::Tagged(tagged) => each(&tagged.value, path, secret, seen),
        Value::String(text) => seen(path, text, secret || is_secret(path)),
        Value::Number(number) => seen(path, &number.to_string(), secret || is_secret(path)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn of_one(path: &Path, text: &str, secret: bool, found: &mut Vec<String>) {
    if secret {
        // The default of a reference is a key in clear too.
        let defaults = text.split("${").skip(1).filter_map(|part| part.split_once(":-"));
        found.extend(defaults.map(|(_, rest)| rest.split('}').next().unwrap_or(rest).to_owned()));
        if !text.contains("${") {
            found.push(text.trim().to_owned());
            found.extend(text.lines().map(|line| line.trim().to_owned()));
        }
    }
    found.extend(user_of_address(text));
    // A prompt that mentions a page holds no key of anybody's.
    let whole = !text.trim().contains(char::is_whitespace);
    if whole || schema::row(path).is_some_and(|row| row.shape == Shape::Address) {
        found.extend(query_of_address(text));
    }
}

/// Each once, those first that may hold others, none too short to be hidden.
pub fn told_apart(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.chars().count() >= SHORTEST);
    secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
    secrets
}

/// The user and password of an address: together, and each.
pub fn user_of_address(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("://") else { return Vec::new() };
    let user = rest.split('/').next().unwrap_or_default().rsplit_once('@').map(|(user, _)| user);
    user.into_iter().flat_map(|user| std::iter::once(user).chain(user.split(':'))).map(str::to_owned).collect()
}

/// What follows the `?` of an address: whole, and of its parts those that could be a key and are no word of every file,
/// as `true` is.
fn query_of_address(text: &str) -> Vec<String> {
    let query = text.split_once("://").and_then(|(_, rest)| rest.split_once('?')).map(|(_, query)| query);
    let long = |part: &&str| part.chars().count() >= SHORTEST_OF_QUERY;
    let parts = |query: &'_ str| query.split(['&', '=', '#']).filter(long).map(str::to_owned).collect::<Vec<_>>();
    query.into_iter().flat_map(|query| std::iter::once(query.to_owned()).chain(parts(query))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_text_that_cannot_be_parsed_are_found_by_the_names_above_them() {
        let text = "gateway:\n  api_keys:\n    - hunter2x\n    - 'swordfish'\n  listen: [\nproviders:\n- id: a\n  authToken: >\n    folded-secret\n  endpoint: http://127.0.0.1:1\n";
        assert_eq!(of_text(text), None);
        let found = loose(text);
        for secret in ["hunter2x", "swordfish", "folded-secret"] {
            assert!(found.iter().any(|word| word == secret), "{secret} in {found:?}");
        }
        assert!(!found.iter().any(|word| word.contains("127.0.0.1")), "{found:?}");
        let broken = "providers: [{ id: a, authToken:\n      swordfish, nonsense: 1 }\n";
        assert!(loose(broken).iter().any(|word| word == "swordfish"), "{:?}", loose(broken));
    }

    #[test]
    fn words_of_prompts_and_short_parts_of_addresses_hide_nothing_elsewhere() {
        let text = "lm_studio:\n  system_prompt: see https://docs.example/?lang=en&full=true-or-not first\nproviders:\n  - endpoint: http://127.0.0.1:1/?page=local&on=true\n";
        assert_eq!(of_text(text).unwrap(), ["page=local&on=true"]);
    }

    #[test]
    fn a_key_is_known_as_it_is_meant_and_as_its_lines_are_written() {
        let text = "gateway:\n  api_keys: [12345678, '${A:-fallback}']\nproviders:\n  - authToken: >-\n      first part\n      second\n    password: { deep: [hidden-too] }\n    endpoint: http://user:pass-word@host/?sig=abcdef12\n";
        let found = of_text(text).unwrap();
        for secret in
            ["12345678", "fallback", "first part second", "first part", "second", "hidden-too", "pass-word", "abcdef12"]
        {
            assert!(found.iter().any(|word| word == secret), "{secret} in {found:?}");
        }
        let place = |secret: &str| found.iter().position(|word| word == secret);
        assert!(place("first part second") < place("first part"), "the longer one is replaced first");
    }
}
