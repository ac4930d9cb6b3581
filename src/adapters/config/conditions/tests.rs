//! Conditions as people write them, their slips, and generated ones held against the crate's own evaluator.

use super::read;
use crate::domain::call::{Facts, Priority};
use crate::domain::health::State;
use crate::domain::kind::Kind;
use crate::domain::money::Money;
use crate::domain::reach::Reach;
use crate::domain::routing::condition::{Condition, Fact, Fault, Ground};
use crate::domain::routing::{BudgetFacts, LocalTime, World, WorldProvider};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn facts() -> Facts {
    Facts {
        request_type: "teaching_generation".into(),
        complexity: "high".into(),
        priority: Priority::High,
        requested_model: "glm-4.6".into(),
        prompt_tokens: 25_000,
        stream: true,
        client: "dspy".into(),
        tags: BTreeMap::from([("privacy".into(), "high".into()), ("user-id".into(), "7".into())]),
        ..Facts::default()
    }
}

fn world() -> World {
    let provider = |id: &str, state| WorldProvider {
        id: id.into(),
        kind: Kind::LmStudio,
        reach: Reach::Machine,
        local: false,
        enabled: true,
        state,
        reason: String::new(),
        withheld: None,
        parked_until: None,
        aliases: BTreeMap::new(),
        models: Vec::new().into(),
        preferred_models: Vec::new(),
        p50_ms: Some(42),
    };
    World {
        providers: vec![provider("lm_studio", State::Up), provider("zai", State::Down)].into(),
        budget: BudgetFacts { used: Money(2_500_000_000_000), limit: Some(Money(10_000_000_000_000)) },
        time: LocalTime { hour: 3, weekday: 0 },
        in_flight: vec![2, 0],
        ..World::default()
    }
}

fn holds(text: &str) -> Result<bool, Fault> {
    let condition = read(text).unwrap_or_else(|slip| panic!("{text}: {slip:?}"));
    condition.holds(&Ground { facts: &facts(), world: &world() })
}

#[test]
fn conditions_mean_what_they_say() {
    for text in [
        "",
        "request.type == \"teaching_generation\"",
        "request.prompt_tokens > 24000 && request.priority == 'high'",
        "request.tags.privacy == \"high\" && request.tags[\"user-id\"] == \"7\"",
        "request.tags.missing == \"\" && !has(request.tags.missing) && has(request.tags.privacy)",
        "\"privacy\" in request.tags && !(\"x\" in request.tags)",
        "request.type in [\"a\", \"teaching_generation\"]",
        "request.type.startsWith(\"teach\") && request.type.endsWith(\"ion\") && request.type.contains(\"_\")",
        "request.model.matches(r\"^glm-4\\.\\d$\")",
        "size(request.type) == 19 && request.client.size() == 4 && size(request.tags) == 2",
        "request.stream && !request.has_tools",
        "request.stream ? request.complexity == \"high\" : false",
        "(request.stream ? 2 : 3) * 2 + 1 == 5 && 7 % 4 == 3 && 7 / 2 == 3 && -(3) < 0",
        "provider[\"lm_studio\"].up && !provider.zai.up && provider[\"lm_studio\"].p50_ms == 42",
        "provider[\"lm_studio\"].in_flight == 2",
        "budget.used == 2.5 && budget.remaining > 7 && budget.fraction == 0.25",
        "time.hour < 6 && time.weekday in [0, 6]",
        "request.max_tokens == 0 && request.audience == \"\"",
        "request.stream == true && request.has_images != true",
        "size(\"h\u{e9}\") == 2",
        "request[\"type\"] != \"\"",
        "true || provider[\"gone\"].up",
        "!(false && 1 / request.max_tokens > 0)",
        // As in CEL the order of the parts does not matter for a fault.
        "provider[\"gone\"].up || request.stream",
    ] {
        assert_eq!(holds(text), Ok(true), "{text}");
    }
}

#[test]
fn what_has_no_result_says_why() {
    assert_eq!(holds("provider[\"gone\"].up"), Err(Fault::NoProvider("gone".into())));
    assert_eq!(holds("1 / request.max_tokens > 0"), Err(Fault::DividedByZero));
    assert_eq!(holds("9223372036854775807 + request.prompt_tokens > 0"), Err(Fault::Overflow));
    assert_eq!(holds("request.stream && provider[\"gone\"].up"), Err(Fault::NoProvider("gone".into())));
}

#[test]
fn every_slip_has_its_place_and_a_way_out() {
    let mut wrong = Vec::new();
    for (text, at, message, remedy) in [
        ("request.type = \"x\"", 13, "= does not compare", "=="),
        ("request.stream and request.has_tools", 15, "and is written && here", "&&"),
        ("request.stream or request.has_tools", 15, "or is written || here", "||"),
        ("not request.stream", 0, "not is written ! here", "!request.stream"),
        ("request.stream | request.has_tools", 15, "a single | joins nothing", "||"),
        ("request.stream & request.has_tools", 15, "a single & joins nothing", "&&"),
        ("request.type <> \"x\"", 13, "<> is not known", "!="),
        ("request.type => \"x\"", 13, "=> is not known", ">="),
        ("request.type == \"x", 16, "never closed", "close it"),
        ("request.type == \u{201c}x\u{201d}", 16, "typographic", "plain quotes"),
        ("(request.stream", 0, "this ( is never closed", ")"),
        ("request.stream)", 14, ") closes nothing", "remove"),
        ("request.stream &&", 17, "ends too early", "follow"),
        ("request.typ == \"x\"", 8, "request.typ is no fact", "did you mean request.type?"),
        ("request.privacy == \"x\"", 8, "request.privacy is no fact", "request.tags.privacy"),
        ("request.prompt.contains(\"x\")", 8, "never looks at the prompt", "prompt_tokens"),
        ("type == \"x\"", 0, "type is no fact", "did you mean request.type?"),
        ("requst.type == \"x\"", 0, "requst is no fact", "did you mean request?"),
        ("request.type == teaching", 16, "teaching is no fact", "\"teaching\""),
        ("request.tags.user-id == \"7\"", 13, "cannot stand behind a dot", "request.tags[\"user-id\"]"),
        ("request.type == 3", 13, "text cannot be compared with a number", "\"3\""),
        ("request.stream == \"true\"", 15, "cannot be compared", "without quotes"),
        ("request.type", 7, "is text, and true or false is needed", "=="),
        ("request.prompt_tokens", 7, "is a number", "> 100"),
        ("request.priority == \"urgent\"", 20, "is never \"urgent\"", "\"high\", \"normal\" or \"low\""),
        ("request.priority >= \"normal\"", 17, "would compare letters", "in ["),
        ("time.hour == 25", 13, "time.hour is never 25", "0 to 23"),
        ("time.weekday == -1", 17, "time.weekday is never -1", "Sunday"),
        ("request.model.matches(\"[\")", 22, "the regular expression cannot be read", "contains"),
        ("request.model.matches(request.type)", 29, "has to stand in quotes", "^glm-"),
        ("request.model.begins(\"x\")", 14, "there is no function begins", "startsWith"),
        ("startsWith(request.model, \"x\")", 0, "stands behind a text", "request.type.startsWith"),
        ("request.type == null", 16, "nothing is null here", "\"\""),
        ("request.prompt_tokens / 0 > 1", 22, "divides by zero", "another"),
        ("request.type + \"x\" == \"y\"", 13, "+ does not go between", "numbers"),
        ("provider[request.model].up", 16, "by its id in quotes", "provider[\"lm_studio\"].up"),
        ("provider[\"zai\"].alive", 16, "is no fact", "known: up"),
        ("request.tags.exists(t, t == \"x\")", 19, "exists", "in [...]"),
        ("request.type in \"abc\"", 13, "not into a text", "contains"),
        ("request.stream ? 1 : \"x\"", 15, "the two ways of ? : differ", "one kind"),
        ("99999999999999999999 > 1", 0, "no number that fits", "smaller"),
    ] {
        let slip = read(text).expect_err(text);
        if !slip.message.contains(message) || !slip.remedy.contains(remedy) || slip.at != at {
            wrong.push(format!("{text}: wanted {at}, {message}, {remedy}: {slip:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let deep = "(".repeat(65) + "true" + &")".repeat(65);
    assert!(read(&deep).unwrap_err().message.contains("go deeper"));
    assert!(read(&"true && ".repeat(600)).unwrap_err().message.contains("longer"));
}

#[test]
fn a_condition_knows_what_it_reads_and_why_it_is_false() {
    let condition = read("request.type == \"x\" && (request.tags.a == \"1\" || time.hour > 3)").unwrap();
    let reads: Vec<String> = condition.reads().iter().map(Fact::to_string).collect();
    assert_eq!(reads, ["request.type", "request.tags.a", "time.hour"]);
    let why = condition.why(&Ground { facts: &facts(), world: &world() });
    assert_eq!(why, "request.type == \"x\" is false: request.type is \"teaching_generation\"");
    let other = read("request.stream && (request.tags.a == \"1\" || time.hour > 3)").unwrap();
    assert_eq!(
        other.why(&Ground { facts: &facts(), world: &world() }),
        "request.tags.a == \"1\" || time.hour > 3 is false: request.tags.a is absent, time.hour is 3"
    );
}

// ---- generated conditions

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("request.type".to_owned()),
        Just("request.model".to_owned()),
        Just("request.tags.privacy".to_owned()),
        Just("request.tags[\"user-id\"]".to_owned()),
        Just("\"high\"".to_owned()),
        Just("'glm-4.6'".to_owned()),
        Just("\"\"".to_owned()),
        Just("(request.stream ? request.type : \"a\\\"b\")".to_owned()),
    ]
}

fn any_number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("request.prompt_tokens".to_owned()),
        Just("request.max_tokens".to_owned()),
        Just("time.hour".to_owned()),
        (0i64..30_000).prop_map(|number| number.to_string()),
        Just("size(request.type)".to_owned()),
        Just("9223372036854775807".to_owned()),
    ];
    leaf.prop_recursive(2, 8, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner)
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
    })
}

fn any_condition() -> impl Strategy<Value = String> {
    let signs = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("request.stream".to_owned()),
        Just("request.has_tools".to_owned()),
        Just("has(request.tags.privacy)".to_owned()),
        Just("\"privacy\" in request.tags".to_owned()),
        Just("provider[\"lm_studio\"].up".to_owned()),
        Just("provider[\"gone\"].up".to_owned()),
        (any_text(), signs(), any_text()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (any_number(), signs(), any_number()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        (any_text(), any_text(), any_text()).prop_map(|(a, b, c)| format!("{a} in [{b}, {c}]")),
        (any_text(), prop::sample::select(vec!["startsWith", "endsWith", "contains"]), any_text())
            .prop_map(|(a, name, b)| format!("{a}.{name}({b})")),
        (any_text()).prop_map(|a| format!("{a}.matches(\"^[a-t]+_\")")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) == ({b})")),
        ]
    })
}

/// The same facts for the crate's own evaluator.
fn reference(text: &str) -> Option<bool> {
    use cel::{Context, Program, Value};
    let facts = facts();
    let mut context = Context::default();
    let mut request: std::collections::HashMap<String, Value> = std::collections::HashMap::new();
    let texts = [("type", &facts.request_type), ("model", &facts.requested_model)];
    request.extend(texts.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))));
    request.insert("prompt_tokens".into(), Value::Int(25_000));
    request.insert("max_tokens".into(), Value::Int(0));
    request.insert("stream".into(), Value::Bool(true));
    request.insert("has_tools".into(), Value::Bool(false));
    let tags: std::collections::HashMap<String, String> = facts.tags.into_iter().collect();
    request.insert("tags".into(), Value::from(tags));
    context.add_variable_from_value("request", request);
    let up = std::collections::HashMap::from([("up".to_owned(), Value::Bool(true))]);
    context.add_variable_from_value(
        "provider",
        std::collections::HashMap::from([("lm_studio".to_owned(), Value::from(up))]),
    );
    context.add_variable_from_value("time", std::collections::HashMap::from([("hour".to_owned(), Value::Int(3))]));
    match Program::compile(text).ok()?.execute(&context) {
        Ok(Value::Bool(value)) => Some(value),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// No text brings the reader down, and a slip lies inside the text.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\u{e9}\u{1f600}]{0,60}") {
        if let Err(slip) = read(&text) {
            prop_assert!(slip.at <= text.chars().count());
            prop_assert!(!slip.message.is_empty() && !slip.remedy.is_empty());
        }
    }

    /// Near misses too: a good condition with a piece cut out.
    #[test]
    fn a_damaged_condition_is_read_or_refused(text in any_condition(), from in 0usize..80, length in 0usize..6) {
        let damaged: String =
            text.chars().enumerate().filter(|(at, _)| *at < from || *at >= from + length).map(|(_, c)| c).collect();
        if let Err(slip) = read(&damaged) {
            prop_assert!(slip.at <= damaged.chars().count(), "{damaged}: {slip:?}");
        }
    }

    /// What we accept is CEL, and it means what CEL says; what has no result there has none here.
    #[test]
    fn a_condition_means_what_cel_says(text in any_condition()) {
        // Our own pass refuses some that can never be meant, as a number divided by nothing.
        let Ok(condition) = read(&text) else { return Ok(()) };
        let ours = condition.holds(&Ground { facts: &facts(), world: &world() });
        prop_assert_eq!(ours.clone().ok(), reference(&text), "{}: {:?}", text, ours);
    }

    /// Written back it is the same condition, and so is it after a journey.
    #[test]
    fn a_condition_survives_being_written(text in any_condition()) {
        let Ok(condition) = read(&text) else { return Ok(()) };
        let again = read(&condition.test().to_string()).map_err(|slip| TestCaseError::fail(format!("{text}: {slip:?}")))?;
        let ground = Ground { facts: &facts(), world: &world() };
        prop_assert_eq!(again.holds(&ground), condition.holds(&ground), "{}", condition.test());
        let json = serde_json::to_string(&condition).unwrap();
        let back: Condition = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &condition);
        // Explaining never fails either.
        prop_assert!(!condition.why(&ground).is_empty() || condition.holds(&ground) == Ok(true));
    }
}
