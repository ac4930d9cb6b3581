//! `routes test FILE`: a table of requests and what is expected of them, held against the rules. Made for other
//! people's CI: nobody is asked, and the exit code tells.

use super::text_file;
use crate::cli::ending::{Ending, USAGE};
use crate::cli::session::{Session, unexpected};
use crate::cli::words;
use crate::domain::cache_key::CacheWish;
use crate::domain::call::{Facts, Priority, Work};
use crate::domain::routing::{Decision, Explanation};
use crate::engine::protocol::{CaseWorld, Command, Reply, RouteCase};
use crate::present::escape;
use crate::present::labels::Role;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tests: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    name: String,
    #[serde(default)]
    request: Request,
    #[serde(default)]
    world: CaseWorld,
    expect: Expect,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Request {
    r#type: String,
    complexity: String,
    audience: String,
    priority: Priority,
    model: String,
    prompt_tokens: u64,
    max_tokens: u64,
    stream: bool,
    has_tools: bool,
    has_images: bool,
    wants_json: bool,
    client: String,
    session: String,
    tags: BTreeMap<String, String>,
    prefer: String,
    local_only: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expect {
    target: Option<String>,
    provider: Option<String>,
    chain: Option<Vec<String>>,
    policy: Option<String>,
    denied: Option<bool>,
    local_only: Option<bool>,
    max_tokens: Option<u64>,
}

pub async fn run(session: &mut Session, file: &Path) -> Result<(), Ending> {
    let table = read(file)?;
    let cases = table.tests.iter().map(Row::case).collect();
    let Reply::RoutesTested(results) = session.ask(Command::TestRoutes { cases }).await? else {
        return Err(unexpected("routes test"));
    };
    let mut failed = 0;
    let mut rows = Vec::new();
    for (place, (row, result)) in table.tests.iter().zip(&results).enumerate() {
        let name = if row.name.is_empty() { format!("test {}", place + 1) } else { row.name.clone() };
        let wrong = match result {
            Ok(explanation) => row.expect.differs(&explanation.decision),
            Err(sentence) => vec![sentence.clone()],
        };
        failed += usize::from(!wrong.is_empty());
        if session.console.json {
            rows.push(as_json(&name, result, &wrong));
        } else {
            tell(session, &name, result, &wrong)?;
        }
    }
    let all = table.tests.len();
    if session.console.json {
        session
            .console
            .document(&json!({ "ok": failed == 0, "passed": all - failed, "failed": failed, "tests": rows }))?;
    } else {
        let line = if failed == 0 {
            format!("{}: all as expected", words::count(all, "test"))
        } else {
            format!("{failed} of {} failed", words::count(all, "test"))
        };
        session.console.line(&line)?;
    }
    if failed == 0 { Ok(()) } else { Err(Ending::Exit(1)) }
}

fn read(file: &Path) -> Result<Table, Ending> {
    let name = text_file::name(file);
    let text = text_file::read(file, "name a YAML file; lmdeck routes test --help shows one")?;
    let table: Table = serde_yaml::from_str(&text).map_err(|error| {
        Ending::new(USAGE, format!("{name} is no table of tests: {error}"), "--help shows how it is written")
    })?;
    if table.tests.is_empty() {
        return Err(Ending::new(USAGE, format!("{name} holds no tests"), "--help shows how it is written"));
    }
    if let Some(place) = table.tests.iter().position(|row| row.expect.is_empty()) {
        return Err(Ending::new(
            USAGE,
            format!("{name}: test {} expects nothing", place + 1),
            "give it at least one of target, provider, chain, policy, denied, local_only, max_tokens",
        ));
    }
    Ok(table)
}

fn tell(
    session: &mut Session,
    name: &str,
    result: &Result<Explanation, String>,
    wrong: &[String],
) -> Result<(), Ending> {
    let (mark, role) = if wrong.is_empty() { ("[ok]", Role::Good) } else { ("[x] ", Role::Bad) };
    let mark = session.console.paint(role, mark);
    session.console.line(&format!("{mark} {}", escape::line(name)))?;
    for sentence in wrong {
        session.console.line(&format!("     {}", escape::line(sentence)))?;
    }
    if let (false, Ok(explanation)) = (wrong.is_empty(), result) {
        let why = session.console.paint(Role::Muted, &explanation.sentence);
        session.console.line(&format!("     {why}"))?;
    }
    Ok(())
}

fn as_json(name: &str, result: &Result<Explanation, String>, wrong: &[String]) -> serde_json::Value {
    let decision = result.as_ref().ok().map(|explanation| &explanation.decision);
    json!({
        "name": name,
        "ok": wrong.is_empty(),
        "differences": wrong,
        "target": decision.and_then(|decision| decision.chain.first()).map(|chosen| chosen.target.to_string()),
        "policy": decision.map(|decision| &decision.by),
        "denied": decision.map(|decision| decision.denied.is_some()),
        "chain": decision.map(chain),
        "sentence": result.as_ref().ok().map(|explanation| &explanation.sentence),
    })
}

fn chain(decision: &Decision) -> Vec<String> {
    decision.chain.iter().map(|chosen| chosen.target.to_string()).collect()
}

impl Row {
    fn case(&self) -> RouteCase {
        let request = &self.request;
        RouteCase {
            facts: Facts {
                request_type: request.r#type.clone(),
                complexity: request.complexity.clone(),
                audience: request.audience.clone(),
                priority: request.priority,
                requested_model: request.model.clone(),
                prompt_tokens: request.prompt_tokens,
                max_tokens: request.max_tokens,
                stream: request.stream,
                has_tools: request.has_tools,
                has_images: request.has_images,
                wants_json: request.wants_json,
                client: request.client.clone(),
                session: request.session.clone(),
                tags: request.tags.clone(),
                preferred_provider: request.prefer.clone(),
                work: Work::Chat,
                cache: CacheWish::default(),
                local_only: request.local_only,
                through: Vec::new(),
                trace: None,
            },
            world: self.world.clone(),
        }
    }
}

impl Expect {
    fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                target: None,
                provider: None,
                chain: None,
                policy: None,
                denied: None,
                local_only: None,
                max_tokens: None
            }
        )
    }

    /// Every difference as a sentence.
    fn differs(&self, decision: &Decision) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut hold = |what: &str, expected: Option<String>, found: String| {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                wrong.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        let first = decision.chain.first();
        let none = || "none".to_owned();
        hold("target", self.target.clone(), first.map_or_else(none, |chosen| chosen.target.to_string()));
        hold("provider", self.provider.clone(), first.map_or_else(none, |chosen| chosen.target.provider.to_string()));
        let listed = |chain: &[String]| if chain.is_empty() { none() } else { chain.join(", ") };
        hold("chain", self.chain.as_deref().map(listed), listed(&chain(decision)));
        // By its name alone, as in the file; or by the record's word, as in strategy:prefer_local.
        let by = decision.by.strip_prefix("policy:").unwrap_or(&decision.by);
        let policy = self.policy.clone().map(|name| if name == decision.by { by.to_owned() } else { name });
        hold("policy", policy, by.to_owned());
        hold("denied", self.denied.map(|denied| denied.to_string()), decision.denied.is_some().to_string());
        hold("local_only", self.local_only.map(|only| only.to_string()), decision.local_only.to_string());
        let cap = decision.effects.max_tokens.map_or_else(none, |cap| cap.to_string());
        hold("max_tokens", self.max_tokens.map(|cap| cap.to_string()), cap);
        wrong
    }
}
