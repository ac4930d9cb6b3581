//! The decision: policies in order, then what the caller named, the request type's order, the active target and
//! the strategy, to a chain of targets.
//!
//! Pure: no clock, no I/O, nothing remembered. What a name means is in `resolve`, who is left out and why in
//! `candidates`, the strategies' orders in `order`, the words for people in `explain`.

use super::candidates::{Board, Scope};
use super::condition::Ground;
use super::policy::{Fallback, Outcome, Policy};
use super::reasons::{Guard, Why};
use super::resolve::{self, Meaning};
use super::{ActiveChoice, Decision, NoteKind, PolicyNote, RuleSet, World, Would, order};
use crate::domain::call::Facts;

/// The chain for one request. The same inputs give the same decision, always.
///
/// `by` is `none` when the caller named something that nobody here has; `explain` then says what is near.
pub fn decide(facts: &Facts, rules: &RuleSet, world: &World) -> Decision {
    let wanted = wanted(facts, world);
    let request = Request { facts, rules, world, preferred: preferred(facts, world), wanted: &wanted };
    let ground = Ground { facts, world };
    let mut notes = Vec::new();
    for policy in &rules.policies {
        if !policy.enabled {
            continue;
        }
        let mut note =
            |what, why: String| notes.push(PolicyNote { policy: policy.name.clone(), what, why, would: None });
        match policy.outcome(&ground) {
            Outcome::Not => continue,
            Outcome::Holds if policy.observe => {
                match request.by_policy(policy) {
                    Ok(decision) => notes.push(observed(policy, decision)),
                    Err(why) => note(NoteKind::NotApplicable, why),
                }
                continue;
            }
            Outcome::Holds => {}
            Outcome::Failed(fault) if policy.protects() && !policy.observe => note(NoteKind::Closed, fault.to_string()),
            Outcome::Failed(fault) => {
                note(NoteKind::Skipped, fault.to_string());
                continue;
            }
        }
        match request.by_policy(policy) {
            Ok(decision) => return Decision { notes, effects: policy.effects.clone(), ..decision },
            Err(why) => note(NoteKind::NotApplicable, why),
        }
    }
    let decision = match wanted {
        Meaning::Nothing | Meaning::Strategy(_) | Meaning::Fastest => {
            let board = Board::new(world, facts, request.guard(None), Scope::All);
            board.finish(Decision::NOTHING_NAMED.to_owned(), rules.version)
        }
        _ => {
            let mut board = Board::new(world, facts, request.guard(None), scope_of(&wanted));
            let by = request.without_policy(&mut board);
            request.finish(board, by)
        }
    };
    Decision { notes, ..decision }
}

/// What a policy would have come to, were it not only observed.
fn observed(policy: &Policy, would: Decision) -> PolicyNote {
    let target = would.chain.into_iter().next().map(|chosen| chosen.target);
    let would = Would { target, denied: would.denied.is_some() };
    PolicyNote { policy: policy.name.clone(), what: NoteKind::Observed, why: String::new(), would: Some(would) }
}

/// What the caller's model name means here.
pub(super) fn wanted(facts: &Facts, world: &World) -> Meaning {
    let name = facts.requested_model.trim();
    match named(name, world) {
        // A name that means nothing else may be a preset's: then what the preset asks for is meant.
        Meaning::Nothing => world.presets.get(name).map_or(Meaning::Nothing, |model| named(model, world)),
        meaning => meaning,
    }
}

fn named(name: &str, world: &World) -> Meaning {
    if name.is_empty() || name.starts_with("auto:") { Meaning::Auto } else { resolve::meaning(name, &world.providers) }
}

fn preferred(facts: &Facts, world: &World) -> Vec<usize> {
    match facts.preferred_provider.trim() {
        "" => Vec::new(),
        name => resolve::called(name, &world.providers),
    }
}

fn scope_of(wanted: &Meaning) -> Scope {
    match wanted {
        Meaning::Local => Scope::Local,
        Meaning::Cloud => Scope::Cloud,
        Meaning::Providers(named) => Scope::Providers(named.clone()),
        Meaning::Models(named) => Scope::Models(named.clone()),
        Meaning::Unlisted(p, model) => Scope::Unlisted(*p, model.clone()),
        Meaning::Auto | Meaning::Strategy(_) | Meaning::Fastest | Meaning::Nothing => Scope::All,
    }
}

/// The order of this request's type, where there is one that says something.
pub(super) fn order_of<'a>(facts: &Facts, rules: &'a RuleSet) -> Option<&'a (String, Vec<String>)> {
    let request_type = resolve::request_type(facts);
    if request_type.is_empty() {
        return None;
    }
    rules.request_orders.iter().find(|(name, items)| name == request_type && !items.is_empty())
}

/// One request with all it is decided by.
struct Request<'a> {
    facts: &'a Facts,
    rules: &'a RuleSet,
    world: &'a World,
    preferred: Vec<usize>,
    wanted: &'a Meaning,
}

impl<'a> Request<'a> {
    /// Who keeps the request at home, where somebody does.
    fn guard(&self, policy: Option<&'a Policy>) -> Option<Guard<'a>> {
        let by_policy = policy.filter(|policy| policy.local_only).map(|policy| Guard::Policy(&policy.name));
        by_policy.or(self.facts.local_only.then_some(Guard::Caller))
    }

    /// What a policy whose condition is true makes of the request, or why it does not apply to it.
    fn by_policy(&self, policy: &'a Policy) -> Result<Decision, String> {
        let by = format!("policy:{}", policy.name);
        if let Some(message) = &policy.deny {
            return Ok(self.denied(policy, by, message.clone()));
        }
        if matches!(self.wanted, Meaning::Nothing | Meaning::Strategy(_) | Meaning::Fastest) {
            return Err("nobody here has what the caller named".to_owned());
        }
        let mut board = Board::new(self.world, self.facts, self.guard(Some(policy)), scope_of(self.wanted));
        if policy.targets.is_empty() {
            self.without_policy(&mut board);
        } else {
            self.push_items(&mut board, &policy.targets, Why::Policy);
            // Asked before the fallback: it is the policy's own targets that have to fit the request.
            if !board.covered() && !policy.local_only {
                return Err("nothing of its use is what the request named".to_owned());
            }
            if policy.fallback == Fallback::Strategy {
                self.push_strategy(&mut board);
            }
            board.prefer(&self.preferred);
        }
        if policy.local_only && board.is_empty() && !board.covered() {
            let named = self.facts.requested_model.trim();
            let what = if matches!(self.wanted, Meaning::Auto) || named.is_empty() {
                "and none of its targets is local".to_owned()
            } else {
                format!("and {} is none", super::explain::shown(named))
            };
            return Ok(self.denied(policy, by, format!("this request must stay on local providers, {what}")));
        }
        Ok(self.finish(board, by))
    }

    /// A decision that reaches nobody.
    fn denied(&self, policy: &'a Policy, by: String, message: String) -> Decision {
        let mut rejected =
            Board::new(self.world, self.facts, self.guard(Some(policy)), Scope::All).finish(String::new(), 0).rejected;
        for reject in rejected.iter_mut().filter(|reject| reject.code != "not_local") {
            reject.code = "denied".into();
            reject.reason = format!("policy {} denies the request", policy.name).into();
        }
        Decision {
            by,
            rules_version: self.rules.version,
            rejected,
            local_only: policy.local_only,
            denied: Some(message),
            ..Decision::default()
        }
    }

    fn finish(&self, mut board: Board<'_>, by: String) -> Decision {
        if let Some(target) = &self.world.pin {
            board.pin(target);
        }
        board.finish(by, self.rules.version)
    }

    /// The chain where no policy names targets; who decided.
    fn without_policy(&self, board: &mut Board<'_>) -> String {
        match self.wanted {
            Meaning::Providers(_) | Meaning::Models(_) | Meaning::Unlisted(..) => {
                push_meaning(board, self.wanted, Why::Named);
                board.prefer(&self.preferred);
                "named".to_owned()
            }
            _ => self.by_order_or_strategy(board),
        }
    }

    fn by_order_or_strategy(&self, board: &mut Board<'_>) -> String {
        let preferred = &self.preferred;
        if let Some((name, items)) = order_of(self.facts, self.rules) {
            let goes_on = self.push_items(board, items, Why::Order);
            // An order that ends is not widened, but the provider the caller prefers gets its one place in it.
            if !goes_on && !board.holds_any_of(preferred) {
                for &p in preferred {
                    board.push_best(p, Why::Preferred);
                }
            }
            board.prefer(preferred);
            return ["request_type:", name].concat();
        }
        self.push_strategy(board);
        board.prefer(preferred);
        if board.first_is(Why::Active) {
            "active".to_owned()
        } else {
            ["strategy:", self.rules.strategy.word()].concat()
        }
    }

    /// The active target, then the strategy.
    fn push_strategy(&self, board: &mut Board<'_>) {
        push_active(board);
        board.reopen_lesser();
        order::push_all(board, self.rules.strategy, self.facts, self.rules);
    }

    /// Puts an order's items into the chain; `true` when one of them is a strategy, which takes in all the rest.
    fn push_items(&self, board: &mut Board<'_>, items: &[String], why: Why) -> bool {
        let mut goes_on = false;
        for item in items {
            let meaning = resolve::meaning(item, &self.world.providers);
            if !matches!(meaning, Meaning::Providers(_) | Meaning::Unlisted(..) | Meaning::Nothing) {
                board.reopen_lesser();
            }
            goes_on |= matches!(meaning, Meaning::Strategy(_) | Meaning::Auto | Meaning::Fastest);
            // A model that its server does not list stands in no strategy's order.
            let unlisted = match &board.scope {
                Scope::Unlisted(p, model) if takes_in(&meaning, &self.world.providers[*p], *p) => {
                    Some((*p, model.clone()))
                }
                _ => None,
            };
            if let Some((p, model)) = unlisted {
                board.push_unlisted(p, &model, why);
                continue;
            }
            match &meaning {
                Meaning::Strategy(strategy) => {
                    order::push_all(board, *strategy, self.facts, self.rules);
                }
                Meaning::Auto => order::push_all(board, self.rules.strategy, self.facts, self.rules),
                Meaning::Fastest => order::push_fastest(board),
                Meaning::Providers(found) => push_providers(board, found, why),
                _ => push_meaning(board, &meaning, why),
            }
        }
        goes_on
    }
}

/// Whether an item of an order holds every model of a provider.
fn takes_in(meaning: &Meaning, provider: &super::WorldProvider, place: usize) -> bool {
    match meaning {
        Meaning::Auto | Meaning::Strategy(_) | Meaning::Fastest => true,
        Meaning::Local => provider.reach.is_local(),
        Meaning::Cloud => !provider.reach.is_local(),
        Meaning::Providers(found) => found.contains(&place),
        Meaning::Models(_) | Meaning::Unlisted(..) | Meaning::Nothing => false,
    }
}

/// Providers as items: the best model of each, or the very models of theirs that the caller named.
fn push_providers(board: &mut Board<'_>, found: &[usize], why: Why) {
    let named = match &board.scope {
        Scope::Models(named) => Some(named.clone()),
        _ => None,
    };
    for &p in found {
        match &named {
            Some(named) => {
                for &place in named.iter().filter(|place| place.0 == p) {
                    board.push(place, why);
                }
            }
            None => {
                board.push_best(p, why);
            }
        }
    }
}

fn push_active(board: &mut Board<'_>) {
    let world = board.world;
    match &world.active {
        ActiveChoice::Auto => {}
        ActiveChoice::Provider(id) => {
            if let Some(p) = world.providers.iter().position(|provider| &provider.id == id) {
                board.push_best(p, Why::Active);
            }
        }
        ActiveChoice::Target(target) => {
            if let Some(p) = world.providers.iter().position(|provider| provider.id == target.provider) {
                match resolve::model_at(&world.providers[p], target.model.as_str()) {
                    Some(m) => board.push((p, m), Why::Active),
                    None => board.push_unlisted(p, &target.model, Why::Active),
                };
            }
        }
    }
}

fn push_meaning(board: &mut Board<'_>, meaning: &Meaning, why: Why) {
    match meaning {
        Meaning::Local => order::push_side(board, true, why),
        Meaning::Cloud => order::push_side(board, false, why),
        Meaning::Providers(found) => {
            for &p in found {
                board.push_best(p, why);
            }
        }
        Meaning::Models(places) => {
            for &place in places {
                board.push(place, why);
            }
        }
        Meaning::Unlisted(p, model) => {
            board.push_unlisted(*p, model, why);
        }
        Meaning::Auto | Meaning::Strategy(_) | Meaning::Fastest | Meaning::Nothing => {}
    }
}
