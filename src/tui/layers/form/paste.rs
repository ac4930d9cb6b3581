//! What a pasted text says about a provider: a base URL, a curl line, a block of environment settings.

use crate::domain::kind::Kind;
use crate::present::tips::Field;
use crate::tui::layers::confirm::Confirm;
use crate::tui::part::Effect;

/// What could be read from a paste.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pasted {
    pub kind: Option<Kind>,
    /// The kind is named, by a vendor's host or a variable of its own; else it is a guess by the port.
    pub names_kind: bool,
    pub address: Option<String>,
    /// `${NAME}`, or a key as it stood there.
    pub key: Option<String>,
    /// What was taken off the address, as in `/v1/chat/completions`.
    pub removed: Option<String>,
}

/// Ends of a URL that name one call, not the server.
const CALLS: [&str; 8] = [
    "/v1/chat/completions",
    "/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/models",
];

/// Reads a paste; `None` when it names no address and no key.
pub fn read(text: &str) -> Option<Pasted> {
    let mut pasted = Pasted::default();
    if let Some(url) = first_url(text) {
        let (address, removed) = base_of(&url);
        pasted.guess_kind(&address);
        pasted.address = Some(address);
        pasted.removed = removed;
    }
    for line in text.lines() {
        settings(line, &mut pasted);
    }
    if pasted.key.is_none() {
        pasted.key = header_key(text);
    }
    (pasted.address.is_some() || pasted.key.is_some()).then_some(pasted)
}

impl Pasted {
    fn guess_kind(&mut self, address: &str) {
        self.names_kind = vendor_of(address).is_some();
        self.kind = Some(kind_of(address));
    }

    fn name_kind(&mut self, kind: Kind) {
        self.names_kind = true;
        self.kind = Some(kind);
    }

    /// The kind that it makes of a form: what a provider is that stands in the file no port tells better.
    pub fn kind_for(&self, edits: bool) -> Option<Kind> {
        self.kind.filter(|_| self.names_kind || !edits)
    }
}

/// The question what to do with a paste that is more than the text of the field with the focus: it may hold a key,
/// which no field but one hides. `edits`: the form is of a provider that stands in the file.
pub fn question(text: &str, focus: Field, edits: bool) -> Option<Confirm> {
    let is_address = text.trim().starts_with("http") && !text.trim().contains(char::is_whitespace);
    let pasted = read(text).filter(|_| !is_address)?;
    // A name or a list of models may well hold an address, as any text may.
    if pasted.key.is_none() && matches!(focus, Field::Id | Field::Name | Field::Models) {
        return None;
    }
    let kind = pasted.kind_for(edits).map(|kind| format!("  Kind      {}", kind.label()));
    let address = pasted.address.as_ref().map(|address| format!("  Address   {address}"));
    let key = pasted.key.as_ref().map(|key| {
        let shown = if super::fields::is_reference(key) { key } else { "as it stands there, hidden" };
        format!("  Key       {shown}")
    });
    let mut lines: Vec<String> = kind.into_iter().chain(address).chain(key).collect();
    lines.push("It takes the place of what stands there; the other fields stay.".to_owned());
    let asks = Confirm::new("Fill the form from the paste?", lines, "Leave the form as it is");
    Some(asks.with("Fill it", Effect::Hand(text.to_owned())))
}

fn first_url(text: &str) -> Option<String> {
    let start = text.find("https://").into_iter().chain(text.find("http://")).min()?;
    let end_of = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>\\,;)".contains(c);
    let url = text[start..].split(end_of).next()?;
    (url.len() > "https://".len()).then(|| url.to_owned())
}

/// The base of a URL, and what was taken off its end.
pub fn base_of(url: &str) -> (String, Option<String>) {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let trimmed = url.trim_end_matches('/');
    for call in CALLS {
        if let Some(base) = trimmed.strip_suffix(call).filter(|base| base.contains("://")) {
            return (base.to_owned(), Some(call.to_owned()));
        }
    }
    (trimmed.to_owned(), None)
}

/// By the vendor's host, else by the port a kind is known for.
pub fn kind_of(address: &str) -> Kind {
    vendor_of(address).unwrap_or(match authority_of(address).rsplit_once(':').map(|(_, port)| port) {
        Some("1234") => Kind::LmStudio,
        Some("11434") => Kind::Ollama,
        Some("8080" | "9931") => Kind::LlamaCpp,
        Some("8000") => Kind::Vllm,
        _ => Kind::OpenaiCompatible,
    })
}

fn vendor_of(address: &str) -> Option<Kind> {
    let authority = authority_of(address);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    Kind::ALL.into_iter().find(|kind| kind.vendor_hosts().contains(&host))
}

fn authority_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// `export NAME=value`: a name that ends in a word for a key becomes a reference to it.
fn settings(line: &str, pasted: &mut Pasted) {
    let line = line.trim().trim_start_matches("export ").trim_start_matches("set ");
    let Some((name, value)) = line.split_once('=') else { return };
    let name = name.trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
        return;
    }
    if ["KEY", "TOKEN"].iter().any(|end| name.ends_with(end)) {
        pasted.key = Some(format!("${{{name}}}"));
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.key_variable() == Some(name)) {
            pasted.name_kind(kind);
        }
        return;
    }
    let value = value.trim().trim_matches(['"', '\'']);
    if ["URL", "BASE", "HOST", "ENDPOINT"].iter().any(|end| name.ends_with(end)) && !value.is_empty() {
        let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let (address, removed) = base_of(&url);
        match Kind::ALL.into_iter().find(|kind| kind.address_variable() == Some(name)) {
            Some(kind) => pasted.name_kind(kind),
            None if pasted.kind.is_none() => pasted.guess_kind(&address),
            None => {}
        }
        pasted.address = Some(address);
        pasted.removed = removed;
    }
}

/// `Authorization: Bearer …` and `x-api-key: …` of a curl line.
fn header_key(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let after = |head: &str| lower.find(head).map(|at| &text[at + head.len()..]);
    let rest = after("authorization: bearer ").or_else(|| after("x-api-key: "))?;
    let end_of = |c: char| c.is_whitespace() || c == '"' || c == '\'';
    let key = rest.trim_start().split(end_of).next().filter(|key| !key.is_empty())?;
    let name = key.strip_prefix("${").and_then(|name| name.strip_suffix('}')).or_else(|| key.strip_prefix('$'));
    Some(name.map_or_else(|| key.to_owned(), |name| format!("${{{name}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_line_becomes_address_kind_and_key_reference() {
        let text = "curl https://api.openai.com/v1/chat/completions \\\n  -H \"Authorization: Bearer $OPENAI_API_KEY\"";
        let pasted = read(text).unwrap();
        assert_eq!(pasted.address.as_deref(), Some("https://api.openai.com"));
        assert_eq!(pasted.removed.as_deref(), Some("/v1/chat/completions"));
        assert_eq!((pasted.kind, pasted.key.as_deref()), (Some(Kind::Openai), Some("${OPENAI_API_KEY}")));
    }

    #[test]
    fn an_env_block_names_its_key_and_never_carries_it() {
        let pasted =
            read("export Z_AI_API_KEY=sk-secret-1234\nLM_STUDIO_BASE_URL=\"http://100.88.3.7:1234/v1\"\n").unwrap();
        assert_eq!(pasted.key.as_deref(), Some("${Z_AI_API_KEY}"));
        assert_eq!(pasted.address.as_deref(), Some("http://100.88.3.7:1234/v1"));
        assert!(!format!("{pasted:?}").contains("sk-secret"));
    }

    #[test]
    fn a_base_url_is_told_by_its_port() {
        for (text, kind) in [
            ("http://127.0.0.1:1234", Kind::LmStudio),
            ("http://gpu-box:11434/", Kind::Ollama),
            ("http://10.0.0.2:8080", Kind::LlamaCpp),
            ("http://10.0.0.2:8000/v1", Kind::Vllm),
            ("https://openrouter.ai/api/v1/chat/completions", Kind::Openrouter),
            ("http://10.0.0.2:9999", Kind::OpenaiCompatible),
        ] {
            assert_eq!(read(text).unwrap().kind, Some(kind), "{text}");
        }
        assert_eq!(read("hello there"), None);
        assert_eq!(read(""), None);
    }
}
