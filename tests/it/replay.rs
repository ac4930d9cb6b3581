//! Other rules over recorded calls: in the world of then where it is recorded, and said where it is not.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use crate::support::engine::{Act, House, ask, collect, house, profile, refused};
use crate::support::world::provider;
use lmdeck::adapters::clock::unix_now;
use lmdeck::adapters::ledger::SqliteLedger;
use lmdeck::domain::call::{Attempt, CallRecord, Facts, Status, Usage};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::State;
use lmdeck::domain::ids::{ProviderId, Target};
use lmdeck::domain::incident::Slot;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Cost, Money, Price, Provenance};
use lmdeck::domain::replay::{Against, Change, Replay, ReplayReport, Watched};
use lmdeck::domain::routing::condition::{Compare, Condition, Number, NumberFact, SwitchFact, Test, Text, TextFact};
use lmdeck::domain::routing::{Fallback, LocalTime, Policy, RuleSet, Strategy as Order, World, WorldModel, decide};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::Ledger as _;
use lmdeck::engine::protocol::{Command, EventKind, ReplayDone, ReplayQuery, Reply, RunId};
use proptest::prelude::*;
use serde_json::Value;
use std::process::{Command as Process, Output, Stdio};

// ---- a world, its rules and what they decided

fn model(id: &str, price: Option<Price>) -> WorldModel {
    WorldModel { price, ..WorldModel::of(id) }
}

fn dear() -> Option<Price> {
    Price::per_million(10.0, 20.0, None)
}

fn world() -> World {
    World {
        now: UnixMs(1_000_000),
        providers: vec![
            provider(
                "near",
                Kind::LlamaCpp,
                vec![model("small", Some(Price::FREE)), model("large", Some(Price::FREE))],
            ),
            provider("zai", Kind::ZAiGlm, vec![model("glm-4.6", dear())]),
            provider("openai", Kind::Openai, vec![model("gpt-4o-mini", None)]),
        ]
        .into(),
        ..World::default()
    }
}

fn price_in(world: &World, target: &Target) -> Option<Price> {
    let provider = world.providers.iter().find(|provider| provider.id == target.provider)?;
    provider.models.iter().find(|model| model.id == target.model)?.price
}

/// The record of a call that `rules` decided in `world`, answered by the first of its chain.
fn recorded(id: &str, facts: Facts, rules: &RuleSet, world: &World) -> CallRecord {
    let decision = decide(&facts, rules, world);
    let target = decision.chain.first().map(|chosen| chosen.target.clone());
    let error = match (&target, &decision.denied) {
        (Some(_), _) => None,
        (None, Some(message)) => Some(Failure::plain(ErrorCode::Denied, message.clone())),
        (None, None) => Some(Failure::plain(ErrorCode::NoRoute, "nobody can take it")),
    };
    let usage = target.is_some().then_some(Usage { input: 1000, output: 100, ..Usage::default() });
    let price = target.as_ref().and_then(|target| price_in(world, target));
    let amount = match (price, usage) {
        (Some(price), Some(usage)) => Some(price.of(usage.input, 0, usage.output)),
        (None, Some(_)) => None,
        (_, None) => Some(Money::ZERO),
    };
    CallRecord {
        id: id.into(),
        ts: UnixMs(900_000),
        policy: decision.by.clone(),
        rules_version: 1,
        chain: decision.chain.iter().map(|chosen| chosen.target.clone()).collect(),
        rejects: decision.rejected.clone(),
        status: error.as_ref().map_or(Status::Ok, |failure| Status::of(failure.code)),
        error,
        finish: None,
        duration_ms: 900,
        queue_ms: 0,
        ttft_ms: target.as_ref().map(|target| if target.provider.as_str() == "near" { 200 } else { 500 }),
        usage,
        cost: Cost { amount, provenance: Provenance::Computed },
        cache: "off".into(),
        attempts: target
            .iter()
            .map(|target| Attempt {
                target: target.clone(),
                start_ms: 0,
                ttft_ms: Some(100),
                duration_ms: 900,
                failure: None,
                answered_by: None,
            })
            .collect(),
        prompt: None,
        answer: None,
        reserved: None,
        observed: decision.observed(),
        outside: None,
        target,
        facts,
    }
}

fn replayed(records: &[CallRecord], rules: &RuleSet, in_force: &RuleSet, today: &World) -> ReplayReport {
    replayed_watched(records, rules, in_force, today, Vec::new())
}

fn replayed_watched(
    records: &[CallRecord],
    rules: &RuleSet,
    in_force: &RuleSet,
    today: &World,
    slots: Vec<(ProviderId, Slot)>,
) -> ReplayReport {
    let watched = Watched::of(slots);
    let price = |target: &Target| price_in(today, target);
    let against = Against { rules, in_force, world: today, watched: &watched, price: &price };
    let mut replay = Replay::default();
    for record in records {
        replay.add(record, LocalTime::utc(record.ts), &against);
    }
    replay.finish(records.len() as u64, false, &against)
}

fn policy(name: &str, when: Test, targets: &[&str]) -> Policy {
    Policy {
        name: name.into(),
        condition: Condition::new(when),
        targets: targets.iter().map(|&target| target.into()).collect(),
        ..Policy::default()
    }
}

fn of_type(name: &str) -> Test {
    Test::Texts(Compare::Equal, Box::new((Text::Fact(TextFact::Type), Text::Const(name.into()))))
}

fn typed(name: &str) -> Facts {
    Facts { request_type: name.into(), requested_model: "auto".into(), prompt_tokens: 1000, ..Facts::default() }
}

fn rules(policies: Vec<Policy>) -> RuleSet {
    RuleSet { version: 1, policies, ..RuleSet::default() }
}

// ---- promises

fn any_policy(name: &'static str) -> impl proptest::strategy::Strategy<Value = Policy> {
    let when = prop_oneof![
        Just(Test::Const(true)),
        prop_oneof!["a", "b"].prop_map(|name| of_type(&name)),
        Just(Test::Fact(SwitchFact::HasTools)),
        (0i64..24).prop_map(|hour| Test::Numbers(
            Compare::Less,
            Box::new((Number::Fact(NumberFact::Hour), Number::Whole(hour)))
        )),
    ];
    let items = proptest::collection::vec(
        prop_oneof!["near", "zai", "openai", "near/large", "local", "cloud", "cost_optimized", "auto"],
        0..3,
    );
    (when, items, any::<[bool; 4]>()).prop_map(move |(when, targets, [deny, local_only, goes_on, observe])| Policy {
        name: name.into(),
        condition: Condition::new(when),
        targets,
        deny: (deny && local_only).then(|| "not here".to_owned()),
        local_only,
        observe,
        fallback: if goes_on { Fallback::Strategy } else { Fallback::None },
        ..Policy::default()
    })
}

fn any_rules() -> impl proptest::strategy::Strategy<Value = RuleSet> {
    let orders = proptest::collection::vec(prop_oneof!["near", "zai", "openai/gpt-4o-mini", "prefer_cloud"], 0..3);
    (any_policy("one"), any_policy("two"), orders, proptest::sample::select(Order::ALL.to_vec())).prop_map(
        |(one, two, items, strategy)| RuleSet {
            strategy,
            request_orders: vec![("b".into(), items)],
            ..rules(vec![one, two])
        },
    )
}

fn any_day() -> impl proptest::strategy::Strategy<Value = World> {
    let state =
        proptest::sample::select(vec![State::Up, State::Down, State::Unauthorized, State::Paused, State::Unknown]);
    let provider = (state, any::<[bool; 4]>());
    (proptest::collection::vec(provider, 3), any::<bool>()).prop_map(|(states, exhausted)| {
        let mut world = World { budget_exhausted: exhausted, ..world() };
        for (provider, (state, [parked, broken, disabled, _])) in world.providers.iter_mut().zip(states) {
            provider.state = state;
            provider.parked_until = parked.then_some(UnixMs(2_000_000));
            provider.enabled = !disabled || parked;
            if broken {
                provider.models[0].breaker_until = Some(UnixMs(2_000_000));
            }
        }
        world
    })
}

fn any_facts() -> impl proptest::strategy::Strategy<Value = Facts> {
    let name = prop_oneof!["auto", "local", "cloud", "zai", "near/large", "nobody-has-it"];
    (name, prop_oneof!["", "a", "b"], any::<[bool; 2]>()).prop_map(|(model, request_type, [tools, session])| Facts {
        requested_model: model,
        has_tools: tools,
        session: if session { "s".into() } else { String::new() },
        ..typed(&request_type)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever became of the providers since: the rules that decided decide the same again.
    #[test]
    fn the_rules_of_then_move_nothing(
        rules in any_rules(), then in any_day(), today in any_day(), facts in any_facts(),
    ) {
        let then = World { now: UnixMs(900_000), time: LocalTime::utc(UnixMs(900_000)), ..then };
        let record = recorded("c1", facts, &rules, &then);
        let report = replayed(std::slice::from_ref(&record), &rules, &rules, &today);
        let row = &report.rows[0];
        prop_assert_eq!(row.change, Change::Same, "{:?}\n{:?}", record, row);
        prop_assert_eq!(report.before, report.after);
        prop_assert!(row.today.is_empty(), "all of it is recorded: {:?}\n{:?}", record, row);
    }

    /// Every call is counted once on each side, and the flows are the changes.
    #[test]
    fn the_sums_are_those_of_the_rows(
        rules in any_rules(), other in any_rules(), then in any_day(), today in any_day(),
        facts in proptest::collection::vec(any_facts(), 0..8),
    ) {
        let records: Vec<CallRecord> = facts.into_iter().enumerate()
            .map(|(place, facts)| recorded(&format!("c{place}"), facts, &rules, &then)).collect();
        let report = replayed(&records, &other, &rules, &today);
        for sums in [report.before, report.after] {
            prop_assert_eq!(sums.local + sums.cloud + sums.unknown + sums.refused, report.calls);
        }
        let changed = report.moved + report.refused + report.let_through;
        prop_assert_eq!(report.flows.iter().map(|flow| flow.calls).sum::<u64>(), changed);
        prop_assert_eq!(report.rows.iter().filter(|row| row.change != Change::Same).count() as u64, changed);
    }
}

// ---- what changes

#[test]
fn an_edited_rule_moves_calls_with_their_cost_and_their_time() {
    let then = rules(vec![policy("long", of_type("teach"), &["zai"])]);
    let records: Vec<CallRecord> = (0..10)
        .map(|n| recorded(&format!("c{n}"), typed(if n < 4 { "teach" } else { "quick" }), &then, &world()))
        .collect();
    let edited = rules(vec![policy("long", of_type("teach"), &["near"])]);
    let report = replayed(&records, &edited, &then, &world());
    assert_eq!((report.calls, report.moved, report.refused, report.let_through), (10, 4, 0, 0));
    assert_eq!((report.before.cloud, report.after.cloud, report.after.local), (4, 0, 10));
    // 1,000 tokens in at $10 and 100 out at $20 per million: 12 thousandths of a dollar each.
    assert_eq!((report.before.cost, report.after.cost), (Money(48_000_000_000), Money::ZERO));
    assert_eq!((report.before.ttft_ms, report.after.ttft_ms), (Some((4 * 500 + 6 * 200) / 10), Some(200)));
    let flow = &report.flows[0];
    assert_eq!((flow.calls, flow.from.as_ref().unwrap().to_string()), (4, "zai/glm-4.6".to_owned()));
    assert_eq!(flow.to.as_ref().unwrap().to_string(), "near/small");
}

#[test]
fn refusals_are_told_with_their_reason_and_a_lifted_one_too() {
    let no = Policy { deny: Some("no images".into()), ..policy("no", of_type("pictures"), &[]) };
    let records = [
        recorded("c1", typed("pictures"), &rules(vec![]), &world()),
        recorded(
            "c2",
            typed("quick"),
            &rules(vec![Policy { deny: Some("closed".into()), ..policy("all", Test::Const(true), &[]) }]),
            &world(),
        ),
    ];
    let report = replayed(&records, &rules(vec![no]), &rules(vec![]), &world());
    assert_eq!((report.refused, report.let_through, report.moved), (1, 1, 0));
    assert_eq!(report.rows[0].after.refused.as_deref(), Some("no images"));
    assert_eq!(report.rows[1].before.refused.as_deref(), Some("closed"));
    assert_eq!(report.rows[1].after.target.as_ref().unwrap().to_string(), "near/small");
    // What a refused call would have used is not known: at a free target it costs nothing all the same.
    assert_eq!(report.rows[1].after.cost, Some(Money::ZERO));
}

#[test]
fn who_was_down_then_is_down_and_who_is_not_recorded_is_taken_from_today() {
    let mut then = world();
    then.providers[0].state = State::Down;
    then.providers[0].reason = "connection refused".into();
    let old = rules(vec![]);
    let down = recorded("c1", typed("quick"), &old, &then);
    assert_eq!(down.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
    // Near is up today, and a rule that prefers it changes nothing for a call of that night.
    let home = rules(vec![Policy { fallback: Fallback::Strategy, ..policy("home", Test::Const(true), &["near"]) }]);
    let report = replayed(std::slice::from_ref(&down), &home, &old, &world());
    assert_eq!((report.moved, report.from_today), (0, 0), "{:?}", report.rows);

    // A call that named zai tells nothing of openai.
    let named = recorded("c2", Facts { requested_model: "zai".into(), ..typed("quick") }, &old, &then);
    let auto = CallRecord { facts: typed("quick"), ..named };
    let other = rules(vec![policy("other", Test::Const(true), &["openai"])]);
    let report = replayed(std::slice::from_ref(&auto), &other, &old, &world());
    assert_eq!(report.rows[0].today, ["openai".into()]);
    assert_eq!((report.from_today, report.unpriced), (1, 1), "its price is not known");

    // What a probe saw in those minutes is recorded too.
    let seen = |state| vec![("openai".into(), Slot::of(auto.ts, state, None))];
    let was_up = replayed_watched(std::slice::from_ref(&auto), &other, &old, &world(), seen(State::Up));
    assert_eq!((was_up.moved, was_up.from_today), (1, 0));
    let was_down = replayed_watched(std::slice::from_ref(&auto), &other, &old, &world(), seen(State::Down));
    assert_eq!((was_down.refused, was_down.from_today), (1, 0));
}

#[test]
fn a_target_that_failed_then_fails_again() {
    let old = rules(vec![policy("cloud", Test::Const(true), &["zai", "near"])]);
    let mut record = recorded("c1", typed("quick"), &old, &world());
    let failure = Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 502 }, "the server failed");
    record.attempts[0].failure = Some(failure);
    record.target = Some(Target::new("near", "small"));
    record.attempts.push(Attempt { target: Target::new("near", "small"), failure: None, ..record.attempts[0].clone() });
    let report = replayed(std::slice::from_ref(&record), &old, &old, &world());
    assert_eq!(report.rows[0].change, Change::Same, "{:?}", report.rows);
    let only = rules(vec![policy("cloud", Test::Const(true), &["zai", "openai"])]);
    let report = replayed(&[record], &only, &old, &world());
    assert_eq!(report.rows[0].after.target.as_ref().unwrap().to_string(), "openai/gpt-4o-mini");
}

#[test]
fn a_session_keeps_its_target_where_the_rule_that_decides_is_the_same() {
    let old = rules(vec![policy("both", Test::Const(true), &["near", "zai"])]);
    let pinned = World { pin: Some(Target::new("zai", "glm-4.6")), ..world() };
    let record = recorded("c1", Facts { session: "s".into(), ..typed("quick") }, &old, &pinned);
    assert_eq!(record.chain[0].to_string(), "zai/glm-4.6");
    assert_eq!(replayed(std::slice::from_ref(&record), &old, &old, &world()).moved, 0);
    // Another rule begins its sessions anew.
    let edited = rules(vec![Policy { fallback: Fallback::Strategy, ..old.policies[0].clone() }]);
    assert_eq!(replayed(&[record], &edited, &old, &world()).moved, 1);
}

#[test]
fn what_rules_look_at_and_no_record_holds_is_named() {
    let reads = Test::And(vec![
        Test::Texts(Compare::Equal, Box::new((Text::Fact(TextFact::Audience), Text::Const("x".into())))),
        Test::Fact(SwitchFact::Loaded("near".into())),
        Test::Numbers(Compare::Less, Box::new((Number::Fact(NumberFact::Fraction), Number::Decimal(0.5)))),
    ]);
    let edited = rules(vec![policy("p", reads, &["fastest"])]);
    let old = rules(vec![]);
    let records = [recorded("c1", typed("quick"), &old, &world())];
    let report = replayed(&records, &edited, &old, &world());
    assert_eq!((report.absent[0].fact.as_str(), report.absent[0].calls), ("request.audience", 1));
    assert_eq!(report.unrecorded, ["provider[\"near\"].loaded", "budget.fraction", "fastest"]);
}

// ---- in the engine

async fn replay(house: &House, query: ReplayQuery) -> ReplayDone {
    match house.engine.handle.ask(Command::Replay { query: Box::new(query), run: RunId(7) }).await {
        Reply::Replayed(done) => *done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_engine_replays_its_records_and_tells_how_far_it_is() {
    let near = profile("near", Kind::LlamaCpp, &["small"]);
    let house = house(vec![near, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |_, _| {}).await;
    house.stage.acts("near/small", [Act::Fail(refused())]);
    for _ in 0..5 {
        collect(house.engine.handle.dispatch(ask("auto"))).await;
    }
    let mut events = house.engine.handle.events();
    let same = replay(&house, ReplayQuery::default()).await;
    assert_eq!((same.report.calls, same.report.moved, same.report.matching), (5, 0, 5), "{:?}", same.report.rows);
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let EventKind::ReplayProgress { run, done, of } = event.kind {
            told.push((run, done, of));
        }
    }
    assert_eq!(told, [(RunId(7), 5, 5)]);

    house.desk.change(|config| config.rules.strategy = Order::PreferCloud);
    let mut snapshots = house.engine.handle.snapshots();
    snapshots.wait_for(|snapshot| snapshot.routing.rules.strategy == Order::PreferCloud).await.unwrap();
    let done = replay(&house, ReplayQuery { limit: 4, ..ReplayQuery::default() }).await;
    assert_eq!((done.report.calls, done.report.matching, done.report.moved), (4, 5, 4), "{:?}", done.report.rows);
    // The call that was moved to the cloud then would go there at once.
    let all = replay(&house, ReplayQuery::default()).await;
    assert_eq!((all.report.moved, all.report.rows[4].change), (4, Change::Same));
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_is_stopped_says_what_it_had_looked_at() {
    let house = house(vec![profile("near", Kind::LlamaCpp, &["small"])], |_, _| {}).await;
    let handle = house.engine.handle.clone();
    collect(handle.dispatch(ask("auto"))).await;
    let run = RunId(9);
    let asked = handle.ask_later(Command::Replay { query: Box::default(), run }).unwrap();
    assert!(matches!(handle.ask(Command::StopReplay { run }).await, Reply::Done));
    let Reply::Replayed(done) = asked.await.unwrap() else { panic!("it answers") };
    assert!(done.report.stopped || done.report.calls == 1, "{:?}", done.report);
    assert!(matches!(handle.ask(Command::StopReplay { run }).await, Reply::Done), "one that has ended is no mistake");
}

// ---- on the command line

const FILE: &str = "\
providers:
  - { id: near, type: llama_cpp, endpoint: 'http://127.0.0.1:9', models: [small] }
  - { id: zai, type: z_ai_glm, authToken: '${NO_SUCH_KEY}', models: [glm-4.6] }
routing:
  policies:
    - { name: long, when: request.prompt_tokens > 24000, use: [zai/glm-4.6], fallback: strategy }
";

struct Home(tempfile::TempDir);

impl Home {
    /// A state folder with ten recorded calls, four of them long.
    async fn with_calls() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::write(home.0.path().join("ai_models.yaml"), FILE).unwrap();
        let tokens =
            Test::Numbers(Compare::Greater, Box::new((Number::Fact(NumberFact::PromptTokens), Number::Whole(24_000))));
        let long = Policy { fallback: Fallback::Strategy, ..policy("long", tokens, &["zai/glm-4.6"]) };
        let then = rules(vec![long]);
        let ledger = SqliteLedger::open(&home.0.path().join("state"), None).unwrap();
        for n in 0..10 {
            let facts = Facts {
                prompt_tokens: if n < 4 { 30_000 } else { 100 },
                client: if n % 2 == 0 { "dspy".into() } else { "ask".into() },
                ..typed("teach")
            };
            let record = recorded(&format!("c{n}"), facts, &then, &world());
            ledger.record(CallRecord { ts: UnixMs(unix_now().0 - 60_000 * n), ..record }.into());
        }
        ledger.flush().await;
        home
    }

    fn run(&self, words: &[&str]) -> Output {
        let home = self.0.path();
        let mut command = Process::new(env!("CARGO_BIN_EXE_lmdeck"));
        command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
        command.arg("--config").arg(home.join("ai_models.yaml")).arg("--state-dir").arg(home.join("state"));
        command.args(["routes", "replay"]).args(words).stdin(Stdio::null()).output().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn fails(&self, words: &[&str], exit: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_rules_is_held_against_the_ledger() {
    let home = Home::with_calls().await;
    let same = home.json(&[]);
    assert_eq!((&same["calls"], &same["moved"], &same["from_today"]), (&10.into(), &0.into(), &0.into()), "{same}");

    // Only rules: the providers stay, also those that nobody can reach today.
    home.write("edited.yaml", "routing:\n  policies:\n    - { name: home, use: [near] }\n");
    let edited = home.json(&["edited.yaml"]);
    assert_eq!((&edited["moved"], &edited["after"]["local"]), (&4.into(), &10.into()), "{edited}");
    assert!(edited["before"]["cost_usd"].as_f64().unwrap() > 0.0 && edited["after"]["cost_usd"] == 0.0);
    let row = edited["rows"].as_array().unwrap().iter().find(|row| row["change"] == "moved").unwrap();
    assert_eq!((&row["before"]["target"], &row["after"]["target"]), (&"zai/glm-4.6".into(), &"near/small".into()));
    assert_eq!((&row["world"], &row["after"]["policy"]), (&"recorded".into(), &"policy:home".into()));

    // A whole configuration, a filter, a span and a number.
    home.write("whole.yaml", &FILE.replace("24000", "90000"));
    assert_eq!(home.json(&["whole.yaml"])["moved"], 4);
    let few = home.json(&["whole.yaml", "client:dspy", "--limit", "1"]);
    assert_eq!((&few["calls"], &few["matching"]), (&1.into(), &5.into()));
    assert_eq!(home.json(&["client:dspy", "--since", "3m"])["calls"], 2);

    let words = home.run(&["edited.yaml"]);
    let (said, notes) = (String::from_utf8(words.stdout).unwrap(), String::from_utf8(words.stderr).unwrap());
    for part in ["4 of 10 calls would go elsewhere.", "at home", "zai/glm-4.6", "near/small by home", "as recorded"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(notes.contains("never stored"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_no_rules_or_broken_ones_is_refused_with_the_place() {
    let home = Home::with_calls().await;
    assert!(home.fails(&["nowhere.yaml"], 2).contains("nowhere.yaml cannot be read"));
    home.write("other.yaml", "ui: {}\n");
    assert!(home.fails(&["other.yaml"], 2).contains("other.yaml holds no rules"));
    home.write("broken.yaml", "routing:\n  policies:\n    - name: a\n      when: request.tpye == \"x\"\n");
    let said = home.fails(&["broken.yaml"], 3);
    assert!(said.contains("broken.yaml:4") && said.contains("tpye"), "{said}");
    home.write("torn.yaml", "routing: [\n");
    assert!(home.fails(&["torn.yaml"], 3).contains("torn.yaml"));
    assert!(home.fails(&["status:nonsense"], 1).contains("status"));
}
