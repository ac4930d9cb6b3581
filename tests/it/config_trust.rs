//! Keys do not go to strangers: hostile files, and whom they reach before a person allowed it.

use crate::config::{KEYS, Place, profile};
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::domain::config::WithheldWhy;
use lmdeck::engine::ports::ConfigStore as _;
use lmdeck::engine::protocol::{EditReport, Refusal};
use proptest::prelude::*;

const HERE: &str = "work/config/ai_models.yaml";

fn sends(host: &str) -> String {
    format!(
        "providers:\n  - {{ id: a, type: openai_compatible, endpoint: '{host}', authToken: '${{OPENAI_API_KEY}}' }}\n"
    )
}

/// Says yes to all that the file would send.
pub fn allow(store: &ConfigFile) -> Result<EditReport, Refusal> {
    let asked = store.load().unwrap().config.untrusted.clone();
    store.trust(&asked)
}

/// Whether the key of the only provider goes out.
fn goes(store: &ConfigFile) -> bool {
    let loaded = store.load().unwrap();
    let made = profile(&loaded, "a");
    assert_eq!(made.withheld.is_none(), made.key.is_some());
    made.key.is_some()
}

#[test]
fn a_file_that_merely_lies_in_the_working_folder_sends_keys_to_their_vendor_only() {
    for (host, free) in [
        ("https://api.openai.com/v1", true),
        ("http://127.0.0.1:9", false),
        ("http://localhost:9", false),
        ("http://192.168.0.66:9", false),
        ("http://[fd00::1]:9", false),
        ("http://169.254.169.254", false),
        ("https://llm.example/v1", false),
        ("https://api.anthropic.com/v1", false),
        ("http://api.openai.com/v1", false),
        ("https://api.openai.com.evil.example/v1", false),
        ("https://xapi.openai.com/v1", false),
        ("https://api.openai.com:8443@evil.example/v1", false),
    ] {
        let place = Place::new();
        place.write(HERE, sends(host));
        let store = ConfigFile::open(place.source(None, KEYS));
        let Ok(loaded) = store.load() else {
            assert!(host.contains('@'), "{host}");
            continue;
        };
        assert_eq!(profile(&loaded, "a").key.is_some(), free, "{host}");
        // Named by the person the same file may reach this machine and the network around it.
        let named = ConfigFile::open(place.source(Some(HERE), KEYS));
        let near = host.contains("127.0.0.1") || host.contains("localhost") || host.contains("192.168");
        assert_eq!(goes(&named), free || near || host.contains("fd00") || host.contains("169.254"), "{host}");
    }
}

#[test]
fn a_decision_holds_for_what_the_file_sent_where_and_for_nothing_else() {
    let place = Place::new();
    let store = || ConfigFile::open(place.source(None, KEYS));
    place.write(HERE, sends("http://192.168.0.66:9"));
    assert!(!goes(&store()));
    let report = allow(&store()).unwrap();
    assert_eq!(report.issues[0].message, "OPENAI_API_KEY may go to http://192.168.0.66:9 for a");
    assert!(goes(&store()));
    // Comments and settings are the person's.
    place.write(HERE, format!("# hello\n{}limits: {{ queue: 3 }}\n", sends("http://192.168.0.66:9")));
    assert!(goes(&store()));
    // Another port, host, scheme or key is another decision; the old one is back with the old content.
    for other in ["http://192.168.0.66:10", "http://192.168.0.67:9", "https://192.168.0.66:9"] {
        place.write(HERE, sends(other));
        assert!(!goes(&store()), "{other}");
    }
    place.write(HERE, sends("http://192.168.0.66:9").replace("OPENAI", "ANTHROPIC"));
    assert!(!goes(&store()));
    place.write(HERE, sends("http://192.168.0.66:9"));
    assert!(goes(&store()));
}

#[test]
fn what_came_into_the_file_after_it_was_shown_is_not_allowed_with_it() {
    let place = Place::new();
    place.write(HERE, sends("https://mine.example/v1"));
    let store = ConfigFile::open(place.source(None, KEYS));
    let seen = store.load().unwrap().config.untrusted.clone();
    assert!(!goes(&store));
    place.write(HERE, sends("https://evil.example/v1"));
    let refused = store.trust(&seen).unwrap_err();
    assert!(refused.message.contains("changed on disk"), "{}", refused.message);
    assert!(!goes(&store));
    // It was read again while the question was open: what was shown still counts, not what was read.
    let refused = store.trust(&seen).unwrap_err();
    assert!(refused.message.contains("OPENAI_API_KEY to https://evil.example for a"), "{}", refused.message);
    assert!(!goes(&store));
    // A comment changes nothing that was shown.
    place.write(HERE, format!("# mine\n{}", sends("https://mine.example/v1")));
    assert!(!goes(&store));
    store.trust(&seen).unwrap();
    assert!(goes(&store));
}

#[test]
fn a_key_smuggled_out_by_another_field_is_held_back_too() {
    for entry in [
        "{ id: a, type: openai_compatible, endpoint: 'https://evil.example', models: ['${ANTHROPIC_API_KEY}'] }",
        "{ id: a, type: openai, endpoint: 'https://evil.example' }",
        "{ id: a, type: openai_compatible, endpoint: 'https://evil.example', authToken: 'x${OPENAI_API_KEY}y' }",
        "{ id: a, type: openai_compatible, endpoint: 'https://evil.example', authToken: '${NOTHING:-}${OPENAI_API_KEY}' }",
        "{ id: a, type: openai_compatible, endpoint: 'http://192.168.0.66:9', models: [{ id: '${OPENAI_API_KEY}' }] }",
        "{ id: a, type: openai, endpoint: 'http://127.0.0.1:9' }",
    ] {
        let place = Place::new();
        place.write(HERE, format!("providers:\n  - {entry}\n"));
        let loaded = ConfigFile::open(place.source(None, KEYS)).load().unwrap();
        let withheld = profile(&loaded, "a").withheld.clone().unwrap_or_else(|| panic!("{entry} goes out"));
        assert!(matches!(withheld.why, WithheldWhy::Untrusted { .. }), "{entry}: {withheld:?}");
    }
}

#[test]
fn no_variable_goes_out_by_a_file_that_merely_lies_in_the_working_folder_whatever_its_name() {
    let variables: &[(&str, &str)] = &[("DATABASE_URL", "postgres-me-pw-db"), ("TEAM", "blue"), ("GPU", "10.0.0.7")];
    for (entry, asks) in [
        ("{ id: a, type: openai_compatible, endpoint: 'https://evil.example/${DATABASE_URL}' }", true),
        ("{ id: a, type: openai_compatible, endpoint: 'https://${TEAM}.evil.example' }", true),
        ("{ id: a, type: openai_compatible, endpoint: 'http://127.0.0.1:9/${TEAM}' }", true),
        ("{ id: a, type: openai_compatible, endpoint: 'http://127.0.0.1:9', models: ['m-${DATABASE_URL}'] }", true),
        ("{ id: a, type: openai_compatible, endpoint: 'https://evil.example/${NONE:-x}' }", false),
        ("{ id: a, type: openai_compatible, endpoint: '${GPU}' }", false),
        ("{ id: a, type: openai_compatible, endpoint: 'http://127.0.0.1:9' }", false),
    ] {
        let place = Place::new();
        place.write(HERE, format!("providers:\n  - {entry}\n"));
        let store = || ConfigFile::open(place.source(None, variables));
        let loaded = store().load().unwrap();
        let withheld = profile(&loaded, "a").withheld.clone();
        let untrusted = withheld.as_ref().is_some_and(|held| matches!(held.why, WithheldWhy::Untrusted { .. }));
        assert_eq!(untrusted, asks, "{entry}: {withheld:?}");
        allow(&store()).unwrap();
        assert_eq!(profile(&store().load().unwrap(), "a").withheld, None, "allowed: {entry}");
        // Named by the person it is the person's own file.
        let named = ConfigFile::open(place.source(Some(HERE), variables)).load().unwrap();
        assert_eq!(profile(&named, "a").withheld, None, "{entry}");
    }
    // Nor by what names a model of it, or goes into a prompt.
    for rest in [
        "routing: { policies: [{ name: p, use: ['a/${DATABASE_URL}'] }] }",
        "routing: { request_priorities: { chat: ['a/${DATABASE_URL}'] } }",
        "model_selection: { request_priorities: { chat: ['a/${DATABASE_URL}'] } }",
        "presets: { p: { prompt: '{{x}}', defaults: { x: '${DATABASE_URL}' } } }",
    ] {
        let place = Place::new();
        place.write(
            HERE,
            format!("providers:\n  - {{ id: a, type: vllm, endpoint: 'https://evil.example' }}\n{rest}\n"),
        );
        let loaded = ConfigFile::open(place.source(None, variables)).load().unwrap();
        let withheld = profile(&loaded, "a").withheld.clone();
        assert!(withheld.is_some_and(|held| matches!(held.why, WithheldWhy::Untrusted { .. })), "{rest}");
    }
    // A key by its name is nothing for an address, whoever wrote it.
    for name in ["SECRET_KEY", "DB_PASS", "MYSQL_PWD", "GH_PAT"] {
        let place = Place::new();
        let endpoint = format!("https://${{{name}}}.evil.example");
        place.write(HERE, format!("providers:\n  - {{ id: a, type: openai_compatible, endpoint: '{endpoint}' }}\n"));
        let unusable = ConfigFile::open(place.source(None, &[(name, "swordfish")])).load().unwrap_err();
        assert!(unusable.issues.iter().any(|issue| issue.message.contains("which is a key")), "{unusable:?}");
    }
}

#[test]
fn an_address_of_the_working_folder_s_dot_env_carries_no_variable_of_the_person_unasked() {
    let place = Place::new();
    place.write(
        "home/lmdeck/ai_models.yaml",
        "providers:\n  - { id: a, type: vllm, endpoint: '${SERVER}/${TEAM}', models: ['${MODEL}'] }\n",
    );
    place.write("work/.env", "SERVER=http://192.168.0.66:9\nMODEL=small\n");
    let store = || ConfigFile::open(place.source(None, &[("TEAM", "blue")]));
    let asked = store().load().unwrap().config.untrusted.clone();
    assert_eq!(asked.iter().map(|journey| journey.variable.as_str()).collect::<Vec<_>>(), ["TEAM"]);
    allow(&store()).unwrap();
    assert_eq!(profile(&store().load().unwrap(), "a").withheld, None);
}

#[test]
fn a_dot_env_of_the_working_folder_does_not_send_other_variables_away() {
    // Of the real environment too: HOME stands for any secret in it.
    let home = std::env::var("HOME").unwrap_or_default();
    for (line, kind) in [
        ("OLLAMA_HOST=https://x.example/${OPENAI_API_KEY}${HOME}", "ollama"),
        ("OLLAMA_HOST=\"https://x.example/$OPENAI_API_KEY$HOME\"", "ollama"),
        ("LM_STUDIO_BASE_URL=https://${OPENAI_API_KEY}${HOME}.x.example", "lm_studio"),
    ] {
        let place = Place::new();
        place.write("work/.env", format!("{line}\n"));
        let loaded = ConfigFile::open(place.source(None, KEYS)).load().unwrap();
        let made = loaded.config.provider(&kind.into());
        let seen = format!("{:?} {:?}", made.map(|profile| &profile.endpoint), loaded.issues);
        assert!(!seen.contains("sk-openai") && (home.is_empty() || !seen.contains(&home)), "{line}: {seen}");
    }
}

#[test]
fn an_address_that_a_dot_env_of_the_working_folder_chose_gets_no_key_before_that_is_allowed() {
    let mine = "providers:\n  - { id: a, type: openai, endpoint: '${SERVER:-https://api.openai.com/v1}' }\n";
    let in_clear = mine.replace(" }\n", ", authToken: written-in-the-file }\n");
    for (file, server, free) in [
        (mine, "https://api.openai.com/v1", true),
        (mine, "https://evil.example/v1", false),
        (mine, "http://192.168.0.66:9", false),
        (mine, "http://127.0.0.1:9", false),
        (in_clear.as_str(), "http://192.168.0.66:9", false),
        (in_clear.as_str(), "https://evil.example/v1", false),
    ] {
        let place = Place::new();
        place.write("home/lmdeck/ai_models.yaml", file);
        let store = || ConfigFile::open(place.source(None, KEYS));
        assert!(goes(&store()), "without a .env");
        place.write("work/.env", format!("SERVER={server}\n"));
        assert_eq!(goes(&store()), free, "{server}");
        allow(&store()).unwrap();
        assert!(goes(&store()), "allowed: {server}");
        // The same variable beside the person's own file is the person's.
        let place = Place::new();
        place.write("home/lmdeck/ai_models.yaml", file);
        place.write("home/lmdeck/.env", format!("SERVER={server}\n"));
        let own = goes(&ConfigFile::open(place.source(None, KEYS)));
        assert!(own || (server.contains("evil") && file == mine), "{server}");
    }
    // Its own key may go to the machine it names.
    let place = Place::new();
    place.write(
        "home/lmdeck/ai_models.yaml",
        "providers:\n  - { id: a, type: vllm, endpoint: '${SERVER}', authToken: '${TOKEN}' }\n",
    );
    place.write("work/.env", "SERVER=http://192.168.0.66:9\nTOKEN=abc\n");
    assert!(goes(&ConfigFile::open(place.source(None, KEYS))));
}

#[test]
fn what_was_allowed_in_one_working_folder_stays_allowed_when_another_asks() {
    let place = Place::new();
    let file = "providers:\n  - { id: a, type: vllm, endpoint: '${GPU}', authToken: '${MY_TOKEN}' }\n";
    place.write("home/lmdeck/ai_models.yaml", file);
    place.write("one/.env", "GPU=http://192.168.0.66:9\n");
    place.write("two/.env", "GPU=http://192.168.0.77:9\n");
    let from = |folder: &str| {
        let source = place.source(None, &[("MY_TOKEN", "abc")]);
        ConfigFile::open(Source { working_folder: place.path(folder), ..source })
    };
    for folder in ["one", "two"] {
        assert!(!goes(&from(folder)), "{folder}");
        allow(&from(folder)).unwrap();
        assert!(goes(&from(folder)), "{folder}");
    }
    assert!(goes(&from("one")), "the other's decision took nothing away");
    // With its provider a decision goes; one by the same name is asked about anew.
    place.write("home/lmdeck/ai_models.yaml", "providers: []\n");
    allow(&from("one")).unwrap();
    place.write("home/lmdeck/ai_models.yaml", file);
    assert!(!goes(&from("one")) && !goes(&from("two")));
}

#[test]
fn a_record_that_cannot_be_read_allows_nothing() {
    let place = Place::new();
    place.write(HERE, sends("https://mine.example/v1"));
    let store = ConfigFile::open(place.source(None, KEYS));
    assert!(!goes(&store));
    allow(&store).unwrap();
    assert!(goes(&store));
    place.write("state/trusted.json", "{ not json");
    assert!(!goes(&store));
}

proptest! {
    #[test]
    fn no_host_but_its_vendor_s_gets_a_key_from_a_file_of_the_working_folder(
        host in "[a-z0-9.:\\[\\]@%-]{1,24}|(api\\.openai\\.com[a-z.]{1,8})|([a-z-]{1,6}api\\.openai\\.com)",
        scheme in "https?",
    ) {
        let place = Place::new();
        place.write(HERE, sends(&format!("{scheme}://{host}/v1")));
        if let Ok(loaded) = ConfigFile::open(place.source(None, KEYS)).load() {
            let made = profile(&loaded, "a");
            prop_assert!(made.key.is_none() || (made.endpoint.tls && made.endpoint.host == "api.openai.com"), "{:?}", made.endpoint);
        }
    }
}
