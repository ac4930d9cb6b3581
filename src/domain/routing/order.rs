//! The strategies' orders: which candidate comes before which when no rule says so.
//!
//! Providers stand in file order and each provider's models best first; a strategy sorts that stably, so all
//! ties fall back to it.

use super::candidates::{Board, best_first, reach_of};
use super::reasons::Why;
use super::resolve::Place;
use super::{RuleSet, Strategy, World};
use crate::domain::call::Facts;
use crate::domain::ids::Target;
use crate::domain::money::Money;
use std::cmp::Reverse;

/// An answer's length in tokens where the caller gave no limit: only to compare prices.
const USUAL_ANSWER: u64 = 1024;

/// Puts every candidate of the world into the chain in the order of `strategy`.
pub(super) fn push_all(board: &mut Board<'_>, strategy: Strategy, facts: &Facts, rules: &RuleSet) {
    let mut places = file_order(board.world);
    let world = board.world;
    match strategy {
        Strategy::PreferLocal | Strategy::PreferCloud => {
            let local_first = strategy == Strategy::PreferLocal;
            let mut spilled = Vec::new();
            for local in [local_first, !local_first] {
                let why = match (local, local_first) {
                    (true, true) => Why::Local,
                    (false, true) => Why::CloudAfterLocal,
                    (false, false) => Why::Cloud,
                    (true, false) => Why::LocalAfterCloud,
                };
                let mut side: Vec<Place> =
                    places.iter().copied().filter(|place| is_local(world, *place) == local).collect();
                if local {
                    // What is loaded answers now; what would have to load makes the caller wait, the longer the later.
                    side.sort_by_cached_key(|&(p, m)| match world.providers[p].models[m].loaded {
                        Some(true) => (0, 0),
                        None => (1, 0),
                        Some(false) => (2, load_ms(world, (p, m)).unwrap_or(u64::MAX)),
                    });
                }
                if let Some(bound) = rules.spillover_ms.filter(|_| local && local_first) {
                    side.retain(|&place| {
                        let over = is_spilled(world, place, bound);
                        if over {
                            spilled.push(place);
                        }
                        !over
                    });
                }
                push_each(board, &side, why);
            }
            push_each(board, &spilled, Why::Spilled);
        }
        Strategy::CostOptimized => {
            places.sort_by_cached_key(|&place| {
                let cost = estimate(world, place, facts);
                (cost.is_none(), cost, rules.prefer_local_ties && !is_local(world, place))
            });
            push_each(board, &places, Why::Price);
        }
        Strategy::QualityOptimized => {
            places.sort_by_cached_key(|&(p, m)| {
                let quality = world.providers[p].models[m].quality;
                (quality.is_none(), Reverse(quality), is_local(world, (p, m)))
            });
            push_each(board, &places, Why::Quality);
        }
    }
}

/// Puts every candidate into the chain, the one that began its answers soonest first; where none answered yet,
/// the server that answers probes soonest.
pub(super) fn push_fastest(board: &mut Board<'_>) {
    let world = board.world;
    let mut places = file_order(world);
    places.sort_by_key(|&(p, m)| {
        let provider = &world.providers[p];
        let known = |ms: Option<u64>| (ms.is_none(), ms);
        (known(provider.models[m].ttft_ms), known(provider.p50_ms))
    });
    push_each(board, &places, Why::Speed);
}

/// Puts the local or the cloud candidates into the chain.
pub(super) fn push_side(board: &mut Board<'_>, local: bool, why: Why) {
    for place in file_order(board.world) {
        if board.is_local(place) == local {
            board.push(place, why);
        }
    }
}

fn push_each(board: &mut Board<'_>, places: &[Place], why: Why) {
    for &place in places {
        board.push(place, why);
    }
}

fn file_order(world: &World) -> Vec<Place> {
    world
        .providers
        .iter()
        .enumerate()
        .flat_map(|(p, provider)| best_first(provider).into_iter().map(move |m| (p, m)))
        .collect()
}

fn is_local(world: &World, (p, m): Place) -> bool {
    let provider = &world.providers[p];
    reach_of(provider, &provider.models[m]).is_local()
}

/// How long loading a model took the last time.
fn load_ms(world: &World, (p, m): Place) -> Option<u64> {
    if world.load_ms.is_empty() {
        return None;
    }
    let provider = &world.providers[p];
    let target = Target { provider: provider.id.clone(), model: provider.models[m].id.clone() };
    world.load_ms.get(&target).copied()
}

/// Whether a call of a local model goes to the cloud first: it would wait too long for a slot and for the model.
fn is_spilled(world: &World, (p, m): Place, bound: u64) -> bool {
    let provider = &world.providers[p];
    let slot = world.waits.iter().find(|(id, _)| id == &provider.id).map_or(0, |(_, ms)| *ms);
    let already = world.spilling.contains(&provider.id);
    let load = match provider.models[m].loaded {
        Some(false) => load_ms(world, (p, m)).unwrap_or(0),
        Some(true) | None => 0,
    };
    spills(slot, load, bound, already)
}

/// Whether calls are kept away from a local server where they would wait so long for a slot, and so long for the model
/// to load. Who is kept away `already` comes back when the wait for a slot is half of what would send others away, so
/// that nobody flaps; a load takes as long as it takes.
pub fn spills(slot_ms: u64, load_ms: u64, bound_ms: u64, already: bool) -> bool {
    match bound_ms.checked_sub(load_ms) {
        None => true,
        Some(room) if already => slot_ms > room / 2,
        Some(room) => slot_ms > room,
    }
}

/// What this request would cost there; `None` when no price is known.
fn estimate(world: &World, (p, m): Place, facts: &Facts) -> Option<Money> {
    let price = world.providers[p].models[m].price?;
    let output = if facts.max_tokens == 0 { USUAL_ANSWER } else { facts.max_tokens };
    Some(price.of(facts.prompt_tokens.max(1), 0, output))
}
