//! The doctor's ten steps, each taken by itself, so that each has a time of its own.

use super::{Run, place, tls};
use crate::adapters::http::banner::look_closer;
use crate::adapters::http::clients::{Way, is_own_server, literal, way};
use crate::adapters::http::fetch::Asker;
use crate::adapters::http::probe::{connect_limit, one_try};
use crate::adapters::http::{Inner, elsewhere, held_back, transport};
use crate::adapters::wire::anthropic;
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeFound;
use crate::domain::kind::Kind;
use crate::engine::ports::Question;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

impl Run {
    pub(super) async fn slow(
        &mut self,
        inner: &Inner,
        profile: &Arc<Profile>,
        question: Option<&dyn Question>,
    ) -> Result<(), Failure> {
        self.written_address(profile);
        let way = way(profile, connect_limit(profile));
        if proxied(way) {
            for name in ["DNS", "TCP", "TLS"] {
                self.skip(name, "left to the proxy that stands between");
            }
        } else {
            let addresses = self.names(inner, profile, way).await?;
            let stream = self.tcp(inner, profile, &addresses).await?;
            self.tls(profile, stream).await?;
        }
        if let Some(failure) = held_back(profile) {
            // Nothing may be sent: what HTTP would say stays unknown.
            for name in ["HTTP", "kind"] {
                self.skip(name, "nothing is sent without a key that may go there");
            }
            return Err(self.fail("auth", failure, None));
        }
        let mut asker = Asker::new(inner, profile, connect_limit(profile));
        self.http(&mut asker).await?;
        let found = self.kind_and_auth(inner, profile).await?;
        self.models(profile, &found);
        self.loaded(profile, &found);
        if let Some(question) = question {
            return self.answer(question, profile).await;
        }
        self.answer_left_out(profile, &found);
        Ok(())
    }

    /// What the address says by itself.
    fn written_address(&mut self, profile: &Profile) {
        let endpoint = &profile.endpoint;
        let scheme = if endpoint.tls { "https" } else { "http" };
        let place = literal(&endpoint.host).map_or_else(String::new, |address| format!(", {}", place(address)));
        let said = format!("{scheme}, port {}{place}", endpoint.port);
        if endpoint.api_base.contains("/v1/v1") {
            self.warn("address", &format!("{said}; /v1 stands there twice"), None);
        } else {
            self.pass("address", &said, None);
        }
    }

    async fn names(&mut self, inner: &Inner, profile: &Profile, way: Way) -> Result<Vec<IpAddr>, Failure> {
        let host = &profile.endpoint.host;
        if let Some(address) = literal(host) {
            self.skip("DNS", "an address in numbers needs none");
            return Ok(vec![address]);
        }
        let started = Instant::now();
        let looking =
            timeout(profile.timeouts.probe_timeout, async { inner.clients.guarded(way).addresses(host).await });
        let failure = match looking.await {
            Ok(Ok(addresses)) => {
                let count = match addresses.len() {
                    1 => "1 address".to_owned(),
                    count => format!("{count} addresses"),
                };
                let first = addresses.first().map_or_else(String::new, |first| format!(", {first} {}", place(*first)));
                self.pass("DNS", &format!("{count}{first}"), Some(started.elapsed()));
                return Ok(addresses);
            }
            Ok(Err(error)) => transport::name_failure(&error),
            Err(_) => Failure::new(ErrorCode::Timeout, Cause::Dns, format!("the name {host} was not resolved in time")),
        };
        Err(self.fail("DNS", failure, Some(started.elapsed())))
    }

    /// The first address that takes a connection.
    async fn tcp(&mut self, inner: &Inner, profile: &Profile, addresses: &[IpAddr]) -> Result<TcpStream, Failure> {
        let limit = connect_limit(profile);
        let endpoint = &profile.endpoint;
        let named = format!("{} port {}", endpoint.host, endpoint.port);
        let started = Instant::now();
        let mut last: Option<Failure> = None;
        for address in addresses {
            let address = SocketAddr::new(*address, endpoint.port);
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let verdict = match last {
                        Some(_) => format!("{address} takes connections; an address before it does not"),
                        None => format!("{address} takes connections"),
                    };
                    self.pass("TCP", &verdict, Some(started.elapsed()));
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    let failure = transport::io_failure(&error, endpoint, &named)
                        .unwrap_or_else(|| Failure::plain(ErrorCode::Network, format!("{named}: {error}")));
                    last = last.or(Some(failure));
                }
                Err(_) => last = last.or_else(|| Some(transport::connect_timeout(&named, false, limit))),
            }
        }
        let failure =
            last.unwrap_or_else(|| Failure::new(ErrorCode::Network, Cause::Dns, "there is no address to connect to"));
        let took = started.elapsed();
        let failure = elsewhere::or_there(inner, profile, failure).await;
        Err(self.fail("TCP", failure, Some(took)))
    }

    async fn tls(&mut self, profile: &Profile, stream: TcpStream) -> Result<(), Failure> {
        if !profile.endpoint.tls {
            self.skip("TLS", "plain http needs none");
            return Ok(());
        }
        let started = Instant::now();
        match tls::shake_hands(&profile.endpoint, stream, connect_limit(profile)).await {
            Ok(verdict) => {
                self.pass("TLS", &verdict, Some(started.elapsed()));
                Ok(())
            }
            Err(failure) => Err(self.fail("TLS", failure, Some(started.elapsed()))),
        }
    }

    /// One request that every server of this kind answers, for its time alone.
    async fn http(&mut self, asker: &mut Asker<'_>) -> Result<(), Failure> {
        let profile = asker.profile;
        let base = &profile.endpoint.api_base;
        let url = match profile.kind {
            Kind::LmStudio => format!("{}/lmstudio-greeting", asker.root()),
            Kind::Ollama => format!("{}/api/tags", asker.root()),
            Kind::Anthropic => format!("{}?limit=1", anthropic::models_url(base)),
            _ => format!("{base}/models"),
        };
        let limit = profile.timeouts.probe_timeout;
        let started = Instant::now();
        let failure = match timeout(limit, asker.get(&url)).await {
            Ok(Ok(document)) => {
                let verdict = format!("{} from {}", document.status, document.path);
                self.pass("HTTP", &verdict, Some(started.elapsed()));
                return Ok(());
            }
            Ok(Err(failure)) => failure,
            Err(_) => transport::silent(&format!("{} port {}", profile.endpoint.host, profile.endpoint.port), limit),
        };
        let took = started.elapsed();
        let failure = look_closer(asker, failure).await;
        Err(self.fail("HTTP", failure, Some(took)))
    }

    /// A survey, and what it says of the server and of the key.
    async fn kind_and_auth(&mut self, inner: &Inner, profile: &Profile) -> Result<ProbeFound, Failure> {
        let started = Instant::now();
        let mut asker = Asker::new(inner, profile, connect_limit(profile));
        let outcome = one_try(&mut asker).await;
        let took: Option<Duration> = Some(asker.took.unwrap_or_else(|| started.elapsed()));
        let looks = format!("looks like {}", profile.kind.label());
        match outcome {
            Ok(found) => {
                self.kind(profile, found.looks_like, &mut asker).await;
                let verdict = match (&profile.key, found.authenticated) {
                    (Some(_), Some(true)) => "the key was accepted",
                    (Some(_), _) => "the key could not be checked without a paid request",
                    (None, _) => "no key was asked for",
                };
                self.pass("auth", verdict, took);
                Ok(found)
            }
            Err(failure) if failure.code == ErrorCode::Auth => {
                self.pass("kind", &looks, None);
                Err(self.fail("auth", failure, took))
            }
            Err(failure) => Err(match failure.cause {
                Cause::OtherProgram { .. } | Cause::HtmlPage | Cause::WrongPath { .. } | Cause::Redirect { .. } => {
                    self.fail("kind", failure, took)
                }
                _ => {
                    self.pass("kind", &looks, None);
                    self.skip("auth", "not judged");
                    self.fail("models", failure, took)
                }
            }),
        }
    }

    fn loaded(&mut self, profile: &Profile, found: &ProbeFound) {
        let chat = || found.models.iter().filter(|model| model.chat);
        if !is_own_server(profile.kind) {
            return self.skip("loaded", "a cloud vendor or an unknown server does not tell");
        }
        if found.models.is_empty() {
            return self.warn("loaded", "none", None);
        }
        if chat().all(|model| model.loaded.is_none()) {
            return self.skip("loaded", "this server does not tell");
        }
        let loaded: Vec<_> = chat().filter(|model| model.loaded == Some(true)).collect();
        match loaded.as_slice() {
            [] => self.warn("loaded", "none: the first call loads one and waits", None),
            [model, rest @ ..] => {
                let context = model.context.map_or_else(String::new, |tokens| format!(", context {tokens}"));
                let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
                self.pass("loaded", &format!("{}{context}{more}", model.id), None);
            }
        }
    }

    fn answer_left_out(&mut self, profile: &Profile, found: &ProbeFound) {
        let waits = found.models.iter().any(|model| model.loaded == Some(false))
            && !found.models.iter().any(|model| model.loaded == Some(true));
        let why = if profile.kind.is_vendor() {
            "not asked for: it may cost money"
        } else if waits {
            "not asked for: it would load a model"
        } else {
            "not asked for"
        };
        self.skip("answer", why);
    }
}

/// Whether a proxy of the system may stand between; outside Linux it can be set where no variable tells.
fn proxied(way: Way) -> bool {
    let named = || std::env::vars_os().any(|(name, _)| name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy"));
    way.proxied && (!cfg!(target_os = "linux") || named())
}
