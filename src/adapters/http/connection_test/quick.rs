//! The quick test: seven steps, of which one survey of the server answers several.

use super::{Run, place};
use crate::adapters::http::clients::{literal, way};
use crate::adapters::http::fetch::Asker;
use crate::adapters::http::probe::{connect_limit, one_try};
use crate::adapters::http::{Inner, elsewhere, held_back, transport};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeFound;
use crate::engine::ports::Question;
use crate::engine::protocol::StepState;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

impl Run {
    pub(super) async fn quick(
        &mut self,
        inner: &Inner,
        profile: &Arc<Profile>,
        question: Option<&dyn Question>,
    ) -> Result<(), Failure> {
        if let Some(failure) = held_back(profile) {
            // What is missing is here, not there: nothing is asked, not even for the name.
            for name in ["address", "connect", "http", "kind"] {
                self.skip(name, "nothing is sent without a key that may go there");
            }
            return Err(self.fail("key", failure, None));
        }
        let addresses = self.address(inner, profile).await?;
        self.connect(inner, profile, &addresses).await?;
        let found = self.http_kind_key(inner, profile).await?;
        self.models(profile, &found);
        if let Some(question) = question {
            self.answer(question, profile).await?;
        }
        Ok(())
    }

    async fn address(&mut self, inner: &Inner, profile: &Profile) -> Result<Vec<IpAddr>, Failure> {
        let started = Instant::now();
        let host = &profile.endpoint.host;
        let way = way(profile, connect_limit(profile));
        if let Some(address) = literal(host) {
            self.step(
                "address",
                StepState::Passed,
                &format!("{address} is {}", place(address)),
                Some(started.elapsed()),
            );
            return Ok(vec![address]);
        }
        let looking =
            timeout(profile.timeouts.probe_timeout, async { inner.clients.guarded(way).addresses(host).await });
        let failure = match looking.await {
            Ok(Ok(addresses)) => {
                let first = addresses.first().copied();
                let verdict = first.map_or_else(String::new, |first| format!("{host} is {first}, {}", place(first)));
                self.step("address", StepState::Passed, &verdict, Some(started.elapsed()));
                return Ok(addresses);
            }
            Ok(Err(error)) => transport::name_failure(&error),
            Err(_) => Failure::new(ErrorCode::Timeout, Cause::Dns, format!("the name {host} was not resolved in time")),
        };
        if way.proxied
            && std::env::vars_os().any(|(name, _)| name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy"))
        {
            // Behind a proxy only the proxy needs to know the name.
            self.step("address", StepState::Warned, &failure.message, Some(started.elapsed()));
            return Ok(Vec::new());
        }
        Err(self.fail("address", failure, Some(started.elapsed())))
    }

    /// A bare connection for its time; through a proxy it is judged by the request that follows.
    async fn connect(&mut self, inner: &Inner, profile: &Profile, addresses: &[IpAddr]) -> Result<(), Failure> {
        let limit = connect_limit(profile);
        if way(profile, limit).proxied {
            self.step("connect", StepState::Passed, "left to the request: the system's proxy may stand between", None);
            return Ok(());
        }
        let started = Instant::now();
        let endpoint = &profile.endpoint;
        let named = format!("{} port {}", endpoint.host, endpoint.port);
        let mut last = None;
        for address in addresses {
            let address = SocketAddr::new(*address, endpoint.port);
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    self.step(
                        "connect",
                        StepState::Passed,
                        &format!("{address} takes connections"),
                        Some(started.elapsed()),
                    );
                    return Ok(());
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
        Err(self.fail("connect", failure, Some(took)))
    }

    /// One survey answers three questions: does it speak HTTP, what is it, does it take the key.
    async fn http_kind_key(&mut self, inner: &Inner, profile: &Profile) -> Result<ProbeFound, Failure> {
        let started = Instant::now();
        let mut asker = Asker::new(inner, profile, connect_limit(profile));
        let outcome = one_try(&mut asker).await;
        let (status, took) = (asker.first_status, asker.took.unwrap_or_else(|| started.elapsed()));
        let speaks = |run: &mut Self| {
            let verdict = status.map_or_else(|| "answers".to_owned(), |status| format!("answers with status {status}"));
            run.step("http", StepState::Passed, &verdict, Some(took));
        };
        match outcome {
            Ok(found) => {
                speaks(self);
                self.kind(profile, found.looks_like, &mut asker).await;
                let verdict = match (&profile.key, found.authenticated) {
                    (Some(_), Some(true)) => "the key was accepted",
                    (Some(_), _) => "the key could not be checked without a paid request",
                    (None, _) => "none was asked for",
                };
                self.step("key", StepState::Passed, verdict, None);
                Ok(found)
            }
            Err(failure) if failure.code == ErrorCode::Auth => {
                speaks(self);
                self.step("kind", StepState::Passed, &format!("looks like {}", profile.kind.label()), None);
                Err(self.fail("key", failure, None))
            }
            Err(failure) => Err(self.place_failure(failure, status, took, speaks)),
        }
    }

    /// Which step a failed survey belongs to.
    fn place_failure(
        &mut self,
        failure: Failure,
        status: Option<u16>,
        took: Duration,
        speaks: impl Fn(&mut Self),
    ) -> Failure {
        match failure.cause {
            _ if status.is_none() => self.fail("http", failure, Some(took)),
            Cause::OtherProgram { .. } | Cause::HtmlPage => {
                speaks(self);
                self.fail("kind", failure, None)
            }
            Cause::MalformedList { .. } => {
                speaks(self);
                self.step("kind", StepState::Passed, "answers, but not with a readable list", None);
                self.step("key", StepState::Skipped, "not judged", None);
                self.fail("models", failure, None)
            }
            _ => self.fail("http", failure, Some(took)),
        }
    }
}
