//! Finding, reading and checking the configuration: a file in, a configuration and findings out.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::domain::config::{Issue, KeySource, Profile, Severity};
use lmdeck::domain::ids::ProviderId;
use lmdeck::domain::money::Money;
use lmdeck::domain::routing::Strategy as Order;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore, Loaded, Unusable};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

pub const ORIGINAL: &str = include_str!("../../config/ai_models.original-layout.yaml");
pub const EXAMPLE: &str = include_str!("../../config/ai_models.example.yaml");
pub const KEYS: &[(&str, &str)] = &[
    ("Z_AI_API_KEY", "zai-key-0123456789"),
    ("OPENAI_API_KEY", "sk-openai-0123456789"),
    ("ANTHROPIC_API_KEY", "sk-ant-0123456789"),
];

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn holding(text: &str) -> Self {
        let place = Self::new();
        place.write("ai_models.yaml", text);
        place
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub fn source(&self, config: Option<&str>, environment: &[(&str, &str)]) -> Source {
        Source {
            config: config.map(|name| self.path(name)),
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            working_folder: self.path("work"),
            config_folder: Some(self.path("home/lmdeck")),
            state_folder: self.path("state"),
        }
    }

    pub fn store(&self, environment: &[(&str, &str)]) -> ConfigFile {
        ConfigFile::open(self.source(Some("ai_models.yaml"), environment))
    }

    pub fn load(&self, environment: &[(&str, &str)]) -> Result<Loaded, Unusable> {
        self.store(environment).load()
    }
}

pub fn profile<'a>(loaded: &'a Loaded, id: &str) -> &'a Profile {
    loaded.config.provider(&ProviderId::from(id)).unwrap()
}

fn said<'a>(issues: &'a [Issue], words: &str) -> &'a Issue {
    issues.iter().find(|issue| issue.message.contains(words)).unwrap_or_else(|| panic!("{words} in {issues:#?}"))
}

fn errors(text: &str) -> Vec<Issue> {
    let unusable = Place::holding(text).load(&[]).unwrap_err();
    unusable.issues.into_iter().filter(|issue| issue.severity == Severity::Error).collect()
}

#[test]
fn the_original_layout_becomes_ordinary_profiles_rules_and_limits() {
    let loaded = Place::holding(ORIGINAL).load(KEYS).unwrap();
    assert!(loaded.issues.iter().all(|issue| issue.severity == Severity::Note), "{:#?}", loaded.issues);
    let config = &loaded.config;
    let ids: Vec<_> = config.providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["z_ai_glm", "lm_studio", "openai", "anthropic"]);

    let zai = profile(&loaded, "z_ai_glm");
    assert_eq!(zai.endpoint.api_base, "https://api.z.ai/api/paas/v4");
    assert_eq!(zai.key_source, KeySource::Variable { name: "Z_AI_API_KEY".into() });
    assert_eq!(zai.key.as_ref().unwrap().expose(), "zai-key-0123456789");
    assert_eq!(zai.aliases["z_ai_glm_4.6"].as_ref().unwrap().as_str(), "glm-4.6");
    assert_eq!((zai.place.as_str(), zai.line), ("z_ai_glm", Some(4)));
    assert!(zai.defaults.system_prompt.as_ref().unwrap().starts_with("You are a patient teacher."));

    let local = profile(&loaded, "lm_studio");
    assert_eq!(local.preferred_models.len(), 3);
    assert_eq!(local.aliases.len(), 3);
    assert!(local.aliases.contains_key("lm_studio_aquif-3.5-max-42b-a3b-i1"));
    assert_eq!((local.timeouts.idle, local.timeouts.first_token), (Duration::from_secs(30), Duration::from_secs(30)));
    let settings = local.settings_for(&"nvidia_qwen3-nemotron-32b-rlbff".into());
    assert_eq!((settings.max_tokens, settings.temperature), (Some(2048), Some(0.6)));
    assert_eq!(local.settings_for(&"another".into()).max_tokens, Some(4096));

    assert!(profile(&loaded, "openai").aliases.contains_key("openai_0"));
    let claude = profile(&loaded, "anthropic");
    assert_eq!(claude.aliases["anthropic_1"].as_ref().unwrap().as_str(), "claude-3-5-haiku-20241022");
    assert_eq!(claude.place, "fallback_models[1]");

    assert_eq!(config.rules.strategy, Order::PreferLocal);
    assert_eq!(config.rules.request_orders[0].0, "prayer_generation");
    assert_eq!(config.rules.request_orders[1].1, ["z_ai_glm", "lm_studio", "anthropic", "openai"]);
    assert!(config.rules.prefer_local_ties && config.limits.auto_switch_on_failure && config.limits.retry_on_failure);
    assert_eq!(config.limits.max_concurrent_requests, 5);
    assert_eq!(config.money.daily_limit, Money::from_dollars(10.0));
    assert_eq!(config.money.kind_prices["anthropic"], Money::from_dollars(0.000_003).unwrap());
}

#[test]
fn the_example_is_read_in_full_and_all_of_it_is_in_force() {
    let loaded = Place::holding(EXAMPLE).load(KEYS).unwrap();
    let box_ = profile(&loaded, "workstation");
    assert_eq!((box_.display_name(), box_.local, box_.place.as_str()), ("Workstation", true, "providers[1]"));
    let model = &box_.models[0];
    assert_eq!((model.context, model.quality), (Some(32768), Some(70)));
    assert_eq!(model.capabilities.as_deref().unwrap(), ["tools", "json"]);
    let price = profile(&loaded, "zai").models[0].price.unwrap();
    assert_eq!(price.of(1_000_000, 1_000_000, 0), Money::from_dollars(0.11).unwrap());
    assert!(!profile(&loaded, "claude").enabled);
    assert_eq!(loaded.config.rules.policies.len(), 4);
    let names: Vec<_> = loaded.config.rules.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["private-stays-here", "long-prompts", "no-cloud-at-night", "no-images"]);
    assert!(loaded.config.gateway.api_keys.is_empty());
    let warnings: Vec<_> = loaded.issues.iter().filter(|issue| issue.severity == Severity::Warning).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    let notes: Vec<_> = loaded
        .issues
        .iter()
        .filter(|issue| issue.severity == Severity::Note)
        .map(|issue| issue.path.as_str())
        .collect();
    assert!(notes.is_empty(), "{notes:?}");
    let lm_studio = profile(&loaded, "lm_studio");
    let limit = lm_studio.rate_limit.unwrap();
    assert_eq!((limit.requests_per_minute, limit.tokens_per_minute), (Some(600), Some(1_000_000)));
    assert_eq!(lm_studio.max_concurrent, Some(4));
    let cache = &loaded.config.cache;
    assert_eq!((cache.enabled, cache.ttl.as_secs(), cache.max_entries, cache.persist), (true, 3600, 1000, false));
}

#[test]
fn the_originals_wrong_address_for_z_ai_is_reported_with_the_fix_and_gets_no_key() {
    let text = ORIGINAL.replace("https://api.z.ai/api/paas/v4", "https://api.z-ai.com/v1/chat/completions");
    let place = Place::holding(&text);
    for _ in 0..2 {
        let loaded = place.load(KEYS).unwrap();
        let issue = said(&loaded.issues, "is not Z.AI's address");
        assert_eq!((issue.severity, issue.line, issue.column), (Severity::Warning, Some(6), Some(17)));
        assert_eq!(issue.remedy, "lmdeck config set z_ai_glm.api_endpoint https://api.z.ai/api/paas/v4");
        let zai = profile(&loaded, "z_ai_glm");
        assert!(zai.withheld.as_ref().unwrap().sentence.contains("use https://api.z.ai/api/paas/v4"));
        assert!(zai.key.is_none());
        assert!(profile(&loaded, "openai").withheld.is_none());
        // Trust is for other hosts; this address stays wrong.
        crate::config_trust::allow(&place.store(KEYS)).unwrap();
    }
    let store = place.store(KEYS);
    let fix = ConfigEdit::Set { path: "z_ai_glm.api_endpoint".into(), value: "https://api.z.ai/api/paas/v4".into() };
    store.edit(&fix, false).unwrap();
    assert!(profile(&store.load().unwrap(), "z_ai_glm").withheld.is_none());
}

#[test]
fn the_switches_of_the_original_reach_the_configuration() {
    let text = ORIGINAL
        .replace("auto_switch_on_failure: true", "auto_switch_on_failure: false")
        .replace("retry_on_failure: true", "retry_on_failure: false")
        .replace("  timeout: 30\n", "")
        .replace("request_timeout: 30", "request_timeout: 12.5")
        .replace("health_check_interval: 30", "health_check_interval: 7")
        .replace("prefer_local_models: true", "prefer_local_models: false");
    let loaded = Place::holding(&text).load(KEYS).unwrap();
    assert!(!loaded.config.limits.auto_switch_on_failure && !loaded.config.limits.retry_on_failure);
    assert!(!loaded.config.rules.prefer_local_ties);
    let local = profile(&loaded, "lm_studio");
    assert_eq!(local.timeouts.idle, Duration::from_millis(12_500));
    assert_eq!(local.timeouts.probe_interval, Duration::from_secs(7));
    assert_eq!(profile(&loaded, "openai").timeouts.probe_interval, Duration::from_secs(30));
    assert_eq!(profile(&loaded, "openai").timeouts.first_token, Duration::from_millis(12_500));
}

#[test]
fn new_keys_win_over_old_ones_with_a_note() {
    let text = format!(
        "{ORIGINAL}\nrouting:\n  strategy: prefer_cloud\n  request_priorities:\n    quick_responses: [openai]\nbudget: {{ daily_limit: 3 }}\nlimits: {{ max_concurrent_requests: 9 }}\n"
    );
    let loaded = Place::holding(&text).load(KEYS).unwrap();
    assert_eq!(loaded.config.rules.strategy, Order::PreferCloud);
    assert_eq!(loaded.config.money.daily_limit, Money::from_dollars(3.0));
    assert_eq!(loaded.config.limits.max_concurrent_requests, 9);
    let quick = loaded.config.rules.request_orders.iter().find(|(name, _)| name == "quick_responses").unwrap();
    assert_eq!(quick.1, ["openai"]);
    assert_eq!(loaded.config.rules.request_orders.len(), 5);
    let issue = said(&loaded.issues, "model_selection.strategy and routing.strategy say the same thing");
    assert_eq!((issue.severity, issue.path.as_str()), (Severity::Note, "model_selection.strategy"));
    said(&loaded.issues, "routing.request_priorities.quick_responses is used");
    said(&loaded.issues, "budget.daily_limit is used");
}

#[test]
fn an_original_s_key_without_its_section_is_told_to_do_nothing() {
    let notes = |sections: &str| {
        let keys = "performance: { request_timeout: 45, lm_studio_health_check_interval: 10 }\n";
        let loaded = Place::holding(&format!("{keys}{sections}")).load(&[]).unwrap();
        let idle = loaded.issues.iter().filter(|issue| issue.message.contains("acts on sections of the original"));
        idle.map(|issue| (issue.severity, issue.path.clone())).collect::<Vec<_>>()
    };
    let (timeout, interval) = ("performance.request_timeout", "performance.lm_studio_health_check_interval");
    let note = |path: &str| (Severity::Note, path.to_owned());
    assert_eq!(notes("providers: [{ id: a, type: lm_studio }]\n"), [note(timeout), note(interval)]);
    assert_eq!(notes("fallback_models: [{ provider: openai, model: a }]\n"), [note(interval)]);
    assert_eq!(notes("lm_studio: { base_url: 'http://127.0.0.1:1' }\n"), []);
}

#[test]
fn an_unknown_key_is_a_warning_with_a_suggestion() {
    let text = "providers:\n  - id: a\n    type: lm_studio\n    endpont: http://127.0.0.1:1\n    base_url: x\nrouting:\n  stratgy: prefer_local\ncahce: {}\nx-mine: 1\n";
    let loaded = Place::holding(text).load(&[]).unwrap();
    let found: Vec<_> = loaded
        .issues
        .iter()
        .map(|issue| {
            (
                issue.severity,
                issue.line,
                issue.column,
                issue.path.as_str(),
                issue.remedy.split(['?', '.']).next().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (Severity::Warning, Some(4), Some(5), "providers.a.endpont", "did you mean endpoint"),
            (Severity::Warning, Some(5), Some(5), "providers.a.base_url", "did you mean endpoint"),
            (Severity::Warning, Some(7), Some(3), "routing.stratgy", "did you mean strategy"),
            (Severity::Warning, Some(8), Some(1), "cahce", "did you mean cache"),
        ]
    );
    assert_eq!(loaded.issues[0].text, "    endpont: http://127.0.0.1:1");
}

#[test]
fn a_wrong_type_or_value_is_an_error_with_place_text_and_what_is_allowed() {
    for (text, place, message, remedy) in [
        (
            "limits:\n  queue: lots\n",
            (2, 10),
            "queue: expected a whole number from 0 to 100000, found the text \"lots\"",
            "correct the value, or remove the line for the default (256)",
        ),
        (
            "routing:\n  strategy: prefer_lokal\n",
            (2, 13),
            "strategy: expected one of prefer_local, prefer_cloud, cost_optimized, quality_optimized, found the text \"prefer_lokal\"",
            "did you mean prefer_local?",
        ),
        (
            "ui: { ascii: yes }\n",
            (1, 14),
            "ascii: expected true or false, found the text \"yes\"",
            "write true or false without quotes",
        ),
        (
            "providers: {}\n",
            (1, 12),
            "providers: expected a list of sections (each begins with -), found a section",
            "correct the value, or remove the line",
        ),
        (
            "providers:\n  - just-a-name\n",
            (2, 5),
            "providers.0: expected a section (key: value lines), found the text \"just-a-name\"",
            "correct the value, or remove the line",
        ),
        (
            "providers:\n  - id: a\n    type: lm_studio\n    models: [1]\n",
            (4, 14),
            "providers.a.models.0: expected a model's name, or a section with an id, found the number 1",
            "correct the value, or remove the line for the default ([])",
        ),
        (
            "providers:\n  - id: a\n",
            (2, 5),
            "type is missing: what kind of server it is",
            "add a line type: with one of lm_studio, llama_cpp, ollama, vllm, z_ai_glm, openai, anthropic, openrouter, openai_compatible",
        ),
        (
            "providers:\n  - id: a\n    type: vllm\n    endpoint: ftp://x\n",
            (4, 15),
            "the address of a: ftp:// cannot be used: write http:// or https://",
            "an address of this kind looks like http://127.0.0.1:8000",
        ),
        (
            "providers:\n  - id: A B\n    type: vllm\n",
            (2, 9),
            "the id \"A B\": an id holds small letters, digits, - _ and . only",
            "choose another id, as in my-server",
        ),
        (
            "lm_studio:\n  timeout: -3\n",
            (2, 12),
            "timeout: expected a number of seconds from 0.1 to 86400, found the number -3",
            "correct the value, or remove the line for the default (30)",
        ),
        (
            "gateway:\n  listen: 0.0.0.0:4141\n",
            (2, 11),
            "the gateway would listen on 0.0.0.0:4141 for everybody: a key is needed there",
            "add gateway.api_keys, or listen on 127.0.0.1",
        ),
        (
            "budget:\n  timezone: Atlantis\n",
            (2, 13),
            "there is no time zone \"Atlantis\"",
            "write local, or a name such as Europe/Berlin",
        ),
    ] {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{text} {found:#?}");
        let issue = &found[0];
        assert_eq!((issue.line.unwrap(), issue.column.unwrap()), place, "{text}");
        assert_eq!((issue.message.as_str(), issue.remedy.as_str()), (message, remedy));
        assert_eq!(issue.text, text.lines().nth(place.0 - 1).unwrap());
    }
}

#[test]
fn the_same_provider_twice_names_both_lines() {
    let found =
        errors("providers:\n  - id: a\n    type: vllm\n  - id: b\n    type: vllm\n  - id: a\n    type: ollama\n");
    assert_eq!(found[0].message, "the provider a stands twice: in line 2 and in line 6");
    let found = errors("lm_studio:\n  timeout: 5\nproviders:\n  - id: lm_studio\n    type: lm_studio\n");
    assert_eq!(found[0].message, "the provider lm_studio stands twice: in line 1 and in line 4");
    let found = errors("limits:\n  queue: 1\nui: {}\nlimits:\n  queue: 2\n");
    assert_eq!(found[0].message, "the key limits stands twice: in line 1 and in line 4");
}

#[test]
fn fallbacks_of_one_kind_are_numbered_by_their_place_as_in_the_original() {
    let entry = |model: &str| format!("  - {{ provider: openai, model: {model}, api_key: k-{model} }}\n");
    let text = format!("fallback_models:\n{}{}{}", entry("gpt-4o-mini"), entry("gpt-4o"), entry("o3"));
    let loaded = Place::holding(&text).load(&[]).unwrap();
    let ids: Vec<_> = loaded.config.providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["openai", "openai_1", "openai_2"]);
    // What the original calls openai_N is entry N, by whichever way the name is looked up.
    for (place, provider) in loaded.config.providers.iter().enumerate() {
        let name = format!("openai_{place}");
        let meant: Vec<_> = loaded
            .config
            .providers
            .iter()
            .filter(|other| other.id.as_str() == name || other.aliases.contains_key(&name))
            .map(|other| other.id.as_str())
            .collect();
        assert_eq!(meant, [provider.id.as_str()], "{name}");
    }
    assert_eq!(loaded.config.providers[1].key_source, KeySource::File { tail: None });
}

#[test]
fn a_fallback_leaves_a_section_its_name_wherever_the_section_stands() {
    for text in [
        "fallback_models: [{ provider: lm_studio, model: a }]\nlm_studio: { base_url: 'http://127.0.0.1:1' }\n",
        "lm_studio: { base_url: 'http://127.0.0.1:1' }\nfallback_models: [{ provider: lm_studio, model: a }]\n",
    ] {
        let loaded = Place::holding(text).load(&[]).unwrap_or_else(|unusable| panic!("{text}: {unusable:#?}"));
        assert_eq!(profile(&loaded, "lm_studio").endpoint.port, 1);
        assert_eq!(profile(&loaded, "lm_studio_0").models[0].id.as_str(), "a");
    }
}

#[test]
fn files_that_are_no_configuration_say_what_they_are() {
    let place = Place::new();
    place.write("binary", b"\x7fELF\x02\x01\x01\x00\x00");
    place.write("latin", b"ui:\n  theme: d\xfcster\n");
    place.write("huge", vec![b'#'; 3_000_000]);
    place.write("list", "- a\n- b\n");
    place.write("word", "hello");
    place.write("deep", "[".repeat(100_000));
    place.write("documents", "ui: {}\n---\nui: {}\n");
    place.write("tab", "ui:\n\tascii: true\n");
    place.write("folder/x", "");
    for (name, line, message) in [
        ("binary", Some(1), "this is not a text file: it holds control characters"),
        ("latin", None, "line 2 is not valid UTF-8, so it has another encoding or is no text file"),
        ("huge", None, "the file is larger than 1 MiB; a configuration is a few kilobytes"),
        ("list", Some(1), "a configuration is made of sections such as providers:, and this file is a list"),
        ("word", Some(1), "a configuration is made of sections such as providers:, and this file is text"),
        ("deep", None, "the file is nested too deeply"),
        ("documents", None, "the file holds more than one document (a line ---)"),
        ("tab", Some(2), "not valid YAML: found character that cannot start any token"),
        ("folder", None, "this is a folder, not a file"),
    ] {
        let unusable = ConfigFile::open(place.source(Some(name), &[])).load().unwrap_err();
        assert_eq!(unusable.issues.len(), 1);
        assert_eq!((unusable.issues[0].line, unusable.issues[0].message.as_str()), (line, message), "{name}");
        assert!(!unusable.issues[0].remedy.is_empty(), "{name}");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, place.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let unusable = ConfigFile::open(place.source(Some("pipe"), &[])).load().unwrap_err();
        assert_eq!(unusable.issues[0].message, "this is a device or a pipe, not a file");
    }
    for text in ["", "\n\n", "# only a comment\n", "\u{feff}ui: { ascii: true }\n", "---\nui: {}\n"] {
        let loaded = Place::holding(text).load(&[]).unwrap();
        assert!(loaded.file.is_some() && loaded.issues.is_empty(), "{text:?} {:?}", loaded.issues);
    }
}

#[test]
fn anchors_aliases_and_merge_keys_are_read() {
    let text = "x-health: &slow { interval: 90 }\nproviders:\n  - &first\n    id: a\n    type: vllm\n    health: *slow\n    idle_timeout: 5\n  - <<: *first\n    id: b\n";
    let loaded = Place::holding(text).load(&[]).unwrap();
    assert!(loaded.issues.is_empty(), "{:#?}", loaded.issues);
    for id in ["a", "b"] {
        assert_eq!(profile(&loaded, id).timeouts.probe_interval, Duration::from_secs(90));
        assert_eq!(profile(&loaded, id).timeouts.idle, Duration::from_secs(5));
    }
}

#[test]
fn variables_come_from_the_environment_then_env_files_beside_the_file_and_in_the_working_folder() {
    let place = Place::holding(
        "providers:\n  - id: a\n    type: openai_compatible\n    endpoint: http://127.0.0.1:${PORT}\n    authToken: ${KEY}\n    max_retries: ${RETRIES:-7}\n    enabled: ${ON}\n    name: ${BESIDE} $${PORT}\n",
    );
    place.write(".env", "BESIDE=beside\nPORT=1\nON=false\n");
    place.write("work/.env", "BESIDE=working\nKEY='a key'\nON=true\n");
    let loaded = place.load(&[("PORT", "4000")]).unwrap();
    let made = profile(&loaded, "a");
    assert_eq!(made.endpoint.api_base, "http://127.0.0.1:4000/v1");
    assert_eq!(made.key.as_ref().unwrap().expose(), "a key");
    assert_eq!(made.max_retries, 7);
    assert!(!made.enabled);
    assert_eq!(made.name, "beside ${PORT}");
    assert!(std::env::var("BESIDE").is_err());
    place.write("work/.env", "this is not a line with a secret sk-1\n");
    let loaded = place.load(&[("KEY", "k"), ("ON", "true")]).unwrap();
    let issue = said(&loaded.issues, "line 1 is not NAME=value");
    assert!(!format!("{issue:?}").contains("sk-1"));
}

#[test]
fn a_value_of_a_dot_env_is_what_stands_there() {
    let key = |line: &str| {
        let place = Place::holding("providers:\n  - { id: a, type: vllm, authToken: '${KEY}' }\n");
        place.write(".env", format!("{line}\n"));
        let loaded = place.load(&[]).unwrap();
        (profile(&loaded, "a").key.as_ref().unwrap().expose().to_owned(), loaded.issues)
    };
    for line in ["KEY='a$b'", "KEY=a$b", "KEY=\"a$b\"", "export KEY=a\\$b"] {
        let (read, issues) = key(line);
        assert_eq!((read.as_str(), issues.len()), ("a$b", 0), "{line}: {issues:?}");
    }
    let (read, issues) = key("KEY=x${HOME}y");
    assert_eq!(read, "x${HOME}y");
    let issue = said(&issues, "line 1 refers to another variable, which is taken as it stands");
    assert_eq!(issue.remedy, "write the value itself");
    assert_eq!(key("KEY='x${HOME}y'").1.len(), 0, "single quotes mean it");
}

#[test]
fn what_looks_like_a_reference_and_is_none_is_told() {
    let place = Place::holding(
        "providers:\n  - { id: a, type: vllm, authToken: '${MY KEY}' }\n  - { id: b, type: vllm, name: 'costs $${5}' }\n",
    );
    let loaded = place.load(&[]).unwrap();
    let issue = said(&loaded.issues, "holds a ${ that is no reference");
    assert_eq!((issue.severity, issue.line), (Severity::Warning, Some(2)));
    let told = loaded.issues.iter().filter(|issue| issue.message.contains("no reference")).count();
    assert_eq!(told, 1, "an escaped one is meant");
}

#[test]
fn an_unset_variable_is_a_warning_and_only_its_provider_is_withheld() {
    let place = Place::holding(
        "providers:\n  - { id: a, type: openai, authToken: '${MISSING_KEY}' }\n  - { id: b, type: lm_studio }\n  - { id: c, type: openai_compatible, endpoint: '${MISSING_URL}' }\ngateway:\n  listen: ${MISSING_LISTEN}\n",
    );
    let loaded = place.load(&[]).unwrap();
    let names: Vec<_> = loaded.issues.iter().map(|issue| (issue.severity, issue.message.as_str())).collect();
    assert_eq!(
        names,
        [
            (Severity::Warning, "MISSING_KEY is not set, so a cannot be used"),
            (Severity::Warning, "MISSING_URL is not set, so c cannot be used"),
            (Severity::Warning, "MISSING_LISTEN is not set, so gateway.listen counts as not given"),
        ]
    );
    assert_eq!(
        profile(&loaded, "a").withheld.as_ref().unwrap().sentence,
        "MISSING_KEY is not set: set it in the environment or in .env"
    );
    assert!(profile(&loaded, "b").withheld.is_none());
    assert!(profile(&loaded, "c").withheld.is_some());
    assert_eq!(loaded.config.gateway.listen.port(), 4141);
}

#[test]
fn a_file_whose_protection_comes_to_nothing_is_not_used() {
    let policy = |rest: &str| format!("routing:\n  policies:\n    - name: guard\n      {rest}\n");
    for (text, path) in [
        (policy("use: ['${UNSET}']"), "routing.policies.0.use.0"),
        (policy("use: ${UNSET}"), "routing.policies.0.use"),
        (policy("use: [local, 'zai/${UNSET}']\n      local_only: true"), "routing.policies.0.use.1"),
        (policy("use: [local, '${UNSET}']\n      deny: not here"), "routing.policies.0.use.1"),
        (policy("local_only: ${UNSET}"), "routing.policies.0.local_only"),
        (policy("local_only: ${NOTHING}"), "routing.policies.0.local_only"),
        (policy("priority: ${UNSET}"), "routing.policies.0.priority"),
        ("routing:\n  policies:\n    - { name: '${UNSET}', local_only: true }\n".into(), "routing.policies.0.name"),
        (policy("use: ['${UNSET:-}']"), "routing.policies.0.use"),
        (policy("use: [' ']"), "routing.policies.0.use"),
        ("routing:\n  policies:\n    - { name: '', local_only: true }\n".into(), "routing.policies.0"),
        ("routing: { request_priorities: { prayer: ['${UNSET}'] } }\n".into(), "routing.request_priorities.prayer"),
        ("budget: { daily_limit: '${UNSET}' }\n".into(), "budget.daily_limit"),
        ("cost_optimization: { daily_budget_limit: '${UNSET}' }\n".into(), "cost_optimization.daily_budget_limit"),
        ("gateway: { api_keys: ['${UNSET}'] }\n".into(), "gateway.api_keys"),
        ("gateway: { api_keys: [{ name: '${UNSET}', key: right-key }] }\n".into(), "gateway.api_keys.0.name"),
        // A blank protects no better than nothing.
        (policy("local_only: ${UNSET:-}"), "routing.policies.0.local_only"),
        ("budget: { daily_limit: '${UNSET:-}' }\n".into(), "budget.daily_limit"),
        ("routing: { request_priorities: { prayer: ['${UNSET:-}'] } }\n".into(), "routing.request_priorities.prayer"),
        ("gateway: { api_keys: [''] }\n".into(), "gateway.api_keys.0"),
        ("gateway: { api_keys: ['', another-key-of-twenty] }\n".into(), "gateway.api_keys.0"),
        ("gateway: { api_keys: [{ name: batch, key: '' }] }\n".into(), "gateway.api_keys.0"),
        ("gateway: { api_keys: [{ name: ' ', key: right-key }] }\n".into(), "gateway.api_keys.0"),
    ] {
        let place = Place::holding(&text);
        let unusable = place.load(&[("NOTHING", "null")]).unwrap_err();
        let errors: Vec<_> = unusable.issues.iter().filter(|issue| issue.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{text}: {errors:#?}");
        assert_eq!(errors[0].path, path, "{text}");
        assert!(errors[0].line.is_some() && !errors[0].remedy.is_empty(), "{text}");
        if text.contains("${UNSET}") {
            assert!(errors[0].message.starts_with("UNSET is not set"), "{}", errors[0].message);
            let told = unusable.issues.iter().filter(|issue| issue.message.contains("UNSET")).count();
            assert_eq!(told, 1, "said once: {:#?}", unusable.issues);
        }
    }
    // What still holds without the variable is a warning at most.
    for text in [
        policy("enabled: false\n      use: ['${UNSET}']"),
        policy("use: [local, 'zai/${UNSET}']"),
        policy("use: [local, zai, '${UNSET}']"),
        policy("mode: observe\n      temperature: ${UNSET}\n      use: [local]"),
        policy("mode: observe\n      use: ['${UNSET}']"),
        policy("mode: ${UNSET}\n      local_only: true"),
        policy("temperature: ${UNSET}\n      max_tokens: 5"),
        policy("timeout: ${UNSET}\n      fallback: strategy"),
        "routing: { request_priorities: { prayer: ['${UNSET}', local] } }\n".into(),
        "cost_optimization: { daily_budget_limit: '${UNSET}' }\nbudget: { daily_limit: 5 }\n".into(),
        "gateway: { api_keys: ['${UNSET:-}'] }\n".into(),
        "gateway: { api_keys: ['${UNSET}', another-key-of-twenty] }\n".into(),
    ] {
        let loaded = Place::holding(&text).load(&[]).unwrap_or_else(|unusable| panic!("{text}: {unusable:#?}"));
        let told = loaded.issues.iter().filter(|issue| issue.message.starts_with("UNSET is not set"));
        assert_eq!(told.count(), usize::from(!text.contains(":-")), "{text}: {:#?}", loaded.issues);
    }
}

#[test]
fn without_a_file_the_environment_gives_providers() {
    let place = Place::new();
    let store = ConfigFile::open(place.source(None, &[]));
    let loaded = store.load().unwrap();
    assert_eq!((loaded.file, loaded.config.providers.len()), (None, 0));
    assert_eq!(Path::new(&loaded.would_write), place.path("home/lmdeck/ai_models.yaml"));
    let environment =
        [("LM_STUDIO_BASE_URL", "box:1234/v1"), ("OPENAI_API_KEY", "sk-0123456789abcdef"), ("OLLAMA_HOST", "0.0.0.0")];
    let loaded = ConfigFile::open(place.source(None, &environment)).load().unwrap();
    let ids: Vec<_> = loaded.config.providers.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["lm_studio", "ollama", "openai"]);
    assert_eq!(profile(&loaded, "lm_studio").endpoint.api_base, "http://box:1234/v1");
    assert_eq!(profile(&loaded, "ollama").endpoint.api_base, "http://127.0.0.1:11434/v1");
    let openai = profile(&loaded, "openai");
    assert_eq!(openai.key_source, KeySource::Variable { name: "OPENAI_API_KEY".into() });
    assert!(openai.withheld.is_none() && openai.place.is_empty());
    let broken = ConfigFile::open(place.source(None, &[("OLLAMA_HOST", "ftp://x")])).load().unwrap();
    said(&broken.issues, "the address of ollama (from OLLAMA_HOST): ftp:// cannot be used");
    assert!(broken.config.providers.is_empty());
}

#[test]
fn the_file_is_looked_up_in_order() {
    let place = Place::new();
    let ask = |config: Option<&str>, environment: &[(&str, &str)]| {
        let loaded = ConfigFile::open(place.source(config, environment)).load().unwrap();
        (loaded.config.limits.queue, loaded.file.is_some())
    };
    place.write("home/lmdeck/ai_models.yaml", "limits: { queue: 1 }");
    assert_eq!(ask(None, &[]), (1, true));
    place.write("work/config/ai_models.yaml", "limits: { queue: 2 }");
    assert_eq!(ask(None, &[]), (2, true));
    place.write("work/variable.yaml", "limits: { queue: 3 }");
    assert_eq!(ask(None, &[("LMDECK_CONFIG", "variable.yaml")]), (3, true));
    place.write("named.yaml", "limits: { queue: 4 }");
    assert_eq!(ask(Some("named.yaml"), &[("LMDECK_CONFIG", "variable.yaml")]), (4, true));
    assert_eq!(ask(Some("nothing-here.yaml"), &[]), (256, false));
}

#[test]
fn keys_do_not_go_to_strangers_until_that_is_allowed() {
    let text = |host: &str| {
        format!(
            "providers:\n  - id: a\n    type: openai_compatible\n    endpoint: {host}\n    authToken: ${{OPENAI_API_KEY}}\n"
        )
    };
    for (host, goes) in [
        ("https://api.openai.com/v1", true),
        ("http://127.0.0.1:1", true),
        ("http://192.168.0.3:1", true),
        ("https://api.openai.com.evil.example/v1", false),
        ("http://api.openai.com/v1", false),
        ("https://llm.example/v1", false),
    ] {
        let loaded = Place::holding(&text(host)).load(KEYS).unwrap();
        let made = profile(&loaded, "a");
        assert_eq!((made.withheld.is_none(), made.key.is_some()), (goes, goes), "{host}");
    }
    let place = Place::new();
    place.write("work/config/ai_models.yaml", text("https://llm.example/v1"));
    let store = || ConfigFile::open(place.source(None, KEYS));
    let loaded = store().load().unwrap();
    let issue = said(&loaded.issues, "OPENAI_API_KEY would be sent to llm.example");
    assert_eq!((issue.line, issue.remedy.as_str()), (Some(4), "if that is meant: lmdeck config trust"));
    crate::config_trust::allow(&store()).unwrap();
    assert!(profile(&store().load().unwrap(), "a").withheld.is_none());
    // An edit elsewhere keeps the permission; another host asks again.
    store().edit(&ConfigEdit::Set { path: "limits.queue".into(), value: "3".into() }, false).unwrap();
    assert!(profile(&store().load().unwrap(), "a").withheld.is_none());
    place.write("work/config/ai_models.yaml", text("https://other.example/v1"));
    assert!(profile(&store().load().unwrap(), "a").withheld.is_some());
}

#[test]
fn a_key_never_shows_up_in_a_finding() {
    let text = "providers:\n  - id: a\n    type: openai\n    authToken: [hunter2-hunter2]\n    autToken: swordfish\n    endpoint: https://u:swordfish@x\n";
    let unusable = Place::holding(text).load(&[]).unwrap_err();
    let shown = format!("{:?}", unusable.issues);
    assert!(unusable.issues.len() >= 2);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("autToken: swordfish"), "{shown}");
    // Not on the line that names it, and not where another finding shows the line.
    for text in [
        "gateway:\n  api_keys:\n    - 12345678\n",
        "gateway:\n  api_keys:\n    - true\n    - swordfish\n",
        "providers:\n  - id: a\n    type: openai\n    authToken:\n      12345678\n",
        "providers: [{ id: a, type: openai, authToken:\n      swordfish, nonsense: 1 }]\nlimits: 3\n",
        "providers:\n  - id: a\n    authToken:\n      swordfish: a: b\n",
    ] {
        let unusable = Place::holding(text).load(&[]).unwrap_err();
        let shown = format!("{:?}", unusable.issues);
        assert!(!shown.contains("12345678") && !shown.contains("swordfish"), "{shown}");
    }
    let broken = Place::holding("gateway:\n  api_keys: [hunter2-hunter2\n").load(&[]).unwrap_err();
    assert!(!format!("{:?}", broken.issues).contains("hunter2"));
    let url =
        Place::holding("providers:\n  - { id: a, type: vllm, endpoint: 'https://x.example/${OPENAI_API_KEY}' }\n");
    let unusable = url.load(KEYS).unwrap_err();
    assert!(unusable.issues[0].message.contains("holds OPENAI_API_KEY, which is a key"));
    assert!(!format!("{:?}", unusable.issues).contains("sk-openai"));
}

#[cfg(unix)]
#[test]
fn a_key_in_a_file_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::holding("providers:\n  - { id: a, type: openai, authToken: hunter2-hunter2 }\n");
    let mode =
        |mode| std::fs::set_permissions(place.path("ai_models.yaml"), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let loaded = place.load(&[]).unwrap();
    assert!(said(&loaded.issues, "a key stands in a file that others").remedy.starts_with("chmod 600 "));
    assert_eq!(profile(&loaded, "a").key_source, KeySource::File { tail: Some("ter2".into()) });
    mode(0o600);
    assert!(place.load(&[]).unwrap().issues.is_empty());
}

#[tokio::test]
async fn a_change_on_disk_is_told_once() {
    let place = Place::holding("limits: { queue: 1 }\n");
    let store = place.store(&[]);
    let mut changes = store.changes();
    let before = *changes.borrow_and_update();
    // The way editors save: a new file takes the old one's place.
    place.write("new.tmp", "limits: { queue: 2 }\n");
    std::fs::rename(place.path("new.tmp"), place.path("ai_models.yaml")).unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(20), changes.changed()).await;
    assert!(waited.is_ok());
    assert_eq!(*changes.borrow_and_update(), before + 1);
    assert_eq!(store.load().unwrap().config.limits.queue, 2);
    place.write("other.yaml", "unrelated: 1\n");
    std::fs::remove_file(place.path("ai_models.yaml")).unwrap();
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    assert_eq!(*changes.borrow_and_update(), before + 2);
}

#[tokio::test]
async fn what_is_saved_between_the_first_reading_and_the_watch_is_not_missed() {
    let place = Place::holding("limits: { queue: 1 }\n");
    let store = place.store(&[]);
    store.load().unwrap();
    assert!(!store.changes().has_changed().unwrap(), "nothing was saved");
    place.write("ai_models.yaml", "limits: { queue: 2 }\n");
    assert!(store.changes().has_changed().unwrap());
    // So is a variable that the file may refer to.
    let store = place.store(&[]);
    store.load().unwrap();
    place.write("work/.env", "QUEUE=3\n");
    assert!(store.changes().has_changed().unwrap());

    let place = Place::holding("limits: { queue: 1 }\n");
    let store = place.store(&[]);
    store.load().unwrap();
    place.write(".env", "Z_AI_API_KEY=mended\n");
    assert!(store.changes().has_changed().unwrap(), "the file of variables counts as well");

    let place = Place::holding("limits: { queue: 1 }\n");
    std::fs::write(place.path("ai_models.yaml"), b"limits: \xff\n").unwrap();
    let store = place.store(&[]);
    assert!(store.load().is_err());
    place.write("ai_models.yaml", "limits: { queue: 2 }\n");
    assert!(store.changes().has_changed().unwrap(), "also where nothing could be read at first");
}

#[test]
fn a_dot_env_that_cannot_be_read_is_told_with_what_to_do_about_it_and_a_folder_is_none() {
    let place = Place::holding("limits: { queue: 1 }\n");
    std::fs::create_dir_all(place.path("work/.env/bin")).unwrap();
    place.write(".env", b"A=1\nB=\xe9\n");
    let issues = place.load(&[]).unwrap().issues;
    let said: Vec<_> = issues.iter().map(|issue| (issue.message.as_str(), issue.remedy.as_str())).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].0.ends_with(".env: line 2 is not valid UTF-8, so it has another encoding or is no text file"));
    assert_eq!(said[0].1, "save the file as UTF-8");
}

/// Pieces of YAML, in orders that nobody would write.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "providers:",
        "lm_studio:",
        "- ",
        "id: ",
        "a",
        "type: ",
        "vllm",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "&x ",
        "*x",
        "<<: ",
        "|\n",
        ">-\n",
        "# c",
        "!!str ",
        "? ",
        "---\n",
        "...\n",
        "${A}",
        "${",
        "\r\n",
        "\u{feff}",
        "é",
        "%YAML 1.2\n",
        "1",
        "-",
        "~",
    ]);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_stands_in_the_file_reading_ends_and_says_something(text in prop_oneof![soup(), "\\PC{0,200}"]) {
        let place = Place::holding(&text);
        let store = place.store(&[]);
        match store.load() {
            Ok(loaded) => prop_assert!(loaded.issues.iter().all(|issue| issue.severity != Severity::Error)),
            Err(unusable) => prop_assert!(unusable.issues.iter().any(|issue| !issue.message.is_empty())),
        }
        let edit = ConfigEdit::Set { path: "limits.queue".into(), value: "3".into() };
        if store.edit(&edit, false).is_ok() {
            let now = store.load().map(|loaded| loaded.config.limits.queue);
            prop_assert!(now.is_err() || matches!(now, Ok(3)));
        } else {
            prop_assert_eq!(std::fs::read_to_string(place.path("ai_models.yaml")).unwrap(), text);
        }
    }
}

#[test]
fn a_condition_that_cannot_be_read_is_an_error_with_its_place_and_a_hint() {
    for (when, column, hint) in [
        (r#"request.type = "x""#, 27, "=="),
        (r#"request.type == "x" and request.stream"#, 34, "&&"),
        (r#"request.type == ("x""#, 30, "close it with )"),
        (r"request.type ==", 29, "has to follow"),
        (r#"request.typ == "x""#, 22, "did you mean request.type?"),
        (r#"request.model.matches("[")"#, 36, "contains"),
    ] {
        let text = format!(
            "routing:\n  policies:\n    - name: p\n      use: [local]\n      when: '{when}'\nproviders:\n  - {{ id: a, type: llama_cpp }}\n"
        );
        let place = Place::holding(&text);
        let unusable = place.load(&[]).expect_err(when);
        let issue = &unusable.issues[0];
        assert_eq!((issue.line, issue.column), (Some(5), Some(column)), "{issue:?}");
        assert!(issue.message.starts_with("the condition cannot be read"), "{issue:?}");
        assert!(issue.remedy.contains(hint), "{when}: {issue:?}");
    }
    let deep = format!("{}1{} == 1", "(".repeat(5000), ")".repeat(5000));
    let text = format!("routing:\n  policies:\n    - name: p\n      use: [local]\n      when: '{deep}'\n");
    assert!(Place::holding(&text).load(&[]).is_err(), "a deep condition is refused, not followed");
}

#[test]
fn pages_are_named_by_their_origins_and_any_page_only_beside_keys() {
    let text = |rest: &str| format!("gateway:\n  {rest}\n");
    let read = |rest: &str| Place::holding(&text(rest)).load(&[("PAGE", "https://three.example")]);
    let loaded =
        read("cors_origins: [HTTPS://One.example:443, 'http://localhost:3000', '${PAGE}', '${NONE:-}']").unwrap();
    assert_eq!(
        loaded.config.gateway.cors_origins,
        ["https://one.example", "http://localhost:3000", "https://three.example"]
    );
    assert!(loaded.issues.is_empty(), "{:?}", loaded.issues);
    assert!(Place::holding("{}").load(&[]).unwrap().config.gateway.cors_origins.is_empty());

    let issues = errors(&text("cors_origins: [https://one.example, https://two.example/chat]"));
    let issue = said(&issues, "is not the origin of a page: it goes on after the host");
    assert_eq!((issue.line, issue.column, issue.remedy.as_str()), (Some(2), Some(39), "write https://two.example"));
    let issues = errors(&text("cors_origins: ['*']"));
    assert!(said(&issues, "a page of any web site").remedy.contains("gateway.api_keys"));
    let loaded = read("{ cors_origins: ['*'], api_keys: [a-long-key-of-mine] }").unwrap();
    assert_eq!(loaded.config.gateway.cors_origins, ["*"]);
}

#[test]
fn a_collector_is_an_address_and_gets_keys_and_foreign_files_only_when_that_is_allowed() {
    let text = |address: &str| format!("telemetry:\n  otlp_endpoint: {address}\n");
    let collector = |loaded: &Loaded| loaded.config.telemetry.otlp.as_ref().map(|it| it.endpoint.api_base.clone());
    let loaded = Place::holding(&text("http://127.0.0.1:4318/v1/traces")).load(&[]).unwrap();
    assert_eq!(collector(&loaded).as_deref(), Some("http://127.0.0.1:4318"));
    assert_eq!(said(&loaded.issues, "put behind the collector's address").severity, Severity::Note);
    for none in ["null", "''", "${NOWHERE:-}"] {
        assert_eq!(collector(&Place::holding(&text(none)).load(&[]).unwrap()), None, "{none}");
    }
    let loaded = Place::holding(&text("http://127.0.0.1:4317")).load(&[]).unwrap();
    assert_eq!(said(&loaded.issues, "port 4317").remedy, "write port 4318, where they take HTTP");
    let issues = errors(&text("ftp://collector"));
    assert_eq!((said(&issues, "the collector's address: ftp://").line, issues.len()), (Some(2), 1));
    let with_key = Place::holding(&text("https://otlp.example/${MY_API_KEY}")).load(&[("MY_API_KEY", "hunter2")]);
    assert!(said(&with_key.unwrap_err().issues, "holds MY_API_KEY").remedy.contains("OTEL_EXPORTER_OTLP_HEADERS"));

    // The headers come from the environment; with them a public host is asked about first.
    let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0, oops")];
    for (address, variables, goes) in [
        ("http://127.0.0.1:4318", &headers[..], true),
        ("http://192.168.0.3:4318", &headers[..], true),
        ("https://otlp.example", &headers[..], false),
        ("https://otlp.example", &[][..], true),
    ] {
        let loaded = Place::holding(&text(address)).load(variables).unwrap();
        assert_eq!(collector(&loaded).is_some(), goes, "{address}");
        let shown = format!("{:?} {:?}", loaded.issues, loaded.config.telemetry);
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert_eq!(loaded.issues.iter().any(|issue| issue.message.contains("its part 2")), !variables.is_empty());
    }
    let place = Place::holding(&text("https://otlp.example"));
    let issue = said(&place.load(&headers).unwrap().issues, "would be sent to otlp.example").clone();
    assert_eq!((issue.line, issue.remedy.as_str()), (Some(2), "if that is meant: lmdeck config trust"));
    let store = place.store(&headers);
    store.load().unwrap();
    crate::config_trust::allow(&store).unwrap();
    let loaded = place.load(&headers).unwrap();
    let sent = &loaded.config.telemetry.otlp.as_ref().unwrap().headers;
    assert_eq!((sent[0].0.as_str(), sent[0].1.expose()), ("authorization", "Basic c2VjcmV0"));

    // A file that merely lies there sends nothing off this machine before that is allowed.
    for (address, goes) in [("http://127.0.0.1:4318", true), ("https://otlp.example", false)] {
        let place = Place::new();
        place.write("work/config/ai_models.yaml", text(address));
        let loaded = ConfigFile::open(place.source(None, &[])).load().unwrap();
        assert_eq!(collector(&loaded).is_some(), goes, "{address}");
    }
}
