//! A condition after a provider got another id: `provider["old"]` and `provider.old` become `provider["new"]`, and
//! nothing else of the text changes.

use super::read;
use crate::domain::ids::ProviderId;

/// Whether the condition asks for this provider; one that cannot be read asks for nobody.
pub fn asks_for(text: &str, id: &str) -> bool {
    let id = ProviderId::from(id);
    read(text).is_ok_and(|condition| condition.reads().iter().any(|fact| fact.provider() == Some(&id)))
}

/// The condition with the new id; `None` where it is written so that this cannot be told from its text.
pub fn renamed(text: &str, from: &str, to: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // What stands before decides whether `provider` is a word of its own.
    let mut before = ' ';
    while let Some(sign) = rest.chars().next() {
        let taken = match sign {
            '"' | '\'' => literal(rest),
            'p' if !(before.is_ascii_alphanumeric() || "_.".contains(before)) => match asked(rest) {
                Some((id, length)) if id == from => {
                    out.extend(["provider[\"", to, "\"]"]);
                    (before, rest) = (']', rest.get(length..)?);
                    continue;
                }
                Some((_, length)) => length,
                None => 1,
            },
            _ => sign.len_utf8(),
        };
        let (now, after) = rest.split_at_checked(taken)?;
        out.push_str(now);
        before = now.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    let facts = |text: &str| Some(read(text).ok()?.reads().len());
    (!asks_for(&out, from) && facts(&out) == facts(text)).then_some(out)
}

/// The provider that a text at `provider` asks for, and where what follows begins.
fn asked(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix("provider")?.trim_start();
    if let Some(inner) = rest.strip_prefix('[') {
        let inner = inner.trim_start();
        let length = literal(inner);
        let id = inner.get(1..length.checked_sub(1)?)?;
        let after = inner.get(length..)?.trim_start().strip_prefix(']')?;
        return inner.starts_with(['"', '\'']).then_some((id, text.len() - after.len()));
    }
    let name = rest.strip_prefix('.')?.trim_start();
    let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
    Some((name.get(..length)?, text.len() - name.len() + length))
}

/// Bytes of the text in quotes that begins here.
fn literal(text: &str) -> usize {
    let mut signs = text.char_indices();
    let open = signs.next().map(|(_, open)| open);
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' {
            signs.next();
        } else if Some(sign) == open {
            return at + sign.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_provider_is_renamed() {
        for (text, made) in [
            ("provider[\"zai\"].up", "provider[\"glm\"].up"),
            ("!provider [ 'zai' ] .up && time.hour > 3", "!provider[\"glm\"] .up && time.hour > 3"),
            ("provider.zai.up || provider.zai2.up", "provider[\"glm\"].up || provider.zai2.up"),
            (
                "request.tags.note == 'provider[\"zai\"]' && provider['zai'].p50_ms > 5",
                "request.tags.note == 'provider[\"zai\"]' && provider[\"glm\"].p50_ms > 5",
            ),
            ("request.type == \"zai\"", "request.type == \"zai\""),
        ] {
            assert_eq!(renamed(text, "zai", "glm").as_deref(), Some(made), "{text}");
        }
        // An escape in the id is read by the grammar alone.
        assert!(asks_for("provider[\"z\\x61i\"].up", "zai"));
        assert_eq!(renamed("provider[\"z\\x61i\"].up", "zai", "glm"), None);
    }
}
