//! The strategies' orders: which candidate comes before which when no rule says so.
//!
//! Providers stand in file order and each provider's models best first; a strategy sorts that stably, so all
//! ties fall back to it.

use super::candidates::{Board, Why, best_first, reach_of};
use super::resolve::Place;
use super::{Strategy, World};
use crate::domain::call::Facts;
use crate::domain::money::Money;
use std::cmp::Reverse;

/// An answer's length in tokens where the caller gave no limit: only to compare prices.
const USUAL_ANSWER: u64 = 1024;

/// Puts every candidate of the world into the chain in the order of `strategy`.
pub(super) fn push_all(board: &mut Board<'_>, strategy: Strategy, facts: &Facts, prefer_local_ties: bool) {
    let mut places = file_order(board.world);
    let world = board.world;
    match strategy {
        Strategy::PreferLocal | Strategy::PreferCloud => {
            let local_first = strategy == Strategy::PreferLocal;
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
                    // What is loaded answers now; what would have to load makes the caller wait.
                    side.sort_by_key(|&(p, m)| match world.providers[p].models[m].loaded {
                        Some(true) => 0,
                        None => 1,
                        Some(false) => 2,
                    });
                }
                push_each(board, &side, why);
            }
        }
        Strategy::CostOptimized => {
            places.sort_by_cached_key(|&place| {
                let cost = estimate(world, place, facts);
                (cost.is_none(), cost, prefer_local_ties && !is_local(world, place))
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

/// What this request would cost there; `None` when no price is known.
fn estimate(world: &World, (p, m): Place, facts: &Facts) -> Option<Money> {
    let price = world.providers[p].models[m].price?;
    let output = if facts.max_tokens == 0 { USUAL_ANSWER } else { facts.max_tokens };
    Some(price.of(facts.prompt_tokens.max(1), 0, output))
}
