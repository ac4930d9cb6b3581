//! Policies as people write them in a file, and what must hold for every set of rules: promises first.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use crate::support::engine::{Act, House, ask, collect, house, profile, refused};
use crate::support::world;
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::domain::budget::WhenExhausted;
use lmdeck::domain::call::{Body, CallRequest, Facts, Priority, Role};
use lmdeck::domain::config::{Config, Severity};
use lmdeck::domain::failure::ErrorCode;
use lmdeck::domain::health::State;
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Money;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::condition::{
    Arithmetic, Compare, Condition, Ground, Number, NumberFact, Pattern, SwitchFact, Test, Text, TextFact,
};
use lmdeck::domain::routing::{
    ActiveChoice, BudgetFacts, Decision, Effects, Explanation, Fallback, LocalTime, NoteKind, Outcome, Policy, Reads,
    RuleSet, Strategy as Order, World, WorldModel, WorldProvider, decide, explain,
};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::{ConfigStore as _, Loaded};
use lmdeck::engine::protocol::{CallEvent, CaseWorld, Command, EventKind, ProbeWhich, Reply, RouteCase};
use proptest::prelude::*;
use std::collections::BTreeMap;

// ---- a house with four providers

fn model(id: &str) -> WorldModel {
    WorldModel::of(id)
}

fn provider(id: &str, kind: Kind, reach: Reach, models: &[&str]) -> WorldProvider {
    let models = models.iter().map(|id| model(id)).collect();
    WorldProvider { reach, ..world::provider(id, kind, models) }
}

fn four() -> World {
    let mut workstation = provider("workstation", Kind::LlamaCpp, Reach::Network, &["qwen3-32b"]);
    workstation.local = true;
    World {
        now: UnixMs(1_000_000),
        providers: vec![
            provider("lm_studio", Kind::LmStudio, Reach::Machine, &["small", "large"]),
            workstation,
            provider("zai", Kind::ZAiGlm, Reach::Cloud, &["glm-4.6"]),
            provider("openai", Kind::Openai, Reach::Cloud, &["gpt-4o-mini"]),
        ]
        .into(),
        ..World::default()
    }
}

const PROVIDERS: &str = "\
providers:
  - { id: lm_studio, type: lm_studio, endpoint: http://127.0.0.1:1234, models: [small, large] }
  - { id: workstation, type: llama_cpp, endpoint: http://192.168.1.20:8080, local: true, models: [qwen3-32b] }
  - { id: zai, type: z_ai_glm, authToken: x, models: [glm-4.6] }
  - { id: openai, type: openai, authToken: x, models: [{ id: gpt-4o-mini, capabilities: [tools] }] }
  - { id: off, type: vllm, endpoint: http://127.0.0.1:8000, enabled: false, models: [m] }
";

fn load(policies: &str) -> Loaded {
    load_with(PROVIDERS, policies)
}

fn load_with(providers: &str, policies: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ai_models.yaml");
    std::fs::write(&file, format!("{providers}routing:\n  policies:\n{policies}")).unwrap();
    let source = Source {
        config: Some(file),
        working_folder: folder.path().to_path_buf(),
        config_folder: None,
        state_folder: folder.path().join("state"),
        environment: BTreeMap::new(),
    };
    ConfigFile::open(source).load().unwrap_or_else(|unusable| panic!("{:?}", unusable.issues))
}

fn config(policies: &str) -> std::sync::Arc<Config> {
    load(policies).config
}

fn chain(decision: &Decision) -> Vec<String> {
    decision.chain.iter().map(|chosen| chosen.target.to_string()).collect()
}

fn wanting(model: &str) -> Facts {
    Facts { requested_model: model.into(), ..Facts::default() }
}

fn private(model: &str) -> Facts {
    Facts { tags: BTreeMap::from([("privacy".into(), "high".into())]), ..wanting(model) }
}

const PRIVATE: &str = "    - { name: private, priority: 100, when: 'request.tags.privacy == \"high\"', use: [local], local_only: true }\n";

#[test]
fn a_private_prompt_stays_at_home_and_every_other_goes_where_it_would() {
    let rules = &config(PRIVATE).rules;
    let home = decide(&private("auto"), rules, &four());
    assert_eq!(chain(&home), ["lm_studio/small", "lm_studio/large", "workstation/qwen3-32b"]);
    assert_eq!((home.by.as_str(), home.local_only), ("policy:private", true));
    assert_eq!(decide(&Facts::default(), rules, &four()).by, "strategy:prefer_local");

    let named = decide(&private("lm_studio/large"), rules, &four());
    assert_eq!(chain(&named), ["lm_studio/large"]);
    let denied = decide(&private("zai/glm-4.6"), rules, &four());
    assert_eq!(denied.denied.unwrap(), "this request must stay on local providers, and zai/glm-4.6 is none");
    let preferred = Facts { preferred_provider: "openai".into(), ..private("auto") };
    assert_eq!(chain(&decide(&preferred, rules, &four())), chain(&home));

    // A dead local model is no reason to leave, and no denial either.
    let mut dead = four();
    dead.providers[0].state = State::Down;
    dead.providers[1].state = State::Down;
    let nowhere = decide(&private("auto"), rules, &dead);
    assert!(nowhere.chain.is_empty() && nowhere.denied.is_none() && nowhere.local_only);
}

#[test]
fn the_first_true_policy_decides_by_priority_then_by_the_file() {
    let rules = &config(
        "    - { name: low, when: request.stream, use: [zai] }\n    - { name: high, priority: 9, when: request.stream, use: [openai] }\n    - { name: same, priority: 9, use: [workstation] }\n",
    )
    .rules;
    let streamed = Facts { stream: true, ..Facts::default() };
    assert_eq!(chain(&decide(&streamed, rules, &four())), ["openai/gpt-4o-mini"]);
    assert_eq!(chain(&decide(&Facts::default(), rules, &four())), ["workstation/qwen3-32b"]);
}

#[test]
fn a_chain_ends_where_it_ends_unless_the_fallback_goes_on() {
    let mut world = four();
    world.providers[2].state = State::Down;
    let ends = &config("    - { name: p, use: [zai] }\n").rules;
    let nobody = decide(&Facts::default(), ends, &world);
    assert!(nobody.chain.is_empty() && nobody.denied.is_none());
    let goes_on = &config("    - { name: p, use: [zai, openai], fallback: strategy }\n").rules;
    assert_eq!(
        chain(&decide(&Facts::default(), goes_on, &world)),
        ["openai/gpt-4o-mini", "lm_studio/small", "lm_studio/large", "workstation/qwen3-32b"]
    );
}

#[test]
fn a_policy_that_does_not_fit_what_was_named_is_passed_over_and_says_so() {
    let rules = &config("    - { name: p, use: [zai] }\n").rules;
    let decision = decide(&wanting("openai"), rules, &four());
    assert_eq!((chain(&decision), decision.by.as_str()), (vec!["openai/gpt-4o-mini".to_owned()], "named"));
    assert_eq!(decision.notes[0].what, NoteKind::NotApplicable);
    let explained = explain(&wanting("openai"), rules, &four());
    assert_eq!(explained.rules[0].verdict, "not applicable");
    // A provider in use stands for the very model of it that was named.
    let rules = &config("    - { name: p, use: [lm_studio] }\n").rules;
    assert_eq!(chain(&decide(&wanting("lm_studio/large"), rules, &four())), ["lm_studio/large"]);
    assert_eq!(decide(&wanting("lm_studio/large"), rules, &four()).by, "policy:p");
}

#[test]
fn deny_reaches_nobody_and_says_its_message() {
    let rules = &config(
        "    - { name: no-images, when: 'request.has_images && request.client == \"batch\"', deny: Images are not accepted. }\n",
    )
    .rules;
    let batch = Facts { has_images: true, client: "batch".into(), ..Facts::default() };
    for name in ["auto", "zai/glm-4.6", "nobody-has-this"] {
        let facts = Facts { requested_model: name.into(), ..batch.clone() };
        let explained = explain(&facts, rules, &four());
        assert!(explained.decision.chain.is_empty());
        assert_eq!(explained.decision.denied.as_deref(), Some("Images are not accepted."));
        assert_eq!(explained.sentence, "denied by policy no-images: Images are not accepted.");
        assert_eq!(explained.rules[0].verdict, "denies");
    }
    let other = explain(&Facts { has_images: true, ..Facts::default() }, rules, &four());
    assert_eq!(other.rules[0].verdict, "no");
    assert_eq!(other.rules[0].why, "request.client == \"batch\" is false: request.client is absent");
}

#[test]
fn an_observed_policy_is_traced_and_changes_nothing() {
    let rules = &config("    - { name: p, mode: observe, use: [zai] }\n").rules;
    let decision = decide(&Facts::default(), rules, &four());
    assert_eq!((decision.by.as_str(), decision.notes[0].what), ("strategy:prefer_local", NoteKind::Observed));
    assert_eq!(explain(&Facts::default(), rules, &four()).rules[0].verdict, "observed");
}

#[test]
fn a_condition_without_a_result_closes_what_protects_and_skips_the_rest() {
    let loaded = load(
        "    - { name: skipped, priority: 2, when: 'provider[\"gone\"].up', use: [zai] }\n    - { name: closed, priority: 1, when: '1 / request.max_tokens > 0', local_only: true }\n",
    );
    let decision = decide(&Facts::default(), &loaded.config.rules, &four());
    assert_eq!(decision.by, "policy:closed");
    assert!(decision.local_only && !decision.chain.is_empty());
    let notes: Vec<_> = decision.notes.iter().map(|note| (note.policy.as_str(), note.what)).collect();
    assert_eq!(notes, [("skipped", NoteKind::Skipped), ("closed", NoteKind::Closed)]);
    let explained = explain(&Facts::default(), &loaded.config.rules, &four());
    assert_eq!(explained.rules[0].verdict, "fails: skipped");
    assert_eq!(explained.rules[1].verdict, "fails: applies");
}

#[test]
fn the_effects_of_the_deciding_policy_come_with_the_decision() {
    let rules = &config(
        "    - { name: p, when: request.stream, max_tokens: 300, temperature: 0.2, system_prompt: Be brief., timeout: 1.5 }\n",
    )
    .rules;
    let decision = decide(&Facts { stream: true, ..Facts::default() }, rules, &four());
    let effects = Effects {
        max_tokens: Some(300),
        temperature: Some(0.2),
        system_prompt: Some("Be brief.".into()),
        timeout_ms: Some(1500),
    };
    assert_eq!((decision.effects, decision.by.as_str()), (effects, "policy:p"));
    assert_eq!(chain(&decide(&Facts { stream: true, ..Facts::default() }, rules, &four())).len(), 5);
    assert_eq!(decide(&Facts::default(), rules, &four()).effects, Effects::default());
}

#[test]
fn prefer_local_asks_what_is_loaded_before_what_would_have_to_load() {
    let mut world = four();
    world.providers[0].models[0].loaded = Some(false);
    world.providers[0].models[1].loaded = Some(false);
    world.providers[1].models[0].loaded = Some(true);
    let order = chain(&decide(&Facts::default(), &RuleSet::default(), &world));
    assert_eq!(
        order,
        ["workstation/qwen3-32b", "lm_studio/small", "lm_studio/large", "zai/glm-4.6", "openai/gpt-4o-mini"]
    );
}

#[test]
fn fastest_goes_by_first_tokens_then_by_probes() {
    let rules = &config("    - { name: p, use: [fastest] }\n").rules;
    let mut world = four();
    world.providers[3].models[0].ttft_ms = Some(120);
    world.providers[0].models[1].ttft_ms = Some(400);
    world.providers[2].p50_ms = Some(80);
    let order = chain(&decide(&Facts::default(), rules, &world));
    assert_eq!(order[..3], ["openai/gpt-4o-mini", "lm_studio/large", "zai/glm-4.6"]);
}

#[test]
fn a_session_keeps_its_target_while_the_rules_would_allow_it() {
    let rules = &config(PRIVATE).rules;
    let world = World { pin: Some(Target::new("zai", "glm-4.6")), ..four() };
    let pinned = decide(&Facts::default(), rules, &world);
    assert_eq!((chain(&pinned)[0].as_str(), pinned.chain[0].why.as_ref()), ("zai/glm-4.6", "its session's target"));
    assert!(!chain(&decide(&private("auto"), rules, &world)).contains(&"zai/glm-4.6".to_owned()));
    let mut down = world.clone();
    down.providers[2].state = State::Down;
    assert_eq!(chain(&decide(&Facts::default(), rules, &down))[0], "lm_studio/small");
}

#[test]
fn a_pin_belongs_to_a_session_and_to_what_the_rules_read() {
    let config = config(
        "    - { name: private, when: 'request.tags.privacy == \"high\"', local_only: true }\n    - { name: dear, when: budget.used > 5, use: [local] }\n",
    );
    let rules = &config.rules;
    let reads = Reads::of(rules);
    let session = |facts: Facts| Facts { session: "s".into(), ..facts };
    let key = |facts: &Facts, world: &World| reads.pin_key(facts, rules, world);
    let spent = |dollars: f64| World {
        budget: BudgetFacts { used: Money::from_dollars(dollars).unwrap(), limit: None },
        ..four()
    };
    assert_eq!(key(&Facts::default(), &four()), None);
    let plain = session(Facts::default());
    assert_eq!(key(&plain, &four()), key(&Facts { prompt_tokens: 9, ..plain.clone() }, &four()));
    assert_ne!(key(&plain, &four()), key(&session(private("")), &four()));
    assert_ne!(key(&plain, &four()), key(&Facts { session: "t".into(), ..plain.clone() }, &four()));
    let chosen = World { active: ActiveChoice::Provider("zai".into()), ..four() };
    assert_ne!(key(&plain, &four()), key(&plain, &chosen), "a choice is for running sessions too");
    // Money that changes with every call does not part a session from its target until a rule minds.
    assert_eq!(key(&plain, &spent(1.0)), key(&plain, &spent(2.0)));
    assert_ne!(key(&plain, &spent(1.0)), key(&plain, &spent(6.0)));
}

// ---- lint

#[test]
fn lint_names_what_is_odd_with_its_place_and_a_way_out() {
    let loaded = load(
        "    - name: wide\n      priority: 9\n      when: request.stream\n      local_only: true\n      use: [local, zai]\n    - name: shadowed\n      when: request.stream && request.has_tools\n      use: [openai]\n    - name: typo\n      when: provider[\"lm_studi\"].up\n      use: [opnai, off]\n    - name: never\n      when: request.type == \"a\" && request.type == \"b\"\n      use: [zai]\n    - name: blind\n      when: request.has_images\n      use: [openai/gpt-4o-mini]\n    - name: idle\n      when: request.wants_json\n",
    );
    let found: Vec<(usize, String, String)> = loaded
        .issues
        .iter()
        .filter(|issue| issue.severity == Severity::Warning && issue.path.starts_with("routing"))
        .map(|issue| (issue.line.unwrap(), issue.message.clone(), issue.remedy.clone()))
        .collect();
    for (line, message, remedy) in [
        (13, "wide is local_only and zai is in the cloud", "remove it, or remove local_only"),
        (15, "shadowed is never reached: wide comes first", "higher priority"),
        (18, "asks for the provider lm_studi, which is not configured", "did you mean lm_studio?"),
        (19, "typo uses \"opnai\", which names no provider", "did you mean openai?"),
        (19, "typo uses off, which is switched off", "lmdeck providers enable off"),
        (19, "its chain ends nowhere", "fallback: strategy"),
        (21, "request.type cannot be \"a\" and \"b\" at once", "||"),
        (25, "which openai/gpt-4o-mini cannot take", "add images"),
        (26, "idle says nothing", "add use"),
    ] {
        assert!(
            found.iter().any(|(at, said, way)| *at == line && said.contains(message) && way.contains(remedy)),
            "{line} {message} in\n{found:#?}"
        );
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn a_server_with_a_name_is_not_said_to_be_in_the_cloud_before_anybody_connected_to_it() {
    let house = "providers:\n  - { id: workstation, type: llama_cpp, endpoint: http://workstation:8080, local: true, models: [m] }\n  - { id: attic, type: vllm, endpoint: http://attic.lan:8000, local: true, models: [m] }\n  - { id: work, type: vllm, endpoint: https://models.example.com, local: true, models: [m] }\n";
    let policies = "    - { name: private, when: request.stream, use: [workstation, attic, work], local_only: true }\n    - { name: near, use: [local], local_only: true }\n";
    let loaded = load_with(house, policies);
    let said: Vec<_> = loaded.issues.iter().filter(|issue| issue.path.starts_with("routing")).collect();
    assert!(said.is_empty(), "{said:?}");
    // What is known to be elsewhere is still said.
    let loaded = load_with(&house.replace(", local: true", ""), policies);
    let said: Vec<_> = loaded.issues.iter().filter(|issue| issue.path.starts_with("routing")).collect();
    let said: Vec<_> = said.iter().map(|issue| (issue.message.as_str(), issue.remedy.as_str())).collect();
    let unless = "is left out unless its address is this machine";
    for (place, (words, way)) in [
        (&*format!("workstation {unless}"), "set local: true on workstation"),
        (&*format!("attic {unless}"), "set local: true on attic"),
        ("work is in the cloud", "remove it"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(said[place].0.contains(words) && said[place].1.contains(way), "{said:?}");
    }
    assert_eq!(said.len(), 3, "{said:?}");
    // A model is kept warm on a machine of the house, whatever it is called.
    let warm = "providers:\n  - { id: attic, type: ollama, endpoint: http://workstation:11434, models: [{ id: m, keep_warm: true }] }\n";
    let loaded = load_with(warm, policies);
    assert!(!loaded.issues.iter().any(|issue| issue.message.contains("no effect")), "{:?}", loaded.issues);
}

#[tokio::test(start_paused = true)]
async fn a_table_takes_a_server_with_a_name_for_a_machine_of_the_house() {
    let mut near = profile("workstation", Kind::LlamaCpp, &["qwen"]);
    (near.endpoint.host, near.local) = ("workstation".into(), true);
    let house = house(vec![near, profile("zai", Kind::ZAiGlm, &["glm-4.6"])], |_, _| {}).await;
    let facts = Facts { local_only: true, ..Facts::default() };
    let told = table(&house, vec![RouteCase { facts, ..RouteCase::default() }]).await;
    assert_eq!(chain(&told[0].decision), ["workstation/qwen"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_drops_the_cloud_at_the_limit_only_where_the_days_calls_would() {
    for (word, cloud_stays) in
        [(WhenExhausted::LocalOnly, false), (WhenExhausted::Refuse, true), (WhenExhausted::Warn, true)]
    {
        let house = house(two(), |config, _| {
            config.money.when_exhausted = word;
            config.money.allow_unpriced = true;
        })
        .await;
        let world = CaseWorld { spent: Some(10.0), limit: Some(10.0), ..CaseWorld::default() };
        let told = table(&house, vec![RouteCase { facts: wanting("zai"), world }]).await;
        assert_eq!(!told[0].decision.chain.is_empty(), cloud_stays, "{word:?}: {}", told[0].sentence);
    }
}

async fn table(house: &House, cases: Vec<RouteCase>) -> Vec<Explanation> {
    let Reply::RoutesTested(told) = house.engine.handle.ask(Command::TestRoutes { cases }).await else {
        panic!("a table is answered row by row")
    };
    told.into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_number_that_is_none_closes_what_protects() {
    let rules = &config(
        "    - { name: dear, when: budget.used / budget.remaining > 0.9, deny: The day is over. }\n    - { name: skipped, when: budget.remaining - budget.remaining >= 0.0, use: [zai] }\n",
    )
    .rules;
    let nothing = BudgetFacts { used: Money::ZERO, limit: Some(Money::ZERO) };
    let denied = decide(&Facts::default(), rules, &World { budget: nothing, ..four() });
    assert_eq!(denied.denied.as_deref(), Some("The day is over."), "nothing of nothing is no number");
    // Without a limit what remains is infinite: the first says no, the second nothing.
    let free = decide(&Facts::default(), rules, &four());
    assert_eq!((free.by.as_str(), free.notes[0].what), ("strategy:prefer_local", NoteKind::Skipped));
    assert_eq!(free.notes[0].why, "what it works out is no number");
}

#[test]
fn a_broken_rule_is_refused_and_the_last_good_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ai_models.yaml");
    let write = |when: &str| {
        std::fs::write(
            &file,
            format!("{PROVIDERS}routing:\n  policies:\n    - name: p\n      when: {when}\n      use: [zai]\n"),
        )
        .unwrap();
    };
    write("request.stream");
    let source = Source {
        config: Some(file.clone()),
        working_folder: folder.path().to_path_buf(),
        config_folder: None,
        state_folder: folder.path().join("state"),
        environment: BTreeMap::new(),
    };
    let store = ConfigFile::open(source);
    store.load().unwrap();
    write("request.strem");
    let unusable = store.load().unwrap_err();
    let issue = unusable.issues.iter().find(|issue| issue.severity == Severity::Error).unwrap();
    assert_eq!((issue.line, issue.column), (Some(10), Some(21)));
    assert_eq!(issue.remedy, "did you mean request.stream?");
}

// ---- what must always hold

fn any_text() -> impl proptest::strategy::Strategy<Value = Text> {
    prop_oneof![
        prop::sample::select(TextFact::ALL.to_vec()).prop_map(Text::Fact),
        prop::sample::select(vec!["", "t", "high", "p1", "x"]).prop_map(|text| Text::Const(text.into())),
        prop::sample::select(vec!["privacy", "team"]).prop_map(|name| Text::Tag(Box::new(Text::Const(name.into())))),
    ]
}

fn any_number() -> impl proptest::strategy::Strategy<Value = Number> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Number::Whole),
        (-3i64..20).prop_map(Number::Whole),
        any::<f64>().prop_map(Number::Decimal),
        prop::sample::select(vec![
            NumberFact::PromptTokens,
            NumberFact::MaxTokens,
            NumberFact::Hour,
            NumberFact::Weekday,
            NumberFact::Used,
            NumberFact::Remaining,
            NumberFact::Fraction,
            NumberFact::P50Ms("p0".into()),
            NumberFact::InFlight("p9".into()),
        ])
        .prop_map(Number::Fact),
        any_text().prop_map(|text| Number::SizeOf(Box::new(text))),
        Just(Number::TagCount),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let signs = prop::sample::select(vec![
            Arithmetic::Plus,
            Arithmetic::Minus,
            Arithmetic::Times,
            Arithmetic::Divide,
            Arithmetic::Rest,
        ]);
        prop_oneof![
            inner.clone().prop_map(|inner| Number::Minus(Box::new(inner))),
            (signs, inner.clone(), inner).prop_map(|(sign, a, b)| Number::Of(sign, Box::new((a, b)))),
        ]
    })
}

fn any_test() -> impl proptest::strategy::Strategy<Value = Test> {
    let signs = || {
        prop::sample::select(vec![
            Compare::Equal,
            Compare::NotEqual,
            Compare::Less,
            Compare::AtMost,
            Compare::Greater,
            Compare::AtLeast,
        ])
    };
    let leaf = prop_oneof![
        any::<bool>().prop_map(Test::Const),
        prop::sample::select(vec![
            SwitchFact::Stream,
            SwitchFact::HasTools,
            SwitchFact::HasImages,
            SwitchFact::WantsJson,
            SwitchFact::Up("p0".into()),
            SwitchFact::Up("p9".into()),
            SwitchFact::Loaded("p1".into()),
        ])
        .prop_map(Test::Fact),
        (signs(), any_text(), any_text()).prop_map(|(sign, a, b)| Test::Texts(sign, Box::new((a, b)))),
        (signs(), any_number(), any_number()).prop_map(|(sign, a, b)| Test::Numbers(sign, Box::new((a, b)))),
        (any_text(), any_text()).prop_map(|(a, b)| Test::Contains(Box::new((a, b)))),
        any_text().prop_map(|text| Test::Matches(Box::new(text), Pattern::new("^[a-p]").unwrap())),
        any_text().prop_map(|name| Test::HasTag(Box::new(name))),
        (any_number(), any_number()).prop_map(|(a, b)| Test::NumberIn(Box::new(a), vec![b])),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Test::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Test::Or),
            inner.clone().prop_map(|inner| Test::Not(Box::new(inner))),
            (inner.clone(), inner.clone(), inner).prop_map(|parts| Test::If(Box::new(parts))),
        ]
    })
}

fn any_name() -> impl proptest::strategy::Strategy<Value = String> {
    prop::sample::select(vec![
        "auto",
        "local",
        "cloud",
        "fastest",
        "prefer_cloud",
        "quality_optimized",
        "p0",
        "p1",
        "p2",
        "p3",
        "m1",
        "p0/m1",
        "p1/m2",
        "p2/m1",
        "p3/m9",
        "nobody",
        "openai",
    ])
    .prop_map(ToOwned::to_owned)
}

fn any_policy() -> impl proptest::strategy::Strategy<Value = Policy> {
    (any_test(), prop::collection::vec(any_name(), 0..4), any::<[bool; 5]>(), 0u8..4).prop_map(
        |(test, targets, [off, observe, goes_on, local_only, unconditional], deny)| Policy {
            condition: if unconditional { Condition::default() } else { Condition::new(test) },
            enabled: !off,
            observe,
            targets,
            fallback: if goes_on { Fallback::Strategy } else { Fallback::None },
            deny: (deny == 0).then(|| "no".to_owned()),
            local_only,
            ..Policy::default()
        },
    )
}

fn any_rules() -> impl proptest::strategy::Strategy<Value = RuleSet> {
    (
        prop::collection::vec(any_policy(), 0..6),
        prop::sample::select(Order::ALL.to_vec()),
        prop::collection::vec(any_name(), 0..4),
    )
        .prop_map(|(mut policies, strategy, order)| {
            for (place, policy) in policies.iter_mut().enumerate() {
                policy.name = format!("rule-{place}");
            }
            RuleSet { policies, strategy, request_orders: vec![("t".into(), order)], ..RuleSet::default() }
        })
}

fn any_provider(id: &'static str) -> impl proptest::strategy::Strategy<Value = WorldProvider> {
    let reach = prop::sample::select(vec![Reach::Machine, Reach::Network, Reach::Cloud]);
    let state = prop::sample::select(vec![State::Up, State::Up, State::Degraded, State::Down, State::Unknown]);
    let models = prop::collection::vec((any::<[bool; 4]>(), prop::option::of(any::<bool>())), 0..4);
    (reach, state, any::<[bool; 3]>(), models).prop_map(move |(reach, state, [local, enabled, ollama], models)| {
        let kind = match (reach, ollama) {
            (Reach::Cloud, _) => Kind::Openai,
            (_, true) => Kind::Ollama,
            (_, false) => Kind::LmStudio,
        };
        let mut made = provider(id, kind, reach, &[]);
        made.models = models
            .into_iter()
            .enumerate()
            .map(|(place, ([candidate, remote, chat, unlisted], loaded))| WorldModel {
                candidate,
                remote: if unlisted && kind.may_run_elsewhere() { None } else { Some(remote) },
                chat: chat || candidate,
                loaded,
                ..model(&format!("m{place}"))
            })
            .collect();
        WorldProvider { local, enabled: enabled || local, state, ..made }
    })
}

fn any_world() -> impl proptest::strategy::Strategy<Value = World> {
    let providers = (any_provider("p0"), any_provider("p1"), any_provider("p2"), any_provider("p3"));
    (providers, any::<bool>(), 0u8..24, prop::option::of((0usize..4, 0usize..4)), 0i64..20).prop_map(
        |((a, b, c, d), budget_exhausted, hour, pin, used)| World {
            now: UnixMs(1_000),
            providers: vec![a, b, c, d].into(),
            budget_exhausted,
            budget: BudgetFacts { used: Money(used * 1_000_000_000_000), limit: (used % 2 == 0).then_some(Money(5)) },
            time: LocalTime { hour, weekday: hour % 7 },
            pin: pin.map(|(p, m)| Target::new(format!("p{p}").as_str(), format!("m{m}").as_str())),
            ..World::default()
        },
    )
}

fn any_facts() -> impl proptest::strategy::Strategy<Value = Facts> {
    (any_name(), any::<[bool; 6]>(), 0u64..40_000, prop_oneof![Just(String::new()), any_name()], 0u8..3).prop_map(
        |(requested_model, [typed, stream, tools, images, json, tagged], prompt_tokens, preferred_provider, urgent)| {
            Facts {
                request_type: if typed { "t".into() } else { String::new() },
                requested_model,
                stream,
                has_tools: tools,
                has_images: images,
                wants_json: json,
                prompt_tokens,
                preferred_provider,
                priority: [Priority::Low, Priority::Normal, Priority::High][usize::from(urgent)],
                tags: if tagged { BTreeMap::from([("privacy".into(), "high".into())]) } else { BTreeMap::new() },
                session: "s".into(),
                ..Facts::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_for_all_rules(facts in any_facts(), rules in any_rules(), world in any_world()) {
        let decision = decide(&facts, &rules, &world);
        prop_assert_eq!(&decision, &decide(&facts.clone(), &rules.clone(), &world.clone()));
        let explained = explain(&facts, &rules, &world);
        prop_assert_eq!(&decision, &explained.decision);
        prop_assert!(!explained.sentence.is_empty());

        // A denied request reaches nobody.
        prop_assert!(decision.denied.is_none() || decision.chain.is_empty());
        // local_only reaches no cloud: not by a pin, a remote model, a preference, a name or a fallback.
        for chosen in &decision.chain {
            let provider = world.providers.iter().find(|provider| provider.id == chosen.target.provider).unwrap();
            let remote = provider.models.iter().any(|model| model.id == chosen.target.model && model.remote == Some(true));
            let home = !remote && (provider.reach == Reach::Machine || (provider.reach == Reach::Network && provider.local));
            prop_assert!(!decision.local_only || home, "{}", chosen.target);
            // Nor one of which its server has not said that it runs it itself.
            let told = provider.models.iter().any(|model| model.id == chosen.target.model && model.remote.is_some());
            prop_assert!(!decision.local_only || told || provider.kind != Kind::Ollama, "{}", chosen.target);
            prop_assert!(provider.enabled && provider.state != State::Down);
        }

        // The first enforced rule that holds, or protects and has no result, decides when it protects.
        let ground = Ground { facts: &facts, world: &world };
        let names_nobody = decide(&facts, &RuleSet::default(), &world).by == "none";
        for policy in rules.policies.iter().filter(|policy| policy.enabled && !policy.observe) {
            let applies = match policy.outcome(&ground) {
                Outcome::Holds => true,
                Outcome::Failed(_) => policy.protects(),
                Outcome::Not => false,
            };
            if !applies {
                continue;
            }
            if policy.deny.is_some() {
                prop_assert_eq!(decision.denied.as_deref(), Some("no"));
            } else if policy.local_only && !names_nobody {
                prop_assert!(decision.local_only, "{:?}", decision);
                prop_assert_eq!(&decision.by, &format!("policy:{}", policy.name));
            } else if decision.by != format!("policy:{}", policy.name) {
                continue;
            }
            break;
        }
        // Explain and the decision name the same rule.
        let deciding: Vec<_> = explained.rules.iter()
            .filter(|rule| matches!(rule.verdict.as_str(), "decides" | "denies" | "fails: applies"))
            .map(|rule| rule.name.clone()).collect();
        if let Some(name) = decision.by.strip_prefix("policy:") {
            prop_assert!(deciding.contains(&name.to_owned()), "{:?} {:?}", decision.by, explained.rules);
        }
    }

    #[test]
    fn a_rule_that_never_matches_changes_nothing(
        facts in any_facts(), rules in any_rules(), world in any_world(), extra in any_policy(), place in 0usize..7
    ) {
        let before = decide(&facts, &rules, &world);
        let never = Condition::new(Test::And(vec![extra.condition.test().clone(), Test::Const(false)]));
        let mut more = rules.clone();
        let place = place.min(more.policies.len());
        more.policies.insert(place, Policy { name: "never".into(), condition: never, ..extra });
        prop_assert_eq!(before, decide(&facts, &more, &world));
    }

    #[test]
    fn every_condition_comes_to_an_end_and_travels(test in any_test(), facts in any_facts(), world in any_world()) {
        let condition = Condition::new(test);
        let ground = Ground { facts: &facts, world: &world };
        let outcome = condition.holds(&ground);
        let _ = condition.why(&ground);
        let json = serde_json::to_string(&condition).unwrap();
        if let Ok(back) = serde_json::from_str::<Condition>(&json) {
            prop_assert_eq!(back.holds(&ground), outcome);
        }
    }

    /// A rule for one request type is not looked at further for another one, and that changes nothing.
    #[test]
    fn a_rule_for_a_type_says_what_its_whole_condition_says(
        rest in any_test(), facts in any_facts(), world in any_world(), only in "[ab]", own in "[ab]", first in any::<bool>(),
    ) {
        let facts = Facts { request_type: own, ..facts };
        let typed = Test::Texts(Compare::Equal, Box::new((Text::Fact(TextFact::Type), Text::Const(only))));
        let test = Test::And(if first { vec![typed, rest] } else { vec![rest, typed] });
        let ground = Ground { facts: &facts, world: &world };
        // The same by another form, which is always evaluated whole.
        let whole = Condition::new(Test::Or(vec![test.clone()])).holds(&ground);
        prop_assert_eq!(Condition::new(test).holds(&ground), whole);
    }

    /// The pin's key is the same for the same inputs, and a pinned target that stands in the chain stands first.
    #[test]
    fn a_pin_moves_only_what_the_rules_allow(facts in any_facts(), rules in any_rules(), world in any_world()) {
        let reads = Reads::of(&rules);
        prop_assert_eq!(reads.pin_key(&facts, &rules, &world), reads.pin_key(&facts, &rules, &world));
        let pinned = decide(&facts, &rules, &world);
        let free = decide(&facts, &rules, &World { pin: None, ..world.clone() });
        let targets = |decision: &Decision| {
            let mut all: Vec<_> = decision.chain.iter().map(|chosen| chosen.target.clone()).collect();
            all.sort();
            all
        };
        prop_assert_eq!(targets(&pinned), targets(&free));
        if let Some(pin) = world.pin.as_ref().filter(|pin| free.chain.iter().any(|chosen| &chosen.target == *pin)) {
            prop_assert_eq!(&pinned.chain[0].target, pin);
        }
    }
}

// ---- carried out

fn two() -> Vec<lmdeck::domain::config::Profile> {
    vec![profile("local", Kind::LlamaCpp, &["small"]), profile("zai", Kind::ZAiGlm, &["glm-4.6"])]
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_says_wins_over_the_caller_also_in_a_raw_body() {
    let effects = Effects { max_tokens: Some(50), temperature: Some(0.1), ..Effects::default() };
    let effects = Effects { system_prompt: Some("Be brief.".into()), ..effects };
    let house = house(two(), |config, _| {
        config.rules.policies = vec![Policy { name: "brief".into(), effects, ..Policy::default() }];
    })
    .await;
    let mut request = ask("auto");
    let Body::Chat { max_tokens, temperature, .. } = &mut request.body else { panic!("a chat is asked") };
    (*max_tokens, *temperature) = (Some(9000), Some(1.5));
    let (_, outcome) = collect(house.engine.handle.dispatch(request)).await;
    assert_eq!(outcome.record.policy, "policy:brief");
    let raw = Body::RawOpenaiChat { json: r#"{"messages":[{"role":"user","content":"x"}],"top_p":0.50}"#.into() };
    collect(house.engine.handle.dispatch(CallRequest { body: raw, ..ask("auto") })).await;
    let jobs = house.stage.jobs();
    let Body::Chat { messages, max_tokens, temperature, .. } = &jobs[0].body else { panic!("a chat is sent") };
    assert_eq!((*max_tokens, *temperature), (Some(50), Some(0.1)));
    assert_eq!((messages[0].role, messages[0].content.as_str()), (Role::System, "Be brief."));
    let Body::RawOpenaiChat { json } = &jobs[1].body else { panic!("a raw body stays raw") };
    assert_eq!(
        json,
        r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"x"}],"top_p":0.50,"max_tokens":50,"temperature":0.1}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_s_length_goes_out_by_the_name_that_the_server_knows() {
    let mut azure = profile("azure", Kind::OpenaiCompatible, &["mine"]);
    azure.endpoint.host = "x.openai.azure.com".into();
    let newer = profile("proxy", Kind::OpenaiCompatible, &["gpt-5.5"]);
    let effects = Effects { max_tokens: Some(50), ..Effects::default() };
    let house = house(vec![azure, newer, profile("old", Kind::OpenaiCompatible, &["m"])], |config, _| {
        config.rules.policies = vec![Policy { name: "brief".into(), effects, ..Policy::default() }];
    })
    .await;
    for (model, name) in [("azure", "max_completion_tokens"), ("proxy", "max_completion_tokens"), ("old", "max_tokens")]
    {
        let raw = Body::RawOpenaiChat { json: r#"{"messages":[]}"#.into() };
        collect(house.engine.handle.dispatch(CallRequest { body: raw, ..ask(model) })).await;
        let Some(Body::RawOpenaiChat { json }) = house.stage.jobs().pop().map(|job| job.body) else { panic!("none") };
        assert_eq!(json, format!(r#"{{"messages":[],"{name}":50}}"#), "{model}");
    }
    // Text completions know the older name alone, whoever offers them.
    let mut raw = ask("azure");
    raw.facts.work = lmdeck::domain::call::Work::Completion;
    raw.body = Body::RawOpenaiCompletion { json: r#"{"prompt":"x"}"#.into() };
    collect(house.engine.handle.dispatch(raw)).await;
    let Some(Body::RawOpenaiCompletion { json }) = house.stage.jobs().pop().map(|job| job.body) else { panic!("none") };
    assert_eq!(json, r#"{"prompt":"x","max_tokens":50}"#);
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_is_recorded_and_nobody_is_asked() {
    let house = house(two(), |config, _| {
        config.rules.policies = vec![Policy { name: "no".into(), deny: Some("not today".into()), ..Policy::default() }];
    })
    .await;
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("zai/glm-4.6"))).await;
    let failure = outcome.failure.unwrap();
    assert_eq!((failure.code, failure.message.as_str()), (ErrorCode::Denied, "not today"));
    assert_eq!((outcome.record.policy.as_str(), outcome.record.chain.len()), ("policy:no", 0));
    assert!(house.stage.jobs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_with_the_target_that_answered_it() {
    let house = house(two(), |_, _| {}).await;
    let of = |session: &str| {
        let mut request = ask("auto");
        request.facts.session = session.into();
        request
    };
    house.stage.acts("local/small", [Act::Fail(refused())]);
    let (_, first) = collect(house.engine.handle.dispatch(of("s"))).await;
    assert_eq!(first.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
    let (_, second) = collect(house.engine.handle.dispatch(of("s"))).await;
    assert_eq!(second.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6", "its prompt is cached there");
    assert_eq!(second.record.chain[0].to_string(), "zai/glm-4.6");
    let (_, other) = collect(house.engine.handle.dispatch(of("t"))).await;
    assert_ne!(other.record.chain[0].to_string(), "zai/glm-4.6", "another session is free");
}

#[tokio::test(start_paused = true)]
async fn a_session_follows_the_persons_choice() {
    let house = house(two(), |_, _| {}).await;
    let session = || {
        let mut request = ask("auto");
        request.facts.session = "s".into();
        request
    };
    let (_, first) = collect(house.engine.handle.dispatch(session())).await;
    assert_eq!(first.record.target.as_ref().unwrap().to_string(), "local/small");
    let choice = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    house.engine.handle.ask(Command::UseTarget { choice }).await;
    let (_, second) = collect(house.engine.handle.dispatch(session())).await;
    assert_eq!(second.record.target.as_ref().unwrap().to_string(), "zai/glm-4.6");
}

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_from_who_stood_in_once_its_target_is_up_again() {
    let house = house(two(), |_, _| {}).await;
    let at = async || {
        let mut request = ask("auto");
        request.facts.session = "s".into();
        let (_, outcome) = collect(house.engine.handle.dispatch(request)).await;
        outcome.record.target.as_ref().unwrap().to_string()
    };
    let probe = async || drop(house.engine.handle.ask(Command::Probe { which: ProbeWhich::All, anew: false }).await);
    assert_eq!(at().await, "local/small");
    house.stage.probe_fails("local", refused());
    probe().await;
    assert_eq!(at().await, "zai/glm-4.6");
    house.stage.probe_answers("local", &["small"]);
    probe().await;
    probe().await;
    // Not at once: a server that flaps would take the session to and fro.
    assert_eq!(at().await, "zai/glm-4.6");
    // However often the session asks meanwhile.
    for _ in 0..6 {
        tokio::time::sleep(std::time::Duration::from_secs(45)).await;
        at().await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(45)).await;
    assert_eq!(at().await, "local/small");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_of_the_moment_it_was_decided_in() {
    let busy = Test::Numbers(
        Compare::AtLeast,
        Box::new((Number::Fact(NumberFact::InFlight("local".into())), Number::Whole(1))),
    );
    let house = house(two(), |config, stage| {
        stage.probe_fails("zai", refused());
        stage.acts("local/small", [Act::StallAfter("words")]);
        let condition = Condition::new(busy);
        config.rules.policies =
            vec![Policy { name: "busy".into(), condition, targets: vec!["zai".into()], ..Policy::default() }];
    })
    .await;
    let mut running = house.engine.handle.dispatch(ask("auto"));
    while !matches!(running.recv().await, Some(CallEvent::Text { .. })) {}
    let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
    assert_eq!(outcome.record.policy, "policy:busy");
    let said = outcome.failure.unwrap().message;
    assert!(said.starts_with("no target can take this call: zai/glm-4.6 is out: down"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_condition_without_a_result_is_announced_once() {
    let gone = Condition::new(Test::Fact(SwitchFact::Up("gone".into())));
    let house = house(two(), |config, _| {
        config.rules.policies =
            vec![Policy { name: "closed".into(), condition: gone, local_only: true, ..Policy::default() }];
    })
    .await;
    let mut events = house.engine.handle.events();
    for _ in 0..3 {
        let (_, outcome) = collect(house.engine.handle.dispatch(ask("auto"))).await;
        assert_eq!(outcome.record.target.as_ref().unwrap().to_string(), "local/small");
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let mut said = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let EventKind::Trouble { message } = event.kind {
            said.push(message);
        }
    }
    assert_eq!(
        said,
        ["policy closed applies although its condition has no result: there is no provider gone".to_owned()]
    );
}
