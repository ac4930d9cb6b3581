//! Makes one address out of the many ways people write it.

use crate::domain::config::Endpoint;
use crate::domain::kind::Kind;
use crate::domain::reach::{Reach, is_house_name};

/// An address and what was corrected on the way, each a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    pub endpoint: Endpoint,
    pub notes: Vec<String>,
}

/// Paths of single calls that people copy along with the address.
const CALLS: &[&str] = &["/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/models"];

/// Paths below a collector's address that people copy along with it.
const SIGNALS: &[&str] = &["/v1/traces", "/v1/metrics", "/v1/logs"];
/// Where collectors take OpenTelemetry data over HTTP.
const COLLECTOR_PORT: u16 = 4318;

/// Reads an address for a provider of this kind.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn normalise(written: &str, kind: Kind) -> Result<Normalised, String> {
    read(written, default_port(kind), "authToken", |host, path, notes| base_path(kind, host, path, notes))
}

/// Reads the address of an OpenTelemetry collector: `/v1/traces` and `/v1/metrics` go below it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn collector(written: &str) -> Result<Normalised, String> {
    read(written, Some(COLLECTOR_PORT), "OTEL_EXPORTER_OTLP_HEADERS", |_, path, notes| {
        let path: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
        match SIGNALS.iter().find_map(|signal| path.strip_suffix(signal)) {
            Some(base) => {
                notes.push("/v1/traces and /v1/metrics are put behind the collector's address".into());
                base.to_owned()
            }
            None => path,
        }
    })
}

/// `usual`: the port where nobody wrote one, nor a scheme. `keys`: the place for a key.
fn read(
    written: &str,
    usual: Option<u16>,
    keys: &str,
    base: impl FnOnce(&str, &str, &mut Vec<String>) -> String,
) -> Result<Normalised, String> {
    let text = written.trim();
    if text.is_empty() {
        return Err("an address is needed, such as http://127.0.0.1:1234".into());
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || "\\\"<>`{}|^".contains(*c)) {
        return Err(match odd {
            c if c.is_whitespace() => "an address holds no spaces".into(),
            c if c.is_ascii_graphic() => format!("an address holds no {c}"),
            _ => "an address holds plain ASCII only".into(),
        });
    }
    let (scheme, rest) = split_scheme(text)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains(['?', '#']) {
        return Err("an address ends before ? and #".into());
    }
    if authority.contains('@') {
        return Err(format!("an address holds no user name or password; a key belongs into {keys}"));
    }
    let mut notes = Vec::new();
    let (mut host, port) = split_authority(authority)?;
    if host.is_empty() || host == "0.0.0.0" || host == "[::]" {
        if host.is_empty() && port.is_none() {
            return Err("the address names no host".into());
        }
        if !host.is_empty() {
            notes.push(format!("{host} is where a server listens; 127.0.0.1 is asked instead"));
        }
        host = "127.0.0.1".into();
    }
    let tls = scheme.unwrap_or_else(|| {
        !(Reach::of_host(&host).is_local() || port.is_some_and(|port| port != 443) || is_house_name(&host))
    });
    // Without a scheme nobody meant port 80: a bare host is the kind's usual place.
    let own_port = if scheme.is_none() && !tls { usual } else { None };
    let port = port.or(own_port).unwrap_or(if tls { 443 } else { 80 });
    let implied = port == if tls { 443 } else { 80 };
    let scheme = if tls { "https" } else { "http" };
    let origin = if implied { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") };
    let base = base(&host, path, &mut notes);
    Ok(Normalised {
        endpoint: Endpoint { written: text.to_owned(), api_base: format!("{origin}{base}"), origin, host, port, tls },
        notes,
    })
}

/// `Some(true)` for https; what follows the scheme.
fn split_scheme(text: &str) -> Result<(Option<bool>, &str), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((None, text));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((Some(false), rest)),
        "https" => Ok((Some(true), rest)),
        "" => Err("the address begins with ://; write http:// or https:// before it".into()),
        _ => Err(format!("{scheme}:// cannot be used: write http:// or https://")),
    }
}

fn split_authority(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let Some((address, after)) = inner.split_once(']') else {
            return Err("the bracket of the IPv6 address is not closed".into());
        };
        let parsed: std::net::Ipv6Addr = address.parse().map_err(|_| format!("[{address}] is not an IPv6 address"))?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port),
            None if after.is_empty() => None,
            None => return Err(format!("after [{address}] only :port may follow")),
        };
        (format!("[{parsed}]"), port)
    } else {
        if authority.matches(':').count() > 1 {
            return Err("put an IPv6 address in brackets, as in http://[::1]:1234".into());
        }
        match authority.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (authority.to_ascii_lowercase(), None),
        }
    };
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    if !host.starts_with('[') {
        if let Some(odd) = host.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._".contains(*c))) {
            return Err(format!("{host} is not a host name: it holds {odd}"));
        }
        if host.contains("..") || host.starts_with('.') {
            return Err(format!("{host} is not a host name: a part of it is empty"));
        }
        let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.') && !host.is_empty();
        if numeric && host.parse::<std::net::Ipv4Addr>().is_err() {
            return Err(format!("{host} is not an IPv4 address: it has four numbers from 0 to 255"));
        }
    }
    match port {
        None => Ok((host, None)),
        Some("") => Err("a port number is missing after the colon".into()),
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok((host, Some(number))),
            _ => Err(format!("{port} is not a port: ports are numbers from 1 to 65535")),
        },
    }
}

fn default_port(kind: Kind) -> Option<u16> {
    let address = kind.default_endpoint()?;
    address.rsplit_once(':')?.1.parse().ok()
}

/// The path before `chat/completions`, with its version.
fn base_path(kind: Kind, host: &str, path: &str, notes: &mut Vec<String>) -> String {
    let mut path: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
    if let Some(call) = CALLS.iter().find(|call| path.ends_with(**call)) {
        path.truncate(path.len() - call.len());
    }
    while let Some(front) = path.strip_suffix("/v1/v1") {
        notes.push("the address ends in /v1 twice; one is enough".into());
        path = format!("{front}/v1");
    }
    let versioned = path.rsplit('/').next().is_some_and(is_version);
    match kind {
        Kind::ZAiGlm if kind.vendor_hosts().contains(&host) => match path.as_str() {
            "/api/paas/v4" | "/api/coding/paas/v4" => path,
            "" => "/api/paas/v4".into(),
            other => {
                notes.push(format!("{other} is not Z.AI's path for chats; /api/paas/v4 is used"));
                "/api/paas/v4".into()
            }
        },
        Kind::ZAiGlm if path.is_empty() => "/api/paas/v4".into(),
        Kind::Openrouter if path.is_empty() || path == "/v1" || path == "/api" => "/api/v1".into(),
        Kind::LmStudio | Kind::Ollama => {
            let bare = ["/api/v1", "/api/v0", "/api", "/v1"].iter().find_map(|end| path.strip_suffix(end));
            format!("{}/v1", bare.unwrap_or(&path))
        }
        _ if versioned => path,
        _ => format!("{path}/v1"),
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(written: &str, kind: Kind) -> String {
        normalise(written, kind).map_or_else(|error| error, |made| made.endpoint.api_base)
    }

    #[test]
    fn every_way_of_writing_leads_to_one_base() {
        for written in [
            "http://127.0.0.1:1234",
            "http://127.0.0.1:1234/",
            "http://127.0.0.1:1234/v1",
            "http://127.0.0.1:1234/v1/",
            "http://127.0.0.1:1234/v1/v1",
            "http://127.0.0.1:1234//v1//chat/completions/",
            "http://127.0.0.1:1234/v1/models",
            "http://127.0.0.1:1234/api/v0",
            "127.0.0.1:1234",
            "127.0.0.1",
            ":1234",
            "0.0.0.0:1234",
            " HTTP://127.0.0.1:1234 ",
        ] {
            assert_eq!(base(written, Kind::LmStudio), "http://127.0.0.1:1234/v1", "{written}");
        }
        for (written, kind, expected) in [
            ("localhost:8080", Kind::LlamaCpp, "http://localhost:8080/v1"),
            ("192.168.1.20", Kind::LlamaCpp, "http://192.168.1.20:8080/v1"),
            ("workstation:8080", Kind::LlamaCpp, "http://workstation:8080/v1"),
            ("[::1]:1234", Kind::LmStudio, "http://[::1]:1234/v1"),
            ("http://127.0.0.1:11434/api", Kind::Ollama, "http://127.0.0.1:11434/v1"),
            ("https://box.example/llm", Kind::Vllm, "https://box.example/llm/v1"),
            ("https://api.groq.com/openai/v1", Kind::OpenaiCompatible, "https://api.groq.com/openai/v1"),
            ("https://api.z.ai", Kind::ZAiGlm, "https://api.z.ai/api/paas/v4"),
            ("api.z.ai", Kind::ZAiGlm, "https://api.z.ai/api/paas/v4"),
            ("https://api.z.ai/api/coding/paas/v4/", Kind::ZAiGlm, "https://api.z.ai/api/coding/paas/v4"),
            ("https://api.z.ai/v1/chat/completions", Kind::ZAiGlm, "https://api.z.ai/api/paas/v4"),
            ("http://127.0.0.1:9/v1", Kind::ZAiGlm, "http://127.0.0.1:9/v1"),
            ("https://api.openai.com", Kind::Openai, "https://api.openai.com/v1"),
            ("https://api.anthropic.com", Kind::Anthropic, "https://api.anthropic.com/v1"),
            ("https://api.anthropic.com/v1/messages", Kind::Anthropic, "https://api.anthropic.com/v1"),
            ("https://openrouter.ai", Kind::Openrouter, "https://openrouter.ai/api/v1"),
            ("https://OpenRouter.ai./api/v1", Kind::Openrouter, "https://openrouter.ai/api/v1"),
            ("https://box.example:443", Kind::Vllm, "https://box.example/v1"),
        ] {
            assert_eq!(base(written, kind), expected, "{written}");
        }
    }

    #[test]
    fn a_collector_s_address_is_what_the_signals_stand_below() {
        for (written, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318"),
            ("localhost", "http://localhost:4318"),
            ("https://otlp.example/otlp/v1/traces", "https://otlp.example/otlp"),
            ("https://otlp.example/api/v1/otlp", "https://otlp.example/api/v1/otlp"),
            (
                "https://me:pw@otlp.example",
                "an address holds no user name or password; a key belongs into OTEL_EXPORTER_OTLP_HEADERS",
            ),
        ] {
            let base = collector(written).map_or_else(|error| error, |made| made.endpoint.api_base);
            assert_eq!(base, expected, "{written}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for (written, sentence) in [
            ("", "an address is needed, such as http://127.0.0.1:1234"),
            ("ftp://x", "ftp:// cannot be used: write http:// or https://"),
            ("http://", "the address names no host"),
            ("http://a b", "an address holds no spaces"),
            ("http://user:pw@host", "an address holds no user name or password; a key belongs into authToken"),
            ("http://host:99999", "99999 is not a port: ports are numbers from 1 to 65535"),
            ("http://host:", "a port number is missing after the colon"),
            ("http://::1:1234", "put an IPv6 address in brackets, as in http://[::1]:1234"),
            ("http://[::1", "the bracket of the IPv6 address is not closed"),
            ("http://host?x=1", "an address ends before ? and #"),
            ("http://host\\@evil", "an address holds no \\"),
            ("http://h\u{f6}st", "an address holds plain ASCII only"),
            ("http://1.2.3", "1.2.3 is not an IPv4 address: it has four numbers from 0 to 255"),
            ("://x", "the address begins with ://; write http:// or https:// before it"),
        ] {
            assert_eq!(normalise(written, Kind::LmStudio).unwrap_err(), sentence, "{written}");
        }
    }

    #[test]
    fn a_correction_is_said() {
        let made = normalise("http://127.0.0.1:1234/v1/v1", Kind::LmStudio).unwrap();
        assert_eq!(made.notes, ["the address ends in /v1 twice; one is enough"]);
        let made = normalise("0.0.0.0", Kind::Ollama).unwrap();
        assert_eq!(made.endpoint.api_base, "http://127.0.0.1:11434/v1");
        assert_eq!(made.notes, ["0.0.0.0 is where a server listens; 127.0.0.1 is asked instead"]);
    }
}
