//! One rule for the whole command line: a name that nothing has is a mistake of the person who typed it, exit 2,
//! with a word about what there is; whatever it names, and whichever verb it is given to.

use crate::support::sim::{LmStudioApi, Sim, SimKind};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").current_dir(home);
    command.arg("--config").arg(home.join("ai_models.yaml")).arg("--state-dir").arg(home.join("state")).args(words);
    command.stdin(Stdio::null()).output().unwrap()
}

/// Every verb that takes a name, with one that nothing has.
const WORDS: &[&[&str]] = &[
    &["providers", "show", "nobody"],
    &["providers", "edit", "nobody", "--name", "N"],
    &["providers", "remove", "nobody"],
    &["providers", "enable", "nobody"],
    &["providers", "disable", "nobody"],
    &["providers", "test", "nobody"],
    &["providers", "doctor", "nobody"],
    &["probe", "nobody"],
    &["health", "incidents", "nobody"],
    &["models", "list", "nobody"],
    &["models", "use", "nobody"],
    &["models", "load", "nobody"],
    &["models", "load", "studio/nobody"],
    &["models", "unload", "nobody"],
    &["ask", "hello", "--model", "nobody"],
    &["ask", "hello", "--model", "nobody/there"],
    &["ask", "hello", "--model", "nobody", "--json"],
    &["ask", "hello", "--model", "nobody", "--dry-run"],
    &["bench", "nobody"],
    &["routes", "explain", "--model", "nobody"],
    &["routes", "explain", "--call", "nobody"],
    &["routes", "show", "nobody"],
    &["routes", "edit", "nobody", "--priority", "3"],
    &["routes", "copy", "nobody", "other"],
    &["routes", "move", "nobody", "--first"],
    &["routes", "enable", "nobody"],
    &["routes", "disable", "nobody"],
    &["routes", "remove", "nobody"],
    &["routes", "order", "nobody"],
    &["calls", "show", "nobody"],
    &["calls", "list", "--before", "nobody"],
    &["calls", "list", "colour:red"],
    &["calls", "list", "since:never"],
    &["calls", "stats", "colour:red"],
    &["calls", "export", "colour:red"],
    &["calls", "tail", "colour:red"],
    &["connect", "nobody"],
    &["config", "set", "nobody.at_all", "1"],
    &["nobody"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nothing_has_exits_2_and_says_what_to_do_at_every_verb() {
    let sim = Sim::start(SimKind::LmStudio(LmStudioApi::V1)).await;
    let home = tempfile::tempdir().unwrap();
    let config = format!("providers:\n  - {{ id: studio, type: lm_studio, endpoint: '{}' }}\n", sim.origin());
    std::fs::write(home.path().join("ai_models.yaml"), config).unwrap();
    let mut wrong = Vec::new();
    for words in WORDS {
        let output = run(home.path(), words);
        let said = String::from_utf8(output.stderr).unwrap();
        let helps = said.contains("do:") || said.contains("Usage:") || said.contains("tip:") || said.contains("--help");
        let explains = words.contains(&"explain") || words.contains(&"--dry-run");
        if output.status.code() != Some(2) || !(helps || explains) {
            wrong.push(format!("{}: {:?}\n{said}", words.join(" "), output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sim.chats().len(), 0);
}
