//! What was seen of one provider over time: its incident, and the slots of the last day. Kept in memory for the
//! picture; the supervisor hands what changed to the ledger.

use crate::domain::health::{ProviderHealth, State as Health};
use crate::domain::ids::{ProviderId, Target};
use crate::domain::incident::{Incident, SLOTS, Slot, uptime_permille};
use crate::domain::time::UnixMs;
use std::collections::VecDeque;
use std::time::Duration;

/// Uptime is a share of the probes of this span.
pub const UPTIME_SPAN: Duration = Duration::from_hours(24);
/// Ended incidents that a picture shows, per provider.
const ENDED: usize = 5;
/// Calls that moved longer ago than this have nothing to do with what goes wrong now.
const MOVED_LATELY: Duration = Duration::from_mins(2);

#[derive(Default)]
pub struct Watch {
    incident: Option<Incident>,
    /// The incident was begun by an earlier process, and nothing was seen since.
    carried: bool,
    /// The newest first.
    ended: VecDeque<Incident>,
    /// Oldest first.
    slots: VecDeque<Slot>,
    moved: u32,
    moved_to: Option<Target>,
    moved_at: UnixMs,
}

impl Watch {
    /// Takes over what an earlier process knew; incidents come newest first, slots oldest first.
    pub fn recall(&mut self, incident: Incident) {
        if incident.is_open() && self.incident.is_none() {
            self.incident = Some(incident);
            self.carried = true;
        } else if self.ended.len() < ENDED {
            self.ended.push_back(incident);
        }
    }

    pub fn recall_slot(&mut self, slot: Slot) {
        self.add(slot);
    }

    /// Takes in a probe.
    pub fn probed(&mut self, health: &ProviderHealth, at: UnixMs) -> Slot {
        let slot = Slot::of(at, health.state, health.latency_ms);
        self.add(slot);
        slot
    }

    fn add(&mut self, slot: Slot) {
        match self.slots.back_mut() {
            Some(last) if last.start == slot.start => last.add(&slot),
            _ => self.slots.push_back(slot),
        }
        if self.slots.len() > SLOTS {
            self.slots.pop_front();
        }
    }

    /// Takes in the health as it is now; the incident to keep when one began, goes on or ended.
    pub fn judge(&mut self, provider: &ProviderId, health: &ProviderHealth, at: UnixMs) -> Option<Incident> {
        match &mut self.incident {
            // Not known yet is neither well nor in trouble.
            Some(_) if health.state == Health::Unknown && self.carried => None,
            Some(incident) => {
                incident.follow(health, at, !self.carried);
                self.carried = false;
                let kept = incident.clone();
                if !kept.is_open() {
                    self.incident = None;
                    self.moved = 0;
                    self.ended.push_front(kept.clone());
                    self.ended.truncate(ENDED);
                }
                Some(kept)
            }
            None => {
                let mut incident = Incident::begin(provider, health, at)?;
                if at.since(self.moved_at) <= MOVED_LATELY {
                    incident.calls_moved = self.moved;
                    incident.moved_to.clone_from(&self.moved_to);
                }
                self.incident = Some(incident.clone());
                Some(incident)
            }
        }
    }

    /// The provider is not what it was: its incident is over.
    pub fn end(&mut self, at: UnixMs) -> Option<Incident> {
        let mut incident = self.incident.take()?;
        incident.end(if self.carried { incident.seen } else { at });
        self.ended.push_front(incident.clone());
        self.ended.truncate(ENDED);
        Some(incident)
    }

    /// A call was tried here and went on to another target.
    pub fn call_moved(&mut self, to: &Target, at: UnixMs) -> Option<Incident> {
        if self.incident.is_none() && at.since(self.moved_at) > MOVED_LATELY {
            self.moved = 0;
        }
        self.moved = self.moved.saturating_add(1);
        self.moved_to = Some(to.clone());
        self.moved_at = at;
        let incident = self.incident.as_mut()?;
        incident.call_moved(Some(to));
        Some(incident.clone())
    }

    /// The open one first, then the newest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incident.iter().chain(&self.ended)
    }

    pub fn slots(&self) -> &VecDeque<Slot> {
        &self.slots
    }

    /// Share of good probes in the last 24 hours, in thousandths; `None` when nobody watched.
    pub fn uptime_permille(&self, now: UnixMs) -> Option<u32> {
        let since = i64::try_from(UPTIME_SPAN.as_millis()).unwrap_or(i64::MAX);
        uptime_permille(&self.slots, UnixMs(now.0.saturating_sub(since)))
    }
}
