//! Remedies for what goes wrong before a server of the right kind has answered: address, network, TLS, path.

use super::super::server_commands::{open_to_network, start};
use super::{Remedy, Subject, quoted};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use std::net::IpAddr;

const PROXY: &str = "Behind a company's proxy? Then HTTPS_PROXY must name it, as an address lmdeck can reach.";

pub(super) fn refused(on: &Subject<'_>) -> Remedy {
    let headline = format!("Nothing listens on {}.", on.at());
    let elsewhere = on.elsewhere();
    let Some(command) = start(on.kind, on.endpoint.port, elsewhere, on.model) else {
        return not_started_here(on, &headline);
    };
    if elsewhere {
        let open = open_to_network(on.kind).unwrap_or("let it listen on all addresses");
        return Remedy::new(format!("{headline} On that machine:"))
            .command(command)
            .step(format!("Started already? Then it listens on 127.0.0.1 only: {open}."));
    }
    let remedy = Remedy::new(format!("{headline} Start the server:")).command(command);
    if on.kind == Kind::LlamaCpp && on.endpoint.port == 8080 {
        return remedy.step("Started already? Newer versions listen on port 9931: lmdeck providers discover looks.");
    }
    remedy.step("Started already? Then on another port: lmdeck providers discover looks for it.")
}

/// It runs, and the address names another place of this machine.
pub(super) fn bound_elsewhere(on: &Subject<'_>, host: &str, port: u16) -> Remedy {
    let host = quoted(host);
    let remedy = Remedy::new(format!(
        "Nothing listens on {}: {} listens on {host} port {port}. The address should be:",
        on.at(),
        on.who()
    ))
    .command(on.set_endpoint(&format!("http://{host}:{port}")));
    match start(on.kind, on.endpoint.port, false, on.model) {
        Some(command) => remedy.step(format!("Or start it where the address says: {command}.")),
        None => remedy,
    }
}

pub(super) fn speaks_tls(on: &Subject<'_>) -> Remedy {
    Remedy::new(format!("{} speaks TLS, and the address says http. The address should be:", on.at()))
        .command(on.set_endpoint(&on.tls_origin()))
        .step("Its certificate is its own? Then SSL_CERT_FILE=FILE names who signed it.")
}

fn not_started_here(on: &Subject<'_>, headline: &str) -> Remedy {
    if !on.kind.is_vendor() {
        return Remedy::new(format!("{headline} Start the server there, then:"))
            .command(on.test_command())
            .step("Started already? Then on another port or on 127.0.0.1 only: look at its address.");
    }
    let remedy = match on.documented() {
        Some(url) => {
            Remedy::new(format!("{headline} The documented address of {}:", on.who())).command(on.set_endpoint(url))
        }
        None => Remedy::new(format!("{headline} Something between here and there refuses. Try:"))
            .command(format!("curl -sI https://{}", on.host_in_command())),
    };
    remedy.step(PROXY)
}

pub(super) fn filtered(on: &Subject<'_>) -> Remedy {
    if on.kind.is_vendor() {
        return Remedy::new(format!(
            "No answer from {}: the network does not let the connection through. Try:",
            on.at()
        ))
        .command(format!("curl -sI https://{}", on.host_in_command()))
        .step(PROXY);
    }
    if on.elsewhere() {
        return Remedy::new(format!(
            "No answer from {}: the machine is off, the address is another one's, or a firewall drops it. Try:",
            on.at()
        ))
        .command(format!("ping {}", on.host_in_command()))
        .step(format!("It answers? Then open port {} in the firewall of that machine.", on.endpoint.port));
    }
    if on.endpoint.tls {
        return Remedy::new(format!(
            "{} did not answer the greeting of https: most likely it speaks plain http:",
            on.at()
        ))
        .command(on.set_endpoint(&on.plain_origin()))
        .step(format!("Else its program hangs: {} shows which it is.", who_listens(on.endpoint.port)));
    }
    Remedy::new(format!(
        "No answer from {}: a firewall on this machine drops it, or its program hangs. See which:",
        on.at()
    ))
    .command(who_listens(on.endpoint.port))
}

pub(super) fn no_name(on: &Subject<'_>) -> Remedy {
    let host = on.host();
    let remedy = Remedy::new(format!("The name {host} cannot be resolved. Try:"))
        .command(format!("nslookup {}", on.host_in_command()));
    if on.kind.is_vendor() {
        return match on.documented() {
            Some(url) => remedy.step(format!("The documented address of {}: {}.", on.who(), on.set_endpoint(url))),
            None => remedy.step("Is the network up, and the VPN where there is one?"),
        };
    }
    remedy.step(format!(
        "Misspelt, or known only inside a VPN? The numbers of the address work too: {}.",
        on.set_endpoint("URL")
    ))
}

pub(super) fn tls(on: &Subject<'_>, detail: &str, certificate: bool) -> Remedy {
    let headline = format!("TLS with {} failed: {}.", on.host(), quoted(detail.trim_end_matches('.')));
    if on.kind.is_vendor() {
        return Remedy::new(format!("{headline} See who answers:"))
            .command(format!("curl -vI https://{}", on.host_in_command()))
            .step("A company's proxy that opens TLS, or a wrong clock on this machine, does this.");
    }
    if certificate {
        return Remedy::new(format!("{headline} If that server is yours, name the file of who signed it:"))
            .command("export SSL_CERT_FILE=FILE")
            .step("It counts from the next start of lmdeck on, and instead of the authorities of this machine.")
            .step("Or let the system trust it, as with update-ca-certificates.");
    }
    let tunnel = format!("ssh -N -L {0}:127.0.0.1:{0} {1}", on.endpoint.port, on.host_in_command());
    if !Reach::of_host(&on.endpoint.host).is_local() {
        // Never an advice to send prompts or a key in the clear across the world.
        return Remedy::new(format!("{headline} Without a certificate of its own it is reached by a tunnel:"))
            .command(tunnel)
            .step(format!("Then the address is http://127.0.0.1:{}.", on.endpoint.port));
    }
    let remedy = Remedy::new(format!("{headline} {} speaks plain http unless set up otherwise:", on.who_first()))
        .command(on.set_endpoint(&on.plain_origin()));
    if on.elsewhere() { remedy.step(format!("A tunnel keeps it private: {tunnel}.")) } else { remedy }
}

pub(super) fn reset(on: &Subject<'_>) -> Remedy {
    super::server::look_at_log(Remedy::new(format!("{} cut the connection.", on.at())), on)
}

pub(super) fn silent(on: &Subject<'_>) -> Remedy {
    if on.kind.is_vendor() {
        return super::server::look_at_log(
            Remedy::new(format!("{} took the connection and said nothing.", on.at())),
            on,
        );
    }
    let there = if on.elsewhere() { " On that machine, see what holds the port:" } else { " See what holds the port:" };
    Remedy::new(format!("{} takes the connection and says nothing.{there}", on.at()))
        .command(who_listens(on.endpoint.port))
        .step(format!("Is it {}? Then it is busy, perhaps loading a model: it is asked again by itself.", on.who()))
}

pub(super) fn redirect(on: &Subject<'_>, to: &str) -> Remedy {
    let to = origin_of(to);
    Remedy::new(format!(
        "{} sends calls on to {}. lmdeck follows no redirects, so that no key goes where you did not send it. If you know that address:",
        on.host(),
        quoted(&to)
    ))
    .command(on.set_endpoint(&to))
}

/// Scheme, host and port alone: the rest of a redirect may carry tokens.
fn origin_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "another path".to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

pub(super) fn wrong_reach(on: &Subject<'_>, address: &str) -> Remedy {
    let headline =
        format!("{} led to {}, where this call may not go: it has to stay local.", on.host(), quoted(address));
    let near =
        address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| Reach::of(address) == Reach::Network);
    if near {
        return Remedy::new(format!("{headline} If that machine is yours:"))
            .command(on.edit("--local"))
            .step("lmdeck routes explain says which rule keeps the call at home.");
    }
    Remedy::new(format!("{headline} See which rule asks for that:")).command("lmdeck routes explain")
}

pub(super) fn wrong_path(on: &Subject<'_>, path: &str) -> Remedy {
    let path = quoted(path);
    let Some(better) = on.better_endpoint() else {
        let headline = format!("{} answers, but knows no {path}, where {} has it.", on.at(), on.who());
        return whoever_answers(on, &headline);
    };
    let why = if path.contains("/v1/v1") {
        "/v1 stands there twice"
    } else if path.contains("/v1") {
        "the address has a part too many"
    } else {
        "a /v1 is missing"
    };
    Remedy::new(format!("{} answers, but not on {path}: {why}. The address should be:", on.at()))
        .command(on.set_endpoint(&better))
}

pub(super) fn web_page(on: &Subject<'_>) -> Remedy {
    let headline = format!(
        "{} sent a web page where {} sends JSON: a chat page, a proxy's login, or the address of a site.",
        on.at(),
        on.who()
    );
    match on.better_endpoint() {
        Some(better) => Remedy::new(format!("{headline} The address should be:")).command(on.set_endpoint(&better)),
        None => whoever_answers(on, &headline),
    }
    .step("A page of your own network that asks to log in? Open the address in a browser once.")
}

/// The address is right as far as one can tell: whether the right program answers there is the question.
fn whoever_answers(on: &Subject<'_>, headline: &str) -> Remedy {
    if on.kind.is_vendor() {
        return Remedy::new(format!("{headline} See what answers:"))
            .command(format!("curl -sI https://{}", on.host_in_command()));
    }
    let there = if on.elsewhere() { "On that machine, see what holds the port" } else { "See what holds the port" };
    Remedy::new(format!("{headline} {there}:"))
        .command(who_listens(on.endpoint.port))
        .step("The right server under another path? Then that path belongs into the address.")
}

pub(super) fn other_program(on: &Subject<'_>, looks_like: Option<&str>) -> Remedy {
    if on.kind.is_vendor() {
        return Remedy::new(format!("{} is not {}. Its documented address:", on.at(), on.who()))
            .command(on.set_endpoint(&on.likely_endpoint()))
            .step(PROXY);
    }
    let port = on.endpoint.port;
    let known = looks_like.and_then(Kind::called);
    if let Some(kind) = known.filter(|kind| *kind != on.kind) {
        return Remedy::new(format!(
            "{} is {}, not {}. If that is what you want:",
            on.at(),
            kind.label(),
            on.kind.label()
        ))
        .command(as_kind(on, kind))
        .step(format!("Else start {} on another port and put that into the address.", on.who()));
    }
    let seems = looks_like.map_or_else(String::new, |text| format!(", it looks like {}", quoted(text)));
    let there = if on.elsewhere() { "On that machine, see which" } else { "See which" };
    Remedy::new(format!("Another program answers on {}{seems}. {there}:", on.at()))
        .command(who_listens(port))
        .step(format!("Then start {} on another port and put that into the address.", on.who()))
}

fn as_kind(on: &Subject<'_>, kind: Kind) -> String {
    if !on.in_a_file() {
        return Subject { kind, ..*on }.set_endpoint(&on.endpoint.origin);
    }
    on.edit(&format!("--type {}", kind.word()))
}

fn who_listens(port: u16) -> String {
    format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
}
