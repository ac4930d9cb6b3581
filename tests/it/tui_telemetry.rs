//! The Telemetry tab by its keys: what a person presses while calls come and go, and what stands on the screen.

use super::support::dashboard::{keys, letters, options, picture, screen, told};
use super::support::snapshot::{
    FakeEngine, NOW, ago, call_page, call_records, call_rows, evening, first_run, handle_for, record,
};
use lmdeck::domain::call::{CallRecord, Status};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::ids::Target;
use lmdeck::domain::money::{Cost, Money};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::protocol::{ByPriority, CacheView, ExportView, FlowView, LimitView, QueueView};
use lmdeck::engine::protocol::{
    CallPage, CallQuery, CallRow, CallStats, CallSums, Command, CommandName, Event, EventKind, ExportPart, GroupBy,
    Level, LoadingCall, LogLine, LogQuery, Percentiles, Reply, RunningCall, Snapshot, StatsGroup, StatsQuery,
};
use lmdeck::present::units;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use lmdeck::tui::part::Tab;
use lmdeck::tui::{App, ColorWish, TuiOptions};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The dashboard on its Telemetry tab, before a scripted engine.
struct Desk {
    app: App,
    handle: EngineHandle,
    engine: FakeEngine,
    now: UnixMs,
    size: (u16, u16),
    /// What the ledger and the log say from now on, in place of the script.
    calls: Option<Reply>,
    log: Option<Reply>,
    copied: Vec<String>,
    quit: bool,
}

impl Desk {
    fn new(snapshot: Snapshot, script: impl FnOnce(&FakeEngine)) -> Self {
        Self::with(snapshot, options(), script)
    }

    fn with(snapshot: Snapshot, options: TuiOptions, script: impl FnOnce(&FakeEngine)) -> Self {
        let (handle, engine) = handle_for(snapshot);
        script(&engine);
        let app = App::new(handle.snapshot(), options, NOW);
        let mut desk = Self {
            app,
            handle,
            engine,
            now: NOW,
            size: (120, 40),
            calls: None,
            log: None,
            copied: Vec::new(),
            quit: false,
        };
        let first = desk.app.start();
        desk.carry_out(first);
        desk.press(&Tab::Telemetry.digit().to_string());
        desk.screen();
        desk.settle();
        desk
    }

    /// The four calls of the evening, each with its record.
    fn evening() -> Self {
        Self::new(evening(), |engine| {
            engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
        })
    }

    fn carry_out(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => {
                    let reply = match &command {
                        // Records are told by their id, whatever is asked in between.
                        Command::GetCall { id } if call_records().iter().any(|record| record.id == *id) => {
                            let known = call_records().into_iter().find(|record| record.id == *id);
                            Reply::Call(Box::new(known.unwrap()))
                        }
                        _ => {
                            let name = command.name();
                            let older = matches!(&command, Command::ListCalls { query } if query.before.is_some());
                            let scripted = self.handle.ask_later(command).unwrap().blocking_recv().unwrap();
                            match name {
                                // Nothing is older than the evening's calls.
                                CommandName::ListCalls if older && self.calls.is_some() => {
                                    Reply::Calls(CallPage::default())
                                }
                                CommandName::ListCalls => self.calls.clone().unwrap_or(scripted),
                                CommandName::ReadLog => self.log.clone().unwrap_or(scripted),
                                _ => scripted,
                            }
                        }
                    };
                    self.tell(Msg::Reply(ticket, Box::new(reply)));
                }
                Intent::Copy(text) => self.copied.push(text),
                Intent::Quit => self.quit = true,
                _ => {}
            }
        }
    }

    fn tell(&mut self, msg: Msg) {
        let intents = self.app.update(msg, self.now);
        self.carry_out(intents);
    }

    /// What is due happens.
    fn settle(&mut self) {
        for _ in 0..50 {
            if self.app.deadline().is_none_or(|at| at > self.now) {
                return;
            }
            self.tell(Msg::Wake);
            self.screen();
        }
        panic!("something is due again and again");
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.settle();
        self
    }

    fn press(&mut self, written: &str) -> &mut Self {
        for key in keys(written) {
            self.tell(Msg::Input(key));
        }
        self.screen();
        self.settle();
        self
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        for key in letters(text) {
            self.tell(Msg::Input(key));
        }
        self
    }

    fn publish(&mut self, snapshot: Snapshot) -> &mut Self {
        self.tell(Msg::Snapshot(Arc::new(snapshot)));
        self.settle();
        self
    }

    fn happens(&mut self, kind: EventKind) -> &mut Self {
        self.tell(Msg::Event(Box::new(Event { at: self.now, level: Level::Info, kind })));
        self
    }

    /// Call `id` has ended; the engine is given time to be asked.
    fn ended(&mut self, id: &str) -> &mut Self {
        self.happens(EventKind::CallFinished { id: id.into() }).wait(300)
    }

    fn at(&mut self, width: u16, height: u16) -> &mut Self {
        self.size = (width, height);
        self.screen();
        self.settle();
        self
    }

    fn picture(&self) -> Buffer {
        picture(&self.app, self.size.0, self.size.1)
    }

    fn screen(&self) -> String {
        screen(&self.app, self.size.0, self.size.1)
    }

    #[track_caller]
    fn shows(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(screen.contains(text), "{text:?} is not on\n{screen}");
        self
    }

    #[track_caller]
    fn hides(&mut self, text: &str) -> &mut Self {
        let screen = self.screen();
        assert!(!screen.contains(text), "{text:?} is on\n{screen}");
        self
    }

    /// The row that holds `text`.
    #[track_caller]
    fn row(&self, text: &str) -> String {
        let screen = self.screen();
        screen.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} on\n{screen}")).to_owned()
    }

    fn chosen(&self) -> String {
        self.screen().lines().find(|line| line.starts_with('>')).unwrap_or_default().to_owned()
    }

    fn queries(&self) -> Vec<CallQuery> {
        let query = |command| match command {
            Command::ListCalls { query } => Some(*query),
            _ => None,
        };
        self.engine.commands().into_iter().filter_map(query).collect()
    }

    fn log_queries(&self) -> Vec<LogQuery> {
        let query = |command| match command {
            Command::ReadLog { query } => Some(*query),
            _ => None,
        };
        self.engine.commands().into_iter().filter_map(query).collect()
    }
}

fn clock(age_ms: i64) -> String {
    units::clock(ago(age_ms))
}

/// The evening's calls with `newer` ones above them.
fn page_with(newer: &[CallRow]) -> Reply {
    let rows: Vec<CallRow> = newer.iter().cloned().chain(call_rows()).collect();
    let matching = 214 + newer.len() as u64;
    Reply::Calls(CallPage { rows, matching, total: matching, ..CallPage::default() })
}

/// A call that ended `after_ms` after [`NOW`].
fn later(id: &str, after_ms: i64) -> CallRow {
    let target = Target::new("lm_studio", "openai_gpt-oss-120b-neo");
    CallRow::from(&record(id, -after_ms, "webapp", "prayer_generation", target, 400, 2000, 190, 71, Cost::FREE))
}

fn running(id: &str, writing: bool) -> RunningCall {
    RunningCall {
        id: id.into(),
        since: ago(5000),
        client: "batch".into(),
        request_type: String::new(),
        target: Some(Target::new("zai", "glm-4.6")),
        writing,
        loading: None,
    }
}

fn with_running(calls: Vec<RunningCall>) -> Snapshot {
    let mut snapshot = evening();
    snapshot.running = Arc::new(calls);
    snapshot
}

// ---- the table

#[test]
fn the_newest_calls_stand_first_in_columns_chosen_by_the_width() {
    let mut desk = Desk::evening();
    desk.shows("━ Calls 214 today ━").shows("filter: none   following");
    let head = desk.row("client");
    for name in ["time", "result", "client", "type", "first", "total", "in", "out", "cost", "target"] {
        assert!(head.contains(name), "{name}: {head}");
    }
    let first = desk.row(&clock(14_000));
    assert!(first.starts_with('>'), "{first}");
    for cell in ["[ok] ok", "dspy", "teaching_generation", "1.24 s", "9.8 s", "26.1k", "612", "$0.0170", "zai/glm-4.6"]
    {
        assert!(first.contains(cell), "{cell}: {first}");
    }
    assert!(desk.row(&clock(36_000)).contains("free"));
    assert!(desk.row(&clock(47_000)).contains("[!]  2 tries"));
    let head = desk.at(80, 24).row("client");
    assert!(head.contains("cost") && !head.contains("first"), "{head}");
    let head = desk.at(60, 20).row("target");
    assert!(head.contains("time") && head.contains("total") && !head.contains("client"), "{head}");
    desk.at(40, 10).shows(&clock(14_000)).shows("zai/glm-4.6");
}

#[test]
fn nothing_yet_names_the_ways_to_a_first_call() {
    let empty = |engine: &FakeEngine| {
        engine.on(CommandName::ListCalls, Reply::Calls(CallPage::default()));
    };
    let mut snapshot = evening();
    snapshot.spend = Arc::default();
    let mut desk = Desk::new(snapshot, empty);
    desk.shows("Calls 0 today")
        .shows("No calls yet: ")
        .shows("point a client at the gateway http://127.0.0.1:4141/v1.");
    Desk::new(first_run(), empty).shows("No calls yet: ").hides("gateway http");
}

#[test]
fn a_ledger_that_cannot_be_read_is_said() {
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, Reply::refused(1, "the ledger is locked: another program holds it", ""));
    });
    desk.shows("the ledger is locked: another program holds it");
}

// ---- following and holding

#[test]
fn the_cursor_stays_on_its_call_while_new_ones_come_in_above() {
    let mut desk = Desk::evening();
    desk.press("j j");
    assert!(desk.chosen().contains(&clock(47_000)), "{}", desk.chosen());
    desk.calls = Some(page_with(&[later("c1216", 2000), later("c1215", 1000)]));
    desk.ended("c1215").ended("c1216");
    assert!(desk.chosen().contains(&clock(47_000)), "{}", desk.chosen());
    desk.shows("Calls 216 today").shows("following, 2 in the last minute");
    let rows: Vec<String> = desk.screen().lines().skip(4).take(3).map(str::to_owned).collect();
    assert!(rows[0].contains(&clock(-2000)) && rows[1].contains(&clock(-1000)), "{rows:?}");
    assert!(rows[2].contains(&clock(14_000)), "{rows:?}");
}

#[test]
fn a_held_list_stands_still_and_counts_what_is_newer() {
    let mut desk = Desk::evening();
    desk.press("f").shows("held, 0 newer: f follows");
    desk.calls = Some(page_with(&[later("c1216", 2000), later("c1215", 1000)]));
    desk.ended("c1216");
    desk.shows("held, 2 newer: f follows").hides(&clock(-2000));
    desk.press("f").wait(300).shows("following").shows(&clock(-2000));
    assert!(desk.chosen().contains(&clock(-2000)), "{}", desk.chosen());
}

#[test]
fn a_chosen_call_that_is_pushed_out_of_sight_holds_the_list() {
    let mut desk = Desk::evening();
    desk.at(80, 24).press("j");
    let flood: Vec<CallRow> = (0..60).rev().map(|n| later(&format!("c{}", 1300 + n), 1000 + n)).collect();
    desk.calls = Some(page_with(&flood));
    desk.ended("c1359").shows("held, 0 newer: f follows");
    assert!(desk.chosen().contains(&clock(36_000)), "{}", desk.chosen());
    // A cursor that nobody moved goes with the newest instead.
    let mut desk = Desk::evening();
    desk.at(80, 24).calls = Some(page_with(&flood));
    desk.ended("c1359").shows("following");
    assert!(desk.chosen().contains(&units::clock(flood[0].ts)), "{}", desk.chosen());
}

#[test]
fn a_burst_of_calls_asks_the_ledger_at_most_four_times_a_second() {
    let mut desk = Desk::evening();
    let before = desk.queries().len();
    for n in 0..1000 {
        desk.now = desk.now.plus(Duration::from_millis(1));
        desk.happens(EventKind::CallFinished { id: format!("c{n}").into() });
        desk.settle();
    }
    let asked = desk.queries().len() - before;
    assert!((2..=5).contains(&asked), "{asked} questions in a second");
    desk.wait(300).shows("calls/s");
}

#[test]
fn paging_down_reads_older_calls_of_any_day() {
    let old = record("c0900", 30 * 3_600_000, "dspy", "", Target::new("zai", "glm-4.6"), 1, 2, 3, 4, Cost::FREE);
    let mut desk = Desk::new(evening(), |engine| {
        let many: Vec<CallRow> = (0..200).map(|n| later(&format!("c{}", 2000 - n), -n * 1000)).collect();
        engine.on(
            CommandName::ListCalls,
            Reply::Calls(CallPage { rows: many, matching: 214, total: 214, ..CallPage::default() }),
        );
        engine.on(
            CommandName::ListCalls,
            Reply::Calls(CallPage {
                rows: vec![CallRow::from(&old)],
                matching: 900,
                total: 900,
                ..CallPage::default()
            }),
        );
    });
    assert_eq!(desk.queries().len(), 1);
    desk.press("end");
    let older = desk.queries().pop().unwrap();
    assert_eq!((older.before.unwrap().as_str(), older.since), ("c1801", Some(UnixMs(0))));
    desk.press("j").shows("Calls 214 today").shows("held");
    let (day, _) = units::moment(old.ts, NOW).rsplit_once(' ').map(|(day, time)| (day.to_owned(), time.len())).unwrap();
    assert!(desk.chosen().contains(&day), "{}", desk.chosen());
    let asked = desk.queries().len();
    desk.press("j j end");
    assert_eq!(desk.queries().len(), asked, "the last page is not asked for again");
}

#[test]
fn at_rest_nothing_is_asked_or_drawn() {
    let mut desk = Desk::evening();
    desk.ended("c1215").wait(61_000);
    desk.screen();
    assert_eq!(desk.app.deadline(), None);
}

#[test]
fn missed_announcements_are_made_good_by_asking() {
    let mut desk = Desk::evening();
    desk.calls = Some(page_with(&[later("c1215", 1000)]));
    desk.tell(Msg::Missed(7));
    desk.wait(300).shows(&clock(-1000)).shows("7 not announced");
}

#[test]
fn calls_of_other_processes_come_in_with_the_day_s_count() {
    let mut desk = Desk::evening();
    desk.calls = Some(page_with(&[later("c1215", 1000)]));
    let mut snapshot = evening();
    snapshot.spend = Arc::new(lmdeck::engine::protocol::SpendView { calls_today: 215, ..(*snapshot.spend).clone() });
    desk.wait(1000).publish(snapshot).wait(300).shows(&clock(-1000)).shows("Calls 215 today");
}

// ---- running calls

#[test]
fn a_running_call_stands_on_top_and_settles_in_place() {
    let mut desk = Desk::evening();
    desk.wait(1000).publish(with_running(vec![running("c1215", false)]));
    desk.shows("[>]  waiting").wait(300).publish(with_running(vec![running("c1215", true)]));
    let row = desk.row("[>]  writing");
    assert!(row.contains("batch") && row.contains("6 s") && row.contains("zai/glm-4.6"), "{row}");
    // It has ended, and its record is not there yet: the row stays.
    desk.wait(300).publish(evening()).shows("[>]  ending");
    let settled = record("c1215", 5000, "batch", "", Target::new("zai", "glm-4.6"), 300, 6000, 10, 20, Cost::FREE);
    desk.calls = Some(page_with(&[CallRow::from(&settled)]));
    desk.ended("c1215").hides("[>]");
    let rows: Vec<String> = desk.screen().lines().skip(4).take(2).map(str::to_owned).collect();
    assert!(rows[0].contains(&clock(5000)) && rows[0].contains("[ok] ok"), "{rows:?}");
    assert!(rows[1].starts_with('>') && rows[1].contains(&clock(14_000)), "{rows:?}");
}

#[test]
fn a_call_that_waits_for_its_model_to_load_says_so_and_for_how_long_it_did_before() {
    let load = LoadingCall { since: ago(4000), last_ms: Some(41_300) };
    let call = RunningCall { loading: Some(load), ..running("c1215", false) };
    let mut desk = Desk::evening();
    desk.wait(1000).publish(with_running(vec![call]));
    assert!(desk.row("[>]  loading").contains("zai/glm-4.6"));
    desk.press("home enter").shows("loads since").shows("last time 41 s");
}

#[test]
fn a_running_call_is_stopped_after_a_question_whose_safe_answer_is_first() {
    let mut desk = Desk::new(with_running(vec![running("c1215", true)]), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    });
    let stops = |desk: &Desk| desk.engine.commands().iter().filter(|c| c.name() == CommandName::CancelCall).count();
    desk.press("k k S").shows("Stop call c1215?").shows("at zai/glm-4.6, for batch.").press("enter");
    assert_eq!(stops(&desk), 0);
    desk.press("ctrl-c").shows("Stop call c1215?").press("right enter");
    assert_eq!(stops(&desk), 1);
    assert!(!desk.quit);
    desk.shows("call c1215 is stopped");
    desk.press("j S").shows("only a call that is running can be stopped");
    assert_eq!(stops(&desk), 1);
}

// ---- the filter

#[test]
fn a_filter_narrows_as_it_is_typed_and_esc_clears_it() {
    let mut desk = Desk::evening();
    let matching =
        Reply::Calls(CallPage { rows: vec![call_rows().remove(2)], matching: 2, total: 214, ..CallPage::default() });
    desk.calls = Some(matching);
    desk.press("/").type_in("client:ask").wait(300);
    assert_eq!(desk.queries().last().unwrap().filter, "client:ask");
    desk.shows("/ client:ask").shows("2 of 214   enter keeps it").hides(&clock(14_000));
    desk.press("enter").shows("/ client:ask").shows("2 of 214   following").shows("esc clears it");
    desk.calls = Some(Reply::Calls(call_page()));
    desk.press("esc").wait(300).hides("client:ask").shows(&clock(14_000));
    assert_eq!(desk.queries().last().unwrap().filter, "");
}

#[test]
fn a_wrong_filter_is_answered_in_its_place_and_loses_nothing() {
    let sentence = "the filter is not understood at character 1: `colour` is no key: use one of provider, model";
    let mut desk = Desk::evening();
    desk.calls = Some(Reply::refused(1, sentence, "mend the filter"));
    desk.press("/").type_in("colour:red").wait(300).shows(sentence).shows(&clock(14_000));
    desk.press("enter").shows("mend it, or esc clears it").shows("/ colour:red");
    desk.calls = Some(Reply::Calls(call_page()));
    desk.press("esc").wait(300).hides("at character 1").shows(&clock(14_000));
}

#[test]
fn typed_letters_are_text_and_never_acts() {
    let mut desk = Desk::evening();
    desk.press("/").type_in("fxnLcyq1 2").wait(300).shows("/ fxnLcyq1 2");
    assert!(!desk.quit && desk.copied.is_empty());
    desk.tell(Msg::Input(Input::Paste(" a\nb\u{1b}[2J ".into())));
    desk.shows("/ fxnLcyq1 2a b[2J");
}

#[test]
fn what_runs_is_left_out_while_a_filter_is_on() {
    let mut desk = Desk::new(with_running(vec![running("c1215", true)]), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    });
    desk.shows("[>]").press("/").type_in("dspy").wait(300).hides("[>]");
}

// ---- details

#[test]
fn the_details_of_a_fallback_tell_why_who_what_it_cost_and_both_attempts() {
    let mut desk = Desk::evening();
    desk.press("j j").shows("c1212").shows("4.1 s, 1,344 tokens, $0.0010");
    for fact in [
        "why         strategy prefer_local: no rule matched",
        "asked for   auto",
        "answered    zai/glm-4.6, 2nd try",
        "money       $0.0010 computed",
        "client  ask",
        "labels  none",
        "tokens  1,211 in, 133 out",
        "decided by rules version 17",
        "1st: server error 503",
        "2nd: answered",
        "3rd, not needed",
        "out: down for 14 min: connection refused",
        "▓ waiting for the first token   █ writing",
        "prompt and answer text is not recorded (telemetry.record_prompts)",
    ] {
        desk.shows(fact);
    }
    let first = desk.row("[x]  overloaded: server error 503 in 3 ms");
    assert!(first.contains("lm_studio/openai_gpt-oss-120b-neo") && first.ends_with('▏'), "{first}");
    let second = desk.row("[ok] first token 0.52 s, 37 tok/s");
    assert!(second.contains("▓▓██"), "{second}");
    let heads = desk.row("try  target");
    assert!(heads.contains("0 ") && heads.contains("2 s"), "{heads}");
}

#[test]
fn on_a_small_screen_enter_lays_the_details_over_the_list() {
    let mut desk = Desk::evening();
    desk.at(80, 24).press("j j").hides("asked for").press("enter");
    desk.shows("━ c1212").shows("answered   zai/glm-4.6, 2nd try").hides("Calls 214");
    desk.press("G").shows("not recorded").press("g g").shows("asked for");
    desk.press("esc").shows("Calls 214 today");
    assert!(desk.chosen().contains(&clock(47_000)), "{}", desk.chosen());
    desk.at(40, 10).press("enter").shows("c1212").press("esc").shows("Calls 214");
}

#[test]
fn a_failed_call_says_what_happened_and_what_to_do() {
    let failure = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused by 192.168.1.20");
    let mut failed: CallRecord = call_records().remove(0);
    failed.id = "c1220".into();
    failed.target = Some(Target::new("workstation", "qwen3-32b"));
    failed.status = Status::Error;
    failed.error = Some(failure.clone());
    failed.attempts[0].target = Target::new("workstation", "qwen3-32b");
    failed.attempts[0].failure = Some(failure);
    failed.attempts[0].ttft_ms = None;
    let row = CallRow::from(&failed);
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, page_with(&[row])).on(CommandName::GetCall, Reply::Call(Box::new(failed)));
    });
    desk.press("j n").shows("[x]  network: connection refused by 192.168.1.20");
    desk.shows("What to do").shows("Nothing listens on 192.168.1.20 port 8080.").shows("llama-server -m qwen3-32b");
    desk.shows("nobody: workstation/qwen3-32b was the last one tried");
    let mut desk = Desk::evening();
    desk.press("n").shows("no call loaded here failed: / status:failed finds all");
}

#[test]
fn another_model_than_asked_for_is_named() {
    let mut renamed: CallRecord = call_records().remove(0);
    renamed.id = "c1221".into();
    renamed.attempts[0].answered_by = Some("glm-4.6-air".into());
    let row = CallRow::from(&renamed);
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, page_with(&[row])).on(CommandName::GetCall, Reply::Call(Box::new(renamed)));
    });
    desk.shows("zai/glm-4.6; the server names the model glm-4.6-air");
}

#[test]
fn a_record_that_cannot_be_read_is_said_once_and_not_asked_for_again() {
    let mut desk = Desk::new(evening(), |engine| {
        engine
            .on(CommandName::ListCalls, page_with(&[later("c1230", 0)]))
            .on(CommandName::GetCall, Reply::refused(1, "no call c1230 is recorded", ""));
    });
    desk.shows("Its record cannot be read: no call c1230 is recorded");
    desk.wait(60_000).wait(60_000);
    let asked = desk.engine.commands().iter().filter(|c| c.name() == CommandName::GetCall).count();
    assert_eq!(asked, 1);
}

#[test]
fn y_copies_the_id_and_in_the_details_all_of_them() {
    let mut desk = Desk::evening();
    desk.press("j j y");
    assert_eq!(desk.copied, ["c1212"]);
    desk.press("enter y");
    let text = desk.copied.pop().unwrap();
    assert!(text.starts_with("c1212") && text.contains("answered    zai/glm-4.6, 2nd try"), "{text}");
    assert!(text.contains("out: down for 14 min: connection refused"), "{text}");
}

// ---- lost records, hostile text, ASCII

#[test]
fn lost_records_are_counted_in_the_title_as_bad() {
    let mut desk = Desk::with(evening(), TuiOptions { color: ColorWish::Always, ..options() }, |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
    });
    desk.happens(EventKind::RecordsDropped { count: 2 }).happens(EventKind::RecordsDropped { count: 1 }).wait(300);
    desk.shows("3 lost");
    let y = desk.screen().lines().position(|line| line.contains("3 lost")).unwrap();
    let x = desk.row("3 lost").chars().collect::<String>().find("3 lost").unwrap();
    let x = desk.row("3 lost")[..x].chars().count();
    let buffer = desk.picture();
    let cell = |x: usize| &buffer[(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())];
    assert_ne!(cell(x).fg, cell(x + 12).fg, "the count looks like the rest");
    desk.wait(60_000).press("f f").at(40, 10).shows("3 lost");
}

#[test]
fn what_others_wrote_cannot_reach_the_terminal() {
    let nasty = "\u{1b}]0;owned\u{7}\u{202e}x\u{9b}2J";
    let mut hostile: CallRecord = call_records().remove(2);
    hostile.id = "c1240".into();
    hostile.facts.client = nasty.into();
    hostile.facts.request_type = nasty.into();
    hostile.facts.session = nasty.into();
    hostile.facts.requested_model = nasty.into();
    hostile.facts.tags.insert(nasty.into(), nasty.into());
    hostile.policy = nasty.into();
    hostile.target = Some(Target::new("zai", nasty));
    hostile.chain = vec![Target::new("zai", nasty)];
    hostile.status = Status::Error;
    hostile.error = Some(Failure::plain(ErrorCode::Upstream, nasty));
    hostile.rejects[0].reason = nasty.into();
    hostile.attempts[1].answered_by = Some(nasty.into());
    hostile.attempts[1].target = Target::new("zai", nasty);
    hostile.prompt = Some(format!("{nasty}\n{nasty}"));
    hostile.answer = Some(nasty.into());
    let row = CallRow::from(&hostile);
    let log = LogLine { ts: nasty.into(), level: nasty.into(), target: nasty.into(), message: nasty.into() };
    let mut desk = Desk::new(evening(), |engine| {
        engine
            .on(CommandName::ListCalls, page_with(&[row]))
            .on(CommandName::GetCall, Reply::Call(Box::new(hostile)))
            .on(CommandName::ReadLog, Reply::Log(vec![log]));
    });
    let clean = |text: &str| {
        let bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{9b}');
        assert!(!text.chars().any(bad), "{text:?}");
    };
    desk.shows("^[]0;owned^G<U+202E>");
    clean(&desk.screen());
    desk.press("enter y");
    clean(&desk.screen());
    clean(&desk.copied.pop().unwrap());
    desk.press("G");
    clean(&desk.screen());
    for line in told(&desk.app) {
        clean(&line);
    }
    desk.press("esc c");
    clean(&desk.screen());
    desk.press("esc L y");
    clean(&desk.screen());
    clean(&desk.copied.pop().unwrap());
    for line in told(&desk.app) {
        clean(&line);
    }
}

#[test]
fn in_ascii_the_bars_are_letters_and_nothing_else_is_drawn() {
    let mut desk = Desk::with(evening(), TuiOptions { ascii: true, ..options() }, |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
    });
    desk.press("j j").shows(": waiting for the first token   # writing").shows("::##");
    assert!(desk.screen().is_ascii(), "{}", desk.screen());
    desk.press("c").shows("####");
    assert!(desk.screen().is_ascii(), "{}", desk.screen());
}

#[test]
fn the_chosen_row_is_seen_without_colour() {
    let desk = Desk::evening();
    let buffer = desk.picture();
    let y = desk.screen().lines().position(|line| line.starts_with('>')).unwrap();
    let cell = &buffer[(30, u16::try_from(y).unwrap())];
    assert!(cell.modifier.contains(Modifier::REVERSED), "{cell:?}");
}

// ---- charts

/// What the ledger says of whatever it is asked; keys of one, two or three kinds fit them all.
fn sums() -> Reply {
    let group = |provider: &str, at: &str, calls: u64, dollars: f64| StatsGroup {
        key: vec![format!("2025-11-21 {at}:00"), provider.into()],
        sums: CallSums {
            calls,
            ok: calls - 1,
            errors: 1,
            computed: Money::from_dollars(dollars).unwrap(),
            ttft_ms: Percentiles { of: calls, p50: Some(410), p95: Some(550), p99: Some(900) },
            duration_ms: Percentiles { of: calls, p50: Some(3000), p95: Some(9800), p99: Some(30_500) },
            ..CallSums::default()
        },
    };
    let groups = vec![group("zai", "21", 48, 0.31), group("openai", "22", 4, 0.11)];
    let all = CallSums { calls: 214, errors: 3, denied: 2, ok: 209, ..CallSums::default() };
    Reply::Stats(Box::new(CallStats { since: NOW, groups, all, left_out: 0, times: Vec::new() }))
}

fn asked_for(desk: &Desk) -> Vec<StatsQuery> {
    let query = |command| match command {
        Command::CallStats { query } => Some(*query),
        _ => None,
    };
    desk.engine.commands().into_iter().filter_map(query).collect()
}

#[test]
fn charts_say_when_the_day_s_money_is_known_in_part() {
    let mut picture = evening();
    std::sync::Arc::make_mut(&mut picture.spend).unpriced_calls = 1;
    let mut desk = Desk::new(picture, |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
    });
    desk.press("c").shows("and 1 call whose price is not, or only in part, known");
}

#[test]
fn charts_tell_the_sums_of_a_window_by_what_is_chosen() {
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
    });
    assert!(asked_for(&desk).is_empty(), "sums are asked for when they are looked at");
    desk.press("c").shows("Spent today   $0.42 of $10.00").shows("4% of $10.00").shows("today, w changes it");
    desk.shows("By provider").shows("$0.31").shows("0.41 s").shows("Failures   5 of 214").shows("Calls per hour");
    desk.shows("strategy prefer_local: no rule matched");
    assert!(asked_for(&desk).iter().all(|query| query.since.is_none()));
    desk.press("w w").shows("the last 7 days, w changes it").shows("Spent by day").shows("Calls per day");
    let week = NOW.0 - 7 * 24 * 3_600_000;
    assert!(asked_for(&desk).iter().rev().take(4).all(|query| query.since == Some(UnixMs(week))));
    desk.press("g").shows("By model");
    assert!(asked_for(&desk).iter().any(|query| query.by == [GroupBy::Model]));
    desk.press("c").shows("Calls 214 today");
    desk.press("c esc").shows("Calls 214 today");
}

/// Sums of calls at two times of several.
fn sums_at(times: &[&str], calls: &[(&str, u64)]) -> Reply {
    let group = |(at, calls): &(&str, u64)| StatsGroup {
        key: vec![(*at).into(), "zai".into()],
        sums: CallSums { calls: *calls, ok: *calls, ..CallSums::default() },
    };
    Reply::Stats(Box::new(CallStats {
        groups: calls.iter().map(group).collect(),
        times: times.iter().map(|at| (*at).to_owned()).collect(),
        ..CallStats::default()
    }))
}

#[test]
fn hours_and_days_without_calls_have_their_place_in_the_charts() {
    let hours: Vec<String> = (14..24)
        .map(|hour| (20, hour))
        .chain((0..15).map(|hour| (21, hour)))
        .map(|(d, h)| format!("2025-11-{d} {h:02}:00"))
        .collect();
    let hours: Vec<&str> = hours.iter().map(String::as_str).collect();
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
        engine.on(CommandName::CallStats, sums_at(&hours, &[(hours[0], 8), (hours[19], 8)]));
    });
    desk.press("c w").shows("the last 24 hours").shows("  14          20          02          08          14");
    // A cell is two columns wide: nineteen hours are thirty-eight columns.
    desk.shows(&format!("  ██{}██\n", " ".repeat(36)));

    let days = ["2025-11-15", "2025-11-16", "2025-11-17", "2025-11-18", "2025-11-19", "2025-11-20", "2025-11-21"];
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page()));
        engine.on(CommandName::CallStats, sums_at(&days, &[(days[0], 8), (days[5], 8)]));
    });
    desk.press("c w w").shows("the last 7 days").shows("  15          21").shows(&format!("  ██{}██\n", " ".repeat(8)));
    desk.shows("2025-11-16   nothing").shows("2025-11-21   nothing");
}

#[test]
fn charts_keep_to_the_filter_and_say_what_is_wrong_with_the_ledger() {
    let mut desk = Desk::new(evening(), |engine| {
        engine
            .on(CommandName::ListCalls, Reply::Calls(call_page()))
            .on(CommandName::CallStats, Reply::refused(1, "the ledger is locked: another program holds it", ""));
    });
    desk.press("/").type_in("client:dspy").press("enter").press("c");
    desk.shows("filter: client:dspy").shows("the ledger is locked");
    assert!(asked_for(&desk).iter().all(|query| query.filter == "client:dspy"));
}

#[test]
fn calls_that_end_bring_new_sums_no_oftener_than_every_two_seconds() {
    let mut desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
    });
    desk.press("c");
    let first = asked_for(&desk).len();
    for _ in 0..20 {
        desk.happens(EventKind::CallFinished { id: "c1300".into() });
        desk.wait(50);
    }
    assert_eq!(asked_for(&desk).len(), first);
    desk.wait(2000);
    assert_eq!(asked_for(&desk).len(), first + 4);
}

#[test]
fn tab_completes_the_key_that_is_being_typed() {
    let mut desk = Desk::evening();
    desk.press("/").type_in("ok -pro").shows("tab: provider:").press("tab").shows("/ ok -provider:");
    desk.type_in("zai tok").shows("tab: tokens_in> tokens_out>").press("tab").shows("-provider:zai tokens_");
}

#[test]
fn x_has_the_calls_of_the_filter_written_to_a_file() {
    let mut desk = Desk::new(evening(), |engine| {
        let part = ExportPart { calls: 214, file: Some("/home/me/calls.jsonl".into()), ..ExportPart::default() };
        engine
            .on(CommandName::ListCalls, Reply::Calls(call_page()))
            .on(CommandName::ExportCalls, Reply::Exported(part));
    });
    desk.press("/").type_in("client:dspy").press("enter x").shows("214 calls written to /home/me/calls.jsonl");
    let Some(Command::ExportCalls { query }) =
        desk.engine.commands().into_iter().find(|command| command.name() == CommandName::ExportCalls)
    else {
        panic!("an export")
    };
    assert_eq!(query.filter, "client:dspy");
    let file = query.file.unwrap();
    assert!(
        file.starts_with("calls-20") && file.rsplit('.').next() == Some("jsonl") && !file.contains([' ', ':']),
        "{file}"
    );
}

// ---- the application log

fn log_line(level: &str, message: &str) -> LogLine {
    LogLine {
        ts: "2025-11-21T22:14:31.5Z".into(),
        level: level.into(),
        target: "lmdeck::engine".into(),
        message: message.into(),
    }
}

#[test]
fn the_log_follows_its_end_and_is_narrowed_by_level_and_text() {
    let lines: Vec<LogLine> = (0..100).map(|n| log_line("info", &format!("line {n:03}"))).collect();
    let mut desk = Desk::new(evening(), |engine| {
        engine
            .on(CommandName::ListCalls, Reply::Calls(call_page()))
            .on(CommandName::ReadLog, Reply::Log(lines.clone()));
    });
    desk.press("L").shows("━ Application log ━").shows("level: all   following").shows("lmdeck::engine: line 099");
    desk.hides("line 000").shows("info");
    let mut grown = lines.clone();
    grown.push(log_line("error", "the disk is full"));
    desk.log = Some(Reply::Log(grown.clone()));
    desk.wait(1100).shows("[x]  error lmdeck::engine: the disk is full");
    assert!(desk.chosen().contains("the disk is full"), "{}", desk.chosen());
    // Going up holds it; what comes is counted.
    desk.press("k").shows("held, 0 newer: f follows");
    grown.push(log_line("warn", "again"));
    desk.log = Some(Reply::Log(grown));
    desk.wait(1100).shows("held, 1 newer: f follows").hides("again");
    desk.press("f").wait(0).shows("following").shows("[!]  warn  lmdeck::engine: again");
    desk.press("l l").wait(0);
    assert_eq!(desk.log_queries().last().unwrap().level, "info");
    desk.shows("level: info and worse");
    desk.press("/").type_in("disk").wait(200);
    assert_eq!(desk.log_queries().last().unwrap().filter, "disk");
    desk.press("enter esc").wait(0);
    assert_eq!(desk.log_queries().last().unwrap().filter, "");
    desk.press("esc").shows("Calls 214 today");
}

#[test]
fn an_empty_or_unreadable_log_says_so() {
    let mut desk = Desk::new(evening(), |engine| {
        engine
            .on(CommandName::ListCalls, Reply::Calls(call_page()))
            .on(CommandName::ReadLog, Reply::Log(Vec::new()))
            .on(
                CommandName::ReadLog,
                Reply::refused(1, "the log file cannot be read: permission denied", "look there"),
            );
    });
    desk.press("L").shows("Nothing was logged yet.");
    desk.wait(1100).shows("the log file cannot be read: permission denied. look there");
}

// ---- plain, sizes, anything

#[test]
fn plain_mode_tells_calls_as_sentences() {
    let desk = Desk::evening();
    let told = told(&desk.app);
    assert_eq!(told[0], "Telemetry, 214 calls today, following.");
    assert_eq!(told[3], format!("Call {}, ask: 2 tries, zai/glm-4.6, 4.1 s, $0.0010.", clock(47_000)));
}

#[test]
fn a_call_whose_stream_was_cut_says_so_in_the_list() {
    let mut cut: CallRecord = call_records().remove(0);
    cut.status = Status::Error;
    cut.error = Some(Failure::new(ErrorCode::Network, Cause::CutOff, "the stream ended before its end"));
    let row = CallRow::from(&cut);
    let desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, page_with(&[row]));
    });
    let screen = screen(&desk.app, 120, 40);
    assert!(screen.contains("[x]  cut off"), "{screen}");
}

#[test]
fn a_long_recorded_prompt_is_laid_out_once_and_not_for_every_frame() {
    let mut long: CallRecord = call_records().remove(2);
    long.id = "c1240".into();
    long.prompt = Some("a word and another one, ".repeat(160).trim_end().to_owned() + "\n");
    long.prompt = long.prompt.map(|line| line.repeat(100));
    let row = CallRow::from(&long);
    let desk = Desk::new(evening(), |engine| {
        engine.on(CommandName::ListCalls, page_with(&[row])).on(CommandName::GetCall, Reply::Call(Box::new(long)));
    });
    assert!(screen(&desk.app, 120, 40).contains("prompt\n"), "the record is not there");
    // The quickest of several: whatever else the machine does only adds.
    let cost = |widths: [u16; 2]| {
        let frame = |n: usize| {
            let start = Instant::now();
            screen(&desk.app, widths[n % 2], 40);
            start.elapsed()
        };
        (0..4).map(frame).min().unwrap()
    };
    let (still, anew) = (cost([120, 120]), cost([119, 120]));
    assert!(still * 4 < anew, "a frame costs {still:?}, one with another width {anew:?}");
}

#[test]
fn the_footer_keeps_the_main_acts_at_every_size() {
    let mut desk = Desk::evening();
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
        let screen = desk.at(width, height).screen();
        let footer = screen.lines().last().unwrap();
        assert!(footer.contains("enter open") && footer.contains("/ filter") && footer.ends_with("? help"), "{footer}");
    }
}

const SIZES: [(u16, u16); 10] =
    [(120, 40), (80, 24), (60, 20), (40, 10), (300, 100), (80, 33), (39, 9), (1, 1), (160, 27), (40, 300)];

fn any_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "j", "k", "g", "G", "n", "f", "/", "x", "y", "L", "l", "c", "h", "w", "S", "enter", "esc", "tab", "right",
        "space", "pgdn", "end", "ctrl-d", "ctrl-u", "?", "!", "q", "s", ":",
    ])
}

#[derive(Debug, Clone)]
enum Step {
    Key(&'static str),
    Size(usize),
    Ended,
    Runs(bool),
    Wait(u64),
    Reply(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_key().prop_map(Step::Key),
        2 => (0..SIZES.len()).prop_map(Step::Size),
        2 => Just(Step::Ended),
        2 => any::<bool>().prop_map(Step::Runs),
        2 => (0u64..3000).prop_map(Step::Wait),
        1 => (0u8..4).prop_map(Step::Reply),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is pressed, comes in or is answered: it goes on, and never asks without end.
    #[test]
    fn no_keys_at_any_size_make_it_fall(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut desk = Desk::evening();
        let mut newer = 0;
        for step in steps {
            match step {
                Step::Key(key) => drop(desk.press(key)),
                Step::Size(place) => drop(desk.at(SIZES[place].0, SIZES[place].1)),
                Step::Ended => {
                    newer += 1;
                    let rows: Vec<CallRow> = (0..newer).rev().map(|n| later(&format!("c{}", 1300 + n), n)).collect();
                    desk.calls = Some(page_with(&rows));
                    desk.ended("c1");
                }
                Step::Runs(yes) => {
                    let calls = if yes { vec![running("c1299", true)] } else { Vec::new() };
                    desk.publish(with_running(calls));
                }
                Step::Wait(ms) => drop(desk.wait(ms)),
                Step::Reply(which) => desk.calls = Some(match which {
                    0 => Reply::refused(1, "the filter is not understood at character 1: x", ""),
                    1 => Reply::Calls(CallPage::default()),
                    2 => Reply::Done,
                    _ => Reply::Calls(call_page()),
                }),
            }
            desk.screen();
        }
    }
}

// ---- what stands between calls and answers

fn busy() -> FlowView {
    FlowView {
        queue: QueueView {
            running: 5,
            waiting: 3,
            slots: 5,
            waited: 12,
            longest_ms: 3100,
            waiting_by: ByPriority { high: 1, normal: 2, low: 0 },
            ..QueueView::default()
        },
        cache: CacheView { entries: 12, hits: 8, misses: 20, ..CacheView::default() },
        limits: vec![LimitView {
            of: "dspy".into(),
            client: true,
            requests: 58,
            requests_limit: Some(60),
            ..LimitView::default()
        }],
        ..FlowView::default()
    }
}

#[test]
fn queue_limits_and_kept_answers_stand_below_the_list_only_when_there_is_something_to_say() {
    let desk = || {
        Desk::new(Snapshot { flow: Arc::new(busy()), ..evening() }, |engine| {
            engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
        })
    };
    let mut wide = desk();
    wide.shows("queue 5 of 5 under way, 3 wait: 1 high, 2 normal").shows("limit dspy 58 of 60 calls");
    wide.shows("cache 12 answers, 8 hits of 28");
    wide.press("c").shows("Now").shows("5 of 5 under way, 3 wait: 1 high, 2 normal; 12 waited, at most 3.1 s");
    wide.shows("12 answers; 8 hits, 20 misses").shows("By provider");
    let mut narrow = desk();
    narrow.size = (80, 24);
    narrow.shows("queue 5 of 5 under way, 3 wait: 1 high, 2 normal").shows("22:13:40");
    assert!(!narrow.screen().contains("cache 12 answers"), "what does not fit is left out from the end");
    let quiet = Desk::evening();
    let screen = quiet.screen();
    assert!(!screen.contains("queue") && !screen.contains("under way"), "{screen}");
}

#[test]
fn a_collector_that_is_away_is_told_where_the_calls_are() {
    let export = ExportView {
        endpoint: "http://127.0.0.1:4318".into(),
        trouble: Some("nothing listens on 127.0.0.1 port 4318".into()),
        dropped: 2,
        sent: 9,
    };
    let flow = FlowView { export: Some(export), ..FlowView::default() };
    let mut desk = Desk::new(Snapshot { flow: Arc::new(flow), ..evening() }, |engine| {
        engine.on(CommandName::ListCalls, Reply::Calls(call_page())).on(CommandName::CallStats, sums());
    });
    desk.shows("collector calls do not reach it");
    desk.press("c")
        .shows("http://127.0.0.1:4318 does not get the calls: nothing listens on 127.0.0.1 port 4318, 2 given up");
}
