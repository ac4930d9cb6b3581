//! The Playground by its keys: what a person types, what is asked of the engine, and what stands on the screen.

use super::support::dashboard::{Typing, options};
use super::support::snapshot::{FakeEngine, NOW, answered, call_records, evening, failed, handle_for, record};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lmdeck::domain::call::{Body, CallRequest, Finish, Message, Reject, Role, Usage};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Cost;
use lmdeck::domain::reach::Reach;
use lmdeck::domain::routing::{Chosen, Decision, Explanation, RuleTrace};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::protocol::{
    CallEvent, CallOutcome, Command, CommandName, Reply, SavedPrompt, Snapshot, TokenCount,
};
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use lmdeck::tui::part::{Tab, Ticket};
use lmdeck::tui::told::Heard;
use lmdeck::tui::{App, Dirt, draw};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The dashboard on the Playground, with a person before it and a scripted engine behind it.
struct Desk {
    app: App,
    now: UnixMs,
    handle: EngineHandle,
    engine: FakeEngine,
    calls: HashMap<Ticket, mpsc::Receiver<CallEvent>>,
    /// Clipboard texts.
    copied: Vec<String>,
    left: bool,
}

impl Desk {
    fn new() -> Self {
        Self::with(evening(), |_| {})
    }

    fn with(snapshot: Snapshot, script: impl FnOnce(&FakeEngine)) -> Self {
        let (handle, engine) = handle_for(snapshot.clone());
        script(&engine);
        let mut desk = Self {
            app: App::new(Arc::new(snapshot), options(), NOW),
            now: NOW,
            handle,
            engine,
            calls: HashMap::new(),
            copied: Vec::new(),
            left: false,
        };
        let first = desk.app.start();
        desk.carry_out(first);
        let digit = char::from_digit(u32::from(Tab::Playground.digit()), 10).unwrap();
        desk.code(KeyCode::Char(digit), KeyModifiers::NONE);
        desk
    }

    fn carry_out(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => {
                    let reply = self.handle.ask_later(command).unwrap().blocking_recv().unwrap();
                    self.tell(Msg::Reply(ticket, Box::new(reply)));
                }
                Intent::Call(ticket, request) => {
                    self.calls.insert(ticket, self.handle.dispatch(*request));
                }
                Intent::StopCall(ticket) => drop(self.calls.remove(&ticket)),
                Intent::Copy(text) => self.copied.push(text),
                Intent::Quit => self.left = true,
                Intent::Edit(_) | Intent::EditText(_) | Intent::Suspend | Intent::Repaint | Intent::Alert(_) => {}
            }
        }
    }

    fn code(&mut self, code: KeyCode, modifiers: KeyModifiers) -> &mut Self {
        self.tell(Msg::Input(Input::Key(KeyEvent::new(code, modifiers))))
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.tell(Msg::Input(Input::Paste(text.to_owned())))
    }

    /// Time goes by; what is due happens.
    fn wait(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.tell(Msg::Wake)
    }

    /// The next `count` events of the running call arrive.
    fn events(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            let (ticket, event) =
                self.calls.iter_mut().map(|(ticket, call)| (*ticket, call.blocking_recv().unwrap())).next().unwrap();
            self.tell(Msg::Call(ticket, Box::new(event)));
        }
        self
    }

    fn event(&mut self, event: CallEvent) -> &mut Self {
        let ticket = *self.calls.keys().next().unwrap();
        self.tell(Msg::Call(ticket, Box::new(event)))
    }

    /// Events until the call has ended.
    fn finish(&mut self) -> &mut Self {
        while !self.calls.is_empty() {
            let (ticket, event) =
                self.calls.iter_mut().map(|(ticket, call)| (*ticket, call.blocking_recv().unwrap())).next().unwrap();
            if matches!(event, CallEvent::End(_)) {
                self.calls.remove(&ticket);
            }
            self.tell(Msg::Call(ticket, Box::new(event)));
        }
        self
    }

    fn look(&mut self, width: u16, height: u16) -> (String, Option<Position>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = draw(&self.app, &mut buffer);
        self.app.drawn();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        ((0..height).map(row).map(|line| line.trim_end().to_owned() + "\n").collect(), cursor)
    }

    fn screen(&mut self) -> String {
        self.look(80, 24).0
    }

    /// The row of the 80-column screen that holds `text`.
    fn row(&mut self, text: &str) -> String {
        let screen = self.screen();
        screen.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text} in\n{screen}")).to_owned()
    }

    fn sees(&mut self, texts: &[&str]) -> &mut Self {
        let screen = self.screen();
        for text in texts {
            assert!(screen.contains(text), "no {text:?} in\n{screen}");
        }
        self
    }

    fn sees_not(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(!screen.contains(text), "{text:?} in\n{screen}");
        self
    }

    fn explained(&self) -> usize {
        self.engine.commands().iter().filter(|command| command.name() == CommandName::Explain).count()
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, self.now);
        self.carry_out(intents);
        self
    }
}

fn glm() -> Target {
    Target::new("zai", "glm-4.6")
}

fn gpt() -> Target {
    Target::new("lm_studio", "openai_gpt-oss-120b-neo")
}

fn explanation(target: &Target, by: &str) -> Explanation {
    Explanation {
        decision: Decision {
            by: by.into(),
            rules_version: 17,
            chain: vec![Chosen {
                target: target.clone(),
                reach: if *target == glm() { Reach::Cloud } else { Reach::Machine },
                why: "named by the order".into(),
            }],
            rejected: vec![Reject {
                target: Target::new("workstation", "qwen3-32b"),
                code: "down".into(),
                reason: "down: connection refused".into(),
            }],
            local_only: false,
            ..Decision::default()
        },
        sentence: format!("{target}, because it is the first of the order of teaching_generation that can take it."),
        rules: vec![
            RuleTrace {
                name: "long-prompts".into(),
                when: String::new(),
                verdict: "no".into(),
                ..RuleTrace::default()
            },
            RuleTrace {
                name: "teaching_generation".into(),
                when: "zai, lm_studio".into(),
                verdict: "decides".into(),
                ..RuleTrace::default()
            },
        ],
        unseen: Vec::new(),
    }
}

fn nowhere(sentence: &str) -> Explanation {
    let mut nowhere = explanation(&glm(), "none");
    nowhere.decision.chain.clear();
    nowhere.sentence = sentence.into();
    nowhere
}

fn by_teaching(engine: &FakeEngine) {
    let explained = explanation(&glm(), "request_type:teaching_generation");
    engine.on(CommandName::Explain, Reply::Explained(Box::new(explained)));
}

#[test]
fn a_vendors_count_is_asked_for_by_a_key_only_and_holds_for_this_text() {
    let claude = Target::new("claude", "claude-3-5-haiku-20241022");
    let mut desk = Desk::with(evening(), |engine| {
        let counted = TokenCount { target: claude.clone(), by: Kind::Anthropic, tokens: 1204 };
        engine
            .on(CommandName::Explain, Reply::Explained(Box::new(explanation(&claude, "named"))))
            .on(CommandName::CountTokens, Reply::Counted(counted));
    });
    let asked = |desk: &Desk| {
        desk.engine.commands().iter().filter(|command| command.name() == CommandName::CountTokens).count()
    };
    desk.type_in("Explain dependent origination to a twelve-year-old, in 150 words.").wait(150).wait(60_000);
    assert_eq!(asked(&desk), 0, "the text left the machine before anybody asked");
    assert!(desk.row("Next").contains("17 tokens in"));
    desk.press("ctrl-n");
    assert_eq!(asked(&desk), 1);
    let next = desk.row("Next");
    assert!(next.contains("1,204 tokens, counted by Anthropic"), "{next}");
    desk.type_in("!");
    assert!(!desk.row("Next").contains("counted"));
    desk.wait(150);
    assert!(desk.row("Next").contains("17 tokens in"));
    assert_eq!(asked(&desk), 1);
}

#[test]
fn who_does_not_count_is_not_asked_to() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("hello").wait(150).press("ctrl-n");
    assert!(!desk.engine.commands().iter().any(|command| command.name() == CommandName::CountTokens));
    assert!(desk.screen().contains("only Anthropic counts tokens"), "{}", desk.screen());
}

fn head(target: Target) -> CallEvent {
    let record = record("c1", 0, "playground", "teaching_generation", target, 620, 3900, 38, 71, Cost::FREE);
    answered(&record, &[]).into_iter().find(|event| matches!(event, CallEvent::Head(_))).unwrap()
}

fn text(text: &str) -> CallEvent {
    CallEvent::Text { text: text.into() }
}

#[test]
fn what_is_typed_is_decided_after_a_pause_and_its_price_is_told() {
    let mut desk = Desk::with(evening(), by_teaching);
    let before = desk.explained();
    desk.type_in("Explain dependent origination to a twelve-year-old, in 150 words.");
    assert_eq!(desk.explained(), before, "asked while typing");
    desk.wait(150);
    assert_eq!(desk.explained(), before + 1);
    let next = desk.row("Next");
    // 17 tokens in at $0.60 and 1,024 out at $2.20 per million.
    assert!(next.contains("zai/glm-4.6 by teaching_generation"), "{next}");
    assert!(next.contains("17 tokens in   may cost $0.0023"), "{next}");
    let mut same = (*desk.handle.snapshot()).clone();
    same.revision += 1;
    desk.tell(Msg::Snapshot(Arc::new(same))).wait(60_000);
    assert_eq!(desk.explained(), before + 1, "asked again although neither prompt nor world changed");
}

#[test]
fn a_model_of_ones_own_is_free_and_one_without_a_price_is_not() {
    let local = explanation(&gpt(), "strategy:prefer_local");
    let mut desk = Desk::with(evening(), |engine| {
        engine.on(CommandName::Explain, Reply::Explained(Box::new(local)));
    });
    desk.type_in("hi").wait(150).sees(&["by prefer_local", "1 token in   free"]);
    let unpriced = explanation(&Target::new("claude", "claude-3-5-haiku-20241022"), "named");
    let mut desk = Desk::with(evening(), |engine| {
        engine.on(CommandName::Explain, Reply::Explained(Box::new(unpriced)));
    });
    desk.type_in("hi").wait(150).sees(&["price unknown"]);
}

#[test]
fn enter_sends_the_prompt_with_its_parameters_and_keeps_it() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.press("shift-tab").type_in("0").press("shift-tab").type_in("0.7");
    desk.press("shift-tab").type_in("Be brief.").press("shift-tab").type_in("teaching_generation");
    desk.press("tab tab tab tab").type_in("Hello,").press("ctrl-j").type_in("world").press("enter");
    let requests = desk.engine.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.facts.requested_model, "auto");
    assert_eq!(request.facts.request_type, "teaching_generation");
    assert_eq!(request.facts.client, "playground");
    assert_eq!((request.facts.prompt_tokens, request.facts.max_tokens), (6, 10_240));
    let message = |role, content: &str| Message { role, content: content.into() };
    assert_eq!(
        request.body,
        Body::Chat {
            messages: vec![message(Role::System, "Be brief."), message(Role::User, "Hello,\nworld")],
            max_tokens: Some(10_240),
            temperature: Some(0.7),
            stream: true,
        }
    );
    let saved = desk.engine.commands().into_iter().find_map(|command| match command {
        Command::SavePrompt { prompt } => Some(*prompt),
        _ => None,
    });
    assert_eq!(saved.unwrap().prompt, "Hello,\nworld");
    desk.sees(&["Hello,", "world", "waiting, 0.0 s, ctrl-c stops"]);
}

#[test]
fn an_answer_is_written_as_it_comes_and_ends_with_its_figures() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain.").press("enter").wait(600);
    desk.event(head(glm())).event(text("Think of a row of dominoes ")).wait(1500);
    desk.event(text("standing on a kitchen table.\n\nNone falls by itself."));
    desk.sees(&[
        "─ Answer  zai/glm-4.6 ",
        " writing, 2.1 s, ctrl-c stops ",
        "    Think of a row of dominoes standing on a kitchen table.",
        "    None falls by itself.",
        "first token 0.60 s",
        "about 20 out",
        "so far",
    ]);
    let full = record("c1", 0, "playground", "teaching_generation", glm(), 620, 3900, 38, 71, Cost::FREE);
    desk.event(answered(&full, &[]).pop().unwrap());
    desk.sees(&["done, 3.9 s", "first token 0.62 s", "21 tok/s", "71 out", "free"]);
    desk.sees_not("about").sees_not("ctrl-c stops");
}

#[test]
fn time_ticks_once_a_second_while_a_call_runs_and_not_at_rest() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain.").wait(150);
    desk.screen();
    let rest = desk.app.deadline();
    desk.press("enter").wait(300);
    desk.screen();
    assert_eq!(desk.app.deadline(), Some(NOW.plus(Duration::from_millis(1150))));
    desk.wait(850).sees(&["waiting, 1.1 s"]);
    desk.press("ctrl-c").screen();
    assert_ne!(rest, Some(desk.now.plus(Duration::from_secs(1))));
    assert!(desk.app.deadline().is_none_or(|at| at.since(desk.now) > Duration::from_secs(2)));
}

#[test]
fn a_model_that_loads_says_so_and_reasoning_is_folded() {
    let mut desk = Desk::new();
    desk.type_in("Why?").press("enter").wait(12_000);
    desk.event(CallEvent::Loading { target: gpt(), waited_ms: 12_000, last_ms: Some(41_300) })
        .sees(&["loading the model, 12 s, last time 41 s"]);
    desk.event(CallEvent::Reasoning { text: "the person wants brevity".into() }).wait(3100);
    desk.sees(&["thinking, 15.1 s", "thinking, 3.1 s, z unfolds"]).sees_not("brevity");
    desk.event(text("Because.")).press("esc z").sees(&[
        "thought 3.1 s, z folds",
        "the person wants brevity",
        "Because.",
    ]);
    let mut full = record("c1", 0, "playground", "", gpt(), 9000, 16_000, 38, 71, Cost::FREE);
    full.usage = Some(Usage { input: 38, output: 71, cached: 0, reasoning: 412, ..Usage::default() });
    desk.press("z").event(answered(&full, &[]).pop().unwrap());
    desk.sees(&["thought 3.1 s, 412 tokens, z unfolds"]).sees_not("brevity");
}

#[test]
fn ctrl_c_stops_the_call_and_what_came_stays() {
    let mut desk = Desk::with(evening(), |engine| {
        by_teaching(engine);
        engine.play_and_hold(vec![head(glm()), text("Think of")]);
    });
    desk.type_in("Explain.").press("enter").events(2).wait(2000).press("ctrl-c");
    let open = desk.engine.open_calls();
    assert!(open[0].is_closed(), "the caller did not hang up");
    desk.sees(&["stopped, 2.0 s", "Think of", "You stopped it here.", "estimated"]);
    assert!(!desk.left);
    desk.press("enter").wait(10).sees(&["waiting"]);
    assert_eq!(desk.engine.requests().len(), 2);
}

#[test]
fn a_stop_that_comes_just_after_the_end_does_not_leave() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain.").press("enter").wait(600).event(head(glm())).event(text("Think of a row."));
    let full = record("c1", 0, "playground", "teaching_generation", glm(), 620, 900, 38, 71, Cost::FREE);
    desk.event(answered(&full, &[]).pop().unwrap()).wait(300);
    desk.press("ctrl-c").sees(&["the answer had ended already: ctrl-c again leaves", "Think of a row."]);
    assert!(!desk.left);
    desk.press("ctrl-c");
    assert!(desk.left);
}

#[test]
fn ctrl_c_at_rest_leaves_but_asks_first_for_a_prompt_not_sent() {
    let mut desk = Desk::new();
    desk.press("ctrl-c");
    assert!(desk.left);
    let mut desk = Desk::new();
    desk.type_in("precious").press("ctrl-c").sees(&["Leave lmdeck?", "was not sent"]);
    assert!(!desk.left);
    desk.press("esc").sees(&["precious"]);
}

#[test]
fn a_second_enter_does_not_send_twice() {
    let mut desk = Desk::with(evening(), |engine| {
        engine.play_and_hold(vec![head(gpt())]);
    });
    desk.type_in("Explain.").press("enter enter").sees(&["an answer is on its way: ctrl-c stops it"]);
    assert_eq!(desk.engine.requests().len(), 1);
}

#[test]
fn a_failure_says_what_to_do() {
    let refused = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused: nothing listens there");
    let mut ended = record("c1", 0, "playground", "", gpt(), 0, 3, 1, 0, Cost::FREE);
    ended.attempts[0].failure = Some(refused.clone());
    let mut desk = Desk::with(evening(), |engine| {
        engine.play(failed(ended, refused));
    });
    desk.type_in("Explain.").press("enter").finish();
    desk.sees(&[
        "failed: connection refused",
        "[x]  lm_studio/openai_gpt-oss-120b-neo: connection refused",
        "Nothing listens on 127.0.0.1 port 1234. Start the server:",
        "lms server start --port 1234",
    ]);
}

#[test]
fn a_fallback_is_announced_before_its_answer() {
    let mut fallback = call_records().swap_remove(2);
    let refused = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused");
    fallback.attempts[0].failure = Some(refused);
    let mut desk = Desk::with(evening(), |engine| {
        engine.play(answered(&fallback, &["Here I am."]));
    });
    desk.type_in("Explain.").press("enter").finish();
    desk.sees(&[
        "[!]  lm_studio failed: connection refused; asked zai/glm-4.6",
        "Here I am.",
        "done, 4.1 s",
        "$0.0010",
    ]);
    desk.press("esc w").sees(&["try 1", "failed after 3 ms", "try 2", "$0.0010, computed"]);
}

#[test]
fn a_refused_request_is_said_and_enter_repeats_it() {
    let sentence = "no target can take this call: claude is out: unauthorized";
    let mut desk = Desk::with(evening(), |engine| {
        engine.on(CommandName::Explain, Reply::Explained(Box::new(nowhere(sentence))));
    });
    desk.type_in("Explain.").wait(150).sees(&[sentence]).press("enter");
    assert_eq!(desk.screen().matches("no target can take this call").count(), 2);
    assert_eq!(desk.engine.requests().len(), 0);
    // The world changes: the row is asked again.
    by_teaching(&desk.engine.clone());
    desk.engine.on(CommandName::Explain, Reply::Explained(Box::new(explanation(&glm(), "named"))));
    for _ in 0..2 {
        desk.tell(Msg::Snapshot(Arc::new(evening()))).wait(1);
    }
    desk.sees(&["zai/glm-4.6"]).press("enter");
    assert_eq!(desk.engine.requests().len(), 1);
}

#[test]
fn a_wrong_parameter_is_said_in_words_and_nothing_is_sent() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain.").press("shift-tab shift-tab").type_in("hot").wait(150);
    desk.sees(&["temperature hot is no number from 0 to 2: write it as in 0.7"]);
    desk.press("tab tab enter");
    assert_eq!(desk.engine.requests().len(), 0);
    desk.sees(&["> Temperature"]).press("backspace backspace backspace").type_in("1").press("enter");
    assert_eq!(desk.engine.requests().len(), 1);
    let mut empty = Desk::with(evening(), by_teaching);
    empty.press("enter").sees(&["the prompt is empty: type one, then enter"]);
    assert_eq!(empty.engine.requests().len(), 0);
}

#[test]
fn a_field_of_one_line_is_cleared_and_left_like_in_a_form() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.press("up esc i").type_in("Explain.").press("shift-tab ctrl-u").type_in("96").press("up up up").type_in("x");
    desk.sees(&["> Type         x", "Max tokens   96"]).press("down").sees(&["> System"]);
    desk.press("tab tab tab enter");
    assert_eq!(desk.engine.requests()[0].facts.max_tokens, 96);
}

#[test]
fn a_target_is_chosen_from_a_list_with_a_filter() {
    let mut desk = Desk::new();
    desk.type_in("Explain.").press("ctrl-t").sees(&["auto", "as the rules decide", "workstation/qwen3-32b"]);
    desk.sees_not("nomic-embed").type_in("glm").press("down");
    desk.sees(&["2 of 14", "zai/glm-4.6", "$0.60 in, $2.20 out per million"]);
    desk.press("enter").sees(&["Target       zai/glm-4.6", "Explain."]).press("enter");
    assert_eq!(desk.engine.requests()[0].facts.requested_model, "zai/glm-4.6");
}

#[test]
fn an_earlier_prompt_comes_back_with_its_settings_and_is_not_sent() {
    let saved = SavedPrompt {
        ts: UnixMs(NOW.0 - 600_000),
        prompt: "Name three rivers.".into(),
        system: "Be brief.".into(),
        model: "zai/glm-4.6".into(),
        request_type: "quick_responses".into(),
        max_tokens: Some(96),
        temperature: Some(0.2),
    };
    let other = SavedPrompt { prompt: "Something else".into(), ..SavedPrompt::default() };
    let mut desk = Desk::with(evening(), |engine| {
        engine.on(CommandName::ListPrompts, Reply::Prompts(vec![other, saved]));
    });
    desk.press("up").sees(&["Prompts sent", "Something else", "10 min"]).type_in("rivers").press("enter");
    desk.sees(&["Name three rivers.", "Be brief.", "zai/glm-4.6", "quick_responses", "0.2", "96"]);
    assert_eq!(desk.engine.requests().len(), 0);
    desk.press("ctrl-u ctrl-u").sees(&["type a prompt here"]);
    let mut none = Desk::with(evening(), |engine| {
        engine.on(CommandName::ListPrompts, Reply::Prompts(Vec::new()));
    });
    none.press("ctrl-r").sees(&["Nothing was sent from here yet"]);
}

#[test]
fn why_shows_rules_order_and_who_was_left_out() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain.").wait(150).press("ctrl-w").sees(&[
        "because it is the first of the order of teaching_generation",
        "Order",
        "zai/glm-4.6   cloud   named by the order",
        "decides",
        "workstation/qwen3-32b: down: connection refused",
    ]);
    desk.press("y esc").sees(&["Explain."]);
    assert!(desk.copied[0].contains("decides: teaching_generation"));
}

#[test]
fn hostile_text_is_shown_and_never_acts() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt\u{9b}31m\r\u{0}";
    let mut target = gpt();
    target.model = evil.into();
    let mut desk = Desk::new();
    desk.paste(&format!("see {evil}")).press("enter");
    desk.event(CallEvent::Trying { call_id: evil.into(), target: target.clone(), attempt: 1 });
    let failure = Failure::new(ErrorCode::Upstream, Cause::ServerError { status: 500 }, evil);
    desk.event(CallEvent::FellBack { from: target.clone(), failure: failure.clone().into(), to: Some(target.clone()) });
    desk.event(CallEvent::Reasoning { text: evil.into() }).event(text(evil)).press("esc z");
    let mut ended = record("c1", 0, "playground", evil, target, 1, 2, 1, 1, Cost::FREE);
    ended.policy = evil.into();
    ended.attempts[0].answered_by = Some(evil.into());
    let outcome = CallOutcome { record: ended.into(), failure: Some(failure), finish: None, after_answer_bytes: true };
    desk.event(CallEvent::End(Box::new(outcome)));
    let mut all = vec![desk.screen(), desk.look(120, 40).0, desk.press("w").screen()];
    all.push(desk.press("y esc y").copied.join("\n"));
    assert_eq!(desk.copied.len(), 2);
    for text in all {
        let wild = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(wild, None, "{text}");
    }
    desk.sees(&["^[[2J"]);
    let sent = &desk.engine.requests()[0];
    let Body::Chat { messages, .. } = &sent.body else { panic!() };
    assert_eq!(messages[0].content, "see [2J]0;owned\u{202e}txt31m\n", "a paste loses its control characters only");
}

/// Lines that would do something, were they typed.
fn log_of(bytes: usize) -> String {
    let line = "q 1 j : d ctrl-c \u{1b} and some words of a log\r";
    line.repeat(bytes / line.len() + 1)
}

#[test]
fn a_large_paste_is_one_edit_and_fires_nothing() {
    let mut desk = Desk::with(evening(), by_teaching);
    let text = log_of(1024 * 1024);
    let before = desk.engine.commands().len();
    desk.paste(&text).screen();
    assert_eq!(desk.engine.commands().len(), before);
    assert!(!desk.left);
    let lines = text.matches('\r').count() + 1;
    desk.sees(&["1 MB", &format!("line {lines} of {lines}")]);
    desk.type_in("x").screen();
    desk.press("ctrl-u ctrl-u").sees(&["type a prompt here"]);
}

/// Four times the text may take four times as long, not sixteen times: neither to paste nor to type behind it.
#[test]
fn a_long_prompt_costs_by_its_length_and_no_more() {
    let once = |bytes: usize| {
        let text = log_of(bytes);
        let mut desk = Desk::with(evening(), by_teaching);
        let start = Instant::now();
        desk.paste(&text).screen();
        let pasted = start.elapsed();
        let start = Instant::now();
        desk.type_in("x").screen();
        (pasted, start.elapsed())
    };
    let quicker = |a: (Duration, Duration), b: (Duration, Duration)| (a.0.min(b.0), a.1.min(b.1));
    // The quickest of several, in turns: whatever else the machine does only adds, and is gone in one of many rounds.
    let (mut short, mut long) = ((Duration::MAX, Duration::MAX), (Duration::MAX, Duration::MAX));
    for round in 1..=40 {
        short = quicker(short, once(128 * 1024));
        long = quicker(long, once(512 * 1024));
        if round >= 5 && long.0 < short.0 * 10 && long.1 < short.1 * 10 {
            return;
        }
    }
    panic!("pasting and typing behind it: {short:?}, four times the text: {long:?}");
}

#[test]
fn a_long_answer_is_followed_until_it_is_scrolled() {
    let mut desk = Desk::new();
    desk.type_in("Count.").press("enter").event(head(gpt()));
    for n in 1..=40 {
        desk.event(text(&format!("line {n}\n")));
    }
    desk.sees(&["line 40"]).sees_not("line 12 ").press("esc pgup").sees_not("line 40");
    let before = desk.screen();
    desk.event(text("line 41\n"));
    let lines = |screen: &str| screen.lines().filter(|l| l.contains("    line")).count();
    assert_eq!(lines(&before), lines(&desk.screen()));
    desk.sees(&["more lines: G follows"]).press("g g").sees(&["line 1\n"]);
    desk.press("G").sees(&["line 41"]).event(text("line 42\n")).sees(&["line 42"]);
}

#[test]
fn an_answer_cut_at_max_tokens_says_so_and_can_be_copied() {
    let mut full = record("c1", 0, "playground", "", gpt(), 20, 900, 3, 1024, Cost::FREE);
    full.finish = Some(Finish::Length);
    let mut desk = Desk::with(evening(), |engine| {
        engine.play(answered(&full, &["one ", "two"]));
    });
    desk.press("esc y").sees(&["there is no answer to copy yet"]);
    desk.press("i").type_in("Count.").press("enter").finish();
    desk.sees(&["max tokens are used up"]).press("esc y");
    assert_eq!(desk.copied, ["one two"]);
}

#[test]
fn streamed_text_is_drawn_with_the_next_frame_and_typing_at_once() {
    let mut desk = Desk::new();
    desk.type_in("Count.").press("enter").event(head(gpt())).screen();
    assert_eq!(desk.app.dirt(), Dirt::Clean);
    desk.event(text("one"));
    assert_eq!(desk.app.dirt(), Dirt::Data);
    desk.type_in("x");
    assert_eq!(desk.app.dirt(), Dirt::Touched);
}

#[test]
fn a_stream_goes_on_while_another_tab_is_open() {
    let mut desk = Desk::new();
    desk.type_in("Count.").press("enter").event(head(gpt())).press("esc 1").event(text("one two"));
    desk.sees_not("one two");
    let digit = Tab::Playground.digit().to_string();
    desk.press(&digit).sees(&["one two"]);
}

#[test]
fn the_keys_for_the_tabs_go_all_the_way_round_and_catch_on_no_prompt() {
    let mut desk = Desk::new();
    desk.press("esc 3 ]").sees(&["[4 Playground]", "i prompt", "No answer yet: i goes to the prompt."]);
    desk.press("]").sees(&["[5 Telemetry]"]).press("[ [").sees(&["[3 Routing]"]);
    desk.press("] i").type_in("]").sees(&["    ]", "enter send"]);
}

#[test]
fn it_fits_every_size() {
    let mut desk = Desk::with(evening(), by_teaching);
    desk.type_in("Explain dependent origination.").wait(150).press("enter").event(head(glm())).event(text("Think."));
    for (width, height) in [(120, 40), (80, 24)] {
        let (screen, cursor) = desk.look(width, height);
        for text in ["Explain dependent origination.", "Next", "may cost", "Think.", "first token", "writing"] {
            assert!(screen.contains(text), "{width}x{height}: {text}\n{screen}");
        }
        assert!(cursor.is_some());
    }
    for (width, height) in [(60, 20), (40, 10)] {
        let (screen, _) = desk.look(width, height);
        assert!(screen.contains("Explain dependent") && screen.contains("may cost"), "{width}x{height}\n{screen}");
        desk.press("esc");
        let (screen, _) = desk.look(width, height);
        assert!(screen.contains("Think.") && screen.contains("writing"), "{width}x{height}\n{screen}");
        desk.press("i");
    }
    for (width, height) in [(0, 0), (1, 1), (39, 9), (40, 10), (300, 100), (200, 3), (5, 200)] {
        desk.look(width, height);
        desk.press("ctrl-t").look(width, height);
        desk.press("esc ctrl-w").look(width, height);
        desk.press("esc").look(width, height);
    }
}

fn key() -> impl Strategy<Value = (KeyCode, KeyModifiers)> {
    let code = prop_oneof![
        4 => any::<char>().prop_map(KeyCode::Char),
        4 => proptest::char::range('a', 'z').prop_map(KeyCode::Char),
        6 => proptest::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down, KeyCode::Left,
            KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Backspace,
            KeyCode::Delete,
        ]),
    ];
    let modifiers = proptest::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
        KeyModifiers::SHIFT,
    ]);
    (code, modifiers)
}

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Answer(String),
    Wait(u64),
    Look(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => key().prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        1 => any::<String>().prop_map(Step::Paste),
        2 => any::<String>().prop_map(Step::Answer),
        1 => (0u64..3000).prop_map(Step::Wait),
        2 => (0u16..130, 0u16..50).prop_map(|(width, height)| Step::Look(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_person_or_a_model_does_makes_it_panic(steps in proptest::collection::vec(step(), 0..80)) {
        let mut desk = Desk::with(evening(), by_teaching);
        for step in steps {
            match step {
                Step::Key(code, modifiers) => { desk.code(code, modifiers); }
                Step::Paste(text) => { desk.paste(&text); }
                Step::Answer(answer) => if !desk.calls.is_empty() { desk.event(text(&answer)); },
                Step::Wait(ms) => { desk.wait(ms); }
                Step::Look(width, height) => {
                    let (screen, _) = desk.look(width, height);
                    prop_assert!(!screen.chars().any(|c| c.is_control() && c != '\n'));
                }
            }
        }
    }
}

// ---- plain mode

#[test]
fn an_answer_is_told_whole_though_its_sentences_differ_in_figures_only() {
    let mut desk = Desk::new();
    let mut heard = Heard::default();
    let mut said = Vec::new();
    let mut listen = |desk: &Desk| said.extend(heard.news(desk.app.top().told(&desk.app.cx())));
    desk.type_in("Explain.").press("enter").event(head(glm()));
    for piece in ["Step 1. ", "Step 2. ", "Step 3. Step 3. ", "Done."] {
        desk.event(text(piece));
        listen(&desk);
    }
    let steps: Vec<&str> = said.iter().map(String::as_str).filter(|line| line.starts_with("Step")).collect();
    assert_eq!(steps, ["Step 1.", "Step 2.", "Step 3.", "Step 3."]);
}

#[test]
fn a_line_of_plain_mode_goes_on_behind_a_new_line_and_else_replaces() {
    let mut desk = Desk::new();
    for line in ["first", "second"] {
        desk.app.fill(line);
    }
    desk.press("ctrl-j");
    desk.app.fill("third");
    desk.press("enter ctrl-c");
    desk.app.fill("enter");
    desk.press("enter");
    let prompt = |request: &CallRequest| match &request.body {
        Body::Chat { messages, .. } => messages.last().unwrap().content.clone(),
        other => panic!("{other:?}"),
    };
    let prompts: Vec<String> = desk.engine.requests().iter().map(prompt).collect();
    assert_eq!(prompts, ["second\nthird", "enter"]);
}
