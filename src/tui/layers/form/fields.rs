//! The values of the form: what was typed, what is wrong with it, and the draft it makes.

use crate::domain::config::KeySource;
use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;
use crate::engine::protocol::{DraftSecret, ProviderDraft, ProviderView, Snapshot};
use crate::present::tips::Field;
use crate::tui::widgets::line::Line;

#[derive(Debug, Clone)]
pub struct Fields {
    pub kind: Kind,
    pub id: Line,
    pub name: Line,
    pub address: Line,
    pub models: Line,
    pub local: bool,
    pub enabled: bool,
    /// A key being typed; `None` leaves the one that is.
    pub key: Option<Line>,
    pub kept_key: KeySource,
}

impl Fields {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            id: Line::default(),
            name: Line::default(),
            address: Line::new(kind.default_endpoint().unwrap_or_default()),
            models: Line::default(),
            local: false,
            enabled: true,
            key: None,
            kept_key: KeySource::None,
        }
    }

    pub fn of(provider: &ProviderView) -> Self {
        let models: Vec<&str> = provider.named_models.iter().map(crate::domain::ids::ModelId::as_str).collect();
        let name = if provider.name == provider.id.as_str() { "" } else { &provider.name };
        Self {
            kind: provider.kind,
            id: Line::new(provider.id.as_str()),
            name: Line::new(name),
            address: Line::new(provider.endpoint.written.as_str()),
            models: Line::new(models.join(", ")),
            local: provider.local,
            enabled: provider.enabled,
            key: None,
            kept_key: provider.key_source.clone(),
        }
    }

    /// The line of a field that takes text; the key's begins empty when something is typed into it.
    pub fn line_mut(&mut self, field: Field) -> Option<&mut Line> {
        match field {
            Field::Id => Some(&mut self.id),
            Field::Name => Some(&mut self.name),
            Field::Address => Some(&mut self.address),
            Field::Models => Some(&mut self.models),
            Field::Key => Some(self.key.get_or_insert_default()),
            Field::Kind | Field::Local | Field::Enabled => None,
        }
    }

    pub fn is_text(field: Field) -> bool {
        !matches!(field, Field::Kind | Field::Local | Field::Enabled)
    }

    /// What stands in the key's place: where it comes from, or stars; never its text.
    pub fn key_shown(&self) -> String {
        match &self.key {
            Some(line) if line.is_empty() => "(none)".into(),
            // What stands after :- could be the key itself.
            Some(line) if is_reference(line.value()) => match line.value().split_once(":-") {
                Some((name, _)) => format!("{name}:-...}}"),
                None => line.value().to_owned(),
            },
            Some(line) => "*".repeat(line.value().chars().count().min(24)),
            None => match (&self.kept_key, self.kind.key_variable()) {
                (KeySource::Variable { name }, _) => format!("from {name}"),
                (KeySource::File { tail: Some(tail) }, _) => format!("stored, ends {tail}"),
                (KeySource::File { tail: None }, _) => "stored".into(),
                (KeySource::None, Some(name)) => format!("(none: {name} is used when it is set)"),
                (KeySource::None, None) => "(none)".into(),
            },
        }
    }

    pub fn draft(&self) -> ProviderDraft {
        let models: Vec<String> =
            self.models.value().split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned).collect();
        ProviderDraft {
            id: self.id.value().trim().to_owned(),
            name: Some(self.name.value().trim().to_owned()),
            kind: Some(self.kind),
            endpoint: self.address.value().trim().to_owned(),
            auth_token: self.key.as_ref().map(|line| DraftSecret(line.value().trim().to_owned())),
            models: Some(models),
            local: Some(self.local),
            enabled: Some(self.enabled),
        }
    }

    /// What an edit of the provider whose fields were `before` changes, and nothing else.
    pub fn changes_of(&self, before: &Self) -> ProviderDraft {
        let (mine, theirs) = (self.draft(), before.draft());
        ProviderDraft {
            id: mine.id,
            name: mine.name.filter(|name| theirs.name.as_ref() != Some(name)),
            kind: mine.kind.filter(|kind| theirs.kind != Some(*kind)),
            endpoint: if mine.endpoint == theirs.endpoint { String::new() } else { mine.endpoint },
            auth_token: mine.auth_token,
            models: mine.models.filter(|models| theirs.models.as_ref() != Some(models)),
            local: mine.local.filter(|local| theirs.local != Some(*local)),
            enabled: mine.enabled.filter(|enabled| theirs.enabled != Some(*enabled)),
        }
    }

    /// Whether a field says the same in both.
    fn agrees(&self, other: &Self, field: Field) -> bool {
        match field {
            Field::Kind => self.kind == other.kind,
            Field::Local => self.local == other.local,
            Field::Enabled => self.enabled == other.enabled,
            Field::Id => self.id.value().trim() == other.id.value().trim(),
            Field::Name => self.name.value().trim() == other.name.value().trim(),
            Field::Address => self.address.value().trim() == other.address.value().trim(),
            Field::Models => self.draft().models == other.draft().models,
            Field::Key => self.key.is_none() && other.key.is_none() && self.kept_key == other.kept_key,
        }
    }

    /// Takes over what changed elsewhere from `before` to `now`, except in fields that the person changed. The answer:
    /// which fields others changed, each with whether the person's own text stands in it.
    pub fn follow(&mut self, before: &Self, now: &Self) -> Vec<(Field, bool)> {
        let mut found = Vec::new();
        for field in Field::ALL {
            if now.agrees(before, field) || self.agrees(now, field) {
                continue;
            }
            let own = match field {
                Field::Key => self.key.is_some(),
                _ => !self.agrees(before, field),
            };
            if !own {
                self.take(field, now);
            }
            found.push((field, own));
        }
        self.kept_key = now.kept_key.clone();
        found
    }

    fn take(&mut self, field: Field, from: &Self) {
        match field {
            Field::Kind => self.kind = from.kind,
            Field::Local => self.local = from.local,
            Field::Enabled => self.enabled = from.enabled,
            Field::Id => self.id = from.id.clone(),
            Field::Name => self.name = from.name.clone(),
            Field::Address => self.address = from.address.clone(),
            Field::Models => self.models = from.models.clone(),
            // What is kept is taken over in any case.
            Field::Key => {}
        }
    }

    /// A value in the form it will be saved in, when its field is left.
    pub fn tidy(&mut self, field: Field) -> Option<String> {
        match field {
            Field::Id => self.id.set(self.id.value().trim().to_owned()),
            Field::Address => {
                let (base, removed) = super::paste::base_of(self.address.value().trim());
                let scheme = missing_scheme(&base, self.kind);
                let base = scheme.unwrap_or_default().to_owned() + &base;
                if base != self.address.value() {
                    self.address.set(base);
                }
                return removed
                    .map(|end| format!("{end} removed"))
                    .or_else(|| scheme.map(|scheme| format!("{scheme} put before it")));
            }
            Field::Key => {
                // The name of a variable alone is meant as a reference to it.
                if let Some(line) = self.key.as_mut().filter(|line| is_variable(line.value())) {
                    line.set(format!("${{{}}}", line.value()));
                }
                let bare = |line: &&Line| !line.is_empty() && !line.value().starts_with("${");
                return self.key.as_ref().filter(bare).map(|_| "readable in the file: better ${NAME}".to_owned());
            }
            _ => {}
        }
        None
    }

    /// What is wrong with a field, in words; `own` is the provider being edited.
    pub fn complaint(&self, field: Field, own: Option<&ProviderId>, snapshot: &Snapshot) -> Option<String> {
        match field {
            Field::Id => self.id_complaint(own, snapshot),
            Field::Address => address_complaint(self.address.value().trim(), self.kind),
            Field::Key => {
                let text = self.key.as_ref().map(Line::value).unwrap_or_default();
                (text.starts_with("${") && !is_reference(text))
                    .then(|| "a reference is written ${NAME}, with small or capital letters, digits and _".to_owned())
            }
            _ => None,
        }
    }

    fn id_complaint(&self, own: Option<&ProviderId>, snapshot: &Snapshot) -> Option<String> {
        let id = self.id.value().trim();
        if let Err(why) = ProviderId::check(id) {
            return Some(why.to_owned());
        }
        let taken = standing(snapshot).find(|p| p.id.as_str() == id && own != Some(&p.id))?;
        let line = taken.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        Some(format!("{id} is taken{line}. Free: {}", free_id(id, snapshot)))
    }

    /// An id from address and kind, unlike every other.
    pub fn proposed_id(&self, snapshot: &Snapshot) -> String {
        let host = host_of(self.address.value());
        let named = !self.kind.is_vendor() && host.parse::<std::net::IpAddr>().is_err() && host != "localhost";
        let label = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let stem = if named && ProviderId::check(&label).is_ok() { label } else { self.kind.word().to_owned() };
        free_id(&stem, snapshot)
    }
}

/// Providers whose ids are taken: those only found on this machine give way to what is saved.
fn standing(snapshot: &Snapshot) -> impl Iterator<Item = &ProviderView> {
    snapshot.providers.iter().map(AsRef::as_ref).filter(|provider| !provider.is_discovered())
}

/// `stem`, or the first of `stem_2`, `stem_3` … that no provider has.
pub fn free_id(stem: &str, snapshot: &Snapshot) -> String {
    let taken = |id: &str| standing(snapshot).any(|provider| provider.id.as_str() == id);
    if !taken(stem) {
        return stem.to_owned();
    }
    // One more number than there are providers is always free.
    let numbers = 2..snapshot.providers.len() + 3;
    numbers.map(|n| format!("{stem}_{n}")).find(|id| !taken(id)).unwrap_or_else(|| stem.to_owned())
}

fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']'])
}

/// What belongs before an address that is a host, with a port perhaps.
fn missing_scheme(address: &str, kind: Kind) -> Option<&'static str> {
    let host = address.split('/').next().unwrap_or(address);
    let meant = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let like_a_host = host.contains(['.', ':']) || host == "localhost";
    let bare = !address.contains("://") && like_a_host && host.chars().all(meant) && !host.starts_with([':', '.']);
    bare.then(|| if kind.is_vendor() { "https://" } else { "http://" })
}

fn address_complaint(address: &str, kind: Kind) -> Option<String> {
    let example = kind.default_endpoint().unwrap_or("http://192.168.1.20:8000");
    if address.is_empty() {
        return Some(format!("an address is needed, as in {example}"));
    }
    if address.contains("${") {
        return None;
    }
    let Some(rest) = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")) else {
        return Some(format!("it begins with http:// or https://: {example}"));
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    if authority.contains('@') {
        return Some("a name or key in the address would be shown everywhere: put the key into its own field".into());
    }
    if address.chars().any(|c| c.is_whitespace() || c.is_control()) || host_of(address).is_empty() {
        return Some(format!("no host can be read from it: write it as in {example}"));
    }
    let port = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map(|(_, port)| port);
    match port {
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => None,
        Some(_) => Some("a port is a number from 1 to 65535".into()),
        None => None,
    }
}

/// `${NAME}` or `${NAME:-default}`.
pub fn is_reference(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    let name = inner.map(|inner| inner.split_once(":-").map_or(inner, |(name, _)| name));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Looks like the name of a variable, never like a key.
fn is_variable(text: &str) -> bool {
    let known_end = ["_KEY", "_TOKEN", "_SECRET"].iter().any(|end| text.ends_with(end));
    known_end && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_reached_is_refused_in_words() {
        for (address, part) in [
            ("", "is needed"),
            ("192.168.1.20:8080", "begins with http"),
            ("ftp://x", "begins with http"),
            ("http://", "no host"),
            ("http://host:99999", "1 to 65535"),
            ("http://host:port", "1 to 65535"),
            ("http://user:key@host", "its own field"),
            ("http://a b", "no host"),
        ] {
            let said = address_complaint(address, Kind::LlamaCpp).unwrap_or_else(|| panic!("{address}"));
            assert!(said.contains(part), "{address}: {said}");
        }
        for address in [
            "http://127.0.0.1:1234",
            "https://api.z.ai/api/paas/v4",
            "http://[::1]:8080/v1",
            "${MY_URL}",
            "http://[::1]",
        ] {
            assert_eq!(address_complaint(address, Kind::LlamaCpp), None, "{address}");
        }
    }

    #[test]
    fn a_host_without_its_scheme_gets_one() {
        for (typed, kind, becomes) in [
            ("192.168.1.20:8080", Kind::LlamaCpp, "http://192.168.1.20:8080"),
            ("localhost:1234/v1/models", Kind::LmStudio, "http://localhost:1234/v1/models"),
            ("[::1]:8080", Kind::LlamaCpp, "http://[::1]:8080"),
            ("models.example", Kind::Openai, "https://models.example"),
            ("ftp://x", Kind::LlamaCpp, "ftp://x"),
            ("${MY_URL}", Kind::LlamaCpp, "${MY_URL}"),
            ("user@host:80", Kind::LlamaCpp, "user@host:80"),
            ("nonsense", Kind::LlamaCpp, "nonsense"),
            ("", Kind::LlamaCpp, ""),
        ] {
            let mut fields = Fields::new(kind);
            fields.address.set(typed.to_owned());
            fields.tidy(Field::Address);
            assert_eq!(fields.address.value(), becomes);
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let mut fields = Fields::new(Kind::Openai);
        fields.key = Some(Line::new("sk-proj-abcdef"));
        assert_eq!(fields.key_shown(), "**************");
        fields.key = Some(Line::new("OPENAI_API_KEY"));
        assert!(fields.tidy(Field::Key).is_none());
        assert_eq!(fields.key_shown(), "${OPENAI_API_KEY}");
        fields.key = Some(Line::new("sk-proj-abcdef"));
        assert!(fields.tidy(Field::Key).is_some_and(|said| said.contains("readable in the file")));
        fields.key = None;
        fields.kept_key = KeySource::File { tail: Some("41c9".into()) };
        assert_eq!(fields.key_shown(), "stored, ends 41c9");
    }
}
