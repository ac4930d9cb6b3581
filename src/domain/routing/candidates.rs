//! The candidates of one decision and what becomes of each: a place in the chain, or a reason to be left out.
//!
//! Every candidate is judged at most once. Reasons are small values until the end; they become words only in
//! [`Board::finish`], so that a decision over many targets stays cheap.

use super::reasons::{Guard, Out, Why, because, why_words};
use super::resolve::Place;
use super::{Chosen, Decision, Limited, World, WorldModel, WorldProvider};
use crate::domain::call::{Facts, Reject, Work};
use crate::domain::health::State;
use crate::domain::ids::{ModelId, Target};
use crate::domain::reach::Reach;
use std::borrow::Cow;

/// Which of the candidates the caller's model name leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Local,
    Cloud,
    Providers(Vec<usize>),
    Models(Vec<Place>),
    Unlisted(usize, ModelId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Open,
    In,
    Out(Out),
}

/// A target somebody named that its provider does not name or list.
#[derive(Debug)]
struct Extra {
    provider: usize,
    model: ModelId,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Model(Place),
    Extra(usize),
}

pub(super) struct Board<'a> {
    pub world: &'a World,
    facts: &'a Facts,
    guard: Option<Guard<'a>>,
    pub scope: Scope,
    /// Something was put up that both the caller's name and the guard allow, whether or not it can take the call.
    covered: bool,
    /// Somebody was left out for what passes before anybody stood in the chain.
    stand_in: bool,
    /// Where a provider's models begin in `verdicts`.
    starts: Vec<usize>,
    verdicts: Vec<Verdict>,
    extras: Vec<Extra>,
    chain: Vec<(Which, Why)>,
}

impl<'a> Board<'a> {
    pub fn new(world: &'a World, facts: &'a Facts, guard: Option<Guard<'a>>, scope: Scope) -> Self {
        let mut starts = Vec::with_capacity(world.providers.len());
        let mut count = 0;
        for provider in &world.providers {
            starts.push(count);
            count += provider.models.len();
        }
        Self {
            world,
            facts,
            guard,
            scope,
            covered: false,
            stand_in: false,
            starts,
            verdicts: vec![Verdict::Open; count],
            extras: Vec::new(),
            chain: Vec::new(),
        }
    }

    /// Puts a model at the end of the chain if it can take this call; `false` when it is left out. A model
    /// that stands in the chain already keeps its place.
    pub fn push(&mut self, place: Place, why: Why) -> bool {
        let slot = self.starts[place.0] + place.1;
        if self.verdicts[slot] == Verdict::Open {
            self.verdicts[slot] = match self.judge(place) {
                None => Verdict::In,
                Some(out) => Verdict::Out(out),
            };
            match self.verdicts[slot] {
                Verdict::In => self.chain.push((Which::Model(place), why)),
                Verdict::Out(out) => self.stand_in |= self.chain.is_empty() && out.passes(),
                Verdict::Open => {}
            }
            self.covered |= !matches!(
                self.verdicts[slot],
                Verdict::Out(Out::NotLocal | Out::NotNamed | Out::AskedLocal | Out::AskedCloud)
            );
        }
        self.verdicts[slot] == Verdict::In
    }

    /// The same for a model its provider does not name. It is allowed where nobody can know better: at a
    /// vendor, and at a server whose list is not known now.
    pub fn push_unlisted(&mut self, p: usize, model: &ModelId, why: Why) -> bool {
        if let Some(known) = self.extras.iter().find(|extra| extra.provider == p && &extra.model == model) {
            return known.verdict == Verdict::In;
        }
        let provider = &self.world.providers[p];
        let list_known = !provider.models.is_empty() && matches!(provider.state, State::Up | State::Degraded);
        let asked = match &self.scope {
            Scope::Models(_) => Some(Out::NotNamed),
            Scope::Providers(named) => (!named.contains(&p)).then_some(Out::NotNamed),
            Scope::Unlisted(named, id) => (*named != p || id != model).then_some(Out::NotNamed),
            Scope::All | Scope::Local | Scope::Cloud => None,
        };
        let out = self.judge_reach(provider, false).or(asked);
        self.covered |= out.is_none();
        let out = out.or_else(|| {
            self.judge_provider(provider).or_else(|| {
                if list_known && !provider.kind.is_vendor() {
                    Some(Out::Unlisted)
                } else if self.guard.is_some() && provider.kind.may_run_elsewhere() {
                    Some(Out::PerhapsElsewhere)
                } else {
                    self.judge_money(provider.reach)
                }
            })
        });
        match out {
            None => self.chain.push((Which::Extra(self.extras.len()), why)),
            Some(out) => self.stand_in |= self.chain.is_empty() && out.passes(),
        }
        let verdict = out.map_or(Verdict::In, Verdict::Out);
        self.extras.push(Extra { provider: p, model: model.clone(), verdict });
        verdict == Verdict::In
    }

    /// Puts a provider's best model that can take this call into the chain. Of a provider that never told its
    /// models, the first preferred one stands for it.
    pub fn push_best(&mut self, p: usize, why: Why) -> bool {
        let ranked = best_first(&self.world.providers[p]);
        if ranked.is_empty() {
            let provider = &self.world.providers[p];
            return match provider.preferred_models.first() {
                Some(first) if provider.models.is_empty() => self.push_unlisted(p, &first.clone(), why),
                _ => false,
            };
        }
        let Some(best) = ranked.iter().position(|&m| self.push((p, m), why)) else { return false };
        for &m in &ranked[best + 1..] {
            let slot = self.starts[p] + m;
            if self.verdicts[slot] == Verdict::Open && self.judge_reach_of((p, m)).is_none() {
                self.verdicts[slot] = Verdict::Out(Out::NotBest);
            }
        }
        true
    }

    /// Lets models that lost only to a better one of their provider be tried after all: an order goes on.
    pub fn reopen_lesser(&mut self) {
        for verdict in &mut self.verdicts {
            if *verdict == Verdict::Out(Out::NotBest) {
                *verdict = Verdict::Open;
            }
        }
    }

    /// Moves the targets of `providers` to the front, otherwise in the order they have.
    pub fn prefer(&mut self, providers: &[usize]) {
        if providers.is_empty() {
            return;
        }
        let world_of = |which: &Which, extras: &[Extra]| match which {
            Which::Model((p, _)) => *p,
            Which::Extra(e) => extras[*e].provider,
        };
        let extras = &self.extras;
        self.chain.sort_by_key(|(which, _)| !providers.contains(&world_of(which, extras)));
        for (which, why) in &mut self.chain {
            if providers.contains(&world_of(which, extras)) && !matches!(why, Why::Named | Why::Active) {
                *why = Why::Preferred;
            }
        }
    }

    /// Puts the target a session was answered by last to the front, where it stands in the chain at all.
    pub fn pin(&mut self, target: &Target) {
        let is_it = |which: &Which| match which {
            Which::Model((p, m)) => {
                let provider = &self.world.providers[*p];
                provider.id == target.provider && provider.models[*m].id == target.model
            }
            Which::Extra(e) => {
                let extra = &self.extras[*e];
                self.world.providers[extra.provider].id == target.provider && extra.model == target.model
            }
        };
        if let Some(at) = self.chain.iter().position(|(which, _)| is_it(which)).filter(|at| *at > 0) {
            let (which, _) = self.chain.remove(at);
            self.chain.insert(0, (which, Why::Pinned));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Whether the order held anything that names and reach allow. A server that may be asked and has not told its
    /// models yet counts: it is silent, not missing.
    pub fn covered(&self) -> bool {
        self.covered
            || (self.guard.is_some()
                && self.world.providers.iter().enumerate().any(|(p, provider)| {
                    let named = match &self.scope {
                        Scope::Providers(named) => named.contains(&p),
                        Scope::All | Scope::Local => true,
                        Scope::Cloud | Scope::Models(_) | Scope::Unlisted(..) => false,
                    };
                    named && provider.enabled && provider.models.is_empty() && at_home(provider, provider.reach)
                }))
    }

    pub fn holds_any_of(&self, providers: &[usize]) -> bool {
        self.chain.iter().any(|(which, _)| match which {
            Which::Model((p, _)) => providers.contains(p),
            Which::Extra(e) => providers.contains(&self.extras[*e].provider),
        })
    }

    pub fn first_is(&self, why: Why) -> bool {
        self.chain.first().is_some_and(|(_, first)| *first == why)
    }

    pub fn is_local(&self, place: Place) -> bool {
        reach_of(&self.world.providers[place.0], &self.world.providers[place.0].models[place.1]).is_local()
    }

    fn judge(&self, place: Place) -> Option<Out> {
        let provider = &self.world.providers[place.0];
        let model = &provider.models[place.1];
        self.judge_reach_of(place).or_else(|| self.judge_provider(provider)).or_else(|| {
            if self.guard.is_some() && model.remote.is_none() {
                return Some(Out::PerhapsElsewhere);
            }
            if !model.chat {
                return Some(Out::NotChat);
            }
            if let Some(out) = self.judge_money(reach_of(provider, model)) {
                return Some(out);
            }
            if self.world.priced_only && model.price.is_none() {
                return Some(Out::Unpriced);
            }
            if model.breaker_until.is_some_and(|until| until > self.world.now) {
                return Some(Out::BreakerOpen);
            }
            if let Some(missing) = self.missing_capability(model) {
                return Some(Out::Capability(missing));
            }
            model.context.is_some_and(|context| self.facts.prompt_tokens > context).then_some(Out::Context)
        })
    }

    /// What a rule or the caller says about where the call may go. It comes before everything else: no other
    /// reason may hide that a prompt has to stay at home.
    fn judge_reach(&self, provider: &WorldProvider, remote: bool) -> Option<Out> {
        let reach = if remote { Reach::Cloud } else { provider.reach };
        if self.guard.is_some() && !at_home(provider, reach) {
            return Some(Out::NotLocal);
        }
        match self.scope {
            Scope::Local if !reach.is_local() => Some(Out::AskedLocal),
            Scope::Cloud if reach.is_local() => Some(Out::AskedCloud),
            _ => None,
        }
    }

    fn judge_reach_of(&self, (p, m): Place) -> Option<Out> {
        let provider = &self.world.providers[p];
        let asked = match &self.scope {
            Scope::Providers(named) => named.contains(&p),
            Scope::Models(named) => named.contains(&(p, m)),
            Scope::Unlisted(..) => false,
            Scope::All | Scope::Local | Scope::Cloud => true,
        };
        self.judge_reach(provider, provider.models[m].remote == Some(true))
            .or_else(|| (!asked).then_some(Out::NotNamed))
    }

    fn judge_provider(&self, provider: &WorldProvider) -> Option<Out> {
        if !provider.enabled {
            return Some(Out::Disabled);
        }
        if provider.withheld.is_some() {
            return Some(Out::Withheld);
        }
        match provider.state {
            State::Paused => Some(Out::Paused),
            State::Unauthorized => Some(Out::Unauthorized),
            State::Down => Some(Out::Down),
            State::Unknown | State::Up | State::Degraded => {
                if provider.parked_until.is_some_and(|until| until > self.world.now) {
                    return Some(Out::Parked);
                }
                self.limited(provider).is_some().then_some(Out::Limited)
            }
        }
    }

    fn limited(&self, provider: &WorldProvider) -> Option<&Limited> {
        let here = |limited: &&Limited| limited.provider == provider.id && limited.until > self.world.now;
        self.world.limited.iter().find(here)
    }

    fn judge_money(&self, reach: Reach) -> Option<Out> {
        (self.world.budget_exhausted && reach == Reach::Cloud).then_some(Out::OverBudget)
    }

    fn missing_capability(&self, model: &WorldModel) -> Option<&'static str> {
        let known = model.capabilities.as_ref()?;
        [(self.facts.has_tools, "tools"), (self.facts.has_images, "images"), (self.facts.wants_json, "json")]
            .into_iter()
            .find(|(wanted, word)| *wanted && !known.iter().any(|has| has == word))
            .map(|(_, word)| word)
    }

    /// The decision in words. Candidates nobody looked at were not part of the order.
    pub fn finish(self, by: String, rules_version: u64) -> Decision {
        let chain = self.chain.iter().map(|(which, why)| self.chosen(*which, *why)).collect();
        let mut rejected = Vec::with_capacity(self.verdicts.len());
        for (p, provider) in self.world.providers.iter().enumerate() {
            for (m, model) in provider.models.iter().enumerate() {
                let out = match self.verdicts[self.starts[p] + m] {
                    Verdict::Out(out) => out,
                    Verdict::Open if model.candidate => self.judge_reach_of((p, m)).unwrap_or(Out::NotNamed),
                    Verdict::Open | Verdict::In => continue,
                };
                rejected.push(self.reject(p, &model.id, Some(model), out));
            }
            for extra in self.extras.iter().filter(|extra| extra.provider == p) {
                if let Verdict::Out(out) = extra.verdict {
                    rejected.push(self.reject(p, &extra.model, None, out));
                }
            }
        }
        Decision {
            by,
            rules_version,
            chain,
            rejected,
            local_only: self.guard.is_some(),
            stand_in: self.stand_in,
            ..Decision::default()
        }
    }

    fn chosen(&self, which: Which, why: Why) -> Chosen {
        match which {
            Which::Model((p, m)) => {
                let provider = &self.world.providers[p];
                let model = &provider.models[m];
                Chosen {
                    target: Target { provider: provider.id.clone(), model: model.id.clone() },
                    reach: reach_of(provider, model),
                    why: why_words(why, Some(model)),
                }
            }
            Which::Extra(e) => {
                let provider = &self.world.providers[self.extras[e].provider];
                Chosen {
                    target: Target { provider: provider.id.clone(), model: self.extras[e].model.clone() },
                    reach: provider.reach,
                    why: why_words(why, None),
                }
            }
        }
    }

    fn reject(&self, p: usize, id: &ModelId, model: Option<&WorldModel>, out: Out) -> Reject {
        let provider = &self.world.providers[p];
        let reason: Cow<'static, str> = match out {
            Out::NotLocal => match self.guard {
                Some(guard) if provider.reach == Reach::Network => {
                    format!("not on this machine: {guard}, and it lacks local: true").into()
                }
                Some(guard) => format!("cloud: {guard}").into(),
                None => "not local".into(),
            },
            Out::PerhapsElsewhere => match self.guard {
                Some(guard) => format!("its server has not told yet whether it runs it here: {guard}").into(),
                None => "its server has not told yet whether it runs it here".into(),
            },
            Out::NotNamed => "not named by this order".into(),
            Out::NotBest => "a better model of its provider stands in the chain".into(),
            Out::AskedCloud => "local: the caller asked for cloud models".into(),
            Out::AskedLocal => "cloud: the caller asked for local models".into(),
            Out::Disabled => "its provider is switched off".into(),
            Out::Withheld => provider.withheld.clone().unwrap_or_default().into(),
            Out::Paused => "its provider is paused".into(),
            Out::Unauthorized => because("unauthorized", &provider.reason).into(),
            Out::Down => because("down", &provider.reason).into(),
            Out::Parked => format!("rate-limited: asked again in {}", self.wait(provider.parked_until)).into(),
            Out::Limited => self.limited(provider).map(|limited| limited.why.clone()).unwrap_or_default().into(),
            Out::Unlisted => "its server does not list this model".into(),
            Out::NotChat if self.facts.work == Work::Embeddings => "not known to make embeddings".into(),
            Out::NotChat => "not a chat model".into(),
            Out::OverBudget => "cloud: the day's limit is reached".into(),
            Out::Unpriced => "its price is not known, and a daily limit is set".into(),
            Out::BreakerOpen => {
                let until = model.and_then(|model| model.breaker_until);
                format!("resting after failures: tried again in {}", self.wait(until)).into()
            }
            Out::Capability("tools") => "it cannot use tools".into(),
            Out::Capability("images") => "it cannot see images".into(),
            Out::Capability(_) => "it cannot be held to JSON".into(),
            Out::Context => {
                let context = model.and_then(|model| model.context).unwrap_or_default();
                format!("{} tokens are more than its context of {context}", self.facts.prompt_tokens).into()
            }
        };
        Reject { target: Target { provider: provider.id.clone(), model: id.clone() }, code: out.code().into(), reason }
    }

    fn wait(&self, until: Option<crate::domain::time::UnixMs>) -> String {
        let ms = until.map_or(0, |until| until.since(self.world.now).as_millis());
        let seconds = ms.div_ceil(1000).max(1);
        if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
    }
}

/// Whether `local_only` admits a reach: this machine, another one only where its profile says so.
fn at_home(provider: &WorldProvider, reach: Reach) -> bool {
    match reach {
        Reach::Machine => true,
        Reach::Network => provider.local,
        Reach::Cloud => false,
    }
}

/// The reach of one model: its provider's, unless the server runs it elsewhere.
pub(super) fn reach_of(provider: &WorldProvider, model: &WorldModel) -> Reach {
    if model.remote == Some(true) { Reach::Cloud } else { provider.reach }
}

/// A provider's candidates, best first: loaded and preferred, loaded, preferred, listed; each in the order of
/// the preferences, else of the file.
pub(super) fn best_first(provider: &WorldProvider) -> Vec<usize> {
    let mut ranked: Vec<(bool, usize, usize)> = provider
        .models
        .iter()
        .enumerate()
        .filter(|(_, model)| model.candidate)
        .map(|(m, model)| {
            let preferred = provider.preferred_models.iter().position(|id| id == &model.id).unwrap_or(usize::MAX);
            (model.loaded != Some(true), preferred, m)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, m)| m).collect()
}
