//! `routes` as a person and a CI job meet it: the real program over a file, nothing asked of anybody.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The vendors lack their keys, so that nothing is ever sent; the local port is the discard port.
const FILE: &str = "\
# my rules
providers:
  - { id: lm_studio, type: lm_studio, endpoint: 'http://127.0.0.1:9', models: [small, large] }
  - { id: zai, type: z_ai_glm, authToken: '${NO_SUCH_KEY}', models: [glm-4.6] }
  - { id: openai, type: openai, authToken: '${NO_SUCH_KEY}', models: [gpt-4o-mini] }
routing:
  strategy: prefer_local
  policies:
    # asked for by the data protection officer
    - name: private   # do not touch
      priority: 100
      when: request.tags.privacy == \"high\"
      use: [local]
      local_only: true
    - name: long
      priority: 50
      when: request.prompt_tokens > 24000   # glm has the room
      use: [zai/glm-4.6]
      fallback: strategy
    - name: night
      priority: 50
      mode: observe
      when: time.hour < 6
      use: [local]
";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::write(home.file(), FILE).unwrap();
        home
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("ai_models.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn run(&self, words: &[&str]) -> Output {
        let home: &Path = self.0.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
        command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
        command.arg("--config").arg(self.file()).arg("--state-dir").arg(home.join("state")).args(words);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn good(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn bad(&self, words: &[&str], exit: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(exit), "{words:?}");
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    }

    /// Names in the order they apply.
    fn order(&self) -> Vec<String> {
        let mut rows: Vec<(i64, String)> = Vec::new();
        let value: serde_yaml::Value = serde_yaml::from_str(&self.text()).unwrap();
        for policy in value["routing"]["policies"].as_sequence().unwrap() {
            let priority = policy.get("priority").and_then(serde_yaml::Value::as_i64).unwrap_or(0);
            rows.push((priority, policy["name"].as_str().unwrap().to_owned()));
        }
        rows.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        rows.into_iter().map(|(_, name)| name).collect()
    }
}

#[test]
fn policies_are_added_changed_and_removed_and_the_persons_comments_stay() {
    let home = Home::new();
    let added = home.good(&["routes", "add", "images", "--when", "request.has_images", "--deny", "no images"]);
    assert!(added.contains("added policy images"), "{added}");
    home.good(&["routes", "edit", "long", "--when", "request.prompt_tokens > 32000", "--max-tokens", "900"]);
    home.good(&["routes", "edit", "long", "--clear", "fallback"]);
    home.good(&["routes", "enable", "night"]);
    home.good(&["routes", "disable", "night"]);
    home.good(&["routes", "copy", "long", "longer"]);
    let text = home.text();
    for kept in ["# my rules", "# asked for by the data protection officer", "# do not touch", "# glm has the room"] {
        assert!(text.contains(kept), "{kept} in\n{text}");
    }
    for written in ["request.prompt_tokens > 32000", "max_tokens: 900", "deny: no images", "name: longer"] {
        assert!(text.contains(written), "{written} in\n{text}");
    }
    assert_eq!(text.matches("fallback").count(), 0, "{text}");
    let copy: Value = serde_json::from_str(&home.good(&["routes", "show", "longer", "--json"])).unwrap();
    assert_eq!((&copy["enabled"], &copy["use"][0]), (&Value::Bool(false), &Value::from("zai/glm-4.6")));
    home.good(&["routes", "remove", "images"]);
    assert!(!home.text().contains("images"));
    home.good(&["config", "undo"]);
    assert!(home.text().contains("deny: no images"));
    let before = home.text();
    let dry = home.good(&["routes", "edit", "private", "--use", "lm_studio", "--dry-run"]);
    assert!(dry.contains("-      use: [local]"), "{dry}");
    assert_eq!(home.text(), before);
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out_and_nothing_is_written() {
    let home = Home::new();
    for (words, said) in [
        (&["routes", "add", "x", "--when", "request.typ == \"a\""][..], "did you mean request.type?"),
        (&["routes", "add", "x", "--when", "request.stream and true"], "column 16: and is written && here"),
        (&["routes", "add", "private"], "there is a policy private already"),
        (&["routes", "edit", "privat", "--use", "zai"], "did you mean private?"),
        (&["routes", "edit", "private"], "nothing to change"),
        (&["routes", "edit", "private", "--clear", "fallbak"], "did you mean fallback?"),
        (&["routes", "show", "nihgt"], "did you mean night?"),
        (&["routes", "move", "private"], "--up"),
        (&["routes", "move", "private", "--before", "private"], "beside itself"),
    ] {
        let told = home.bad(words, 2);
        assert!(told.contains(said), "{words:?}: {told}");
    }
    home.bad(&["--readonly", "routes", "remove", "private"], 5);
    assert_eq!(home.text(), FILE);
}

#[test]
fn a_policy_is_moved_in_the_order_they_apply() {
    for (words, order) in [
        (&["night", "--up"][..], ["private", "night", "long"]),
        (&["night", "--first"], ["night", "private", "long"]),
        (&["private", "--last"], ["long", "night", "private"]),
        (&["private", "--down"], ["long", "private", "night"]),
        (&["long", "--before", "private"], ["long", "private", "night"]),
        (&["private", "--after", "long"], ["long", "private", "night"]),
        (&["private", "--up"], ["private", "long", "night"]),
    ] {
        let home = Home::new();
        home.good(&[&["routes", "move"], words].concat());
        assert_eq!(home.order(), order, "{words:?}\n{}", home.text());
        for kept in ["# asked for by the data protection officer", "# do not touch", "# glm has the room"] {
            assert!(home.text().contains(kept), "{words:?}: {kept} in\n{}", home.text());
        }
    }
}

const TABLE: &str = "\
tests:
  - name: private prompts stay
    request: { type: prayer_generation, tags: { privacy: high } }
    expect: { target: lm_studio/small, policy: private, local_only: true }
  - name: long prompts go to glm
    request: { prompt_tokens: 30000 }
    expect: { chain: [zai/glm-4.6, lm_studio/small, lm_studio/large, openai/gpt-4o-mini], policy: long }
  - name: a private prompt never leaves
    request: { model: zai/glm-4.6, tags: { privacy: high } }
    expect: { denied: true, target: none }
  - name: a dead server falls back
    world: { down: [lm_studio] }
    expect: { provider: zai, policy: 'strategy:prefer_local' }
";

#[test]
fn a_table_of_requests_is_held_against_the_rules() {
    let home = Home::new();
    let table = home.0.path().join("routes.yaml");
    let file = table.to_str().unwrap();
    std::fs::write(&table, TABLE).unwrap();
    let told = home.good(&["routes", "test", file]);
    assert!(told.ends_with("4 tests: all as expected\n"), "{told}");

    std::fs::write(&table, TABLE.replace("policy: long", "policy: night").replace("provider: zai", "provider: openai"))
        .unwrap();
    let told = home.bad(&["routes", "test", file], 1);
    for said in [
        "[x]  long prompts go to glm",
        "policy: expected night, found long",
        "zai/glm-4.6 by policy long.",
        "provider: expected openai, found zai",
        "2 of 4 tests failed",
    ] {
        assert!(told.contains(said), "{said} in\n{told}");
    }
    let output = home.run(&["routes", "test", file, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ok"], &json["failed"]), (&Value::Bool(false), &Value::from(2)));

    for (text, said) in [
        ("tests: []\n", "holds no tests"),
        ("tests:\n  - { expct: {} }\n", "is no table of tests"),
        ("tests:\n  - { expect: {} }\n", "test 1 expects nothing"),
    ] {
        std::fs::write(&table, text).unwrap();
        let told = home.bad(&["routes", "test", file], 2);
        assert!(told.contains(said), "{told}");
    }
    std::fs::write(&table, "tests:\n  - { world: { down: [lm_studi] }, expect: { target: none } }\n").unwrap();
    let told = home.bad(&["routes", "test", file], 1);
    assert!(told.contains("no provider lm_studi is configured"), "{told}");
    home.bad(&["routes", "test", "nowhere.yaml"], 2);
}

#[test]
fn lint_ends_with_one_when_there_is_something_to_say() {
    let home = Home::new();
    let nothing = home.good(&["routes", "lint"]);
    assert!(nothing.contains("nothing odd about 3 policies"), "{nothing}");
    std::fs::write(home.file(), FILE.replace("zai/glm-4.6]", "openia/gpt]")).unwrap();
    let told = home.bad(&["routes", "lint"], 1);
    assert!(
        told.contains("long uses \"openia/gpt\", which names no provider") && told.contains("did you mean openai?"),
        "{told}"
    );
}

#[test]
fn a_condition_is_checked_with_the_place_of_what_is_wrong_under_it() {
    let home = Home::new();
    let good = home.good(&["routes", "check", "request.prompt_tokens > 24000 && request.stream"]);
    assert!(good.contains("request.prompt_tokens") && good.contains("a whole number"), "{good}");
    let bad = home.bad(&["routes", "check", "request.stream && request.audeince == \"x\""], 1);
    let rows: Vec<&str> = bad.lines().collect();
    assert_eq!(rows[0].find("audeince"), rows[1].find("^^^^^^^^"), "{bad}");
    assert!(rows[2].contains("column 27") && rows[2].contains("did you mean request.audience?"), "{bad}");
    let output = home.run(&["routes", "check", "request.stream = true", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["ok"], &found["error"]["column"]), (&Value::Bool(false), &Value::from(16)));
}

#[test]
fn a_one_shot_says_what_only_a_running_instance_knows_and_what_observed_rules_matched() {
    let home = Home::new();
    let output = home.run(&["routes", "explain", "--session", "s"]);
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().find(|line| line.contains("not seen from here")).unwrap_or_else(|| panic!("{said}"));
    for part in ["who keeps failing", "which target its session has", "only a running instance knows"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let output = home.run(&["routes", "explain", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["unseen"][0], "breakers", "{told}");

    assert!(home.good(&["routes", "show", "night"]).contains("matched 0 of 0 in 24 h"));
    assert!(!home.good(&["routes", "show", "long"]).contains("matched"), "it is enforced");
    let shown: Value = serde_json::from_str(&home.good(&["routes", "show", "night", "--json"])).unwrap();
    assert_eq!((&shown["observed"]["matched"], &shown["observed"]["hours"]), (&0.into(), &24.into()));
}

#[test]
fn a_table_that_is_too_long_to_be_read_is_refused_and_never_cut() {
    let home = Home::new();
    let table = home.0.path().join("big.yaml");
    let mut text = String::from("tests:\n");
    while text.len() < 1 << 20 {
        text.push_str("# nothing stands here that could fail\n");
    }
    text.push_str("  - { request: {}, expect: { target: nobody/at-all } }\n");
    std::fs::write(&table, &text).unwrap();
    let said = home.bad(&["routes", "test", "big.yaml"], 2);
    assert!(said.contains("big.yaml cannot be read: it is larger than 1 MiB"), "{said}");
    let said = home.bad(&["routes", "replay", "big.yaml"], 2);
    assert!(said.contains("larger than 1 MiB"), "{said}");
    std::fs::write(&table, b"tests: \xff").unwrap();
    assert!(home.bad(&["routes", "test", "big.yaml"], 2).contains("it is not UTF-8 text"));
}
