//! `presets` and `ask --preset` as a person and a script meet them: the real program over a file, and a simulated
//! server behind it where something is sent.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use crate::support::sim::{SeenRequest, Sim, SimKind};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

struct Home(tempfile::TempDir);

impl Home {
    fn before(port: u16) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let text = format!(
            "\
providers: [{{ id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:{port}' }}]
presets:
  # the original's own
  generate-prayer:
    request_type: prayer_generation
    system_prompt: Create {{{{tradition}}}} style prayers.
    prompt: Generate a prayer for {{{{intention}}}}.
    defaults: {{ tradition: universal }}
    max_tokens: 300
    answer_field: prayer
"
        );
        std::fs::write(home.file(), text).unwrap();
        home
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("ai_models.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn run_with(&self, words: &[&str], input: &str) -> Output {
        let home = self.0.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
        command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
        command.arg("--config").arg(self.file()).arg("--state-dir").arg(home.join("state")).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn good(&self, words: &[&str]) -> String {
        self.good_with(words, "")
    }

    fn good_with(&self, words: &[&str], input: &str) -> String {
        let output = self.run_with(words, input);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn bad(&self, words: &[&str], exit: i32) -> String {
        let output = self.run_with(words, "");
        assert_eq!(output.status.code(), Some(exit), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Nobody listens on the discard port.
const NOBODY: u16 = 9;

#[test]
fn presets_are_listed_and_shown_with_their_variables() {
    let home = Home::before(NOBODY);
    let list = home.good(&["presets", "list"]);
    assert!(list.contains("generate-prayer   prayer_generation  auto      intention, tradition=universal"), "{list}");
    let shown = home.good(&["presets", "show", "generate-prayer"]);
    assert!(shown.contains("POST /api/v1/llm/generate-prayer, the text in prayer"), "{shown}");
    assert!(shown.contains("  Generate a prayer for {{intention}}."), "{shown}");
    let listed: Value = serde_json::from_str(&home.good(&["presets", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["prompt"], "Generate a prayer for {{intention}}.");
    let unknown = home.bad(&["presets", "show", "generate-praye"], 2);
    assert!(unknown.contains("did you mean generate-prayer?"), "{unknown}");
}

#[test]
fn presets_are_added_changed_copied_and_removed_and_comments_stay() {
    let home = Home::before(NOBODY);
    let before = home.text();
    let added = home.good_with(
        &["presets", "add", "summarise", "--prompt", "-", "--default", "length=short", "--max-tokens", "200"],
        "Summarise, {{length}}:\n\n{{text}}\n",
    );
    assert!(added.starts_with("added preset summarise: "), "{added}");
    let text = home.text();
    assert!(text.contains("    prompt: |-\n      Summarise, {{length}}:\n\n      {{text}}\n"), "{text}");
    assert!(text.contains("# the original's own"), "{text}");
    let preview = home.good(&["presets", "edit", "summarise", "--default", "tone=dry", "--dry-run"]);
    assert!(preview.contains("+      tone: dry") && !preview.contains("-      length"), "{preview}");
    home.good(&["presets", "edit", "generate-prayer", "--clear", "max_tokens", "--model", "box"]);
    assert!(!home.text().contains("max_tokens: 300"), "{}", home.text());
    home.good(&["presets", "copy", "generate-prayer", "evening"]);
    home.good(&["presets", "remove", "evening"]);
    home.good(&["presets", "remove", "summarise"]);
    home.good(&["config", "undo"]);
    assert!(home.text().contains("  summarise:\n"), "{}", home.text());
    home.good(&["config", "check"]);
    for (words, said) in [
        (vec!["presets", "add", "generate-prayer", "--prompt", "x"], "there is a preset generate-prayer already"),
        (vec!["presets", "add", "x", "--prompt", "{{"], "character 1: {{ is not closed"),
        (vec!["presets", "edit", "summarise"], "nothing to change in summarise"),
        (vec!["presets", "edit", "summarise", "--clear", "promt"], "a preset needs its prompt"),
        (vec!["presets", "remove", "nobody"], "no preset is called"),
    ] {
        let said_so = home.bad(&words, 2);
        assert!(said_so.contains(said), "{words:?}: {said_so}");
    }
    let refused = home.bad(&["--readonly", "presets", "remove", "summarise"], 5);
    assert!(refused.contains("read-only"), "{refused}");
    assert_ne!(home.text(), before);
}

#[test]
fn what_is_missing_is_said_before_anything_is_sent() {
    let home = Home::before(NOBODY);
    for (words, said) in [
        (vec!["presets", "run", "generate-prayer"], "add --var intention=VALUE"),
        (vec!["presets", "run", "generate-prayer", "--var", "intension=x"], "did you mean intention?"),
        (vec!["presets", "run", "generate-prayer", "--var", "intention"], "a variable is written NAME=VALUE"),
        (vec!["ask", "--var", "intention=x", "hello"], "belongs to a preset, and none is named"),
        (vec!["ask", "--preset", "generate-prayer", "hello"], "cannot be used with"),
        (
            vec!["presets", "run", "generate-prayer", "--var", "intention=-", "--var", "tradition=-"],
            "both want standard input",
        ),
    ] {
        let said_so = home.bad(&words, 2);
        assert!(said_so.contains(said), "{words:?}: {said_so}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_filled_sent_and_answered_as_over_http() {
    let sim = Sim::start(SimKind::LlamaCpp).await;
    let port = sim.port();
    let answered = tokio::task::spawn_blocking(move || {
        let home = Home::before(port);
        let dry: Value = serde_json::from_str(&home.good(&[
            "presets",
            "run",
            "generate-prayer",
            "--var",
            "intention=peace",
            "--dry-run",
            "--json",
        ]))
        .unwrap();
        let plain = home.good_with(
            &[
                "ask",
                "--preset",
                "generate-prayer",
                "--var",
                "intention=-",
                "--var",
                "tradition=zen",
                "--target",
                "box",
            ],
            "all who {{suffer}}",
        );
        let json: Value = serde_json::from_str(&home.good(&[
            "presets",
            "run",
            "generate-prayer",
            "--var",
            "intention=x",
            "--max-tokens",
            "5",
            "--json",
        ]))
        .unwrap();
        (dry, plain, json)
    });
    let (dry, plain, json) = answered.await.unwrap();
    assert_eq!((&dry["preset"], &dry["prompt"]), (&json!("generate-prayer"), &json!("Generate a prayer for peace.")));
    assert_eq!(dry["system_prompt"], "Create universal style prayers.");
    assert!(!plain.trim().is_empty());
    assert!(!json["prayer"].as_str().unwrap().is_empty(), "{json}");
    assert_eq!(json["is_local"], json!(true));
    assert!(json["model_used"].as_str().unwrap().starts_with("box/"), "{json}");
    let asked: Vec<Value> = sim.chats().iter().map(SeenRequest::json).collect();
    assert_eq!(asked.len(), 2, "the dry run asked somebody");
    assert_eq!(asked[0]["messages"][0]["content"], "Create zen style prayers.");
    assert_eq!(asked[0]["messages"][1]["content"], "Generate a prayer for all who {{suffer}}.");
    assert_eq!((&asked[0]["max_tokens"], &asked[0]["stream"]), (&json!(300), &json!(true)));
    assert_eq!(asked[1]["max_tokens"], 5);
}
