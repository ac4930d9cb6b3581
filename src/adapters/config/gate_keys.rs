//! The keys of the gateway: each a text, or a section with the name of its client.

use super::expand::Expanded;
use super::findings::Findings;
use super::path::Path;
use super::profiles::plain_text;
use crate::domain::config::{GatewayKey, Severity};
use crate::domain::secret::Secret;
use serde_yaml::Value;

/// The keys of `gateway.api_keys` that count; the name that every other client has is an error at its place. What is
/// missing or blank has been said before, and such an entry is no key of anybody's.
pub fn read(expanded: &Expanded, findings: &mut Findings<'_>) -> Vec<GatewayKey> {
    let list = Path::of("gateway.api_keys");
    let mut keys = Vec::new();
    for (index, item) in list.find(&expanded.value).and_then(Value::as_sequence).into_iter().flatten().enumerate() {
        let name = item.get("name").and_then(plain_text).filter(|name| !name.trim().is_empty());
        if item.is_mapping() && name.is_none() {
            continue;
        }
        // `*` is the word of `limits.clients` for any other client.
        if name.as_ref().is_some_and(|name| name.trim() == "*") {
            findings.value(
                Severity::Error,
                &list.index(index).key("name"),
                "the name of a key tells its client, and * does not",
                "write the client's name, or the key alone",
            );
            continue;
        }
        let at = list.index(index);
        let (at, written) = if item.is_mapping() { (at.key("key"), item.get("key")) } else { (at, Some(item)) };
        // What is empty was a variable's default.
        let Some(key) = written.and_then(plain_text).filter(|key| !key.trim().is_empty()) else { continue };
        let reference = expanded.references.get(&at).filter(|reference| reference.whole);
        let variable = reference.and_then(|reference| reference.names.first()).cloned();
        keys.push(GatewayKey { name: name.map(|name| name.trim().to_owned()), key: Secret::new(key), variable });
    }
    keys
}
