//! One try at one target: start, hold everything until the first answer byte, then pass on.

use super::super::live::Live;
use super::super::ports::{Frame, UpstreamAnswer, UpstreamJob};
use super::super::presets;
use super::super::protocol::{CallEvent, CallHead, LoadingCall, LoadingView};
use super::super::supervisor::Input;
use super::account::Ticket;
use super::cache::Keeping;
use super::handing::hand_over;
use super::{Shared, params, reserve};
use crate::domain::call::{Body, CallRequest};
use crate::domain::config::Profile;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::domain::routing::{Chosen, Effects, WorldProvider};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// How often a caller that waits for a model to load is told so.
const LOADING_NOTE: Duration = Duration::from_secs(3);
/// Bytes held back before the first answer byte, with what each frame takes; a server that sends more without
/// answering is broken.
const HELD_BYTES: usize = 1 << 20;

/// Frames that usually wait together.
const USUAL_FRAMES: usize = 8;
/// Frames passed on together at most, when they arrive faster than they can be passed on.
const AT_ONCE: usize = 64;

pub struct Attempt<'a> {
    pub shared: &'a Shared,
    pub live: &'a Arc<Live>,
    pub request: &'a CallRequest,
    pub chosen: &'a Chosen,
    pub local_only: bool,
    pub effects: &'a Effects,
    pub deadline: Instant,
    pub events: &'a mpsc::Sender<CallEvent>,
    /// Where the answer is recorded, to be kept.
    pub keep: Option<&'a Keeping<'a>>,
}

impl Attempt<'_> {
    /// # Errors
    /// Why the target did not answer. `ticket.answering()` tells whether answer bytes were passed on.
    pub async fn run(&self, ticket: &mut Ticket) -> Result<(), Failure> {
        let target = &self.chosen.target;
        let profile =
            self.live.profiles.get(&target.provider).cloned().ok_or_else(|| {
                Failure::plain(ErrorCode::NoRoute, format!("{} was removed meanwhile", target.provider))
            })?;
        let stream = params::streams(&self.request.body, self.request.facts.stream);
        let loading = self.has_to_load();
        let first = self.first_limit(&profile, stream);
        let default_max_tokens = self.live.config.limits.default_max_tokens;
        let preset = presets::meant(&self.request.facts, &self.live.config, &self.live.world);
        let body =
            params::settle(&self.request.body, &profile, &target.model, default_max_tokens, preset, self.effects)?;
        let (body, held) = reserve::reserve(&self.shared.till, self.live, target, &profile, body).await?;
        ticket.holds(held);
        let job = UpstreamJob {
            profile: profile.clone(),
            model: target.model.clone(),
            body,
            local_only: self.local_only,
            through: self.request.facts.through.clone(),
            time_left: self.deadline.saturating_duration_since(Instant::now()),
        };
        let load = if loading { Some(Load::begin(self, ticket)) } else { None };
        ticket.sent();
        let answer = self.noting_load(load.as_ref(), timeout_at(first, self.shared.ports.upstream.start(job))).await;
        let answer = answer.map_err(|_| self.too_late(stream, first))?;
        if answer.is_ok() {
            ticket.accepted();
        }
        // A refusal tells as much of the account's limits as an answer does.
        let rate = match &answer {
            Ok(answer) => answer.rate.as_ref(),
            Err(failure) => failure.rate.as_deref(),
        };
        if let Some(rate) = rate {
            self.shared.traffic.note_rate(&target.provider, rate, self.shared.ports.clock.now());
        }
        let answer = answer?;
        self.pass_on(answer, &profile, ticket, first, load).await
    }

    /// Until when the first answer byte must be there. Whole answers have the call's deadline only.
    fn first_limit(&self, profile: &Profile, stream: bool) -> Instant {
        if !stream {
            return self.deadline;
        }
        let load = if self.may_have_to_load() { profile.timeouts.load } else { Duration::ZERO };
        (Instant::now() + profile.timeouts.first_token + load).min(self.deadline)
    }

    /// A local model that is not known to be loaded may be loaded by this very call.
    fn may_have_to_load(&self) -> bool {
        self.provider().is_some_and(|provider| provider.reach.is_local()) && self.loaded() != Some(true)
    }

    /// Its server said that it is not loaded: only then a caller is told so.
    fn has_to_load(&self) -> bool {
        self.may_have_to_load() && self.loaded() == Some(false)
    }

    /// Whether the model is loaded, where its server tells.
    fn loaded(&self) -> Option<bool> {
        self.provider()?.models.iter().find(|model| model.id == self.chosen.target.model)?.loaded
    }

    fn provider(&self) -> Option<&WorldProvider> {
        self.live.world.providers.iter().find(|provider| provider.id == self.chosen.target.provider)
    }

    fn too_late(&self, stream: bool, limit: Instant) -> Failure {
        let target = &self.chosen.target;
        if stream && limit < self.deadline {
            Failure::new(ErrorCode::Timeout, Cause::FirstTokenTimeout, format!("{target} sent no token in time"))
        } else {
            Failure::new(
                ErrorCode::Timeout,
                Cause::Deadline,
                format!("{target} did not answer before the call's deadline"),
            )
        }
    }

    async fn pass_on(
        &self,
        answer: UpstreamAnswer,
        profile: &Profile,
        ticket: &mut Ticket,
        first: Instant,
        mut load: Option<Load<'_>>,
    ) -> Result<(), Failure> {
        let model = &self.chosen.target.model;
        let (content_type, stream) = (answer.content_type, answer.stream);
        let mut frames = answer.frames.fuse();
        let mut held: Vec<Frame> = Vec::with_capacity(USUAL_FRAMES);
        let mut held_bytes = 0;
        let (mut head_sent, mut ended) = (false, false);
        loop {
            let next = if head_sent {
                let idle = Instant::now() + profile.timeouts.idle;
                timeout_at(idle.min(self.deadline), frames.next()).await.map_err(|_| self.stood_still(idle))?
            } else {
                self.noting_load(load.as_ref(), timeout_at(first, frames.next()))
                    .await
                    .map_err(|_| self.too_late(stream, first))?
            };
            let Some(arrived) = next else { break };
            let mut broken = None;
            let mut answering = false;
            let (mut arrived, mut taken) = (Some(arrived), 0);
            while let Some(frame) = arrived.take() {
                match frame {
                    Ok(frame) => {
                        ticket.observe(&frame, model.as_str());
                        answering |= frame.seen.answer_bytes();
                        ended |= frame.seen.end;
                        held_bytes += size_of::<Frame>() + frame.raw.len();
                        held.push(frame);
                    }
                    Err(failure) => broken = Some(failure),
                }
                taken += 1;
                if taken < AT_ONCE {
                    // What is here already leaves together; the end of the stream is met again above.
                    arrived = frames.next().now_or_never().flatten();
                }
            }
            // An answer may end before its first word, at its length for one: then its end is all there is of it.
            if (answering || (ended && broken.is_none())) && !head_sent {
                if let Some(load) = load.take() {
                    load.done(ticket);
                }
                self.send_head(&content_type, stream, ticket).await?;
                head_sent = true;
            }
            if head_sent {
                self.forward(&mut held).await?;
            } else if held_bytes > HELD_BYTES && stream {
                return Err(Failure::plain(ErrorCode::BadAnswer, "the server sends data and no answer"));
            }
            if let Some(failure) = broken {
                return Err(failure);
            }
        }
        if head_sent {
            return Ok(());
        }
        Err(Failure::plain(
            ErrorCode::EmptyAnswer,
            format!("{} answered nothing; a prompt that fills its context does that", self.chosen.target),
        ))
    }

    fn stood_still(&self, idle: Instant) -> Failure {
        let target = &self.chosen.target;
        if idle < self.deadline {
            Failure::new(
                ErrorCode::Timeout,
                Cause::IdleTimeout,
                format!("{target} stopped in the middle of its answer"),
            )
        } else {
            Failure::new(
                ErrorCode::Timeout,
                Cause::Deadline,
                format!("{target} was still writing at the call's deadline"),
            )
        }
    }

    async fn send_head(&self, content_type: &str, stream: bool, ticket: &Ticket) -> Result<(), Failure> {
        self.shared.traffic.update(ticket.id(), |running| running.writing = true);
        self.send(CallEvent::Head(Box::new(CallHead {
            call_id: ticket.id().clone(),
            target: self.chosen.target.clone(),
            policy: ticket.policy().to_owned(),
            attempts: ticket.tries(),
            content_type: content_type.to_owned(),
            stream,
            cache: ticket.cache().to_owned(),
        })))
        .await
    }

    /// Passes frames on, together: what arrived in one packet leaves in one.
    async fn forward(&self, frames: &mut Vec<Frame>) -> Result<(), Failure> {
        if !matches!(self.request.body, Body::Chat { .. }) {
            frames.retain(|frame| self.request.wants_usage || !frame.seen.usage_only);
            let bytes = joined(frames);
            return if bytes.is_empty() { Ok(()) } else { self.send(CallEvent::Raw { bytes }).await };
        }
        let (mut reasoning, mut text) = (String::new(), String::new());
        let mut usage = None;
        for frame in frames.drain(..) {
            reasoning.push_str(&frame.seen.reasoning);
            text.push_str(&frame.seen.text);
            usage = frame.seen.usage.or(usage);
        }
        if !reasoning.is_empty() {
            self.send(CallEvent::Reasoning { text: reasoning }).await?;
        }
        if !text.is_empty() {
            self.send(CallEvent::Text { text }).await?;
        }
        if let Some(usage) = usage {
            self.send(CallEvent::Usage { usage }).await?;
        }
        Ok(())
    }

    async fn send(&self, event: CallEvent) -> Result<(), Failure> {
        if let Some(keep) = self.keep {
            keep.note(&event);
        }
        hand_over(self.events, event, self.deadline).await
    }

    /// Runs a future and tells the caller every few seconds that a model may be loading.
    async fn noting_load<T>(&self, load: Option<&Load<'_>>, work: impl Future<Output = T>) -> T {
        let Some(load) = load else { return work.await };
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = sleep(LOADING_NOTE) => {
                    let (target, last_ms) = (self.chosen.target.clone(), load.last_ms);
                    let note = CallEvent::Loading { target, waited_ms: load.waited_ms(), last_ms };
                    if self.events.try_send(note).is_err() {
                        tracing::debug!("a caller is too busy to hear that a model loads");
                    }
                }
            }
        }
    }
}

/// A model that this call has to wait for: shown while it loads, and its time remembered.
struct Load<'a> {
    shared: &'a Shared,
    target: &'a Target,
    started: Instant,
    last_ms: Option<u64>,
    /// Others loaded it before this call asked: its time says nothing.
    first: bool,
}

impl<'a> Load<'a> {
    fn begin(attempt: &Attempt<'a>, ticket: &Ticket) -> Self {
        let (shared, target) = (attempt.shared, &attempt.chosen.target);
        let since = shared.ports.clock.now();
        let last_ms = shared.traffic.loads.last_time(shared.ports.ledger.as_ref(), target, true);
        let first = shared.traffic.loads.since(target).is_none();
        let view = LoadingView { model: target.model.clone(), since, last_ms, unloading: false, by_call: true };
        shared.traffic.loads.begin(target, view);
        shared.traffic.update(ticket.id(), |running| running.loading = Some(LoadingCall { since, last_ms }));
        Self { shared, target, started: Instant::now(), last_ms, first }
    }

    fn waited_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// It answers.
    fn done(self, ticket: &Ticket) {
        if self.first {
            self.shared.traffic.loads.remember_time(self.shared.ports.ledger.as_ref(), self.target, self.waited_ms());
        }
        self.shared.traffic.update(ticket.id(), |running| running.loading = None);
        self.shared.tell(Input::LoadedByCall(self.target.provider.clone()));
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.shared.traffic.loads.end(self.target);
        self.shared.traffic.note_change();
    }
}

/// The bytes of all frames, without a copy when there is one; they are gone from it then.
fn joined(frames: &mut Vec<Frame>) -> Bytes {
    if frames.len() == 1 {
        return frames.pop().map(|frame| frame.raw).unwrap_or_default();
    }
    let mut bytes = BytesMut::with_capacity(frames.iter().map(|frame| frame.raw.len()).sum());
    for frame in frames.drain(..) {
        bytes.extend_from_slice(&frame.raw);
    }
    bytes.freeze()
}
