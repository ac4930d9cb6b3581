//! Kept answers: looked up before a target is asked, and recorded while it answers. Only answers that came whole
//! are kept, in memory, up to a number and a size; who was not used for longest goes first.

use super::super::live::Live;
use super::super::presets;
use super::super::protocol::{CacheView, CallEvent, CallHead};
use super::account::Ticket;
use super::handing::hand_over;
use super::{Shared, params};
use crate::domain::cache_key::{CacheUse, Canon, cache_key};
use crate::domain::call::{Body, CallRequest, Finish, Usage};
use crate::domain::config::CacheRules;
use crate::domain::failure::Failure;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::routing::Decision;
use crate::domain::time::UnixMs;
use crate::engine::ports::{AnswerStore, Kept};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes of all kept answers with their keys; beyond it the oldest go.
pub const MOST_BYTES: usize = 16 << 20;
/// Bytes of one answer; a longer one is passed on and not kept.
const LONGEST_ANSWER: usize = 1 << 20;

/// How often answers that are too old are looked for among all.
const OLD_AFTER: Duration = Duration::from_mins(1);

/// The kept answers of this process.
#[derive(Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: HashMap<Arc<str>, Entry>,
    /// By the moment of their last use, oldest first.
    by_use: BTreeMap<u64, Arc<str>>,
    moment: u64,
    bytes: usize,
    counts: Counts,
    on_disk: u64,
    /// When those that are too old were looked for.
    looked: Option<UnixMs>,
}

struct Entry {
    kept: Arc<Kept>,
    provider: ProviderId,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct Counts {
    hits: u64,
    misses: u64,
    stored: u64,
    evicted: u64,
    expired: u64,
    only_misses: u64,
}

impl Cache {
    /// A poisoned lock means a panic between two plain assignments: the data is still whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer under `key`, unless it is too old.
    fn get(&self, key: &str, rules: &CacheRules, now: UnixMs) -> Option<Arc<Kept>> {
        let mut inner = self.lock();
        let entry = inner.entries.get(key)?;
        if now.since(entry.kept.at) >= rules.ttl {
            inner.counts.expired += 1;
            inner.remove(key);
            return None;
        }
        let (kept, used) = (entry.kept.clone(), entry.used);
        inner.moment += 1;
        let moment = inner.moment;
        if let Some(name) = inner.by_use.remove(&used) {
            inner.by_use.insert(moment, name);
        }
        if let Some(entry) = inner.entries.get_mut(key) {
            entry.used = moment;
        }
        Some(kept)
    }

    fn count(&self, hit: bool) {
        let counts = &mut self.lock().counts;
        if hit {
            counts.hits += 1;
        } else {
            counts.misses += 1;
        }
    }

    /// A call that wanted a kept answer or none got none.
    pub fn count_only_miss(&self) {
        self.lock().counts.only_misses += 1;
    }

    fn put(&self, key: &str, provider: ProviderId, kept: Arc<Kept>, rules: &CacheRules) {
        let bytes = key.len() + kept.bytes();
        if bytes > MOST_BYTES / 4 || rules.max_entries == 0 {
            return;
        }
        let mut inner = self.lock();
        inner.remove(key);
        while inner.entries.len() >= rules.max_entries || inner.bytes + bytes > MOST_BYTES {
            let Some((_, oldest)) = inner.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            inner.remove(&oldest);
            inner.counts.evicted += 1;
        }
        inner.moment += 1;
        let used = inner.moment;
        let name: Arc<str> = Arc::from(key);
        inner.by_use.insert(used, name.clone());
        inner.bytes += bytes;
        inner.entries.insert(name, Entry { kept, provider, bytes, used });
    }

    /// Forgets every answer; how many there were.
    pub fn clear(&self) -> u64 {
        let mut inner = self.lock();
        let count = inner.entries.len() as u64;
        inner.entries.clear();
        inner.by_use.clear();
        inner.bytes = 0;
        inner.on_disk = 0;
        count
    }

    /// Forgets the answers of a provider that is another one now.
    pub fn forget(&self, provider: &ProviderId) {
        let mut inner = self.lock();
        let gone: Vec<Arc<str>> =
            inner.entries.iter().filter(|(_, entry)| &entry.provider == provider).map(|(key, _)| key.clone()).collect();
        for key in gone {
            inner.remove(&key);
        }
    }

    /// How many answers the file holds, as it was asked last.
    pub fn note_on_disk(&self, entries: u64) {
        self.lock().on_disk = entries;
    }

    pub fn view(&self, rules: &CacheRules, now: UnixMs) -> CacheView {
        let mut inner = self.lock();
        inner.forget_old(rules, now);
        let on_disk = if rules.persist { inner.on_disk } else { 0 };
        CacheView {
            enabled: rules.enabled,
            persist: rules.persist,
            // What is in memory is in the file too, and was perhaps put there after it was asked.
            entries: on_disk.max(inner.entries.len() as u64),
            max_entries: rules.max_entries as u64,
            bytes: inner.bytes as u64,
            max_bytes: MOST_BYTES as u64,
            ttl_seconds: rules.ttl.as_secs(),
            hits: inner.counts.hits,
            misses: inner.counts.misses,
            stored: inner.counts.stored,
            evicted: inner.counts.evicted,
            expired: inner.counts.expired,
            only_misses: inner.counts.only_misses,
        }
    }
}

impl Inner {
    /// Those that are too old count no more. All of them are looked at, so not with every picture.
    fn forget_old(&mut self, rules: &CacheRules, now: UnixMs) {
        if self.looked.is_some_and(|at| now.since(at) < OLD_AFTER && now >= at) {
            return;
        }
        self.looked = Some(now);
        let is_old = |entry: &Entry| now.since(entry.kept.at) >= rules.ttl;
        let old: Vec<Arc<str>> =
            self.entries.iter().filter(|(_, entry)| is_old(entry)).map(|(key, _)| key.clone()).collect();
        self.counts.expired += old.len() as u64;
        for key in old {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

/// One target's place among the kept answers, for one call.
pub(super) struct Keeping<'a> {
    cache: &'a Cache,
    store: Option<Arc<dyn AnswerStore>>,
    rules: &'a CacheRules,
    target: &'a Target,
    key: String,
    recording: Mutex<Recording>,
}

#[derive(Default)]
struct Recording {
    head: Option<(String, bool)>,
    events: Vec<CallEvent>,
    bytes: usize,
    too_long: bool,
}

/// What part kept answers have in a call.
pub(super) fn use_of(request: &CallRequest, decision: &Decision) -> CacheUse {
    request.facts.cache.use_with(decision.effects.temperature)
}

impl<'a> Keeping<'a> {
    /// `None` where kept answers have no part in this call.
    pub(super) fn of(
        shared: &'a Shared,
        live: &'a Live,
        request: &CallRequest,
        decision: &Decision,
        target: &'a Target,
    ) -> Option<Self> {
        let rules = &live.config.cache;
        if use_of(request, decision) == CacheUse::Off || !rules.enabled {
            return None;
        }
        let profile = live.profiles.get(&target.provider)?;
        let most = live.config.limits.default_max_tokens;
        let preset = presets::meant(&request.facts, &live.config, &live.world);
        let body = params::settle(&request.body, profile, &target.model, most, preset, &decision.effects).ok()?;
        let stream = params::streams(&request.body, request.facts.stream);
        let (canon, form) = match &body {
            Body::Chat { .. } => (serde_json::to_string(&body).ok()?, "chat"),
            Body::RawOpenaiChat { json } => (json.clone(), if stream { "raw stream" } else { "raw" }),
            Body::RawOpenaiCompletion { json } => {
                (json.clone(), if stream { "completion stream" } else { "completion" })
            }
            Body::RawOpenaiEmbeddings { json } => (json.clone(), "embeddings"),
        };
        let mut canon: Canon = serde_json::from_str(&canon).ok()?;
        if let (Canon::Object(members), "chat") = (&mut canon, form) {
            // The enum's own name stands around the body: what stands apart is one step below.
            if let Some(inner) = members.remove("chat") {
                canon = inner;
            }
        }
        Some(Self {
            cache: &shared.traffic.kept,
            store: shared.ports.answers.clone().filter(|_| rules.persist),
            rules,
            target,
            // With the address: the id may mean another server by the time a file is read again.
            key: cache_key(target, &request.facts.client, &format!("{form} {}", profile.endpoint.api_base), &canon),
            recording: Mutex::default(),
        })
    }

    /// Answers from what is kept; `false` when nothing is.
    ///
    /// # Errors
    /// The caller has left, or reads no more.
    pub async fn replay(
        &self,
        ticket: &mut Ticket,
        events: &mpsc::Sender<CallEvent>,
        now: UnixMs,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        let mut found = self.cache.get(&self.key, self.rules, now);
        if found.is_none()
            && let Some(store) = &self.store
        {
            let kept = store.get(&self.key).await.filter(|kept| now.since(kept.at) < self.rules.ttl).map(Arc::new);
            if let Some(kept) = &kept {
                self.cache.put(&self.key, self.target.provider.clone(), kept.clone(), self.rules);
            }
            found = kept;
        }
        self.cache.count(found.is_some());
        let Some(kept) = found else {
            ticket.missed();
            return Ok(false);
        };
        ticket.served(self.target, &kept);
        let head = CallEvent::Head(Box::new(CallHead {
            call_id: ticket.id().clone(),
            target: self.target.clone(),
            policy: ticket.policy().to_owned(),
            attempts: ticket.tries(),
            content_type: kept.content_type.clone(),
            stream: kept.stream,
            cache: ticket.cache().to_owned(),
        }));
        for event in std::iter::once(head).chain(kept.events.iter().cloned()) {
            hand_over(events, event, deadline).await?;
        }
        Ok(true)
    }

    /// Notes what goes to the caller.
    pub fn note(&self, event: &CallEvent) {
        let mut recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CallEvent::Head(head) => {
                *recording = Recording::default();
                recording.head = Some((head.content_type.clone(), head.stream));
            }
            CallEvent::Text { .. } | CallEvent::Reasoning { .. } | CallEvent::Raw { .. } | CallEvent::Usage { .. }
                if !recording.too_long =>
            {
                recording.bytes += size_of_event(event);
                recording.events.push(event.clone());
                if recording.bytes > LONGEST_ANSWER {
                    recording.too_long = true;
                    recording.events = Vec::new();
                }
            }
            _ => {}
        }
    }

    /// Keeps what was noted, once the answer is whole. One that was cut off at its length or by a filter is none.
    pub async fn keep(self, usage: Option<Usage>, finish: Option<Finish>, now: UnixMs) {
        let recording = self.recording.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some((content_type, stream)) = recording.head else { return };
        let whole = matches!(finish, None | Some(Finish::Stop | Finish::ToolCalls));
        if recording.too_long || recording.events.is_empty() || !whole {
            return;
        }
        let kept = Arc::new(Kept { at: now, content_type, stream, events: recording.events, usage, finish });
        if let Some(store) = &self.store {
            // Before the call ends: a process that ends with it must not lose the answer.
            store.put(&self.key, kept.clone(), self.rules.max_entries, self.rules.oldest(now)).await;
        }
        self.cache.put(&self.key, self.target.provider.clone(), kept, self.rules);
        self.cache.lock().counts.stored += 1;
    }
}

fn size_of_event(event: &CallEvent) -> usize {
    let held = match event {
        CallEvent::Text { text } | CallEvent::Reasoning { text } => text.len(),
        CallEvent::Raw { bytes } => bytes.len(),
        _ => 0,
    };
    size_of::<CallEvent>() + held
}

impl Kept {
    fn bytes(&self) -> usize {
        self.content_type.len() + self.events.iter().map(size_of_event).sum::<usize>()
    }
}
