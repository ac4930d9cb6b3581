//! From state to the picture front ends see. Parts that did not change keep their `Arc`, so that a screen can
//! skip them; nothing secret is copied.

use super::Options;
use super::live::{Live, reach_of};
use super::plans::Plans;
use super::ports::{DaySums, Loaded, Unusable};
use super::protocol::{
    ConfigView, ExportView, FlowView, GatewayView, ObservedSums, ProviderView, RoutingView, RunningCall, Snapshot,
    SpendView,
};
use super::state::{Provider, State};
use super::till::Position;
use super::traffic::Traffic;
use super::warm::Warm;
use crate::domain::call::Facts;
use crate::domain::config::{Config, Issue, Origin};
use crate::domain::incident::Incident;
use crate::domain::money::Money;
use crate::domain::routing::{ActiveChoice, BudgetFacts, World, decide};
use crate::domain::stats::percentile;
use crate::domain::time::UnixMs;
use serde_json::Value;
use std::sync::Arc;

/// The last picture's parts, and what is only shown.
pub struct Views {
    pub gateway: Arc<GatewayView>,
    pub dropped_records: u64,
    config: Arc<ConfigView>,
    providers: Arc<Vec<Arc<ProviderView>>>,
    routing: Arc<RoutingView>,
    spend: Arc<SpendView>,
    running: Arc<Vec<RunningCall>>,
    incidents: Arc<Vec<Incident>>,
    flow: Arc<FlowView>,
    revision: u64,
    file: Option<String>,
    would_write: String,
    issues: Vec<Issue>,
    rejected: Option<String>,
    can_undo: bool,
    state_dir: String,
    last_good: Option<UnixMs>,
    on_last_good: bool,
    in_force: Arc<Value>,
    pub export: Option<ExportView>,
}

impl Views {
    pub fn new(options: &Options) -> Self {
        Self {
            gateway: Arc::default(),
            dropped_records: 0,
            config: Arc::default(),
            providers: Arc::default(),
            routing: Arc::default(),
            spend: Arc::default(),
            running: Arc::default(),
            incidents: Arc::default(),
            flow: Arc::default(),
            revision: 0,
            file: None,
            would_write: String::new(),
            issues: Vec::new(),
            rejected: options.rejected.clone(),
            can_undo: false,
            state_dir: options.state_dir.clone(),
            last_good: None,
            on_last_good: false,
            in_force: Arc::default(),
            export: None,
        }
    }

    /// Notes a good configuration and gives it on.
    pub fn accept(&mut self, loaded: Loaded) -> Arc<Config> {
        self.file = loaded.file;
        self.would_write = loaded.would_write;
        self.issues = loaded.issues;
        self.can_undo = loaded.can_undo;
        self.in_force = loaded.in_force;
        self.rejected = None;
        self.last_good = None;
        self.on_last_good = false;
        loaded.config
    }

    /// Notes that the file cannot be used; what runs goes on.
    pub fn reject(&mut self, unusable: Unusable) {
        let first = unusable.issues.first().map_or("it cannot be used", |issue| issue.message.as_str());
        self.rejected = Some(first.to_owned());
        self.file = Some(unusable.file);
        self.issues = unusable.issues;
        self.last_good = unusable.last_good;
    }

    /// Notes that the last good version runs in place of the rejected file; what is wrong with that stays said.
    pub fn fall_back(&mut self, loaded: &Loaded) {
        self.in_force = loaded.in_force.clone();
        self.on_last_good = true;
    }

    /// Whether the file cannot be used now.
    pub fn is_rejected(&self) -> bool {
        self.rejected.is_some()
    }

    pub fn is_on_last_good(&self) -> bool {
        self.on_last_good
    }

    /// Whether there is neither a file nor a provider in `config`.
    pub fn nothing_configured(&self, config: &Config) -> bool {
        self.file.is_none() && config.providers.iter().all(|profile| profile.origin == Origin::Discovery)
    }

    /// A picture before anything is known.
    pub fn empty(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            config: self.config.clone(),
            providers: self.providers.clone(),
            routing: self.routing.clone(),
            spend: self.spend.clone(),
            gateway: self.gateway.clone(),
            running: self.running.clone(),
            incidents: self.incidents.clone(),
            flow: self.flow.clone(),
        }
    }

    pub fn snapshot(
        &mut self,
        state: &State,
        live: &Live,
        (today, observed, position): (&DaySums, &ObservedSums, Position),
        running: Vec<RunningCall>,
        (traffic, plans, warm): (&Traffic, &Plans, &Warm),
        now: UnixMs,
    ) -> Snapshot {
        let config = self.config_view(state);
        keep(&mut self.config, config);
        keep(&mut self.routing, routing_view(live, today, observed));
        keep(&mut self.spend, spend_view(state, today, position));
        keep(&mut self.running, running);
        keep(&mut self.incidents, incidents(state));
        keep(&mut self.flow, FlowView { export: self.export.clone(), ..traffic.flow(&state.config, now) });
        let mut views = Vec::with_capacity(state.providers.len());
        for provider in &state.providers {
            let mut view = self
                .providers
                .iter()
                .find(|view| view.id == provider.profile.id)
                .cloned()
                .unwrap_or_else(|| Arc::new(provider_view(provider, (traffic, plans, warm), now)));
            keep(&mut view, provider_view(provider, (traffic, plans, warm), now));
            views.push(view);
        }
        let same = views.len() == self.providers.len()
            && views.iter().zip(self.providers.iter()).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same {
            self.providers = Arc::new(views);
        }
        self.revision += 1;
        self.empty()
    }

    fn config_view(&self, state: &State) -> ConfigView {
        ConfigView {
            file: self.file.clone(),
            would_write: self.would_write.clone(),
            issues: self.issues.clone(),
            rejected: self.rejected.clone(),
            can_undo: self.can_undo,
            ui: state.config.ui.clone(),
            state_dir: self.state_dir.clone(),
            first_run: self.nothing_configured(&state.config),
            last_good: self.last_good,
            on_last_good: self.on_last_good,
            gateway_listen: state.config.gateway.listen.to_string(),
            gateway_needs_key: !state.config.gateway.api_keys.is_empty(),
            default_max_tokens: state.config.limits.default_max_tokens,
            presets: state.config.presets.clone(),
            untrusted: state.config.untrusted.clone(),
            in_force: self.in_force.clone(),
        }
    }
}

/// Replaces a part only when it differs.
fn keep<T: PartialEq>(part: &mut Arc<T>, new: T) {
    if **part != new {
        *part = Arc::new(new);
    }
}

fn routing_view(live: &Live, today: &DaySums, observed: &ObservedSums) -> RoutingView {
    let decision = decide(&Facts::default(), &live.config.rules, &live.world);
    let in_effect = decision.chain.first().map(|chosen| chosen.target.clone());
    let chosen = match &live.world.active {
        ActiveChoice::Auto => None,
        ActiveChoice::Provider(id) => Some((id.clone(), None)),
        ActiveChoice::Target(target) => Some((target.provider.clone(), Some(target.model.clone()))),
    };
    let kept = chosen.as_ref().is_none_or(|(provider, model)| {
        in_effect.as_ref().is_some_and(|target| {
            &target.provider == provider && model.as_ref().is_none_or(|model| &target.model == model)
        })
    });
    let in_effect_why = match (&in_effect, kept) {
        (None, _) => decision.rejected.first().map_or_else(|| nobody(&live.world), |reject| reject.reason.to_string()),
        (Some(_), true) => String::new(),
        (Some(_), false) => chosen
            .and_then(|(provider, _)| decision.rejected.iter().find(|reject| reject.target.provider == provider))
            .map_or_else(|| "the chosen one is not there".into(), |reject| reject.reason.to_string()),
    };
    RoutingView {
        rules: live.config.rules.clone(),
        active: live.world.active.clone(),
        in_effect,
        in_effect_why,
        decided_today: today.by_policy.clone(),
        // Without an observed rule a count of calls is nobody's news.
        observed: if observed.policies.is_empty() { ObservedSums::default() } else { observed.clone() },
    }
}

/// Why there is not even a candidate: no provider, or none that has told its models.
fn nobody(world: &World) -> String {
    match world.providers.iter().find(|provider| provider.enabled && !provider.state.usable()) {
        Some(provider) => format!("{} is {}: {}", provider.id, provider.state.word(), provider.reason),
        None if world.providers.is_empty() => "no provider yet".into(),
        None => "no model is known yet".into(),
    }
}

fn spend_view(state: &State, today: &DaySums, position: Position) -> SpendView {
    let money = &state.config.money;
    let used = today.spent.max(position.used());
    SpendView {
        today: today.spent,
        limit: money.daily_limit,
        unpriced_calls: today.unpriced,
        calls_today: today.calls,
        failed_today: today.failed,
        reserved: position.reserved,
        remaining: money.daily_limit.map(|limit| Money(limit.0.saturating_sub(used.0).max(0))),
        alerting: money.daily_limit.is_some()
            && BudgetFacts { used, limit: money.daily_limit }.fraction() >= money.alert_threshold,
    }
}

fn provider_view(provider: &Provider, (traffic, plans, warm): (&Traffic, &Plans, &Warm), now: UnixMs) -> ProviderView {
    let profile = &provider.profile;
    let mut latencies: Vec<u64> = provider.history.iter().filter_map(|point| point.latency_ms).collect();
    ProviderView {
        id: profile.id.clone(),
        name: profile.display_name().to_owned(),
        kind: profile.kind,
        endpoint: profile.endpoint.clone(),
        key_source: profile.key_source.clone(),
        enabled: profile.enabled,
        local: profile.local,
        withheld: profile.withheld.clone(),
        health: provider.health.clone(),
        reach: reach_of(provider),
        models: provider.model_views(),
        named_models: profile.models.iter().map(|model| model.id.clone()).collect(),
        probing: provider.probing,
        parked_until: traffic.parked_until(&profile.id, now),
        p50_ms: percentile(&mut latencies, 50),
        p95_ms: percentile(&mut latencies, 95),
        uptime_permille: provider.watch.uptime_permille(now),
        history: provider.history.clone(),
        lately: provider.lately.iter().cloned().collect(),
        aliases: profile.aliases.clone(),
        origin: profile.origin,
        place: profile.place.clone(),
        line: profile.line,
        probe_interval_s: profile.timeouts.probe_interval.as_secs(),
        moved_calls: provider.moved_calls,
        loading: traffic.loads.of(&profile.id),
        model_changes: provider.model_changes.iter().cloned().collect(),
        rate: traffic.rate(&profile.id),
        day: provider.watch.slots().clone(),
        plan: plans.view(profile, now),
        warm: warm.views(provider),
    }
}

/// Open ones first, then those that ended, each the newest first.
fn incidents(state: &State) -> Vec<Incident> {
    let mut all: Vec<Incident> =
        state.providers.iter().flat_map(|provider| provider.watch.incidents()).cloned().collect();
    all.sort_by_key(|incident| (!incident.is_open(), std::cmp::Reverse(incident.since)));
    all
}
