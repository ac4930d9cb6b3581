//! A report for a bug: what is in it, and that no key ever is.

use crate::config::Place;
use crate::support::sim::{Sim, SimKind};
use lmdeck::adapters::config::ConfigFile;
use lmdeck::engine::ports::ConfigStore as _;
use proptest::prelude::*;
use std::process::{Command, Output};

fn lmdeck(place: &Place, environment: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", place.path("home")).env("PATH", "/usr/bin:/bin").current_dir(place.path(""));
    command.envs(environment.iter().copied());
    command.arg("--config").arg(place.path("ai_models.yaml")).arg("--state-dir").arg(place.path("state")).args(words);
    command.output().unwrap()
}

fn report(place: &Place, environment: &[(&str, &str)]) -> String {
    let output = lmdeck(place, environment, &["report", "--stdout"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_a_maintainer_asks_for_and_no_text_of_a_call() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let text = format!(
        "# a comment with my-own-words\nproviders:\n  - id: box\n    type: llama_cpp\n    endpoint: '{}'\n    authToken: literal-key-1\n    endpont: x\n  - {{ id: gone, type: openai_compatible, endpoint: 'http://127.0.0.1:9' }}\n",
        sim.origin()
    );
    let place = Place::holding(&text);
    assert!(lmdeck(&place, &[], &["ask", "my secret question"]).status.success());
    let made = report(&place, &[("TERM", "xterm-256color"), ("SOME_TOKEN", "token-of-env")]);
    for part in [
        "lmdeck 0.1.0",
        "TERM: xterm-256color",
        "unknown key",
        "box (llama_cpp, machine) at http://127.0.0.1:",
        "gone (openai_compatible, machine)",
        "ladder:",
        "integrity: ok",
        "1 call",
        "by ask",
        "authToken: (hidden)",
        "endpoint: http://127.0.0.1:9",
        "## Last lines of the log",
        "Not in here: keys",
    ] {
        assert!(made.contains(part), "{part:?} is not in\n{made}");
    }
    for never in ["my secret question", "my-own-words", "literal-key-1", "token-of-env"] {
        assert!(!made.contains(never), "{never:?} is in\n{made}");
    }
}

#[test]
fn it_is_written_to_one_private_file_and_never_over_another() {
    let place = Place::holding("providers: []\n");
    let done = lmdeck(&place, &[], &["report", "--output", "bug.md"]);
    assert!(done.status.success());
    assert_eq!(
        String::from_utf8_lossy(&done.stdout).trim(),
        place.path("bug.md").canonicalize().unwrap().to_string_lossy()
    );
    assert!(String::from_utf8_lossy(&done.stderr).contains("not in it: any key"));
    let again = lmdeck(&place, &[], &["report", "--output", "bug.md"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--stdout"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(place.path("bug.md")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_that_cannot_be_used_is_reported_about_too() {
    let place = Place::holding("limits: { queue: many }\ngateway: { api_keys: [gate-secret-1] }\n");
    let made = report(&place, &[]);
    assert!(made.contains("the file cannot be used") && made.contains("queue: many"), "{made}");
    assert!(!made.contains("gate-secret-1"));
    let place = Place::holding("gateway: { api_keys: [gate-secret-1]\n");
    let made = report(&place, &[]);
    assert!(made.contains("not shown: it is not valid YAML"), "{made}");
    assert!(!made.contains("gate-secret-1"));
}

/// Places where people put a key, `KEY` standing for it.
const PLACES: &[&str] = &[
    "providers:\n  - { id: a, type: openai, authToken: 'KEY' }\n",
    "providers:\n  - id: a\n    type: openai\n    authToken: |\n      KEY\n",
    "providers:\n  - id: a\n    type: openai\n    authToken: >-\n      KEY\n",
    "providers:\n  - { id: a, type: openai, authToken: '${UNSET_NAME:-KEY}' }\n",
    "providers:\n  - { id: a, type: openai, authtoken: 'KEY' }\n",
    "providers:\n  - { id: a, type: openai, headers: { api-key: 'KEY' } }\n",
    "x-keys: &k 'KEY'\nproviders:\n  - { id: a, type: openai, authToken: *k }\n",
    "providers:\n  - { id: a, type: openai_compatible, endpoint: 'https://me:KEY@host.example' }\n",
    "providers:\n  - { id: a, type: openai_compatible, endpoint: 'https://host.example/v1?key=KEY' }\n",
    "gateway: { api_keys: ['KEY'] }\n",
    "gateway:\n  api_keys:\n    - x\n    - 'KEY'\n",
    "gateway:\n  api_keys:\n    - { name: batch, key: 'KEY' }\n    - { name: alice, kee: 'KEY' }\n",
    "gateway:\n  api_keys:\n    - name: batch\n      key: 'KEY'\n  listen: [\n",
    "z_ai_glm: { api_key: 'KEY', model_name: x }\n",
    "fallback_models:\n  - { provider: openai, model: m, api_key: 'KEY' }\n",
    "# KEY\nproviders: []\n",
    "password: 'KEY'\n",
    "secrets: { deep: [{ er: 'KEY' }] }\n",
    "gateway:\n  api_keys:\n    - 'KEY'\n  listen: [\n",
    "providers:\n  - { id: a, type: openai, name: '${OPENAI_API_KEY}' }\n",
    "providers:\n  - { id: a, type: openai, models: ['${MY_TOKEN}'] }\n",
];

fn key() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_+/=.~-]{8,48}".prop_filter("no word that stands there anyway", |key| {
        !key.starts_with(['-', '~', '=', '.'])
            && key.chars().any(|c| c.is_ascii_digit())
            && key.chars().any(char::is_alphabetic)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_key_is_in_no_part_of_it_wherever_it_stood(key in key(), at in 0..PLACES.len(), env in 0..4usize) {
        let place = Place::holding(&PLACES[at].replace("KEY", &key));
        let name = ["OPENAI_API_KEY", "MY_TOKEN", "SOME_SECRET", "A_PASSWORD"][env];
        if env == 3 {
            place.write(".env", format!("{name}={key}\nOPENAI_API_KEY={key}\nMY_TOKEN={key}\n"));
        }
        let store = place.store(&[(name, &key), ("OPENAI_API_KEY", &key), ("MY_TOKEN", &key)]);
        // What the engine knows of it stands in findings and messages as well.
        let told = match ConfigFile::look(&store) {
            Ok(loaded) => format!("{:?}", loaded.issues),
            Err(unusable) => format!("{:?}", unusable.issues),
        };
        let masked = store.masked().unwrap_or_else(Some).unwrap_or_default();
        prop_assert!(!masked.contains(&key), "{masked}");
        let draft = store.redact(&format!("{told}\nserver said: {key}, and \"{key}\".\n"));
        prop_assert!(!draft.contains(&key), "{draft}");
    }
}
