//! Every command that a message, a remedy or a help text names is one that exists, with those flags: an advice
//! that ends in a usage error is worse than none.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test that called them")]

use clap::{CommandFactory as _, Parser as _};
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::cli::args::Cli;
use lmdeck::domain::config::{Endpoint, KeySource, Origin};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::kind::Kind;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore as _};
use lmdeck::present::remedy::{Remedy, Subject, remedy};
use lmdeck::tui::keymap::table::TABLE;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What may follow the program's name in a sentence that is no command.
const PROSE: [&str; 27] = [
    "about",
    "again",
    "are",
    "can",
    "cannot",
    "configuration",
    "does",
    "follows",
    "from",
    "has",
    "in",
    "is",
    "itself",
    "keeps",
    "knows",
    "listens",
    "made",
    "may",
    "needs",
    "on",
    "runs",
    "says",
    "sends",
    "then",
    "waiting",
    "without",
    "wrote",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The text of a source file without its comments, a string that goes on in the next line as one.
fn spoken(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let joined =
        lines.map(|line| line.trim_start().strip_suffix('\\').map_or_else(|| format!("{line}\n"), str::to_owned));
    joined.collect()
}

/// What is wrong with the command that `text` begins with, after the program's name; `None` for prose.
fn wrong(root: &clap::Command, text: &str) -> Option<String> {
    let mut command = root;
    let mut words = text.split([' ', '\n', '"', '\\', '(', ')', '`', ',', ';', '?', '|']).peekable();
    let first = words.peek()?.trim_end_matches(['.', ':']);
    if PROSE.contains(&first) || !first.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    while let Some(next) = words.peek().and_then(|word| command.find_subcommand(word.trim_end_matches(['.', ':']))) {
        command = next;
        let last = words.next().is_some_and(|word| word.ends_with(['.', ':']));
        if last {
            break;
        }
    }
    if command.get_name() == root.get_name() {
        return Some(format!("no verb {first}"));
    }
    if command.is_subcommand_required_set() {
        return Some(format!("{} needs a further verb", command.get_name()));
    }
    for word in words.take_while(|word| !word.is_empty()) {
        let flag = word.split('=').next().unwrap_or_default().trim_end_matches(['.', ':']);
        let known =
            |command: &clap::Command| command.get_arguments().any(|arg| flag.strip_prefix("--") == arg.get_long());
        if flag.starts_with("--") && flag != "--help" && !known(command) && !known(root) {
            return Some(format!("{} has no {flag}", command.get_name()));
        }
        if word.ends_with(['.', ':']) {
            break;
        }
    }
    None
}

#[test]
fn every_command_named_anywhere_in_the_program_exists() {
    let root = Cli::command();
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut checked = 0;
    let mut faults = Vec::new();
    for file in files {
        let text = spoken(&std::fs::read_to_string(&file).unwrap());
        for (at, name) in text.match_indices("lmdeck ") {
            if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "-/_.".contains(c)) {
                continue;
            }
            checked += 1;
            let rest = text[at + name.len()..].lines().next().unwrap_or_default();
            faults.extend(wrong(&root, rest).map(|what| format!("{}: {what}: {rest}", file.display())));
        }
    }
    assert!(checked > 150, "only {checked} places were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reader_of_commands_knows_wrong_ones() {
    let root = Cli::command();
    for (text, fault) in [
        ("restart\"", "no verb restart"),
        ("providers: see there", "providers needs a further verb"),
        ("routes explain --cal c1", "explain has no --cal"),
        ("models list shows them.", ""),
        ("config set limits.queue 3 --json.", ""),
        ("keeps no --secrets", ""),
    ] {
        assert_eq!(wrong(&root, text).unwrap_or_default(), fault, "{text}");
    }
}

// ---- the README ----

const README: &str = include_str!("../../README.md");

/// The blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = None;
    for line in README.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(_), Some(_)) => open = None,
            (Some(name), None) => {
                open = Some(name);
                if name == language {
                    found.push(String::new());
                }
            }
            (None, Some(name)) if name == language => {
                let block = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

/// What stands between back-ticks in running text.
fn quoted() -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in README.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

#[test]
fn every_command_line_of_the_readme_is_one() {
    let root = Cli::command();
    let mut checked = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()).filter(|line| line.starts_with("lmdeck ")) {
        // As a shell takes it apart, without the comment.
        let script = format!("set -- {line}\nprintf '%s\\0' \"$@\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        if let Err(error) = Cli::try_parse_from(words.split_terminator('\0')) {
            panic!("{line}: {error}");
        }
        checked += 1;
    }
    assert!(checked > 15, "only {checked} lines");
    let faults: Vec<String> =
        quoted().iter().filter_map(|text| text.strip_prefix("lmdeck ")).filter_map(|text| wrong(&root, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_configuration_of_the_readme_can_be_used() {
    let mut checked = 0;
    for text in blocks("yaml").iter().filter(|text| !text.starts_with("tests:")) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ai_models.yaml");
        std::fs::write(&file, text).unwrap();
        let source = Source {
            config: Some(file),
            working_folder: folder.path().to_owned(),
            state_folder: folder.path().join("state"),
            ..Source::default()
        };
        let issues = match ConfigFile::open(source).look() {
            Ok(loaded) => loaded.issues,
            Err(unusable) => panic!("{text}: {:?}", unusable.issues),
        };
        let unknown: Vec<_> = issues.iter().filter(|issue| issue.message.contains("unknown key")).collect();
        assert!(unknown.is_empty(), "{text}: {unknown:?}");
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} blocks");
}

#[test]
fn every_key_of_the_readme_is_bound() {
    let bound: BTreeSet<&str> =
        TABLE.iter().flat_map(|part| part.iter()).flat_map(|entry| entry.keys).copied().collect();
    let mut checked = 0;
    for text in quoted() {
        // Other signs alone are no keys: `*` is any client, `$` begins a reference.
        let one = text.len() == 1 && text.chars().all(|c| c.is_ascii_alphanumeric() || "!?:;/".contains(c));
        if one || (text.starts_with("ctrl-") && text.len() == 6) {
            assert!(bound.contains(text), "{text} is bound nowhere");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} keys");
}

// ---- remedies, which are made while the program runs ----

fn every_failure() -> Vec<Failure> {
    let causes = [
        Cause::Refused,
        Cause::ConnectTimeout,
        Cause::Dns,
        Cause::Tls { detail: "x".into(), certificate: false },
        Cause::Tls { detail: "x".into(), certificate: true },
        Cause::Reset,
        Cause::SilentServer,
        Cause::FirstTokenTimeout,
        Cause::IdleTimeout,
        Cause::Deadline,
        Cause::KeyRefused { status: 401 },
        Cause::KeyMissing { variable: Some("MY_KEY".into()) },
        Cause::KeyMissing { variable: None },
        Cause::KeyWithheld { host: "models.example".into() },
        Cause::WrongPath { path: "/v1/v1/models".into() },
        Cause::WrongPath { path: "/models".into() },
        Cause::HtmlPage,
        Cause::OtherProgram { looks_like: Some("Ollama".into()) },
        Cause::OtherProgram { looks_like: None },
        Cause::MalformedList { detail: "x".into() },
        Cause::NoModelLoaded,
        Cause::JitOff,
        Cause::UnknownModel { offered: vec!["a".into()] },
        Cause::ModelCrashed,
        Cause::ServerError { status: 500 },
        Cause::CutOff,
        Cause::TooLarge { limit_bytes: 1 << 20 },
        Cause::Redirect { to: "https://login.example/x".into() },
        Cause::WrongReach { address: "192.168.1.9".into() },
    ];
    let of_causes = causes.into_iter().map(|cause| Failure::new(ErrorCode::Network, cause, "x"));
    of_causes.chain(ErrorCode::ALL.into_iter().map(|code| Failure::plain(code, "x"))).collect()
}

fn every_remedy(mut look: impl FnMut(&Remedy)) {
    for kind in Kind::ALL {
        for host in ["127.0.0.1", "192.168.1.20", "models.example"] {
            for tls in [false, true] {
                let origin = format!("{}://{host}:8080", if tls { "https" } else { "http" });
                let endpoint = Endpoint {
                    written: origin.clone(),
                    api_base: format!("{origin}/v1"),
                    origin,
                    host: host.into(),
                    port: 8080,
                    tls,
                };
                let keys =
                    [KeySource::None, KeySource::Variable { name: "MY_KEY".into() }, KeySource::File { tail: None }];
                for key in &keys {
                    for (id, origin) in [
                        ("", Origin::Providers),
                        ("box", Origin::Providers),
                        ("lm_studio", Origin::Section),
                        ("zai", Origin::Environment),
                        ("llama_cpp", Origin::Discovery),
                    ] {
                        let subject = Subject { id, kind, endpoint: &endpoint, key, model: Some("m"), origin };
                        for failure in every_failure() {
                            look(&remedy(&failure, &subject));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_command_of_a_remedy_can_be_typed_as_it_stands() {
    let mut commands = BTreeSet::new();
    every_remedy(|remedy| {
        commands.extend(remedy.command.clone().filter(|command| command.starts_with("lmdeck ")));
    });
    assert!(commands.len() > 50, "{commands:?}");
    for command in commands {
        let words = command.split(' ').map(|word| word.trim_matches('\''));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{command}: {error}");
        }
    }
}

#[test]
fn every_command_inside_a_remedy_s_sentences_exists() {
    let mut texts = BTreeSet::new();
    every_remedy(|remedy| {
        texts.insert(remedy.text());
    });
    let root = Cli::command();
    for text in texts {
        for (at, name) in text.match_indices("lmdeck ") {
            if let Some(what) = wrong(&root, &text[at + name.len()..]) {
                panic!("{what}: {text}");
            }
        }
    }
}

#[test]
fn the_settings_that_remedies_name_can_be_set() {
    let mut settings = BTreeSet::new();
    every_remedy(|remedy| {
        if let Some(rest) = remedy.command.as_deref().and_then(|command| command.strip_prefix("lmdeck config set ")) {
            settings.insert(rest.replace("providers.ID.", "providers.box."));
        }
    });
    assert!(settings.len() > 4, "{settings:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ai_models.yaml");
    let text = "providers:\n  - { id: box, type: vllm }\nlm_studio: { base_url: 'http://127.0.0.1:1' }\n";
    std::fs::write(&file, text).unwrap();
    let store = ConfigFile::open(Source {
        config: Some(file),
        environment: BTreeMap::new(),
        working_folder: folder.path().to_owned(),
        config_folder: None,
        state_folder: folder.path().join("state"),
    });
    store.load().unwrap();
    for setting in settings {
        let (path, value) = setting.split_once(' ').unwrap();
        let edit = ConfigEdit::Set { path: path.into(), value: value.into() };
        if let Err(refusal) = store.edit(&edit, false) {
            panic!("{setting}: {}", refusal.message);
        }
    }
}
