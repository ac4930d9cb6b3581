//! The world of this very moment for one request: the published one, completed with what only this process knows of
//! the moment, as far as the rules look at it. Calls decide in it, and explanations are made in it.

use super::call::add_waits;
use super::live::Live;
use super::plans::Plans;
use super::ports::Clock;
use super::traffic::Traffic;
use crate::domain::call::Facts;
use crate::domain::rate::Needs;
use crate::domain::routing::{Limited, PinKey, World};
use crate::domain::time::UnixMs;

/// What this process knows of the moment.
pub type Here<'a> = (&'a Traffic, &'a Plans, &'a dyn Clock);

/// The world for a request, and the key of its session's pin.
pub fn world_now(live: &Live, facts: &Facts, here: Here<'_>, now: UnixMs) -> (World, Option<PinKey>) {
    let (traffic, _, clock) = here;
    let mut world = live.world.clone();
    world.now = now;
    if live.reads.time {
        world.time = clock.local_time(now);
    }
    if live.reads.in_flight {
        world.in_flight = traffic.in_flight(live.world.providers.iter().map(|provider| &provider.id));
    }
    add_bounds(live, needs(facts), here, now, &mut world);
    let key = live.reads.pin_key(facts, &live.config.rules, &world);
    world.pin = key.as_ref().and_then(|key| traffic.pins.get(key));
    (world, key)
}

/// What limits, plans and queues say about a request.
pub fn add_bounds(live: &Live, needs: Needs, (traffic, plans, clock): Here<'_>, now: UnixMs, world: &mut World) {
    for provider in &live.world.providers {
        let Some(profile) = live.profiles.get(&provider.id) else { continue };
        if let Some(limited) = plans.limited(profile, needs.tokens(), now) {
            world.limited.push(limited);
        } else if let Some(until) = traffic.limited_until(&provider.id, profile.rate_limit, needs, now) {
            let why = format!("no room in its limits until {}", clock.time_of_day(until));
            world.limited.push(Limited { provider: provider.id.clone(), until, why, plan: false });
        }
    }
    add_waits(live, traffic, world);
}

/// What a request is expected to take of limits.
pub fn needs(facts: &Facts) -> Needs {
    Needs { input_tokens: facts.prompt_tokens, output_tokens: facts.max_tokens }
}
