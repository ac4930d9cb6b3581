//! The Routing tab by its keys: orders, active target and strategy are changed, a sample request is explained.

use super::support::dashboard::{Typing, options, screen, told};
use super::support::snapshot::{FakeEngine, NOW, evening, first_run, handle_for, model, with_provider};
use lmdeck::domain::call::{Facts, Priority};
use lmdeck::domain::health::State;
use lmdeck::domain::ids::Target;
use lmdeck::domain::routing::{ActiveChoice, RuleSet, World, WorldModel, WorldProvider, explain};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::protocol::reply::Refusal;
use lmdeck::engine::protocol::{Command, CommandName, EditReport, Reply, RoutingView, Snapshot};
use lmdeck::tui::App;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A person at the dashboard, with an engine that answers at once.
struct Desk {
    app: App,
    handle: EngineHandle,
    engine: FakeEngine,
    now: UnixMs,
    copied: Vec<String>,
}

impl Desk {
    fn new(snapshot: Snapshot) -> Self {
        let facts = Facts { requested_model: "auto".into(), ..Facts::default() };
        let reply = explained(&snapshot, &facts);
        let (handle, engine) = handle_for(snapshot.clone());
        engine.on(CommandName::Explain, reply);
        let app = App::new(Arc::new(snapshot), options(), NOW);
        let mut desk = Self { app, handle, engine, now: NOW, copied: Vec::new() };
        let first = desk.app.start();
        desk.carry_out(first);
        // The order is the first that is no rule.
        desk.press("3 j");
        desk
    }

    fn carry_out(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => {
                    let reply = self.handle.ask_later(command).unwrap().blocking_recv().unwrap();
                    self.tell(Msg::Reply(ticket, Box::new(reply)));
                }
                Intent::Copy(text) => self.copied.push(text),
                _ => {}
            }
        }
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(ms));
        if self.app.deadline().is_some_and(|at| at <= self.now) {
            self.tell(Msg::Wake);
        }
        self
    }

    fn show(&mut self, snapshot: Snapshot) -> &mut Self {
        self.tell(Msg::Snapshot(Arc::new(snapshot)))
    }

    fn screen(&self, width: u16, height: u16) -> String {
        screen(&self.app, width, height)
    }

    fn wide(&self) -> String {
        self.screen(120, 40)
    }

    fn last(&self) -> Command {
        self.engine.commands().pop().unwrap()
    }

    fn asked(&self, name: CommandName) -> Vec<Command> {
        self.engine.commands().into_iter().filter(|command| command.name() == name).collect()
    }

    fn explained_facts(&self) -> Facts {
        match self.asked(CommandName::Explain).pop().unwrap() {
            Command::Explain { facts } => *facts,
            other => panic!("{other:?}"),
        }
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, self.now);
        self.carry_out(intents);
        self
    }
}

/// What the engine would say, from the same picture.
fn explained(snapshot: &Snapshot, facts: &Facts) -> Reply {
    let provider = |view: &Arc<lmdeck::engine::protocol::ProviderView>| WorldProvider {
        id: view.id.clone(),
        kind: view.kind,
        reach: view.reach,
        local: view.local,
        enabled: view.enabled,
        state: view.health.state,
        reason: view.health.reason.clone(),
        withheld: view.withheld.as_ref().map(|withheld| withheld.sentence.clone()),
        parked_until: view.parked_until,
        aliases: std::collections::BTreeMap::new(),
        models: view
            .models
            .iter()
            .map(|model| WorldModel {
                id: model.id.clone(),
                candidate: true,
                chat: model.chat,
                loaded: model.loaded,
                remote: Some(false),
                context: model.context,
                capabilities: None,
                quality: None,
                price: model.price,
                breaker_until: model.breaker_until,
                ttft_ms: None,
            })
            .collect(),
        preferred_models: Vec::new(),
        p50_ms: view.p50_ms,
    };
    let world = World {
        now: NOW,
        active: snapshot.routing.active.clone(),
        providers: snapshot.providers.iter().map(provider).collect(),
        ..World::default()
    };
    Reply::Explained(Box::new(explain(facts, &snapshot.routing.rules, &world)))
}

fn edited() -> Reply {
    Reply::Edited(EditReport {
        file: "/home/ada/.config/lmdeck/ai_models.yaml".into(),
        lines_changed: 1,
        written: true,
        ..EditReport::default()
    })
}

fn with_rules(mut snapshot: Snapshot, change: impl FnOnce(&mut RuleSet)) -> Snapshot {
    let routing: &mut RoutingView = Arc::make_mut(&mut snapshot.routing);
    change(&mut routing.rules);
    snapshot
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

// ---- strategy and active target

#[test]
fn the_strategy_is_chosen_among_four_that_each_say_what_they_do() {
    let mut desk = Desk::new(evening());
    desk.engine.on(CommandName::SetStrategy, edited());
    desk.press("G enter");
    let screen = desk.wide();
    for sentence in ["your own machines first", "the cloud first", "the cheapest", "the best ranked"] {
        assert!(screen.contains(sentence), "{sentence}\n{screen}");
    }
    desk.type_in("cost").press("enter");
    assert_eq!(desk.asked(CommandName::SetStrategy), [Command::SetStrategy { strategy: "cost_optimized".into() }]);
    assert!(desk.wide().contains("Saved ai_models.yaml, 1 line. U undoes."), "{}", desk.wide());
}

#[test]
fn the_strategy_in_force_chosen_again_and_esc_change_nothing() {
    let mut desk = Desk::new(evening());
    desk.press("G enter enter").press("enter down esc");
    assert_eq!(desk.asked(CommandName::SetStrategy), []);
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
}

#[test]
fn a_choice_that_holds_no_such_text_says_so_and_takes_nothing() {
    let mut desk = Desk::new(evening());
    desk.press("G enter").type_in("zzz").press("enter");
    assert!(desk.wide().contains("Nothing holds this text."), "{}", desk.wide());
    assert!(desk.wide().contains("ctrl-u clears it"), "{}", desk.wide());
    assert_eq!(desk.asked(CommandName::SetStrategy), []);
}

#[test]
fn esc_clears_the_filter_of_a_choice_before_it_closes_it() {
    let mut desk = Desk::new(evening());
    desk.press("G enter").type_in("cost").press("esc");
    assert!(desk.wide().contains("4 of 4"), "{}", desk.wide());
    desk.press("esc");
    assert!(!desk.wide().contains("4 of 4"), "{}", desk.wide());
    assert_eq!(desk.asked(CommandName::SetStrategy), []);
}

#[test]
fn the_active_target_may_be_auto_a_provider_a_model_or_a_typed_model_of_a_provider() {
    let cases = [
        ("zai best", ActiveChoice::Provider("zai".into())),
        ("aquif", ActiveChoice::Target(Target::new("lm_studio", "aquif-3.5-max-42b-a3b-i1"))),
        ("zai/glm-5", ActiveChoice::Target(Target::new("zai", "glm-5"))),
    ];
    for (typed, choice) in cases {
        let mut desk = Desk::new(evening());
        desk.press("G k enter").type_in(typed).press("enter");
        assert_eq!(desk.asked(CommandName::UseTarget), [Command::UseTarget { choice }], "{typed}");
    }
    let mut snapshot = evening();
    Arc::make_mut(&mut snapshot.routing).active = ActiveChoice::Provider("zai".into());
    let mut desk = Desk::new(snapshot);
    desk.press("G k enter").type_in("auto").press("enter");
    assert_eq!(desk.asked(CommandName::UseTarget), [Command::UseTarget { choice: ActiveChoice::Auto }]);
    assert!(desk.wide().contains("the active target is auto"), "{}", desk.wide());
}

#[test]
fn the_target_in_effect_stands_under_the_chosen_one_with_the_reason() {
    let mut snapshot = evening();
    let routing = Arc::make_mut(&mut snapshot.routing);
    routing.active = ActiveChoice::Provider("workstation".into());
    routing.in_effect_why = "down: connection refused".into();
    let desk = Desk::new(snapshot);
    let screen = desk.wide();
    for part in ["    workstation ", "    now lm_studio/openai_gpt-oss-120b-neo", "because down: connection refused"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}

// ---- orders

#[test]
fn an_order_is_moved_added_to_and_removed_from_before_it_is_saved() {
    let mut desk = Desk::new(evening());
    desk.engine.on(CommandName::SetOrder, edited());
    desk.press("enter");
    assert!(desk.wide().contains("━ Order of teaching_generation ━"), "{}", desk.wide());
    // zai, lm_studio: lm_studio first; then workstation below it; then zai goes.
    desk.press("j K a").type_in("workstation/qwen").press("enter").press("j d");
    assert!(desk.wide().contains("Modified"), "{}", desk.wide());
    assert_eq!(desk.asked(CommandName::SetOrder), []);
    desk.press("ctrl-s");
    assert_eq!(
        desk.asked(CommandName::SetOrder),
        [Command::SetOrder {
            request_type: "teaching_generation".into(),
            items: texts(&["lm_studio", "workstation/qwen3-32b"]),
        }]
    );
    let screen = desk.wide();
    assert!(screen.contains("Saved ai_models.yaml, 1 line. U undoes.") && screen.contains("Try it"), "{screen}");
}

#[test]
fn an_order_that_others_changed_is_followed_or_asked_about_never_taken_back() {
    let theirs = |items: &[&str]| {
        let mut snapshot = evening();
        let orders = &mut Arc::make_mut(&mut snapshot.routing).rules.request_orders;
        let order = orders.iter_mut().find(|(name, _)| name == "teaching_generation").unwrap();
        order.1 = texts(items);
        Arc::new(snapshot)
    };
    let mut desk = Desk::new(evening());
    desk.engine.on(CommandName::SetOrder, edited());
    desk.press("enter");
    desk.tell(Msg::Snapshot(theirs(&["lm_studio", "zai", "local"])));
    assert!(desk.wide().contains("the order of teaching_generation was changed meanwhile"), "{}", desk.wide());
    desk.press("d");
    desk.tell(Msg::Snapshot(theirs(&["openai"])));
    desk.press("ctrl-s");
    let screen = desk.wide();
    assert!(screen.contains("In the file: openai") && screen.contains("Yours: zai, local"), "{screen}");
    assert_eq!(desk.asked(CommandName::SetOrder), []);
    desk.press("right enter");
    let items = texts(&["zai", "local"]);
    assert_eq!(
        desk.asked(CommandName::SetOrder),
        [Command::SetOrder { request_type: "teaching_generation".into(), items }]
    );
}

#[test]
fn items_are_moved_down_too_and_the_ends_say_so() {
    let mut desk = Desk::new(evening());
    desk.press("enter K");
    assert!(desk.wide().contains("it is the first already"), "{}", desk.wide());
    desk.press("J J");
    assert!(desk.wide().contains("it is the last already"), "{}", desk.wide());
    desk.press("ctrl-s");
    let items = texts(&["lm_studio", "zai"]);
    assert_eq!(desk.last(), Command::SetOrder { request_type: "teaching_generation".into(), items });
}

#[test]
fn leaving_a_changed_order_asks_and_the_safe_answer_keeps_the_editor() {
    let mut desk = Desk::new(evening());
    desk.press("enter d esc");
    assert!(desk.wide().contains("Leave the order?"), "{}", desk.wide());
    desk.press("enter");
    assert!(desk.wide().contains("━ Order of teaching_generation ━"), "{}", desk.wide());
    desk.press("esc right right enter");
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
    assert_eq!(desk.asked(CommandName::SetOrder), []);
    desk.press("enter d esc right enter");
    let items = texts(&["lm_studio"]);
    assert_eq!(desk.last(), Command::SetOrder { request_type: "teaching_generation".into(), items });
}

#[test]
fn leaving_an_unchanged_order_asks_nothing() {
    let mut desk = Desk::new(evening());
    desk.press("enter esc");
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
    desk.press("o esc");
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
}

#[test]
fn quitting_with_an_unsaved_order_asks() {
    let mut desk = Desk::new(evening());
    desk.press("enter d ctrl-c");
    let screen = desk.wide();
    assert!(screen.contains("Leave lmdeck?") && screen.contains("The order is not saved."), "{screen}");
}

#[test]
fn a_new_order_needs_a_free_name_and_a_target() {
    let mut desk = Desk::new(evening());
    desk.press("o ctrl-s");
    assert!(desk.wide().contains("nothing was changed"), "{}", desk.wide());
    desk.type_in(" ").press("enter");
    assert!(desk.wide().contains("a request type is needed"), "{}", desk.wide());
    desk.press("shift-tab ctrl-u").type_in("teaching_generation").press("ctrl-s");
    assert!(desk.wide().contains("teaching_generation has an order already"), "{}", desk.wide());
    desk.press("ctrl-u").type_in("quick_responses").press("ctrl-s");
    assert!(desk.wide().contains("an order needs a target: a adds one"), "{}", desk.wide());
    desk.press("a").type_in("local").press("enter a").type_in("prefer_cloud").press("enter ctrl-s");
    let items = texts(&["local", "prefer_cloud"]);
    assert_eq!(desk.last(), Command::SetOrder { request_type: "quick_responses".into(), items });
}

#[test]
fn a_saved_new_order_gets_the_cursor_when_it_is_there() {
    let mut desk = Desk::new(evening());
    desk.press("o").type_in("quick_responses").press("enter a").type_in("local").press("enter ctrl-s");
    let snapshot =
        with_rules(evening(), |rules| rules.request_orders.push(("quick_responses".into(), texts(&["local"]))));
    desk.show(snapshot);
    assert!(desk.wide().contains("> quick_responses"), "{}", desk.wide());
}

#[test]
fn an_order_that_was_refused_stays_in_the_editor() {
    let mut desk = Desk::new(evening());
    let reply = Reply::refused(1, "the file holds an alias there", "edit it by hand");
    desk.engine.on(CommandName::SetOrder, reply);
    desk.press("enter d ctrl-s");
    let screen = desk.wide();
    assert!(screen.contains("not saved: the file holds an alias there; edit it by hand"), "{screen}");
    assert!(screen.contains("━ Order of teaching_generation ━") && screen.contains("Modified"), "{screen}");
}

#[test]
fn an_order_of_a_file_that_changed_on_disk_goes_on_top_only_when_asked() {
    let mut desk = Desk::new(evening());
    let refusal = Refusal {
        message: "the file changed on disk".into(),
        remedy: String::new(),
        exit: 1,
        issues: Vec::new(),
        difference: Some("-    - zai\n+    - openai".into()),
    };
    desk.engine.on(CommandName::SetOrder, Reply::Refused(refusal)).on(CommandName::SetOrder, edited());
    desk.press("enter d ctrl-s");
    let screen = desk.wide();
    assert!(screen.contains("The file changed on disk") && screen.contains("- openai"), "{screen}");
    desk.press("right enter");
    let names: Vec<CommandName> =
        desk.engine.commands().iter().map(Command::name).filter(|name| *name != CommandName::Explain).collect();
    assert!(names.ends_with(&[CommandName::SetOrder, CommandName::ConfigReload, CommandName::SetOrder]), "{names:?}");
    assert!(desk.wide().contains("Saved ai_models.yaml"), "{}", desk.wide());
}

#[test]
fn deleting_an_order_asks_first_and_undo_takes_it_back() {
    let mut desk = Desk::new(evening());
    desk.engine.on(CommandName::SetOrder, edited());
    desk.press("d");
    let screen = desk.wide();
    assert!(screen.contains("Delete the order of teaching_generation?"), "{screen}");
    assert!(screen.contains("It decided 36 calls today."), "{screen}");
    desk.press("enter");
    assert_eq!(desk.asked(CommandName::SetOrder), []);
    desk.press("d right enter");
    assert_eq!(desk.last(), Command::SetOrder { request_type: "teaching_generation".into(), items: Vec::new() });
    desk.press("U");
    assert_eq!(desk.last(), Command::ConfigUndo);
}

#[test]
fn without_orders_the_next_key_is_named() {
    let desk = Desk::new(with_rules(evening(), |rules| rules.request_orders.clear()));
    assert!(desk.wide().contains("No orders yet: o adds one."), "{}", desk.wide());
    let mut empty = Desk::new(first_run());
    empty.press("o").type_in("x").press("enter");
    assert!(empty.wide().contains("No targets yet: a adds one."), "{}", empty.wide());
}

// ---- policies

#[test]
fn policies_are_listed_with_what_they_do_and_one_that_does_nothing_now_says_so() {
    let screen = Desk::new(evening()).wide();
    for part in ["mode     prio  rule", "long-prompts", "zai/glm-4.6, workstation,"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert!(!screen.contains("not yet"), "{screen}");
    let observed = Desk::new(with_rules(evening(), |rules| rules.policies[0].observe = true)).wide();
    assert!(observed.contains("1 observe    50  long-prompts"), "{observed}");
    let off = Desk::new(with_rules(evening(), |rules| rules.policies[0].enabled = false)).wide();
    assert!(off.contains("1 off        50  long-prompts"), "{off}");
}

// ---- the sample request

#[test]
fn a_sample_is_explained_with_its_rules_its_chain_and_who_was_left_out() {
    let snapshot = evening();
    let facts =
        Facts { request_type: "teaching_generation".into(), requested_model: "auto".into(), ..Facts::default() };
    let mut desk = Desk::new(snapshot.clone());
    desk.engine.on(CommandName::Explain, explained(&snapshot, &facts));
    desk.press("t");
    assert_eq!(desk.explained_facts(), facts);
    // The first reply of the script is of the first question.
    desk.press("f enter");
    let screen = desk.wide();
    for part in [
        "zai/glm-4.6, because it is the first of the order of",
        "long-prompts          no                request.prompt_tokens > 24000",
        "teaching_generation   decides           zai, lm_studio",
        " 1 zai/glm-4.6 ",
        "[ok] up, 310 ms         named by the order",
        "workstation/qwen3-32b               not named by this order",
    ] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
}

#[test]
fn the_question_is_asked_a_moment_after_the_last_letter() {
    let mut desk = Desk::new(evening());
    let before = desk.asked(CommandName::Explain).len();
    desk.press("f").type_in("quick").wait(100).type_in("_").wait(149);
    assert_eq!(desk.asked(CommandName::Explain).len(), before);
    desk.wait(1);
    assert_eq!(desk.asked(CommandName::Explain).len(), before + 1);
    assert_eq!(desk.explained_facts().request_type, "quick_");
}

#[test]
fn every_field_of_the_sample_reaches_the_question() {
    let mut desk = Desk::new(evening());
    desk.press("f").type_in("quick").press("tab").type_in("local").press("tab").type_in("25,800").press("tab");
    desk.type_in("500").press("tab space tab right right tab space tab space tab space enter");
    let expected = Facts {
        request_type: "quick".into(),
        requested_model: "local".into(),
        prompt_tokens: 25_800,
        max_tokens: 500,
        priority: Priority::High,
        preferred_provider: "workstation".into(),
        has_tools: true,
        has_images: true,
        wants_json: true,
        ..Facts::default()
    };
    assert_eq!(desk.explained_facts(), expected);
    desk.press("Y");
    assert_eq!(
        desk.copied,
        ["lmdeck routes explain --type quick --prefer workstation --model local --tokens 25800 --max-tokens 500 \
          --priority high --with tools --with images --with json"]
    );
}

#[test]
fn the_copied_command_is_one_that_the_command_line_takes() {
    use clap::Parser;
    let mut desk = Desk::new(evening());
    desk.press("f").type_in("-it's $HOME").press("tab").type_in("--x").press("enter Y");
    let line = desk.copied.pop().unwrap();
    assert_eq!(line, r"lmdeck routes explain --type='-it'\''s $HOME' --model=--x");
    let words = ["lmdeck", "routes", "explain", "--type=-it's $HOME", "--model=--x", "--prefer", "zai"];
    let parsed = lmdeck::cli::args::Cli::try_parse_from(words);
    assert!(parsed.is_ok(), "{parsed:?}");
}

#[test]
fn a_number_that_is_none_is_said_and_the_last_good_explanation_stays() {
    let mut desk = Desk::new(evening());
    let before = desk.asked(CommandName::Explain).len();
    desk.press("f tab tab").type_in("12x").wait(200);
    let screen = desk.wide();
    assert!(screen.contains("[x] Tokens is a whole number, as in 25800"), "{screen}");
    assert!(screen.contains("last good sample") && screen.contains("by strategy prefer_local"), "{screen}");
    assert_eq!(desk.asked(CommandName::Explain).len(), before);
    desk.press("ctrl-u").type_in("12").wait(200);
    assert_eq!(desk.explained_facts().prompt_tokens, 12);
    assert!(!desk.wide().contains("[x] Tokens"), "{}", desk.wide());
}

#[test]
fn known_types_models_and_providers_can_be_taken() {
    let mut desk = Desk::new(evening());
    desk.press("f ctrl-t enter tab ctrl-t").type_in("gpt-4o").press("enter");
    desk.press("tab tab tab tab ctrl-t").type_in("claude").press("enter").wait(200);
    let facts = desk.explained_facts();
    assert_eq!(facts.request_type, "teaching_generation");
    assert_eq!((facts.requested_model.as_str(), facts.preferred_provider.as_str()), ("openai/gpt-4o", "claude"));
}

#[test]
fn it_is_explained_again_when_health_changes_and_not_when_a_figure_does() {
    let mut desk = Desk::new(evening());
    let before = desk.asked(CommandName::Explain).len();
    desk.show(with_provider(evening(), "zai", |zai| zai.health.latency_ms = Some(999))).wait(1000);
    assert_eq!(desk.asked(CommandName::Explain).len(), before);
    desk.show(with_provider(evening(), "zai", |zai| zai.health.state = State::Down)).wait(1);
    assert_eq!(desk.asked(CommandName::Explain).len(), before + 1);
    // On another tab it waits until the screen is there again.
    desk.press("1").show(evening()).wait(1000);
    assert_eq!(desk.asked(CommandName::Explain).len(), before + 1);
    desk.press("3");
    assert_eq!(desk.asked(CommandName::Explain).len(), before + 2);
}

#[test]
fn the_explanation_is_copied_in_the_words_of_the_command_line() {
    let mut desk = Desk::new(evening());
    desk.press("y");
    assert_eq!(
        desk.copied,
        ["lm_studio/openai_gpt-oss-120b-neo by strategy prefer_local: local, loaded.
chain  1  lm_studio/openai_gpt-oss-120b-neo     free, local, loaded
       2  lm_studio/aquif-3.5-max-42b-a3b-i1    free, not loaded, local, not loaded
       3  zai/glm-4.6                           may cost $0.0090, cloud after local
       4  openai/gpt-4o                         may cost $0.0410, degraded, cloud after local
out       lm_studio/nomic-embed-text-v1.5       not a chat model
          workstation/qwen3-32b                 down: connection refused
          claude/claude-3-5-haiku-20241022      unauthorized: the key was refused"]
    );
}

#[test]
fn a_refused_explanation_says_why() {
    let mut desk = Desk::new(evening());
    desk.engine.on(CommandName::Explain, Reply::refused(1, "the engine has stopped", "start lmdeck again"));
    desk.press("f enter f enter");
    assert!(desk.wide().contains("not explained: the engine has stopped. start lmdeck again"), "{}", desk.wide());
}

#[test]
fn in_one_pane_tab_leads_to_the_explanation_and_esc_back() {
    let mut desk = Desk::new(evening());
    let list = desk.screen(80, 24);
    assert!(list.contains("━ Routing") && !list.contains("Try it") && list.contains("zai, lm_studio"), "{list}");
    desk.press("tab");
    let screen = desk.screen(80, 24);
    assert!(screen.contains("━ Try it") && screen.contains("by strategy prefer_local"), "{screen}");
    assert!(screen.contains("more lines"), "{screen}");
    desk.press("G");
    assert!(desk.screen(80, 24).contains("claude/claude-3-5-haiku"), "{}", desk.screen(80, 24));
    desk.press("esc");
    assert!(desk.screen(80, 24).contains("━ Routing"), "{}", desk.screen(80, 24));
}

// ---- what must hold anywhere

#[test]
fn letters_typed_into_the_sample_or_a_choice_are_never_keys() {
    let mut desk = Desk::new(evening());
    desk.press("f").type_in("qdUa123?!").wait(200);
    assert_eq!(desk.explained_facts().request_type, "qdUa123?!");
    desk.press("tab tab tab tab").type_in("qdUa1");
    assert!(desk.wide().contains("━ Try it"), "{}", desk.wide());
    assert!(desk.asked(CommandName::ConfigUndo).is_empty());
}

#[test]
fn a_paste_is_one_edit() {
    let mut desk = Desk::new(evening());
    desk.press("f").tell(Msg::Input(Input::Paste("two\nlines\u{1b}[31m".into()))).wait(200);
    assert_eq!(desk.explained_facts().request_type, "two lines[31m");
}

/// Names that servers and files may hold and no terminal may see.
fn hostile() -> Snapshot {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}31m\r\nx\t日本";
    let snapshot = with_provider(evening(), "lm_studio", |provider| {
        provider.name = evil.into();
        provider.models.push(model(evil, Some(true)));
    });
    let mut snapshot = with_rules(snapshot, |rules| {
        rules.request_orders.push((evil.into(), texts(&[evil, "zai"])));
        rules.policies[0].name = evil.into();
        rules.policies[0].when = evil.into();
    });
    let routing = Arc::make_mut(&mut snapshot.routing);
    routing.active = ActiveChoice::Target(Target::new("lm_studio", evil));
    routing.in_effect_why = evil.into();
    snapshot
}

#[test]
fn hostile_names_are_escaped_everywhere() {
    let snapshot = hostile();
    let mut desk = Desk::new(snapshot);
    for keys in ["", "j", "enter", "a", "esc esc", "G k enter", "esc", "f ctrl-t", "enter", "enter", "y Y"] {
        desk.press(keys);
        for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10)] {
            let screen = desk.screen(width, height);
            let bad = screen.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
            assert_eq!(bad, None, "after {keys}:\n{screen}");
        }
    }
    assert!(desk.wide().contains("^["), "{}", desk.wide());
    for text in &desk.copied {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
    }
}

#[test]
fn every_size_shows_the_chosen_row_or_the_sentence() {
    let mut desk = Desk::new(evening());
    desk.press("G");
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10), (300, 100)] {
        let screen = desk.screen(width, height);
        assert!(screen.contains("> strategy"), "{width}x{height}\n{screen}");
        assert!(screen.contains("help"), "{width}x{height}\n{screen}");
    }
    desk.press("tab");
    for (width, height) in [(120, 40), (80, 24), (60, 20), (40, 10), (300, 100)] {
        let screen = desk.screen(width, height);
        assert!(screen.contains("lm_studio/openai_gpt-oss-120b-neo by"), "{width}x{height}\n{screen}");
    }
    desk.press("f shift-tab");
    let screen = desk.screen(40, 10);
    assert!(screen.contains("> JSON") && screen.contains("lm_studio/openai"), "{screen}");
}

#[test]
fn a_long_list_of_orders_keeps_the_cursor_in_sight() {
    let snapshot = with_rules(evening(), |rules| {
        rules.request_orders = (0..200).map(|n| (format!("type_{n:03}"), texts(&["zai", "local", "openai"]))).collect();
    });
    let mut desk = Desk::new(snapshot);
    for step in 0..200 {
        if step > 0 {
            desk.press("j");
        }
        let name = format!("> type_{step:03}");
        for (width, height) in [(120, 40), (80, 24), (40, 10)] {
            let screen = desk.screen(width, height);
            assert!(screen.contains(&name), "{name} {width}x{height}\n{screen}");
        }
    }
}

const KEYS: [&str; 34] = [
    "a",
    "d",
    "e",
    "f",
    "t",
    "y",
    "Y",
    "U",
    "j",
    "k",
    "J",
    "K",
    "G",
    "g",
    "h",
    "l",
    "tab",
    "shift-tab",
    "enter",
    "esc",
    "up",
    "down",
    "left",
    "right",
    "space",
    "ctrl-s",
    "ctrl-t",
    "ctrl-u",
    "pgdn",
    "x",
    "/",
    "?",
    ";",
    "f1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is pressed, at any size, while providers come and go: it draws, and nothing but what was asked
    /// for changes the file.
    #[test]
    fn any_keys_at_any_size(
        steps in proptest::collection::vec((0..KEYS.len(), 0..12u8), 1..60),
        width in 0..140u16,
        height in 0..45u16,
    ) {
        let mut desk = Desk::new(hostile());
        let mut saves = 0;
        for (key, what) in steps {
            match what {
                0 => { desk.show(first_run()); }
                1 => { desk.show(hostile()); }
                2 => { desk.wait(200); }
                _ => {}
            }
            saves += usize::from(matches!(KEYS[key], "ctrl-s" | "enter" | "space"));
            desk.press(KEYS[key]);
            desk.screen(width, height);
            for command in desk.asked(CommandName::SetOrder) {
                let Command::SetOrder { request_type, .. } = command else { continue };
                prop_assert!(!request_type.trim().is_empty());
            }
        }
        let written = desk.asked(CommandName::SetOrder).len() + desk.asked(CommandName::SetStrategy).len();
        prop_assert!(written <= saves);
    }
}

#[test]
fn plain_mode_is_told_position_name_and_meaning_first() {
    let desk = Desk::new(evening());
    let told = told(&desk.app);
    assert_eq!(
        told[..4],
        [
            "Routing, 1 of 4: long-prompts, zai/glm-4.6, workstation, then the strategy, when request.prompt_tokens > 24000. 0 calls today.",
            "Routing, 2 of 4: teaching_generation, zai, lm_studio. 36 calls today.",
            "Routing, 3 of 4: active target, auto, now lm_studio/openai_gpt-oss-120b-neo. 0 calls today.",
            "Routing, 4 of 4: strategy, prefer_local: your own machines first, then the cloud. 133 calls today.",
        ]
    );
    assert_eq!(told[4], "Try it, a request without a type:");
    assert!(told[5].starts_with("lm_studio/openai_gpt-oss-120b-neo by strategy prefer_local"), "{told:?}");
}
