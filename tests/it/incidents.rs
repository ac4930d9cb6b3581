//! Incidents: a provider in trouble is remembered with its reason, its length and where its calls went, by every
//! process that shares the ledger; what nobody watched is neither up nor down.

use super::support::engine::{Act, House, ask, collect, house, house_with_past, profile, refused};
use lmdeck::adapters::ledger::{Keep, Options, SqliteLedger};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::State;
use lmdeck::domain::ids::{ProviderId, Target};
use lmdeck::domain::incident::{Ending, Incident, Past, Slot};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::Ledger;
use lmdeck::engine::protocol::{Command, EventKind, IncidentQuery, ProbeWhich, Reply};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

fn two() -> Vec<lmdeck::domain::config::Profile> {
    vec![profile("local", Kind::LlamaCpp, &["small"]), profile("zai", Kind::ZAiGlm, &["glm-4.6"])]
}

async fn probe(house: &House) {
    house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await;
}

fn now() -> UnixMs {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(passed.as_millis()).unwrap())
}

fn minutes_ago(minutes: i64) -> UnixMs {
    UnixMs(now().0 - minutes * 60_000)
}

fn incident(provider: &str, since: UnixMs) -> Incident {
    Incident {
        provider: provider.into(),
        state: State::Down,
        reason: "connection refused".into(),
        failure: Some(Failure::new(ErrorCode::Network, Cause::Refused, "connection refused")),
        since,
        seen: since,
        until: None,
        ending: None,
        calls_moved: 0,
        moved_to: None,
    }
}

// ---- the engine

#[tokio::test(start_paused = true)]
async fn a_provider_that_goes_down_makes_one_incident_with_the_calls_that_moved_and_where() {
    let house = house(two(), |_, _| {}).await;
    house.stage.probe_fails("local", refused());
    house.stage.acts("local/small", [Act::Fail(refused())]);
    house.stage.acts("zai/glm-4.6", [Act::Say("from afar")]);
    collect(house.engine.handle.dispatch(ask("auto"))).await;
    let mut snapshots = house.engine.handle.snapshots();
    let open = snapshots.wait_for(|snapshot| snapshot.incidents.iter().any(Incident::is_open)).await.unwrap();
    let seen = open.incidents[0].clone();
    drop(open);
    assert_eq!((seen.provider.as_str(), seen.state, seen.calls_moved), ("local", State::Down, 1));
    assert_eq!(seen.moved_to, Some(Target::new("zai", "glm-4.6")));

    sleep(Duration::from_mins(14)).await;
    house.stage.probe_answers("local", &["small"]);
    let mut events = house.engine.handle.events();
    probe(&house).await;
    probe(&house).await;
    let snapshot = house.engine.handle.snapshot();
    assert_eq!(snapshot.incidents.len(), 1, "{:?}", snapshot.incidents);
    let over = &snapshot.incidents[0];
    assert_eq!((over.since, over.ending), (seen.since, Some(Ending::Recovered)));
    assert!(over.lasted(over.since) >= Duration::from_mins(14));
    let told = std::iter::from_fn(|| events.try_recv().ok()).find_map(|event| match event.kind {
        EventKind::HealthChanged { to: State::Up, lasted_ms, .. } => lasted_ms,
        _ => None,
    });
    assert!(told.is_some_and(|ms| ms >= 14 * 60_000), "{told:?}");
    let kept = house.book.incidents_kept();
    assert!(kept.iter().all(|one| one.since == seen.since), "one row, however often it is kept: {kept:?}");
    assert_eq!(kept.last().and_then(|one| one.until), over.until);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_switched_off_is_in_no_trouble() {
    let house = house(two(), |_, _| {}).await;
    let id = ProviderId::from("local");
    house.engine.handle.ask(Command::EnableProvider { id: id.clone(), enabled: false }).await;
    house.stage.probe_fails("local", refused());
    let mut events = house.engine.handle.events();
    // Somebody looks whether it may be switched on again.
    let Reply::Probed(found) =
        house.engine.handle.ask(Command::Probe { which: ProbeWhich::One(id), anew: false }).await
    else {
        panic!("a probe on demand is answered")
    };
    assert!(found[0].1.outcome.is_err());
    let snapshot = house.engine.handle.snapshot();
    assert_eq!(snapshot.providers[0].health.state, State::Down, "what it said is shown");
    assert!(snapshot.incidents.is_empty() && house.book.incidents_kept().is_empty(), "{:?}", snapshot.incidents);
    let told = std::iter::from_fn(|| events.try_recv().ok());
    assert_eq!(told.filter(|event| matches!(event.kind, EventKind::HealthChanged { .. })).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flapping_provider_is_told_with_the_number_of_times() {
    let house = house(two(), |_, _| {}).await;
    let mut events = house.engine.handle.events();
    for _ in 0..3 {
        house.stage.probe_fails("local", refused());
        probe(&house).await;
        house.stage.probe_answers("local", &["small"]);
        probe(&house).await;
        probe(&house).await;
    }
    let downs: Vec<u32> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event.kind {
            EventKind::HealthChanged { to: State::Down, times, .. } => Some(times),
            _ => None,
        })
        .collect();
    assert_eq!(downs, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_incident_of_an_earlier_process_goes_on_or_ended_unseen() {
    let since = UnixMs(1_000);
    let past = |slots| Past { incidents: vec![incident("local", since)], slots };
    let still = house_with_past(two(), past(Vec::new()), |_, stage| stage.probe_fails("local", refused())).await;
    let snapshot = still.engine.handle.snapshot();
    assert_eq!(snapshot.incidents.iter().map(|one| (one.since, one.is_open())).collect::<Vec<_>>(), [(since, true)]);
    assert_eq!(snapshot.providers[0].health.since, since, "it is down since then, not since this start");

    let well = house_with_past(two(), past(Vec::new()), |_, _| {}).await;
    let kept = well.book.incidents_kept();
    assert_eq!(kept.last().map(|one| (one.until, one.ending)), Some((Some(since), Some(Ending::Unseen))));
}

#[tokio::test(start_paused = true)]
async fn uptime_counts_what_earlier_processes_saw_and_never_what_nobody_saw() {
    let clock = house(two(), |_, _| {}).await;
    let start = clock.engine.handle.snapshot().providers[0].health.last_checked.unwrap();
    let slot = |minutes: i64, state| ("local".into(), Slot::of(UnixMs(start.0 - minutes * 60_000), state, None));
    let slots = vec![slot(26 * 60, State::Down), slot(600, State::Down), slot(500, State::Up), slot(400, State::Up)];
    let house = house_with_past(two(), Past { incidents: Vec::new(), slots }, |_, _| {}).await;
    let snapshot = house.engine.handle.snapshot();
    assert_eq!(snapshot.providers[0].uptime_permille, Some(750), "three of four in 24 h, this probe included");
    assert_eq!(snapshot.providers[1].uptime_permille, Some(1000));
    assert_eq!(house.book.slots_kept().len(), 2, "one for each probe of this process");
}

#[tokio::test(start_paused = true)]
async fn every_slot_of_the_schedule_holds_one_probe() {
    let house = house(two(), |_, _| {}).await;
    sleep(Duration::from_hours(1)).await;
    let snapshot = house.engine.handle.snapshot();
    for provider in snapshot.providers.iter() {
        let slots: Vec<i64> = provider.history.iter().map(|point| point.at.0.div_euclid(30_000)).collect();
        assert!(slots.len() >= 115, "{}", slots.len());
        assert!(slots.windows(2).skip(1).all(|pair| pair[1] == pair[0] + 1), "{}: {slots:?}", provider.id);
    }
}

#[tokio::test(start_paused = true)]
async fn switching_a_provider_off_ends_its_incident_as_changed() {
    let house = house(two(), |_, stage| stage.probe_fails("local", refused())).await;
    house.desk.change(|config| config.providers[0].enabled = false);
    let mut snapshots = house.engine.handle.snapshots();
    let over = snapshots.wait_for(|snapshot| snapshot.incidents.iter().all(|one| !one.is_open())).await.unwrap();
    assert_eq!(over.incidents[0].ending, Some(Ending::Changed));
}

// ---- the ledger

fn open(folder: &Path) -> Arc<SqliteLedger> {
    SqliteLedger::open(folder, None).unwrap()
}

async fn list(ledger: &SqliteLedger, query: IncidentQuery) -> Vec<Incident> {
    ledger.incidents(IncidentQuery { limit: 100, ..query }).await.unwrap()
}

#[tokio::test]
async fn incidents_and_slots_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = incident("local", minutes_ago(20));
    {
        let ledger = open(folder.path());
        ledger.note_incident(&one);
        one.call_moved(Some(&Target::new("zai", "org/glm-4.6")));
        one.seen = minutes_ago(6);
        ledger.note_incident(&one);
        for state in [State::Up, State::Down, State::Degraded] {
            ledger.note_slot(&"local".into(), Slot::of(minutes_ago(10), state, Some(7)));
        }
        ledger.flush().await;
    }
    let ledger = open(folder.path());
    let past = ledger.past(minutes_ago(60), 10);
    assert_eq!(past.incidents, [one.clone()]);
    let (_, slot) = &past.slots[0];
    assert_eq!((slot.good, slot.bad, slot.worst, slot.slowest_ms), (2, 1, State::Down, Some(7)));
    one.until = Some(minutes_ago(1));
    one.ending = Some(Ending::Recovered);
    ledger.note_incident(&one);
    ledger.note_incident(&incident("zai", minutes_ago(90)));
    ledger.note_incident(&incident("box", minutes_ago(30)));
    let names = |found: Vec<Incident>| found.into_iter().map(|one| one.provider.to_string()).collect::<Vec<_>>();
    assert_eq!(names(list(&ledger, IncidentQuery::default()).await), ["box", "zai", "local"], "open ones first");
    let open_only = IncidentQuery { open_only: true, ..IncidentQuery::default() };
    assert_eq!(names(list(&ledger, open_only).await), ["box", "zai"]);
    let local = IncidentQuery { provider: Some("local".into()), ..IncidentQuery::default() };
    assert_eq!(list(&ledger, local).await, [one]);
    let late = IncidentQuery { since: Some(now()), ..IncidentQuery::default() };
    assert_eq!(names(list(&ledger, late).await), ["box", "zai"], "what is open belongs to every time");
}

#[tokio::test]
async fn two_processes_that_watch_the_same_provider_keep_one_incident() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = [0, 1].map(|_| open(folder.path()));
    let mut mine = incident("local", minutes_ago(10));
    let mut theirs = incident("local", minutes_ago(9));
    first.note_incident(&mine);
    first.flush().await;
    theirs.call_moved(Some(&Target::new("zai", "glm-4.6")));
    second.note_incident(&theirs);
    second.flush().await;
    mine.until = Some(now());
    mine.ending = Some(Ending::Recovered);
    first.note_incident(&mine);
    first.flush().await;
    // It has not seen the recovery yet.
    theirs.seen = now();
    second.note_incident(&theirs);
    let found = list(&second, IncidentQuery::default()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].since, found[0].until, found[0].calls_moved), (mine.since, mine.until, 1));
}

#[tokio::test]
async fn what_is_older_than_calls_are_kept_is_removed_and_what_is_open_stays() {
    let folder = tempfile::tempdir().unwrap();
    let day = 24 * 60;
    {
        let ledger = open(folder.path());
        for (provider, ended) in [("old", Some(40 * day)), ("new", Some(day)), ("open", None)] {
            let mut one = incident(provider, minutes_ago(50 * day));
            ledger.note_incident(&one);
            if let Some(ended) = ended {
                one.until = Some(minutes_ago(ended));
                one.ending = Some(Ending::Recovered);
                ledger.note_incident(&one);
            }
        }
        ledger.note_slot(&"old".into(), Slot::of(minutes_ago(40 * day), State::Up, None));
        ledger.note_slot(&"new".into(), Slot::of(minutes_ago(day), State::Up, None));
        ledger.flush().await;
    }
    let keep = Keep { days: 30, bytes: 0 };
    let ledger = SqliteLedger::open_with(folder.path(), None, Options { keep, ..Options::default() }).unwrap();
    let mut left = Vec::new();
    for _ in 0..200 {
        let found = list(&ledger, IncidentQuery::default()).await;
        left = found.iter().map(|one| one.provider.to_string()).collect();
        if left.len() < 3 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(left, ["open", "new"]);
    assert_eq!(ledger.past(UnixMs(0), 10).slots.len(), 1);
}

// ---- the command line

fn lmdeck(folder: &Path, words: &[&str]) -> std::process::Output {
    let config = folder.join("ai_models.yaml");
    std::fs::write(
        &config,
        "providers:\n  - id: box\n    type: llama_cpp\n    endpoint: http://127.0.0.1:9\n    health: { timeout: 1, retries: 0 }\n",
    )
    .unwrap();
    std::process::Command::new(env!("CARGO_BIN_EXE_lmdeck"))
        .env_clear()
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .current_dir(folder)
        .args(["--config", config.to_str().unwrap(), "--state-dir", folder.join("state").to_str().unwrap()])
        .args(words)
        .output()
        .unwrap()
}

#[tokio::test]
async fn health_incidents_lists_them_with_length_reason_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    {
        let ledger = open(&folder.path().join("state"));
        let mut over = incident("gone", minutes_ago(200));
        ledger.note_incident(&over);
        over.until = Some(minutes_ago(186));
        over.ending = Some(Ending::Recovered);
        ledger.note_incident(&over);
        let mut still = incident("box", minutes_ago(14));
        still.calls_moved = 2;
        still.moved_to = Some(Target::new("zai", "glm-4.6"));
        ledger.note_incident(&still);
        ledger.flush().await;
    }
    let told = lmdeck(folder.path(), &["health", "incidents"]);
    let (out, err) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8(told.stderr).unwrap());
    assert_eq!(told.status.code(), Some(0), "{err}");
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows[1].contains("box") && rows[1].contains("14 min") && rows[1].contains("open"), "{out}");
    assert!(rows[1].contains("connection refused; 2 calls moved to zai/glm-4.6"), "{out}");
    assert!(rows[2].contains("gone") && rows[2].contains("over"), "{out}");
    assert!(err.contains("-- box: ") && err.contains("llama-server"), "{err}");

    let json = lmdeck(folder.path(), &["health", "incidents", "box", "--json"]);
    let rows: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!((&rows[0]["provider"], &rows[0]["open"]), (&"box".into(), &true.into()), "{rows}");
    assert_eq!((&rows[0]["calls_moved"], &rows[0]["moved_to"]), (&2.into(), &"zai/glm-4.6".into()));
    assert!(rows[0]["duration_ms"].as_u64().unwrap() >= 14 * 60_000, "{rows}");
    assert!(rows[0]["remedy"].as_str().unwrap().contains("llama-server"), "{rows}");
}

#[tokio::test]
async fn health_incidents_names_a_wrong_provider_and_a_wrong_time() {
    let folder = tempfile::tempdir().unwrap();
    let none = lmdeck(folder.path(), &["health", "incidents"]);
    assert_eq!(none.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&none.stderr).contains("No incident in the last day"), "{none:?}");
    let wrong = lmdeck(folder.path(), &["health", "incidents", "bix"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean box?"), "{wrong:?}");
    let time = lmdeck(folder.path(), &["health", "incidents", "--since", "yesterday"]);
    assert_eq!(time.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&time.stderr).contains("as in 30m, 24h, 7d"), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn the_engine_answers_for_incidents() {
    let house = house(two(), |_, stage| stage.probe_fails("local", refused())).await;
    let query = Box::new(IncidentQuery { limit: 10, ..IncidentQuery::default() });
    let Reply::Incidents(found) = house.engine.handle.ask(Command::ListIncidents { query }).await else {
        panic!("another reply");
    };
    assert!(found.iter().any(|one| one.provider.as_str() == "local"));
}
