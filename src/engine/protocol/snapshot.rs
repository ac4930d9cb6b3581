//! What *is*, as an immutable value: parts behind `Arc`s with revisions, so that an unchanged part costs a
//! pointer and a screen can skip it. No secret is ever part of it.

use super::flow::FlowView;
use super::policy::ObservedSums;
use crate::domain::config::{Endpoint, Issue, Journey, KeySource, Origin, Ui, Withheld};
use crate::domain::health::{Abilities, Instance, ModelChanges, ProviderHealth, State};
use crate::domain::ids::{CallId, ModelId, ProviderId, Target};
use crate::domain::incident::{Incident, Slot};
use crate::domain::kind::Kind;
use crate::domain::money::{Money, Price};
use crate::domain::preset::Preset;
use crate::domain::rate::{RateState, RateWindow};
use crate::domain::reach::Reach;
use crate::domain::routing::{ActiveChoice, Named, RuleSet};
use crate::domain::shared::SharedList;
use crate::domain::time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The whole picture at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    pub revision: u64,
    pub config: Arc<ConfigView>,
    pub providers: Arc<Vec<Arc<ProviderView>>>,
    pub routing: Arc<RoutingView>,
    pub spend: Arc<SpendView>,
    pub gateway: Arc<GatewayView>,
    pub running: Arc<Vec<RunningCall>>,
    /// Open incidents first, then those that ended not long ago, the newest first.
    #[serde(default)]
    pub incidents: Arc<Vec<Incident>>,
    /// Slots, queue and kept answers of this process.
    #[serde(default)]
    pub flow: Arc<FlowView>,
}

/// The configuration's file and its findings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the file")]
pub struct ConfigView {
    /// Where it was read from; `None` when there is no file.
    pub file: Option<String>,
    /// Where the first save goes when there is none.
    pub would_write: String,
    pub issues: Vec<Issue>,
    /// The last load failed and an older configuration is running.
    pub rejected: Option<String>,
    pub can_undo: bool,
    pub ui: Ui,
    pub state_dir: String,
    /// No file, no provider from the environment: the first page is shown.
    pub first_run: bool,
    /// Since when a version of a rejected file is kept that could be used.
    #[serde(default)]
    pub last_good: Option<UnixMs>,
    /// The last good version runs in place of a rejected file.
    #[serde(default)]
    pub on_last_good: bool,
    /// Where a gateway of this configuration listens, as in `127.0.0.1:4141`.
    #[serde(default)]
    pub gateway_listen: String,
    /// Whether its callers must send a key.
    #[serde(default)]
    pub gateway_needs_key: bool,
    /// `limits.default_max_tokens`: what is sent for a caller that names no length; 0 when it is not told.
    #[serde(default)]
    pub default_max_tokens: u64,
    /// In file order.
    #[serde(default)]
    pub presets: Arc<Vec<Preset>>,
    /// Keys that wait for the person's word before they go to a stranger, as [`super::Command::ConfigTrust`] names
    /// them.
    #[serde(default)]
    pub untrusted: Vec<Journey>,
    /// Everything that is in force in the words of a file, without keys.
    #[serde(default)]
    pub in_force: Arc<Value>,
}

/// One provider with everything a screen shows of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderView {
    pub id: ProviderId,
    /// For the screen; the id when the profile has no name.
    pub name: String,
    pub kind: Kind,
    pub endpoint: Endpoint,
    pub key_source: KeySource,
    pub enabled: bool,
    pub local: bool,
    /// Why nothing is sent to it, where that is so.
    pub withheld: Option<Withheld>,
    pub health: ProviderHealth,
    pub reach: Reach,
    pub models: SharedList<ModelView>,
    /// Models named in the profile, in order (for the form).
    pub named_models: Vec<ModelId>,
    /// A probe is running.
    pub probing: bool,
    pub parked_until: Option<UnixMs>,
    /// The last probes, oldest first, at most [`PROBE_HISTORY`].
    pub history: VecDeque<ProbePoint>,
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    /// Share of good probes in the last 24 h, in thousandths.
    pub uptime_permille: Option<u32>,
    /// State changes, newest first, at most 20.
    pub lately: Vec<LatelyEntry>,
    /// Names of the original service for its targets; `None` stands for its best model.
    pub aliases: BTreeMap<String, Option<ModelId>>,
    pub origin: Origin,
    /// Where it stands in the file, as in `providers[2]`; empty when no file holds it.
    pub place: String,
    pub line: Option<usize>,
    pub probe_interval_s: u64,
    /// Calls that moved away since it went down.
    pub moved_calls: u32,
    /// Models on their way into memory or out of it.
    #[serde(default)]
    pub loading: Vec<LoadingView>,
    /// What changed in its list lately, newest first, at most 20.
    #[serde(default)]
    pub model_changes: Vec<ModelsEntry>,
    /// What its vendor last said of its limits.
    #[serde(default)]
    pub rate: Option<RateState>,
    /// What was seen in the last 24 hours, oldest first, by this process or another; what is missing was not asked.
    #[serde(default)]
    pub day: VecDeque<Slot>,
    /// What is left of the account's plan.
    #[serde(default)]
    pub plan: Option<PlanView>,
    /// Models that are kept in its memory, by the person's wish.
    #[serde(default)]
    pub warm: Vec<WarmView>,
}

impl ProviderView {
    /// Found on this machine and used as it is, while nothing is configured.
    pub fn is_discovered(&self) -> bool {
        self.origin == Origin::Discovery
    }

    /// Until when no call goes there: after a rate limit, or because its plan is used up.
    pub fn parked(&self) -> Option<UnixMs> {
        self.parked_until.max(self.plan.as_ref().and_then(|plan| plan.used_up_until))
    }

    /// The models that lmdeck may choose by itself: named in the profile, or held by a near server. What a cloud
    /// vendor merely lists can be named, and is never chosen.
    pub fn candidates(&self) -> impl Iterator<Item = &ModelView> {
        let near = self.reach.is_local();
        self.models.iter().filter(move |model| model.nameable() && (model.named || near))
    }

    /// Whether a prompt for one of its models stays at home: the server is near, and does not run that one elsewhere.
    pub fn runs_near(&self, model: &ModelView) -> bool {
        self.reach.is_local() && !model.remote
    }

    pub fn target(&self, model: &ModelView) -> Target {
        Target { provider: self.id.clone(), model: model.id.clone() }
    }
}

impl Named for ProviderView {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn aliases(&self) -> &BTreeMap<String, Option<ModelId>> {
        &self.aliases
    }

    fn models(&self) -> impl Iterator<Item = (&ModelId, bool)> {
        let near = self.reach.is_local();
        let nameable = self.models.iter().filter(|model| model.nameable());
        nameable.map(move |model| (&model.id, model.named || near))
    }
}

/// Probes kept per provider for charts.
pub const PROBE_HISTORY: usize = 288;

/// One probe on the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbePoint {
    pub at: UnixMs,
    /// `None` when it failed.
    pub latency_ms: Option<u64>,
    pub state: State,
}

/// A model on its way into memory, or out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadingView {
    pub model: ModelId,
    pub since: UnixMs,
    /// How long loading it took the last time.
    pub last_ms: Option<u64>,
    pub unloading: bool,
    /// A call loads it, not a command.
    pub by_call: bool,
}

/// What is left of an account's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// What is left of each window, by the plan of the profile; nothing without one.
    pub windows: Vec<PlanLeft>,
    /// Until when there is no room for a call.
    pub used_up_until: Option<UnixMs>,
    /// The vendor says so itself.
    pub told: bool,
}

/// One bound of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLeft {
    /// How long its window is, in seconds.
    pub window_s: u64,
    pub left: RateWindow,
}

/// When a model is kept in its server's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmView {
    pub model: ModelId,
    /// The hours, as written.
    pub keep: Option<String>,
    /// The moments, as written.
    pub preload: Option<String>,
    /// Since when it is there, where this process saw it come.
    pub loaded_since: Option<UnixMs>,
    pub standing: WarmStanding,
}

/// How it stands with a model that is to be kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum WarmStanding {
    Loaded,
    /// Not there, and about to be loaded.
    Wanted,
    /// Nothing asks for it now.
    Resting,
    /// A person unloaded it: left alone until its next hours.
    Held,
    /// It could not be loaded, and is not tried again before its next hours.
    GaveUp {
        why: String,
    },
    /// Its provider is paused, off, or does not answer.
    Away,
    /// lmdeck cannot have this server load anything.
    Powerless,
}

/// One change of a provider's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsEntry {
    pub at: UnixMs,
    pub changes: ModelChanges,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatelyEntry {
    pub at: UnixMs,
    pub state: State,
    pub reason: String,
}

/// One model of a provider for tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a table shows")]
pub struct ModelView {
    pub id: ModelId,
    pub named: bool,
    pub listed: bool,
    pub chat: bool,
    pub loaded: Option<bool>,
    pub context: Option<u64>,
    pub quantization: Option<String>,
    pub size_bytes: Option<u64>,
    pub price: Option<Price>,
    pub breaker_until: Option<UnixMs>,
    /// As in [`crate::domain::health::ModelInfo`], like the fields below it.
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub max_context: Option<u64>,
    #[serde(default)]
    pub instances: Vec<Instance>,
    #[serde(default)]
    pub parameters: Option<String>,
    #[serde(default)]
    pub format: Option<String>,
    #[serde(default)]
    pub can: Abilities,
    #[serde(default)]
    pub remote: bool,
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    #[serde(default)]
    pub expires: Option<UnixMs>,
    /// Calls it answered since this process started.
    #[serde(default)]
    pub calls: u64,
    /// Tokens a second while it writes, over those calls.
    #[serde(default)]
    pub tokens_per_s: Option<f64>,
}

impl ModelView {
    /// A model of which only the id is known: neither named nor listed.
    pub fn of(id: impl Into<ModelId>) -> Self {
        Self {
            id: id.into(),
            named: false,
            listed: false,
            chat: true,
            loaded: None,
            context: None,
            quantization: None,
            size_bytes: None,
            price: None,
            breaker_until: None,
            display_name: None,
            max_context: None,
            instances: Vec::new(),
            parameters: None,
            format: None,
            can: Abilities::default(),
            remote: false,
            memory_bytes: None,
            expires: None,
            calls: 0,
            tokens_per_s: None,
        }
    }

    /// Whether a caller may name it.
    pub fn nameable(&self) -> bool {
        self.chat && (self.named || self.listed)
    }
}

/// Rules and the target in effect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RoutingView {
    pub rules: RuleSet,
    pub active: ActiveChoice,
    /// Where an unlabelled `auto` request would go now.
    pub in_effect: Option<Target>,
    /// Why it is not the chosen one, in a few words; empty when it is.
    pub in_effect_why: String,
    /// Calls decided today, by the name in the ledger's `policy`.
    pub decided_today: Vec<(String, u64)>,
    /// What observed policies would have done in the last 24 hours; empty where none has matched.
    #[serde(default)]
    pub observed: ObservedSums,
}

/// Today's money.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpendView {
    pub today: Money,
    pub limit: Option<Money>,
    /// Calls today whose price is not known, or in part only: what is known of it is in `today`.
    pub unpriced_calls: u64,
    pub calls_today: u64,
    /// Of them failed or denied.
    pub failed_today: u64,
    /// Put aside by this process for calls under way.
    #[serde(default)]
    pub reserved: Money,
    /// What can still be spent today; `None` without a limit.
    #[serde(default)]
    pub remaining: Option<Money>,
    /// The alert's share of the limit is used.
    #[serde(default)]
    pub alerting: bool,
}

/// Whether this process serves the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GatewayView {
    /// As in `127.0.0.1:4141`; `None` when not serving.
    pub listening: Option<String>,
    /// Why it does not, where it should.
    pub trouble: Option<String>,
}

/// A call that has not ended yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningCall {
    pub id: CallId,
    pub since: UnixMs,
    pub client: String,
    pub request_type: String,
    pub target: Option<Target>,
    pub writing: bool,
    /// Its model has to load first; how long that took the last time.
    #[serde(default)]
    pub loading: Option<LoadingCall>,
}

/// A call that waits for its model to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadingCall {
    pub since: UnixMs,
    pub last_ms: Option<u64>,
}
