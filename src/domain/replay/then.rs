//! The world as it was when a call was decided: what its record tells of it, then what probes saw at that time, and
//! today's for the rest.

use crate::domain::call::{CallRecord, Reject};
use crate::domain::health::State;
use crate::domain::ids::ProviderId;
use crate::domain::incident::Slot;
use crate::domain::routing::{ActiveChoice, Limited, LocalTime, World, WorldModel, WorldProvider};
use crate::domain::time::UnixMs;
use std::collections::BTreeMap;

/// Longer than any bound of a wait.
const LONG_WAIT_MS: u64 = u64::MAX / 2;

/// A world with what is known of its past.
pub struct Then {
    pub world: World,
    /// Providers whose state is recorded with the call.
    pub known: Vec<ProviderId>,
}

/// What the record of a call tells of a provider.
enum Told<'r> {
    /// It could take calls.
    Usable,
    Not(&'r Reject),
    Nothing,
}

/// What probes saw of providers, slot by slot.
#[derive(Debug, Clone, Default)]
pub struct Watched(BTreeMap<(ProviderId, UnixMs), Slot>);

impl Watched {
    pub fn of(slots: impl IntoIterator<Item = (ProviderId, Slot)>) -> Self {
        Self(slots.into_iter().map(|(id, slot)| ((id, slot.start), slot)).collect())
    }

    /// The state at a moment; `None` where nobody looked, or saw now this and now that.
    fn state(&self, id: &ProviderId, at: UnixMs) -> Option<State> {
        let start = Slot::of(at, State::Unknown, None).start;
        match self.0.get(&(id.clone(), start))? {
            Slot { bad: 0, .. } => Some(State::Up),
            Slot { good: 0, worst, .. } => Some(*worst),
            _ => None,
        }
    }
}

/// The world of `record`, which was decided at `time` on the machine's own clock.
pub fn world_then(record: &CallRecord, time: LocalTime, today: &World, watched: &Watched) -> Then {
    let mut known = Vec::new();
    let mut limited = Vec::new();
    let soon = UnixMs(record.ts.0.saturating_add(1));
    let provider = |now: &WorldProvider| {
        let mut then = now.clone();
        match told(record, &now.id) {
            Told::Nothing => match watched.state(&now.id, record.ts) {
                None => return then,
                Some(state) => seen(&mut then, state),
            },
            Told::Usable => usable(&mut then, record, soon),
            Told::Not(reject) => out(&mut then, reject, soon, &mut limited),
        }
        known.push(now.id.clone());
        then
    };
    let providers: Vec<WorldProvider> = today.providers.iter().map(provider).collect();
    let mut world = World {
        now: record.ts,
        active: active(record, today),
        providers: providers.into(),
        budget_exhausted: exhausted(record, today),
        priced_only: record.rejects.iter().any(|reject| reject.code == "unpriced"),
        budget: today.budget,
        time,
        in_flight: Vec::new(),
        pin: None,
        limited,
        waits: Vec::new(),
        spilling: Vec::new(),
        load_ms: today.load_ms.clone(),
        presets: today.presets.clone(),
    };
    if record.policy.starts_with("strategy:") {
        order_of_then(&mut world, record);
    }
    Then { world, known }
}

fn told<'r>(record: &'r CallRecord, id: &ProviderId) -> Told<'r> {
    if record.chain.iter().any(|target| &target.provider == id) {
        return Told::Usable;
    }
    let mut usable = false;
    for reject in record.rejects.iter().filter(|reject| &reject.target.provider == id) {
        match &*reject.code {
            "disabled" | "withheld" | "paused" | "unauthorized" | "down" | "parked" | "limited" => {
                return Told::Not(reject);
            }
            // Looked at only where nothing is wrong with the provider.
            "not_chat" | "over_budget" | "unpriced" | "breaker_open" | "capability" | "context" | "unlisted" => {
                usable = true;
            }
            _ => {}
        }
    }
    if usable { Told::Usable } else { Told::Nothing }
}

/// Its state by the probes of that time; what keeps it from being asked is the configuration's, and today's.
fn seen(then: &mut WorldProvider, state: State) {
    then.parked_until = None;
    if then.state != state {
        then.state = state;
        then.reason.clear();
    }
    if then.models.iter().any(|model| model.breaker_until.is_some()) {
        then.models.iter_mut().for_each(|model| model.breaker_until = None);
    }
}

fn usable(then: &mut WorldProvider, record: &CallRecord, soon: UnixMs) {
    then.enabled = true;
    then.withheld = None;
    then.parked_until = None;
    if !then.state.usable() {
        then.state = State::Up;
        then.reason.clear();
    }
    let mut models = then.models.to_vec();
    for model in &mut models {
        let broken = |reject: &&Reject| reject.code == "breaker_open" && reject.target.model == model.id;
        let mut own = record.rejects.iter().filter(|reject| reject.target.provider == then.id);
        model.breaker_until = own.find(|reject| broken(reject)).map(|_| soon);
    }
    // A server that is down today lists nothing; then it had what the chain names.
    for target in record.chain.iter().filter(|target| target.provider == then.id) {
        if models.iter().all(|model| model.id != target.model) {
            models.push(WorldModel::of(target.model.clone()));
        }
    }
    if models != *then.models {
        then.models = models.into();
    }
}

fn out(then: &mut WorldProvider, reject: &Reject, soon: UnixMs, limited: &mut Vec<Limited>) {
    then.enabled = true;
    then.withheld = None;
    then.parked_until = None;
    let reason = |word: &str| reject.reason.strip_prefix(word).unwrap_or_default().to_owned();
    match &*reject.code {
        "disabled" => then.enabled = false,
        "withheld" => then.withheld = Some(reject.reason.to_string()),
        "paused" => then.state = State::Paused,
        "unauthorized" => (then.state, then.reason) = (State::Unauthorized, reason("unauthorized: ")),
        "down" => (then.state, then.reason) = (State::Down, reason("down: ")),
        code => {
            then.state = State::Up;
            if code == "parked" {
                then.parked_until = Some(soon);
            } else {
                limited.push(Limited {
                    provider: then.id.clone(),
                    until: soon,
                    why: reject.reason.to_string(),
                    plan: false,
                });
            }
        }
    }
}

/// The choice of then, where the decision tells it.
fn active(record: &CallRecord, today: &World) -> ActiveChoice {
    match record.chain.first() {
        Some(first) if record.policy == "active" => ActiveChoice::Target(first.clone()),
        // The strategy decides only where there is no choice, or it could not take the call.
        Some(_) if record.policy.starts_with("strategy:") => ActiveChoice::Auto,
        _ => today.active.clone(),
    }
}

fn exhausted(record: &CallRecord, today: &World) -> bool {
    if record.rejects.iter().any(|reject| reject.code == "over_budget") {
        return true;
    }
    let cloud = record.chain.iter().any(|target| is_local(today, target) == Some(false));
    !cloud && today.budget_exhausted
}

/// Whether a target runs at home, as far as its provider is still known.
pub fn is_local(world: &World, target: &crate::domain::ids::Target) -> Option<bool> {
    let provider = world.providers.iter().find(|provider| provider.id == target.provider)?;
    let remote = provider.models.iter().any(|model| model.id == target.model && model.remote == Some(true));
    Some(provider.reach.is_local() && !remote)
}

/// A strategy's order of local models follows what is loaded and who is busy. Neither is recorded, but the order
/// tells it.
fn order_of_then(world: &mut World, record: &CallRecord) {
    let local = |world: &World, target| is_local(world, target) == Some(true);
    let Some(first) = record.chain.iter().find(|target| local(world, target)).cloned() else { return };
    if record.chain.first().is_some_and(|head| is_local(world, head) == Some(false))
        && record.policy == "strategy:prefer_local"
    {
        let busy: Vec<ProviderId> =
            record.chain.iter().filter(|target| local(world, target)).map(|target| target.provider.clone()).collect();
        world.waits = busy.into_iter().map(|id| (id, LONG_WAIT_MS)).collect();
    }
    let places: Vec<(usize, usize)> = (world.providers.iter().enumerate())
        .filter(|(_, provider)| provider.reach.is_local())
        .flat_map(|(p, provider)| (0..provider.models.len()).map(move |m| (p, m)))
        .collect();
    for (p, m) in places {
        let provider = &world.providers[p];
        let model = &provider.models[m];
        let is_first = provider.id == first.provider && model.id == first.model;
        let loaded = match model.loaded {
            _ if is_first => Some(true),
            Some(true) if record.chain.iter().any(|t| t.provider == provider.id && t.model == model.id) => None,
            as_today => as_today,
        };
        if loaded != model.loaded {
            world.providers[p].models[m].loaded = loaded;
        }
    }
}
