//! The actor that owns the state: takes commands, results and timers, applies them, carries out the effects,
//! and publishes. The only writer of the snapshot and of what calls decide against.

use super::command::Asker;
use super::door::Door;
use super::ended::Ended;
use super::exporting::moved;
use super::handle::Envelope;
use super::live::Live;
use super::models::{ModelJobDone, ModelJobs};
use super::plans::Plans;
use super::ports::{DaySums, Loaded, Ports, Unusable};
use super::protocol::{Command, Event, EventKind, Level, ObservedSums, Reply, Snapshot};
use super::rules_version::numbered;
use super::runs::Runs;
use super::state::{Effect, State};
use super::till::Till;
use super::traffic::Traffic;
use super::unconfigured::Unconfigured;
use super::view::Views;
use super::warm::Warm;
use super::watched::UPTIME_SPAN;
use super::{LiveReader, Options, active, observed};
use crate::domain::call::Status;
use crate::domain::config::{Config, Profile};
use crate::domain::failure::Failure;
use crate::domain::health::ProbeReport;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::kind::Kind;
use crate::domain::money::Provenance;
use crate::domain::routing::{ActiveChoice, Reads, World};
use crate::domain::time::UnixMs;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Results and notes waiting for the supervisor. Workers wait when it is full; calls drop their note.
const INPUT_CAPACITY: usize = 1024;
/// Pictures for front ends at most this often.
const PUBLISH_GAP: Duration = Duration::from_millis(50);
/// How often the day's sums are read again: other processes share the ledger.
const DAY_RESYNC: Duration = Duration::from_mins(1);

/// How often what was used of limits per minute is looked at again while nothing else happens: until a minute has
/// passed since the last use.
pub(super) const LIMITS_FADE: Duration = Duration::from_secs(15);
/// Incidents of the past read at start.
const RECALLED: usize = 200;

/// Results of workers and notes of calls.
pub enum Input {
    Probed {
        profile: Arc<Profile>,
        report: Box<ProbeReport>,
    },
    Attempted {
        target: Target,
        failure: Option<Failure>,
        /// Where the call went on to.
        moved_to: Option<Target>,
    },
    /// Servers found on this machine while there is no configuration.
    Found(Vec<Profile>),
    /// A configuration was read; who waits is answered once it is in force.
    Loaded {
        result: Box<Result<Loaded, Unusable>>,
        answer: Option<(oneshot::Sender<Reply>, Reply)>,
    },
    /// The last good version of a file that cannot be used was read.
    LastGood {
        loaded: Box<Loaded>,
        answer: Asker,
    },
    /// The day's sums; `None` when they cannot be read.
    Day {
        start: UnixMs,
        sums: Option<DaySums>,
    },
    /// What the last minute took of providers' limits, by this process or another: when, and how many tokens.
    Lately(Vec<(ProviderId, UnixMs, u64)>),
    /// A server has loaded or unloaded a model, or has not.
    ModelJobDone(Box<ModelJobDone>),
    /// A call had its model loaded: the list is another one now.
    LoadedByCall(ProviderId),
    /// A policy's condition came to no result.
    RuleFailed {
        policy: String,
        why: String,
        /// It protects, so it was applied.
        applied: bool,
        rules_version: u64,
    },
    /// What observed policies matched lately, from the ledger.
    Observed(ObservedSums),
    /// How many answers the file of kept answers holds.
    KeptOnDisk(u64),
    /// What is used of plans was read again.
    PlansRead,
}

/// A probe command whose providers have not all answered.
pub struct WaitingProbe {
    pub left: HashSet<ProviderId>,
    pub found: Vec<(ProviderId, ProbeReport)>,
    pub reply: oneshot::Sender<Reply>,
}

pub struct Supervisor {
    pub(super) ports: Ports,
    pub(super) options: Options,
    pub(super) state: State,
    pub(super) traffic: Arc<Traffic>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) waiting_probes: Vec<WaitingProbe>,
    /// Asked for while it was not known yet what there is on this machine.
    pub(super) early_probes: Vec<(Command, Asker)>,
    pub(super) active: ActiveChoice,
    pub(super) views: Views,
    pub(super) unconfigured: Unconfigured,
    pub(super) jobs: ModelJobs,
    commands: mpsc::Receiver<Envelope>,
    results: mpsc::Receiver<Input>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    /// Policies whose failure was announced, with the version of the rules: once each is enough.
    failed_rules: HashSet<(String, u64)>,
    pub(super) live: watch::Sender<Arc<Live>>,
    pub(super) schedule: HashMap<ProviderId, Instant>,
    pub(super) today: DaySums,
    pub(super) day_start: UnixMs,
    pub(super) observed: ObservedSums,
    pub(super) day_synced: Instant,
    pub(super) in_effect: Option<Target>,
    pub(super) announced_ready: bool,
    /// Commands of a one-shot that wait until the day's money is known; a one-shot asks few.
    pub(super) held: Option<Vec<(Command, Asker)>>,
    pub(super) stop: CancellationToken,
    /// Runs of the doctor and replays under way.
    pub(super) runs: Runs,
    pub(super) till: Arc<Till>,
    pub(super) warm: Warm,
    pub(super) plans: Arc<Plans>,
    /// When a plan's window that is used up has room again.
    pub(super) room_again: Option<Instant>,
    /// What was said of the day's money: the day, and whether it was said that nothing is left.
    pub(super) alerted: Option<(UnixMs, bool)>,
    /// It was said that calls do not reach the collector.
    pub(super) export_in_trouble: bool,
    /// The picture shows limits in use: when to look again.
    pub(super) fade: Option<Instant>,
    /// Held while the file is changed and read again, until what was read is on its way here: an older reading must
    /// not come behind a newer one.
    pub(super) file: Arc<Mutex<()>>,
    pub(super) door: Door,
}

impl Supervisor {
    pub fn new(
        ports: Ports,
        loaded: Result<Loaded, Unusable>,
        options: Options,
        commands: mpsc::Receiver<Envelope>,
        events: broadcast::Sender<Event>,
        traffic: Arc<Traffic>,
        stop: CancellationToken,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>, LiveReader, mpsc::Sender<Input>) {
        let now = ports.clock.now();
        let till = Till::new(ports.clock.clone(), ports.budget.clone());
        let plans = Plans::new(ports.clock.clone(), ports.budget.clone());
        let (inputs, results) = mpsc::channel(INPUT_CAPACITY);
        let door = Door::of(&loaded);
        let mut views = Views::new(&options);
        let config = match loaded {
            Ok(loaded) => views.accept(loaded),
            Err(unusable) => {
                views.reject(unusable);
                Arc::new(Config::default())
            }
        };
        let config = numbered(&config, &ports);
        let active = active::kept(ports.ledger.as_ref()).unwrap_or_default();
        let mut state = State::new(config.clone(), now);
        let day_ago = UnixMs(now.0.saturating_sub(i64::try_from(UPTIME_SPAN.as_millis()).unwrap_or(i64::MAX)));
        let over = state.recall(ports.ledger.past(day_ago, RECALLED));
        if options.schedule_probes {
            for incident in &over {
                ports.ledger.note_incident(incident);
            }
        }
        let live = Live {
            reads: Reads::default(),
            config: config.clone(),
            world: World::default(),
            profiles: BTreeMap::new(),
            ready: false,
            candidates_known: false,
        };
        if config.providers.iter().any(|profile| profile.plan.is_some() || profile.kind == Kind::ZAiGlm)
            && let Err(sentence) = plans.hear()
        {
            tracing::warn!("what is used of the plans could not be read: {sentence}");
        }
        let (live, live_reader) = watch::channel(Arc::new(live));
        let (snapshots, snapshot_reader) = watch::channel(Arc::new(views.empty()));
        let day_start = ports.clock.day_start(now, config.money.timezone.as_deref());
        // Who watches is right a moment later; who asks once and leaves is not.
        let held = (!options.schedule_probes).then(Vec::new);
        let mut supervisor = Self {
            ports,
            options,
            state,
            traffic,
            inputs: inputs.clone(),
            waiting_probes: Vec::new(),
            early_probes: Vec::new(),
            active,
            views,
            unconfigured: Unconfigured::default(),
            jobs: ModelJobs::default(),
            commands,
            results,
            events,
            snapshots,
            failed_rules: HashSet::new(),
            live,
            schedule: HashMap::new(),
            today: DaySums::default(),
            day_start,
            observed: ObservedSums::default(),
            day_synced: Instant::now(),
            in_effect: None,
            announced_ready: false,
            held,
            stop,
            runs: Runs::default(),
            warm: Warm::default(),
            plans,
            room_again: None,
            till,
            alerted: None,
            export_in_trouble: false,
            fade: None,
            file: Arc::default(),
            door,
        };
        supervisor.publish();
        (supervisor, snapshot_reader, live_reader, inputs)
    }

    /// Runs until stopped.
    pub async fn run(mut self) {
        let first =
            self.state.providers.iter().map(|provider| provider.profile.clone()).filter(|profile| profile.enabled);
        let first: Vec<_> = first.map(Effect::Probe).collect();
        self.carry_out(first);
        self.look_around();
        self.sync_day();
        self.refresh_plans();
        self.warm_anew();
        self.publish();
        // Who asks once and leaves reads the file once.
        let mut changes = self.options.schedule_probes.then(|| self.ports.config.changes());
        let mut published = Instant::now();
        let mut dirty = false;
        let traffic = self.traffic.clone();
        let mut export = self.ports.export.clone();
        loop {
            let wake = self.next_wake(dirty.then_some(published + PUBLISH_GAP));
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(input) = self.results.recv() => { self.take(input); dirty = true; }
                envelope = self.commands.recv() => match envelope {
                    Some(envelope) => { self.envelope(envelope); dirty = true; }
                    // Every handle is gone: nobody can ask or look any more.
                    None => break,
                },
                () = moved(&mut changes) => self.reload(None),
                // Once is enough until the next picture, however many calls there are.
                () = traffic.changed(), if !dirty => dirty = true,
                () = moved(&mut export) => { self.export_moved(); dirty = true; }
                () = sleep_until(wake) => dirty |= self.timers(),
            }
            self.drain();
            if dirty && published.elapsed() >= PUBLISH_GAP {
                self.publish();
                published = Instant::now();
                dirty = false;
            }
        }
    }

    /// Takes everything that already waits, so that a burst is published once.
    fn drain(&mut self) {
        for _ in 0..INPUT_CAPACITY {
            match self.results.try_recv() {
                Ok(input) => self.take(input),
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Probed { profile, report } => self.probed(&profile, &report),
            Input::Attempted { target, failure, moved_to } => {
                let now = self.ports.clock.now();
                let effects = self.state.attempted(&target, failure.as_ref(), moved_to.as_ref(), now, &self.traffic);
                self.carry_out(effects);
                self.publish_live();
            }
            Input::Found(profiles) => self.found(profiles),
            Input::Loaded { result, answer } => self.loaded(*result, answer),
            Input::LastGood { loaded, answer } => self.run_last_good(&loaded, answer),
            Input::Day { start, sums } => {
                // Sums of a day that has ended say nothing.
                if let Some(sums) = sums.filter(|_| start == self.day_start) {
                    self.today = sums;
                }
                self.let_go_of_held();
            }
            Input::Lately(taken) => self.traffic.recall_minute(taken),
            // What plans have left is shown by the next picture.
            Input::PlansRead => {}
            Input::ModelJobDone(done) => self.model_job_done(*done),
            Input::LoadedByCall(provider) => self.look_again(&provider),
            Input::RuleFailed { policy, why, applied, rules_version } => {
                self.rule_failed(policy, &why, applied, rules_version);
            }
            Input::Observed(sums) => self.observed = sums,
            Input::KeptOnDisk(entries) => self.traffic.kept.note_on_disk(entries),
        }
    }

    fn envelope(&mut self, envelope: Envelope) {
        match envelope {
            Envelope::Gateway(view) => self.views.gateway = Arc::new(view),
            Envelope::Command { command, reply } => self.command(command, reply),
        }
    }

    fn probed(&mut self, profile: &Arc<Profile>, report: &ProbeReport) {
        let effects = self.state.probed(profile, report, &self.traffic);
        self.carry_out(effects);
        self.model_jobs_probed(&profile.id);
        for waiting in &mut self.waiting_probes {
            if waiting.left.remove(&profile.id) {
                waiting.found.push((profile.id.clone(), report.clone()));
            }
        }
        self.publish_live();
        if self.waiting_probes.iter().any(|waiting| waiting.left.is_empty()) {
            // Whoever asked for the probe looks at the snapshot next: it must hold the result.
            self.publish();
        }
        for at in (0..self.waiting_probes.len()).rev() {
            if self.waiting_probes[at].left.is_empty() {
                let done = self.waiting_probes.swap_remove(at);
                answer(done.reply, Reply::Probed(done.found));
            }
        }
    }

    /// Carries out what the state asked for.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Probe(profile) => self.start_probe(profile),
                Effect::ProbeAfter(id, after) => {
                    if self.options.schedule_probes {
                        self.schedule.insert(id, Instant::now() + after);
                    }
                }
                Effect::Announce(event) => self.announce(event),
                Effect::Incident(incident) if self.options.schedule_probes => {
                    self.ports.ledger.note_incident(&incident);
                }
                Effect::Seen(id, slot) if self.options.schedule_probes => self.ports.ledger.note_slot(&id, slot),
                // A one-shot looks once: those who watch keep the history.
                Effect::Incident(_) | Effect::Seen(..) => {}
            }
        }
    }

    fn start_probe(&mut self, profile: Arc<Profile>) {
        self.schedule.remove(&profile.id);
        let probe = self.ports.upstream.probe(profile.clone());
        let inputs = self.inputs.clone();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                report = probe => {
                    // Waits when the supervisor is behind; fails only after it has stopped.
                    let _ = inputs.send(Input::Probed { profile, report: Box::new(report) }).await;
                }
            }
        });
    }

    /// A rule whose condition has no result: said once per rule set, however many calls meet it.
    fn rule_failed(&mut self, policy: String, why: &str, applied: bool, rules_version: u64) {
        self.failed_rules.retain(|(_, version)| *version == rules_version);
        let message = if applied {
            format!("policy {policy} applies although its condition has no result: {why}")
        } else {
            format!("policy {policy} is skipped: its condition has no result: {why}")
        };
        if self.failed_rules.insert((policy, rules_version)) {
            tracing::warn!("{message}");
            let kind = EventKind::Trouble { message };
            self.announce(Event { at: self.ports.clock.now(), level: Level::Warning, kind });
        }
    }

    pub(super) fn announce(&self, event: Event) {
        // An error means that nobody listens, which is fine for a one-shot command.
        let _ = self.events.send(event);
    }

    pub(super) fn count(&mut self, ended: &Ended) {
        if ended.ts >= self.day_start {
            self.today.calls += 1;
            if matches!(ended.status, Status::Error | Status::Denied) {
                self.today.failed += 1;
            }
            self.today.spent = self.today.spent.saturating_add(ended.cost.amount.unwrap_or_default());
            self.today.unpriced += u64::from(ended.cost.provenance == Provenance::Unknown);
            match self.today.by_policy.iter_mut().find(|(policy, _)| *policy == ended.policy) {
                Some((_, calls)) => *calls += 1,
                None => self.today.by_policy.push((ended.policy.clone(), 1)),
            }
        }
        observed::count(&mut self.observed, ended);
        let at = self.ports.clock.now();
        self.announce(Event { at, level: Level::Info, kind: EventKind::CallFinished { id: ended.id.clone() } });
        let dropped = self.ports.ledger.dropped();
        if dropped > self.views.dropped_records {
            let count = dropped - self.views.dropped_records;
            self.views.dropped_records = dropped;
            self.announce(Event { at, level: Level::Error, kind: EventKind::RecordsDropped { count } });
        }
    }

    /// When something is due next.
    fn next_wake(&self, publish: Option<Instant>) -> Instant {
        let probe = self.schedule.values().min().copied();
        let day = self.day_synced + DAY_RESYNC;
        [probe, publish, self.fade, self.room_again, self.warm.next()]
            .into_iter()
            .flatten()
            .chain([day])
            .min()
            .unwrap_or(day)
    }

    /// Starts what is due. Returns whether something a picture shows may have changed.
    fn timers(&mut self) -> bool {
        let now = Instant::now();
        let due: Vec<ProviderId> =
            self.schedule.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.schedule.remove(&id);
            let effects = self.state.probe(|profile| profile.id == id && profile.enabled);
            self.carry_out(effects);
        }
        let kept_warm = self.warm.next().is_some_and(|at| at <= now) && self.keep_warm();
        let mut chosen = false;
        if now >= self.day_synced + DAY_RESYNC {
            self.sync_day();
            self.refresh_plans();
            chosen = self.follow_choice();
        }
        // Otherwise nothing shown changes before a result arrives.
        let faded = self.fade.take_if(|at| *at <= now).is_some();
        self.room_again.take_if(|at| *at <= now).is_some() || faded || kept_warm || chosen
    }
}

/// Sends a reply; whoever asked may have gone, which changes nothing.
pub(super) fn answer(to: oneshot::Sender<Reply>, reply: Reply) {
    let _ = to.send(reply);
}
