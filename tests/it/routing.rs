//! Where a prompt goes, in the sentences of the people who ask; and what must hold for every request.

use crate::support::world::provider;
use lmdeck::domain::call::Facts;
use lmdeck::domain::health::State;
use lmdeck::domain::ids::{ModelId, ProviderId, Target};
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Price;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{
    ActiveChoice, Decision, Policy, RuleSet, Strategy, Unclear, World, WorldModel, WorldProvider, choice, decide,
    explain,
};
use lmdeck::domain::time::UnixMs;
use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const NOW: UnixMs = UnixMs(1_795_000_000_000);

fn model(id: &str) -> WorldModel {
    WorldModel::of(id)
}

fn loaded(id: &str, loaded: bool) -> WorldModel {
    WorldModel { loaded: Some(loaded), ..model(id) }
}

/// What the original service's file becomes: one LM Studio with three preferred models, and three vendors.
fn original() -> World {
    let mut zai = provider("z_ai_glm", Kind::ZAiGlm, vec![model("glm-4.6")]);
    zai.aliases.insert("z_ai_glm_4.6".into(), Some("glm-4.6".into()));
    let mut lm_studio = provider(
        "lm_studio",
        Kind::LmStudio,
        vec![
            loaded("openai_gpt-oss-120b-neo-imatrix", true),
            loaded("aquif-3.5-max-42b-a3b-i1", false),
            loaded("nvidia_qwen3-nemotron-32b-rlbff", false),
        ],
    );
    lm_studio.preferred_models = lm_studio.models.iter().map(|model| model.id.clone()).collect();
    let mut openai = provider("openai", Kind::Openai, vec![model("gpt-4o-mini")]);
    openai.aliases.insert("openai_0".into(), Some("gpt-4o-mini".into()));
    let mut anthropic = provider("anthropic", Kind::Anthropic, vec![model("claude-3-5-haiku-20241022")]);
    anthropic.aliases.insert("anthropic_1".into(), Some("claude-3-5-haiku-20241022".into()));
    World { now: NOW, providers: vec![zai, lm_studio, openai, anthropic].into(), ..World::default() }
}

fn original_rules() -> RuleSet {
    let orders = [
        ("prayer_generation", ["lm_studio", "z_ai_glm", "openai", "anthropic"]),
        ("teaching_generation", ["z_ai_glm", "lm_studio", "anthropic", "openai"]),
        ("meditation_guidance", ["lm_studio", "z_ai_glm", "anthropic", "openai"]),
        ("quick_responses", ["lm_studio", "openai", "z_ai_glm", "anthropic"]),
        ("complex_analysis", ["z_ai_glm", "anthropic", "lm_studio", "openai"]),
    ];
    RuleSet {
        version: 17,
        request_orders: orders
            .into_iter()
            .map(|(name, items)| (name.to_owned(), items.iter().map(ToString::to_string).collect()))
            .collect(),
        ..RuleSet::default()
    }
}

fn with_order(items: &[&str]) -> RuleSet {
    RuleSet {
        request_orders: vec![("t".into(), items.iter().map(ToString::to_string).collect())],
        ..RuleSet::default()
    }
}

fn wanting(model: &str) -> Facts {
    Facts { requested_model: model.into(), ..Facts::default() }
}

fn labelled(request_type: &str) -> Facts {
    Facts { request_type: request_type.into(), ..Facts::default() }
}

fn chain(decision: &Decision) -> Vec<String> {
    decision.chain.iter().map(|chosen| chosen.target.to_string()).collect()
}

fn code(decision: &Decision, target: &str) -> String {
    decision
        .rejected
        .iter()
        .find(|reject| reject.target.to_string() == target)
        .map_or_else(|| format!("{target} is not left out"), |reject| reject.code.to_string())
}

const GPT_OSS: &str = "lm_studio/openai_gpt-oss-120b-neo-imatrix";
const AQUIF: &str = "lm_studio/aquif-3.5-max-42b-a3b-i1";
const NEMOTRON: &str = "lm_studio/nvidia_qwen3-nemotron-32b-rlbff";
const GLM: &str = "z_ai_glm/glm-4.6";
const GPT: &str = "openai/gpt-4o-mini";
const HAIKU: &str = "anthropic/claude-3-5-haiku-20241022";

#[test]
fn the_originals_request_priorities_send_each_kind_of_work_where_they_say() {
    for (request_type, expected) in [
        ("prayer_generation", [GPT_OSS, GLM, GPT, HAIKU]),
        ("teaching_generation", [GLM, GPT_OSS, HAIKU, GPT]),
        ("meditation_guidance", [GPT_OSS, GLM, HAIKU, GPT]),
        ("quick_responses", [GPT_OSS, GPT, GLM, HAIKU]),
        ("complex_analysis", [GLM, HAIKU, GPT_OSS, GPT]),
    ] {
        let decision = decide(&labelled(request_type), &original_rules(), &original());
        assert_eq!(chain(&decision), expected, "{request_type}");
        assert_eq!(decision.by, format!("request_type:{request_type}"));
        assert_eq!(decision.rules_version, 17);
    }
}

#[test]
fn auto_with_a_type_in_the_model_name_is_the_same_as_the_label() {
    let named = decide(&wanting("auto:teaching_generation"), &original_rules(), &original());
    assert_eq!(named, decide(&labelled("teaching_generation"), &original_rules(), &original()));
}

#[test]
fn work_without_a_label_stays_on_the_machine_first_and_goes_to_the_cloud_after() {
    let decision = decide(&Facts::default(), &original_rules(), &original());
    assert_eq!(chain(&decision), [GPT_OSS, AQUIF, NEMOTRON, GLM, GPT, HAIKU]);
    assert_eq!(decision.by, "strategy:prefer_local");
    assert_eq!(decision.chain[0].why, "local, loaded");
    assert_eq!(decision.chain[3].why, "cloud after local");
    assert!(decision.rejected.is_empty());
}

#[test]
fn prefer_cloud_turns_that_round() {
    let rules = RuleSet { strategy: Strategy::PreferCloud, ..original_rules() };
    assert_eq!(chain(&decide(&Facts::default(), &rules, &original())), [GLM, GPT, HAIKU, GPT_OSS, AQUIF, NEMOTRON]);
}

#[test]
fn a_dead_local_model_falls_back_by_the_order_of_its_work_and_says_why() {
    let mut world = original();
    world.providers[1].state = State::Down;
    world.providers[1].reason = "connection refused".into();
    let decision = decide(&labelled("prayer_generation"), &original_rules(), &world);
    assert_eq!(chain(&decision), [GLM, GPT, HAIKU]);
    let reject = decision.rejected.iter().find(|reject| reject.target.to_string() == GPT_OSS).unwrap();
    assert_eq!((reject.code.as_ref(), reject.reason.as_ref()), ("down", "down: connection refused"));
}

#[test]
fn the_names_of_the_original_service_still_work() {
    let ask = |name: &str| chain(&decide(&wanting(name), &original_rules(), &original()));
    assert_eq!(ask("z_ai_glm_4.6"), [GLM]);
    assert_eq!(ask("openai_0"), [GPT]);
    assert_eq!(ask("anthropic_1"), [HAIKU]);
    assert_eq!(ask("lm_studio_aquif-3.5-max-42b-a3b-i1"), [AQUIF]);
}

#[test]
fn a_request_can_name_a_target_a_model_a_provider_a_kind_or_a_side() {
    let ask = |name: &str| decide(&wanting(name), &original_rules(), &original());
    assert_eq!(chain(&ask("openai/gpt-4o-mini")), [GPT]);
    assert_eq!(chain(&ask("glm-4.6")), [GLM]);
    assert_eq!(chain(&ask("lm_studio")), [GPT_OSS]);
    assert_eq!(chain(&ask("local")), [GPT_OSS, AQUIF, NEMOTRON]);
    assert_eq!(chain(&ask("cloud")), [GLM, GPT, HAIKU]);
    assert_eq!(chain(&ask("auto")), chain(&ask("")));
    assert_eq!(ask("glm-4.6").by, "named");
    assert_eq!(ask("local").by, "strategy:prefer_local");
    assert_eq!(code(&ask("glm-4.6"), GPT), "not_named");
}

#[test]
fn a_model_id_with_a_slash_is_found_where_it_is_served() {
    let mut world = original();
    world.providers[1].models.push(model("openai/gpt-oss-20b"));
    // Its first part is also a provider's id, which has no such model.
    assert_eq!(
        chain(&decide(&wanting("openai/gpt-oss-20b"), &original_rules(), &world)),
        ["lm_studio/openai/gpt-oss-20b"]
    );
}

#[test]
fn a_model_id_with_a_slash_does_not_go_to_a_vendor_while_the_server_that_has_it_is_silent() {
    let ask = |world: &World| decide(&wanting("openai/gpt-oss-20b"), &original_rules(), world);
    // LM Studio is closed: it lists nothing, and its profile says what it has.
    let mut silent = original();
    silent.providers[1].models = Vec::new().into();
    silent.providers[1].preferred_models = vec!["openai/gpt-oss-20b".into()];
    silent.providers[1].state = State::Down;
    let decision = ask(&silent);
    assert!(decision.chain.is_empty(), "{:?}", decision.chain);
    assert_eq!(code(&decision, "lm_studio/openai/gpt-oss-20b"), "down");
    // Before its first probe it is asked itself.
    silent.providers[1].state = State::Unknown;
    assert_eq!(chain(&ask(&silent)), ["lm_studio/openai/gpt-oss-20b"]);
    // Any other name with its id in front means the vendor.
    let of_vendor = decide(&wanting("openai/gpt-5"), &original_rules(), &silent);
    assert_eq!(chain(&of_vendor), ["openai/gpt-5"]);
}

#[test]
fn a_model_served_twice_may_be_taken_from_either() {
    let mut world = original();
    world.providers.push(provider("workstation", Kind::LlamaCpp, vec![model("aquif-3.5-max-42b-a3b-i1")]));
    let decision = decide(&wanting("aquif-3.5-max-42b-a3b-i1"), &original_rules(), &world);
    assert_eq!(chain(&decision), [AQUIF, "workstation/aquif-3.5-max-42b-a3b-i1"]);
}

#[test]
fn a_name_nobody_has_goes_nowhere_and_the_answer_says_what_is_near() {
    let explained = explain(&wanting("gpt-4o"), &original_rules(), &original());
    assert!(explained.decision.chain.is_empty());
    assert_eq!(explained.decision.by, "none");
    assert_eq!(
        explained.sentence,
        "no provider here has gpt-4o. Near: openai/gpt-4o-mini. lmdeck models list shows what there is."
    );
    let typo = explain(&wanting("lm_studoi"), &original_rules(), &original());
    assert!(typo.sentence.contains("Near: lm_studio"), "{}", typo.sentence);
    let far = explain(&wanting(&"x".repeat(5000)), &original_rules(), &original());
    assert!(far.sentence.len() < 300 && !far.sentence.contains("Near"), "{}", far.sentence);
}

#[test]
fn a_model_the_vendor_may_have_is_tried_but_one_the_local_server_does_not_list_is_not() {
    let ask = |name: &str, world: &World| decide(&wanting(name), &original_rules(), world);
    assert_eq!(chain(&ask("z_ai_glm/glm-5.3", &original())), ["z_ai_glm/glm-5.3"]);
    assert_eq!(code(&ask("lm_studio/glm-9", &original()), "lm_studio/glm-9"), "unlisted");
    // Before its first probe nobody knows what it has: unknown drops nobody.
    let mut world = original();
    world.providers[1].state = State::Unknown;
    assert_eq!(chain(&ask("lm_studio/glm-9", &world)), ["lm_studio/glm-9"]);
}

#[test]
fn a_model_only_the_cloud_vendors_list_holds_can_be_named_but_is_never_chosen() {
    let mut world = original();
    world.providers[2].models.push(WorldModel { candidate: false, ..model("gpt-dear") });
    let automatic = decide(&Facts::default(), &original_rules(), &world);
    assert!(!chain(&automatic).contains(&"openai/gpt-dear".to_owned()));
    assert!(!automatic.rejected.iter().any(|reject| reject.target.model.as_str() == "gpt-dear"));
    assert_eq!(chain(&decide(&wanting("gpt-dear"), &original_rules(), &world)), ["openai/gpt-dear"]);
}

#[test]
fn the_best_model_of_a_provider_is_loaded_and_preferred_then_loaded_then_preferred_then_listed() {
    let best = |models: Vec<WorldModel>, preferred: &[&str]| {
        let mut world =
            World { now: NOW, providers: vec![provider("p", Kind::LmStudio, models)].into(), ..World::default() };
        world.providers[0].preferred_models = preferred.iter().map(|id| ModelId::from(*id)).collect();
        chain(&decide(&wanting("p"), &RuleSet::default(), &world)).remove(0)
    };
    let models = |a, b, c| vec![loaded("a", a), loaded("b", b), loaded("c", c)];
    assert_eq!(best(models(true, true, false), &["c", "b"]), "p/b");
    assert_eq!(best(models(false, true, false), &["c"]), "p/b");
    assert_eq!(best(models(false, false, false), &["c", "b"]), "p/c");
    assert_eq!(best(models(false, false, false), &[]), "p/a");
}

#[test]
fn a_provider_stands_for_its_best_model_that_can_take_the_call() {
    let mut world = original();
    world.providers[1].models[0].context = Some(8192);
    let facts = Facts { prompt_tokens: 25_800, ..labelled("prayer_generation") };
    let decision = decide(&facts, &original_rules(), &world);
    assert_eq!(chain(&decision), [AQUIF, GLM, GPT, HAIKU]);
    assert_eq!(code(&decision, GPT_OSS), "context");
    assert_eq!(code(&decision, NEMOTRON), "not_named");
}

#[test]
fn an_order_ends_where_it_ends_unless_it_holds_a_strategy() {
    let facts = labelled("t");
    let of = |items: &[&str]| chain(&decide(&facts, &with_order(items), &original()));
    assert_eq!(of(&["anthropic"]), [HAIKU]);
    assert_eq!(of(&["anthropic", "prefer_local"]), [HAIKU, GPT_OSS, AQUIF, NEMOTRON, GLM, GPT]);
    assert_eq!(of(&["anthropic", "local"]), [HAIKU, GPT_OSS, AQUIF, NEMOTRON]);
    assert_eq!(of(&["cloud", "lm_studio/aquif-3.5-max-42b-a3b-i1"]), [GLM, GPT, HAIKU, AQUIF]);
    assert_eq!(of(&["openai_0", "nobody", "fastest"]), [GPT, GLM, GPT_OSS, AQUIF, NEMOTRON, HAIKU]);
    assert!(of(&["nobody"]).is_empty());
}

#[test]
fn a_kind_in_an_order_means_every_provider_of_that_kind() {
    let mut world = original();
    world.providers.push(provider("zai-two", Kind::ZAiGlm, vec![model("glm-5")]));
    world.providers[0].id = "zai".into();
    let decision = decide(&labelled("t"), &with_order(&["z_ai_glm"]), &world);
    assert_eq!(chain(&decision), ["zai/glm-4.6", "zai-two/glm-5"]);
}

#[test]
fn the_persons_choice_stands_first_and_its_failure_changes_the_effect_not_the_choice() {
    let mut world = original();
    world.active = ActiveChoice::Target(Target::new("anthropic", "claude-3-5-haiku-20241022"));
    let chosen = decide(&Facts::default(), &original_rules(), &world);
    assert_eq!(chain(&chosen), [HAIKU, GPT_OSS, AQUIF, NEMOTRON, GLM, GPT]);
    assert_eq!(chosen.by, "active");

    world.providers[3].state = State::Unauthorized;
    world.providers[3].reason = "the key was refused".into();
    let explained = explain(&Facts::default(), &original_rules(), &world);
    assert_eq!(explained.decision.by, "strategy:prefer_local");
    assert_eq!(chain(&explained.decision)[0], GPT_OSS);
    assert_eq!(
        explained.sentence,
        format!(
            "{GPT_OSS} by strategy prefer_local: local, loaded. The active target {HAIKU} is left out: \
             unauthorized: the key was refused."
        )
    );
    assert_eq!(world.active.to_string(), HAIKU);
}

#[test]
fn a_chosen_provider_means_its_best_model_and_labelled_work_keeps_its_own_order() {
    let mut world = original();
    world.active = ActiveChoice::Provider(ProviderId::from("openai"));
    assert_eq!(chain(&decide(&Facts::default(), &original_rules(), &world))[0], GPT);
    assert_eq!(chain(&decide(&labelled("prayer_generation"), &original_rules(), &world))[0], GPT_OSS);
}

#[test]
fn the_preferred_provider_of_a_caller_comes_first() {
    let prefer = |who: &str, facts: Facts| {
        chain(&decide(&Facts { preferred_provider: who.into(), ..facts }, &original_rules(), &original()))
    };
    assert_eq!(prefer("anthropic", labelled("prayer_generation")), [HAIKU, GPT_OSS, GLM, GPT]);
    assert_eq!(prefer("openai", Facts::default()), [GPT, GPT_OSS, AQUIF, NEMOTRON, GLM, HAIKU]);
    assert_eq!(prefer("nobody", labelled("prayer_generation"))[0], GPT_OSS);
    let short = with_order(&["lm_studio"]);
    let facts = Facts { preferred_provider: "openai".into(), ..labelled("t") };
    assert_eq!(chain(&decide(&facts, &short, &original())), [GPT, GPT_OSS]);
}

#[test]
fn the_cheapest_comes_first_unknown_prices_last() {
    let mut world = original();
    world.providers[0].models[0].price = Price::per_million(0.60, 2.20, None);
    world.providers[2].models[0].price = Price::per_million(0.15, 9.00, None);
    for model in &mut world.providers[1].models {
        model.price = Some(Price::FREE);
    }
    let rules = RuleSet { strategy: Strategy::CostOptimized, ..RuleSet::default() };
    let long_prompt = Facts { prompt_tokens: 20_000, max_tokens: 100, ..Facts::default() };
    let long_answer = Facts { prompt_tokens: 100, max_tokens: 4000, ..Facts::default() };
    assert_eq!(chain(&decide(&long_prompt, &rules, &world))[3..], [GPT, GLM, HAIKU]);
    assert_eq!(chain(&decide(&long_answer, &rules, &world))[3..], [GLM, GPT, HAIKU]);
    assert_eq!(chain(&decide(&long_answer, &rules, &world))[0], GPT_OSS);
}

#[test]
fn prefer_local_models_only_breaks_ties_of_price() {
    let mut world = original();
    world.providers[0].models[0].price = Some(Price::FREE);
    world.providers[1].models.truncate(1);
    world.providers[1].models[0].price = Some(Price::FREE);
    let rules = |ties| RuleSet { strategy: Strategy::CostOptimized, prefer_local_ties: ties, ..RuleSet::default() };
    assert_eq!(chain(&decide(&Facts::default(), &rules(false), &world))[..2], [GLM, GPT_OSS]);
    assert_eq!(chain(&decide(&Facts::default(), &rules(true), &world))[..2], [GPT_OSS, GLM]);
}

#[test]
fn the_best_ranked_comes_first_and_the_unranked_last_cloud_before_local() {
    let mut world = original();
    world.providers[1].models[0].quality = Some(70);
    world.providers[3].models[0].quality = Some(90);
    let rules = RuleSet { strategy: Strategy::QualityOptimized, ..RuleSet::default() };
    assert_eq!(chain(&decide(&Facts::default(), &rules, &world)), [HAIKU, GPT_OSS, GLM, GPT, AQUIF, NEMOTRON]);
}

#[test]
fn everybody_who_is_left_out_has_a_code_and_a_sentence() {
    let until = Some(UnixMs(NOW.0 + 25_000));
    let mut world = original();
    let reject = |change: &dyn Fn(&mut World), facts: Facts| {
        let mut changed = world.clone();
        change(&mut changed);
        let decision = decide(&facts, &RuleSet::default(), &changed);
        let found = decision.rejected.into_iter().find(|reject| reject.target.to_string() == GLM).unwrap();
        (found.code, found.reason)
    };
    let pair = |code: &'static str, reason: &'static str| (code.into(), reason.into());
    let plain = Facts::default;
    assert_eq!(reject(&|w| w.providers[0].enabled = false, plain()), pair("disabled", "its provider is switched off"));
    assert_eq!(
        reject(&|w| w.providers[0].withheld = Some("Z_AI_API_KEY is not set".into()), plain()),
        pair("withheld", "Z_AI_API_KEY is not set")
    );
    assert_eq!(reject(&|w| w.providers[0].state = State::Paused, plain()), pair("paused", "its provider is paused"));
    assert_eq!(
        reject(&|w| w.providers[0].parked_until = until, plain()),
        pair("parked", "rate-limited: asked again in 25 s")
    );
    assert_eq!(
        reject(&|w| w.providers[0].models[0].breaker_until = until, plain()),
        pair("breaker_open", "resting after failures: tried again in 25 s")
    );
    assert_eq!(reject(&|w| w.providers[0].models[0].chat = false, plain()), pair("not_chat", "not a chat model"));
    assert_eq!(
        reject(
            &|w| w.providers[0].models[0].capabilities = Some(vec!["json".into()]),
            Facts { has_tools: true, ..plain() }
        ),
        pair("capability", "it cannot use tools")
    );
    assert_eq!(
        reject(&|w| w.providers[0].models[0].context = Some(8000), Facts { prompt_tokens: 8001, ..plain() }),
        pair("context", "8001 tokens are more than its context of 8000")
    );
    assert_eq!(
        reject(&|w| w.budget_exhausted = true, plain()),
        pair("over_budget", "cloud: the day's limit is reached")
    );
    // What has passed no longer counts, and what is unknown drops nobody.
    world.providers[0].parked_until = Some(NOW);
    world.providers[0].models[0].breaker_until = Some(NOW);
    let facts = Facts { has_tools: true, has_images: true, wants_json: true, prompt_tokens: 1 << 40, ..plain() };
    assert_eq!(chain(&decide(&facts, &RuleSet::default(), &world)).len(), 6);
}

#[test]
fn when_the_days_money_is_gone_work_goes_on_at_home() {
    let world = World { budget_exhausted: true, ..original() };
    let decision = decide(&labelled("teaching_generation"), &original_rules(), &world);
    assert_eq!(chain(&decision), [GPT_OSS]);
    assert_eq!(code(&decision, GLM), "over_budget");
}

#[test]
fn a_rule_that_keeps_prompts_at_home_admits_this_machine_and_those_called_local() {
    let mut world = original();
    world.providers.push(WorldProvider {
        reach: Reach::Network,
        local: true,
        ..provider("workstation", Kind::LlamaCpp, vec![model("qwen3-32b")])
    });
    world
        .providers
        .push(WorldProvider { reach: Reach::Network, ..provider("somebody", Kind::LlamaCpp, vec![model("qwen3-8b")]) });
    world.providers[1].models[1].remote = Some(true);
    let rules = RuleSet {
        policies: vec![Policy { name: "private-stays-here".into(), local_only: true, ..Policy::default() }],
        ..original_rules()
    };
    let facts = Facts { preferred_provider: "openai".into(), ..labelled("teaching_generation") };
    let explained = explain(&facts, &rules, &world);
    assert_eq!(chain(&explained.decision), [GPT_OSS]);
    assert_eq!(explained.decision.by, "policy:private-stays-here");
    assert!(explained.decision.local_only);
    for out in [GLM, GPT, HAIKU, AQUIF, "somebody/qwen3-8b"] {
        assert_eq!(code(&explained.decision, out), "not_local", "{out}");
    }
    assert!(explained.sentence.ends_with("Nothing of it may leave for the cloud."), "{}", explained.sentence);
    assert_eq!(explained.rules[0].verdict, "decides");
    // Naming a cloud target does not get round it: it is denied.
    for name in ["openai/gpt-4o-mini", "openai/gpt-unlisted", "cloud"] {
        let decision = decide(&wanting(name), &rules, &world);
        assert!(decision.chain.is_empty() && decision.denied.is_some(), "{name}");
    }
    // A machine the person calls local may be used.
    assert!(chain(&decide(&Facts::default(), &rules, &world)).contains(&"workstation/qwen3-32b".to_owned()));
}

#[test]
fn a_prompt_that_stays_at_home_waits_until_ollama_says_where_a_model_runs() {
    let mut world = original();
    let cloudy = WorldModel { remote: None, ..model("gpt-oss:120b-cloud") };
    world.providers = vec![provider("ollama", Kind::Ollama, vec![cloudy])].into();
    let at_home = |name: &str| Facts { local_only: true, ..wanting(name) };
    let by_policy = RuleSet { policies: vec![Policy { local_only: true, ..Policy::default() }], ..RuleSet::default() };
    for (rules, facts) in [(RuleSet::default(), at_home("auto")), (by_policy, Facts::default())] {
        let explained = explain(&facts, &rules, &world);
        assert!(explained.decision.chain.is_empty());
        assert_eq!(code(&explained.decision, "ollama/gpt-oss:120b-cloud"), "perhaps_remote");
        assert!(explained.decision.denied.is_none(), "it may be local: nobody has said so yet");
        assert!(explained.sentence.contains("its server has not told yet whether"), "{}", explained.sentence);
    }
    // Without such a rule what is unknown drops nobody.
    assert_eq!(chain(&decide(&Facts::default(), &RuleSet::default(), &world)), ["ollama/gpt-oss:120b-cloud"]);
    // The same for a model that only the caller names.
    world.providers[0].models = Vec::new().into();
    world.providers[0].state = State::Unknown;
    let named = "ollama/deepseek-v3.1:671b-cloud";
    assert_eq!(code(&decide(&at_home(named), &RuleSet::default(), &world), named), "perhaps_remote");
    assert_eq!(chain(&decide(&wanting(named), &RuleSet::default(), &world)), [named]);
}

#[test]
fn a_session_that_stays_where_it_was_answered_is_not_said_to_follow_the_choice() {
    let choice = ActiveChoice::Target(Target::new("z_ai_glm", "glm-4.6"));
    let world = World { active: choice, pin: Some(Target::new("openai", "gpt-4o-mini")), ..original() };
    let explained = explain(&Facts::default(), &original_rules(), &world);
    assert_eq!(explained.sentence, "openai/gpt-4o-mini, because it answered this session last.");
    let rules: Vec<(&str, &str)> =
        explained.rules.iter().map(|rule| (rule.name.as_str(), rule.verdict.as_str())).collect();
    assert_eq!(rules, [("session", "decides"), ("active target", "for fallback"), ("prefer_local", "for fallback")]);
}

#[test]
fn explain_shows_every_rule_with_its_verdict() {
    let explained = explain(&labelled("teaching_generation"), &original_rules(), &original());
    assert_eq!(
        explained.sentence,
        "z_ai_glm/glm-4.6, because it is the first of the order of teaching_generation that can take it."
    );
    let rules: Vec<(&str, &str)> =
        explained.rules.iter().map(|rule| (rule.name.as_str(), rule.verdict.as_str())).collect();
    assert_eq!(
        rules,
        [("teaching_generation", "decides"), ("active target", "not reached"), ("prefer_local", "not reached")]
    );
    assert_eq!(explained.rules[0].when, "z_ai_glm, lm_studio, anthropic, openai");
}

#[test]
fn an_empty_chain_says_what_stands_in_the_way() {
    let mut world = original();
    world.providers.truncate(2);
    world.providers[0].state = State::Unauthorized;
    world.providers[0].reason = "the key was refused".into();
    world.providers[1].state = State::Down;
    world.providers[1].reason = "connection refused".into();
    world.providers[1].models.clear();
    world.providers[1].preferred_models.clear();
    assert_eq!(
        explain(&Facts::default(), &original_rules(), &world).sentence,
        "no target can take this call: z_ai_glm/glm-4.6 is out: unauthorized: the key was refused; \
         lm_studio is down: connection refused."
    );
    let empty = explain(&Facts::default(), &RuleSet::default(), &World::default());
    assert!(empty.sentence.contains("lmdeck providers discover"), "{}", empty.sentence);
    let cloud_only = World { providers: vec![original().providers[0].clone()].into(), ..World::default() };
    assert!(explain(&wanting("local"), &RuleSet::default(), &cloud_only).sentence.starts_with("no local model"));
}

// ---- what must always hold ----

fn any_model() -> impl Generator<Value = WorldModel> {
    (
        0u8..5,
        any::<[bool; 3]>(),
        prop::option::of(any::<bool>()),
        prop::option::of(1u64..40_000),
        prop::option::of(0u32..100),
        prop::option::of(0u32..20),
        prop::option::of(-50i64..50),
        prop::option::of(prop::collection::vec(prop_oneof![Just("tools"), Just("json")], 0..2)),
    )
        .prop_map(|(id, [candidate, chat, remote], loaded, context, quality, price, breaker, capabilities)| {
            WorldModel {
                id: format!("m{id}").as_str().into(),
                candidate,
                chat,
                loaded,
                remote: Some(remote),
                context,
                capabilities: capabilities.map(|list| list.into_iter().map(String::from).collect()),
                quality,
                price: price.and_then(|dollars| Price::per_million(f64::from(dollars), f64::from(dollars), None)),
                breaker_until: breaker.map(|ms| UnixMs(NOW.0 + ms)),
                ttft_ms: None,
            }
        })
}

fn any_provider(index: usize) -> impl Generator<Value = WorldProvider> {
    (
        prop::sample::select(Kind::ALL.to_vec()),
        prop_oneof![Just(Reach::Machine), Just(Reach::Network), Just(Reach::Cloud)],
        any::<[bool; 2]>(),
        prop_oneof![
            4 => Just(State::Up),
            1 => Just(State::Unknown),
            1 => Just(State::Degraded),
            1 => Just(State::Down),
            1 => Just(State::Unauthorized),
            1 => Just(State::Paused)
        ],
        prop::option::weighted(0.1, Just("X_KEY is not set".to_owned())),
        prop::option::of(-50i64..50),
        prop::collection::vec(any_model(), 0..6),
        prop::collection::vec(0u8..5, 0..3),
    )
        .prop_map(move |(kind, reach, [local, off], state, withheld, parked, mut models, preferred)| {
            let mut seen = BTreeSet::new();
            models.retain(|model| seen.insert(model.id.clone()));
            WorldProvider {
                reach,
                local,
                enabled: !off,
                state,
                withheld,
                parked_until: parked.map(|ms| UnixMs(NOW.0 + ms)),
                aliases: BTreeMap::from([(format!("alias_{index}"), Some("m1".into()))]),
                preferred_models: preferred.into_iter().map(|id| format!("m{id}").as_str().into()).collect(),
                ..provider(&format!("p{index}"), kind, models)
            }
        })
}

fn any_name() -> impl Generator<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("auto".to_owned()),
        Just("auto:t".to_owned()),
        Just("local".to_owned()),
        Just("cloud".to_owned()),
        Just("fastest".to_owned()),
        Just("prefer_cloud".to_owned()),
        Just("cost_optimized".to_owned()),
        Just("lm_studio".to_owned()),
        Just("nobody".to_owned()),
        (0usize..4).prop_map(|p| format!("p{p}")),
        (0usize..4).prop_map(|p| format!("alias_{p}")),
        (0u8..6).prop_map(|m| format!("m{m}")),
        (0usize..5, 0u8..6).prop_map(|(p, m)| format!("p{p}/m{m}")),
    ]
}

fn any_world() -> impl Generator<Value = World> {
    let providers = (any_provider(0), any_provider(1), any_provider(2), any_provider(3));
    let active = prop_oneof![
        Just(ActiveChoice::Auto),
        (0usize..5).prop_map(|p| ActiveChoice::Provider(format!("p{p}").as_str().into())),
        (0usize..5, 0u8..6)
            .prop_map(|(p, m)| ActiveChoice::Target(Target::new(format!("p{p}").as_str(), format!("m{m}").as_str()))),
    ];
    (providers, active, any::<bool>()).prop_map(|((a, b, c, d), active, budget_exhausted)| World {
        now: NOW,
        active,
        providers: vec![a, b, c, d].into(),
        budget_exhausted,
        ..World::default()
    })
}

fn any_rules() -> impl Generator<Value = RuleSet> {
    (
        prop::sample::select(Strategy::ALL.to_vec()),
        prop::collection::vec(any_name(), 0..5),
        any::<bool>(),
        prop::option::weighted(0.3, Just("stay-home".to_owned())),
    )
        .prop_map(|(strategy, items, prefer_local_ties, confined)| RuleSet {
            version: 1,
            strategy,
            request_orders: vec![("t".into(), items)],
            prefer_local_ties,
            spillover_ms: None,
            policies: confined.into_iter().map(|name| Policy { name, local_only: true, ..Policy::default() }).collect(),
        })
}

fn any_facts() -> impl Generator<Value = Facts> {
    (any_name(), any::<[bool; 4]>(), 0u64..50_000, 0u64..5000, prop_oneof![Just(String::new()), any_name()]).prop_map(
        |(
            requested_model,
            [typed, has_tools, has_images, wants_json],
            prompt_tokens,
            max_tokens,
            preferred_provider,
        )| {
            Facts {
                request_type: if typed { "t".into() } else { String::new() },
                requested_model,
                has_tools,
                has_images,
                wants_json,
                prompt_tokens,
                max_tokens,
                preferred_provider,
                ..Facts::default()
            }
        },
    )
}

fn reach_in(world: &World, target: &Target) -> (Reach, bool) {
    let Some(provider) = world.providers.iter().find(|provider| provider.id == target.provider) else {
        panic!("{target} is of no provider");
    };
    let remote = provider.models.iter().any(|model| model.id == target.model && model.remote == Some(true));
    (if remote { Reach::Cloud } else { provider.reach }, provider.local)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_decision_is_sound(facts in any_facts(), rules in any_rules(), world in any_world()) {
        let decision = decide(&facts, &rules, &world);

        // The same inputs, the same decision; explaining changes nothing.
        prop_assert_eq!(&decision, &decide(&facts.clone(), &rules.clone(), &world.clone()));
        let explained = explain(&facts, &rules, &world);
        prop_assert_eq!(&decision, &explained.decision);
        prop_assert!(!explained.sentence.is_empty());

        // Every candidate exactly once, in the chain or left out; nobody twice.
        let placed: Vec<&Target> = decision.chain.iter().map(|chosen| &chosen.target)
            .chain(decision.rejected.iter().map(|reject| &reject.target)).collect();
        let once: BTreeSet<&Target> = placed.iter().copied().collect();
        prop_assert_eq!(once.len(), placed.len(), "somebody stands twice");
        for provider in &world.providers {
            for model in provider.models.iter().filter(|model| model.candidate) {
                let target = Target { provider: provider.id.clone(), model: model.id.clone() };
                prop_assert!(once.contains(&target), "{} is lost", target);
            }
        }
        for reject in &decision.rejected {
            prop_assert!(!reject.code.is_empty() && !reject.reason.is_empty());
        }

        for chosen in &decision.chain {
            let provider = world.providers.iter().find(|provider| provider.id == chosen.target.provider).unwrap();
            let (reach, local) = reach_in(&world, &chosen.target);
            prop_assert_eq!(chosen.reach, reach);
            prop_assert!(provider.enabled && provider.withheld.is_none() && provider.state.usable());
            prop_assert!(provider.parked_until.is_none_or(|until| until <= NOW));
            prop_assert!(!(world.budget_exhausted && reach == Reach::Cloud));
            if let Some(model) = provider.models.iter().find(|model| model.id == chosen.target.model) {
                prop_assert!(model.chat);
                prop_assert!(model.breaker_until.is_none_or(|until| until <= NOW));
                prop_assert!(model.context.is_none_or(|context| facts.prompt_tokens <= context));
            }
            // The promise.
            if decision.local_only {
                prop_assert!(reach == Reach::Machine || (reach == Reach::Network && local));
            }
            match facts.requested_model.as_str() {
                "local" => prop_assert!(reach.is_local()),
                "cloud" => prop_assert!(!reach.is_local()),
                _ => {}
            }
        }
        prop_assert_eq!(decision.local_only, !rules.policies.is_empty() && decision.by != "none");
        if decision.local_only {
            for reject in &decision.rejected {
                let (reach, local) = reach_in(&world, &reject.target);
                let home = reach == Reach::Machine || (reach == Reach::Network && local);
                prop_assert_eq!(home, reject.code != "not_local", "{:?}", reject);
            }
        }
    }

    /// What a request names decides alone: the order of the other providers in the file does not matter, nor
    /// does what they are.
    #[test]
    fn a_named_target_does_not_depend_on_the_file_order(
        p in 0usize..4, m in 0u8..6, rules in any_rules(), world in any_world(), turn in 0usize..4
    ) {
        let facts = wanting(&format!("p{p}/m{m}"));
        let before = decide(&facts, &rules, &world);
        let mut turned = world.clone();
        turned.providers.rotate_left(turn);
        let after = decide(&facts, &rules, &turned);
        prop_assert_eq!(before.chain, after.chain);

        // The same for an order that names its targets one by one.
        let items = vec!["p2".to_owned(), format!("p{p}/m{m}"), "p0".to_owned(), "alias_3".to_owned()];
        let rules = RuleSet { request_orders: vec![("t".into(), items)], ..rules };
        let facts = labelled("t");
        prop_assert_eq!(decide(&facts, &rules, &world).chain, decide(&facts, &rules, &turned).chain);
    }

    /// Making a provider worse never brings it into a chain, and never takes another's place away.
    #[test]
    fn a_provider_that_goes_down_only_loses_its_own_places(
        facts in any_facts(), rules in any_rules(), world in any_world(), which in 0usize..4
    ) {
        let before = decide(&facts, &rules, &world);
        let mut fallen = world.clone();
        fallen.providers[which].state = State::Down;
        let after = decide(&facts, &rules, &fallen);
        let id = &world.providers[which].id;
        let others = |decision: &Decision| {
            let kept = decision.chain.iter().filter(|chosen| &chosen.target.provider != id);
            kept.map(|chosen| chosen.target.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&before), others(&after));
        prop_assert!(after.chain.iter().all(|chosen| &chosen.target.provider != id));
    }
}

// ---- what is chosen by name

#[test]
fn a_word_for_the_active_target_means_one_thing_or_says_why_not() {
    let mut world = original();
    let merely_listed = |id: &str| WorldModel { candidate: false, ..model(id) };
    let listed = ["glm-4.6", "rare", "twice"].map(merely_listed).to_vec();
    world.providers.push(provider("router", Kind::Openrouter, listed));
    world.providers.push(provider("other", Kind::OpenaiCompatible, vec![merely_listed("twice")]));
    let target = |provider: &str, model: &str| Ok(ActiveChoice::Target(Target::new(provider, model)));
    for (word, meant) in [
        ("auto", Ok(ActiveChoice::Auto)),
        ("lm_studio", Ok(ActiveChoice::Provider("lm_studio".into()))),
        ("openrouter", Ok(ActiveChoice::Provider("router".into()))),
        ("openai/gpt-4o-mini", target("openai", "gpt-4o-mini")),
        ("openai_0", target("openai", "gpt-4o-mini")),
        ("lm_studio_aquif-3.5-max-42b-a3b-i1", target("lm_studio", "aquif-3.5-max-42b-a3b-i1")),
        // The router lists it too, but would never be chosen for it.
        ("glm-4.6", target("z_ai_glm", "glm-4.6")),
        ("rare", target("router", "rare")),
        ("twice", Err(Unclear::Several(vec![Target::new("router", "twice"), Target::new("other", "twice")]))),
        ("openai/gpt-9", Err(Unclear::Unlisted(Target::new("openai", "gpt-9")))),
        ("local", Err(Unclear::Unknown)),
        ("prefer_cloud", Err(Unclear::Unknown)),
        ("tippo", Err(Unclear::Unknown)),
        ("", Err(Unclear::Unknown)),
    ] {
        assert_eq!(choice(word, &world.providers), meant, "{word}");
    }
}

#[test]
fn prefer_local_takes_what_is_loaded_then_what_loads_soonest_and_spills_when_loading_takes_too_long() {
    let target = |model: &str| Target::new("lm_studio", model);
    let (gpt, aquif, nvidia) =
        ("openai_gpt-oss-120b-neo-imatrix", "aquif-3.5-max-42b-a3b-i1", "nvidia_qwen3-nemotron-32b-rlbff");
    let mut world = original();
    world.load_ms = Arc::new([(target(aquif), 40_000), (target(nvidia), 9_000)].into());
    let order = |rules: &RuleSet, world: &World| -> Vec<String> {
        let decision = decide(&Facts::default(), rules, world);
        decision.chain.iter().map(|chosen| chosen.target.model.to_string()).collect()
    };
    let free = RuleSet { request_orders: Vec::new(), ..original_rules() };
    assert_eq!(order(&free, &world)[..4], [gpt, nvidia, aquif, "glm-4.6"]);
    let bounded = RuleSet { spillover_ms: Some(20_000), ..free.clone() };
    let spilled = order(&bounded, &world);
    assert_eq!(spilled[..3], [gpt, nvidia, "glm-4.6"]);
    assert_eq!(spilled.last().map(String::as_str), Some(aquif), "it stays the last resort");
    world.waits = vec![("lm_studio".into(), 30_000)];
    assert_eq!(order(&bounded, &world)[0], "glm-4.6");
    assert_eq!(order(&free, &world)[0], gpt, "without a bound nothing spills");
}
