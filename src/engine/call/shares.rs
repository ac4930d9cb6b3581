//! One request's share of its provider's limits per minute and of its plan: taken before it is sent, put right by
//! what it used, and given back where it never arrived. Every try takes its own.

use super::super::live::Live;
use super::super::plans::Taken;
use super::account::Ticket;
use super::{Shared, limited, needs};
use crate::domain::call::Facts;
use crate::domain::config::Profile;
use crate::domain::failure::Failure;
use crate::domain::ids::ProviderId;
use crate::domain::rate::Needs;
use crate::domain::routing::Limited;
use crate::domain::time::UnixMs;

/// What one try has taken.
pub struct Shares {
    needs: Needs,
    at: UnixMs,
    again: bool,
    plan: Option<Taken>,
}

impl Shares {
    /// `again`: for another try of the same call at the same target.
    ///
    /// # Errors
    /// There is no room for it in one of them: nothing is taken.
    pub async fn take(
        shared: &Shared,
        live: &Live,
        facts: &Facts,
        provider: &ProviderId,
        profile: Option<&Profile>,
        again: bool,
    ) -> Result<Self, Failure> {
        let (needs, at) = (needs(facts), shared.ports.clock.now());
        let limit = profile.and_then(|profile| profile.rate_limit);
        let taken = shared.traffic.take_share(provider, limit, needs, at, again);
        taken.map_err(|until| limited(&format!("{provider} has no room in its limits"), until, at, shared))?;
        let plan = match profile.filter(|profile| profile.plan.is_some()) {
            None => None,
            Some(profile) => plan_share(shared, live, profile, needs).await.inspect_err(|_| {
                shared.traffic.give_share_back(provider, at, needs, again);
            })?,
        };
        Ok(Self { needs, at, again, plan })
    }

    /// The try has ended.
    pub fn settle(self, shared: &Shared, provider: &ProviderId, tried: &Result<(), Failure>, ticket: &Ticket) {
        match tried {
            Ok(()) => {
                let Some(used) = ticket.attempt_tokens() else { return };
                shared.traffic.correct_share(provider, self.at, self.needs, used);
                if let Some(taken) = self.plan {
                    shared.plans.correct(taken, used);
                }
            }
            Err(failure) if !ticket.on_its_way() || failure.cause.never_arrived() => {
                shared.traffic.give_share_back(provider, self.at, self.needs, self.again);
                if let Some(taken) = self.plan {
                    shared.plans.give_back(taken);
                }
            }
            Err(_) => {}
        }
    }
}

async fn plan_share(shared: &Shared, live: &Live, profile: &Profile, needs: Needs) -> Result<Option<Taken>, Failure> {
    let zone = live.config.money.timezone.as_deref();
    shared.plans.take(profile, zone, needs.tokens()).await.map_err(|until| {
        let now = shared.ports.clock.now();
        let why = shared.plans.used_up(until, now);
        shared.no_room(&Limited { provider: profile.id.clone(), until, why, plan: true }, now)
    })
}
