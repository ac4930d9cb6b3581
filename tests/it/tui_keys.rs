//! The dashboard by its keys: what a person presses, and what stands on the screen then.

use super::support::dashboard::{SIZES, Typing, options, picture, screen};
use super::support::snapshot::{NOW, ago, evening, first_run, health_event, model, provider, with_provider};
use lmdeck::domain::config::Origin;
use lmdeck::domain::config::{Issue, Journey, Severity, WithheldWhy};
use lmdeck::domain::failure::{Cause, ErrorCode, Failure};
use lmdeck::domain::health::{ModelInfo, State};
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::preset::Preset;
use lmdeck::domain::routing::ActiveChoice;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::protocol::{
    Command, ConfigView, DOCTOR_STEPS, EditReport, Event, EventKind, Found, GatewayView, Level, LoadingView, ModelView,
    ProbePoint, ProbeWhich, ProviderView, Refusal, Reply, RunId, Snapshot, Step, StepState, TestReport,
};
use lmdeck::tui::backend::FrameBackend;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use lmdeck::tui::{App, TuiOptions, draw};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::Modifier;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The dashboard with a person before it.
struct Desk {
    app: App,
    now: UnixMs,
    asked: Vec<(u64, Command)>,
    others: Vec<Intent>,
}

impl Desk {
    fn new(snapshot: Snapshot) -> Self {
        Self::with(snapshot, options())
    }

    fn with(snapshot: Snapshot, options: TuiOptions) -> Self {
        let mut desk =
            Self { app: App::new(Arc::new(snapshot), options, NOW), now: NOW, asked: Vec::new(), others: Vec::new() };
        let first = desk.app.start();
        desk.take(first);
        desk
    }

    fn take(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => self.asked.push((ticket, command)),
                other => self.others.push(other),
            }
        }
    }

    fn key(&mut self, word: &str) -> &mut Self {
        self.press(word)
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.tell(Msg::Input(Input::Paste(text.to_owned())))
    }

    /// Time goes by; what is due happens.
    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.plus(time);
        self.tell(Msg::Wake)
    }

    /// Answers the last command with this name.
    fn answer(&mut self, reply: Reply) -> &mut Self {
        let (ticket, _) = self.asked.last().cloned().unwrap();
        self.tell(Msg::Reply(ticket, Box::new(reply)))
    }

    fn commands(&self) -> Vec<Command> {
        self.asked.iter().map(|(_, command)| command.clone()).collect()
    }

    /// The last command with this name.
    fn last(&self) -> Command {
        self.asked.last().unwrap().1.clone()
    }

    fn buffer(&self, width: u16, height: u16) -> Buffer {
        picture(&self.app, width, height)
    }

    fn shows(&mut self, text: &str) -> &mut Self {
        let screen = self.screen(120, 40);
        assert!(screen.contains(text), "{text:?} is not on\n{screen}");
        self
    }

    fn hides(&mut self, text: &str) -> &mut Self {
        let screen = self.screen(120, 40);
        assert!(!screen.contains(text), "{text:?} is on\n{screen}");
        self
    }

    fn screen(&self, width: u16, height: u16) -> String {
        screen(&self.app, width, height)
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, self.now);
        self.take(intents);
        self
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new(evening());
    desk.answer(Reply::Discovered(Vec::new()));
    desk
}

// ---- the frame

#[test]
fn the_header_tells_target_strategy_money_and_what_needs_attention() {
    let screen = desk().screen(120, 40);
    let rows: Vec<&str> = screen.lines().collect();
    assert!(rows[0].starts_with(" lmdeck [1 Providers] 2 Health"), "{}", rows[0]);
    assert!(rows[0].ends_with("3 need attention"), "{}", rows[0]);
    assert!(rows[1].starts_with(" auto: lm_studio/openai_gpt-oss-120b-neo    prefer_local"), "{}", rows[1]);
    assert!(rows[1].ends_with("$0.42 of $10.00 today    gateway :4141"), "{}", rows[1]);
    assert!(rows[39].starts_with(" a add  e edit  t test") && rows[39].ends_with("? help"), "{}", rows[39]);
}

#[test]
fn digits_and_brackets_change_the_tab() {
    let mut desk = desk();
    desk.press("2").shows("[2 Health]");
    desk.press("[").shows("[1 Providers]");
    desk.press("]").shows("[2 Health]");
    // Around the ends, whichever tab is the last.
    desk.press("1 [").hides("[1 Providers]");
    desk.press("]").shows("[1 Providers]");
}

#[test]
fn too_small_a_terminal_says_what_it_needs_and_q_still_leaves() {
    let mut desk = desk();
    let screen = desk.screen(38, 8);
    assert!(screen.contains("lmdeck needs 40x10, has 38x8."), "{screen}");
    assert!(screen.contains("lm_studio up, workstation down +2"), "{screen}");
    desk.press("q");
    assert_eq!(desk.others, [Intent::Quit]);
}

#[test]
fn the_main_acts_and_help_stay_in_the_footer_when_it_is_narrow() {
    let mut desk = desk();
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
        let screen = desk.screen(width, height);
        let footer = screen.lines().last().unwrap().to_owned();
        assert!(footer.contains("a add") && footer.contains("/ filter") && footer.contains("? help"), "{footer}");
    }
    desk.press("a");
    for (width, height) in [(120, 40), (80, 24), (60, 20)] {
        let screen = desk.screen(width, height);
        let footer = screen.lines().last().unwrap().to_owned();
        assert!(footer.contains("ctrl-s save") && footer.contains("esc leave"), "{footer}");
        assert!(footer.ends_with("F1 help"), "{footer}");
    }
}

#[test]
fn help_lists_the_keys_of_the_place_says_why_one_does_not_work_and_can_be_searched() {
    let mut desk = Desk::new(with_provider(evening(), "lm_studio", |p| p.enabled = false));
    desk.press("?").shows("providers").shows("not now: LM Studio is off: space switches it on");
    desk.press("/").type_in("probe all");
    desk.shows("probe all of them now").hides("add a provider by form");
    desk.press("esc").shows("add a provider by form");
    desk.press("esc").hides("Help");
}

#[test]
fn a_key_of_one_s_own_acts_and_is_shown() {
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.ui.keys.insert("providers.test".into(), "X".into());
    config.ui.keys.insert("providers.edit".into(), "a".into());
    let mut desk = Desk::new(snapshot);
    desk.shows("X test").shows("ui.keys: providers.edit: a already means providers.add");
    desk.press("X");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One("lm_studio".into()), anew: true });
}

#[test]
fn keys_that_cannot_be_used_are_said_also_when_the_file_is_read_again() {
    let mut desk = desk();
    desk.hides("ui.keys");
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.ui.keys = [("providers.test", "e"), ("providers.edit", "t"), ("quit", "a")]
        .map(|(name, key)| (name.to_owned(), key.to_owned()))
        .into();
    desk.tell(Msg::Snapshot(Arc::new(snapshot)));
    desk.shows("e test").shows("t edit").shows("ui.keys: quit: a already means providers.add: the usual key stays");
    desk.press("e");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One("lm_studio".into()), anew: true });
}

#[test]
fn the_key_table_knows_which_places_hear_keys_at_the_same_time() {
    for keys in ["", "enter", "a", "e", "D", "?", "!", "2", "3", "3 tab", "3 f", "3 o", "3 a", "3 R", "4", "4 esc", "5"]
    {
        for more in ["", "enter", "L", "c", "tab"] {
            let mut desk = desk();
            desk.press(keys).press(more);
            let heard = desk.app.contexts();
            for (place, above) in heard.iter().enumerate() {
                for below in &heard[place + 1..] {
                    assert!(above.above(*below), "{keys} {more}: {above:?} over {below:?}");
                }
            }
        }
    }
}

#[test]
fn what_happens_is_said_and_kept_behind_the_exclamation_mark() {
    let mut desk = desk();
    let refused = Failure::new(ErrorCode::Network, Cause::Refused, "connection refused");
    desk.tell(Msg::Event(Box::new(health_event("workstation", State::Up, State::Down, Some(refused)))));
    desk.shows("workstation went down: connection refused.");
    desk.wait(Duration::from_mins(1)).shows("workstation went down");
    desk.press("j").hides("workstation went down");
    desk.press("!").shows("Messages 1").shows("workstation went down");
    desk.press("enter").hides("Messages 1").shows("\u{2501} Doctor  Workstation");
    desk.press("esc").shows("\u{2501} Workstation  workstation  llama_cpp");
}

#[test]
fn a_message_never_covers_the_selected_row() {
    let mut desk = desk();
    desk.press("G");
    for n in 0..3 {
        desk.tell(Msg::Fault(format!("trouble number {n}")));
    }
    for (width, height) in [(60, 20), (40, 10)] {
        let screen = desk.screen(width, height);
        assert!(screen.contains("> [x]  Claude"), "{screen}");
        assert!(screen.contains("trouble number 2"), "{screen}");
    }
}

#[test]
fn read_only_refuses_to_change_the_file() {
    let mut desk = Desk::with(evening(), TuiOptions { readonly: true, ..options() });
    let before = desk.commands().len();
    for key in ["space", "a", "e", "d"] {
        desk.press(key).shows("READ-ONLY").shows("read-only: started with --readonly").hides("New provider");
    }
    desk.hides("Edit ").hides("Delete provider");
    assert_eq!(desk.commands().len(), before);
}

#[test]
fn an_unsaved_form_holds_up_leaving_once() {
    let mut desk = desk();
    desk.press("a").press("right").press("ctrl-c").shows("Leave lmdeck?").shows("The form is not saved.");
    assert_eq!(desk.others, []);
    desk.press("ctrl-c");
    assert_eq!(desk.others, [Intent::Quit]);
}

#[test]
fn ascii_mode_draws_with_ascii_only() {
    let mut desk = Desk::with(evening(), TuiOptions { ascii: true, ..options() });
    for keys in ["", "2", "1 a", "esc d", "esc ?"] {
        desk.press(keys);
        let screen = desk.screen(120, 40);
        assert!(screen.is_ascii(), "{screen}");
    }
}

#[test]
fn the_selection_is_seen_without_colour() {
    let desk = desk();
    let buffer = desk.buffer(80, 24);
    assert!(buffer[(10, 3)].modifier.contains(Modifier::REVERSED));
    assert!(!buffer[(10, 4)].modifier.contains(Modifier::REVERSED));
    assert_eq!(buffer[(0, 3)].symbol(), ">");
}

// ---- bytes

/// Draws with the real backend; the pieces that would go to the terminal.
fn pieces(desk: &mut Desk, steps: impl FnOnce(&mut Desk, &mut dyn FnMut(&Desk))) -> Vec<usize> {
    let written = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&written);
    let backend =
        FrameBackend::new(|| Ok(Size::new(120, 40)), move |frame: Vec<u8>| sink.borrow_mut().push(frame.len()));
    let mut terminal = Terminal::new(backend).unwrap();
    let mut show = |desk: &Desk| {
        terminal
            .draw(|frame| {
                if let Some(at) = draw(&desk.app, frame.buffer_mut()) {
                    frame.set_cursor_position(at);
                }
            })
            .unwrap();
    };
    show(desk);
    written.borrow_mut().clear();
    steps(desk, &mut show);
    written.borrow().clone()
}

#[test]
fn an_unchanged_screen_writes_nothing() {
    for keys in ["", "2", "1 a", "?"] {
        let mut desk = desk();
        desk.press(keys);
        let written = pieces(&mut desk, |desk, show| {
            show(desk);
            desk.now = desk.now.plus(Duration::from_secs(1));
            desk.tell(Msg::Snapshot(Arc::new(evening())));
            show(desk);
        });
        assert_eq!(written, Vec::<usize>::new(), "{keys}");
    }
}

#[test]
fn at_rest_the_next_wake_is_when_an_age_changes() {
    let desk = desk();
    desk.screen(120, 40);
    let wake = desk.app.deadline().expect("ages are on the screen");
    assert!(wake.since(NOW) >= Duration::from_secs(1), "{wake:?}");
    let mut empty = evening();
    empty.providers = Arc::new(Vec::new());
    let desk = Desk::new(empty);
    desk.screen(120, 40);
    assert_eq!(desk.app.deadline(), None);
}

#[test]
fn one_probe_result_is_one_write_of_at_most_400_bytes() {
    for keys in ["", "2"] {
        let mut desk = desk();
        desk.press(keys);
        let written = pieces(&mut desk, |desk, show| {
            desk.now = desk.now.plus(Duration::from_secs(5));
            let now = desk.now;
            let probed = with_provider(evening(), "lm_studio", |p| {
                p.health.latency_ms = Some(17);
                p.health.last_checked = Some(now);
                (p.p50_ms, p.p95_ms) = (Some(12), Some(39));
                p.history.push_back(ProbePoint { at: now, latency_ms: Some(17), state: State::Up });
            });
            desk.tell(Msg::Snapshot(Arc::new(probed)));
            show(desk);
        });
        assert_eq!(written.len(), 1, "{keys}");
        assert!(written[0] <= 400, "{keys}: {} bytes", written[0]);
    }
}

// ---- providers

#[test]
fn a_server_that_is_down_shows_why_and_what_to_do_and_y_copies_the_command() {
    let mut desk = desk();
    desk.press("j");
    desk.shows("[x]  down for 14 min: connection refused")
        .shows("Nothing listens on 192.168.1.20 port 8080.")
        .shows("--host 0.0.0.0 --port 8080")
        .shows("[x] reachable  [?] key  [?] listed  [?] loaded  [?] answering");
    desk.press("y").shows("sent to the terminal's clipboard");
    let copied = desk.others.iter().find_map(|intent| match intent {
        Intent::Copy(text) => Some(text.clone()),
        _ => None,
    });
    assert!(copied.unwrap().starts_with("llama-server -m "));
}

#[test]
fn the_list_names_every_provider_at_every_size() {
    let mut desk = desk();
    desk.press("j");
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
        let screen = desk.screen(width, height);
        for text in ["[ok] LM Studio", "> [x]  Workstation", "refused", "[!]  OpenAI", "1.41 s", "401"] {
            assert!(screen.contains(text), "{text} at {width}x{height}\n{screen}");
        }
    }
    let narrow = desk.press("enter").screen(60, 20);
    assert!(narrow.contains("What to do") && !narrow.contains("LM Studio "), "{narrow}");
    assert!(desk.press("esc").screen(60, 20).contains("[ok] LM Studio"));
}

#[test]
fn keys_act_on_the_chosen_provider() {
    let mut desk = desk();
    desk.press("j");
    let id = || "workstation".into();
    desk.press("t");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One(id()), anew: true });
    desk.press("R");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::All, anew: true });
    desk.press("space");
    assert_eq!(desk.last(), Command::EnableProvider { id: id(), enabled: false });
    desk.press("p");
    assert_eq!(desk.last(), Command::Pause { id: id(), paused: true });
    desk.press("U");
    assert_eq!(desk.last(), Command::ConfigUndo);
    desk.press("D").shows("Doctor  Workstation");
    assert!(matches!(desk.last(), Command::Diagnose { id: of, answer: false, .. } if of == id()));
}

#[test]
fn what_cannot_be_done_says_why() {
    let off = with_provider(evening(), "lm_studio", |p| p.enabled = false);
    let mut desk = Desk::new(off);
    let before = desk.commands().len();
    desk.press("t").shows("LM Studio is off: space switches it on");
    assert_eq!(desk.commands().len(), before);
    let mut healthy = Desk::new(with_provider(evening(), "lm_studio", |_| {}));
    healthy.press("y").shows("nothing to copy");
}

#[test]
fn deleting_asks_first_and_the_safe_answer_is_the_default() {
    let mut desk = desk();
    desk.press("d").shows("Delete provider lm_studio?").shows("teaching_generation   zai, lm_studio");
    let before = desk.commands().len();
    desk.press("enter").hides("Delete provider");
    assert_eq!(desk.commands().len(), before);
    desk.press("d right enter");
    assert_eq!(desk.last(), Command::RemoveProvider { id: "lm_studio".into() });
    let report =
        EditReport { file: "/x/ai_models.yaml".into(), lines_changed: 6, written: true, ..EditReport::default() };
    desk.answer(Reply::Edited(report)).shows("Saved ai_models.yaml, 6 lines. U undoes.");
}

#[test]
fn the_question_before_a_delete_names_the_presets_that_are_left_without_their_model() {
    let mut snapshot = evening();
    let preset = |name: &str, model: &str| Preset { name: name.into(), model: model.into(), ..Preset::default() };
    let presets = vec![preset("notes", "lm_studio/qwen3-32b"), preset("mine", "zai/glm-4.6")];
    snapshot.config = Arc::new(ConfigView { presets: Arc::new(presets), ..(*snapshot.config).clone() });
    let mut desk = Desk::new(snapshot);
    desk.press("d")
        .shows("Delete provider lm_studio?")
        .shows("preset notes, which stays as it is")
        .hides("preset mine");
}

#[test]
fn an_undo_says_what_it_did_and_not_how_to_undo_a_save() {
    let report =
        EditReport { file: "/x/ai_models.yaml".into(), lines_changed: 1, written: true, ..EditReport::default() };
    let mut desk = desk();
    desk.press("U").answer(Reply::Edited(report));
    desk.shows("the last change is taken back: ai_models.yaml, 1 line.").hides("U undoes");
}

#[test]
fn n_goes_to_the_next_problem_and_round() {
    let mut desk = desk();
    for name in ["Workstation", "OpenAI", "Claude", "Workstation"] {
        desk.press("n");
        let screen = desk.screen(60, 20);
        let chosen = screen.lines().find(|line| line.starts_with("> ")).unwrap().to_owned();
        assert!(chosen.contains(name), "{chosen}");
    }
}

#[test]
fn a_filter_narrows_as_one_types_and_esc_clears_it() {
    let mut desk = desk();
    desk.press("/").type_in("2l");
    desk.shows("Providers 0 of 5").shows("Nothing holds this text: esc clears").shows("[1 Providers]");
    desk.press("backspace backspace").type_in("work");
    desk.shows("Providers 1 of 5").hides("LM Studio ");
    desk.press("enter t");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One("workstation".into()), anew: true });
    desk.press("esc").shows("Providers 5");
}

#[test]
fn the_selection_stays_on_its_provider_when_the_list_changes() {
    let mut desk = desk();
    desk.press("j j");
    let mut shorter = evening();
    shorter.providers = Arc::new(shorter.providers.iter().skip(1).cloned().collect());
    desk.tell(Msg::Snapshot(Arc::new(shorter))).press("t");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One("zai".into()), anew: true });
}

#[test]
fn what_was_found_on_this_machine_is_offered_last_and_fills_the_form() {
    let mut desk = Desk::new(evening());
    assert_eq!(desk.last(), Command::Discover);
    desk.answer(Reply::Discovered(vec![found(Kind::Ollama, "http://127.0.0.1:11434")]));
    desk.shows("found on this machine").shows("+    Ollama").shows(":11434");
    desk.press("G enter").shows("New provider").shows("http://127.0.0.1:11434").shows("< Ollama >");
}

fn found(kind: Kind, endpoint: &str) -> Found {
    Found {
        kind,
        endpoint: endpoint.into(),
        answered: true,
        models: vec![ModelInfo::named("qwen3")],
        note: "1 model".into(),
        configured_as: None,
    }
}

#[test]
fn text_from_servers_reaches_no_cell_as_it_came() {
    let evil = "\u{1b}[31mx\u{9b}2J\u{7}\u{202e}\u{200b}\r\n\ty";
    let mut snapshot = with_provider(evening(), "workstation", |p| {
        p.name = evil.into();
        p.models = vec![model(evil, Some(true))].into();
        p.health.reason = evil.into();
        p.withheld = Some(WithheldWhy::NoKey.because(evil));
        p.lately[0].reason = evil.into();
    });
    let config = Arc::make_mut(&mut snapshot.config);
    config.rejected = Some(evil.into());
    let mut desk = Desk::new(snapshot);
    for keys in ["", "esc", "j", "enter", "2", "j", "1 e", "esc", "d"] {
        desk.press(keys);
        for (width, height) in SIZES {
            let screen = desk.screen(width, height);
            let bad = screen.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}'));
            assert_eq!(bad, None, "{screen}");
        }
    }
}

/// A server found on this machine, used while nothing is configured.
fn discovered() -> Snapshot {
    let mut snapshot = first_run();
    let found = provider("llama_cpp", "llama_cpp", Kind::LlamaCpp, "http://127.0.0.1:9931");
    snapshot.providers =
        Arc::new(vec![Arc::new(ProviderView { origin: Origin::Discovery, place: String::new(), line: None, ..found })]);
    snapshot
}

#[test]
fn what_is_used_unsaved_says_so_and_enter_saves_it_under_its_own_name() {
    let mut desk = Desk::new(discovered());
    desk.shows("not saved").shows("Found on this machine").shows("enter saves it to");
    for keys in ["e", "d", "space"] {
        desk.press(keys).shows("llama_cpp was found on this machine and stands in no file yet");
    }
    for key in ["enter", "a"] {
        desk.press(key)
            .shows("New provider")
            .shows("Id *        llama_cpp\n")
            .shows("127.0.0.1:9931")
            .shows("Not saved");
        desk.press("esc").hides("New provider");
    }
    desk.press("enter ctrl-s");
    let Command::AddProvider { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.id.as_str(), draft.endpoint.as_str()), ("llama_cpp", "http://127.0.0.1:9931"));
}

fn openai_journey() -> Journey {
    journey("https://api.openai.com")
}

fn journey(origin: &str) -> Journey {
    Journey { provider: "openai".into(), variable: "OPENAI_API_KEY".into(), origin: origin.into() }
}

/// Keys that wait for the person's word.
fn waiting(mut snapshot: Snapshot, journeys: &[Journey]) -> Snapshot {
    snapshot.config = Arc::new(ConfigView { untrusted: journeys.to_vec(), ..(*snapshot.config).clone() });
    with_provider(snapshot, "openai", |provider| {
        let why = WithheldWhy::Untrusted { variable: "OPENAI_API_KEY".into() };
        provider.withheld = Some(why.because("OPENAI_API_KEY is not sent to it before you allow it"));
    })
}

#[test]
fn a_key_that_waits_for_permission_is_allowed_by_name_after_a_question() {
    let snapshot = with_provider(evening(), "openai", |p| {
        let why = WithheldWhy::Untrusted { variable: "OPENAI_API_KEY".into() };
        p.withheld = Some(why.because("OPENAI_API_KEY is not sent to api.openai.com before you allow it"));
        p.health.state = State::Unauthorized;
        let cause = Cause::KeyWithheld { host: "api.openai.com".into() };
        p.health.failure = Some(Failure::new(ErrorCode::Auth, cause, "not sent"));
    });
    let mut desk = Desk::new(waiting(snapshot, &[openai_journey()]));
    // It must not be overlooked: the dashboard opens on the question.
    desk.shows("Let the keys go there?").press("esc").hides("Let the keys go there?");
    desk.press("T").shows("nothing to allow: no key of LM Studio is held back");
    desk.press("j j j").shows("T allow it").hides("is not set");
    desk.press("T").shows("Let the keys go there?").shows("https://api.openai.com   the key in OPENAI_API_KEY");
    let before = desk.commands().len();
    desk.press("enter").hides("Let the keys go there?");
    assert_eq!(desk.commands().len(), before, "the safe answer is the default");
    desk.press("T right enter");
    assert_eq!(desk.last(), Command::ConfigTrust { asked: vec![openai_journey()] });
}

#[test]
fn what_a_collector_would_get_is_asked_about_like_any_key() {
    let journey = Journey {
        provider: "telemetry".into(),
        variable: "records of calls".into(),
        origin: "https://collector.example".into(),
    };
    let mut snapshot = evening();
    snapshot.config = Arc::new(ConfigView { untrusted: vec![journey.clone()], ..(*snapshot.config).clone() });
    let mut desk = Desk::new(snapshot);
    desk.shows("Let the keys go there?").shows("https://collector.example   records of calls").press("esc");
    desk.press("T").shows("Let the keys go there?").press("right enter");
    assert_eq!(desk.last(), Command::ConfigTrust { asked: vec![journey] });
}

#[test]
fn a_question_about_keys_is_asked_anew_when_the_file_sends_them_elsewhere() {
    let mut desk = Desk::new(waiting(evening(), &[journey("https://mine.example")]));
    desk.press("right").shows("https://mine.example").shows("> [ Allow it ]");
    desk.tell(Msg::Snapshot(Arc::new(waiting(evening(), &[journey("https://evil.example")]))));
    desk.shows("https://evil.example").hides("https://mine.example").shows("This has changed since you were asked:");
    desk.shows("> [ Keep them here ]").press("right enter");
    assert_eq!(desk.last(), Command::ConfigTrust { asked: vec![journey("https://evil.example")] });
    // Nothing is left to ask: the question goes.
    desk.tell(Msg::Snapshot(Arc::new(waiting(evening(), &[journey("https://mine.example")]))));
    desk.press("j j j T").shows("Let the keys go there?");
    desk.tell(Msg::Snapshot(Arc::new(evening()))).hides("Keep them here");
}

#[test]
fn no_key_is_allowed_to_a_host_that_did_not_fit_on_the_screen() {
    let hosts: Vec<Journey> = (0..6).map(|n| journey(&format!("https://host-{n}.example"))).collect();
    let mut desk = Desk::new(waiting(evening(), &hosts));
    let mut seen = desk.screen(40, 10);
    assert!(seen.contains("more lines, pgdn"), "{seen}");
    let before = desk.commands().len();
    desk.press("right");
    for _ in 0..40 {
        desk.press("enter");
        if desk.commands().len() > before {
            break;
        }
        seen += &desk.screen(40, 10);
    }
    assert_eq!(desk.last(), Command::ConfigTrust { asked: hosts });
    for n in 0..6 {
        assert!(seen.contains(&format!("host-{n}.example")), "host {n} was never seen: {seen}");
    }
}

#[test]
fn ctrl_c_at_a_question_is_the_safe_answer() {
    let mut desk = desk();
    desk.press("a").press("right").press("esc").shows("Leave the form?");
    desk.press("ctrl-c").hides("Leave the form?").shows("New provider");
    assert!(!desk.others.contains(&Intent::Quit));
    desk.press("ctrl-c").shows("Leave lmdeck?").press("ctrl-c");
    assert_eq!(desk.others.last(), Some(&Intent::Quit));
}

#[test]
fn a_key_typed_right_after_esc_counts_also_out_of_a_field() {
    let mut desk = desk();
    desk.press("4").shows("[4 Playground]").press("alt-1").shows("[1 Providers]");
    desk.press("/").type_in("zzz").shows("zzz").press("alt-?").hides("zzz").shows("Help");
}

#[test]
fn read_only_is_said_before_anything_is_filled_in() {
    let mut desk = Desk::with(evening(), TuiOptions { readonly: true, ..options() });
    for keys in ["3 a", "o", "d", "U", "g g d"] {
        desk.press(keys).shows("read-only: started with --readonly").press("!").press("esc");
        desk.hides("New rule").hides("New order").hides("Delete");
    }
    assert!(desk.commands().iter().all(|command| !command.changes_something()), "{:?}", desk.commands());
}

#[test]
fn why_the_gateway_is_off_stands_among_the_messages() {
    let mut snapshot = evening();
    snapshot.gateway = Arc::new(GatewayView { listening: None, trouble: Some("port 4141 is taken".into()) });
    let mut desk = Desk::new(snapshot);
    desk.shows("gateway off: !").press("!").shows("Messages 1").shows("port 4141 is taken");
}

#[test]
fn a_model_s_name_made_of_escapes_moves_no_column() {
    let evil = "\u{1b}[31mx\u{202e}".repeat(12);
    let models = vec![ModelView { context: Some(32_768), ..model(&evil, Some(true)) }];
    let desk = Desk::new(with_provider(evening(), "lm_studio", |p| p.models = models.into()));
    let screen = desk.screen(120, 40);
    let column = |row: &str, text: &str| row.find(text).map(|at| row[..at].chars().count() + text.len());
    let head = screen.lines().find(|line| line.contains("quant")).unwrap();
    let row = screen.lines().find(|line| line.contains("^[[31mx<U+202E>")).unwrap();
    assert_eq!(column(row, "32k"), column(head, "context"), "{screen}");
}

// ---- the form

fn report(state: StepState) -> TestReport {
    let step = |name: &str| Step { name: name.into(), state, verdict: "fine".into(), ms: Some(9) };
    let steps = ["address", "connect", "http", "kind", "key", "models"].map(step).into();
    TestReport { steps, models: Vec::new(), failure: None, cautions: Vec::new(), total_ms: 40 }
}

#[test]
fn a_field_in_error_says_so_when_it_is_left_and_saving_goes_there() {
    let mut desk = desk();
    desk.press("a tab ctrl-u").type_in("lm_studio").press("tab");
    desk.shows("[x] lm_studio is taken (line 4). Free: lm_studio_2").shows("Modified, 1 error");
    desk.press("tab tab ctrl-s");
    assert!(!desk.commands().iter().any(|c| matches!(c, Command::AddProvider { .. })));
    desk.press("ctrl-u").type_in("gpu-box").press("ctrl-s");
    let Command::AddProvider { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.id.as_str(), draft.kind), ("gpu-box", Some(Kind::LmStudio)));
}

#[test]
fn the_connection_is_tested_400_ms_after_a_valid_address_is_left() {
    let mut desk = desk();
    desk.press("a tab tab tab ctrl-u").type_in("http://100.88.3.7:1234");
    let before = desk.commands().len();
    desk.press("tab").wait(Duration::from_millis(300));
    assert_eq!(desk.commands().len(), before);
    desk.wait(Duration::from_millis(100));
    let Command::TestProvider { draft, answer, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.endpoint.as_str(), answer), ("http://100.88.3.7:1234", false));
    desk.shows("running, 0 s, esc stops it").shows("[>]  address");
    desk.answer(Reply::Tested(report(StepState::Passed)));
    desk.shows("[ok] connect   fine, 9 ms").shows("ran 40 ms");
}

#[test]
fn the_steps_of_a_test_turn_in_place_as_they_end_and_esc_stops_it() {
    let mut desk = desk();
    desk.press("a tab tab tab ctrl-u").type_in("http://10.0.0.1:1").press("ctrl-t");
    let Command::TestProvider { run, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    desk.tell(step_done(run, "address", StepState::Passed, "fine"));
    desk.shows("[ok] address   fine").shows("[>]  connect").shows("running, 0 s, esc stops it");
    // Of another run.
    desk.tell(step_done(RunId(run.0 + 1), "connect", StepState::Passed, "fine"));
    desk.shows("[>]  connect");
    desk.tell(step_done(run, "connect", StepState::Passed, "fine"));
    desk.shows("[ok] connect   fine, 9 ms").shows("[>]  http");
    desk.press("esc");
    assert_eq!(desk.last(), Command::StopDiagnosis { run });
    let mut stopped = report(StepState::Passed);
    stopped.steps.truncate(2);
    stopped.failure = Some(Failure::cancelled());
    let asked = desk.asked.iter().rev().find(|(_, command)| matches!(command, Command::TestProvider { .. }));
    let (ticket, _) = asked.cloned().unwrap();
    desk.tell(Msg::Reply(ticket, Box::new(Reply::Tested(stopped))));
    desk.shows("[ok] connect   fine, 9 ms").shows("stopped <1 min ago").shows("Stopped: ctrl-t takes all steps again");
    // The next one leaves: the form is changed, so it asks.
    desk.press("esc");
    desk.shows("What you typed is not saved");
}

#[test]
fn a_server_of_another_kind_is_offered_as_a_correction_that_one_key_takes() {
    let mut desk = desk();
    desk.press("a left").press("tab tab tab ctrl-u").type_in("http://127.0.0.1:8080").press("ctrl-t");
    let Command::TestProvider { draft, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!(draft.kind, Some(Kind::OpenaiCompatible));
    let mut other = report(StepState::Passed);
    other.cautions = vec![Cause::OtherProgram { looks_like: Some("llama.cpp".into()) }];
    desk.answer(Reply::Tested(other));
    desk.shows("is llama.cpp, not OpenAI-compatible").shows("ctrl-g takes it as llama.cpp");
    desk.press("ctrl-g").shows("< llama.cpp >").wait(Duration::from_millis(400));
    let Command::TestProvider { draft, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.kind, draft.endpoint.as_str()), (Some(Kind::LlamaCpp), "http://127.0.0.1:8080"));
}

#[test]
fn an_edit_ends_the_test_of_what_stood_there_before() {
    let mut desk = desk();
    desk.press("a tab tab tab ctrl-u").type_in("http://10.0.0.1:1").press("ctrl-t");
    let Command::TestProvider { run, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    desk.type_in("2");
    assert_eq!(desk.last(), Command::StopDiagnosis { run });
    desk.shows("not tried yet");
}

#[test]
fn an_answer_about_an_older_address_is_not_shown() {
    let mut desk = desk();
    desk.press("a tab tab tab ctrl-u").type_in("http://10.0.0.1:1").press("ctrl-t");
    let (ticket, _) = desk.asked.last().cloned().unwrap();
    desk.type_in("2");
    desk.tell(Msg::Reply(ticket, Box::new(Reply::Tested(report(StepState::Passed)))));
    desk.hides("fine, 9 ms").shows("not tried yet");
}

#[test]
fn a_failed_test_shows_its_remedy() {
    let mut desk = desk();
    desk.press("a right").press("tab tab tab ctrl-u").type_in("http://192.168.1.77:8080").press("ctrl-t");
    let mut failed = report(StepState::Failed);
    failed.failure = Some(Failure::new(ErrorCode::Network, Cause::Refused, "connection refused"));
    desk.answer(Reply::Tested(failed));
    desk.shows("Nothing listens on 192.168.1.77 port 8080").shows("llama-server");
}

#[test]
fn a_key_never_stands_on_the_screen() {
    let mut desk = desk();
    desk.press("a tab tab tab tab").type_in("sk-proj-SECRET").paste("MORESECRET\n");
    for (width, height) in SIZES {
        let screen = desk.screen(width, height);
        assert!(!screen.contains("SECRET") && !screen.contains("sk-"), "{screen}");
    }
    desk.press("ctrl-s");
    let Command::AddProvider { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!(draft.auth_token.unwrap().0, "sk-proj-SECRETMORESECRET");
}

#[test]
fn a_kept_key_is_left_alone_and_shown_by_its_source() {
    let mut desk = desk();
    desk.press("j j e").shows("from Z_AI_API_KEY").press("tab tab").type_in("GLM").press("ctrl-s");
    let Command::EditProvider { id, draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((id.as_str(), draft.auth_token, draft.models), ("zai", None, None));
}

#[test]
fn a_pasted_curl_line_fills_an_untouched_form() {
    let mut desk = desk();
    desk.press("a");
    desk.paste("curl https://api.z.ai/api/paas/v4/chat/completions -H 'Authorization: Bearer $Z_AI_API_KEY'");
    desk.shows("< Z.AI GLM >").shows("https://api.z.ai/api/paas/v4 ").shows("${Z_AI_API_KEY}").shows("removed");
    desk.press("tab ctrl-u").type_in("mine");
    desk.paste("http://127.0.0.1:1").shows("minehttp://127.0.0.1:1").shows("< Z.AI GLM >");
}

#[test]
fn a_curl_line_over_a_touched_form_is_asked_about_and_never_the_text_of_a_field() {
    let mut desk = desk();
    desk.press("a tab tab").type_in("Mine");
    let line = "curl https://api.openai.com/v1/chat/completions -H 'Authorization: Bearer sk-live-SECRET99'";
    desk.paste(line).shows("Fill the form from the paste?").shows("https://api.openai.com");
    assert!(!desk.screen(120, 40).contains("SECRET99"));
    desk.press("enter").shows("New provider").hides("api.openai.com").shows("Mine");
    desk.paste(line).press("right enter").shows("https://api.openai.com").shows("Mine").shows("< OpenAI >");
    assert!(!desk.screen(120, 40).contains("SECRET99"));
    // Without a key in it a name or a list of models may hold any text.
    desk.paste(" of http://a.example and b").hides("Fill the form").shows("Mineof http://a.example and b");
}

#[test]
fn a_paste_over_an_edited_provider_says_its_kind_and_guesses_none_by_the_port() {
    let line = |address: &str| format!("curl {address}/v1/models -H 'Authorization: Bearer $MY_KEY'");
    for (address, kind) in [("http://10.0.0.2:9001", None), ("https://api.openai.com", Some(Kind::Openai))] {
        let mut desk = desk();
        desk.press("j j e tab tab tab");
        desk.paste(&line(address)).shows("Fill the form from the paste?").shows("Key       ${MY_KEY}");
        match kind {
            Some(kind) => desk.shows(&format!("Kind      {}", kind.label())),
            None => desk.hides("  Kind      "),
        };
        desk.press("right enter").shows(address).press("ctrl-s");
        let Command::EditProvider { draft, .. } = desk.last() else { panic!("{:?}", desk.last()) };
        assert_eq!((draft.kind, draft.endpoint.as_str()), (kind, address));
    }
}

#[test]
fn a_line_of_plain_mode_that_is_not_taken_leaves_the_field_as_it_was() {
    let mut desk = desk();
    desk.press("j j e tab tab tab").shows("https://api.z.ai/api/paas/v4");
    // More than one field's text is asked about first.
    desk.app.fill("curl https://api.openai.com/v1 -H \"Authorization: Bearer $K\"");
    desk.shows("Fill the form from the paste?").press("enter").shows("https://api.z.ai/api/paas/v4");
    desk.app.fill(&"x".repeat(5000));
    desk.shows("the text is left out: a line holds 4096 bytes")
        .shows("https://api.z.ai/api/paas/v4")
        .shows("Not modified");
    // The kept key stays kept.
    desk.press("tab").shows("from Z_AI_API_KEY").paste(&"x".repeat(5000)).shows("from Z_AI_API_KEY");
    desk.shows("Not modified").press("esc").hides("Leave the form?");
    // A new form is filled, as by a paste.
    desk.press("a tab tab tab");
    desk.app.fill("http://127.0.0.1:11434/v1/models");
    desk.shows("< Ollama >").shows("http://127.0.0.1:11434 ").shows("/v1/models removed");
}

#[test]
fn a_text_that_is_too_long_leaves_what_is_proposed() {
    let mut desk = desk();
    desk.press("a tab").shows("lm_studio_2").paste(&"x".repeat(5000)).shows("left out").shows("lm_studio_2");
    desk.press("shift-tab right").hides("lm_studio_2").shows("Id *        llama_cpp");
}

#[test]
fn the_form_asks_before_a_near_server_asks_a_model_elsewhere() {
    let remote = ModelInfo { remote: true, ..ModelInfo::named("gpt-oss:120b-cloud") };
    for (models, asks) in [(vec![remote, ModelInfo::named("small")], true), (vec![ModelInfo::named("small")], false)] {
        let mut desk = desk();
        desk.press("a").paste("http://127.0.0.1:11434").press("tab").wait(Duration::from_millis(400));
        let tested = TestReport { models, ..report(StepState::Passed) };
        desk.answer(Reply::Tested(tested)).press("ctrl-t");
        let asked = desk.commands().into_iter().filter_map(|command| match command {
            Command::TestProvider { answer, .. } => Some(answer),
            _ => None,
        });
        let asked: Vec<bool> = asked.collect();
        if asks {
            desk.shows("Ask the model for one word?").shows("may cost something");
            assert_eq!(asked, [false]);
        } else {
            assert_eq!(asked, [false, true]);
        }
    }
}

#[test]
fn a_form_follows_what_others_change_and_writes_only_what_the_person_changed() {
    let mut desk = desk();
    desk.press("j j e tab tab").type_in("X");
    let changed = |snapshot| {
        with_provider(snapshot, "zai", |provider| {
            provider.enabled = !provider.enabled;
            provider.endpoint.written = "https://other.example/v4".into();
        })
    };
    desk.tell(Msg::Snapshot(Arc::new(changed(evening()))));
    desk.shows("https://other.example/v4").shows("was changed meanwhile: Address, Enabled").shows("Modified");
    desk.press("ctrl-s");
    let Command::EditProvider { draft, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert!(draft.name.as_ref().is_some_and(|name| name.ends_with('X')), "{draft:?}");
    assert_eq!((draft.kind, draft.endpoint.as_str(), draft.local, draft.enabled), (None, "", None, None));
    // The same behind "keep theirs, put mine on top", where the file was newer still.
    let refusal = Refusal {
        message: "the file changed on disk".into(),
        remedy: String::new(),
        exit: 3,
        issues: Vec::new(),
        difference: Some("+ x".into()),
    };
    desk.answer(Reply::Refused(refusal)).press("right enter");
    assert_eq!(desk.last(), Command::ConfigReload);
    desk.tell(Msg::Snapshot(Arc::new(evening()))).answer(Reply::Done);
    let Command::EditProvider { draft: again, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!(again, draft);
}

#[test]
fn what_both_changed_is_said_and_the_person_s_own_stays() {
    let mut desk = desk();
    desk.press("j j e tab tab tab ctrl-u").type_in("https://mine.example");
    let theirs =
        with_provider(evening(), "zai", |provider| provider.endpoint.written = "https://theirs.example".into());
    desk.tell(Msg::Snapshot(Arc::new(theirs))).shows("https://mine.example").shows("was changed meanwhile: Address");
    desk.press("ctrl-s");
    let Command::EditProvider { draft, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.endpoint.as_str(), draft.name), ("https://mine.example", None));
}

#[test]
fn an_answer_goes_to_the_form_it_was_asked_for_whatever_was_opened_since() {
    let mut desk = desk();
    desk.press("a right ctrl-s f1").shows("Help");
    let Reply::Refused(refusal) = Reply::refused(3, "the file changed on disk", "") else { panic!("no refusal") };
    desk.answer(Reply::Refused(Refusal { difference: Some("+ x".into()), ..refusal }));
    desk.shows("The file changed on disk").press("right enter");
    assert_eq!(desk.last(), Command::ConfigReload);
}

#[test]
fn a_save_that_changes_nothing_is_not_called_saved() {
    let mut desk = desk();
    desk.press("j e tab tab").type_in("Big box").press("ctrl-s");
    desk.answer(Reply::Edited(EditReport::default())).shows("nothing changed in the file").hides("Saved");
}

#[test]
fn leaving_a_changed_form_asks_and_keeps_by_default() {
    let mut desk = desk();
    desk.press("a esc").hides("New provider");
    desk.press("a right esc").shows("Leave the form?").press("enter").shows("New provider");
    desk.press("esc right right enter").hides("New provider");
    desk.press("a right esc right enter");
    assert!(matches!(desk.last(), Command::AddProvider { .. }), "{:?}", desk.last());
}

#[test]
fn the_change_can_be_looked_at_before_it_is_saved() {
    let mut desk = desk();
    desk.press("a right ctrl-o");
    assert!(matches!(desk.last(), Command::PreviewEdit { id: None, .. }));
    let difference = "@@ -1 +1,3 @@\n providers:\n+  - id: llama_cpp\n+    type: llama_cpp\n".to_owned();
    desk.answer(Reply::Edited(EditReport { file: "ai_models.yaml".into(), difference, ..EditReport::default() }));
    desk.shows("Change of ai_models.yaml").shows("+  - id: llama_cpp").press("esc").shows("New provider");
}

#[test]
fn a_refused_save_keeps_the_form_and_marks_the_field() {
    let mut desk = desk();
    desk.press("a right ctrl-s");
    desk.answer(Reply::Refused(Refusal {
        message: "the address is not allowed".into(),
        remedy: "use https".into(),
        exit: 3,
        issues: vec![issue("endpoint", "it must be https")],
        difference: None,
    }));
    desk.shows("New provider").shows("[x] it must be https").shows("not saved: the address is not allowed; use https");
}

#[test]
fn a_file_that_changed_meanwhile_is_shown_and_both_works_can_be_kept() {
    let mut desk = desk();
    desk.press("a right ctrl-s");
    desk.answer(Reply::Refused(Refusal {
        message: "the file changed on disk".into(),
        remedy: String::new(),
        exit: 3,
        issues: Vec::new(),
        difference: Some("   - id: box\n+    enabled: true".into()),
    }));
    desk.shows("The file changed on disk").shows("│    - id: box").shows("│ +    enabled: true").press("right enter");
    assert_eq!(desk.last(), Command::ConfigReload);
    desk.answer(Reply::Done);
    assert!(matches!(desk.last(), Command::AddProvider { .. }), "{:?}", desk.last());
}

#[test]
fn the_help_of_a_field_is_whole_on_a_usual_terminal() {
    let mut desk = desk();
    let screen = desk.press("a").screen(80, 24);
    assert!(screen.contains("OpenAI-compatible works with most."), "{screen}");
    assert!(screen.contains("Connection"), "{screen}");
}

#[test]
fn after_a_change_on_disk_one_s_own_can_be_dropped() {
    let mut desk = desk();
    desk.press("a right ctrl-s");
    let changed = Reply::refused(3, "the file changed on disk", "");
    let Reply::Refused(refusal) = changed else { panic!("no refusal") };
    desk.answer(Reply::Refused(Refusal { difference: Some("+ x".into()), ..refusal }));
    let before = desk.commands().len();
    desk.press("3").hides("New provider").hides("The file changed on disk");
    assert_eq!(desk.commands().len(), before);
}

#[test]
fn a_saved_form_closes_on_its_provider() {
    let mut desk = desk();
    desk.press("j e tab tab").type_in("Big box").press("ctrl-s");
    let report =
        EditReport { file: "/x/ai_models.yaml".into(), lines_changed: 1, written: true, ..EditReport::default() };
    desk.answer(Reply::Edited(report)).hides("Edit workstation").shows("Saved ai_models.yaml, 1 line. U undoes.");
    desk.press("t");
    assert_eq!(desk.last(), Command::Probe { which: ProbeWhich::One("workstation".into()), anew: true });
}

// ---- doctor

#[test]
fn on_a_low_screen_the_step_that_failed_and_what_to_do_can_be_seen() {
    let mut desk = desk();
    desk.press("G D").answer(Reply::Tested(refused_key()));
    let screen = desk.screen(40, 10);
    assert!(screen.contains("[x]  auth"), "{screen}");
    let mut seen = String::new();
    for _ in 0..20 {
        seen += &desk.screen(80, 24);
        desk.press("pgdn");
    }
    let last = desk.screen(80, 24);
    assert!(!last.contains("more line"), "the end can be reached: {last}");
    // From the top again, with the cursor in sight.
    desk.press("g g");
    let low = desk.screen(40, 10);
    assert!(low.lines().any(|line| line.starts_with("> [ok] address")), "{low}");
}

fn refused_key() -> TestReport {
    let mut made = report(StepState::Passed);
    let step =
        |name: &&str| Step { name: (*name).into(), state: StepState::Passed, verdict: "fine".into(), ms: Some(9) };
    made.steps = DOCTOR_STEPS.iter().map(step).collect();
    let place = made.steps.iter().position(|step| step.name == "auth").unwrap();
    for (at, step) in made.steps.iter_mut().enumerate() {
        step.state = match at.cmp(&place) {
            std::cmp::Ordering::Less => StepState::Passed,
            std::cmp::Ordering::Equal => StepState::Failed,
            std::cmp::Ordering::Greater => StepState::Skipped,
        };
    }
    made.failure = Some(Failure::new(ErrorCode::Auth, Cause::KeyRefused { status: 401 }, "401"));
    made
}

#[test]
fn an_answer_from_the_cloud_is_asked_for_only_after_a_question() {
    let mut desk = desk();
    desk.press("G D").answer(Reply::Tested(report(StepState::Passed)));
    let asked = |desk: &Desk| match desk.last() {
        Command::Diagnose { id, answer, .. } => (id.to_string(), answer),
        other => panic!("{other:?}"),
    };
    desk.press("c").shows("may cost").press("enter");
    assert_eq!(asked(&desk), ("claude".to_owned(), false));
    desk.press("c right enter");
    assert_eq!(asked(&desk), ("claude".to_owned(), true));
}

fn step_done(run: RunId, name: &str, state: StepState, verdict: &str) -> Msg {
    let step = Step { name: name.into(), state, verdict: verdict.into(), ms: Some(9) };
    Msg::Event(Box::new(Event { at: NOW, level: Level::Info, kind: EventKind::StepDone { run, step } }))
}

fn run_of(desk: &Desk) -> RunId {
    let Command::Diagnose { run, .. } = desk.last() else { panic!("{:?}", desk.last()) };
    run
}

#[test]
fn the_doctors_steps_turn_in_place_as_they_end() {
    let mut desk = desk();
    desk.press("j D");
    desk.shows("> [>]  address").shows("  [?]  answer").shows("step 1 of 10, 0 s");
    let run = run_of(&desk);
    desk.tell(step_done(run, "address", StepState::Passed, "http, port 8080"));
    desk.shows("  [ok] address   http, port 8080").shows("> [>]  DNS");
    // Another front end's run is none of this one's business.
    desk.tell(step_done(RunId(run.0 + 1), "DNS", StepState::Passed, "of somebody else"));
    desk.hides("of somebody else").wait(Duration::from_secs(3)).shows("step 2 of 10, 3 s");
    // A step that was announced while nobody listened is in the report.
    let step = |name: &str, state| Step { name: name.into(), state, verdict: "fine".into(), ms: Some(9) };
    let mut steps: Vec<Step> = ["address", "DNS"].map(|name| step(name, StepState::Passed)).into();
    let long = "connection refused: nothing listens on 192.168.1.20 port 8080, however long one waits for it";
    steps.push(Step { verdict: long.into(), ..step("TCP", StepState::Failed) });
    let failure = Some(Failure::new(ErrorCode::Network, Cause::Refused, "connection refused"));
    desk.answer(Reply::Tested(TestReport { steps, failure, ..report(StepState::Passed) }));
    desk.shows("  [ok] DNS       fine").shows("> [x]  TCP       connection refused").shows("llama-server");
    // What its column cuts stands whole below, at any size.
    let screen = desk.screen(80, 24);
    assert!(
        screen.contains("connection refused: nothing...") || screen.contains("connection refused: not"),
        "{screen}"
    );
    assert!(screen.contains("long one waits for it") && screen.contains("--host 0.0.0.0"), "{screen}");
    desk.press("k").shows("> [ok] DNS").press("y");
    let Some(Intent::Copy(text)) = desk.others.last() else { panic!("{:?}", desk.others) };
    assert!(text.starts_with("Workstation (workstation)\n[ok] address"), "{text}");
    desk.press("Y");
    let Some(Intent::Copy(text)) = desk.others.last() else { panic!("{:?}", desk.others) };
    assert!(text.starts_with("llama-server "), "{text}");
}

#[test]
fn leaving_the_doctor_or_ctrl_c_ends_its_work() {
    let mut desk = desk();
    desk.press("j D");
    let run = run_of(&desk);
    desk.press("ctrl-c");
    assert_eq!(desk.last(), Command::StopDiagnosis { run });
    assert_eq!(desk.others, [], "lmdeck itself goes on");
    let (ticket, _) = desk.asked[desk.asked.len() - 2].clone();
    let failure = Some(Failure::cancelled());
    let stopped = TestReport { steps: Vec::new(), failure, ..report(StepState::Passed) };
    desk.tell(Msg::Reply(ticket, Box::new(Reply::Tested(stopped))));
    desk.shows("Stopped: r takes all steps again.").hides("What to do");
    desk.press("r");
    let run = run_of(&desk);
    desk.press("esc").hides("Doctor  Workstation");
    assert_eq!(desk.last(), Command::StopDiagnosis { run });
    let before = desk.commands().len();
    desk.press("D").answer(Reply::Tested(report(StepState::Passed))).press("esc");
    assert_eq!(desk.commands().len(), before + 1, "there is nothing to stop after the end");
}

// ---- health

#[test]
fn health_shows_states_figures_charts_and_what_to_do() {
    let mut desk = desk();
    desk.press("2");
    desk.shows("2 up, 1 degraded, 1 down, 1 unauthorized")
        .shows("[x]  down            Workstation   connection refused")
        .shows("1 of 4  99.8%")
        .shows("LM Studio  probe latency")
        .shows("Open incidents 3")
        .shows("3 calls moved");
    let small = desk.screen(80, 24);
    assert!(small.contains("3 open: i") && small.contains("down: connection"), "{small}");
    assert!(desk.screen(60, 20).contains("\u{2588}\u{2588}\u{2588}"), "no timeline at 60x20");
    assert!(desk.press("i").screen(80, 24).contains("Open incidents 3"));
    desk.shows("Health 3 of 5, with open incidents").press("esc").shows("Health 5");
}

#[test]
fn one_probe_moves_the_gap_and_no_other_column() {
    let mut desk = desk();
    desk.press("2");
    let before = desk.screen(120, 40);
    let probed = with_provider(evening(), "lm_studio", |p| {
        let at = p.history.back().unwrap().at.plus(Duration::from_secs(30));
        p.history.push_back(ProbePoint { at, latency_ms: None, state: State::Down });
    });
    desk.tell(Msg::Snapshot(Arc::new(probed)));
    let after = desk.screen(120, 40);
    let timeline = |screen: &str| {
        let line = screen.lines().rfind(|line| line.starts_with("  LM Studio    ")).unwrap().to_owned();
        line.chars().collect::<Vec<_>>()
    };
    let (before, after) = (timeline(&before), timeline(&after));
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(changed <= 3, "{changed} columns changed");
    assert!(after.contains(&'\u{2588}'));
}

#[test]
fn enter_leads_from_health_to_the_provider() {
    let mut desk = desk();
    desk.press("2 j enter").shows("[1 Providers]").shows("\u{2501} Workstation");
}

// ---- first run, broken file

#[test]
fn the_first_page_offers_what_was_found_and_how_to_begin() {
    let mut desk = Desk::new(first_run());
    desk.shows("Welcome").shows("no configuration yet").shows("type or paste").shows("The first save writes /home/ada");
    desk.answer(Reply::Discovered(vec![
        found(Kind::LmStudio, "http://127.0.0.1:1234"),
        Found { answered: false, note: "nothing there".into(), ..found(Kind::LlamaCpp, "http://127.0.0.1:8080") },
    ]));
    desk.shows("[ok] LM Studio").shows("enter adds").hides("llama.cpp").shows("Or a vendor in the cloud");
    for (width, height) in [(80, 24), (60, 20), (40, 10)] {
        assert!(desk.screen(width, height).contains("LM Studio"));
    }
    desk.press("enter").shows("New provider").shows("http://127.0.0.1:1234").press("esc esc");
    desk.press("A");
    let Command::AddProvider { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.id.as_str(), draft.endpoint.as_str()), ("lm_studio", "http://127.0.0.1:1234"));
}

#[test]
fn on_the_smallest_screen_the_first_page_keeps_its_footer_and_the_row_with_the_cursor() {
    let mut desk = Desk::new(first_run());
    desk.answer(Reply::Discovered(Vec::new()));
    desk.press("j j j");
    let smallest = desk.screen(40, 10);
    let (footer, row) = (smallest.lines().last().unwrap(), smallest.lines().rfind(|line| line.contains("OpenRouter")));
    assert!(footer.starts_with(" enter begin  ") && footer.ends_with("? help"), "{smallest}");
    assert!(row.is_some_and(|row| row.starts_with("  > ")), "{smallest}");
    let narrow = desk.screen(60, 20);
    assert!(narrow.contains("lmdeck demo needs no server and no key"), "{narrow}");
}

#[test]
fn the_first_form_has_the_whole_screen() {
    let mut desk = Desk::new(first_run());
    desk.answer(Reply::Discovered(Vec::new()));
    desk.press("enter").shows("\u{2501} New provider \u{2501}").hides("Welcome").hides("Found on this machine");
}

#[test]
fn what_is_offered_again_after_a_delete_is_looked_at_anew() {
    let mut desk = Desk::new(evening());
    let known = Found { configured_as: Some("lm_studio".into()), ..found(Kind::LmStudio, "http://127.0.0.1:1234") };
    desk.answer(Reply::Discovered(vec![known]));
    let before = desk.asked.len();
    let mut without = evening();
    Arc::make_mut(&mut without.providers).retain(|provider| provider.id.as_str() != "lm_studio");
    desk.tell(Msg::Snapshot(Arc::new(without)));
    let looks = desk.asked[before..].iter().filter(|(_, command)| *command == Command::Discover).count();
    assert_eq!(looks, 1, "{:?}", desk.asked);
}

#[test]
fn a_program_that_is_no_model_server_is_told_and_not_offered() {
    let mut desk = Desk::new(first_run());
    let note = "another program holds this port (nginx), no model server";
    let stranger = Found { answered: false, note: note.into(), ..found(Kind::LlamaCpp, "http://127.0.0.1:8080") };
    desk.answer(Reply::Discovered(vec![stranger]));
    desk.shows("127.0.0.1:8080     another program holds this port (nginx)").hides("enter adds").hides("llama.cpp");
    desk.press("A").shows("no server was found: f looks again");
}

#[test]
fn with_nothing_found_enter_leads_through_a_vendors_form_to_a_first_prompt() {
    let mut desk = Desk::new(first_run());
    let nothing =
        Found { answered: false, note: "nothing there".into(), ..found(Kind::LmStudio, "http://127.0.0.1:1234") };
    desk.answer(Reply::Discovered(vec![nothing]));
    desk.shows("no server answers on ports 1234").shows("lms server start --port 1234");
    let small = desk.screen(80, 24);
    assert!(small.contains("console.anthropic.com/settings/keys ") && small.contains(" ANTHROPIC_API_KEY"), "{small}");
    assert!(!small.contains("..."), "{small}");
    desk.press("j enter").shows("< OpenAI >").shows("${OPENAI_API_KEY}").shows("https://api.openai.com/v1");
    let footer = desk.screen(80, 24).lines().last().unwrap().to_owned();
    assert!(footer.contains("ctrl-t test") && footer.contains("ctrl-s save"), "{footer}");
    // It tests by itself.
    desk.wait(Duration::from_millis(1));
    assert!(matches!(desk.last(), Command::TestProvider { answer: false, .. }), "{:?}", desk.last());
    desk.answer(Reply::Tested(report(StepState::Passed))).press("ctrl-s");
    let Command::AddProvider { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert_eq!((draft.id.as_str(), draft.kind), ("openai", Some(Kind::Openai)));
    assert!(draft.models.is_some_and(|models| models.len() == 1), "a vendor's models are chosen by name only");
    desk.answer(Reply::Edited(EditReport { lines_changed: 7, written: true, ..EditReport::default() }));
    desk.shows("[4 Playground]").shows("Say hello in one sentence.").press("enter");
    let sent = desk.others.iter().any(|intent| matches!(intent, Intent::Call(..)));
    assert!(sent, "{:?}", desk.others);
}

#[test]
fn the_buttons_of_a_question_are_chosen_with_any_arrow() {
    let mut desk = desk();
    desk.press("d").shows("> [ Keep ]");
    for (key, chosen) in [("down", "> [ Delete"), ("up", "> [ Keep"), ("right", "> [ Delete"), ("left", "> [ Keep")] {
        desk.press(key).shows(chosen);
    }
}

#[test]
fn messages_do_not_cover_what_can_be_done_about_a_broken_file() {
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.rejected = Some("timeout wants a number".into());
    config.issues = vec![issue("providers.box.timeout", "timeout wants a number")];
    let mut desk = Desk::new(snapshot);
    desk.tell(Msg::Fault("the gateway cannot listen. ".repeat(12)));
    let screen = desk.screen(80, 24);
    for line in ["  r      read it again now", "  q      quit: nothing was changed", "! lists it"] {
        assert!(screen.contains(line), "{line:?} is not on\n{screen}");
    }
    assert_eq!(screen.matches("timeout wants a number").count(), 1, "said once: {screen}");
}

fn issue(path: &str, message: &str) -> Issue {
    Issue {
        severity: Severity::Error,
        file: "ai_models.yaml".into(),
        line: Some(12),
        column: Some(5),
        path: path.into(),
        message: message.into(),
        remedy: "write a number".into(),
        text: "    timeout: soon".into(),
    }
}

#[test]
fn a_broken_file_opens_on_its_error_and_offers_the_editor() {
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.rejected = Some("1 error".into());
    config.issues = vec![issue("providers.box.timeout", "timeout wants a number")];
    let mut desk = Desk::new(snapshot);
    desk.shows("ai_models.yaml cannot be used")
        .shows("line 12, column 5: timeout wants a number")
        .shows("timeout: soon");
    desk.press("e");
    let Some(Intent::Edit(file)) = desk.others.last().cloned() else { panic!("{:?}", desk.others) };
    assert!(file.ends_with("ai_models.yaml"));
    desk.tell(Msg::Edited(Ok(())));
    assert_eq!(desk.last(), Command::ConfigReload);
    desk.tell(Msg::Snapshot(Arc::new(evening()))).hides("cannot be used").shows("Providers 5");
}

#[test]
fn every_error_of_a_broken_file_can_be_read_on_a_small_screen() {
    let mut snapshot = spoiled(Some(NOW), false);
    let config = Arc::make_mut(&mut snapshot.config);
    config.issues = (1..=20).map(|n| issue("providers", &format!("error number {n}"))).collect();
    for (width, height) in [(80, 24), (40, 10)] {
        let mut desk = Desk::new(snapshot.clone());
        let first = desk.screen(width, height);
        assert!(first.contains("more lines"), "{first}");
        assert!(height == 10 || first.contains("error number 1\n"), "{first}");
        desk.press("G");
        let last = desk.screen(width, height);
        // The last error with what to do about it.
        assert!(last.contains("write a number") && !last.contains("more lines"), "{last}");
        if height > 10 {
            assert!(last.contains("error number 20"), "{last}");
        }
    }
}

#[test]
fn a_broken_file_shows_the_keys_that_are_in_force() {
    let mut snapshot = spoiled(Some(NOW), false);
    let config = Arc::make_mut(&mut snapshot.config);
    config.ui.keys.insert("broken.reload".into(), "X".into());
    config.ui.keys.insert("help.keys".into(), "H".into());
    let mut desk = Desk::new(snapshot);
    desk.shows("  X      read it again now").press("esc").shows("H help");
}

#[test]
fn a_broken_file_can_be_left_alone_and_opened_later() {
    let mut snapshot = first_run();
    let config = Arc::make_mut(&mut snapshot.config);
    config.file = Some("/x/ai_models.yaml".into());
    config.rejected = Some("not valid YAML".into());
    config.issues = vec![issue("providers.box.timeout", "timeout wants a number")];
    config.first_run = false;
    let mut desk = Desk::new(snapshot.clone());
    desk.press("esc").hides("ai_models.yaml cannot be used").shows("are none: E opens it").shows("line 12:");
    desk.press("E");
    assert_eq!(desk.others.last(), Some(&Intent::Edit("/x/ai_models.yaml".into())));
    let mut leaving = Desk::new(snapshot);
    leaving.press("q");
    assert_eq!(leaving.others.last(), Some(&Intent::Quit));
    let mut fresh = Desk::new(first_run());
    fresh.press("E").shows("there is no file yet");
}

// ---- always

#[test]
fn every_screen_and_layer_draws_at_every_size() {
    for snapshot in [evening(), first_run(), spoiled(Some(NOW), false), spoiled(None, true)] {
        for keys in ["", "enter", "2", "2 i", "a", "e", "D", "?", "!", "d", "/", "C", "C enter", "B"] {
            let mut desk = Desk::new(snapshot.clone());
            desk.press(keys);
            desk.tell(Msg::Fault("something long enough to wrap over more than one row of a narrow terminal".into()));
            for (width, height) in SIZES {
                desk.screen(width, height);
            }
        }
    }
}

/// A key a person could press.
fn any_key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "j",
        "k",
        "g",
        "G",
        "h",
        "l",
        "1",
        "2",
        "[",
        "]",
        "tab",
        "shift-tab",
        "enter",
        "esc",
        "space",
        "/",
        "?",
        "!",
        "a",
        "e",
        "d",
        "t",
        "D",
        "p",
        "n",
        "u",
        "U",
        "R",
        "f",
        "y",
        "w",
        "s",
        "i",
        "r",
        "c",
        "A",
        "up",
        "down",
        "left",
        "right",
        "backspace",
        "ctrl-s",
        "ctrl-o",
        "ctrl-t",
        "ctrl-u",
        "ctrl-l",
        "ctrl-c",
        "f1",
        "x",
        "0",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_keys_at_any_size_make_it_fall(
        keys in prop::collection::vec(any_key(), 0..60),
        size in prop::sample::select(SIZES.to_vec()),
        fresh in any::<bool>(),
    ) {
        let mut desk = Desk::new(if fresh { first_run() } else { evening() });
        for (n, key) in keys.iter().enumerate() {
            desk.key(key);
            if n % 3 == 0 {
                desk.screen(size.0, size.1);
            }
            if n % 7 == 0 {
                desk.answer(Reply::refused(1, "no", "try again"));
                desk.wait(Duration::from_millis(500));
            }
        }
        desk.screen(size.0, size.1);
    }

    #[test]
    fn a_pasted_text_makes_no_command(text in "(?s).{0,200}") {
        let mut desk = desk();
        desk.press("a tab");
        let before = desk.commands().len();
        desk.paste(&text);
        prop_assert_eq!(desk.commands().len(), before);
        desk.screen(80, 24);
    }
}

// ---- models of a provider

fn load(model: &str) -> Command {
    Command::LoadModel { provider: "lm_studio".into(), model: model.into(), context: None }
}

#[test]
fn l_loads_the_model_under_the_cursor_and_u_unloads_it() {
    let mut desk = desk();
    // Two could be loaded: the first l only goes to them.
    let before = desk.commands().len();
    desk.press("l").shows("> on disk    aquif-3.5-max");
    assert_eq!(desk.commands().len(), before);
    desk.press("l");
    assert_eq!(desk.last(), load("aquif-3.5-max-42b-a3b-i1"));
    desk.press("k u");
    let unload = Command::UnloadModel { provider: "lm_studio".into(), model: "openai_gpt-oss-120b-neo".into() };
    assert_eq!(desk.last(), unload);
    desk.press("l").shows("openai_gpt-oss-120b-neo is loaded already: u unloads it");
    assert_eq!(desk.last(), unload);
    // From the list, the only loaded one is meant.
    desk.press("esc u");
    assert_eq!(desk.last(), unload);
}

#[test]
fn a_server_that_cannot_load_says_how_its_models_are_loaded() {
    let mut desk = desk();
    let before = desk.commands().len();
    desk.press("j l").shows("llama-server holds the model it was started with");
    desk.press("j u").shows("its vendor runs the models");
    assert_eq!(desk.commands().len(), before);
}

#[test]
fn m_makes_the_model_under_the_cursor_the_active_target_and_the_provider_from_the_list() {
    let mut desk = desk();
    desk.press("m");
    assert_eq!(desk.last(), Command::UseTarget { choice: ActiveChoice::Provider("lm_studio".into()) });
    desk.press("enter j m");
    let target = Target::new("lm_studio", "aquif-3.5-max-42b-a3b-i1");
    assert_eq!(desk.last(), Command::UseTarget { choice: ActiveChoice::Target(target) });
}

#[test]
fn what_loads_is_shown_against_the_time_it_took_before_second_by_second() {
    let loading = with_provider(evening(), "lm_studio", |view| {
        view.loading.push(LoadingView {
            model: "aquif-3.5-max-42b-a3b-i1".into(),
            since: ago(34_000),
            last_ms: Some(41_000),
            unloading: false,
            by_call: false,
        });
    });
    let mut desk = Desk::new(loading);
    desk.shows("aquif-3.5-max-42b-a3b-i1: loading 34 s, last time 41 s").shows("  loading    aquif-3.5-max");
    desk.wait(Duration::from_secs(1)).shows("loading 35 s, last time 41 s");
}

#[test]
fn slots_queue_memory_and_another_kind_are_told_in_the_detail() {
    let busy = with_provider(evening(), "lm_studio", |view| {
        view.health.activity.queued = Some(3);
        view.health.activity.kv_cache_permille = Some(431);
        view.health.activity.memory_bytes = Some(6_700_000_000);
        view.health.version = Some("0.4.25".into());
        view.health.jit = Some(false);
        view.health.looks_like = Some(Kind::Vllm);
    });
    let mut desk = Desk::new(busy);
    for text in [
        "1 of 4 busy, 3 wait",
        "6.7 GB by loaded models, room for contexts 43 % full",
        "version 0.4.25, interface v1, does not load models on demand",
        "127.0.0.1 port 1234 is vLLM, not LM Studio. If that is what you want:",
        "lmdeck providers edit lm_studio --type vllm",
    ] {
        desk.shows(text);
    }
    desk.press("2").shows("1 of 4 +3");
}

#[test]
fn health_tells_the_share_of_memory_where_a_server_tells_no_more() {
    let shares = with_provider(evening(), "lm_studio", |view| {
        view.health.activity.memory_bytes = None;
        view.health.activity.kv_cache_permille = Some(431);
    });
    let mut desk = Desk::new(shares);
    desk.press("2");
    let wide = screen(&desk.app, 200, 60);
    let row = wide.lines().find(|line| line.contains("LM Studio")).unwrap();
    assert!(wide.contains("memory") && row.contains(" 43 % "), "{wide}");
}

#[test]
fn a_long_table_of_models_keeps_the_chosen_row_in_sight() {
    let many = with_provider(evening(), "lm_studio", |view| {
        view.models = (0..500).map(|n| model(&format!("zoo-{n:03}"), Some(false))).collect();
    });
    let mut desk = Desk::new(many);
    desk.press("enter G").shows("> on disk    zoo-499");
    desk.press("g g").shows("> on disk    zoo-000");
    for _ in 0..40 {
        desk.press("j");
    }
    desk.shows("> on disk    zoo-040");
    let narrow = desk.screen(80, 24);
    assert!(narrow.contains("zoo-040") || desk.press("j").screen(80, 24).contains("> on disk    zoo-041"), "{narrow}");
}

// ---- the last good version, other programs, reports

fn spoiled(last_good: Option<UnixMs>, on_last_good: bool) -> Snapshot {
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.rejected = Some("1 error".into());
    config.issues = vec![issue("providers.box.timeout", "timeout wants a number")];
    config.last_good = last_good;
    config.on_last_good = on_last_good;
    snapshot
}

#[test]
fn a_broken_file_offers_its_last_good_version_the_difference_and_putting_it_back() {
    use lmdeck::engine::protocol::LastGoodAct;
    let mut desk = Desk::new(spoiled(Some(UnixMs(NOW.0 - 14 * 60_000)), false));
    desk.shows("run with its last good version, kept 14 min ago").shows("stays beside it as .broken");
    desk.press("d");
    assert_eq!(desk.last(), Command::LastGood { act: LastGoodAct::Compare });
    let report =
        EditReport { difference: "-  queue: many\n+  queue: 7\n".into(), lines_changed: 1, ..EditReport::default() };
    desk.answer(Reply::Edited(report)).shows("What putting it back would change").shows("+  queue: 7");
    desk.press("q").shows("cannot be used").press("g");
    assert_eq!(desk.last(), Command::LastGood { act: LastGoodAct::Run });
    desk.tell(Msg::Snapshot(Arc::new(spoiled(Some(UnixMs(NOW.0 - 14 * 60_000)), true))));
    desk.answer(Reply::Done).hides("cannot be used").shows("LAST GOOD RUNS").shows("F leads back to the file");
    assert!(desk.screen(80, 24).contains("LAST GOOD RUNS"));
    desk.press("F").shows("go on with the last good version").hides("run with its last good version");
    desk.press("g").shows("the last good version runs already");
    desk.press("P");
    assert_eq!(desk.last(), Command::LastGood { act: LastGoodAct::PutBack });
    let note =
        Issue { severity: Severity::Note, message: "the file as it was is kept as a.broken".into(), ..issue("", "") };
    let report = EditReport { written: true, issues: vec![note], ..EditReport::default() };
    desk.tell(Msg::Snapshot(Arc::new(evening())));
    desk.answer(Reply::Edited(report)).hides("cannot be used").shows("U takes that back").shows("kept as a.broken");
}

#[test]
fn without_a_good_version_only_the_editor_helps_and_a_refusal_is_said() {
    let mut desk = Desk::new(spoiled(None, false));
    desk.hides("last good version,").press("g").shows("no earlier version of this file is known to be good");
    assert!(desk.commands().iter().all(|command| !matches!(command, Command::LastGood { .. })));
    let mut desk = Desk::new(spoiled(Some(NOW), false));
    desk.press("g").answer(Reply::refused(3, "no version is kept that can be used", "mend it")).shows("mend it");
    desk.shows("cannot be used");
    let mut fine = Desk::new(evening());
    fine.press("F").shows("nothing is wrong with it");
}

#[test]
fn with_readonly_the_file_is_not_put_back_and_its_good_version_still_runs() {
    use lmdeck::engine::protocol::LastGoodAct;
    let mut desk = Desk::with(spoiled(Some(NOW), false), TuiOptions { readonly: true, ..options() });
    desk.press("P").shows("read-only: started with --readonly");
    desk.press("g");
    assert_eq!(desk.last(), Command::LastGood { act: LastGoodAct::Run });
}

#[test]
fn the_lines_for_another_program_are_chosen_shown_and_copied_without_the_words_about_them() {
    let mut desk = Desk::new(evening());
    desk.press("C").shows("Connect a program").press("d s p enter").shows("import dspy");
    desk.shows("http://127.0.0.1:4141/v1").shows("lmdeck connect dspy");
    for line in desk.screen(80, 24).lines().filter(|line| line.starts_with("  ")) {
        assert!(!line.contains("..."), "cut: {line}");
    }
    desk.press("y");
    let Some(Intent::Copy(copied)) = desk.others.last() else { panic!("{:?}", desk.others) };
    assert!(copied.starts_with("import dspy\n") && !copied.contains("In Python:"), "{copied}");
    desk.press("q").hides("import dspy").shows("Providers 5");
}

#[test]
fn a_report_is_put_together_shown_and_copied() {
    use lmdeck::engine::protocol::{CallPage, ReportParts};
    let mut desk = Desk::new(evening());
    desk.press("B").shows("Report for a bug");
    assert!(matches!(desk.last(), Command::ReadLog { .. }));
    desk.answer(Reply::Log(Vec::new()));
    assert!(matches!(desk.last(), Command::ListCalls { .. }));
    desk.answer(Reply::Calls(CallPage::default()));
    let Command::Report { draft } = desk.last() else { panic!("{:?}", desk.last()) };
    assert!(draft.contains("- workstation (llama_cpp, network)"), "{draft}");
    let parts = ReportParts { draft, system: "Linux".into(), ..ReportParts::default() };
    desk.answer(Reply::Report(Box::new(parts))).shows("# lmdeck report").shows("no key is in it");
    desk.press("y");
    assert!(matches!(desk.others.last(), Some(Intent::Copy(text)) if text.contains("## Providers")));
    desk.press("esc").shows("Providers 5");
}

// ---- proposals

#[test]
fn a_letter_takes_the_place_of_what_is_only_proposed() {
    let mut desk = desk();
    desk.press("a tab").type_in("gpu").press("tab tab").type_in("http://127.0.0.1:8081").press("tab");
    desk.shows("Id *        gpu").shows("http://127.0.0.1:8081").hides("1234http").hides("lm_studio_2gpu");
}

#[test]
fn a_deletion_edits_the_proposal() {
    let mut desk = desk();
    desk.press("a tab tab tab backspace").type_in("5").shows("http://127.0.0.1:1235");
}

// ---- many models

#[test]
fn in_the_details_the_filter_narrows_the_models() {
    let many = with_provider(evening(), "lm_studio", |view| {
        view.models = (0..500).map(|n| model(&format!("zoo-{n:03}"), Some(false))).collect();
    });
    let mut desk = Desk::new(many);
    desk.press("enter /").type_in("zoo-04").shows("10 of 500 models").hides("zoo-050").shows("Providers 5");
    desk.press("enter G").shows("> on disk    zoo-049");
    // esc clears it, a second one leaves the details.
    desk.press("esc")
        .shows("zoo-020")
        .hides("of 500 models")
        .shows("\u{2501} LM Studio")
        .press("esc")
        .shows("\u{2501} Providers 5");
    desk.press("enter /").type_in("nothing-like-it").shows("No model holds this text: esc clears it.");
    let narrow = desk.screen(80, 24);
    assert!(narrow.contains("0 of 500 models"), "{narrow}");
}
