//! A file that was good once and cannot be used now: what is kept of it, run from, compared with, put back.

use crate::config::{KEYS, Place};
use lmdeck::adapters::config::ConfigFile;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore as _};
use std::path::PathBuf;
use std::process::{Command, Output};

const GOOD: &str =
    "# mine\nproviders:\n  - { id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:1' }\nlimits:\n  queue: 7\n";
const BAD: &str =
    "# mine\nproviders:\n  - { id: box, type: llama_cpp, endpoint: 'http://127.0.0.1:1' }\nlimits:\n  queue: many\n";

fn spoiled(good: &str, bad: impl AsRef<[u8]>) -> (Place, ConfigFile) {
    let place = Place::holding(good);
    place.load(KEYS).unwrap();
    place.write("ai_models.yaml", bad);
    let store = place.store(KEYS);
    assert!(store.load().is_err());
    (place, store)
}

fn file(place: &Place) -> String {
    std::fs::read_to_string(place.path("ai_models.yaml")).unwrap()
}

fn beside(place: &Place) -> Vec<String> {
    let names = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("broken"));
    names.sort();
    names
}

#[test]
fn every_version_that_loaded_well_is_kept_and_a_spoiled_one_never_takes_its_place() {
    let (place, store) = spoiled(GOOD, BAD);
    let since = store.load().unwrap_err().last_good.unwrap();
    let good = store.last_good().unwrap();
    assert_eq!(good.config.limits.queue, 7);
    place.write("ai_models.yaml", GOOD.replace('7', "8"));
    store.load().unwrap();
    place.write("ai_models.yaml", BAD);
    assert_eq!(store.last_good().unwrap().config.limits.queue, 8);
    assert!(store.load().unwrap_err().last_good.unwrap() >= since);
    assert_eq!(file(&place), BAD, "the file itself is nobody's to change");
}

#[test]
fn looking_at_a_file_keeps_nothing_of_it() {
    let place = Place::holding(GOOD);
    place.store(KEYS).look().unwrap();
    place.write("ai_models.yaml", BAD);
    assert!(place.store(KEYS).last_good().is_none());
    assert!(place.store(KEYS).look().unwrap_err().last_good.is_none());
}

#[test]
fn putting_back_keeps_the_spoiled_file_beside_and_can_be_undone() {
    let (place, store) = spoiled(GOOD, BAD);
    let compared = store.compare_last_good().unwrap();
    assert!(
        !compared.written && compared.difference.contains("-  queue: many\n+  queue: 7"),
        "{}",
        compared.difference
    );
    let report = store.put_last_good_back().unwrap();
    assert!(report.written && report.issues[0].message.ends_with("ai_models.yaml.broken"), "{:?}", report.issues);
    assert_eq!(file(&place), GOOD);
    assert_eq!(std::fs::read_to_string(place.path("ai_models.yaml.broken")).unwrap(), BAD);
    store.load().unwrap();
    // It was a change by lmdeck like any other.
    store.undo().unwrap();
    assert_eq!(file(&place), BAD);
    store.put_last_good_back().unwrap();
    assert_eq!(beside(&place), ["ai_models.yaml.broken", "ai_models.yaml.broken-2"], "nothing is written over");
}

#[test]
fn a_file_that_is_no_text_is_put_back_too_and_lost_as_little() {
    let bad = [0xff, 0xfe, 0, 1, 2, b'\n'];
    let (place, store) = spoiled(GOOD, bad);
    store.put_last_good_back().unwrap();
    assert_eq!(file(&place), GOOD);
    assert_eq!(std::fs::read(place.path("ai_models.yaml.broken")).unwrap(), bad);
}

#[test]
fn a_good_file_and_one_without_a_past_are_left_alone() {
    let place = Place::holding(GOOD);
    let store = place.store(KEYS);
    store.load().unwrap();
    let refused = store.put_last_good_back().unwrap_err();
    assert!(refused.message.contains("can be used as it is"), "{}", refused.message);
    let place = Place::holding(BAD);
    let refused = place.store(KEYS).put_last_good_back().unwrap_err();
    assert!(refused.message.contains("no earlier version"), "{}", refused.message);
    assert_eq!((file(&place).as_str(), beside(&place).len()), (BAD, 0));
    let folder = Place::new();
    std::fs::create_dir(folder.path("ai_models.yaml")).unwrap();
    assert!(folder.store(KEYS).put_last_good_back().is_err());
}

#[test]
fn undo_of_a_file_spoiled_by_hand_points_to_the_last_good_version() {
    let (_place, store) = spoiled(GOOD, BAD);
    assert!(store.undo().unwrap_err().remedy.contains("lmdeck config undo --last-good"));
    let place = Place::holding(GOOD);
    let store = place.store(KEYS);
    store.load().unwrap();
    store.edit(&ConfigEdit::Set { path: "limits.queue".into(), value: "9".into() }, false).unwrap();
    store.load().unwrap();
    place.write("ai_models.yaml", BAD);
    assert!(store.undo().unwrap_err().remedy.contains("lmdeck config undo --last-good"));
}

#[test]
fn the_difference_shows_no_key_of_either_version_even_where_nothing_can_be_parsed() {
    let good = "gateway:\n  api_keys:\n    - old-gate-secret\nproviders:\n  - id: a\n    type: openai\n    authToken: old-token-secret\n";
    for bad in [
        "gateway:\n  api_keys:\n    - new-gate-secret\nproviders:\n  - id: a\n    type: openai\n    authToken: new-token-secret\nlimits: { queue: x }\n",
        "gateway:\n  api_keys:\n    - new-gate-secret\n  listen: [\nproviders:\n  - id: a\n    authToken: |\n      new-token-secret\n",
        "gateway:\n\tapi_keys: [new-gate-secret,\n new-token-secret]\n",
    ] {
        let (_place, store) = spoiled(good, bad);
        let shown = store.compare_last_good().unwrap().difference;
        for secret in ["old-gate-secret", "new-gate-secret", "old-token-secret", "new-token-secret"] {
            assert!(!shown.contains(secret), "{secret} in\n{shown}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_the_owner_s_alone_and_so_is_the_spoiled_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (place, store) = spoiled(GOOD, BAD);
    store.put_last_good_back().unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path("state/good")), 0o700);
    for entry in std::fs::read_dir(place.path("state/good")).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
    assert_eq!(mode(place.path("ai_models.yaml.broken")), 0o600);
}

fn lmdeck(place: &Place, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lmdeck"));
    command.env_clear().env("HOME", place.path("home")).env("PATH", "/usr/bin:/bin").current_dir(place.path(""));
    command.arg("--config").arg(place.path("ai_models.yaml")).arg("--state-dir").arg(place.path("state"));
    command.args(words).output().unwrap()
}

#[test]
fn the_command_line_compares_and_puts_back_and_any_other_verb_ends_with_3() {
    let place = Place::holding(GOOD);
    assert_eq!(lmdeck(&place, &["config", "show"]).status.code(), Some(0));
    place.write("ai_models.yaml", BAD);
    let status = lmdeck(&place, &["status"]);
    assert_eq!(status.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&status.stderr).contains("lmdeck config undo --last-good"));
    let shown = lmdeck(&place, &["config", "undo", "--last-good", "--dry-run"]);
    assert_eq!(shown.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("+  queue: 7"));
    assert_eq!(file(&place), BAD);
    let refused = lmdeck(&place, &["config", "undo", "--last-good", "--readonly"]);
    assert_eq!((refused.status.code(), file(&place).as_str()), (Some(5), BAD));
    let done = lmdeck(&place, &["config", "undo", "--last-good"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(file(&place), GOOD);
    assert_eq!(beside(&place), ["ai_models.yaml.broken"]);
}
