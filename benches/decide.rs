//! The routing decision over 50 targets, 100 policies and 100 request orders: `cargo bench --bench decide`.
//!
//! divan shows fastest, slowest, median and mean; the budget is a percentile (p99 < 50 µs), so those are measured
//! and printed first.

use lmdeck::domain::call::Facts;
use lmdeck::domain::health::State;
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Price;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::condition::{Compare, Condition, Number, NumberFact, Test, Text, TextFact};
use lmdeck::domain::routing::{
    ActiveChoice, Policy, Reads, RuleSet, Strategy, World, WorldModel, WorldProvider, decide, explain,
};
use lmdeck::domain::time::UnixMs;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const PROVIDERS: usize = 10;
const MODELS_EACH: usize = 5;
const ORDERS: usize = 100;
const POLICIES: usize = 100;
const ROUNDS: usize = 10_000;

fn main() {
    // `cargo test --benches` and `--list` only ask what there is.
    if std::env::args().any(|argument| argument == "--bench") {
        percentiles();
    }
    divan::main();
}

fn world() -> World {
    let model = |p: usize, m: usize| WorldModel {
        id: format!("vendor-{p}/some-model-name-{m}-32b-instruct").into(),
        candidate: true,
        chat: m != 4,
        loaded: p.is_multiple_of(2).then_some(m == 1),
        remote: Some(false),
        context: Some(8192 << m),
        capabilities: (m == 2).then(|| vec!["tools".into(), "json".into()]),
        quality: (m != 3).then_some(40 + 5 * u32::try_from(m).unwrap_or(0)),
        price: if p.is_multiple_of(2) { Some(Price::FREE) } else { Price::per_million(0.5, 2.0, None) },
        breaker_until: (m == 3 && p == 3).then_some(UnixMs(2_000)),
        ttft_ms: None,
    };
    let provider = |p: usize| WorldProvider {
        id: format!("provider-{p}").into(),
        kind: if p.is_multiple_of(2) { Kind::LmStudio } else { Kind::Openai },
        reach: if p.is_multiple_of(2) { Reach::Machine } else { Reach::Cloud },
        local: false,
        enabled: p != 9,
        state: if p == 4 { State::Down } else { State::Up },
        reason: if p == 4 { "connection refused".into() } else { String::new() },
        withheld: None,
        parked_until: None,
        aliases: BTreeMap::from([(format!("alias_{p}"), None)]),
        models: (0..MODELS_EACH).map(|m| model(p, m)).collect(),
        preferred_models: vec![model(p, 2).id, model(p, 1).id],
        p50_ms: Some(20),
    };
    World {
        now: UnixMs(1_000),
        active: ActiveChoice::Target(Target::new("provider-5", "vendor-5/some-model-name-0-32b-instruct")),
        providers: (0..PROVIDERS).map(provider).collect(),
        ..World::default()
    }
}

fn rules(strategy: Strategy) -> RuleSet {
    let items = ["provider-3", "provider-0", "alias_7", "provider-2/vendor-2/some-model-name-1-32b-instruct", "local"];
    RuleSet {
        version: 1,
        strategy,
        request_orders: (0..ORDERS)
            .map(|n| (format!("request_type_{n}"), items.iter().map(ToString::to_string).collect()))
            .collect(),
        policies: (0..POLICIES).map(policy).collect(),
        ..RuleSet::default()
    }
}

/// A rule as people write them: `request.type == "x" && request.prompt_tokens > n && request.tags.team == "y"`.
fn policy(n: usize) -> Policy {
    let test = Test::And(vec![
        Test::Texts(Compare::Equal, Box::new((Text::Fact(TextFact::Type), Text::Const(format!("policy_type_{n}"))))),
        Test::Numbers(Compare::Greater, Box::new((Number::Fact(NumberFact::PromptTokens), Number::Whole(100)))),
        Test::Texts(
            Compare::Equal,
            Box::new((Text::Tag(Box::new(Text::Const("team".into()))), Text::Const("research".into()))),
        ),
    ]);
    Policy {
        name: format!("policy-{n}"),
        condition: Condition::new(test),
        targets: vec!["provider-3".into(), "local".into()],
        ..Policy::default()
    }
}

fn facts(what: &str) -> Facts {
    let base = Facts { prompt_tokens: 9000, max_tokens: 1024, has_tools: true, ..Facts::default() };
    match what {
        "order, last of 100" => Facts { request_type: format!("request_type_{}", ORDERS - 1), ..base },
        "policy, last of 100" | "the same, pinned" => Facts {
            request_type: format!("policy_type_{}", POLICIES - 1),
            session: "s-1".into(),
            tags: BTreeMap::from([("team".to_owned(), "research".to_owned())]),
            ..base
        },
        "bare model id" => Facts { requested_model: "vendor-9/some-model-name-3-32b-instruct".into(), ..base },
        "name nobody has" => Facts { requested_model: "gpt-unheard-of".into(), ..base },
        _ => base,
    }
}

const CASES: [(&str, Strategy); 9] = [
    ("prefer_local", Strategy::PreferLocal),
    ("prefer_cloud", Strategy::PreferCloud),
    ("cost_optimized", Strategy::CostOptimized),
    ("quality_optimized", Strategy::QualityOptimized),
    ("order, last of 100", Strategy::PreferLocal),
    ("policy, last of 100", Strategy::PreferLocal),
    ("the same, pinned", Strategy::PreferLocal),
    ("bare model id", Strategy::PreferLocal),
    ("name nobody has", Strategy::PreferLocal),
];

fn percentiles() {
    println!(
        "decide: {} targets, {POLICIES} policies, {ORDERS} request orders, {ROUNDS} rounds each",
        PROVIDERS * MODELS_EACH
    );
    let world = world();
    for (name, strategy) in CASES {
        let (rules, facts) = (rules(strategy), facts(name));
        let mut world = world.clone();
        let reads = Reads::of(&rules);
        if name.ends_with("pinned") {
            world.pin = Some(Target::new("provider-2", "vendor-2/some-model-name-1-32b-instruct"));
        }
        let mut nanos: Vec<u128> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                black_box(reads.pin_key(&facts, &rules, &world));
                black_box(decide(black_box(&facts), black_box(&rules), black_box(&world)));
                start.elapsed().as_nanos()
            })
            .collect();
        nanos.sort_unstable();
        let at = |percent: usize| nanos[(ROUNDS * percent / 100).min(ROUNDS - 1)];
        println!("  {name:<20} p50 {:>7} ns   p99 {:>7} ns   max {:>8} ns", at(50), at(99), at(100));
    }
}

#[divan::bench(args = CASES.map(|(name, _)| name))]
fn decision(bencher: divan::Bencher, name: &str) {
    let strategy =
        CASES.iter().find(|(case, _)| *case == name).map_or(Strategy::PreferLocal, |(_, strategy)| *strategy);
    let (world, rules, facts) = (world(), rules(strategy), facts(name));
    bencher.bench_local(|| decide(black_box(&facts), black_box(&rules), black_box(&world)));
}

#[divan::bench]
fn explained(bencher: divan::Bencher) {
    let (world, rules, facts) = (world(), rules(Strategy::PreferLocal), facts("order, last of 100"));
    bencher.bench_local(|| explain(black_box(&facts), black_box(&rules), black_box(&world)));
}
