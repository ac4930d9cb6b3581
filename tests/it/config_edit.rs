//! Edits of a person's file: only what was asked for changes, and what cannot be done safely is refused.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::format_push_string, reason = "generated files read like files")]

use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::domain::config::{Issue, Severity};
use lmdeck::domain::ids::ProviderId;
use lmdeck::domain::kind::Kind;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore};
use lmdeck::engine::protocol::{DraftSecret, EditReport, PolicyEdit, PolicyPlace, ProviderDraft, Refusal};
use proptest::prelude::*;
use std::path::PathBuf;

const ORIGINAL: &str = include_str!("../../config/ai_models.original-layout.yaml");
const EXAMPLE: &str = include_str!("../../config/ai_models.example.yaml");

struct Desk {
    folder: tempfile::TempDir,
    store: ConfigFile,
}

impl Desk {
    fn with(text: &str) -> Self {
        let desk = Self::empty(&[]);
        std::fs::write(desk.file(), text).unwrap();
        desk.store.load().unwrap();
        desk
    }

    fn empty(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ConfigFile::open(source(folder.path().join("ai_models.yaml"), &folder, environment));
        Self { folder, store }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ai_models.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "calls read better without a borrow")]
    fn edit(&self, edit: ConfigEdit) -> Result<EditReport, Refusal> {
        self.store.edit(&edit, false)
    }

    fn set(&self, path: &str, value: &str) -> Result<EditReport, Refusal> {
        self.edit(ConfigEdit::Set { path: path.into(), value: value.into() })
    }

    fn draft(&self, id: &str) -> ProviderDraft {
        let loaded = self.store.load().unwrap();
        let profile = loaded.config.provider(&ProviderId::from(id)).unwrap().clone();
        ProviderDraft {
            id: id.into(),
            name: Some(profile.name.clone()),
            kind: Some(profile.kind),
            endpoint: profile.endpoint.written.clone(),
            auth_token: None,
            models: Some(profile.models.iter().map(|model| model.id.to_string()).collect()),
            local: Some(profile.local),
            enabled: Some(profile.enabled),
        }
    }
}

fn source(file: PathBuf, folder: &tempfile::TempDir, environment: &[(&str, &str)]) -> Source {
    Source {
        config: Some(file),
        environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        working_folder: folder.path().to_owned(),
        config_folder: None,
        state_folder: folder.path().join("state"),
    }
}

/// The lines that differ, as `-old` and `+new`.
fn changed(report: &EditReport) -> Vec<String> {
    let marked = |line: &&str| {
        (line.starts_with('-') || line.starts_with('+')) && !line.starts_with("---") && !line.starts_with("+++")
    };
    report.difference.lines().filter(marked).map(ToOwned::to_owned).collect()
}

fn add(id: &str, kind: Kind, endpoint: &str) -> ProviderDraft {
    ProviderDraft {
        id: id.into(),
        kind: Some(kind),
        endpoint: endpoint.into(),
        enabled: Some(true),
        ..ProviderDraft::default()
    }
}

#[test]
fn a_value_changes_alone_and_keeps_its_quotes_and_its_comment() {
    let desk = Desk::with(ORIGINAL);
    let report = desk.set("lm_studio.base_url", "http://127.0.0.1:5678").unwrap();
    assert_eq!(changed(&report), ["-  base_url: \"http://127.0.0.1:1234\"", "+  base_url: \"http://127.0.0.1:5678\""]);
    assert!(report.written);
    assert_eq!(report.section, "lm_studio");
    let report = desk.set("model_selection.strategy", "prefer_cloud").unwrap();
    assert_eq!(
        changed(&report)[1],
        "+  strategy: \"prefer_cloud\"  # prefer_local, prefer_cloud, cost_optimized, quality_optimized"
    );
    desk.set("lm_studio.base_url", "http://127.0.0.1:1234").unwrap();
    desk.set("model_selection.strategy", "prefer_local").unwrap();
    assert_eq!(desk.text(), ORIGINAL);
}

#[test]
fn an_edit_takes_back_nothing_that_others_changed_and_an_emptied_name_goes() {
    let desk = Desk::with(EXAMPLE);
    desk.set("providers.workstation.endpoint", "http://192.168.1.99:8080").unwrap();
    desk.set("providers.workstation.enabled", "false").unwrap();
    let named =
        |name: &str| ProviderDraft { id: "workstation".into(), name: Some(name.into()), ..ProviderDraft::default() };
    let edit =
        |name: &str| desk.edit(ConfigEdit::EditProvider { id: "workstation".into(), draft: named(name) }).unwrap();
    assert!(changed(&edit("Mine")).iter().all(|line| line.contains("name")), "only the name");
    assert!(desk.text().contains("http://192.168.1.99:8080") && desk.text().contains("name: Mine"));
    let report = edit("");
    assert!(changed(&report).iter().any(|line| line.starts_with('-') && line.contains("Mine")), "{report:?}");
    assert!(report.written && !desk.text().contains("Mine"));
    assert!(!edit("").written, "there is no name any more");
}

#[test]
fn paths_name_list_entries_by_number_providers_by_id_and_keys_with_dots_as_they_are() {
    let desk = Desk::with(ORIGINAL);
    let report = desk.set("fallback_models.1.model", "claude-haiku-4-5").unwrap();
    assert_eq!(changed(&report)[1], "+    model: \"claude-haiku-4-5\"");
    let report = desk.set("lm_studio.model_settings.aquif-3.5-max-42b-a3b-i1.max_tokens", "2000").unwrap();
    assert_eq!(changed(&report), ["-      max_tokens: 3072", "+      max_tokens: 2000"]);

    let desk = Desk::with(EXAMPLE);
    let report = desk.set("providers.zai.enabled", "false").unwrap();
    assert_eq!(changed(&report), ["+    enabled: false"]);
    let report = desk.set("providers.claude.enabled", "true").unwrap();
    assert_eq!(changed(&report), ["-    enabled: false", "+    enabled: true"]);
    let report = desk.set("providers.lm_studio.health.interval", "60").unwrap();
    assert_eq!(changed(&report)[1], "+    health: { interval: 60, timeout: 2, retries: 2 }");
}

#[test]
fn a_wrong_value_is_refused_with_what_is_allowed() {
    let desk = Desk::with(EXAMPLE);
    for (path, value, message, exit) in [
        (
            "routing.strategy",
            "prefer_lokal",
            "routing.strategy: expected one of prefer_local, prefer_cloud, cost_optimized, quality_optimized",
            2,
        ),
        ("limits.queue", "many", "limits.queue: expected a whole number from 0 to 100000", 2),
        ("providers.zai.enabled", "maybe", "providers.zai.enabled: expected true or false", 2),
        (
            "providers.nobody.enabled",
            "true",
            "providers.nobody.enabled leads nowhere: providers has no entry with the id nobody",
            2,
        ),
        ("limits.quee", "3", "there is no key limits.quee", 2),
        (
            "providers.zai.endpoint",
            "ftp://x",
            "the edit would make the file unusable: the address of zai: ftp:// cannot be used: write http:// or https://",
            3,
        ),
        (
            "providers.zai.id",
            "lm_studio",
            "the edit would make the file unusable: the provider lm_studio stands twice: in line 5 and in line 35",
            3,
        ),
    ] {
        let refusal = desk.set(path, value).unwrap_err();
        assert_eq!(refusal.message, message);
        assert_eq!(refusal.exit, exit, "{path}");
        assert!(!refusal.remedy.is_empty());
    }
    assert_eq!(desk.set("limits.quee", "3").unwrap_err().remedy, "did you mean limits.queue?");
    assert_eq!(desk.text(), EXAMPLE);
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let desk = Desk::with(ORIGINAL);
    let report = desk.store.edit(&ConfigEdit::SetStrategy("prefer_cloud".into()), true).unwrap();
    assert_eq!(report.lines_changed, 1);
    assert!(!report.written);
    assert_eq!(desk.text(), ORIGINAL);
    assert!(!desk.store.load().unwrap().can_undo);
}

#[test]
fn a_new_provider_goes_to_providers_and_undo_brings_the_old_file_back() {
    for text in [ORIGINAL, EXAMPLE] {
        let desk = Desk::with(text);
        let draft = ProviderDraft {
            auth_token: Some(DraftSecret("${BOX_KEY:-}".into())),
            models: Some(vec!["smollm2".into()]),
            ..add("box", Kind::LlamaCpp, "http://127.0.0.1:9931")
        };
        let report = desk.edit(ConfigEdit::AddProvider(draft)).unwrap();
        assert!(report.written);
        assert!(changed(&report).iter().all(|line| line.starts_with('+')), "{}", report.difference);
        let loaded = desk.store.load().unwrap();
        let made = loaded.config.provider(&ProviderId::from("box")).unwrap();
        assert_eq!(made.endpoint.api_base, "http://127.0.0.1:9931/v1");
        assert_eq!(made.models[0].id.as_str(), "smollm2");
        assert!(loaded.can_undo);
        desk.store.undo().unwrap();
        assert_eq!(desk.text(), text);
        assert_eq!(desk.store.undo().unwrap_err().exit, 1);
    }
}

#[test]
fn an_entry_added_to_the_example_looks_like_its_neighbours() {
    let desk = Desk::with(EXAMPLE);
    let report = desk.edit(ConfigEdit::AddProvider(add("box", Kind::LlamaCpp, ""))).unwrap();
    assert_eq!(
        changed(&report),
        ["+  - id: box", "+    type: llama_cpp", "+    endpoint: http://127.0.0.1:8080", "+    enabled: true", "+"]
    );
    assert!(desk.text().contains("    enabled: false\n\n  - id: box\n"), "{}", desk.text());
}

#[test]
fn the_first_save_makes_a_private_file_and_keeps_what_the_environment_gave() {
    let desk = Desk::empty(&[("OPENAI_API_KEY", "sk-test-0123456789")]);
    assert_eq!(desk.store.load().unwrap().file, None);
    let report = desk.edit(ConfigEdit::AddProvider(add("lm", Kind::LmStudio, "127.0.0.1:1234"))).unwrap();
    assert!(report.issues.iter().any(|issue| issue.message.starts_with("openai was known from the environment")));
    let loaded = desk.store.load().unwrap();
    let ids: Vec<_> = loaded.config.providers.iter().map(|provider| provider.id.to_string()).collect();
    assert_eq!(ids, ["openai", "lm"]);
    assert!(!desk.text().contains("sk-test"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(desk.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    desk.store.undo().unwrap();
    assert!(!desk.file().exists());
}

#[test]
fn a_form_edits_the_section_where_the_provider_stands() {
    let desk = Desk::with(ORIGINAL);
    let draft = ProviderDraft { endpoint: "http://127.0.0.1:4321".into(), ..desk.draft("lm_studio") };
    let report = desk.edit(ConfigEdit::EditProvider { id: "lm_studio".into(), draft }).unwrap();
    assert_eq!(changed(&report)[1], "+  base_url: \"http://127.0.0.1:4321\"");
    let draft = ProviderDraft { models: Some(vec!["glm-4.7".into()]), ..desk.draft("z_ai_glm") };
    let report = desk.edit(ConfigEdit::EditProvider { id: "z_ai_glm".into(), draft }).unwrap();
    assert_eq!(changed(&report), ["-  model_name: \"glm-4.6\"", "+  model_name: \"glm-4.7\""]);
    let report = desk.edit(ConfigEdit::EnableProvider { id: "anthropic".into(), enabled: false }).unwrap();
    assert_eq!(changed(&report), ["+    enabled: false"]);
    let loaded = desk.store.load().unwrap();
    assert!(!loaded.config.provider(&"anthropic".into()).unwrap().enabled);
    assert!(loaded.config.provider(&"openai".into()).unwrap().enabled);
    let draft = ProviderDraft { auth_token: Some(DraftSecret(String::new())), ..desk.draft("openai") };
    let report = desk.edit(ConfigEdit::EditProvider { id: "openai".into(), draft }).unwrap();
    assert_eq!(changed(&report), ["-    api_key: \"${OPENAI_API_KEY}\""]);
    let draft = desk.draft("openai");
    let report = desk.edit(ConfigEdit::EditProvider { id: "openai".into(), draft }).unwrap();
    assert_eq!((report.lines_changed, report.written), (0, false));
}

#[test]
fn a_model_that_stays_keeps_its_settings() {
    let desk = Desk::with(EXAMPLE);
    let draft = ProviderDraft { models: Some(vec!["new-one".into(), "qwen3-32b".into()]), ..desk.draft("workstation") };
    let report = desk.edit(ConfigEdit::EditProvider { id: "workstation".into(), draft }).unwrap();
    assert_eq!(changed(&report), ["+      - new-one"]);
}

#[test]
fn removing_a_provider_mends_the_orders_that_name_it_and_nothing_else() {
    let desk = Desk::with(ORIGINAL);
    let report = desk.edit(ConfigEdit::RemoveProvider { id: "z_ai_glm".into() }).unwrap();
    let text = desk.text();
    assert!(!text.contains("z_ai_glm:\n"), "{text}");
    assert!(text.contains("# The primary cloud model\n"), "{text}");
    assert!(text.contains("# The local server\nlm_studio:\n"), "{text}");
    assert!(text.contains("    prayer_generation: [\"lm_studio\", \"openai\", \"anthropic\"]\n"), "{text}");
    assert!(
        report.issues.iter().any(|issue| issue.message == "the order of prayer_generation no longer names z_ai_glm")
    );
    let report = desk.edit(ConfigEdit::RemoveProvider { id: "anthropic".into() }).unwrap();
    assert!(desk.text().contains("# Which target a request goes to\n"), "{}", report.difference);
    desk.edit(ConfigEdit::RemoveProvider { id: "openai".into() }).unwrap();
    assert!(desk.text().contains("fallback_models: []\n"), "{}", desk.text());
    let loaded = desk.store.load().unwrap();
    assert_eq!(loaded.config.providers.len(), 1);
    for _ in 0..3 {
        desk.store.undo().unwrap();
    }
    assert_eq!(desk.text(), ORIGINAL);
}

#[test]
fn renaming_a_provider_takes_its_orders_along() {
    let desk = Desk::with(EXAMPLE);
    let draft = ProviderDraft { id: "glm".into(), ..desk.draft("zai") };
    let report = desk.edit(ConfigEdit::EditProvider { id: "zai".into(), draft }).unwrap();
    assert!(
        changed(&report).contains(&"+    teaching_generation: [glm, lm_studio]".to_owned()),
        "{}",
        report.difference
    );
    assert!(changed(&report).contains(&"+  - id: glm".to_owned()));
    // That its key is not set is said of the new id.
    let told = |issue: &&Issue| issue.severity != Severity::Note && !issue.message.contains("is not set");
    let odd: Vec<_> = report.issues.iter().filter(told).collect();
    assert!(odd.is_empty(), "nothing names somebody who is not there: {odd:#?}");
}

#[test]
fn renaming_a_provider_takes_policies_conditions_and_presets_along() {
    let text = "providers:\n  - { id: zai, type: z_ai_glm, models: [glm-4.6] }\n  - { id: workstation, type: llama_cpp, endpoint: 'http://127.0.0.1:1', local: true }\nrouting:\n  policies:\n    - name: near\n      when: provider[\"workstation\"].up && request.type == \"workstation\"  # by day\n      use: [workstation, zai/glm-4.6]\n      local_only: true\n    - name: dear\n      when: |-\n        !provider.workstation.up\n        && budget.fraction > 0.5\n      deny: too dear\npresets:\n  letter: { prompt: hello, model: workstation/small }\n";
    let desk = Desk::with(text);
    let rename = |id: &str, to: &str| {
        let draft = ProviderDraft { id: to.into(), ..desk.draft(id) };
        desk.edit(ConfigEdit::EditProvider { id: id.into(), draft })
    };
    let report = rename("workstation", "box").unwrap();
    let wanted = text
        .replace("id: workstation", "id: box")
        .replace("provider[\"workstation\"]", "provider[\"box\"]")
        .replace("provider.workstation.", "provider[\"box\"].")
        .replace("[workstation,", "[box,")
        .replace("workstation/small", "box/small");
    assert_eq!(desk.text(), wanted);
    for told in [
        "the policy near now says box",
        "the condition of the policy dear now says box",
        "the preset letter now says box",
    ] {
        assert!(report.issues.iter().any(|issue| issue.message == told), "{told} in {:#?}", report.issues);
    }
    // Removing tells of the rules that name it, and leaves them: an empty list of targets would mean anybody.
    let report = desk.edit(ConfigEdit::RemoveProvider { id: "box".into() }).unwrap();
    assert!(desk.text().contains("use: [box, zai/glm-4.6]"));
    assert!(report.issues.iter().any(|issue| issue.path.starts_with("routing.policies")), "{:#?}", report.issues);
    // What cannot be told from the text is the person's to change.
    let escaped = text.replace("provider[\"workstation\"]", "provider[\"work\\x73tation\"]");
    std::fs::write(desk.file(), &escaped).unwrap();
    desk.store.load().unwrap();
    let refusal = rename("workstation", "box").unwrap_err();
    assert!(
        refusal.message.starts_with("the condition of the policy near (line 6) asks for workstation"),
        "{refusal:?}"
    );
    assert_eq!(desk.text(), escaped);
}

#[test]
fn a_model_that_is_a_variable_stays_one_when_another_is_added() {
    let text = "providers:
  - id: box
    type: ollama
    models:
      - ${CHAT_MODEL:-qwen3-8b}  # by host
      - { id: '${BIG:-big}', context: 8192 }
";
    let desk = Desk::with(text);
    let models = ["small", "qwen3-8b", "big"].map(str::to_owned).to_vec();
    let draft = ProviderDraft { models: Some(models), ..desk.draft("box") };
    desk.edit(ConfigEdit::EditProvider { id: "box".into(), draft }).unwrap();
    assert_eq!(desk.text(), text.replace("    models:\n", "    models:\n      - small\n"));
}

/// Renames a provider of this file; what the file says then.
fn renamed(text: &str, id: &str, to: &str) -> String {
    let desk = Desk::with(text);
    let draft = ProviderDraft { id: to.into(), ..desk.draft(id) };
    desk.edit(ConfigEdit::EditProvider { id: id.into(), draft }).unwrap();
    desk.text()
}

#[test]
fn a_provider_whose_id_is_its_kind_s_word_keeps_its_rules_when_it_is_renamed() {
    let text = "providers:
  - { id: lm_studio, type: lm_studio, endpoint: 'http://127.0.0.1:1' }
  - { id: studio2, type: lm_studio, endpoint: 'http://127.0.0.1:2' }
routing:
  request_priorities:
    chat: [lm_studio, studio2]
  policies:
    - { name: mine, when: 'request.type == \"x\"', use: [lm_studio, lm_studio/small] }
presets:
  letter: { prompt: hello, model: lm_studio }
";
    let wanted = text
        .replace("id: lm_studio", "id: laptop")
        .replace("[lm_studio,", "[laptop,")
        .replace("lm_studio/small", "laptop/small")
        .replace("model: lm_studio", "model: laptop");
    assert_eq!(renamed(text, "lm_studio", "laptop"), wanted);
}

#[test]
fn a_model_of_this_machine_named_like_a_vendor_is_not_sent_there_by_a_rename() {
    let here = "  - { id: lm_studio, type: lm_studio, endpoint: 'http://127.0.0.1:1', models: [openai/gpt-oss-20b] }\n";
    let rest = "routing:
  request_priorities:
    chat: [openai/gpt-oss-20b]
  policies:
    - { name: mine, use: [openai/gpt-oss-20b] }
presets:
  letter: { prompt: hello, model: openai/gpt-oss-20b }
";
    let vendor = "providers:\n  - { id: openai, type: openai, models: [gpt-4o] }\n";
    // The file may leave to the server which models it has.
    for here in [here, &here.replace(", models: [openai/gpt-oss-20b]", "")] {
        let text = format!("{vendor}{here}{rest}");
        assert_eq!(renamed(&text, "openai", "oai"), text.replace("id: openai,", "id: oai,"));
    }
    // Its own models follow.
    let text = format!("{vendor}{here}{}", rest.replace("gpt-oss-20b", "gpt-4o"));
    let wanted = text.replace("id: openai,", "id: oai,").replace("openai/gpt-4o", "oai/gpt-4o");
    assert_eq!(renamed(&text, "openai", "oai"), wanted);
    let desk = Desk::with(&format!("{vendor}{here}{rest}"));
    desk.edit(ConfigEdit::RemoveProvider { id: "openai".into() }).unwrap();
    assert!(desk.text().contains("chat: [openai/gpt-oss-20b]"), "{}", desk.text());
}

#[test]
fn a_rename_keeps_the_quotes_and_comments_of_the_lists_it_touches() {
    let providers =
        "providers:\n  - { id: zai, type: z_ai_glm, models: [glm-4.6] }\n  - { id: local1, type: ollama }\n";
    for list in [
        "\n        - \"zai/glm-4.6\"   # the good one, asked Bob\n        - local1\n        - 'zai' # or any\n",
        " [\n        zai/glm-4.6, # the good one\n        local1, 'zai' ]\n",
    ] {
        let text = format!("{providers}routing:\n  policies:\n    - name: near\n      use:{list}");
        let wanted = text.replace("id: zai", "id: glm").replace("zai/glm-4.6", "glm/glm-4.6").replace("'zai'", "'glm'");
        assert_eq!(renamed(&text, "zai", "glm"), wanted);
    }
}

#[test]
fn orders_and_the_strategy_are_edited_where_they_stand_and_new_ones_go_to_routing() {
    let desk = Desk::with(ORIGINAL);
    let order = |name: &str, items: &[&str]| ConfigEdit::SetOrder {
        request_type: name.into(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
    };
    let report = desk.edit(order("quick_responses", &["openai", "lm_studio"])).unwrap();
    assert_eq!(changed(&report)[1], "+    quick_responses: [\"openai\", \"lm_studio\"]");
    let report = desk.edit(order("summaries", &["local", "cloud"])).unwrap();
    assert_eq!(changed(&report), ["+", "+routing:", "+  request_priorities:", "+    summaries: [local, cloud]"]);
    let report = desk.edit(order("summaries", &[])).unwrap();
    assert_eq!(
        changed(&report),
        ["-  request_priorities:", "-    summaries: [local, cloud]", "+  request_priorities: {}"]
    );
    let loaded = desk.store.load().unwrap();
    assert_eq!(loaded.config.rules.request_orders.len(), 5);
    assert_eq!(
        desk.edit(ConfigEdit::SetStrategy("prefer_clod".into())).unwrap_err().remedy,
        "did you mean prefer_cloud?"
    );
}

#[test]
fn a_file_that_changed_on_disk_is_not_overwritten() {
    let desk = Desk::with(ORIGINAL);
    let theirs = ORIGINAL.replace("timeout: 30\n  max_retries: 3", "timeout: 45\n  max_retries: 3");
    std::fs::write(desk.file(), &theirs).unwrap();
    let refusal = desk.set("lm_studio.max_retries", "1").unwrap_err();
    assert!(refusal.message.ends_with("changed on disk since it was read; nothing was written"));
    let difference = refusal.difference.unwrap();
    assert!(difference.contains("-  timeout: 30\n+  timeout: 45\n"), "{difference}");
    assert_eq!(desk.text(), theirs);
    desk.store.load().unwrap();
    desk.set("lm_studio.max_retries", "1").unwrap();
    assert!(desk.text().contains("timeout: 45\n  max_retries: 1\n"));
    std::fs::write(desk.file(), ORIGINAL).unwrap();
    let refusal = desk.store.undo().unwrap_err();
    assert!(refusal.message.contains("was changed after the last edit"), "{}", refusal.message);
    assert!(refusal.difference.is_some());
    assert_eq!(desk.text(), ORIGINAL);
}

#[test]
fn edits_at_the_same_time_are_all_in_the_file_and_can_all_be_taken_back() {
    let policy = |number: usize| format!("    - {{ name: p{number}, enabled: false, use: [local] }}\n");
    let first = format!("routing:\n  policies:\n{}", (0..20).map(policy).collect::<String>());
    let desk = Desk::with(&first);
    std::thread::scope(|scope| {
        for number in 0..20 {
            let desk = &desk;
            scope.spawn(move || {
                let edit = PolicyEdit::Enable { name: format!("p{number}"), enabled: true };
                let report = desk.edit(ConfigEdit::Policy(edit)).unwrap();
                assert!(report.written);
                // As the engine does after each.
                desk.store.load().unwrap();
            });
        }
    });
    assert_eq!(desk.text(), first.replace("enabled: false", "enabled: true"));
    for _ in 0..20 {
        desk.store.undo().unwrap();
    }
    assert_eq!(desk.text(), first);
}

#[test]
fn moving_a_rule_leaves_the_others_as_they_are_written() {
    let text = "x-strict: &strict { fallback: none }\nx-night: &night time.hour > 22\nrouting:\n  policies:\n    - name: first\n      <<: *strict  # house rules\n      use: [local]  # ours\n\n    # about the second\n    - name: second\n      when: *night\n      # why\n      use: [ local,cloud ]\n    - { name: third, use: [local] }   # short\n    - when: >-\n        time.hour\n        < 3\n      name: fourth\n      use:\n      - local\n";
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let names = ["first", "second", "third", "fourth"];
    for moved in names {
        for place in [
            PolicyPlace::First,
            PolicyPlace::Last,
            PolicyPlace::Up,
            PolicyPlace::Down,
            PolicyPlace::Before("second".into()),
            PolicyPlace::After("third".into()),
        ] {
            let desk = Desk::with(text);
            let edit = PolicyEdit::Move { name: moved.into(), place: place.clone() };
            let Ok(report) = desk.edit(ConfigEdit::Policy(edit)) else {
                assert!(matches!(
                    (&place, moved),
                    (PolicyPlace::Before(_), "second") | (PolicyPlace::After(_), "third")
                ));
                continue;
            };
            assert_eq!(lines(&desk.text()), lines(text), "{moved} {place:?}: {}", report.difference);
            let config = desk.store.load().unwrap().config;
            let order: Vec<_> = config.rules.policies.iter().map(|policy| policy.name.as_str()).collect();
            let at = order.iter().position(|name| *name == moved);
            match place {
                PolicyPlace::First => assert_eq!(at, Some(0)),
                PolicyPlace::Last => assert_eq!(at, Some(3)),
                _ => assert_eq!(order.len(), 4),
            }
        }
    }
}

#[test]
fn models_that_stay_keep_their_lines_and_only_comments_of_one_that_goes_may_go() {
    let text = "x-usual: &usual { context: 8192 }\nproviders:\n  - id: a\n    type: vllm\n    models:\n      - id: one\n        <<: *usual  # as usual\n      # two is fast\n      - id: two\n        # measured in May\n        quality: 70\n      - three\n";
    let desk = Desk::with(text);
    let models = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    desk.edit(ConfigEdit::EditProvider {
        id: "a".into(),
        draft: ProviderDraft { models: models(&["three", "two", "one", "four"]), ..desk.draft("a") },
    })
    .unwrap();
    let wanted = "x-usual: &usual { context: 8192 }\nproviders:\n  - id: a\n    type: vllm\n    models:\n      - three\n      # two is fast\n      - id: two\n        # measured in May\n        quality: 70\n      - id: one\n        <<: *usual  # as usual\n      - four\n";
    assert_eq!(desk.text(), wanted);
    desk.edit(ConfigEdit::EditProvider {
        id: "a".into(),
        draft: ProviderDraft { models: models(&["one", "three"]), ..desk.draft("a") },
    })
    .unwrap();
    assert!(
        !desk.text().contains("May") && desk.text().contains("# two is fast") && desk.text().contains("# as usual")
    );
}

#[test]
fn undo_works_from_another_process_and_goes_back_twenty_edits() {
    let desk = Desk::with(ORIGINAL);
    for timeout in 1..=23 {
        desk.set("lm_studio.timeout", &timeout.to_string()).unwrap();
    }
    let other = ConfigFile::open(source(desk.file(), &desk.folder, &[]));
    assert!(other.load().unwrap().can_undo);
    for _ in 0..20 {
        other.undo().unwrap();
    }
    assert!(!other.load().unwrap().can_undo);
    assert!(desk.text().contains("  timeout: 3\n"));
}

#[test]
fn a_key_in_clear_never_appears_in_a_difference() {
    let text = "providers:\n  - id: a\n    type: openai\n    authToken: hunter2-hunter2\n    enabled: true\ngateway:\n  api_keys: [swordfish-1, swordfish-2]\n  listen: 127.0.0.1:1\n";
    let desk = Desk::with(text);
    let mut shown = vec![desk.set("providers.a.enabled", "false").unwrap().difference];
    shown.push(desk.set("providers.a.authToken", "correct-horse-battery").unwrap().difference);
    shown.push(desk.set("gateway.listen", "127.0.0.1:2").unwrap().difference);
    std::fs::write(desk.file(), desk.text().replace("correct-horse", "staple-horse")).unwrap();
    let refusal = desk.set("gateway.listen", "127.0.0.1:3").unwrap_err();
    shown.push(refusal.difference.unwrap());
    shown.push(desk.store.undo().unwrap_err().difference.unwrap());
    std::fs::write(desk.file(), "gateway:\n  api_keys:\n  - swordfish-3\n  listen: [\n").unwrap();
    let refusal = desk.set("gateway.listen", "127.0.0.1:3").unwrap_err();
    assert_eq!((refusal.difference.as_deref(), refusal.issues.len()), (None, 1));
    shown.push(format!("{refusal:?}"));
    for text in &shown {
        for secret in ["hunter2", "swordfish", "correct-horse", "staple-horse"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(shown[1].contains("authToken: (hidden)"), "{}", shown[1]);
}

#[test]
fn a_key_is_hidden_in_a_difference_however_it_is_written() {
    for key in [
        "|\n      swordfish",
        "|-\n      swordfish\n      hunter2",
        ">-\n      swordfish\n      hunter2",
        ">\n      swordfish",
        "\n      swordfish",
        "\"swordfish\\\n      hunter2\"",
        "swordfish\n      hunter2",
        "${NOT_SET:-swordfish}",
    ] {
        let desk =
            Desk::with(&format!("providers:\n  - id: a\n    type: vllm\n    authToken: {key}\n    enabled: true\n"));
        let shown = desk.set("providers.a.enabled", "false").unwrap().difference;
        assert!(shown.contains("enabled: false"), "{shown}");
        assert!(!shown.contains("swordfish") && !shown.contains("hunter2"), "{shown}");
    }
    for keys in ["[12345678]", "\n    - swordfish", "\n    - |\n      swordfish"] {
        let desk = Desk::with(
            &format!("gateway:\n  api_keys: {keys}\n  listen: 127.0.0.1:1\nlimits: {{ queue: 1 }}\n")
                .replace("[12345678]", "['12345678']"),
        );
        let shown = desk.set("gateway.listen", "127.0.0.1:2").unwrap().difference;
        assert!(!shown.contains("swordfish") && !shown.contains("12345678"), "{shown}");
    }
}

#[test]
fn what_cannot_be_edited_safely_is_refused_with_the_editor() {
    for (text, path, why) in [
        ("x-base: &base\n  queue: 3\nlimits: *base\n", "limits.queue", "limits is an alias (*) or has a tag (!)"),
        (
            "x-base: &base\n  queue: 3\nlimits:\n  <<: *base\n",
            "limits.queue",
            "limits takes values from elsewhere by a merge key (<<)",
        ),
        ("limits: &l\n  queue: 3\nx-other: *l\n", "limits.queue", "limits has an anchor (&), so other places share it"),
        ("limits:\n  queue: !!int 3\n", "limits.queue", "limits.queue is an alias (*) or has a tag (!)"),
    ] {
        let desk = Desk::with(text);
        let refusal = desk.set(path, "5").unwrap_err();
        assert_eq!(refusal.message, format!("this edit is not done automatically: {why}"), "{text}");
        assert!(refusal.remedy.contains("$EDITOR"), "{}", refusal.remedy);
        assert_eq!(desk.text(), text);
    }
}

#[test]
fn empty_and_missing_sections_are_filled_in_place() {
    let order = ConfigEdit::SetOrder { request_type: "quick".into(), items: vec!["local".into()] };
    for (before, after) in [
        ("", "routing:\n  request_priorities:\n    quick: [local]\n"),
        ("ui: {}", "ui: {}\n\nrouting:\n  request_priorities:\n    quick: [local]\n"),
        ("routing:\nui: {}\n", "routing:\n  request_priorities:\n    quick: [local]\nui: {}\n"),
        (
            "routing:  # mine\n\n# next\nui: {}\n",
            "routing:  # mine\n  request_priorities:\n    quick: [local]\n\n# next\nui: {}\n",
        ),
        ("routing: {}  # mine\n", "routing:  # mine\n  request_priorities:\n    quick: [local]\n"),
        (
            "routing: { strategy: prefer_local }\n",
            "routing: { strategy: prefer_local, request_priorities: {quick: [local]} }\n",
        ),
        (
            "routing:\n    request_priorities:\n        other: [cloud]\n\n# the end\n",
            "routing:\n    request_priorities:\n        other: [cloud]\n        quick: [local]\n\n# the end\n",
        ),
        ("routing:\n  request_priorities: ~\n", "routing:\n  request_priorities:\n    quick: [local]\n"),
    ] {
        let desk = Desk::with(before);
        desk.edit(order.clone()).unwrap();
        assert_eq!(desk.text(), after, "{before:?}");
    }
    for before in ["providers:\n", "providers: []\n", "ui: {}\nproviders:   []   # servers\n"] {
        let desk = Desk::with(before);
        desk.edit(ConfigEdit::AddProvider(add("box", Kind::Vllm, ""))).unwrap();
        assert!(desk.text().contains("\n  - id: box\n    type: vllm\n"), "{}", desk.text());
        desk.edit(ConfigEdit::AddProvider(add("two", Kind::Vllm, ":8001"))).unwrap();
        desk.edit(ConfigEdit::RemoveProvider { id: "box".into() }).unwrap();
        desk.edit(ConfigEdit::RemoveProvider { id: "two".into() }).unwrap();
        assert!(desk.text().contains("providers: []"), "{}", desk.text());
        assert_eq!(desk.text().contains("# servers"), before.contains("# servers"));
    }
}

#[test]
fn a_provider_of_the_environment_is_edited_by_writing_it_down() {
    let keys = [("OPENAI_API_KEY", "sk-test-0123456789"), ("LM_STUDIO_BASE_URL", "http://127.0.0.1:7777")];
    let desk = Desk::empty(&keys);
    desk.store.load().unwrap();
    let refusal = desk.edit(ConfigEdit::RemoveProvider { id: "openai".into() }).unwrap_err();
    assert_eq!(refusal.message, "openai comes from the environment (OPENAI_API_KEY), not from a file");
    desk.edit(ConfigEdit::EnableProvider { id: "openai".into(), enabled: false }).unwrap();
    let loaded = desk.store.load().unwrap();
    assert!(!loaded.config.provider(&"openai".into()).unwrap().enabled);
    assert_eq!(loaded.config.provider(&"lm_studio".into()).unwrap().endpoint.port, 7777);
    assert!(desk.text().contains("    endpoint: ${LM_STUDIO_BASE_URL}\n"), "{}", desk.text());

    let desk = Desk::empty(&keys);
    desk.store.load().unwrap();
    let draft = ProviderDraft { endpoint: "http://127.0.0.1:8888".into(), ..desk.draft("lm_studio") };
    desk.edit(ConfigEdit::EditProvider { id: "lm_studio".into(), draft }).unwrap();
    assert_eq!(desk.store.load().unwrap().config.provider(&"lm_studio".into()).unwrap().endpoint.port, 8888);
}

#[test]
fn comments_between_brackets_are_never_lost() {
    let text = "lm_studio:\n  preferred_models: [\n    a,  # the first\n    b,  # the second\n  ]\nui: {\n  ascii: true,  # plain\n  mouse: false }\n";
    let desk = Desk::with(text);
    for (path, value) in [("lm_studio.preferred_models", "[b, a]"), ("ui.ascii", "null")] {
        let refusal = desk.set(path, value).unwrap_err();
        assert_eq!(
            refusal.message,
            format!("this edit is not done automatically: a comment near {path} would be lost")
        );
    }
    assert_eq!(desk.text(), text);
    let report = desk.set("ui.mouse", "true").unwrap();
    assert_eq!(changed(&report), ["-  mouse: false }", "+  mouse: true }"]);
    let report = desk.set("ui.history", "false").unwrap();
    assert_eq!(changed(&report), ["-  mouse: true }", "+  mouse: true, history: false }"]);
}

#[test]
fn block_texts_lists_and_line_ends_keep_their_form() {
    let desk = Desk::with(ORIGINAL);
    desk.set("fallback_models.0.system_prompt", "One line.").unwrap();
    assert!(
        desk.text().contains("    system_prompt: |-\n      One line.\n      \n  - provider: \"anthropic\""),
        "{}",
        desk.text()
    );
    desk.set("lm_studio.preferred_models", "[nvidia_qwen3-nemotron-32b-rlbff, brand-new, aquif-3.5-max-42b-a3b-i1]")
        .unwrap();
    assert!(
        desk.text().contains(
            "  preferred_models:\n    - \"nvidia_qwen3-nemotron-32b-rlbff\"      # the quickest\n    - \"brand-new\"\n    - \"aquif-3.5-max-42b-a3b-i1\"             # balanced\n"
        ),
        "{}",
        desk.text()
    );
    let windows = ORIGINAL.replace('\n', "\r\n");
    let desk = Desk::with(&windows);
    desk.edit(ConfigEdit::AddProvider(add("box", Kind::LlamaCpp, ""))).unwrap();
    desk.set("lm_studio.enabled", "false").unwrap();
    assert_eq!(desk.text().replace("\r\n", "").matches('\n').count(), 0);
}

#[test]
fn a_broken_file_is_not_edited() {
    let desk = Desk::empty(&[]);
    std::fs::write(desk.file(), "limits: [\n").unwrap();
    let refusal = desk.set("limits.queue", "5").unwrap_err();
    assert_eq!(refusal.exit, 3);
    assert_eq!(refusal.issues[0].line, Some(2));
    std::fs::write(desk.file(), "limits:\n  queue: lots\n").unwrap();
    let _ = desk.store.load();
    desk.set("limits.queue", "5").unwrap();
    assert_eq!(desk.text(), "limits:\n  queue: 5\n");
}

#[test]
fn a_draft_becomes_the_profile_it_would_be() {
    let desk = Desk::empty(&[("BOX_KEY", "0123456789abcdef")]);
    let draft = ProviderDraft {
        auth_token: Some(DraftSecret("${BOX_KEY}".into())),
        ..add("box", Kind::OpenaiCompatible, "127.0.0.1:8000/v1/")
    };
    let profile = desk.store.profile_of(None, &draft).unwrap();
    assert_eq!(profile.endpoint.api_base, "http://127.0.0.1:8000/v1");
    assert_eq!(profile.key.unwrap().expose(), "0123456789abcdef");
    assert!(!desk.file().exists());
    let wrong = ProviderDraft { id: "My Box".into(), kind: None, ..ProviderDraft::default() };
    let refusal = desk.store.profile_of(None, &wrong).unwrap_err();
    let fields: Vec<_> = refusal.issues.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!(fields, ["id", "kind"]);
    let wrong = ProviderDraft { endpoint: "http://".into(), ..draft };
    let refusal = desk.store.profile_of(None, &wrong).unwrap_err();
    assert_eq!(
        (refusal.issues[0].path.as_str(), refusal.issues[0].message.as_str()),
        ("endpoint", "the address names no host")
    );
}

/// A value for `config set`, as a person may type it.
fn values() -> impl Strategy<Value = (&'static str, String)> {
    let number = (0u64..200_000).prop_map(|number| number.to_string());
    let text = "[ -~]{0,20}".prop_map(|text| text);
    prop_oneof![
        number.clone().prop_map(|value| ("limits.queue", value)),
        number.clone().prop_map(|value| ("lm_studio.max_tokens", value)),
        number.prop_map(|value| ("fallback_models.0.max_tokens", value)),
        text.clone().prop_map(|value| ("z_ai_glm.system_prompt", value)),
        text.clone().prop_map(|value| ("fallback_models.1.system_prompt", value)),
        text.clone().prop_map(|value| ("lm_studio.name", value)),
        text.prop_map(|value| ("ui.keys.providers-test", value)),
        Just(("lm_studio.preferred_models", "[a, b]".into())),
        Just(("lm_studio.preferred_models", "[]".into())),
        Just(("performance.request_timeout", "null".into())),
        Just(("cost_optimization.cloud_model_costs.openai", "null".into())),
        Just(("model_selection.request_priorities.quick_responses", "[local]".into())),
        Just(("model_selection.request_priorities.brand_new", "[local, cloud]".into())),
        Just(("gateway.listen", "127.0.0.1:5000".into())),
        Just(("lm_studio.local", "true".into())),
    ]
}

fn comments(text: &str) -> Vec<String> {
    let words = text.lines().filter_map(|line| line.split_once("# ").map(|(_, comment)| comment.trim().to_owned()));
    words.collect()
}

/// Files of many shapes: indentation, quotes, block and flow, blank lines, comments, line ends.
fn files() -> impl Strategy<Value = String> {
    let shape = (1usize..5, any::<bool>(), 0usize..3, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    shape.prop_map(|(step, outdented, quotes, flow, blank, comment, windows)| {
        let q = |text: &str| match quotes {
            0 => text.to_owned(),
            1 => format!("'{text}'"),
            _ => format!("\"{text}\""),
        };
        let pad = " ".repeat(step);
        let note = |text: &str| if comment { format!("   # {text}") } else { String::new() };
        let gap = if blank { "\n" } else { "" };
        let above = if comment { "# above a provider\n" } else { "" };
        let dash = if outdented { String::new() } else { pad.clone() };
        let mut out = String::new();
        if comment {
            out.push_str("# the head of the file\n\n");
        }
        out.push_str(&format!("providers:{}\n", note("servers")));
        for id in ["a", "b", "c"] {
            out.push_str(above);
            if flow {
                out.push_str(&format!(
                    "{dash}- {{ id: {}, type: lm_studio, models: [{}, {}] }}{}\n{gap}",
                    q(id),
                    q("m1"),
                    q("m2"),
                    note("flow")
                ));
            } else {
                out.push_str(&format!("{dash}- id: {}{}\n", q(id), note("an id")));
                out.push_str(&format!("{dash}  type: {}\n", q("lm_studio")));
                out.push_str(&format!(
                    "{dash}  models:{}\n{dash}  {pad}- {}{}\n{dash}  {pad}- {}\n",
                    note("its models"),
                    q("m1"),
                    note("first"),
                    q("m2")
                ));
                out.push_str(&format!("{dash}  unknown_key: {}\n{gap}", q("kept")));
            }
        }
        out.push_str(&format!(
            "routing:\n{pad}strategy: {}{}\n{pad}request_priorities:\n",
            q("prefer_local"),
            note("the strategy")
        ));
        out.push_str(&format!(
            "{pad}{pad}quick: [{}, {}]{}\n{pad}{pad}slow:\n{pad}{pad}- {}\n{pad}{pad}- {}{}\n",
            q("a"),
            q("b"),
            note("an order"),
            q("b"),
            q("c"),
            note("the last")
        ));
        out.push_str(&format!(
            "lm_studio:\n{pad}name: {}\n{pad}system_prompt: |\n{pad}  two\n{pad}  lines # not a comment\n\n",
            q("x")
        ));
        if comment {
            out.push_str("# the foot of the file\n");
        }
        if windows { out.replace('\n', "\r\n") } else { out }
    })
}

fn edits() -> impl Strategy<Value = ConfigEdit> {
    let id = prop_oneof![Just("a"), Just("b"), Just("c")];
    let items =
        proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("local"), Just("b/m1")], 0..4);
    prop_oneof![
        id.clone().prop_map(|id| ConfigEdit::RemoveProvider { id: id.into() }),
        (id.clone(), any::<bool>()).prop_map(|(id, enabled)| ConfigEdit::EnableProvider { id: id.into(), enabled }),
        Just(ConfigEdit::SetStrategy("prefer_cloud".into())),
        (prop_oneof![Just("quick"), Just("slow"), Just("other")], items).prop_map(|(request_type, items)| {
            ConfigEdit::SetOrder {
                request_type: request_type.into(),
                items: items.into_iter().map(Into::into).collect(),
            }
        }),
        Just(ConfigEdit::AddProvider(add("d", Kind::Ollama, ""))),
        (
            id,
            prop_oneof![Just("http://127.0.0.1:1"), Just("box:8080")],
            proptest::collection::vec(prop_oneof![Just("m1"), Just("m2"), Just("m3")], 0..3)
        )
            .prop_map(|(id, endpoint, models)| ConfigEdit::EditProvider {
                id: id.into(),
                draft: ProviderDraft {
                    models: Some(models.into_iter().map(Into::into).collect()),
                    ..add(id, Kind::LmStudio, endpoint)
                },
            }),
        Just(ConfigEdit::Set { path: "lm_studio.system_prompt".into(), value: "other".into() }),
        Just(ConfigEdit::Set { path: "lm_studio.timeout".into(), value: "12".into() }),
        Just(ConfigEdit::Set { path: "routing.strategy".into(), value: "null".into() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_accepted_set_on_the_original_layout_changes_that_value_alone(wishes in proptest::collection::vec(values(), 1..4)) {
        let desk = Desk::with(ORIGINAL);
        for (path, value) in wishes {
            let before = desk.text();
            let Ok(report) = desk.set(path, &value) else {
                prop_assert_eq!(desk.text(), before);
                continue;
            };
            let (old, new) = (read(&before), read(&desk.text()));
            prop_assert_eq!(without(&old, path), without(&new, path), "{} = {:?}\n{}", path, value, report.difference);
            // What is no plain YAML value is taken as the text it is.
            let typed = match serde_yaml::from_str(&value) {
                Ok(serde_yaml::Value::Tagged(_)) | Err(_) => value.trim().into(),
                Ok(typed) => typed,
            };
            let now = find(&new, path);
            if typed.is_null() {
                prop_assert!(now.is_none());
            } else if let (Some(serde_yaml::Value::String(now)), false) = (&now, typed.is_string()) {
                prop_assert_eq!(now, value.trim());
            } else {
                prop_assert_eq!(now, Some(typed));
            }
        }
        for comment in ["# The local server", "# Settings for single models", "# The limit of a day", "# US dollars for 1,000 tokens"] {
            prop_assert!(desk.text().contains(comment), "{}", desk.text());
        }
        while desk.store.undo().is_ok() {}
        prop_assert_eq!(desk.text(), ORIGINAL);
    }

    #[test]
    fn any_accepted_edit_of_any_file_keeps_all_other_lines_and_comments(text in files(), edit in edits()) {
        let desk = Desk::with(&text);
        match desk.edit(edit.clone()) {
            Err(refusal) => {
                prop_assert!(!refusal.message.is_empty());
                prop_assert_eq!(desk.text(), text);
            }
            Ok(report) => {
                let after = desk.text();
                prop_assert_eq!(read(&after), expected(read(&text), &edit, &report), "{}", report.difference);
                // The difference tells the whole truth: old lines minus its minus lines are the kept ones.
                let removed = report.difference.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).count();
                let added = report.difference.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).count();
                prop_assert_eq!(text.lines().count() + added, after.lines().count() + removed);
                prop_assert!(report.lines_changed <= 16, "{}", report.difference);
                prop_assert_eq!(after.contains("\r\n"), text.contains("\r\n"));
                let bare = after.replace("\r\n", "");
                prop_assert!(!text.contains("\r\n") || !bare.contains('\n'), "{:?}", after);
                let gone = comments(&text).into_iter().filter(|comment| !comments(&after).contains(comment)).collect::<Vec<_>>();
                let inside = ["an id", "its models", "first", "flow", "the last", "an order", "the strategy", "not a comment"];
                prop_assert!(gone.iter().all(|comment| inside.contains(&comment.as_str())), "{:?}\n{}", gone, report.difference);
                let set = matches!(edit, ConfigEdit::Set { .. });
                prop_assert!(set || after.contains("lines # not a comment"));
                let undone = desk.store.undo();
                prop_assert_eq!(undone.is_ok(), report.written);
                prop_assert_eq!(desk.text(), text);
            }
        }
    }
}

/// What the values are after an edit, worked out without looking at the text.
fn expected(mut value: serde_yaml::Value, edit: &ConfigEdit, report: &EditReport) -> serde_yaml::Value {
    use serde_yaml::Value;
    let at = |value: &Value, id: &ProviderId| {
        let items = value["providers"].as_sequence().unwrap();
        items.iter().position(|item| item["id"] == *id.as_str()).unwrap()
    };
    let texts = |items: &[String]| Value::Sequence(items.iter().map(|item| Value::from(item.as_str())).collect());
    match edit {
        ConfigEdit::RemoveProvider { id } => {
            let index = at(&value, id);
            value["providers"].as_sequence_mut().unwrap().remove(index);
            let names = |item: &Value| {
                item.as_str().is_some_and(|item| item == id.as_str() || item.starts_with(&format!("{id}/")))
            };
            for order in ["quick", "slow"] {
                let items = value["routing"]["request_priorities"][order].as_sequence_mut().unwrap();
                items.retain(|item| !names(item));
            }
        }
        ConfigEdit::EnableProvider { id, enabled } => {
            let index = at(&value, id);
            if report.written {
                value["providers"][index].as_mapping_mut().unwrap().insert("enabled".into(), (*enabled).into());
            }
        }
        ConfigEdit::SetStrategy(word) => value["routing"]["strategy"] = word.as_str().into(),
        ConfigEdit::SetOrder { request_type, items } if items.is_empty() => {
            value["routing"]["request_priorities"].as_mapping_mut().unwrap().shift_remove(request_type.as_str());
        }
        ConfigEdit::SetOrder { request_type, items } => {
            let orders = value["routing"]["request_priorities"].as_mapping_mut().unwrap();
            orders.insert(request_type.as_str().into(), texts(items));
        }
        ConfigEdit::AddProvider(_) => {
            let entry = read("{id: d, type: ollama, endpoint: 'http://127.0.0.1:11434', enabled: true}");
            value["providers"].as_sequence_mut().unwrap().push(entry);
        }
        ConfigEdit::EditProvider { id, draft } => {
            let index = at(&value, id);
            let entry = value["providers"][index].as_mapping_mut().unwrap();
            entry.insert("endpoint".into(), draft.endpoint.as_str().into());
            entry.insert("models".into(), texts(draft.models.as_ref().unwrap()));
        }
        ConfigEdit::Set { path, value: typed } => {
            let (section, key) = path.split_once('.').unwrap();
            let map = value[section].as_mapping_mut().unwrap();
            match read(typed) {
                Value::Null => drop(map.shift_remove(key)),
                typed => drop(map.insert(key.into(), typed)),
            }
        }
        ConfigEdit::Preset(edit) => panic!("edits of presets are tried in presets: {edit:?}"),
        ConfigEdit::Policy(edit) => panic!("edits of policies are tried in routes_cli: {edit:?}"),
    }
    value
}

fn read(text: &str) -> serde_yaml::Value {
    serde_yaml::from_str(text).unwrap()
}

fn find(value: &serde_yaml::Value, path: &str) -> Option<serde_yaml::Value> {
    path.split('.').try_fold(value.clone(), |at, key| match key.parse::<usize>() {
        Ok(index) => at.get(index).cloned(),
        Err(_) => at.get(key).cloned(),
    })
}

/// The values with this path taken out, and with it mappings that it alone filled.
fn without(value: &serde_yaml::Value, path: &str) -> serde_yaml::Value {
    let mut value = value.clone();
    let keys: Vec<&str> = path.split('.').collect();
    take(&mut value, &keys);
    value
}

fn take(value: &mut serde_yaml::Value, keys: &[&str]) {
    let Some((first, rest)) = keys.split_first() else { return };
    if let Ok(index) = first.parse::<usize>() {
        if let Some(item) = value.get_mut(index) {
            take(item, rest);
        }
        return;
    }
    let Some(map) = value.as_mapping_mut() else { return };
    if let Some(inner) = map.get_mut(*first).filter(|_| !rest.is_empty()) {
        take(inner, rest);
        if inner.as_mapping().is_some_and(serde_yaml::Mapping::is_empty) {
            map.shift_remove(*first);
        }
    } else {
        map.shift_remove(*first);
    }
}
