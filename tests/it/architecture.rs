//! The house stands as DESIGN §9 draws it: who may see whom, what the domain stays clear of, and the rules
//! that hold for every file. The reading is done on tokens, so comments and texts do not count.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const LAYERS: [&str; 8] = ["domain", "engine", "adapters", "present", "tui", "cli", "gateway", "sim"];
/// The root of the crate may see everything: `bootstrap` puts the house together.
const ROOT: [&str; 3] = ["lib", "main", "bootstrap"];
/// Simulated servers are for tests and for the demo: nothing that serves a person's own providers may lean on them.
const MAY_USE_SIM: &str = "src/bootstrap/demo";
const MAX_LINES: usize = 600;

/// What a layer may name beside itself: paths from the crate's root.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "engine" | "sim" => &["domain"],
        "adapters" => &["domain", "engine::ports", "engine::protocol"],
        "present" => &["domain", "engine::protocol"],
        "tui" | "cli" | "gateway" => &["domain", "present", "engine::handle", "engine::protocol"],
        _ => &[],
    }
}

/// Paths the domain stays clear of, by their beginning.
const NOT_IN_DOMAIN: [&str; 20] = [
    "tokio",
    "tokio_util",
    "futures_util",
    "reqwest",
    "hyper",
    "axum",
    "rusqlite",
    "ratatui",
    "crossterm",
    "tracing",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "std::os",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
];
/// The only crates that the domain's `use` lines may begin with.
const USED_BY_DOMAIN: [&str; 6] = ["std", "core", "serde", "crate", "super", "self"];
/// Where the machine may be asked for the time of day.
const CLOCK: &str = "src/adapters/clock.rs";

// ---- reading source

/// A token with the line it stands on.
#[derive(Debug, Clone, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Identifiers, `::`, and single characters; without comments, texts, characters and lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &source[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = text_literal(rest) {
            length
        } else if bytes[at] == b'\'' {
            char_or_lifetime(rest)
        } else if bytes[at].is_ascii_alphabetic() || bytes[at] == b'_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token { text: rest[..end].to_owned(), line });
            end
        } else if rest.starts_with("::") {
            tokens.push(Token { text: "::".to_owned(), line });
            2
        } else {
            let c = rest.chars().next().map_or(1, char::len_utf8);
            if !rest[..c].trim().is_empty() {
                tokens.push(Token { text: rest[..c].to_owned(), line });
            }
            c
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a text literal at the start, raw ones and those with a prefix included.
fn text_literal(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'r' | 'c')).filter(|end| *end <= 2)?;
    let raw = rest[..prefix].contains('r');
    let hashes = if raw { rest[prefix..].bytes().take_while(|b| *b == b'#').count() } else { 0 };
    let open = prefix + hashes;
    if !rest[open..].starts_with('"') {
        return None;
    }
    let body = &rest[open + 1..];
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(open + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return Some(open + 1 + at + 1),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some(rest.len())
}

fn char_or_lifetime(rest: &str) -> usize {
    let body = &rest[1..];
    if let Some(escape) = body.strip_prefix('\\') {
        // The character behind the backslash may itself be a quote.
        let skip = escape.chars().next().map_or(0, char::len_utf8);
        return 2 + skip + escape[skip..].find('\'').map_or(0, |at| at + 1);
    }
    let first = body.chars().next().map_or(0, char::len_utf8);
    if body[first..].starts_with('\'') { 1 + first + 1 } else { 1 }
}

/// A path as written, groups taken apart: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
#[derive(Debug, Clone, PartialEq)]
struct Named {
    path: Vec<String>,
    line: usize,
    /// It stands in a `use`.
    used: bool,
}

impl Named {
    fn text(&self) -> String {
        self.path.join("::")
    }
}

fn is_word(token: &Token) -> bool {
    token.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 0 && tokens[at - 1].text == "::";
        if is_word(&tokens[at]) && !continues {
            if tokens[at].text == "use" {
                at = tree(tokens, at + 1, &[], true, &mut found);
                continue;
            }
            let end = tree(tokens, at, &[], false, &mut found);
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path or a group behind one; gives back where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], used: bool, found: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match tokens.get(at) {
            Some(token) if is_word(token) => path.push(token.text.clone()),
            Some(token) if token.text == "*" && used => {}
            Some(token) if token.text == "{" && (used || path.len() > prefix.len()) => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    if tokens[at].text == "," {
                        at += 1;
                    } else {
                        at = tree(tokens, at, &path, used, found).max(at + 1);
                    }
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_some_and(|token| token.text == "::") {
            at += 1;
        } else {
            break;
        }
    }
    if used && tokens.get(at).is_some_and(|token| token.text == "as") {
        at += 2;
    }
    if path.len() > prefix.len() || used {
        found.push(Named { path, line, used });
    }
    at
}

/// The tokens without the items behind `#[cfg(test)]`: tests may use what they like.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].iter().map(|token| token.text.as_str()).take(mark.len());
        if !here.eq(mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        at += mark.len();
        while at < tokens.len() {
            match tokens[at].text.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            at += 1;
            if depth == 0 && matches!(tokens[at - 1].text.as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

// ---- the rules

/// Where a file stands in the crate: `src/tui/screens/health.rs` is `["tui", "screens", "health"]`.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// The path from the crate's root, for paths that begin with `crate`, `super` or the crate's own name.
fn from_root(named: &Named, module: &[String]) -> Option<Vec<String>> {
    match named.path.first()?.as_str() {
        "crate" | "lmdeck" => Some(named.path[1..].to_vec()),
        "super" => {
            let up = named.path.iter().take_while(|part| *part == "super").count();
            let stays = module.len().checked_sub(up)?;
            Some([&module[..stays], &named.path[up..]].concat())
        }
        _ => None,
    }
}

fn begins_with(path: &[String], beginning: &str) -> bool {
    let parts: Vec<_> = beginning.split("::").collect();
    path.len() >= parts.len() && path.iter().zip(&parts).all(|(a, b)| a == b)
}

/// Everything that is wrong with one file, each with its place.
fn faults(file: &str, source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{file}: {lines} lines, at most {MAX_LINES}: take it apart"));
    }
    if !source.starts_with("//!") {
        faults.push(format!("{file}:1: begins without a `//!` that says what lives there"));
    }
    let tokens = tokens(source);
    let own = without_tests(&tokens);
    faults.extend(everywhere(file, &tokens, &own));
    let module = module_of(file);
    let layer = module.first().map_or("", String::as_str);
    if ROOT.contains(&layer) {
        faults.extend(simulations(file, &module, &tokens));
        return faults;
    }
    if !LAYERS.contains(&layer) {
        faults.push(format!("{file}: `{layer}` is no part of the house: say in DESIGN §9 where it stands"));
        return faults;
    }
    for named in paths(&tokens) {
        let Some(path) = from_root(&named, &module) else { continue };
        let Some(other) = path.first() else { continue };
        let is_part = LAYERS.contains(&other.as_str()) || ROOT.contains(&other.as_str());
        if is_part && other != layer && !allowed(layer).iter().any(|seen| begins_with(&path, seen)) {
            faults.push(format!("{file}:{}: {layer} may not see `{}`", named.line, path.join("::")));
        }
    }
    let only_tests = file.ends_with("/tests.rs");
    if layer == "domain" && !only_tests {
        faults.extend(impurities(file, &own));
    }
    if file != CLOCK {
        for named in paths(&own) {
            let text = named.text();
            if ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().any(|asked| text.ends_with(asked)) {
                faults.push(format!("{file}:{}: only the clock asks for the time", named.line));
            }
        }
    }
    faults
}

/// Where the root uses simulated servers beside the demo.
fn simulations(file: &str, module: &[String], tokens: &[Token]) -> Vec<String> {
    if file.starts_with(MAY_USE_SIM) {
        return Vec::new();
    }
    let named = paths(tokens).into_iter().filter_map(|named| Some((named.line, from_root(&named, module)?)));
    let uses = named.filter(|(_, path)| begins_with(path, "sim"));
    uses.map(|(line, path)| format!("{file}:{line}: only the demo may see `{}`", path.join("::"))).collect()
}

/// What holds in every file.
fn everywhere(file: &str, all: &[Token], own: &[Token]) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, token) in all.iter().enumerate() {
        let called = all.get(at + 1).is_some_and(|next| next.text == "!");
        if called && matches!(token.text.as_str(), "todo" | "unimplemented") {
            faults.push(format!("{file}:{}: `{}!` is a promise, not code", token.line, token.text));
        }
    }
    for token in own {
        if token.text.contains("unbounded") {
            faults.push(format!("{file}:{}: `{}`: channels are bounded", token.line, token.text));
        }
    }
    let own_paths = paths(own);
    let thread_channels = own_paths.iter().any(|named| named.text() == "std::sync::mpsc");
    for named in own_paths {
        let text = named.text();
        if text == "std::sync::mpsc::channel" || (thread_channels && text == "mpsc::channel") {
            faults.push(format!("{file}:{}: std's `channel` has no bound: use `sync_channel`", named.line));
        }
    }
    faults
}

fn impurities(file: &str, own: &[Token]) -> Vec<String> {
    let mut faults = Vec::new();
    let word_at = |at: usize| own.get(at).map_or("", |token| token.text.as_str());
    for (at, token) in own.iter().enumerate() {
        if token.text == "async" && matches!(word_at(at + 1), "fn" | "move" | "{" | "|") {
            faults.push(format!("{file}:{}: the domain has no async", token.line));
        }
    }
    // `pub use decide::decide` begins with a module of its own.
    let children: Vec<_> = own
        .windows(3)
        .filter(|part| part[0].text == "mod" && part[2].text == ";")
        .map(|part| part[1].text.as_str())
        .collect();
    for named in paths(own) {
        let text = named.text();
        let root = named.path.first().map_or("", String::as_str);
        // No crate's name begins with a capital: `use Kind::*` brings in what is known already.
        let is_crate = root.starts_with(char::is_lowercase) && !children.contains(&root);
        let foreign = named.used && is_crate && !USED_BY_DOMAIN.contains(&root);
        if foreign || NOT_IN_DOMAIN.iter().any(|bad| begins_with(&named.path, bad)) {
            faults.push(format!("{file}:{}: the domain stays clear of `{text}`", named.line));
        }
        if text.ends_with("Instant::now") {
            faults.push(format!("{file}:{}: the domain has no clock: take the time as a parameter", named.line));
        }
    }
    faults
}

// ---- the house itself

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_stands_as_drawn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 30, "the sources were found");
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        all.extend(faults(&file, &source));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

// ---- the rules can fail

/// The faults of a made-up file, without its name.
fn of(file: &str, body: &str) -> Vec<String> {
    let found = faults(file, &format!("//! A made-up file.\n{body}"));
    found.into_iter().map(|fault| fault.trim_start_matches(file).to_owned()).collect()
}

#[test]
fn a_forbidden_edge_is_found_however_it_is_written() {
    for (file, body, fault) in [
        ("src/domain/a.rs", "use crate::engine::protocol::Event;", ":2: domain may not see `engine::protocol::Event`"),
        (
            "src/engine/a.rs",
            "fn f() { crate::adapters::clock::unix_now(); }",
            ":2: engine may not see `adapters::clock::unix_now`",
        ),
        (
            "src/adapters/a.rs",
            "use crate::engine::handle::EngineHandle;",
            ":2: adapters may not see `engine::handle::EngineHandle`",
        ),
        (
            "src/adapters/a.rs",
            "use crate::engine::{\n  ports::Clock,\n  handle::Caller,\n};",
            ":4: adapters may not see `engine::handle::Caller`",
        ),
        (
            "src/present/a.rs",
            "use crate::{domain::ids, engine::ports::Clock as C};",
            ":2: present may not see `engine::ports::Clock`",
        ),
        ("src/present/mod.rs", "use super::engine::handle;", ":2: present may not see `engine::handle`"),
        ("src/tui/screens/health.rs", "use super::super::super::cli::table;", ":2: tui may not see `cli::table`"),
        ("src/tui/mod.rs", "pub use crate::gateway;", ":2: tui may not see `gateway`"),
        (
            "src/cli/a.rs",
            "fn f(x: &crate::adapters::ledger::SqliteLedger) {}",
            ":2: cli may not see `adapters::ledger::SqliteLedger`",
        ),
        ("src/gateway/a.rs", "use crate::engine::ports::*;", ":2: gateway may not see `engine::ports`"),
        ("src/gateway/a.rs", "use crate::engine::calls::Runner;", ":2: gateway may not see `engine::calls::Runner`"),
        ("src/cli/a.rs", "fn f() { crate::bootstrap::start(); }", ":2: cli may not see `bootstrap::start`"),
        ("src/engine/a.rs", "use lmdeck::adapters::redact;", ":2: engine may not see `adapters::redact`"),
        ("src/sim/a.rs", "use crate::engine::ports::Clock;", ":2: sim may not see `engine::ports::Clock`"),
        ("src/adapters/a.rs", "use crate::sim::Sim;", ":2: adapters may not see `sim::Sim`"),
        ("src/tui/a.rs", "fn f() { crate::sim::Sim::start(); }", ":2: tui may not see `sim::Sim::start`"),
        ("src/bootstrap/front.rs", "use crate::sim::Sim;", ":2: only the demo may see `sim::Sim`"),
        ("src/misc/a.rs", "", ": `misc` is no part of the house: say in DESIGN §9 where it stands"),
    ] {
        assert_eq!(of(file, body), [fault], "{file}: {body}");
    }
}

#[test]
fn allowed_edges_comments_and_texts_are_no_faults() {
    for (file, body) in [
        ("src/engine/a.rs", "use crate::domain::{ids::CallId, time::UnixMs};\nuse super::ports::Clock;"),
        ("src/adapters/a.rs", "use crate::engine::{ports::Clock, protocol::{Event, Level}};\nuse super::clock;"),
        ("src/present/a.rs", "use crate::engine::protocol::CallRow;"),
        (
            "src/tui/screens/a.rs",
            "use crate::{present::escape, engine::handle::EngineHandle};\nuse super::super::keys;",
        ),
        ("src/tui/mod.rs", "#[cfg(test)]\nmod tests { use super::*; }"),
        ("src/bootstrap.rs", "use crate::{adapters, cli, gateway, tui};"),
        ("src/bootstrap/demo.rs", "use crate::sim::{Sim, SimKind};"),
        ("src/sim/a.rs", "use crate::domain::kind::Kind;\nuse super::settings;"),
        (
            "src/domain/a.rs",
            "// use crate::engine::ports;\n/* tokio /* todo!() */ */\n/// See [`crate::engine`].\nfn f() {}",
        ),
        ("src/domain/a.rs", "const A: &str = \"crate::tui::x\\\" todo!()\"; const B: &str = r#\"use tokio; \"\"#;"),
        (
            "src/domain/a.rs",
            "fn f<'a>(x: &'a str) -> char { if x == \"'\" { '\\'' } else { '\"' } }\nuse std::net::IpAddr;",
        ),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\nmod tests {\n use proptest::prelude::*;\n fn f() { std::fs::read(\"x\"); }\n}",
        ),
        ("src/adapters/clock.rs", "fn f() { std::time::SystemTime::now(); }"),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\n#[expect(unused)]\npub(crate) mod tests { fn f() { jiff::x(); } }\nfn f() { use Kind::*; }",
        ),
        ("src/domain/tests.rs", "use proptest::prelude::*;"),
        ("src/domain/mod.rs", "mod decide;\npub use decide::decide;"),
        ("src/engine/a.rs", "use std::sync::mpsc::sync_channel;\nuse tokio::sync::mpsc;\nfn f() { mpsc::channel(4); }"),
        ("src/engine/a.rs", "use std::sync::Arc;\nuse tokio::sync::mpsc;\nfn f() { mpsc::channel(4); }"),
    ] {
        assert_eq!(of(file, body), Vec::<String>::new(), "{file}: {body}");
    }
}

#[test]
fn an_impure_domain_is_found() {
    for (body, fault) in [
        ("use tokio::sync::watch;", ":2: the domain stays clear of `tokio::sync::watch`"),
        ("use std::{collections::BTreeMap, fs};", ":2: the domain stays clear of `std::fs`"),
        (
            "fn f() { let _ = std::net::TcpStream::connect(a); }",
            ":2: the domain stays clear of `std::net::TcpStream::connect`",
        ),
        ("use jiff::Timestamp;", ":2: the domain stays clear of `jiff::Timestamp`"),
        ("fn f() { Instant::now(); }", ":2: the domain has no clock: take the time as a parameter"),
        ("fn f() { SystemTime::now(); }", ":2: only the clock asks for the time"),
        ("#[cfg(test)]\nmod tests { fn f() {} }\nuse jiff::Span;", ":4: the domain stays clear of `jiff::Span`"),
        ("async fn f() {}", ":2: the domain has no async"),
        ("fn f() { async move { 1 }; }", ":2: the domain has no async"),
    ] {
        assert_eq!(of("src/domain/a.rs", body), [fault], "{body}");
    }
}

#[test]
fn what_holds_for_every_file_is_found() {
    for (file, body, fault) in [
        ("src/cli/a.rs", "fn f() { todo!() }", ":2: `todo!` is a promise, not code"),
        ("src/main.rs", "fn f() { unimplemented!(\"later\") }", ":2: `unimplemented!` is a promise, not code"),
        ("src/tui/a.rs", "fn f() { mpsc::unbounded_channel(); }", ":2: `unbounded_channel`: channels are bounded"),
        (
            "src/engine/a.rs",
            "use std::sync::mpsc;\nfn f() { mpsc::channel(); }",
            ":3: std's `channel` has no bound: use `sync_channel`",
        ),
        ("src/engine/a.rs", "fn f() { jiff::Timestamp::now(); }", ":2: only the clock asks for the time"),
        ("src/tui/a.rs", "fn f() { SystemTime::now(); }", ":2: only the clock asks for the time"),
    ] {
        assert_eq!(of(file, body), [fault], "{file}: {body}");
    }
    assert_eq!(
        faults("src/main.rs", "fn main() {}"),
        ["src/main.rs:1: begins without a `//!` that says what lives there"]
    );
    let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(MAX_LINES));
    assert_eq!(faults("src/cli/a.rs", &long), ["src/cli/a.rs: 601 lines, at most 600: take it apart"]);
}
