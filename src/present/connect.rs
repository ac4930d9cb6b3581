//! The exact lines that point another program at the gateway. Which programs there are is data in `clients`.

mod clients;

pub use clients::{CLIENTS, LATER};

use super::text;
use crate::engine::protocol::Snapshot;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Columns of a page, for a terminal of 80.
const PAGE: usize = 76;

/// One program, or one way into many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// As typed after `lmdeck connect`.
    pub name: &'static str,
    pub title: &'static str,
    pub steps: &'static [Step],
    /// Products it names itself in its User-Agent; empty: it may name itself anything.
    pub agents: &'static [&'static str],
}

/// Something to do, with the lines for it. `{base}`, `{root}` and `{key}` stand for the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub said: &'static str,
    pub lines: &'static str,
}

/// The gateway as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// As in `127.0.0.1:4141`.
    pub address: String,
    pub needs_key: bool,
}

/// Whether somebody answers there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Lmdeck,
    AnotherProgram,
    /// The machine says that nothing listens there.
    Nobody,
    /// No word comes back from there.
    NotReached,
}

impl Gateway {
    /// The one this process serves, else the one the configuration describes.
    pub fn of(snapshot: &Snapshot) -> Self {
        let listening = snapshot.gateway.listening.as_deref();
        let address = listening.unwrap_or(&snapshot.config.gateway_listen);
        Self { address: reachable(address), needs_key: snapshot.config.gateway_needs_key }
    }

    /// At another address than the configuration says.
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address: reachable(&address.to_string()), ..self }
    }

    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What OpenAI clients call the base URL.
    pub fn base(&self) -> String {
        format!("{}/v1", self.root())
    }

    /// What stands in the place of a key; never a key itself.
    pub fn key(&self) -> &'static str {
        if self.needs_key { "YOUR-GATEWAY-KEY" } else { "not-needed" }
    }
}

/// Where a server listens on every address it is called by the one of this machine.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            let host = if address.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            format!("{host}:{}", address.port())
        }
        _ if address.is_empty() => "127.0.0.1:4141".to_owned(),
        _ => address.to_owned(),
    }
}

/// By its name, or one that begins with what was typed where only one does.
pub fn find(typed: &str) -> Option<&'static Client> {
    let typed = typed.to_ascii_lowercase().replace(['_', ' '], "-");
    let mut near = CLIENTS.iter().filter(|client| client.name.starts_with(&typed));
    CLIENTS.iter().find(|client| client.name == typed).or_else(|| match (near.next(), near.next()) {
        (Some(only), None) if !typed.is_empty() => Some(only),
        _ => None,
    })
}

/// Why a program cannot be connected yet.
pub fn later(typed: &str) -> Option<&'static str> {
    LATER.iter().find(|(name, _)| name.eq_ignore_ascii_case(typed)).map(|(_, why)| *why)
}

impl Client {
    /// The steps with the gateway's own address in them.
    pub fn steps_for(&self, gateway: &Gateway) -> Vec<(String, String)> {
        self.steps.iter().map(|step| (filled(step.said, gateway), filled(step.lines, gateway))).collect()
    }

    /// Only the lines, for a clipboard.
    pub fn lines_for(&self, gateway: &Gateway) -> String {
        let steps = self.steps_for(gateway);
        steps.into_iter().map(|(_, lines)| lines).filter(|lines| !lines.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// The whole page: what to do, with the lines set off.
    pub fn page(&self, gateway: &Gateway, answers: Answers) -> String {
        let mut page = String::new();
        for (said, lines) in self.steps_for(gateway) {
            if !page.is_empty() {
                page.push('\n');
            }
            for line in text::wrap(&said, PAGE) {
                let _ = writeln!(page, "{line}");
            }
            for line in lines.lines() {
                let _ = writeln!(page, "    {line}");
            }
        }
        for note in notes(gateway, answers) {
            let _ = writeln!(page, "\n{}", text::wrap(&note, PAGE).join("\n"));
        }
        page
    }

    /// Whether a call of this client label came from it, as far as its own words tell.
    pub fn is_from(&self, label: &str) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|agent| agent.eq_ignore_ascii_case(label))
    }
}

/// What must be so for the lines to work, each a sentence or two.
pub fn notes(gateway: &Gateway, answers: Answers) -> Vec<String> {
    let mut notes = Vec::new();
    match answers {
        Answers::Lmdeck => {}
        Answers::Nobody => notes.push(format!(
            "Nothing listens at {} yet: run lmdeck serve in another terminal, or leave the dashboard open.",
            gateway.root()
        )),
        Answers::NotReached => notes.push(format!(
            "No answer from {}: that machine is off, or a firewall drops the attempt. Start lmdeck serve there and let \
             the port through.",
            gateway.root()
        )),
        Answers::AnotherProgram => notes.push(format!(
            "Another program answers at {}: end it, or choose another place: lmdeck config set gateway.listen \
             127.0.0.1:4142",
            gateway.root()
        )),
    }
    if gateway.needs_key {
        notes.push(format!(
            "The gateway asks for a key: put one of gateway.api_keys in the place of {}.",
            gateway.key()
        ));
    }
    notes.push(
        "The model auto lets your rules choose. Any other of lmdeck models list can be named, as in PROVIDER/MODEL."
            .to_owned(),
    );
    notes
}

fn filled(text: &str, gateway: &Gateway) -> String {
    text.replace("{base}", &gateway.base()).replace("{root}", &gateway.root()).replace("{key}", gateway.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(address: &str, needs_key: bool) -> Gateway {
        Gateway { address: reachable(address), needs_key }
    }

    #[test]
    fn every_client_has_lines_with_the_address_and_no_place_is_left_open() {
        for client in CLIENTS {
            let page = client.page(&gateway("127.0.0.1:5151", true), Answers::Lmdeck);
            assert!(page.contains("http://127.0.0.1:5151"), "{}: {page}", client.name);
            for open in ["{base}", "{root}", "{key}"] {
                assert!(!page.contains(open), "{}: {page}", client.name);
            }
            let wide = page.lines().find(|line| line.chars().count() > PAGE);
            assert_eq!(wide, None, "{}: a terminal of 80 columns cuts it", client.name);
            assert!(!client.lines_for(&gateway("127.0.0.1:5151", false)).is_empty());
            assert_eq!(find(client.name), Some(client), "{}", client.name);
        }
    }

    #[test]
    fn names_are_found_as_people_type_them() {
        assert_eq!(find("DSPy").map(|client| client.name), Some("dspy"));
        assert_eq!(find("open_webui").map(|client| client.name), Some("open-webui"));
        assert_eq!(find("lang").map(|client| client.name), Some("langchain"));
        assert_eq!(find("open"), None, "three begin so");
        assert_eq!(find(""), None);
        assert!(later("anthropic").is_some() && find("anthropic").is_none());
    }

    #[test]
    fn an_address_for_everybody_is_called_by_this_machine_s() {
        assert_eq!(gateway("0.0.0.0:4141", true).base(), "http://127.0.0.1:4141/v1");
        assert_eq!(gateway("[::]:9", true).root(), "http://[::1]:9");
        assert_eq!(gateway("", false).root(), "http://127.0.0.1:4141");
    }
}
