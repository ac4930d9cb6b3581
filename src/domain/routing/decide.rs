//! The decision: from what is wanted, over orders and strategy, to a chain of targets.
//!
//! Pure: no clock, no I/O, nothing remembered. What a name means is in `resolve`, who is left out and why in
//! `candidates`, the strategies' orders in `order`, the words for people in `explain`.

use super::candidates::{Board, Scope, Why};
use super::resolve::{self, Meaning};
use super::{ActiveChoice, Decision, RuleSet, World, order};
use crate::domain::call::Facts;

/// The chain for one request. The same inputs give the same decision, always.
///
/// `by` is `none` when the caller named something that nobody here has; `explain` then says what is near.
pub fn decide(facts: &Facts, rules: &RuleSet, world: &World) -> Decision {
    let wanted = wanted(facts, world);
    let guard = rules.confined_by.first().map(String::as_str);
    let scope = match wanted {
        Meaning::Local => Scope::Local,
        Meaning::Cloud => Scope::Cloud,
        _ => Scope::All,
    };
    let mut board = Board::new(world, facts, guard, scope);
    let preferred = match facts.preferred_provider.trim() {
        "" => Vec::new(),
        name => resolve::called(name, &world.providers),
    };

    let by = match wanted {
        Meaning::Auto | Meaning::Local | Meaning::Cloud => by_rules(&mut board, facts, rules, &preferred),
        Meaning::Nothing | Meaning::Strategy(_) | Meaning::Fastest => "none".to_owned(),
        named @ (Meaning::Providers(_) | Meaning::Models(_) | Meaning::Unlisted(..)) => {
            push_meaning(&mut board, &named, Why::Named);
            board.prefer(&preferred);
            "named".to_owned()
        }
    };
    board.finish(by, rules.version)
}

/// What the caller's model name means here.
pub(super) fn wanted(facts: &Facts, world: &World) -> Meaning {
    let name = facts.requested_model.trim();
    if name.is_empty() || name.starts_with("auto:") { Meaning::Auto } else { resolve::meaning(name, &world.providers) }
}

/// The order of this request's type, where there is one that says something.
pub(super) fn order_of<'a>(facts: &Facts, rules: &'a RuleSet) -> Option<&'a (String, Vec<String>)> {
    let request_type = resolve::request_type(facts);
    if request_type.is_empty() {
        return None;
    }
    rules.request_orders.iter().find(|(name, items)| name == request_type && !items.is_empty())
}

fn by_rules(board: &mut Board<'_>, facts: &Facts, rules: &RuleSet, preferred: &[usize]) -> String {
    if let Some((name, items)) = order_of(facts, rules) {
        let goes_on = push_order(board, items, facts, rules);
        // An order that ends is not widened, but the provider the caller prefers gets its one place in it.
        if !goes_on && !board.holds_any_of(preferred) {
            for &p in preferred {
                board.push_best(p, Why::Preferred);
            }
        }
        board.prefer(preferred);
        return format!("request_type:{name}");
    }
    push_active(board);
    board.reopen_lesser();
    order::push_all(board, rules.strategy, facts, rules.prefer_local_ties);
    board.prefer(preferred);
    if board.first_is(Why::Active) { "active".to_owned() } else { format!("strategy:{}", rules.strategy.word()) }
}

/// Puts an order's items into the chain; `true` when one of them is a strategy, which takes in all the rest.
fn push_order(board: &mut Board<'_>, items: &[String], facts: &Facts, rules: &RuleSet) -> bool {
    let mut goes_on = false;
    for item in items {
        match resolve::meaning(item, &board.world.providers) {
            Meaning::Strategy(strategy) => {
                goes_on = true;
                board.reopen_lesser();
                order::push_all(board, strategy, facts, rules.prefer_local_ties);
            }
            Meaning::Auto => {
                goes_on = true;
                board.reopen_lesser();
                order::push_all(board, rules.strategy, facts, rules.prefer_local_ties);
            }
            Meaning::Fastest => {
                goes_on = true;
                board.reopen_lesser();
                order::push_in_file_order(board);
            }
            Meaning::Nothing => {}
            found => {
                if matches!(found, Meaning::Local | Meaning::Cloud | Meaning::Models(_)) {
                    board.reopen_lesser();
                }
                push_meaning(board, &found, Why::Order);
            }
        }
    }
    goes_on
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
