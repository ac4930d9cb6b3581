//! The command line as a person and a script meet it: words typed, what comes out on which stream, the exit code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use crate::support::engine::house;
use crate::support::snapshot::{
    self as scene, FakeEngine, NOW, answered, call_page, call_records, evening, failed, handle_for, health_event,
    with_provider,
};
use clap::Parser as _;
use jiff::tz::TimeZone;
use lmdeck::cli::args::Cli;
use lmdeck::cli::console::{Console, Interrupt};
use lmdeck::cli::offline::{Checked, Ground, Paths};
use lmdeck::domain::call::{Body, CallRecord, Priority, Reject, Role};
use lmdeck::domain::config::{Issue, KeySource, Origin, Severity};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, State};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::{Cost, Price};
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{ActiveChoice, Chosen, Decision, Explanation, RuleTrace};
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::protocol::{CacheView, ExportView, FlowView, LimitView, ModelView, ProviderView, QueueView};
use lmdeck::engine::protocol::{
    CallEvent, CallOutcome, CallPage, Command, CommandName, DraftSecret, EditReport, Found, LogLine, ProbeWhich,
    Refusal, Reply, Snapshot, Step, StepState, TestReport, TokenCount,
};
use serde_json::{Value, json};
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// A stream that remembers what was written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader left after `left` bytes, as `head` does.
struct ShortPipe {
    left: usize,
}

impl Write for ShortPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.left);
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody at a desk: a console with both streams kept, and an engine that follows a script.
struct Desk {
    handle: EngineHandle,
    engine: FakeEngine,
    out: Sink,
    err: Sink,
    width: Option<usize>,
    colour: bool,
    input: Vec<u8>,
    at_keyboard: bool,
    stop: Arc<Notify>,
}

impl Desk {
    fn new() -> Self {
        Self::with(evening())
    }

    fn with(snapshot: Snapshot) -> Self {
        let (handle, engine) = handle_for(snapshot);
        Self {
            handle,
            engine,
            out: Sink::default(),
            err: Sink::default(),
            width: None,
            colour: false,
            input: Vec::new(),
            at_keyboard: true,
            stop: Arc::new(Notify::new()),
        }
    }

    fn terminal(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    fn piped_in(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self.at_keyboard = false;
        self
    }

    fn console(&self, json: bool) -> Console {
        Console {
            out: Box::new(self.out.clone()),
            err: Box::new(self.err.clone()),
            input: Box::new(Cursor::new(self.input.clone())),
            input_is_terminal: self.at_keyboard,
            input_is_given: !self.at_keyboard,
            err_is_terminal: self.width.is_some(),
            width: self.width,
            colour_out: self.colour,
            colour_err: self.colour,
            json,
            clock: Arc::new(|| NOW),
            zone: TimeZone::UTC,
            interrupt: Interrupt::Notified(self.stop.clone()),
        }
    }

    async fn run(&self, words: &[&str]) -> u8 {
        let cli = parse(words);
        let console = self.console(cli.globals.json);
        tokio::time::timeout(Duration::from_secs(20), lmdeck::cli::run(&cli, self.handle.clone(), console))
            .await
            .expect("the verb ends")
    }

    /// Runs a verb that does not end by itself; `meanwhile` waits until enough has come out, then ctrl-c.
    async fn run_until(&self, words: &[&str], enough: impl Fn(&Self) -> bool) -> u8 {
        let (code, ()) = tokio::join!(self.run(words), async {
            self.wait(enough).await;
            self.stop.notify_one();
        });
        code
    }

    async fn wait(&self, enough: impl Fn(&Self) -> bool) {
        let patience = std::time::Instant::now();
        while !enough(self) {
            assert!(patience.elapsed() < Duration::from_secs(15), "waited in vain: {}", self.out.text());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out.text()).unwrap()
    }
}

fn parse(words: &[&str]) -> Cli {
    Cli::try_parse_from(["lmdeck"].iter().chain(words)).unwrap_or_else(|error| panic!("{error}"))
}

fn usage_error(words: &[&str]) -> String {
    let error = Cli::try_parse_from(["lmdeck"].iter().chain(words)).expect_err("a usage error");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

// ---- status and health --------------------------------------------------------------------------------------

#[tokio::test]
async fn status_shows_target_money_and_every_provider_with_what_to_do() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["status"]).await, 0);
    assert_eq!(
        desk.out.text(),
        "\
target    auto -> lm_studio/openai_gpt-oss-120b-neo        strategy  prefer_local
spend     $0.42 of $10.00 today, 4%                        calls     214 today, 5 failed or denied
gateway   http://127.0.0.1:4141                            rules     1 policy, 1 order
[ok] lm_studio     up              12 ms   1 of 4 slots busy
[x]  workstation   down                -   connection refused for 14 min: start llama-server there
[ok] zai           up             310 ms
[!]  openai        degraded       1.41 s   probe slower than 1 s for 7 min
[x]  claude        unauthorized        -   401: the key was refused: check ANTHROPIC_API_KEY
"
    );
    assert_eq!(
        desk.err.text(),
        "\
-- workstation: Nothing listens on 192.168.1.20 port 8080. On that machine: llama-server -m qwen3-32b.gguf --host 0.0.0.0 --port 8080
-- claude: Anthropic refused the key (401). It comes from ANTHROPIC_API_KEY. Set a good one: export ANTHROPIC_API_KEY=YOUR_KEY
",
        "what to do comes as words beside the data"
    );
}

#[tokio::test]
async fn health_says_what_to_do_about_each_provider_in_trouble() {
    let desk = Desk::new();
    desk.run(&["health"]).await;
    let said = desk.err.text();
    assert!(said.contains("-- workstation: Nothing listens on") && said.contains("llama-server -m"), "{said}");
    let desk = Desk::new();
    desk.run(&["health", "--json"]).await;
    let rows: serde_json::Value = serde_json::from_str(&desk.out.text()).unwrap();
    let remedy =
        |name: &str| rows.as_array().unwrap().iter().find(|row| row["provider"] == name).unwrap()["remedy"].clone();
    assert!(remedy("workstation").as_str().unwrap().contains("--port 8080"));
    assert_eq!(remedy("lm_studio"), serde_json::Value::Null);
}

#[tokio::test]
async fn health_is_the_table_of_the_screens() {
    let desk = Desk::new().terminal(100);
    assert_eq!(desk.run(&["health"]).await, 0);
    assert_eq!(
        desk.out.text(),
        "     PROVIDER      STATE            NOW     P50     P95   SLOTS   24 H  SINCE    WHY
[ok] lm_studio     up             12 ms   11 ms   38 ms  1 of 4  99.8%  2 h
[x]  workstation   down               -   14 ms   41 ms       -  98.9%  14 min   connection refused
[ok] zai           up            310 ms  295 ms  480 ms       -   100%  9 h
[!]  openai        degraded      1.41 s  380 ms  1.38 s       -  99.6%  7 min    slower than 1 s
[x]  claude        unauthorized       -       -       -       -     0%  1 day    the key was refused
"
    );
    assert!(matches!(desk.engine.commands()[..], [Command::Probe { .. }]), "a fresh process asks before it tells");
}

#[tokio::test]
async fn a_narrow_terminal_leaves_out_columns_from_the_right_and_never_overflows() {
    let desk = Desk::new().terminal(72);
    desk.run(&["health"]).await;
    let text = desk.out.text();
    assert!(
        !text.contains("SLOTS") && !text.contains("24 H") && text.contains("P50") && text.contains("WHY"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
}

#[tokio::test]
async fn health_as_json_has_the_promised_fields() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["health", "--json"]).await, 0);
    let all = desk.json();
    let workstation = &all[1];
    assert_eq!(workstation["provider"], "workstation");
    assert_eq!(workstation["state"], "down");
    assert_eq!(workstation["message"], "connection refused");
    assert_eq!(workstation["since"], NOW.0 - 14 * 60_000);
    assert!(workstation["lastChecked"].is_i64());
    assert_eq!(workstation["latency_ms"], Value::Null);
    assert_eq!(workstation["ladder"]["reachable"], false);
    assert_eq!(workstation["ladder"]["loaded"], Value::Null);
    assert_eq!(all[0]["latency_ms"], 12);
}

#[tokio::test]
async fn status_and_health_exit_4_when_the_target_in_effect_is_not_up() {
    let mut nothing = evening();
    Arc::make_mut(&mut nothing.routing).in_effect = None;
    let mut down = evening();
    Arc::make_mut(&mut down.routing).in_effect = Some(Target::new("workstation", "qwen3-32b"));
    for snapshot in [nothing, down] {
        for verb in ["status", "health"] {
            assert_eq!(Desk::with(snapshot.clone()).run(&[verb]).await, 4, "{verb}");
        }
    }
}

#[tokio::test]
async fn with_no_provider_the_next_step_is_named() {
    let desk = Desk::with(scene::first_run());
    assert_eq!(desk.run(&["health"]).await, 4);
    assert_eq!(desk.out.text(), "");
    assert!(desk.err.text().contains("lmdeck providers discover"));
}

#[tokio::test]
async fn health_watch_prints_one_line_per_change_until_ctrl_c() {
    let desk = Desk::new();
    let refused = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused");
    let (code, ()) =
        tokio::join!(desk.run_until(&["health", "--watch"], |desk| desk.out.text().lines().count() == 2), async {
            desk.wait(|desk| desk.engine.listeners() > 0).await;
            desk.engine.announce(health_event("workstation", State::Up, State::Down, Some(refused.clone())));
            desk.engine.announce(health_event("workstation", State::Down, State::Up, None));
        });
    assert_eq!(code, 0);
    assert_eq!(desk.out.text(), "22:14 workstation down: connection refused\n22:14 workstation up\n");
}

#[tokio::test]
async fn probe_tells_what_each_provider_answered_and_fails_when_one_did_not() {
    let desk = Desk::new();
    let found = lmdeck::domain::health::ProbeFound {
        models: vec![ModelInfo { loaded: Some(true), ..ModelInfo::named("a") }, ModelInfo::named("b")],
        ..lmdeck::domain::health::ProbeFound::default()
    };
    let report =
        |latency_ms, outcome| lmdeck::domain::health::ProbeReport { at: NOW, latency_ms, reach: None, outcome };
    let refused = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused");
    desk.engine.on(
        CommandName::Probe,
        Reply::Probed(vec![
            ("lm_studio".into(), report(12, Ok(found))),
            ("workstation".into(), report(3, Err(refused))),
        ]),
    );
    assert_eq!(desk.run(&["probe"]).await, 4);
    assert_eq!(
        desk.out.text(),
        "\
[ok] lm_studio       12 ms   2 models, 1 loaded
[x]  workstation      3 ms   connection refused for 14 min: start llama-server there
"
    );
}

// ---- names that nobody knows, hostile names, streams ----------------------------------------------------------

#[tokio::test]
async fn an_unknown_provider_brings_a_suggestion_and_exit_2() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["probe", "lmstudio"]).await, 2);
    assert_eq!(
        desk.err.text(),
        "error: no provider is called lmstudio\n  do: did you mean lm_studio? lmdeck providers list names all\n"
    );
    let desk = Desk::new();
    assert_eq!(desk.run(&["providers", "show", "qqq"]).await, 2);
    assert!(desk.err.text().contains("use one of lm_studio, workstation, zai, openai, claude"), "{}", desk.err.text());
}

#[tokio::test(start_paused = true)]
async fn with_nothing_configured_the_first_verb_can_name_a_server_that_runs_here() {
    for words in [
        &["providers", "show", "llama_cpp"][..],
        &["providers", "test", "llama_cpp"],
        &["providers", "doctor", "llama_cpp"],
        &["models", "list", "llama_cpp"],
        &["probe", "llama_cpp"],
    ] {
        let house = house(Vec::new(), |_, stage| {
            stage.runs_here(Kind::LlamaCpp);
            stage.probe_answers("llama_cpp", &["small"]);
        })
        .await;
        let desk = Desk { handle: house.engine.handle.clone(), ..Desk::new() };
        let code = desk.run(words).await;
        assert!(code != 2 && !desk.err.text().contains("no provider"), "{words:?}: {}", desk.err.text());
        let desk = Desk { handle: house.engine.handle.clone(), ..Desk::new() };
        assert_eq!(desk.run(&["providers", "show", "llama"]).await, 2);
        assert!(desk.err.text().contains("did you mean llama_cpp?"), "{}", desk.err.text());
    }
}

#[tokio::test]
async fn who_asks_about_one_provider_waits_for_no_other() {
    for words in [&["providers", "show", "zai"][..], &["models", "list", "zai"]] {
        let desk = Desk::new();
        assert_eq!(desk.run(words).await, 0, "{words:?}");
        assert_eq!(
            desk.engine.commands(),
            [Command::Probe { which: ProbeWhich::One("zai".into()), anew: false }],
            "{words:?}"
        );
        let off = Desk::with(with_provider(evening(), "zai", |view| view.enabled = false));
        assert_eq!(off.run(words).await, 0, "{words:?}");
        assert_eq!(off.engine.commands(), [], "what is switched off is not asked");
    }
}

#[tokio::test]
async fn a_provider_that_only_the_environment_knows_can_be_added_as_its_remedies_say() {
    for origin in [Origin::Environment, Origin::Discovery] {
        let desk = Desk::with(with_provider(evening(), "lm_studio", |view| view.origin = origin));
        desk.engine.on(CommandName::AddProvider, edited(4));
        assert_eq!(desk.run(&["providers", "add", "--type", "lm_studio", "--no-test"]).await, 0, "{}", desk.err.text());
        let names: Vec<_> = desk.engine.commands().iter().map(Command::name).collect();
        assert_eq!(names, [CommandName::AddProvider]);
    }
}

const HOSTILE: &str = "evil\x1b]0;pwned\x07\u{9b}31m\u{202e}gnp\r\nmodel";

#[tokio::test]
async fn hostile_names_and_reasons_never_reach_the_terminal_raw() {
    let hostile = || {
        let mut evening = evening();
        Arc::make_mut(&mut evening.config).in_force = Arc::new(json!({ "providers": [{ "name": HOSTILE }] }));
        with_provider(evening, "lm_studio", |view| {
            view.name = HOSTILE.into();
            view.models[0].id = HOSTILE.into();
            view.health.state = State::Degraded;
            view.health.reason = HOSTILE.into();
            view.health.since = NOW;
        })
    };
    for words in [
        &["status"][..],
        &["health"],
        &["providers", "list"],
        &["providers", "show", "lm_studio"],
        &["models", "list"],
        &["config", "show"],
        &["routes", "list"],
        &["status", "--json"],
        &["health", "--json"],
        &["models", "list", "--json"],
        &["providers", "show", "lm_studio", "--json"],
    ] {
        let desk = Desk::with(hostile());
        desk.run(words).await;
        for text in [desk.out.text(), desk.err.text()] {
            let steering = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
            assert_eq!(text.chars().find(steering), None, "{words:?}: {text:?}");
        }
        assert!(desk.out.text().len() > 20, "{words:?} said nothing");
    }
}

#[tokio::test]
async fn json_keeps_a_hostile_name_exactly() {
    let desk = Desk::with(with_provider(evening(), "zai", |view| view.models[0].id = HOSTILE.into()));
    desk.run(&["models", "list", "zai", "--json"]).await;
    assert_eq!(desk.json()[0]["model"], HOSTILE);
}

#[tokio::test]
async fn a_reader_that_leaves_early_ends_everything_quietly() {
    for words in [&["status"][..], &["health"], &["models", "list"], &["config", "show", "--json"], &["calls", "list"]]
    {
        for left in [0, 10] {
            let desk = Desk::new();
            desk.engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
            let cli = parse(words);
            let console = Console { out: Box::new(ShortPipe { left }), ..desk.console(cli.globals.json) };
            let code = lmdeck::cli::run(&cli, desk.handle.clone(), console).await;
            assert_eq!((code, desk.err.text().as_str()), (0, ""), "{words:?} after {left} bytes");
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_with_its_reason() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let desk = Desk::new();
    let console = Console { out: Box::new(Full), ..desk.console(false) };
    assert_eq!(lmdeck::cli::run(&parse(&["status"]), desk.handle.clone(), console).await, 1);
    assert!(desk.err.text().starts_with("error: cannot write the output: "), "{}", desk.err.text());
}

#[tokio::test]
async fn colour_stands_on_marks_only_where_it_is_wanted() {
    let mut desk = Desk::new().terminal(100);
    desk.colour = true;
    desk.run(&["health"]).await;
    let text = desk.out.text();
    assert!(text.contains("\x1b[32m[ok]\x1b[0m lm_studio     up "), "{text}");
    assert!(text.contains("\x1b[91m[x] \x1b[0m workstation   down "), "{text}");
}

#[tokio::test]
async fn a_refusal_of_the_engine_is_told_with_its_remedy_and_its_exit_code() {
    for exit in [1, 3, 5] {
        let desk = Desk::new();
        desk.engine.on(
            CommandName::SetStrategy,
            Reply::refused(exit, "the file changed: someone saved it", "look at it first"),
        );
        assert_eq!(desk.run(&["routes", "strategy", "prefer_cloud"]).await, exit);
        assert_eq!(desk.err.text(), "error: the file changed: someone saved it\n  do: look at it first\n");
        assert_eq!(desk.out.text(), "");
    }
}

#[tokio::test]
async fn a_bare_key_is_not_set_from_the_command_line_and_a_reference_is() {
    for (path, value) in [
        ("z_ai_glm.api_key", "sk-verysecret-1"),
        ("providers.zai.authToken", "verysecret"),
        ("gateway.api_keys", "[verysecret]"),
        ("gateway.api_keys.0", "verysecret"),
        ("gateway.api_keys.0.key", "verysecret"),
    ] {
        let desk = Desk::new();
        assert_eq!(desk.run(&["config", "set", path, value]).await, 2, "{path}");
        let err = desk.err.text();
        assert!(err.contains("'${NAME}'") && !err.contains("verysecret"), "{err}");
        assert_eq!(desk.engine.commands(), []);
    }
    for (path, value) in [
        ("providers.zai.authToken", "${Z_AI_API_KEY}"),
        ("gateway.api_keys", "[]"),
        ("gateway.api_keys.0.name", "batch"),
    ] {
        let desk = Desk::new();
        desk.engine.on(CommandName::ConfigSet, edited(1));
        assert_eq!(desk.run(&["config", "set", path, value]).await, 0, "{path}");
    }
}

#[tokio::test]
async fn an_undo_does_not_promise_that_the_next_one_brings_the_change_back() {
    let desk = Desk::new();
    desk.engine.on(CommandName::ConfigUndo, edited(1));
    assert_eq!(desk.run(&["config", "undo"]).await, 0);
    assert!(desk.out.text().starts_with("took back the last change: 1 line in "), "{}", desk.out.text());
    assert_eq!(desk.err.text(), "");
}

#[tokio::test]
async fn readonly_refuses_every_change_before_the_engine_hears_of_it() {
    for words in [
        &["providers", "remove", "zai"][..],
        &["providers", "disable", "zai"],
        &["providers", "add", "--type", "ollama"],
        &["providers", "edit", "zai", "--name", "Z"],
        &["models", "use", "auto"],
        &["routes", "strategy", "prefer_cloud"],
        &["routes", "order", "a", "zai"],
        &["config", "set", "ui.theme", "dark"],
        &["config", "undo"],
        &["config", "trust"],
    ] {
        let desk = Desk::new();
        assert_eq!(desk.run(&[words, &["--readonly"]].concat()).await, 5, "{words:?}");
        assert_eq!(
            desk.err.text(),
            "error: read-only: started with --readonly\n  do: run it again without --readonly\n"
        );
        assert_eq!(desk.engine.commands(), [], "{words:?}");
    }
}

// ---- ask ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn ask_streams_the_answer_and_says_beside_it_what_happened() {
    let desk = Desk::new();
    desk.engine.play(answered(&call_records()[2], &["Suffering, its cause,", " its end, the path."]));
    assert_eq!(desk.run(&["ask", "Name the four noble truths."]).await, 0);
    assert_eq!(desk.out.text(), "Suffering, its cause, its end, the path.\n");
    assert_eq!(
        desk.err.text(),
        "\
-- lm_studio is full, trying zai/glm-4.6
-- zai/glm-4.6 by prefer_local, 2nd try: lm_studio was full   0.52 s to first token, 37 tok/s
-- 1,211 in, 133 out, $0.0010   c1212   why: lmdeck routes explain --call c1212
"
    );
}

#[tokio::test]
async fn a_prompt_beside_piped_text_says_that_the_text_was_not_read() {
    for (desk, told) in [(Desk::new().piped_in("a difference"), true), (Desk::new(), false)] {
        desk.engine.play(answered(&call_records()[0], &["fine"]));
        assert_eq!(desk.run(&["ask", "Review this."]).await, 0);
        let said = desk.err.text();
        assert_eq!(said.contains("standard input was not read; to send both: lmdeck ask --system"), told, "{said}");
    }
}

#[tokio::test]
async fn ask_hands_the_engine_what_was_typed() {
    let desk = Desk::new().piped_in("What is dukkha?");
    desk.engine.play(answered(&call_records()[1], &["x"]));
    let code = desk
        .run(&[
            "ask",
            "-",
            "-m",
            "lm_studio/openai_gpt-oss-120b-neo",
            "--type",
            "teaching_generation",
            "--system",
            "Briefly.",
            "--max-tokens",
            "50",
            "--temperature",
            "0.2",
            "--priority",
            "high",
            "--tag",
            "privacy=high",
            "--session",
            "s1",
            "--no-stream",
        ])
        .await;
    assert_eq!(code, 0);
    let [request] = &desk.engine.requests()[..] else { panic!("one call") };
    assert_eq!(request.facts.client, "ask");
    assert_eq!(request.facts.requested_model, "lm_studio/openai_gpt-oss-120b-neo");
    assert_eq!(request.facts.request_type, "teaching_generation");
    assert_eq!(request.facts.priority, Priority::High);
    assert_eq!(request.facts.tags.get("privacy").map(String::as_str), Some("high"));
    assert_eq!((request.facts.session.as_str(), request.facts.max_tokens, request.facts.stream), ("s1", 50, false));
    let Body::Chat { messages, max_tokens, temperature, stream } = &request.body else { panic!("a chat") };
    assert_eq!((*max_tokens, *temperature, *stream), (Some(50), Some(0.2), false));
    let spoken: Vec<_> = messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(spoken, [(Role::System, "Briefly."), (Role::User, "What is dukkha?")]);
}

#[tokio::test]
async fn an_answer_cannot_steer_the_terminal_and_keeps_lines_and_tabs() {
    let desk = Desk::new();
    desk.engine.play(answered(&call_records()[1], &["a\tb\n\x1b[2J", "\u{9b}31mred\r\nend\n"]));
    desk.run(&["ask", "x"]).await;
    let text = desk.out.text();
    assert!(text.starts_with("a\tb\n^[[2J"), "{text:?}");
    assert!(text.ends_with("red\nend\n"), "no second line end: {text:?}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}

#[tokio::test]
async fn ask_as_json_has_the_fields_of_the_service_api() {
    let desk = Desk::new();
    desk.engine.play(answered(&call_records()[1], &["Om ", "mani"]));
    assert_eq!(desk.run(&["ask", "x", "--json"]).await, 0);
    let answer = desk.json();
    assert_eq!(answer["content"], "Om mani");
    assert_eq!(answer["model_used"], "lm_studio/openai_gpt-oss-120b-neo");
    assert_eq!(answer["provider"], "lm_studio");
    assert_eq!(answer["tokens_used"], 508);
    assert_eq!(answer["generation_time"], 3.0);
    assert_eq!(answer["cached"], false);
    let metadata = &answer["metadata"];
    assert_eq!(metadata["call_id"], "c1213");
    assert!(metadata["response_id"].is_string());
    assert_eq!(metadata["local_model"], true);
    assert_eq!(metadata["policy"], "strategy:prefer_local");
    assert_eq!(metadata["attempts"], 1);
    assert!(metadata.get("error").is_none());
    assert_eq!(desk.err.text(), "");
}

#[tokio::test]
async fn a_model_that_a_near_server_runs_elsewhere_is_not_called_local() {
    let snapshot = with_provider(evening(), "lm_studio", |view| {
        let mut models = view.models.to_vec();
        for model in &mut models {
            model.remote = true;
        }
        view.models = models.into();
    });
    let desk = Desk::with(snapshot);
    let near =
        |record: &CallRecord| record.target.as_ref().is_some_and(|target| target.provider.as_str() == "lm_studio");
    let record = call_records().into_iter().find(near).unwrap();
    desk.engine.play(answered(&record, &["Hello"]));
    assert_eq!(desk.run(&["ask", "hi", "--json"]).await, 0);
    assert_eq!(desk.json()["metadata"]["local_model"], false);
}

#[tokio::test]
async fn a_failed_call_exits_by_its_class_and_says_what_to_do() {
    for (code, exit) in [(ErrorCode::Timeout, 4), (ErrorCode::Budget, 5), (ErrorCode::ContextLength, 1)] {
        let failure = Failure::plain(code, "that did not work");
        let desk = Desk::new();
        desk.engine.play(failed(call_records().remove(1), failure.clone()));
        assert_eq!(desk.run(&["ask", "x"]).await, exit);
        assert_eq!(desk.out.text(), "");
        let err = desk.err.text();
        assert!(err.starts_with("error: ") && err.contains("that did not work\n  do: "), "{err}");

        let desk = Desk::new();
        desk.engine.play(failed(call_records().remove(1), failure));
        assert_eq!(desk.run(&["ask", "x", "--json"]).await, exit);
        let answer = desk.json();
        assert_eq!(answer["model_used"], "error");
        assert_eq!(answer["metadata"]["error"], "that did not work");
        assert_eq!(answer["metadata"]["errorCode"], code.word());
        assert_eq!(answer["tokens_used"], 0);
    }
}

#[tokio::test]
async fn a_call_that_no_provider_can_take_says_how_the_first_of_them_is_mended() {
    let mut record = call_records().remove(1);
    record.attempts.clear();
    let reason = "down: connection refused";
    let reject = |provider: &str, code: &'static str, reason: &'static str| Reject {
        target: Target::new(provider, "qwen3-32b"),
        code: code.into(),
        reason: reason.into(),
    };
    // The other one needs mending too, and is not what the request asked for.
    record.rejects = vec![reject("claude", "not_named", "not named"), reject("workstation", "down", reason)];
    let failure = Failure::plain(ErrorCode::NoRoute, format!("no target can take this call: {reason}."));
    let desk = Desk::new();
    desk.engine.play(failed(record.clone(), failure.clone()));
    assert_eq!(desk.run(&["ask", "x"]).await, 4);
    let err = desk.err.text();
    assert_eq!(err.matches("connection refused").count(), 1, "said once: {err}");
    assert!(err.contains("do: Nothing listens on ") && err.contains("llama-server -m "), "{err}");

    let desk = Desk::new();
    desk.engine.play(failed(record, failure));
    desk.run(&["ask", "x", "--json"]).await;
    let remedy = desk.json()["metadata"]["remedy"].clone();
    assert!(err.contains(remedy.as_str().unwrap()), "the same words: {remedy}");
}

#[tokio::test]
async fn an_answer_too_large_for_json_is_cancelled_and_told_as_json() {
    let desk = Desk::new();
    let piece = CallEvent::Text { text: "a".repeat(40 * 1024 * 1024) };
    desk.engine.play_and_hold(vec![piece.clone(), piece]);
    assert_eq!(desk.run(&["ask", "x", "--json"]).await, 4);
    assert_eq!(desk.json()["metadata"]["errorCode"], "bad_answer");
    assert!(
        desk.err.text().contains("larger than 64 MiB, and --json keeps it whole\n  do: ask without --json"),
        "{}",
        desk.err.text()
    );
    desk.wait(|desk| desk.engine.open_calls()[0].is_closed()).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_its_line_before_the_error() {
    let mut record = call_records().remove(1);
    let failure = Failure::new(ErrorCode::BadAnswer, Cause::CutOff, "the stream ended without its end mark");
    record.error = Some(failure.clone());
    let end = CallOutcome { record: record.into(), failure: Some(failure), finish: None, after_answer_bytes: true };
    let desk = Desk::new();
    desk.engine.play(vec![CallEvent::Text { text: "half an ans".into() }, CallEvent::End(Box::new(end))]);
    assert_eq!(desk.run(&["ask", "x"]).await, 4);
    assert_eq!(desk.out.text(), "half an ans\n");
    assert!(desk.err.text().starts_with("error: the answer broke off: the stream ended without its end mark\n"));
}

#[tokio::test]
async fn a_target_that_nobody_knows_brings_the_rejects_and_a_suggestion() {
    let mut record = call_records().remove(1);
    record.attempts.clear();
    record.rejects = vec![Reject {
        target: Target::new("workstation", "qwen3-32b"),
        code: "down".into(),
        reason: "down for 14 min: connection refused".into(),
    }];
    let desk = Desk::new();
    desk.engine.play(failed(record, Failure::plain(ErrorCode::NoRoute, "no target is called zai/glm-4.5")));
    assert_eq!(desk.run(&["ask", "-m", "zai/glm-4.5", "x"]).await, 4);
    let err = desk.err.text();
    assert!(err.contains("-- workstation/qwen3-32b: down for 14 min: connection refused\n"), "{err}");
    assert!(err.contains("do: did you mean zai/glm-4.6? "), "{err}");
}

#[tokio::test]
async fn ctrl_c_hangs_up_keeps_what_came_and_exits_130() {
    let desk = Desk::new();
    desk.engine.play_and_hold(vec![CallEvent::Text { text: "The first".into() }]);
    assert_eq!(desk.run_until(&["ask", "x"], |desk| desk.out.text() == "The first").await, 130);
    assert_eq!(desk.out.text(), "The first\n");
    assert_eq!(desk.err.text(), "-- stopped: the answer ends here\n");
    desk.wait(|desk| desk.engine.open_calls()[0].is_closed()).await;
}

#[tokio::test]
async fn a_reader_that_leaves_cancels_the_call() {
    let desk = Desk::new();
    desk.engine.play_and_hold(vec![CallEvent::Text { text: "The first".into() }]);
    let console = Console { out: Box::new(ShortPipe { left: 0 }), ..desk.console(false) };
    assert_eq!(lmdeck::cli::run(&parse(&["ask", "x"]), desk.handle.clone(), console).await, 0);
    desk.wait(|desk| desk.engine.open_calls()[0].is_closed()).await;
}

#[tokio::test]
async fn prompts_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    for (desk, words, what) in [
        (Desk::new(), vec!["ask"], "there is no prompt"),
        (Desk::new().piped_in("  \n"), vec!["ask", "-"], "there is no prompt"),
        (Desk::new().piped_in(b"abc\xff".to_vec()), vec!["ask", "-"], "the prompt is not UTF-8 text: byte 4 is not"),
        (Desk::new().piped_in(vec![b'a'; 16 * 1024 * 1024 + 1]), vec!["ask", "-"], "the prompt is larger than 16 MiB"),
    ] {
        assert_eq!(desk.run(&words).await, 2, "{what}");
        assert!(desk.err.text().starts_with(&format!("error: {what}\n  do: ")), "{}", desk.err.text());
        assert_eq!(desk.engine.requests(), []);
    }
}

#[tokio::test]
async fn ask_looks_at_the_providers_first_unless_the_target_is_named_in_full() {
    let unseen = || with_provider(evening(), "lm_studio", |view| view.health.last_checked = None);
    for (model, probes) in [("auto", 1), ("lm_studio", 1), ("zai/glm-4.6", 0)] {
        let desk = Desk::with(unseen());
        desk.engine.play(answered(&call_records()[1], &["x"]));
        desk.run(&["ask", "-m", model, "x"]).await;
        assert_eq!(desk.engine.commands().len(), probes, "{model}");
    }
}

fn explanation() -> Explanation {
    let chosen = |provider: &str, model: &str, reach, why: &'static str| Chosen {
        target: Target::new(provider, model),
        reach,
        why: why.into(),
    };
    Explanation {
        decision: Decision {
            by: "request_type:teaching_generation".into(),
            rules_version: 17,
            chain: vec![
                chosen("zai", "glm-4.6", Reach::Cloud, "named by the order"),
                chosen("lm_studio", "aquif-3.5-max-42b-a3b-i1", Reach::Machine, ""),
                chosen("openai", "gpt-4o", Reach::Cloud, ""),
            ],
            rejected: vec![Reject {
                target: Target::new("workstation", "qwen3-32b"),
                code: "down".into(),
                reason: "down for 14 min: connection refused".into(),
            }],
            ..Decision::default()
        },
        sentence: "zai/glm-4.6 by teaching_generation".into(),
        rules: Vec::new(),
        unseen: Vec::new(),
    }
}

#[tokio::test]
async fn explain_names_the_chain_its_cost_and_who_was_left_out() {
    let desk = Desk::new();
    desk.engine.on(CommandName::Explain, Reply::Explained(Box::new(explanation())));
    let words = ["routes", "explain", "--type", "teaching_generation", "--tokens", "25800", "--max-tokens", "1024"];
    assert_eq!(desk.run(&[&words[..], &["--prefer", "zai"]].concat()).await, 0);
    assert_eq!(
        desk.out.text(),
        "\
zai/glm-4.6 by teaching_generation
chain  1  zai/glm-4.6                           may cost $0.0177, named by the order
       2  lm_studio/aquif-3.5-max-42b-a3b-i1    free, not loaded
       3  openai/gpt-4o                         may cost $0.0747, degraded
out       workstation/qwen3-32b                 down for 14 min: connection refused
"
    );
    let Some(Command::Explain { facts }) = desk.engine.commands().pop() else { panic!("explain was asked") };
    assert_eq!(
        (facts.request_type.as_str(), facts.prompt_tokens, facts.max_tokens),
        ("teaching_generation", 25_800, 1024)
    );
    assert_eq!(facts.preferred_provider, "zai");
}

#[tokio::test]
async fn explain_tells_a_past_call_from_its_record() {
    let desk = Desk::new();
    let rule = RuleTrace {
        name: "long-prompts".into(),
        when: "request.prompt_tokens > 24000".into(),
        verdict: "no".into(),
        why: "request.prompt_tokens is 1211".into(),
        holds: Some(false),
    };
    let now = Explanation { rules: vec![rule], ..explanation() };
    desk.engine
        .on(CommandName::GetCall, Reply::Call(Box::new(call_records().remove(2))))
        .on(CommandName::Explain, Reply::Explained(Box::new(now)));
    assert_eq!(desk.run(&["routes", "explain", "--call", "c1212"]).await, 0);
    let text = desk.out.text();
    assert!(text.starts_with("zai/glm-4.6 by prefer_local\nchain  1  lm_studio/openai_gpt-oss-120b-neo "), "{text}");
    assert!(
        text.contains("\nout       workstation/qwen3-32b                 down for 14 min: connection refused\n"),
        "{text}"
    );
    let now = text.split_once("\nby the rules of now  zai/glm-4.6 by teaching_generation\n").map(|(_, now)| now);
    assert_eq!(
        now,
        Some("rules  long-prompts          no              request.prompt_tokens is 1211\n"),
        "every rule, for the same request: {text}"
    );
    let Some(Command::Explain { facts }) = desk.engine.commands().pop() else { panic!("asked about now") };
    assert_eq!(*facts, call_records().remove(2).facts);
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let desk = Desk::new();
    desk.engine.on(CommandName::Explain, Reply::Explained(Box::new(explanation())));
    assert_eq!(desk.run(&["ask", "--dry-run", "x"]).await, 0);
    assert!(desk.out.text().starts_with("zai/glm-4.6 by teaching_generation\nchain  1  zai/glm-4.6 "));
    assert_eq!(desk.err.text(), "-- nothing was sent\n");
    assert_eq!(desk.engine.requests(), []);
}

#[tokio::test]
async fn a_count_is_asked_for_by_name_and_says_that_the_vendor_saw_the_prompt() {
    let script = |desk: &Desk, reply: Reply| {
        desk.engine
            .on(CommandName::Explain, Reply::Explained(Box::new(explanation())))
            .on(CommandName::CountTokens, reply);
    };
    let counted = TokenCount { target: Target::new("zai", "glm-4.6"), by: Kind::Anthropic, tokens: 1204 };
    let desk = Desk::new();
    script(&desk, Reply::Counted(counted.clone()));
    assert_eq!(desk.run(&["ask", "--dry-run", "--count", "x"]).await, 0);
    assert!(
        desk.out.text().contains("count  1,204 tokens, counted by Anthropic; estimated 1; may cost $"),
        "{}",
        desk.out.text()
    );
    assert_eq!(desk.err.text(), "-- no model was asked; Anthropic has seen the prompt to count it\n");
    assert_eq!(desk.engine.requests(), []);

    let desk = Desk::new();
    script(&desk, Reply::Counted(counted));
    assert_eq!(desk.run(&["ask", "--dry-run", "--count", "x", "--json"]).await, 0);
    assert_eq!(desk.json()["counted"]["tokens"], 1204);

    let desk = Desk::new();
    script(&desk, Reply::refused(4, "zai/glm-4.6 would answer, and only Anthropic counts", "the estimate stands"));
    assert_eq!(desk.run(&["ask", "--dry-run", "--count", "x"]).await, 4);
    assert!(desk.err.text().starts_with("-- nothing was sent\nerror: zai/glm-4.6 would answer"), "{}", desk.err.text());
    // Without a dry run the answer's own count comes with it.
    assert!(usage_error(&["ask", "--count", "x"]).contains("--dry-run"));
}

#[tokio::test]
async fn a_chain_that_leads_nowhere_exits_4_and_5_where_a_rule_denies() {
    for (denied, exit) in [(None, 4), (Some("stays at home".to_owned()), 5)] {
        let mut nowhere = explanation();
        nowhere.decision.chain.clear();
        nowhere.decision.local_only = true;
        nowhere.decision.denied = denied;
        let desk = Desk::new();
        desk.engine.on(CommandName::Explain, Reply::Explained(Box::new(nowhere)));
        assert_eq!(desk.run(&["routes", "explain", "--json"]).await, exit);
        assert_eq!(desk.json()["target"], Value::Null);
        assert_eq!(desk.json()["rejected"][0]["target"], "workstation/qwen3-32b");
    }
}

// ---- calls and logs -----------------------------------------------------------------------------------------

#[tokio::test]
async fn calls_list_is_the_table_of_the_screens_with_the_count_beside_it() {
    let desk = Desk::new().terminal(100);
    desk.engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    assert_eq!(desk.run(&["calls", "list", "--limit", "4"]).await, 0);
    assert_eq!(
        desk.out.text(),
        "     ID     TIME      CLIENT  TYPE                  FIRST   TOTAL     IN  OUT     COST  TARGET
[ok] c1214  22:14:31  dspy    teaching_generation  1.24 s   9.8 s  26.1k  612  $0.0170  zai/glm-4.6
[ok] c1213  22:14:09  dspy    quick_responses      0.41 s   3.0 s    412   96     free  lm_studio...
[!]  c1212  22:13:58  ask     -                    0.52 s   4.1 s   1.2k  133  $0.0010  zai/glm-4.6
[ok] c1211  22:13:40  dspy    teaching_generation  0.71 s  11.2 s   2.2k  498  $0.0024  zai/glm-4.6
"
    );
    assert_eq!(desk.err.text(), "4 of 214 today   older: --before c1211\n");
}

#[tokio::test]
async fn a_call_of_another_day_says_so() {
    let mut page = call_page();
    page.rows[3].ts = scene::ago(scene::DAY);
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(page));
    desk.run(&["calls", "list"]).await;
    let text = desk.out.text();
    assert!(text.contains("c1214  22:14:31 ") && text.contains("c1211  20 Nov 22:14 "), "{text}");
}

#[tokio::test]
async fn a_pipe_gets_whole_names() {
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    desk.run(&["calls", "list"]).await;
    assert!(desk.out.text().contains("lm_studio/openai_gpt-oss-120b-neo\n"));
}

#[tokio::test]
async fn calls_list_passes_filter_limit_and_place_on() {
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(CallPage::default()));
    assert_eq!(desk.run(&["calls", "list", "-n", "7", "--before", "c9", "--filter", "status:error"]).await, 0);
    let Some(Command::ListCalls { query }) = desk.engine.commands().pop() else { panic!("a query") };
    assert_eq!((query.limit, query.before, query.filter.as_str()), (7, Some("c9".into()), "status:error"));
    assert_eq!(desk.out.text(), "");
    assert_eq!(desk.err.text(), "No calls here that are older than c9.\n");
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(CallPage::default()));
    assert_eq!(desk.run(&["calls", "list"]).await, 0);
    assert!(desk.err.text().starts_with("No calls here: lmdeck ask"));
}

#[tokio::test]
async fn calls_list_says_of_which_time_it_counted_and_how_to_reach_what_is_older() {
    let said = async |words: &[&str], page: CallPage| {
        let desk = Desk::new();
        desk.engine.on(CommandName::ListCalls, Reply::Calls(page));
        assert_eq!(desk.run(words).await, 0);
        desk.err.text()
    };
    // In the morning most rows of a page are of the days before.
    let mut morning = CallPage { matching: 3, total: 3, ..call_page() };
    morning.rows[3].ts = scene::ago(scene::DAY);
    assert_eq!(
        said(&["calls", "list", "-n", "4"], morning.clone()).await,
        "4 shown; 3 today   older: --before c1211\n"
    );
    assert_eq!(said(&["calls", "list"], morning.clone()).await, "4 shown; 3 today\n", "a page that is not full is all");
    let week = CallPage { matching: 812, total: 5000, counted_since: scene::ago(7 * scene::DAY), ..morning };
    assert_eq!(
        said(&["calls", "list", "-n", "4", "dspy", "since:7d"], week.clone()).await,
        "4 of 812 since 14 Nov 22:14, 5,000 in all   older: --before c1211\n"
    );
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(week));
    desk.run(&["calls", "list", "--json"]).await;
    assert_eq!(desk.json()["counted_since"], scene::ago(7 * scene::DAY).0);
}

#[tokio::test]
async fn a_call_without_a_price_never_costs_nothing() {
    let mut page = call_page();
    page.rows[0].cost = Cost::UNKNOWN;
    page.rows[1].cost = Cost::UNKNOWN;
    page.rows[1].target = None;
    let desk = Desk::new();
    desk.engine.on(CommandName::ListCalls, Reply::Calls(page));
    desk.run(&["calls", "list"]).await;
    let text = desk.out.text();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[1].contains("612  unknown  zai/glm-4.6"), "{text}");
    assert!(rows[2].contains("96        -  -"), "nothing was bought: {text}");

    let desk = Desk::new();
    let mut page = call_page();
    page.rows[0].cost = Cost::UNKNOWN;
    desk.engine.on(CommandName::ListCalls, Reply::Calls(page));
    desk.run(&["calls", "list", "--json"]).await;
    assert_eq!(desk.json()["calls"][0]["cost_usd"], Value::Null);
    assert_eq!(desk.json()["calls"][0]["cost_provenance"], "unknown");
}

#[tokio::test]
async fn calls_show_tells_facts_money_and_every_attempt() {
    let desk = Desk::new();
    desk.engine.on(CommandName::GetCall, Reply::Call(Box::new(call_records().remove(2))));
    assert_eq!(desk.run(&["calls", "show", "c1212"]).await, 0);
    let text = desk.out.text();
    assert!(text.starts_with("[!]  c1212  2025-11-21 22:13:58\n"), "{text}");
    for part in [
        "money      $0.0010 computed",
        "1,211 in, 133 out",
        "overloaded: 503: all 4 slots were busy",
        "ok, first token 0.52 s",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn calls_show_as_json_is_the_row_and_everything_recorded() {
    let desk = Desk::new();
    desk.engine.on(CommandName::GetCall, Reply::Call(Box::new(call_records().remove(2))));
    assert_eq!(desk.run(&["calls", "show", "c1212", "--json"]).await, 0);
    let call = desk.json();
    assert_eq!((&call["id"], &call["cost_usd"], &call["tries"]), (&json!("c1212"), &json!(0.001), &json!(2)));
    assert_eq!(call["attempts"][0]["error"], "503: all 4 slots were busy");
    assert_eq!(call["attempts"][0]["errorCode"], "overloaded");
    assert_eq!(call["facts"]["client"], "ask");
    assert_eq!(call["rejected"][0]["code"], "down");
}

#[tokio::test]
async fn calls_tail_prints_each_new_call_once_in_the_order_they_ended() {
    let desk = Desk::new();
    let rows = scene::call_rows();
    let page = |rows: &[_]| Reply::Calls(CallPage { rows: rows.to_vec(), ..CallPage::default() });
    desk.engine
        .on(CommandName::ListCalls, page(&rows[3..]))
        .on(CommandName::ListCalls, page(&rows[1..]))
        .on(CommandName::ListCalls, page(&rows));
    let code = desk.run_until(&["calls", "tail", "--json"], |desk| desk.out.text().lines().count() >= 3).await;
    assert_eq!(code, 0);
    let ids: Vec<Value> =
        desk.out.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["c1212", "c1213", "c1214"], "older calls are not repeated");
}

#[tokio::test]
async fn calls_tail_says_how_many_calls_it_could_not_show() {
    let desk = Desk::new();
    let rows = scene::call_rows();
    let page = |rows: &[_], matching, counted_since| {
        Reply::Calls(CallPage { rows: rows.to_vec(), matching, total: matching, counted_since })
    };
    desk.engine
        .on(CommandName::ListCalls, page(&rows[3..], 100, scene::MIDNIGHT))
        // Two of 1,202 that ended meanwhile are among the newest.
        .on(CommandName::ListCalls, page(&rows[1..3], 1302, scene::MIDNIGHT))
        // Another day: what it counts says nothing of the one before.
        .on(CommandName::ListCalls, page(&rows[..1], 9000, NOW));
    let code = desk.run_until(&["calls", "tail", "--json"], |desk| desk.out.text().lines().count() >= 3).await;
    assert_eq!(code, 0);
    assert_eq!(desk.err.text(), "-- 1,200 more calls ended than are shown: lmdeck calls list has all\n");
}

fn log_line(message: &str) -> LogLine {
    LogLine {
        ts: "2025-11-21T22:14:31Z".into(),
        level: "WARN".into(),
        target: "lmdeck::engine".into(),
        message: message.into(),
    }
}

#[tokio::test]
async fn logs_print_lines_and_follow_new_ones() {
    let desk = Desk::new();
    desk.engine.on(CommandName::ReadLog, Reply::Log(vec![log_line("one \x1b[31mred")]));
    assert_eq!(desk.run(&["logs", "--level", "warn", "-n", "5"]).await, 0);
    assert_eq!(desk.out.text(), "2025-11-21T22:14:31Z warn  lmdeck::engine: one ^[[31mred\n");
    let Some(Command::ReadLog { query }) = desk.engine.commands().pop() else { panic!("a query") };
    assert_eq!((query.limit, query.level.as_str()), (5, "warn"));

    let desk = Desk::new();
    desk.engine
        .on(CommandName::ReadLog, Reply::Log(vec![log_line("one")]))
        .on(CommandName::ReadLog, Reply::Log(vec![log_line("one"), log_line("two")]))
        .on(CommandName::ReadLog, Reply::Log(vec![log_line("one"), log_line("two"), log_line("three")]));
    assert_eq!(desk.run_until(&["logs", "--follow"], |desk| desk.out.text().contains("three")).await, 0);
    let text = desk.out.text();
    let said: Vec<&str> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(said, ["one", "two", "three"]);
}

// ---- providers ----------------------------------------------------------------------------------------------

fn edited(lines_changed: usize) -> Reply {
    Reply::Edited(EditReport {
        file: "ai_models.yaml".into(),
        difference: "--- old\n+++ new\n@@ -1 +1,2 @@\n providers:\n+  - id: ollama\n".into(),
        lines_changed,
        section: "providers".into(),
        written: lines_changed > 0,
        issues: Vec::new(),
    })
}

fn tested(failure: Option<Failure>) -> Reply {
    let last = if failure.is_some() { StepState::Failed } else { StepState::Passed };
    Reply::Tested(TestReport {
        steps: vec![
            Step {
                name: "address".into(),
                state: StepState::Passed,
                verdict: "http, port 11434, this machine".into(),
                ms: Some(0),
            },
            Step { name: "connect".into(), state: last, verdict: "as it went".into(), ms: Some(3) },
        ],
        models: vec![ModelInfo::named("llama3.2")],
        failure,
        cautions: Vec::new(),
        total_ms: 3,
    })
}

fn refused() -> Failure {
    Failure::new(ErrorCode::Network, Cause::Refused, "connection refused")
}

#[tokio::test]
async fn a_provider_is_tested_then_added() {
    let desk = Desk::new();
    desk.engine.on(CommandName::TestProvider, tested(None)).on(CommandName::AddProvider, edited(3));
    let words = [
        "providers",
        "add",
        "--type",
        "ollama",
        "--id",
        "second",
        "--model",
        "b",
        "--model",
        "a",
        "--key",
        "${OLLAMA_KEY}",
    ];
    assert_eq!(desk.run(&words).await, 0);
    assert_eq!(desk.out.text(), "added second: 3 lines in ai_models.yaml, section providers\n");
    assert!(desk.err.text().contains("[ok] address"), "{}", desk.err.text());
    assert!(desk.err.text().ends_with("-- lmdeck config undo takes it back\n"));
    let commands = desk.engine.commands();
    let [Command::TestProvider { answer: false, .. }, Command::AddProvider { draft }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!((draft.id.as_str(), draft.kind, draft.enabled), ("second", Some(Kind::Ollama), Some(true)));
    assert_eq!(draft.models, Some(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(draft.auth_token, Some(DraftSecret("${OLLAMA_KEY}".into())));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_not_saved_unless_told_to() {
    let desk = Desk::new();
    desk.engine.on(CommandName::TestProvider, tested(Some(refused())));
    assert_eq!(desk.run(&["providers", "add", "--type", "ollama"]).await, 4);
    let err = desk.err.text();
    assert!(err.contains("error: not saved: the connection test failed: connection refused\n  do: "), "{err}");
    assert!(err.contains("--save-anyway"), "{err}");
    assert!(!desk.engine.commands().iter().any(|command| command.name() == CommandName::AddProvider));

    let desk = Desk::new();
    desk.engine.on(CommandName::TestProvider, tested(Some(refused()))).on(CommandName::AddProvider, edited(3));
    assert_eq!(desk.run(&["providers", "add", "--type", "ollama", "--save-anyway"]).await, 0);

    let desk = Desk::new();
    desk.engine.on(CommandName::AddProvider, edited(3));
    assert_eq!(desk.run(&["providers", "add", "--type", "ollama", "--no-test"]).await, 0);
    assert_eq!(desk.engine.commands().len(), 1, "nothing was tested");
}

#[tokio::test]
async fn a_key_on_the_command_line_is_refused_and_never_repeated() {
    for (key, remedy) in [("sk-proj-verysecret123456", "--key - < FILE"), ("Z_AI_API_KEY", "--key '${Z_AI_API_KEY}'")] {
        let desk = Desk::new();
        assert_eq!(desk.run(&["providers", "add", "--type", "z_ai_glm", "--id", "z2", "--key", key]).await, 2);
        let err = desk.err.text();
        assert!(err.contains(remedy) && !err.contains("verysecret"), "{err}");
        assert_eq!(desk.engine.commands(), []);
    }
}

#[tokio::test]
async fn a_key_comes_from_standard_input_and_stays_out_of_sight() {
    let desk = Desk::new().piped_in("sk-proj-verysecret123456\n");
    desk.engine.on(CommandName::TestProvider, tested(None)).on(CommandName::AddProvider, edited(4));
    assert_eq!(desk.run(&["providers", "add", "--type", "z_ai_glm", "--id", "z2", "--key", "-"]).await, 0);
    let Some(Command::AddProvider { draft }) = desk.engine.commands().pop() else { panic!("added") };
    assert_eq!(draft.auth_token, Some(DraftSecret("sk-proj-verysecret123456".into())));
    assert!(!(desk.out.text() + &desk.err.text()).contains("verysecret"));

    for input in ["", "two words", "line\nline"] {
        let desk = Desk::new().piped_in(input);
        assert_eq!(
            desk.run(&["providers", "add", "--type", "z_ai_glm", "--id", "z2", "--key", "-"]).await,
            2,
            "{input:?}"
        );
    }
    let at_keyboard = Desk::new();
    assert_eq!(at_keyboard.run(&["providers", "add", "--type", "z_ai_glm", "--id", "z2", "--key", "-"]).await, 2);
    assert!(at_keyboard.err.text().contains("would be shown while you type it"));
}

#[tokio::test]
async fn what_is_missing_or_taken_is_named() {
    for (words, what) in [
        (&["providers", "add"][..], "missing: --type"),
        (&["providers", "add", "--type", "openai_compatible"], "missing: --endpoint"),
        (&["providers", "add", "--type", "openai"], "a provider openai is there already"),
        (&["providers", "add", "--type", "ollama", "--id", "My Box"], "--id My Box: an id holds small letters"),
        (&["providers", "edit", "zai"], "nothing to change in zai"),
    ] {
        let desk = Desk::new();
        assert_eq!(desk.run(words).await, 2, "{words:?}");
        assert!(desk.err.text().starts_with(&format!("error: {what}")), "{}", desk.err.text());
        assert_eq!(desk.engine.commands(), [], "{words:?}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let desk = Desk::new();
    desk.engine.on(CommandName::PreviewEdit, edited(0));
    assert_eq!(desk.run(&["providers", "add", "--type", "ollama", "--dry-run", "--readonly"]).await, 0);
    assert!(desk.out.text().contains("\n+  - id: ollama\n"), "{}", desk.out.text());
    assert_eq!(desk.err.text(), "-- nothing was written to ai_models.yaml\n");
    assert!(matches!(desk.engine.commands()[..], [Command::PreviewEdit { id: None, .. }]));
}

#[tokio::test]
async fn an_edit_changes_only_what_was_given() {
    let desk = Desk::new();
    desk.engine.on(CommandName::TestProvider, tested(None)).on(CommandName::EditProvider, edited(1));
    assert_eq!(desk.run(&["providers", "edit", "workstation", "--endpoint", "http://192.168.1.21:8080"]).await, 0);
    let Some(Command::EditProvider { id, draft }) = desk.engine.commands().pop() else { panic!("edited") };
    assert_eq!(id.as_str(), "workstation");
    assert_eq!(draft.endpoint, "http://192.168.1.21:8080");
    assert_eq!((draft.auth_token, draft.models, draft.kind, draft.name), (None, None, None, None));
    assert_eq!((draft.local, draft.enabled), (None, None), "as they are in the file by then");

    let desk = Desk::new();
    desk.engine.on(CommandName::TestProvider, tested(None)).on(CommandName::EditProvider, edited(1));
    desk.run(&["providers", "edit", "workstation", "--no-key", "--no-models", "--no-local"]).await;
    let Some(Command::EditProvider { draft, .. }) = desk.engine.commands().pop() else { panic!("edited") };
    assert_eq!(
        (draft.auth_token, draft.models, draft.local),
        (Some(DraftSecret::default()), Some(Vec::new()), Some(false))
    );
}

#[tokio::test]
async fn providers_test_prints_every_step_and_fails_as_the_test_did() {
    let desk = Desk::new();
    desk.engine.on(CommandName::TestSaved, tested(Some(refused())));
    assert_eq!(desk.run(&["providers", "test", "workstation"]).await, 4);
    assert_eq!(
        desk.out.text(),
        "\
[ok] address       <1 ms   http, port 11434, this machine
[x]  connect        3 ms   as it went
"
    );
    assert!(desk.err.text().starts_with("error: workstation: connection refused\n  do: "));

    let desk = Desk::new();
    desk.engine.on(CommandName::TestSaved, tested(None));
    assert_eq!(desk.run(&["providers", "test", "workstation", "--answer", "--json"]).await, 0);
    assert_eq!(desk.json()["passed"], true);
    assert!(matches!(desk.engine.commands()[..], [Command::TestSaved { answer: true, .. }]));
}

#[tokio::test]
async fn an_answer_that_costs_money_is_asked_about_first() {
    for verb in ["test", "doctor"] {
        let words = ["providers", verb, "zai", "--answer"];
        for (typed, exit) in [("y\n", 0), ("n\n", 1), ("", 1)] {
            let mut desk = Desk::new();
            desk.input = typed.into();
            desk.engine.on(CommandName::TestSaved, tested(None)).on(CommandName::Diagnose, tested(None));
            assert_eq!(desk.run(&words).await, exit, "{typed:?}: {}", desk.err.text());
            assert_eq!(desk.engine.commands().len(), usize::from(exit == 0), "{typed:?}");
            assert!(desk.err.text().contains("One short answer of Z.AI GLM may cost"), "{}", desk.err.text());
        }
        // Nobody there to ask: it has to be said.
        let mut desk = Desk::new();
        desk.at_keyboard = false;
        desk.engine.on(CommandName::TestSaved, tested(None)).on(CommandName::Diagnose, tested(None));
        assert_eq!(desk.run(&words).await, 2);
        assert!(desk.err.text().contains("--yes"), "{}", desk.err.text());
        assert!(desk.engine.commands().is_empty());
        assert_eq!(desk.run(&["providers", verb, "zai", "--answer", "--yes"]).await, 0);
    }
}

#[tokio::test]
async fn the_dearest_model_that_may_be_asked_is_asked_about() {
    let with = |change: fn(&mut ProviderView)| {
        let mut picture = evening();
        Arc::make_mut(&mut picture.providers).iter_mut().map(Arc::make_mut).for_each(change);
        Desk::with(picture)
    };
    // The first one named is free, and the vendor's list may lack it.
    let two = with(|view| {
        if view.id.as_str() == "zai" {
            let model = |id: &str, price| ModelView { price, named: true, ..ModelView::of(id) };
            let paid = Price::per_million(0.6, 2.2, None);
            view.models = vec![model("glm-4.7-flash", Some(Price::FREE)), model("glm-4.6", paid)].into();
            view.named_models = vec!["glm-4.7-flash".into(), "glm-4.6".into()];
        }
    });
    // A near server runs a model elsewhere.
    let remote = with(|view| {
        if view.id.as_str() == "lm_studio" {
            let cloud = ModelView { remote: true, listed: true, ..ModelView::of("gpt-oss:120b-cloud") };
            view.models = vec![cloud].into();
        }
    });
    for (mut desk, id, said) in [(two, "zai", "may cost up to"), (remote, "lm_studio", "may cost something")] {
        desk.at_keyboard = false;
        desk.engine.on(CommandName::TestSaved, tested(None));
        assert_eq!(desk.run(&["providers", "test", id, "--answer"]).await, 2, "{}", desk.err.text());
        assert!(desk.err.text().contains(said), "{}", desk.err.text());
        assert!(desk.engine.commands().is_empty());
    }
}

#[tokio::test]
async fn discover_offers_the_command_that_adds_what_it_found() {
    let found = |kind: Kind, endpoint: &str, answered, note: &str| Found {
        kind,
        endpoint: endpoint.into(),
        answered,
        models: Vec::new(),
        note: note.into(),
        configured_as: None,
    };
    let desk = Desk::new();
    desk.engine.on(
        CommandName::Discover,
        Reply::Discovered(vec![
            Found {
                configured_as: Some("lm_studio".into()),
                ..found(Kind::LmStudio, "http://127.0.0.1:1234", true, "3 models, 1 loaded")
            },
            found(Kind::LlamaCpp, "http://127.0.0.1:9931", true, "1 model"),
            found(Kind::Ollama, "http://127.0.0.1:11434", false, "nothing there"),
        ]),
    );
    assert_eq!(desk.run(&["providers", "discover"]).await, 0);
    let text = desk.out.text();
    assert!(
        text.contains("[ok] LM Studio     http://127.0.0.1:1234     3 models, 1 loaded   is lm_studio\n"),
        "{text}"
    );
    assert!(text.contains("[-]  Ollama        http://127.0.0.1:11434    nothing there\n"), "{text}");
    assert_eq!(desk.err.text(), "-- add it: lmdeck providers add --type llama_cpp --endpoint http://127.0.0.1:9931\n");

    // An id that is taken would be refused: by the file, and by the line before.
    let desk = Desk::new();
    desk.engine.on(
        CommandName::Discover,
        Reply::Discovered(vec![
            found(Kind::LmStudio, "http://127.0.0.1:1235", true, "1 model"),
            found(Kind::LmStudio, "http://127.0.0.1:1236", true, "1 model"),
        ]),
    );
    assert_eq!(desk.run(&["providers", "discover"]).await, 0);
    assert_eq!(
        desk.err.text(),
        "\
-- add it: lmdeck providers add --type lm_studio --id lm_studio_2 --endpoint http://127.0.0.1:1235
-- add it: lmdeck providers add --type lm_studio --id lm_studio_3 --endpoint http://127.0.0.1:1236
"
    );

    // What was added before one was refused is told.
    let desk = Desk::new();
    desk.engine
        .on(
            CommandName::Discover,
            Reply::Discovered(vec![
                found(Kind::Ollama, "http://127.0.0.1:11434", true, "1 model"),
                found(Kind::Vllm, "http://127.0.0.1:8000", true, "1 model"),
            ]),
        )
        .on(CommandName::AddProvider, edited(1))
        .on(
            CommandName::AddProvider,
            Reply::Refused(Refusal {
                message: "the file changed on disk".into(),
                remedy: String::new(),
                exit: 3,
                issues: Vec::new(),
                difference: None,
            }),
        );
    assert_eq!(desk.run(&["providers", "discover", "--add"]).await, 3);
    let said = desk.err.text();
    assert!(said.starts_with("added ollama\n") && said.contains("error: the file changed on disk"), "{said}");

    let desk = Desk::new();
    desk.engine.on(CommandName::Discover, Reply::Discovered(Vec::new()));
    assert_eq!(desk.run(&["providers", "discover"]).await, 4);
    assert!(desk.err.text().contains("  do: start one"));
}

#[tokio::test]
async fn switching_and_removing_reach_the_engine_with_the_right_provider() {
    for (words, name) in [
        (["providers", "remove", "zai"], CommandName::RemoveProvider),
        (["providers", "enable", "zai"], CommandName::EnableProvider),
        (["providers", "disable", "zai"], CommandName::EnableProvider),
    ] {
        let desk = Desk::new();
        desk.engine.on(name, edited(1));
        assert_eq!(desk.run(&words).await, 0, "{words:?}");
        let command = desk.engine.commands().pop().unwrap();
        match command {
            Command::RemoveProvider { id } => assert_eq!((id.as_str(), words[1]), ("zai", "remove")),
            Command::EnableProvider { id, enabled } => {
                assert_eq!((id.as_str(), enabled), ("zai", words[1] == "enable"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn show_tells_where_a_key_comes_from_and_nothing_of_it() {
    let snapshot =
        with_provider(evening(), "openai", |view| view.key_source = KeySource::File { tail: Some("9f3c".into()) });
    let desk = Desk::with(snapshot);
    assert_eq!(desk.run(&["providers", "show", "openai"]).await, 0);
    let text = desk.out.text();
    assert!(text.contains("key       in the file, ends in 9f3c\n"), "{text}");
    assert!(text.contains("state     degraded: probe slower than 1 s\nsince     7 min\n"), "{text}");
    assert!(text.contains("openai/gpt-4o\n"), "{text}");
}

#[tokio::test]
async fn show_says_what_to_do_with_the_command_on_its_own_line() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["providers", "show", "workstation"]).await, 0);
    let text = desk.out.text();
    assert!(
        text.contains(
            "\nwhat to do\n  Nothing listens on 192.168.1.20 port 8080. On that machine:\n      \
             llama-server -m qwen3-32b.gguf --host 0.0.0.0 --port 8080\n"
        ),
        "{text}"
    );
    assert!(text.contains("known     [x] reachable  [?] key  [?] listed  [?] loaded  [?] answering\n"), "{text}");
}

// ---- models, routes, config ---------------------------------------------------------------------------------

#[tokio::test]
async fn models_use_understands_every_way_to_name_a_target() {
    let target = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    for (word, choice) in [
        ("auto", ActiveChoice::Auto),
        ("zai", ActiveChoice::Provider("zai".into())),
        ("zai/glm-4.6", target.clone()),
        ("glm-4.6", target),
        ("zai/not-listed-yet", ActiveChoice::Target(Target::new("zai", "not-listed-yet"))),
    ] {
        let desk = Desk::new();
        assert_eq!(desk.run(&["models", "use", word]).await, 0, "{word}");
        assert_eq!(desk.engine.commands().pop(), Some(Command::UseTarget { choice }), "{word}");
    }
}

#[tokio::test]
async fn models_use_understands_the_names_of_the_original_service() {
    let desk = Desk::new();
    let mut snapshot = evening();
    let zai = Arc::make_mut(&mut snapshot.providers).iter_mut().find(|view| view.id.as_str() == "zai").unwrap();
    Arc::make_mut(zai).aliases.insert("z_ai_glm_4.6".into(), Some("glm-4.6".into()));
    desk.engine.publish(snapshot);
    assert_eq!(desk.run(&["models", "use", "z_ai_glm_4.6"]).await, 0);
    let choice = ActiveChoice::Target(Target::new("zai", "glm-4.6"));
    assert_eq!(desk.engine.commands().pop(), Some(Command::UseTarget { choice }));
    assert_eq!(desk.out.text(), "active target: zai/glm-4.6\n");
}

#[tokio::test]
async fn models_use_says_where_calls_go_meanwhile() {
    let desk = Desk::new();
    let mut snapshot = evening();
    Arc::make_mut(&mut snapshot.routing).in_effect_why = "workstation is down".into();
    desk.engine.publish(snapshot);
    assert_eq!(desk.run(&["models", "use", "workstation"]).await, 0);
    assert_eq!(desk.out.text(), "active target: workstation\n");
    assert_eq!(
        desk.err.text(),
        "-- in effect now: lm_studio/openai_gpt-oss-120b-neo: workstation is down\n\
         -- a dashboard or gateway that runs now takes it over within a minute\n"
    );
}

#[tokio::test]
async fn models_use_suggests_what_could_be_meant_and_changes_nothing() {
    let desk = Desk::new();
    desk.engine.on(CommandName::Explain, Reply::Explained(Box::new(explanation())));
    assert_eq!(desk.run(&["models", "use", "zai-glm-4.6"]).await, 2);
    assert!(desk.err.text().contains("did you mean zai/glm-4.6?"), "{}", desk.err.text());
    assert!(!desk.engine.commands().iter().any(|command| command.name() == CommandName::UseTarget));
}

#[tokio::test]
async fn models_list_names_targets_as_they_are_typed() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["models", "list"]).await, 0);
    let text = desk.out.text();
    assert!(
        text.contains("loaded           8k  MXFP4    63.4 GB         free  lm_studio/openai_gpt-oss-120b-neo\n"),
        "{text}"
    );
    assert!(text.contains("0.60/2.20  zai/glm-4.6\n"), "{text}");
    let desk = Desk::new();
    desk.run(&["models", "list", "zai", "--json"]).await;
    assert_eq!(desk.json()[0]["target"], "zai/glm-4.6");
    assert_eq!(desk.json()[0]["price"]["input"], 0.6);
}

#[tokio::test]
async fn strategy_and_orders_are_shown_and_set() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["routes", "strategy"]).await, 0);
    assert_eq!(desk.out.text(), "prefer_local\n");

    let desk = Desk::new();
    desk.run(&["routes", "order", "teaching_generation"]).await;
    assert_eq!(desk.out.text(), "zai\nlm_studio\n");

    let desk = Desk::new();
    desk.engine.on(CommandName::SetOrder, edited(1));
    assert_eq!(desk.run(&["routes", "order", "quick_responses", "lm_studio", "cloud"]).await, 0);
    let expected =
        Command::SetOrder { request_type: "quick_responses".into(), items: vec!["lm_studio".into(), "cloud".into()] };
    assert_eq!(desk.engine.commands(), [expected]);

    let desk = Desk::new();
    desk.engine.on(CommandName::SetOrder, edited(1));
    desk.run(&["routes", "order", "teaching_generation", "--remove"]).await;
    assert_eq!(
        desk.engine.commands(),
        [Command::SetOrder { request_type: "teaching_generation".into(), items: vec![] }]
    );

    let desk = Desk::new();
    assert_eq!(desk.run(&["routes", "order", "nothing"]).await, 2);
    assert!(desk.err.text().contains("lmdeck routes order nothing TARGET"));
}

#[tokio::test]
async fn config_set_undo_and_trust_reach_the_engine() {
    let desk = Desk::new();
    desk.engine.on(CommandName::ConfigSet, edited(1)).on(CommandName::ConfigUndo, edited(1));
    assert_eq!(desk.run(&["config", "set", "fallback_models.1.temperature", "-1"]).await, 0);
    assert_eq!(desk.run(&["config", "undo"]).await, 0);
    assert_eq!(desk.run(&["config", "trust"]).await, 0);
    let set = Command::ConfigSet { path: "fallback_models.1.temperature".into(), value: "-1".into() };
    assert_eq!(desk.engine.commands(), [set, Command::ConfigUndo, Command::ConfigTrust { asked: Vec::new() }]);
}

#[tokio::test]
async fn a_key_in_clear_is_refused_however_it_is_given() {
    for (path, value) in [
        ("providers.zai.authToken", "sk-very-secret"),
        ("providers.zai.\"authToken\"", "sk-very-secret"),
        ("providers.zai", "{ id: zai, type: z_ai_glm, authToken: sk-very-secret }"),
        ("gateway", "{ api_keys: [sk-very-secret] }"),
        ("gateway.api_keys", "['${GOOD}', sk-very-secret]"),
        ("z_ai_glm.api_key", "${X}sk-very-secret"),
        ("z_ai_glm.api_key", "${X:-sk-very-secret}"),
        ("gateway.api_keys", "[1234567890123456]"),
        ("providers.zai.token", "{ sk-very-secret"),
    ] {
        let desk = Desk::new();
        assert_eq!(desk.run(&["config", "set", path, value]).await, 2, "{path} {value}");
        let said = desk.err.text();
        assert!(said.contains("a key on the command line is refused") && !said.contains("very-secret"), "{said}");
        assert!(desk.engine.commands().is_empty());
    }
    for (path, value) in [
        ("providers.zai.authToken", "${Z_AI_API_KEY}"),
        ("providers.zai.authToken", ""),
        ("gateway.api_keys", "['${ONE}', '${TWO}']"),
        ("gateway.api_keys", "[]"),
        ("providers.zai", "{ id: zai, type: z_ai_glm, authToken: '${Z_AI_API_KEY}', models: [a] }"),
        ("limits.default_max_tokens", "900"),
        ("ui.keys", "{ help: F1 }"),
        ("presets.a.defaults.token", "x"),
        ("cost_optimization.local_model_cost_per_token", "0.000001"),
        ("cost_optimization", "{ local_model_cost_per_token: 0 }"),
    ] {
        let desk = Desk::new();
        desk.engine.on(CommandName::ConfigSet, edited(1));
        assert_eq!(desk.run(&["config", "set", path, value]).await, 0, "{path} {value}: {}", desk.err.text());
    }
}

#[tokio::test]
async fn config_show_is_the_configuration_in_force() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["config", "show"]).await, 0);
    let text = desk.out.text();
    assert!(text.contains("strategy: prefer_local\n") && text.contains("authToken: ${Z_AI_API_KEY}\n"), "{text}");
    let desk = Desk::new();
    desk.run(&["config", "show", "--json"]).await;
    let shown = desk.json();
    assert_eq!((&shown["routing"]["strategy"], &shown["providers"][0]["id"]), (&json!("prefer_local"), &json!("zai")));
    assert_eq!(shown["file"], "/home/ada/.config/lmdeck/ai_models.yaml");
    // A server that was found on this machine is in force while nothing is configured.
    let desk = Desk::with(with_provider(evening(), "lm_studio", |view| view.origin = Origin::Discovery));
    desk.run(&["config", "show", "--json"]).await;
    let shown = desk.json();
    let found = shown["providers"].as_array().unwrap().last().unwrap();
    assert_eq!((&found["id"], &found["type"]), (&json!("lm_studio"), &json!("lm_studio")));
}

// ---- without an engine --------------------------------------------------------------------------------------

struct Shelf(Checked);

impl Ground for Shelf {
    fn paths(&self) -> Paths {
        Paths {
            config: self.0.file.clone(),
            would_write: "/home/ada/new.yaml".into(),
            state_dir: "/home/ada/state".into(),
        }
    }

    fn schema(&self) -> Value {
        json!({ "title": "lmdeck configuration" })
    }

    fn check(&self, file: Option<&Path>) -> Checked {
        let mut checked = self.0.clone();
        if let Some(file) = file {
            checked.file = Some(file.display().to_string());
        }
        checked
    }
}

fn offline(desk: &Desk, words: &[&str], ground: &Shelf) -> Option<u8> {
    let cli = parse(words);
    lmdeck::cli::offline::run(&cli, &mut desk.console(cli.globals.json), ground)
}

fn checked(severity: Option<Severity>) -> Shelf {
    let issue = severity.map(|severity| Issue {
        severity,
        file: "ai_models.yaml".into(),
        line: Some(31),
        column: Some(5),
        path: "providers.zai.endpont".into(),
        message: "unknown key: endpont".into(),
        remedy: "did you mean endpoint?".into(),
        text: "    endpont: https://api.z.ai".into(),
    });
    Shelf(Checked {
        file: Some("ai_models.yaml".into()),
        issues: issue.into_iter().collect(),
        usable: severity != Some(Severity::Error),
        providers: 5,
    })
}

#[test]
fn config_check_names_the_place_and_exits_3_for_errors_and_with_strict_for_warnings() {
    for (severity, flags, exit) in [
        (None, &[][..], 0),
        (Some(Severity::Note), &["--strict"], 0),
        (Some(Severity::Warning), &[], 0),
        (Some(Severity::Warning), &["--strict"], 3),
        (Some(Severity::Error), &[], 3),
    ] {
        let desk = Desk::new();
        let words = [&["config", "check"], flags].concat();
        assert_eq!(offline(&desk, &words, &checked(severity)), Some(exit), "{severity:?} {flags:?}");
        if let Some(severity) = severity {
            let head = format!("{}: ai_models.yaml:31:5: unknown key: endpont\n", severity.word());
            assert!(desk.err.text().starts_with(&head), "{}", desk.err.text());
            assert!(desk.err.text().contains("  do: did you mean endpoint?\n"));
        }
    }
    let desk = Desk::new();
    offline(&desk, &["config", "check", "other.yaml"], &checked(None));
    assert_eq!(desk.out.text(), "other.yaml: 5 providers, nothing wrong\n");
    let desk = Desk::new();
    offline(&desk, &["config", "check", "--json"], &checked(Some(Severity::Error)));
    assert_eq!((desk.json()["ok"].clone(), desk.json()["issues"][0]["line"].clone()), (json!(false), json!(31)));
}

#[test]
fn config_path_says_where_and_whether_there_is_a_file() {
    let desk = Desk::new();
    assert_eq!(offline(&desk, &["config", "path"], &checked(None)), Some(0));
    assert_eq!(desk.out.text(), "ai_models.yaml\n");
    let desk = Desk::new();
    offline(&desk, &["config", "path"], &Shelf(Checked::default()));
    assert_eq!(desk.out.text(), "/home/ada/new.yaml\n");
    assert!(desk.err.text().contains("no file there yet"));
}

#[test]
fn completions_and_manual_pages_come_from_the_same_tree() {
    for shell in ["bash", "zsh", "fish"] {
        let desk = Desk::new();
        assert_eq!(offline(&desk, &["completions", shell], &checked(None)), Some(0));
        assert!(desk.out.text().contains("discover"), "{shell}");
    }
    let desk = Desk::new();
    assert_eq!(offline(&desk, &["man"], &checked(None)), Some(0));
    assert!(desk.out.text().contains(".TH lmdeck"));
    let desk = Desk::new();
    assert_eq!(offline(&desk, &["man", "providers", "add"], &checked(None)), Some(0));
    assert!(desk.out.text().contains("save\\-anyway"), "{}", desk.out.text());
    let desk = Desk::new();
    assert_eq!(offline(&desk, &["man", "--json"], &checked(None)), Some(0));
    assert!(desk.json()["roff"].as_str().unwrap().contains(".TH lmdeck"));
    let desk = Desk::new();
    assert_eq!(offline(&desk, &["man", "provider"], &checked(None)), Some(2));
    assert!(desk.err.text().contains("did you mean providers?"));
}

#[test]
fn verbs_that_need_the_engine_are_left_to_it() {
    for words in [&["status"][..], &["config", "show"], &["serve"], &[]] {
        assert_eq!(offline(&Desk::new(), words, &checked(None)), None, "{words:?}");
    }
}

// ---- what is typed wrong ------------------------------------------------------------------------------------

#[test]
fn wrong_words_are_usage_errors_that_name_what_is_allowed() {
    assert!(usage_error(&["statsu"]).contains("status"));
    assert!(usage_error(&["routes", "strategy", "prefer_locl"]).contains("prefer_local"));
    assert!(usage_error(&["providers", "add", "--type", "lmstudio"]).contains("lm_studio"));
    assert!(usage_error(&["ask", "--tag", "privacy", "x"]).contains("KEY=VALUE"));
    assert!(usage_error(&["ask", "--temperature", "hot", "x"]).contains("0 to 2"));
    assert!(usage_error(&["ask", "--max-tokens", "0", "x"]).contains("--max-tokens"));
    for (words, told) in [
        (["serve", "--listen", "somewhere"], "127.0.0.1:4141"),
        (["serve", "--listen", "localhost:5151"], "127.0.0.1:5151 or [::1]:5151"),
        (["serve", "--listen", ":4141"], "an address in numbers and a port"),
        (["connect", "--at", "box"], "127.0.0.1:4141"),
    ] {
        let said = usage_error(&words);
        assert!(said.contains(told) && said.contains(words[1]), "{said}");
    }
}

#[test]
fn a_recorded_call_is_explained_as_it_was_whatever_a_sample_would_say() {
    use clap::{Args as _, CommandFactory as _};
    let sample = lmdeck::cli::args::SampleArgs::augment_args(clap::Command::new("sample"));
    let mut tried = 0;
    for arg in sample.get_arguments() {
        let flag = format!("--{}", arg.get_long().unwrap());
        let value = match arg.get_possible_values().first() {
            Some(value) => value.get_name().to_owned(),
            None => if flag == "--tag" { "a=b" } else { "1" }.to_owned(),
        };
        let words = ["routes", "explain", "--call", "c1", flag.as_str(), value.as_str()];
        let words = if arg.get_action().takes_values() { &words[..] } else { &words[..5] };
        assert!(usage_error(words).contains("cannot be used with"), "{flag}");
        tried += 1;
    }
    assert!(tried > 10 && Cli::command().find_subcommand("routes").is_some());
}

#[test]
fn no_verb_is_the_dashboard_and_global_flags_go_anywhere() {
    assert!(parse(&[]).verb.is_none());
    let cli = parse(&["health", "--json", "--config", "x.yaml", "--readonly"]);
    assert!(cli.globals.json && cli.globals.readonly);
    assert_eq!(cli.globals.config.as_deref(), Some(Path::new("x.yaml")));
}

#[test]
fn every_help_text_is_there_and_fits_the_page() {
    use clap::CommandFactory as _;
    fn walk(command: &mut clap::Command, path: &str) {
        let help = command.render_long_help().to_string();
        assert!(command.get_about().is_some(), "{path} says nothing about itself");
        assert!(help.lines().all(|line| line.chars().count() <= 120), "{path}: {help}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{path}: {} is not explained", arg.get_id());
        }
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path);
        }
    }
    let mut command = Cli::command();
    command.build();
    walk(&mut command, "lmdeck");
}

#[tokio::test]
async fn status_tells_queue_limits_kept_answers_and_the_collector_where_there_is_something_to_tell() {
    let flow = FlowView {
        queue: QueueView { running: 5, slots: 5, waiting: 1, ..QueueView::default() },
        cache: CacheView { entries: 1, hits: 8, misses: 20, only_misses: 2, ..CacheView::default() },
        limits: vec![LimitView {
            of: "dspy".into(),
            client: true,
            requests: 9,
            requests_limit: Some(60),
            ..LimitView::default()
        }],
        limited: 4,
        export: Some(ExportView { endpoint: "http://127.0.0.1:4318".into(), sent: 1204, ..ExportView::default() }),
    };
    let snapshot = || Snapshot { flow: Arc::new(flow.clone()), ..evening() };
    let desk = Desk::with(snapshot());
    assert_eq!(desk.run(&["status"]).await, 0);
    let said = desk.out.text();
    for line in [
        "queue     5 of 5 under way, 1 waits",
        "limits    dspy 9 of 60 calls",
        "          4 calls turned away: their client had used up its limit",
        "cache     1 answer; 8 hits, 20 misses, 2 asked for kept answers only",
        "collector 1,204 calls to http://127.0.0.1:4318",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in {said}");
    }
    let desk = Desk::with(snapshot());
    desk.run(&["status", "--json"]).await;
    let said: serde_json::Value = serde_json::from_str(&desk.out.text()).unwrap();
    assert_eq!((&said["limits"][0]["of"], &said["calls_over_limit"]), (&"dspy".into(), &4.into()));
    assert_eq!((&said["cache"]["only_misses"], &said["export"]["sent"]), (&2.into(), &1204.into()));
    assert_eq!(said["queue"]["waiting_by"]["high"], 0);
}
