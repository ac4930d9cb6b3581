//! What the frame gives every place: the palette and its command lines, the filter, jumping by letter, what may
//! follow a first key, the messages, the clipboard and the person's editor.

use super::support::dashboard::{SIZES, Typing, options, picture, screen};
use super::support::snapshot::{NOW, ago, evening, health_event, model, provider, with_provider};
use clap::Parser as _;
use lmdeck::cli::args::Cli;
use lmdeck::cli::parity::verb_for;
use lmdeck::domain::health::State;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::rate::{RateUnit, RateWindow};
use lmdeck::engine::protocol::{
    Command, CommandName, PlanLeft, PlanView, ProbeWhich, Reply, Snapshot, WarmStanding, WarmView,
};
use lmdeck::tui::msg::{Intent, Msg};
use lmdeck::tui::told::Heard;
use lmdeck::tui::{App, TuiOptions};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

struct Desk {
    app: App,
    asked: Vec<Command>,
    others: Vec<Intent>,
}

impl Desk {
    fn new() -> Self {
        Self::with(evening(), options())
    }

    fn with(snapshot: Snapshot, options: TuiOptions) -> Self {
        let mut desk = Self { app: App::new(Arc::new(snapshot), options, NOW), asked: Vec::new(), others: Vec::new() };
        let first = desk.app.start();
        desk.take(first);
        desk.asked.clear();
        desk
    }

    fn take(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                // The servers found, where they were asked for.
                Intent::Ask(ticket, Command::Discover) => {
                    self.tell(Msg::Reply(ticket, Box::new(Reply::Discovered(Vec::new()))));
                }
                Intent::Ask(_, command) => self.asked.push(command),
                other => self.others.push(other),
            }
        }
    }

    fn screen(&self) -> String {
        screen(&self.app, 120, 40)
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

    /// The row with the cursor.
    #[track_caller]
    fn chosen(&self) -> String {
        let screen = self.screen();
        let row = screen.lines().find(|line| line.starts_with('>'));
        row.unwrap_or_else(|| panic!("no row is chosen on\n{screen}")).to_owned()
    }

    fn copied(&self) -> Option<&str> {
        self.others.iter().rev().find_map(|intent| match intent {
            Intent::Copy(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, NOW);
        self.take(intents);
        self
    }
}

/// Providers with very many models.
fn crowd(providers: usize, models: usize) -> Snapshot {
    let mut snapshot = evening();
    let of = |n: usize| {
        let mut view =
            provider(&format!("box{n:03}"), &format!("Box {n:03}"), Kind::OpenaiCompatible, "http://127.0.0.1:9");
        view.models = (0..models).map(|m| model(&format!("vendor-{n}/model-{m:03}-instruct"), None)).collect();
        Arc::new(view)
    };
    snapshot.providers = Arc::new((0..providers).map(of).collect());
    snapshot
}

// ---- the palette

#[test]
fn the_palette_takes_what_is_typed_ahead_and_runs_it() {
    let mut desk = Desk::new();
    desk.press(":").type_in("probe all").shows("━ Commands ━").shows("lmdeck probe");
    desk.press("enter").hides("━ Commands ━");
    assert_eq!(desk.asked, [Command::Probe { which: ProbeWhich::All, anew: true }]);
    // The one that was run stands first the next time, under its heading.
    desk.press(":").shows("recent");
    assert!(desk.chosen().contains("providers: probe all"), "{}", desk.chosen());
}

#[test]
fn letters_in_their_order_are_enough_and_the_key_stands_beside() {
    let mut desk = Desk::new();
    desk.press(":").type_in("prtest");
    let row = desk.chosen();
    assert!(row.contains("providers: test") && row.contains(" t ") && row.contains("one free probe now"), "{row}");
    desk.shows("lmdeck probe lm_studio");
}

#[test]
fn a_command_with_a_name_acts_from_any_tab() {
    let mut desk = Desk::new();
    desk.press("5 :").type_in("pause zai").press("enter");
    assert!(matches!(desk.asked.last(), Some(Command::Pause { id, paused: true }) if id.as_str() == "zai"));
    desk.press(":").type_in("strategy: cost").shows("lmdeck routes strategy cost_optimized").press("enter");
    assert_eq!(desk.asked.last(), Some(&Command::SetStrategy { strategy: "cost_optimized".into() }));
    desk.press("g t").shows(": use target").type_in("zai").press("enter");
    assert!(matches!(desk.asked.last(), Some(Command::UseTarget { .. })), "{:?}", desk.asked);
    desk.press("g p").type_in("workst").press("enter").shows("━ Workstation");
}

#[test]
fn what_cannot_run_now_says_why_and_does_not_run() {
    let mut desk = Desk::with(
        with_provider(evening(), "zai", |view| view.enabled = false),
        TuiOptions { readonly: true, ..options() },
    );
    desk.press(":").type_in("strategy: quality").shows("not now: read-only: started with --readonly").press("enter");
    assert!(desk.asked.is_empty());
    desk.shows("strategy: quality_optimized: read-only").shows("━ Commands ━");
    desk.press("esc").type_in("test zai").shows("not now: Z.AI GLM is off");
    desk.press("esc").type_in("form: save").shows("not now: only in: form");
}

#[test]
fn an_act_of_another_tab_opens_its_tab_first() {
    let mut desk = Desk::new();
    desk.press(":").type_in("calls: log").press("enter").shows("Application log");
    desk.press("esc").shows("[5 Telemetry]");
}

#[test]
fn tab_fills_in_the_name_and_ctrl_y_copies_the_line() {
    let mut desk = Desk::new();
    desk.press(":").type_in("doctor work").press("tab").shows(": doctor workstation");
    desk.press("ctrl-y");
    assert_eq!(desk.copied(), Some("lmdeck providers doctor workstation"));
    desk.shows("the command line sent to the terminal's clipboard.").shows("OSC 52");
    desk.press("esc esc g y").shows("Copied: the command line").shows("lmdeck providers doctor workstation");
    desk.press("esc :").type_in("suspend").shows("no command line does the same");
}

#[test]
fn it_opens_from_a_text_field_and_over_a_layer_with_what_works_there() {
    let mut desk = Desk::new();
    desk.press("4").type_in("a prompt").press("ctrl-p").shows("━ Commands ━");
    desk.type_in("prompt: target").press("enter").shows("Target");
    desk.press("esc esc 1 a ctrl-p").type_in("form: leave").press("enter").hides("New provider");
    desk.press("a ctrl-p").type_in("providers: delete").shows("not now: only in: providers").press("esc esc");
}

#[test]
fn every_command_line_is_one_that_the_command_line_takes() {
    let mut odd = evening();
    Arc::make_mut(&mut odd.routing).rules.request_orders.push(("it's; -rf".into(), vec!["zai".into()]));
    Arc::make_mut(&mut odd.routing).rules.request_orders.push(("--remove".into(), vec!["zai".into()]));
    let mut seen = 0;
    for tab in ["1", "2", "3", "4 esc", "5"] {
        let mut desk = Desk::with(odd.clone(), options());
        desk.press(tab);
        for (title, line) in desk.app.command_lines() {
            let Some(line) = line else { continue };
            let words = shell_words(&line);
            if let Err(why) = Cli::try_parse_from(&words) {
                assert_eq!(why.kind(), clap::error::ErrorKind::DisplayHelp, "{title}: {line}: {why}");
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// As a shell takes a line apart, for the quotes that are used here.
fn shell_words(line: &str) -> Vec<String> {
    let output = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_has_a_verb_and_a_key_has_the_verb_as_its_line() {
    let mut desk = Desk::with(with_provider(evening(), "zai", |view| view.enabled = false), options());
    let mut lines = desk.app.command_lines();
    // A rule, then an order.
    lines.extend(desk.press("3").app.command_lines());
    lines.extend(desk.press("j").app.command_lines());
    lines.extend(desk.press("5").app.command_lines());
    let form_or_layer = [
        // Their line depends on what the form holds, or is that of the act which leads there.
        CommandName::TestProvider,
        CommandName::CountTokens,
        CommandName::AddProvider,
        CommandName::PreviewEdit,
        CommandName::EditProvider,
        CommandName::SetOrder,
        CommandName::EditPreset,
        // The condition is the editor's.
        CommandName::CheckCondition,
        CommandName::ConfigSet,
        // Of a call that is chosen, of which there is none here.
        CommandName::GetCall,
    ];
    for command in CommandName::ALL.into_iter().filter(|name| !form_or_layer.contains(name)) {
        if let (Ok(_), Ok(verb)) = (lmdeck::tui::parity::action_for(command), verb_for(command)) {
            let start = format!("lmdeck {verb}");
            assert!(
                lines.iter().any(|(_, line)| line.as_ref().is_some_and(|line| line.starts_with(&start))),
                "{command:?}: no entry of the palette says {start}"
            );
        }
    }
}

// How fast that is stands in tests/measure/figures: a time measured here would be the machine's.
#[test]
fn one_of_ten_thousand_models_is_found_by_typing() {
    let mut desk = Desk::with(crowd(20, 500), options());
    desk.press("g t").shows("of 10").type_in("box019/model 499");
    desk.shows("1 of 10").shows("use target box019/vendor-19/model-499-instruct").press("enter");
    assert!(
        matches!(desk.asked.last(), Some(Command::UseTarget { choice }) if choice.to_string() == "box019/vendor-19/model-499-instruct")
    );
}

// ---- jumping, and what may follow a first key

#[test]
fn a_letter_on_every_pane_leads_there() {
    let mut desk = Desk::new();
    desk.press(";");
    let rule = desk.screen().lines().nth(2).unwrap().to_owned();
    assert!(rule.starts_with('a') && rule.contains("┬s"), "{rule}");
    desk.shows("a list  s details  1 to 5 tabs");
    desk.press("s").shows("━ LM Studio");
    desk.press("; a").shows("━ Providers 5 ━");
    // Any other key means what it always means.
    desk.press("; 3").shows("[3 Routing]").press("; s").shows("━ Try it");
    desk.press("4 esc ; a").type_in("x").shows("x");
}

#[test]
fn after_a_first_key_the_footer_lists_what_may_follow() {
    let mut desk = Desk::new();
    desk.press("g");
    let wide = screen(&desk.app, 200, 60);
    let footer = wide.lines().last().unwrap();
    assert!(footer.contains("g g first  g p go to a provider by name  g t choose the active target"), "{footer}");
    let narrow = screen(&desk.app, 80, 24);
    for row in ["━ What may follow ━", "  g p go to a provider by name", "  g y show what was copied last"] {
        assert!(narrow.contains(row), "no {row}\n{narrow}");
    }
    desk.press("g").hides("g p go to");
}

// ---- the filter

#[test]
fn every_list_is_narrowed_by_the_same_keys() {
    for (open, text, there, gone) in [
        ("1", "cla", "Claude", "Z.AI"),
        ("3", "teach", "teaching_generation", "long-prompts"),
        ("?", "paus", "no probes and no calls", "the tab to the right"),
    ] {
        let mut desk = Desk::new();
        desk.press(open).press("/").type_in(text).shows(there);
        let rows = |desk: &Desk| {
            desk.screen()
                .lines()
                .skip(3)
                .map(|row| row.chars().take(44).collect::<String>())
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert!(!rows(&desk).contains(gone), "{open}: {gone} is on\n{}", desk.screen());
        desk.press("enter").shows(&format!("/ {text}"));
        desk.press("esc");
        assert!(rows(&desk).contains(gone) || open == "?", "{open}: {gone} did not come back\n{}", desk.screen());
    }
}

#[test]
fn n_goes_round_the_matches_while_a_filter_is_kept() {
    let mut desk = Desk::new();
    desk.press("/").type_in("up").press("enter");
    let first = desk.chosen();
    desk.press("n");
    let second = desk.chosen();
    assert_ne!(first, second);
    desk.press("N");
    assert_eq!(desk.chosen(), first);
    desk.press("N n");
    assert_eq!(desk.chosen(), first);
    // Without a filter the key looks for trouble again.
    desk.press("esc n").shows("━ Providers 5");
    assert!(desk.chosen().contains("Workstation"), "{}", desk.chosen());
}

#[test]
fn a_paste_into_an_open_filter_is_one_edit() {
    let mut desk = Desk::new();
    desk.press("/").tell(Msg::Input(lmdeck::tui::input::Input::Paste("Z.AI\n".into())));
    desk.shows("Providers 1 of 5").hides("New provider");
}

// ---- small rooms

#[test]
fn esc_and_the_key_after_it_in_one_packet_mean_both() {
    let mut desk = Desk::new();
    desk.press("enter").shows("━ LM Studio").press("alt-5").shows("[5 Telemetry]");
    desk.press("1").shows("━ Providers 5");
    // In a text that would be lost it is esc alone: nobody answers a question that was not on the screen.
    desk.press("a tab").type_in("x");
    for key in ["alt-1", "alt-2", "alt-3", "alt-5", "alt-l"] {
        desk.press(key).shows("Leave the form?").shows("> [ Keep editing ]").press("esc").shows("━ New provider");
    }
    desk.press("shift-tab right alt-3")
        .shows("Leave the form?")
        .press("esc")
        .shows("━ New provider")
        .shows("Id *        x");
    assert!(desk.asked.iter().all(|command| !command.changes_something()), "{:?}", desk.asked);
}

#[test]
fn a_key_with_alt_in_a_filter_or_the_palette_changes_nothing_below_it() {
    for open in ["/", ":", "enter /"] {
        for key in ["alt-space", "alt-p", "alt-u", "alt-d", "alt-m"] {
            let mut desk = Desk::new();
            desk.press(open).press(key).hides("Delete provider");
            assert_eq!(desk.asked, [], "{open} {key}");
        }
    }
}

#[test]
fn at_80_columns_the_footer_keeps_the_main_acts() {
    let mut desk = Desk::new();
    let footer = |desk: &Desk| screen(&desk.app, 80, 24).lines().last().unwrap_or_default().to_owned();
    let providers = footer(&desk);
    for hint in ["a add", "e edit", "t test", "D doctor", "space off", "l load", "/ filter", ": more", "? help"] {
        assert!(providers.contains(hint), "{hint} is not in {providers:?}");
    }
    desk.press("2");
    let health = footer(&desk);
    for hint in ["enter open", "r probe", "p pause", "D doctor", "i incidents", "/ filter", ": more", "? help"] {
        assert!(health.contains(hint), "{hint} is not in {health:?}");
    }
}

#[test]
fn at_80_columns_what_is_known_is_told_whole() {
    let desk = Desk::new();
    let narrow = screen(&desk.app, 80, 24);
    for rung in ["reachable", "key", "listed", "loaded", "answering"] {
        assert!(narrow.contains(&format!("] {rung}")), "{rung} is not on\n{narrow}");
    }
}

#[test]
fn the_help_says_whole_what_the_place_is() {
    let mut desk = Desk::new();
    desk.press("2 ?");
    let narrow = screen(&desk.app, 80, 24);
    assert!(narrow.contains("what stands right of it is") && narrow.contains("oldest."), "{narrow}");
}

#[test]
fn the_programs_to_connect_are_there_at_once() {
    let mut desk = Desk::new();
    desk.press("C").shows("DSPy").hides("There is no program");
    desk.type_in("dspy").press("enter").shows("api_base");
}

#[test]
fn the_first_page_names_the_demo() {
    let mut snapshot = evening();
    snapshot.providers = Arc::new(Vec::new());
    Arc::make_mut(&mut snapshot.config).first_run = true;
    let desk = Desk::with(snapshot, options());
    for (width, height) in [(80, 24), (120, 40)] {
        let seen = screen(&desk.app, width, height);
        assert!(seen.contains("lmdeck demo"), "{width}x{height}\n{seen}");
    }
}

// ---- messages

#[test]
fn messages_are_a_list_that_grows_counts_and_leads_somewhere() {
    let mut desk = Desk::new();
    let down = || health_event("workstation", State::Up, State::Down, None);
    desk.press("!").shows("Nothing was said yet");
    for _ in 0..4 {
        desk.tell(Msg::Event(Box::new(down())));
        desk.tell(Msg::Event(Box::new(health_event("zai", State::Down, State::Up, None))));
    }
    desk.shows("Messages 2").shows("x4 ").shows("enter: its page").shows("enter: its doctor");
    desk.press("/").type_in("workst").press("enter").shows("Messages 1 of 2");
    desk.press("enter").hides("Messages").shows("━ Doctor  Workstation");
    desk.press("esc").shows("━ Workstation");
    let told = |desk: &Desk| desk.app.top().told(&desk.app.cx());
    let mut heard = Heard::default();
    desk.press("!");
    assert_eq!(heard.news(told(&desk)).len(), 2);
    desk.tell(Msg::Event(Box::new(health_event("lm_studio", State::Up, State::Down, None))));
    let news = heard.news(told(&desk));
    assert!(news.len() == 1 && news[0].starts_with("Messages, 1 of "), "only the new one is told: {news:?}");
    desk.press("j").press("y");
    assert!(desk.copied().is_some_and(|text| text.contains("workstation") || text.contains("Workstation")));
}

#[test]
fn a_message_never_lies_over_the_row_or_the_line_in_use() {
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
        let mut desk = Desk::with(crowd(60, 1), options());
        desk.press("G");
        for n in 0..3 {
            desk.tell(Msg::Fault(format!("trouble number {n} with some more words")));
        }
        let screen = screen(&desk.app, width, height);
        assert!(screen.contains("> [?]  Box 059") || screen.contains("Box 059"), "{width}x{height}\n{screen}");
        assert!(screen.contains("trouble number 2"), "{width}x{height}\n{screen}");
    }
}

// ---- the clipboard and the editor

#[test]
fn more_than_a_terminal_takes_is_cut_and_said() {
    let mut snapshot = evening();
    let config = Arc::make_mut(&mut snapshot.config);
    config.file = Some("/x/ai_models.yaml".into());
    let mut desk = Desk::with(snapshot, options());
    desk.press("!");
    desk.tell(Msg::Fault("long ".repeat(30_000)));
    desk.press("y").shows("more than a terminal's clipboard takes");
    assert!(desk.copied().is_some_and(|text| text.len() <= 74_000));
}

#[test]
fn a_prompt_goes_through_the_editor_and_back() {
    let mut desk = Desk::new();
    desk.press("4").type_in("first words").press("ctrl-o");
    assert_eq!(desk.others.last(), Some(&Intent::EditText("first words".into())));
    desk.tell(Msg::TextEdited(Ok("second words\nand a line".into()))).shows("second words").shows("and a line");
    desk.press("ctrl-u").shows("first words");
    desk.press("ctrl-o")
        .tell(Msg::TextEdited(Err("vi ended with 1".into())))
        .shows("vi ended with 1")
        .shows("first words");
}

// ---- sizes, ASCII, help

#[test]
fn new_layers_fit_every_size_and_use_ascii_where_asked() {
    for open in [":", "g", ";", "!", "?", "g t", "? /", "! /"] {
        let mut desk = Desk::with(evening(), TuiOptions { ascii: true, ..options() });
        desk.tell(Msg::Fault("something went wrong".into())).press(open);
        for (width, height) in SIZES {
            let text = screen(&desk.app, width, height);
            assert!(text.is_ascii(), "{open} at {width}x{height}\n{text}");
        }
    }
}

#[test]
fn the_palette_can_be_used_at_sixty_and_forty_columns() {
    let mut desk = Desk::new();
    desk.press(":").type_in("pause zai");
    for (width, height) in [(80, 24), (60, 20), (40, 10)] {
        let text = screen(&desk.app, width, height);
        assert!(text.lines().any(|row| row.starts_with("> pause zai")), "{width}x{height}\n{text}");
        assert!(text.contains("enter run") && text.contains("esc close"), "{width}x{height}\n{text}");
    }
    // The selection is seen without colour.
    let buffer = picture(&desk.app, 80, 24);
    let reversed = (0..24).any(|y| buffer[(2, y)].modifier.contains(ratatui::style::Modifier::REVERSED));
    assert!(reversed);
}

#[test]
fn help_says_how_much_is_below() {
    let mut desk = Desk::new();
    desk.press("?");
    let text = screen(&desk.app, 80, 24);
    assert!(text.contains(" more lines"), "{text}");
    desk.press("G");
    let text = screen(&desk.app, 80, 24);
    assert!(!text.contains(" more line"), "{text}");
}

#[test]
fn what_runs_turns_or_is_said_in_words() {
    let mut snapshot = evening();
    Arc::make_mut(&mut snapshot.config).ui.reduce_motion = true;
    let mut still = Desk::with(snapshot, options());
    let mut moving = Desk::new();
    for desk in [&mut still, &mut moving] {
        desk.press("e ctrl-t");
    }
    still.shows("running, 0 s").hides("| running");
    moving.shows("| running, 0 s");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_row_of_keys_breaks_the_frame(
        pressed in prop::collection::vec(prop::sample::select(vec![
            ":", ";", "g", "/", "n", "N", "!", "?", "esc", "enter", "tab", "a", "s", "p", "t", "y", "j", "k", "G",
            "ctrl-p", "ctrl-y", "ctrl-u", "1", "2", "3", "4", "5", "down", "up", "pgdn", "pgup", "x",
        ]), 0..40),
        size in prop::sample::select(SIZES.to_vec()),
    ) {
        let mut desk = Desk::new();
        for key in pressed {
            desk.press(key);
            screen(&desk.app, size.0, size.1);
        }
    }
}

#[test]
fn a_plan_that_is_used_up_and_models_kept_warm_stand_on_their_provider_s_page() {
    let plan = |until| PlanView {
        windows: vec![PlanLeft {
            window_s: 18_000,
            left: RateWindow { counts: RateUnit::Requests, limit: Some(120), remaining: 0, resets_at: Some(until) },
        }],
        used_up_until: Some(until),
        told: false,
    };
    let warm = WarmView {
        model: "acme/chat".into(),
        keep: Some("mon-fri 08:00-18:00".into()),
        preload: None,
        loaded_since: Some(ago(720_000)),
        standing: WarmStanding::Loaded,
    };
    let evening = evening();
    let first = evening.providers[0].id.clone();
    let snapshot = with_provider(evening, first.as_str(), |view| {
        view.plan = Some(plan(NOW.plus(Duration::from_hours(1))));
        view.warm = vec![warm];
    });
    let mut desk = Desk::with(snapshot, options());
    desk.shows("parked")
        .shows("plan's window used up, parked until ")
        .shows("0 of 120 requests left in 5 h, full again at ");
    desk.shows("acme/chat kept warm mon-fri 08:00-18:00; loaded 12 min ago");
    desk.shows("used up for this window: parked until");
    desk.press("2").shows("parked");
}
