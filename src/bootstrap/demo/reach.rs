//! The provider side as the demo shows it: simulated vendors stand on this machine and are treated as what they
//! play, the cloud, and nothing else on this machine is looked for.

use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::health::ProbeReport;
use crate::domain::reach::Reach;
use crate::engine::ports::{ModelDone, ModelJob, Question, Upstream, UpstreamAnswer, UpstreamJob};
use crate::engine::protocol::{Found, Step, TestReport};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The provider side, with the reach of each provider taken from its kind.
pub struct ByKind(pub Arc<dyn Upstream>);

impl Upstream for ByKind {
    fn instance(&self) -> Option<&str> {
        self.0.instance()
    }

    fn probe(&self, profile: Arc<Profile>) -> BoxFuture<'static, ProbeReport> {
        let cloud = profile.kind.is_vendor();
        let probing = self.0.probe(profile);
        Box::pin(async move {
            let mut report = probing.await;
            report.reach = report.reach.map(|reach| if cloud { Reach::Cloud } else { reach });
            report
        })
    }

    fn test(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        self.0.test(profile, question, steps)
    }

    fn diagnose(
        &self,
        profile: Arc<Profile>,
        question: Option<Arc<dyn Question>>,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'static, TestReport> {
        self.0.diagnose(profile, question, steps)
    }

    /// The person's own servers have no part in the demo: nobody looks for them.
    fn discover(&self, _configured: Vec<Arc<Profile>>) -> BoxFuture<'static, Vec<Found>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn count(&self, job: UpstreamJob) -> BoxFuture<'static, Result<u64, Failure>> {
        self.0.count(job)
    }

    fn model(&self, job: ModelJob) -> BoxFuture<'static, Result<ModelDone, Failure>> {
        self.0.model(job)
    }

    fn start(&self, job: UpstreamJob) -> BoxFuture<'static, Result<UpstreamAnswer, Failure>> {
        if job.local_only && job.profile.kind.is_vendor() {
            let address = job.profile.endpoint.host.clone();
            let words = "the request must stay on this machine, and this provider plays a cloud one";
            return Box::pin(std::future::ready(Err(Failure::new(
                ErrorCode::Network,
                Cause::WrongReach { address },
                words,
            ))));
        }
        self.0.start(job)
    }
}
