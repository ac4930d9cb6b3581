//! The connection to model servers: implements the port `Upstream` over HTTP. What the bytes mean is read by
//! `adapters::wire`; this module knows addresses, clients, time limits and sizes.

mod address;
mod banner;
mod call;
mod clients;
mod connection_test;
mod count;
mod delivery;
mod direct;
mod discover;
mod elsewhere;
mod fetch;
mod models;
mod probe;
mod resolve;
mod response;
mod survey;
mod trail;
mod transport;

pub use clients::BuildError;
pub use delivery::{Delivery, Receipt};
pub use discover::KNOWN_PORTS;
pub use resolve::{Lookup, SystemLookup};

use crate::domain::call::Body;
use crate::domain::config::{KeySource, Profile, WithheldWhy};
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeReport;
use crate::domain::ids::ModelId;
use crate::domain::kind::Kind;
use crate::engine::ports::{Clock, ModelDone, ModelJob, Question, Upstream, UpstreamAnswer, UpstreamJob};
use crate::engine::protocol::{Found, Step, TestReport};
use clients::Clients;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use survey::Memory;
use tokio::sync::mpsc;
use trail::Trail;

/// Where an [`HttpUpstream`] looks; tests put in their own.
pub struct Surroundings {
    /// Turns names into addresses.
    pub lookup: Arc<dyn Lookup>,
    /// Where LM Studio's own settings lie; `None` when there is no home folder.
    pub home: Option<PathBuf>,
    /// The ports of this machine that discovery asks, with the kind usually found there.
    pub ports: Vec<(u16, Kind)>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            lookup: Arc::new(SystemLookup),
            home: std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from),
            ports: KNOWN_PORTS.to_vec(),
        }
    }
}

/// Model servers over HTTP.
#[derive(Clone)]
pub struct HttpUpstream {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    clock: Arc<dyn Clock>,
    clients: Clients,
    memory: Memory,
    surroundings: Surroundings,
    trail: Trail,
}

impl HttpUpstream {
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        Self::with(clock, Surroundings::default())
    }

    /// Like [`Self::new`], in surroundings of the caller's choice.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn with(clock: Arc<dyn Clock>, surroundings: Surroundings) -> Result<Self, BuildError> {
        let clients = Clients::new(surroundings.lookup.clone())?;
        Ok(Self {
            inner: Arc::new(Inner { clock, clients, memory: Memory::default(), surroundings, trail: Trail::new() }),
        })
    }
}

impl HttpUpstream {
    /// How many tokens `body` would be at a model of Anthropic's, by the vendor's own count: free, and limited in
    /// its rate.
    ///
    /// # Errors
    /// Another kind, which counts nothing; else as a call fails.
    pub async fn count_tokens(&self, profile: &Profile, model: &ModelId, body: &Body) -> Result<u64, Failure> {
        count::count(&self.inner, profile, model, body).await
    }
}

impl Upstream for HttpUpstream {
    fn instance(&self) -> Option<&str> {
        Some(self.inner.trail.instance())
    }

    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let inner = self.inner.clone();
        Box::pin(async move { probe::probe(&inner, &profile).await })
    }

    fn test(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        let inner = self.inner.clone();
        Box::pin(async move { connection_test::test(&inner, &profile, question.as_deref(), steps).await })
    }

    fn diagnose(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        let inner = self.inner.clone();
        Box::pin(async move { connection_test::diagnose(&inner, &profile, question.as_deref(), steps).await })
    }

    fn discover(&self, configured: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>> {
        let inner = self.inner.clone();
        Box::pin(async move { discover::discover(&inner, &configured).await })
    }

    fn count(&self, job: UpstreamJob) -> BoxFuture<'static, Result<u64, Failure>> {
        let upstream = self.clone();
        Box::pin(async move {
            let counting = upstream.count_tokens(&job.profile, &job.model, &job.body);
            let late = || Failure::new(ErrorCode::Timeout, Cause::Deadline, "the vendor did not count in time");
            tokio::time::timeout(job.time_left, counting).await.unwrap_or_else(|_| Err(late()))
        })
    }

    fn model(&self, job: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        let inner = self.inner.clone();
        Box::pin(async move { models::carry_out(&inner, &job).await })
    }

    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        let inner = self.inner.clone();
        Box::pin(async move { call::start(inner, job).await })
    }
}

/// Why nothing may be sent to a provider at all, known without asking it.
fn held_back(profile: &Profile) -> Option<Failure> {
    let variable = match &profile.key_source {
        KeySource::Variable { name } => Some(name.clone()),
        _ => None,
    };
    if let Some(withheld) = &profile.withheld {
        let sentence = withheld.sentence.clone();
        let cause = match &withheld.why {
            WithheldWhy::Unset { variable: unset } if variable.as_ref() == Some(unset) => {
                Cause::KeyMissing { variable }
            }
            // It is a part of the address, or of an option.
            WithheldWhy::Unset { .. } => return Some(Failure::plain(ErrorCode::InvalidRequest, sentence)),
            WithheldWhy::NoKey => {
                let variable = variable.or_else(|| profile.kind.key_variable().map(str::to_owned));
                Cause::KeyMissing { variable }
            }
            WithheldWhy::WrongAddress | WithheldWhy::Untrusted { .. } => {
                Cause::KeyWithheld { host: profile.endpoint.host.clone() }
            }
        };
        return Some(Failure::new(ErrorCode::Auth, cause, sentence));
    }
    if profile.kind.is_vendor() && profile.key.is_none() {
        let variable = variable.or_else(|| profile.kind.key_variable().map(str::to_owned));
        let message = match &variable {
            Some(name) => format!("no key is known: {name} is not set"),
            None => "no key is known".to_owned(),
        };
        return Some(Failure::new(ErrorCode::Auth, Cause::KeyMissing { variable }, message));
    }
    None
}
