//! The steps of a connection test, in order, each with its time and a verdict in words.

use super::clients::{is_own_server, literal, way};
use super::discover::{Identified, count, identify};
use super::fetch::Asker;
use super::probe::{connect_limit, one_try};
use super::{Inner, call, held_back, transport};
use crate::adapters::wire::words::quote;
use crate::domain::call::{Body, Message, Role};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::{ModelInfo, ProbeFound};
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::engine::ports::UpstreamJob;
use crate::engine::protocol::{Step, StepState, TestReport};
use futures_util::StreamExt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

const STEPS: [&str; 7] = ["address", "connect", "http", "kind", "key", "models", "answer"];

/// Tokens that the small completion may cost.
const ANSWER_TOKENS: u64 = 16;

pub async fn test(inner: &Inner, profile: &Arc<Profile>, answer: bool) -> TestReport {
    let started = Instant::now();
    let mut run = Run {
        steps: Vec::new(),
        models: Vec::new(),
        cautions: Vec::new(),
        secrets: profile.key.iter().cloned().collect(),
    };
    // A person who tests has just changed something: nothing known before counts.
    inner.memory.forget(&profile.endpoint.origin);
    let failure = run.all(inner, profile, answer).await.err();
    for name in STEPS.iter().skip(run.steps.len()) {
        run.step(name, StepState::Skipped, if failure.is_some() { "not reached" } else { "not asked for" }, None);
    }
    TestReport {
        steps: run.steps,
        models: run.models,
        failure,
        cautions: run.cautions,
        total_ms: ms(started.elapsed()),
    }
}

struct Run {
    steps: Vec<Step>,
    models: Vec<ModelInfo>,
    cautions: Vec<Cause>,
    secrets: Vec<crate::domain::secret::Secret>,
}

impl Run {
    fn step(&mut self, name: &str, state: StepState, verdict: &str, took: Option<Duration>) {
        let verdict = quote(verdict, &self.secrets);
        self.steps.push(Step { name: name.to_owned(), state, verdict, ms: took.map(ms) });
    }

    fn fail(&mut self, name: &str, failure: Failure, took: Option<Duration>) -> Failure {
        self.step(name, StepState::Failed, &failure.message, took);
        failure
    }

    async fn all(&mut self, inner: &Inner, profile: &Arc<Profile>, answer: bool) -> Result<(), Failure> {
        let addresses = self.address(inner, profile).await?;
        self.connect(profile, &addresses).await?;
        if let Some(failure) = held_back(profile) {
            // Nothing may be sent: what HTTP would say stays unknown.
            for name in ["http", "kind"] {
                self.step(name, StepState::Skipped, "nothing is sent without a key that may go there", None);
            }
            return Err(self.fail("key", failure, None));
        }
        let found = self.http_kind_key(inner, profile).await?;
        self.models(profile, &found);
        if answer {
            self.answer(inner, profile).await?;
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
    async fn connect(&mut self, profile: &Profile, addresses: &[IpAddr]) -> Result<(), Failure> {
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
        Err(self.fail("connect", failure, Some(started.elapsed())))
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
                self.kind(profile, &mut asker).await;
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

    async fn kind(&mut self, profile: &Profile, asker: &mut Asker<'_>) {
        let label = profile.kind.label();
        if !is_own_server(profile.kind) {
            self.step("kind", StepState::Passed, &format!("answers as {label} does"), None);
            return;
        }
        let started = Instant::now();
        let identified = timeout(profile.timeouts.probe_timeout, identify(asker)).await;
        let took = Some(started.elapsed());
        match identified {
            Ok(Identified::Server(kind)) if kind == profile.kind => {
                self.step("kind", StepState::Passed, &format!("it is {label}"), took);
            }
            Ok(Identified::Server(kind)) => {
                let looks_like = kind.label().to_owned();
                let verdict = format!("it looks like {looks_like}, and is configured as {label}");
                self.step("kind", StepState::Warned, &verdict, took);
                self.cautions.push(Cause::OtherProgram { looks_like: Some(looks_like) });
            }
            _ => self.step("kind", StepState::Warned, &format!("nothing shows that it is {label}"), took),
        }
    }

    fn models(&mut self, profile: &Profile, found: &ProbeFound) {
        self.models.clone_from(&found.models);
        let verdict = count(&found.models);
        if let Some(detail) = &found.malformed {
            self.step("models", StepState::Warned, &format!("{verdict}; the list is malformed: {detail}"), None);
            return;
        }
        let told = found.models.iter().any(|model| model.loaded.is_some());
        let loaded = found.models.iter().any(|model| model.loaded == Some(true));
        if profile.kind == Kind::LmStudio && found.models.is_empty() {
            // LM Studio lists only what is loaded when it does not load on demand.
            self.cautions.push(Cause::JitOff);
            self.step(
                "models",
                StepState::Warned,
                "it lists no models: none is loaded, and loading on demand is likely off",
                None,
            );
        } else if found.models.is_empty() && profile.models.is_empty() {
            self.step("models", StepState::Warned, "it lists no models, and the profile names none", None);
        } else if found.models.is_empty() {
            self.step("models", StepState::Passed, "it lists none; those of the profile are used", None);
        } else if told && !loaded {
            self.cautions.push(Cause::NoModelLoaded);
            self.step("models", StepState::Warned, &verdict, None);
        } else {
            self.step("models", StepState::Passed, &verdict, None);
        }
    }

    async fn answer(&mut self, inner: &Inner, profile: &Arc<Profile>) -> Result<(), Failure> {
        let started = Instant::now();
        let Some((model, loaded)) = self.model_to_ask(profile) else {
            let failure = Failure::new(ErrorCode::NotFound, Cause::NoModelLoaded, "there is no model to ask");
            return Err(self.fail("answer", failure, None));
        };
        let limits = &profile.timeouts;
        let time_left = limits.first_token + if loaded == Some(false) { limits.load } else { Duration::ZERO };
        let job = UpstreamJob {
            profile: profile.clone(),
            model: model.clone(),
            body: Body::Chat {
                messages: vec![Message { role: Role::User, content: "Reply with one word: ready".into() }],
                max_tokens: Some(ANSWER_TOKENS),
                temperature: None,
                stream: true,
            },
            local_only: false,
            time_left,
        };
        match first_words(inner, job).await {
            Ok(()) => {
                self.step("answer", StepState::Passed, &format!("{model} answers"), Some(started.elapsed()));
                Ok(())
            }
            Err(failure) => Err(self.fail("answer", failure, Some(started.elapsed()))),
        }
    }

    /// The first named model that is there and loaded, else any loaded one, else the first named or listed.
    fn model_to_ask(&self, profile: &Profile) -> Option<(ModelId, Option<bool>)> {
        let named = || profile.preferred_models.iter().chain(profile.models.iter().map(|model| &model.id));
        let listed = |id: &ModelId| self.models.iter().find(|model| &model.id == id);
        let chat = || self.models.iter().filter(|model| model.chat);
        named()
            .filter_map(listed)
            .find(|model| model.loaded == Some(true))
            .or_else(|| chat().find(|model| model.loaded == Some(true)))
            .or_else(|| named().find_map(listed))
            .map(|model| (model.id.clone(), model.loaded))
            .or_else(|| named().next().map(|id| (id.clone(), None)))
            .or_else(|| chat().next().map(|model| (model.id.clone(), model.loaded)))
    }
}

/// Waits for the first answer bytes; the rest is not needed and cancelled.
async fn first_words(inner: &Inner, job: UpstreamJob) -> Result<(), Failure> {
    let deadline = Instant::now() + job.time_left;
    let mut answer = call::start(inner, job).await?;
    loop {
        match timeout_at(deadline, answer.frames.next()).await {
            Ok(Some(Ok(frame))) if frame.seen.answer_bytes() || frame.seen.end => return Ok(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(failure))) => return Err(failure),
            Ok(None) => return Err(Failure::plain(ErrorCode::EmptyAnswer, "the stream ended without an answer")),
            Err(_) => return Err(Failure::new(ErrorCode::Timeout, Cause::FirstTokenTimeout, "no token came in time")),
        }
    }
}

fn place(address: IpAddr) -> &'static str {
    match Reach::of(address) {
        Reach::Machine => "this machine",
        Reach::Network => "on the private network",
        Reach::Cloud => "in the cloud",
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
