//! Carries out a replay: reads the records a part at a time, holds them against the rules off the async threads, and
//! tells how far it is. What it means is [`crate::domain::replay`]'s business.

use super::call::price_of_target;
use super::command::{Asker, crashed, reply_to};
use super::live::Live;
use super::ports::Ports;
use super::protocol::{
    CallQuery, Event, EventKind, Level, REPLAY_MOST, REPLAY_USUAL, Refusal, ReplayDone, ReplayQuery, ReplayRules,
    Reply, RunId,
};
use super::runs::hung_up;
use super::supervisor::Supervisor;
use crate::domain::call::CallRecord;
use crate::domain::config::Issue;
use crate::domain::ids::Target;
use crate::domain::money::Price;
use crate::domain::replay::{Against, Replay, Watched};
use crate::domain::routing::RuleSet;
use crate::domain::time::UnixMs;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Records read and looked at between two looks at whether somebody stopped it.
const PART: usize = 200;

impl Supervisor {
    pub(super) fn replay(&mut self, query: ReplayQuery, run: RunId, mut asker: Asker) {
        let stop = self.stop.child_token();
        self.runs.begin(run, stop.clone());
        let work = Job { ports: self.ports.clone(), live: self.live_now(), events: self.events.clone(), run };
        tokio::spawn(async move {
            let _ended = stop.clone().drop_guard();
            let reply = tokio::select! {
                biased;
                () = hung_up(&mut asker) => None,
                reply = work.run(query, &stop) => Some(reply),
            };
            if let Some(reply) = reply {
                reply_to(asker, reply.unwrap_or_else(|refused| *refused));
            }
        });
    }
}

struct Job {
    ports: Ports,
    live: Arc<Live>,
    events: broadcast::Sender<Event>,
    run: RunId,
}

impl Job {
    async fn run(&self, query: ReplayQuery, stop: &CancellationToken) -> Result<Reply, Box<Reply>> {
        let (rules, issues) = self.rules(query.rules).await?;
        let rules = Arc::new(rules);
        let now = self.ports.clock.now();
        let most = if query.limit == 0 { REPLAY_USUAL } else { query.limit.min(REPLAY_MOST) };
        let mut wanted = CallQuery {
            filter: query.filter,
            limit: 1,
            before: None,
            since: Some(query.since.unwrap_or(UnixMs(i64::MIN))),
        };
        let matching = self.ports.ledger.calls(wanted.clone(), now).await.map_err(unreadable)?.matching;
        let ledger = self.ports.ledger.clone();
        let since = query.since.unwrap_or(UnixMs(i64::MIN));
        let watched = Arc::new(blocking(move || Watched::of(ledger.past(since, 0).slots)).await?);
        let of = matching.min(most as u64);
        let mut replay = Replay::default();
        while (replay.len() as u64) < of && !stop.is_cancelled() {
            wanted.limit = PART.min(most - replay.len());
            let records = self.ports.ledger.records(wanted.clone(), now).await.map_err(unreadable)?;
            let Some(last) = records.last() else { break };
            wanted.before = Some(last.id.clone());
            replay = self.held_against(replay, records, &rules, &watched).await?;
            let kind = EventKind::ReplayProgress { run: self.run, done: replay.len() as u64, of };
            // An error means that nobody listens: the reply holds the result.
            let _ = self.events.send(Event { at: self.ports.clock.now(), level: Level::Info, kind });
        }
        let stopped = stop.is_cancelled();
        let report = replay.finish(matching, stopped, &against(&self.live, &rules, &watched, &|_| None));
        Ok(Reply::Replayed(Box::new(ReplayDone { report, issues })))
    }

    async fn rules(&self, asked: ReplayRules) -> Result<(RuleSet, Vec<Issue>), Box<Reply>> {
        let config = self.ports.config.clone();
        let found: Result<_, Refusal> = match asked {
            ReplayRules::InForce => Ok((self.live.config.rules.clone(), Vec::new())),
            ReplayRules::Edit(edit) => blocking(move || config.rules_with(&edit)).await?,
            ReplayRules::Text { name, text } => blocking(move || config.rules_of(&name, &text)).await?,
        };
        found.map_err(|refusal| Box::new(Reply::Refused(refusal)))
    }

    async fn held_against(
        &self,
        mut replay: Replay,
        records: Vec<CallRecord>,
        rules: &Arc<RuleSet>,
        watched: &Arc<Watched>,
    ) -> Result<Replay, Box<Reply>> {
        let (live, rules, watched) = (self.live.clone(), rules.clone(), watched.clone());
        let clock = self.ports.clock.clone();
        blocking(move || {
            let price = |target: &_| price_of_target(target, &live);
            let against = against(&live, &rules, &watched, &price);
            for record in &records {
                replay.add(record, clock.local_time(record.ts), &against);
            }
            replay
        })
        .await
    }
}

fn against<'a>(
    live: &'a Live,
    rules: &'a RuleSet,
    watched: &'a Watched,
    price: &'a dyn Fn(&Target) -> Option<Price>,
) -> Against<'a> {
    Against { rules, in_force: &live.config.rules, world: &live.world, watched, price }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Box<Reply>> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Box::new(crashed()))
}

fn unreadable(message: String) -> Box<Reply> {
    Box::new(Reply::refused(1, message, "mend the filter, or look at the state folder: lmdeck config path names it"))
}
