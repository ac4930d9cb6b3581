//! The rule editor by its keys: a condition is checked and completed while it is typed, edited rules are tried out
//! before they are saved, and the change of the file is seen before it is written.

use super::pty::Tty;
use super::support::dashboard::{Typing, keys, options, screen};
use super::support::snapshot::{FakeEngine, NOW, evening, first_run, handle_for};
use super::support::world::provider;
use lmdeck::adapters::config::{ConfigFile, Source};
use lmdeck::domain::call::Facts;
use lmdeck::domain::health::State;
use lmdeck::domain::ids::Target;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::money::Money;
use lmdeck::domain::replay::{Change, Fate, Flow, ReplayReport, ReplaySums, Replayed};
use lmdeck::domain::routing::{Policy, World, WorldModel, explain};
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore};
use lmdeck::engine::protocol::{
    Command, CommandName, Event, EventKind, Level, ObservedCount, ObservedSums, PolicyDraft, PolicyEdit, PolicyPlace,
    ReplayDone, ReplayRules, Reply, Snapshot, WhatIf,
};
use lmdeck::tui::App;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "\
# mine
providers:
  - { id: near, type: lm_studio, endpoint: 'http://127.0.0.1:9', models: [small] }
routing:
  policies:
    - name: long-prompts   # keep this remark
      priority: 50
      when: request.prompt_tokens > 24000
      use: [near]
    - name: batch
      when: request.client == \"batch\"
      deny: not now
";

/// A rule whose condition has a comment in the middle.
const COMMENTED: &str = "\
providers:
  - { id: near, type: lm_studio, endpoint: 'http://127.0.0.1:9', models: [small] }
routing:
  policies:
    - name: private
      when: |
        request.type == \"diary\"  // mine
        || request.client == \"home\"
      local_only: true
";

#[test]
fn a_condition_of_several_lines_keeps_them_and_is_changed_in_the_editor() {
    let mut desk = Desk::on(COMMENTED, evening());
    desk.press("enter").type_in("x");
    let screen = desk.wide();
    assert!(
        screen.contains("this text has several lines") && screen.contains("ctrl-x") && screen.contains("Not modified"),
        "{screen}"
    );
    desk.press("ctrl-x");
    let now = "request.type == \"journal\"  // mine\n|| request.client == \"home\"";
    desk.tell(Msg::TextEdited(Ok(now.into())));
    assert!(!desk.wide().contains("Not modified"), "{}", desk.wide());
    desk.press("ctrl-s ctrl-s");
    let policies = desk.store.load().unwrap().config.rules.policies.clone();
    assert_eq!(policies[0].when.trim(), now, "{}", desk.file());
}

#[test]
fn a_pasted_condition_of_several_lines_keeps_them() {
    let pasted = "request.type == \"a\" // night shift\r\n  && request.priority != \"high\"";
    let mut desk = Desk::new();
    desk.press("enter").tell(Msg::Input(Input::Paste(pasted.into())));
    let screen = desk.wide();
    assert!(screen.contains("this text has several lines") && screen.contains("Not modified"), "{screen}");
    desk.press("ctrl-u").tell(Msg::Input(Input::Paste(pasted.into())));
    desk.rest().press("ctrl-s");
    let seen = r#"// night shift\n  && request.priority != \"high\""#;
    assert!(desk.wide().contains(seen), "{}", desk.wide());
    desk.press("ctrl-s");
    let policies = desk.store.load().unwrap().config.rules.policies.clone();
    assert_eq!(policies[0].when.trim(), pasted.replace('\r', ""), "{}", desk.file());
}

#[test]
fn the_editor_follows_what_others_change_and_keeps_the_person_s_own() {
    let theirs = FILE.replace("> 24000", "> 9000").replace("priority: 50", "priority: 7");
    let write = |desk: &Desk, text: &str| std::fs::write(desk.folder.path().join("ai_models.yaml"), text).unwrap();
    let mut desk = Desk::new();
    desk.press("enter tab").type_in(", zai");
    write(&desk, &theirs);
    let screen = desk.reread().wide();
    assert!(screen.contains("long-prompts was changed meanwhile: Priority, When"), "{screen}");
    assert!(screen.contains("request.prompt_tokens > 9000") && screen.contains("near, zai"), "{screen}");
    desk.press("ctrl-s ctrl-s");
    assert_eq!(desk.file(), theirs.replace("use: [near]", "use: [near, zai]"));
    // What both changed is said, and seen before it is written.
    let before = desk.file();
    desk.reread().press("enter").type_in(" && request.stream");
    write(&desk, &before.replace("> 9000", "> 100"));
    let screen = desk.reread().wide();
    assert!(screen.contains("was changed meanwhile: When (yours is kept)"), "{screen}");
    let screen = desk.press("ctrl-s").wide();
    assert!(screen.contains("> 100") && screen.contains("> 9000 && request.stream"), "{screen}");
}

#[test]
fn of_two_rules_with_one_name_neither_is_taken_for_the_other() {
    let twice = FILE.replace("name: batch", "name: long-prompts");
    let mut desk = Desk::on(&twice, evening());
    for (moves, keys) in [("", "enter"), ("j", "space"), ("", "d")] {
        desk.press(moves).press(keys);
        let screen = desk.wide();
        assert!(screen.contains("two rules are called long-prompts"), "{screen}");
        assert!(!screen.contains("Edit long-prompts") && !screen.contains("Delete the rule"), "{screen}");
    }
    let screen = desk.wide();
    let rows: Vec<&str> =
        screen.lines().filter(|line| line.contains("enforce") && line.contains("long-prompts")).collect();
    assert!(rows.len() == 2 && rows[1].starts_with("> 2 "), "the cursor reached the second: {screen}");
    assert_eq!(desk.file(), twice);
}

/// The one provider of the file, up.
fn world() -> World {
    let model = WorldModel { loaded: Some(true), ..WorldModel::of("small") };
    let near = provider("near", Kind::LmStudio, vec![model]);
    World { providers: std::iter::once(near).collect(), ..World::default() }
}

/// A person at the dashboard whose edits and checks go to a real file; what is asked besides, nobody answers.
struct Desk {
    app: App,
    handle: EngineHandle,
    engine: FakeEngine,
    store: ConfigFile,
    folder: tempfile::TempDir,
    asked: Vec<Command>,
    now: UnixMs,
}

impl Desk {
    fn new() -> Self {
        Self::on(FILE, evening())
    }

    fn on(file: &str, mut snapshot: Snapshot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ai_models.yaml");
        std::fs::write(&path, file).unwrap();
        let store = ConfigFile::open(Source {
            config: Some(path),
            environment: std::collections::BTreeMap::default(),
            working_folder: folder.path().to_owned(),
            config_folder: None,
            state_folder: folder.path().join("state"),
        });
        let loaded = store.load().unwrap();
        Arc::make_mut(&mut snapshot.routing).rules = loaded.config.rules.clone();
        let (handle, engine) = handle_for(snapshot.clone());
        let app = App::new(Arc::new(snapshot), options(), NOW);
        let mut desk = Self { app, handle, engine, store, folder, asked: Vec::new(), now: NOW };
        let first = desk.app.start();
        desk.carry_out(first);
        desk.press("3 g g");
        desk
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ai_models.yaml")).unwrap()
    }

    fn answer(&self, command: Command) -> Reply {
        let edited = |result| match result {
            Ok(report) => Reply::Edited(report),
            Err(refusal) => Reply::Refused(refusal),
        };
        match command {
            Command::CheckCondition { text } => Reply::Condition(self.store.check_condition(&text)),
            Command::EditPolicy { edit, dry_run } => edited(self.store.edit(&ConfigEdit::Policy(*edit), dry_run)),
            Command::ConfigUndo => edited(self.store.undo()),
            Command::ConfigReload => {
                self.store.load().unwrap();
                Reply::Done
            }
            Command::ExplainWith { edit, facts } => match self.store.rules_with(&edit) {
                Ok((rules, issues)) => Reply::WhatIf(Box::new(WhatIf {
                    saved: explain(&facts, &self.store.load().unwrap().config.rules, &world()),
                    edited: explain(&facts, &rules, &world()),
                    issues,
                })),
                Err(refusal) => Reply::Refused(refusal),
            },
            other => self.handle.ask_later(other).unwrap().blocking_recv().unwrap(),
        }
    }

    fn carry_out(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            if let Intent::Ask(ticket, command) = intent {
                self.asked.push(command.clone());
                let reply = self.answer(command);
                self.tell(Msg::Reply(ticket, Box::new(reply)));
            }
        }
    }

    /// Until nothing is due any more.
    fn rest(&mut self) -> &mut Self {
        for _ in 0..5 {
            self.now = self.now.plus(Duration::from_millis(200));
            if self.app.deadline().is_some_and(|at| at <= self.now) {
                self.tell(Msg::Wake);
            }
        }
        self
    }

    /// The picture after the file was read again.
    fn reread(&mut self) -> &mut Self {
        let mut snapshot = evening();
        Arc::make_mut(&mut snapshot.routing).rules = self.store.load().unwrap().config.rules.clone();
        self.tell(Msg::Snapshot(Arc::new(snapshot)))
    }

    fn wide(&self) -> String {
        screen(&self.app, 120, 40)
    }

    fn edits(&self) -> Vec<(PolicyEdit, bool)> {
        let edit = |command: &Command| match command {
            Command::EditPolicy { edit, dry_run } => Some(((**edit).clone(), *dry_run)),
            _ => None,
        };
        self.asked.iter().filter_map(edit).collect()
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, self.now);
        self.carry_out(intents);
        self
    }
}

fn line_with<'a>(screen: &'a str, text: &str) -> &'a str {
    screen.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text}\n{screen}"))
}

// ---- the list

#[test]
fn rules_stand_in_their_order_with_mode_priority_and_what_they_do() {
    let desk = Desk::new();
    let screen = desk.wide();
    for part in ["━ Routing  2 rules ━", "> 1 enforce    50  long-prompts", "  2 enforce     -  batch", "denies, when"]
    {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    let mut empty = Desk::on("routing: {}\n", first_run());
    assert!(empty.wide().contains("No rules yet: a adds one."), "{}", empty.wide());
    empty.press("g g space");
    assert!(empty.wide().contains("no rule is chosen"), "{}", empty.wide());
}

#[test]
fn an_observed_rule_says_how_often_it_would_have_decided() {
    let mut desk = Desk::new();
    desk.press("m");
    let mut snapshot = evening();
    let routing = Arc::make_mut(&mut snapshot.routing);
    routing.rules = desk.store.load().unwrap().config.rules.clone();
    let count = ObservedCount { policy: "long-prompts".into(), matched: 12, moved: 3, denied: 0 };
    routing.observed = ObservedSums { of: 40, policies: vec![count] };
    desk.tell(Msg::Snapshot(Arc::new(snapshot)));
    let screen = desk.wide();
    for part in ["1 observe    50  long-prompts", "(12)", "matched 12 of 40 in 24 h, would have"] {
        assert!(screen.contains(part), "{part}\n{screen}");
    }
    assert!(desk.app_80().contains("matched 12 of 40 in 24 h, would have moved 3"), "{}", desk.app_80());
}

impl Desk {
    fn app_80(&self) -> String {
        screen(&self.app, 80, 24)
    }
}

#[test]
fn a_rule_is_switched_observed_moved_copied_and_deleted_by_single_keys_and_undo_brings_it_back() {
    let mut desk = Desk::new();
    desk.press("K");
    assert!(desk.wide().contains("it decides first already"), "{}", desk.wide());
    desk.press("space");
    assert!(desk.file().contains("enabled: false"), "{}", desk.file());
    assert!(desk.wide().contains("Saved ai_models.yaml, 1 line. U undoes."), "{}", desk.wide());
    desk.reread().press("space").reread();
    desk.press("m");
    assert!(desk.file().contains("mode: observe"), "{}", desk.file());
    desk.reread().press("m").reread();
    desk.press("J").reread();
    assert_eq!(
        desk.edits().pop().unwrap().0,
        PolicyEdit::Move { name: "long-prompts".into(), place: PolicyPlace::Down }
    );
    assert!(desk.wide().contains("> 2 enforce"), "{}", desk.wide());
    desk.press("c").reread();
    assert!(desk.wide().contains("off"), "{}", desk.wide());
    assert!(line_with(&desk.wide(), "long-prompts-copy").starts_with('>'), "{}", desk.wide());
    desk.press("c").reread();
    assert!(desk.file().contains("long-prompts-copy-copy"), "{}", desk.file());
    let before = desk.file();
    desk.press("d");
    assert!(desk.wide().contains("Delete the rule long-prompts-copy-copy?"), "{}", desk.wide());
    desk.press("right enter").reread();
    assert!(!desk.file().contains("long-prompts-copy-copy"), "{}", desk.file());
    desk.press("U");
    assert_eq!(desk.file(), before);
    assert!(desk.file().contains("# keep this remark"), "{}", desk.file());
}

#[test]
fn a_read_only_dashboard_says_so_and_writes_nothing() {
    let mut desk = Desk::new();
    let snapshot = evening();
    desk.app = App::new(Arc::new(snapshot), lmdeck::tui::TuiOptions { readonly: true, ..options() }, NOW);
    desk.app.start();
    desk.press("3 g g space");
    assert!(desk.wide().contains("read-only: started with --readonly"), "{}", desk.wide());
    assert_eq!(desk.file(), FILE);
    assert_eq!(desk.edits(), []);
}

// ---- the condition

#[test]
fn a_wrong_name_is_marked_under_its_columns_while_it_is_typed() {
    let mut desk = Desk::new();
    desk.press("enter").rest();
    assert!(desk.wide().contains("━ Edit long-prompts ━"), "{}", desk.wide());
    assert!(desk.wide().contains("reads request.prompt_tokens (a whole number)"), "{}", desk.wide());
    desk.press("ctrl-u").type_in("request.audeince == \"scholar\"").rest();
    let screen = desk.wide();
    let rows: Vec<&str> = screen.lines().collect();
    let at = rows.iter().position(|row| row.contains("> When")).unwrap();
    let column = |row: &str, text: &str| row.split(text).next().unwrap().chars().count();
    assert_eq!(column(rows[at + 1], "^^^^^^^^"), column(rows[at], "audeince"), "{screen}");
    assert!(rows[at + 2].contains("column 9: request.audeince is no fact; did you mean request.audience?"), "{screen}");
    assert!(screen.contains("Modified, 1 error") && screen.contains("last good"), "{screen}");
    desk.press("ctrl-s");
    assert!(desk.wide().contains("not saved: column 9"), "{}", desk.wide());
    assert_eq!(desk.edits(), []);
}

#[test]
fn names_are_offered_and_only_their_own_keys_are_taken() {
    let mut desk = Desk::new();
    desk.press("enter ctrl-u").type_in("request.");
    assert!(desk.wide().contains("1 of 14, tab takes"), "{}", desk.wide());
    desk.type_in("aud").press("tab");
    assert!(desk.wide().contains("When       request.audience"), "{}", desk.wide());
    // Closed again: tab is the next field, and typing goes on as ever.
    desk.type_in(" == \"x\" && pri").press("ctrl-space");
    assert!(desk.wide().contains("> request.priority"), "{}", desk.wide());
    desk.press("esc");
    assert!(desk.wide().contains("━ Edit long-prompts ━") && !desk.wide().contains("tab takes"), "{}", desk.wide());
    desk.press("ctrl-space down up tab").type_in(" == \"").type_in("hi").press("tab").type_in("\"").rest();
    assert!(desk.wide().contains("== \"x\" && request.priority == \"high\""), "{}", desk.wide());
    assert!(desk.wide().contains("reads request.audience (text), request.priority (text)"), "{}", desk.wide());
    desk.press("tab");
    assert!(desk.wide().contains("> Use "), "{}", desk.wide());
    let mut other = Desk::new();
    other.press("enter ctrl-u").type_in("provider[\"");
    assert!(other.wide().contains("lm_studio"), "{}", other.wide());
}

// ---- trying out

#[test]
fn the_tester_compares_edited_with_saved_rules_and_follows_the_world() {
    let mut desk = Desk::new();
    desk.press("enter ctrl-u").type_in("request.max_tokens == 0").rest();
    let screen = desk.wide();
    assert!(line_with(&screen, "as edited").contains("long-prompts"), "{screen}");
    assert!(!line_with(&screen, "as saved").contains("long-prompts"), "{screen}");
    assert_eq!(desk.file(), FILE, "nothing is written by looking");
    let asked = |desk: &Desk| desk.asked.iter().filter(|command| command.name() == CommandName::ExplainWith).count();
    let before = asked(&desk);
    let worse = super::support::snapshot::with_provider(evening(), "zai", |zai| zai.health.state = State::Down);
    desk.tell(Msg::Snapshot(Arc::new(worse))).rest();
    assert_eq!(asked(&desk), before + 1);
    desk.press("ctrl-e");
    assert!(desk.wide().contains("Explain, by the rules as edited"), "{}", desk.wide());
}

#[test]
fn a_recorded_call_is_tried_with_the_facts_it_had() {
    let mut desk = Desk::new();
    let record = super::support::snapshot::call_records().remove(0);
    desk.engine
        .on(CommandName::ListCalls, Reply::Calls(super::support::snapshot::call_page()))
        .on(CommandName::GetCall, Reply::Call(Box::new(record.clone())));
    desk.press("enter ctrl-t");
    assert!(desk.wide().contains("Try it with") && desk.wide().contains("c1214"), "{}", desk.wide());
    desk.type_in("c1214").press("enter").rest();
    assert!(desk.wide().contains("call c1214"), "{}", desk.wide());
    let last = desk.asked.iter().rev().find_map(|command| match command {
        Command::ExplainWith { facts, .. } => Some((**facts).clone()),
        _ => None,
    });
    let facts: Facts = last.unwrap();
    assert_eq!(facts.client, record.facts.client);
    assert_eq!(facts.tags, record.facts.tags);
}

#[test]
fn lint_follows_the_edited_rule() {
    let mut desk = Desk::new();
    desk.press("enter tab ctrl-u").type_in("naer").rest();
    let screen = desk.wide();
    assert!(screen.contains("Lint") && screen.contains("which names no provider"), "{screen}");
    desk.press("ctrl-u").type_in("near").rest();
    assert!(!desk.wide().contains("which names no provider"), "{}", desk.wide());
}

// ---- saving

#[test]
fn the_change_is_seen_before_it_is_written_and_comments_stay() {
    let mut desk = Desk::new();
    desk.press("enter").type_in(" && request.stream").press("ctrl-s");
    let screen = desk.wide();
    assert!(
        screen.contains("Change of") && screen.contains("+      when: request.prompt_tokens > 24000 && request.stream"),
        "{screen}"
    );
    assert_eq!(desk.file(), FILE);
    desk.press("esc");
    assert!(desk.wide().contains("━ Edit long-prompts ━"), "{}", desk.wide());
    desk.press("ctrl-o ctrl-s");
    assert_eq!(desk.file(), FILE.replace("> 24000", "> 24000 && request.stream"));
    assert!(desk.wide().contains("U undoes."), "{}", desk.wide());
    desk.reread().press("U");
    assert_eq!(desk.file(), FILE);
}

#[test]
fn only_what_was_changed_is_sent_and_an_emptied_field_is_cleared() {
    let mut desk = Desk::new();
    desk.press("enter shift-tab shift-tab right").press("shift-tab ctrl-u").press("ctrl-s");
    let draft = PolicyDraft { mode: Some("observe".into()), clear: vec!["priority".into()], ..PolicyDraft::default() };
    assert_eq!(desk.edits(), [(PolicyEdit::Edit { name: "long-prompts".into(), draft }, true)]);
}

#[test]
fn a_new_rule_needs_a_free_name_and_numbers_that_are_numbers() {
    let mut desk = Desk::new();
    desk.press("a").type_in("batch").press("ctrl-s");
    assert!(desk.wide().contains("there is a rule batch already"), "{}", desk.wide());
    desk.press("ctrl-u").type_in("new").press("tab").type_in("high").press("tab");
    assert!(desk.wide().contains("Priority is a whole number"), "{}", desk.wide());
    desk.press("shift-tab ctrl-u").type_in("7").press("tab tab tab tab enter").type_in("local").press("enter");
    assert!(line_with(&desk.wide(), "> Use").contains("local"), "{}", desk.wide());
    desk.press("ctrl-s ctrl-s").reread();
    let file = desk.file();
    assert!(file.starts_with(FILE.trim_end()), "{file}");
    for part in ["- name: new", "priority: 7", "local"] {
        assert!(file[FILE.len() - 1..].contains(part), "{file}");
    }
    assert!(line_with(&desk.wide(), "7  new").starts_with('>'), "{}", desk.wide());
}

#[test]
fn leaving_asks_where_something_would_be_lost() {
    let mut desk = Desk::new();
    desk.press("enter esc");
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
    desk.press("enter").type_in(" ").type_in("x").press("esc");
    assert!(desk.wide().contains("Leave the rule?"), "{}", desk.wide());
    desk.press("right right enter");
    assert!(desk.wide().contains("━ Routing"), "{}", desk.wide());
    assert_eq!(desk.file(), FILE);
}

#[test]
fn somebody_elses_save_meanwhile_is_shown_and_goes_under_only_when_asked() {
    let mut desk = Desk::new();
    desk.press("enter").type_in(" && request.stream").press("ctrl-s");
    let theirs = FILE.replace("not now", "later");
    std::fs::write(desk.folder.path().join("ai_models.yaml"), &theirs).unwrap();
    desk.press("ctrl-s");
    let screen = desk.wide();
    assert!(screen.contains("The file changed on disk") && screen.contains("deny: later"), "{screen}");
    assert_eq!(desk.file(), theirs);
    desk.press("right enter");
    assert_eq!(desk.file(), theirs.replace("> 24000", "> 24000 && request.stream"));
}

// ---- elsewhere

#[test]
fn a_call_of_telemetry_is_explained_by_the_rules_of_now() {
    let mut desk = Desk::new();
    let record = super::support::snapshot::call_records().remove(0);
    desk.engine
        .on(CommandName::ListCalls, Reply::Calls(super::support::snapshot::call_page()))
        .on(CommandName::GetCall, Reply::Call(Box::new(record.clone())));
    desk.press("5").rest().press("enter").rest().press("r").rest();
    let screen = desk.wide();
    assert!(screen.contains("sample: call c1214"), "{screen}");
    let last = desk.asked.iter().rev().find_map(|command| match command {
        Command::Explain { facts } => Some(facts.client.clone()),
        _ => None,
    });
    assert_eq!(last, Some(record.facts.client));
}

#[test]
fn plain_mode_says_field_error_and_both_answers() {
    let mut desk = Desk::new();
    desk.press("enter ctrl-u").type_in("request.audeince == \"x\"").rest();
    let said = desk.app.top().plain(&desk.app.cx()).join("\n");
    for part in
        ["Edit long-prompts, field 5 of 13, When:", "When: error in column 9:", "Last good version:", "as before"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn every_size_and_ascii_holds_the_editor() {
    let mut desk = Desk::new();
    desk.press("enter ctrl-u").type_in("request.").rest();
    for (width, height) in super::support::dashboard::SIZES {
        screen(&desk.app, width, height);
    }
    let narrow = desk.app_80();
    for part in ["━ Edit long-prompts ━", "> When", "tab takes", "ctrl-s save"] {
        assert!(narrow.contains(part), "{part}\n{narrow}");
    }
}

#[test]
fn by_keys_in_a_real_terminal_the_file_gets_the_rule_and_keeps_its_comments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ai_models.yaml");
    let text = format!("{FILE}gateway: {{ listen: '127.0.0.1:0' }}\n");
    std::fs::write(&file, &text).unwrap();
    let state = folder.path().join("state");
    let arguments = ["--config", file.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    let mut tty = Tty::start_bare(&arguments, |_| {});
    tty.until_text("near");
    tty.press("3");
    tty.until_text("long-prompts");
    tty.press("g");
    tty.press("g");
    tty.press("\r");
    tty.until_text("Edit long-prompts");
    tty.press(" && request.has_tols");
    tty.until_text("did you mean request.has_tools?");
    tty.press("\x7f\x7f\x7f");
    tty.press("ools");
    tty.until_text("(a whole number), request.has_tools");
    tty.press("\x13");
    tty.until_text("not saved");
    tty.press("\x13");
    tty.until_text("U undoes.");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text.replace("> 24000", "> 24000 && request.has_tools"));
    tty.press("q");
    tty.ends_with(0);
}

// ---- observed rules

#[tokio::test(start_paused = true)]
async fn what_an_observed_rule_would_have_decided_is_counted_and_recorded() {
    let near = super::support::engine::profile("near", Kind::LlamaCpp, &["small"]);
    let house = super::support::engine::house(vec![near], |config, _| {
        let observed =
            Policy { name: "watched".into(), observe: true, targets: vec!["near".into()], ..Policy::default() };
        config.rules.policies = vec![observed];
    })
    .await;
    for _ in 0..3 {
        super::support::engine::collect(house.engine.handle.dispatch(super::support::engine::ask("auto"))).await;
    }
    let mut snapshots = house.engine.handle.snapshots();
    let counted = |snapshot: &Arc<Snapshot>| snapshot.routing.observed.of == 3;
    let snapshot = tokio::time::timeout(Duration::from_mins(1), snapshots.wait_for(counted)).await.unwrap().unwrap();
    let count = ObservedCount { policy: "watched".into(), matched: 3, moved: 0, denied: 0 };
    assert_eq!(snapshot.routing.observed.policies, [count]);
    let recorded = &house.book.records()[0].observed;
    assert_eq!(recorded[0].target, Some(Target::new("near", "small")), "{recorded:?}");
    assert!(snapshot.routing.decided_today.iter().all(|(by, _)| by != "policy:watched"));
}

// ---- replay

fn replayed() -> ReplayDone {
    let fate = |target: &str, by: &str, cost| Fate {
        target: Some(target.parse().unwrap()),
        by: by.into(),
        local: Some(cost == 0),
        refused: None,
        cost: Some(Money(cost)),
        ttft_ms: Some(400),
    };
    let row = |n: u64| Replayed {
        id: format!("c{n}").as_str().into(),
        ts: NOW,
        request_type: "teach".into(),
        before: fate("zai/glm-4.6", "policy:long-prompts", 10_000_000_000),
        after: fate("near/small", "policy:long-prompts", 0),
        change: Change::Moved,
        today: if n == 2 { vec!["near".into()] } else { Vec::new() },
    };
    let flow = Flow {
        from: Some(Target::new("zai", "glm-4.6")),
        to: Some(Target::new("near", "small")),
        calls: 2,
        cost_before: Money(20_000_000_000),
        cost_after: Money::ZERO,
        unpriced: 0,
    };
    let report = ReplayReport {
        calls: 40,
        matching: 1482,
        moved: 2,
        before: ReplaySums { local: 38, cloud: 2, cost: Money(20_000_000_000), ..ReplaySums::default() },
        after: ReplaySums { local: 40, ..ReplaySums::default() },
        from_today: 1,
        flows: vec![flow],
        rows: vec![row(1), row(2)],
        ..ReplayReport::default()
    };
    ReplayDone { report, issues: Vec::new() }
}

#[test]
fn ctrl_r_replays_the_rule_as_edited_and_esc_goes_back_to_it() {
    let mut desk = Desk::new();
    desk.engine.on(CommandName::Replay, Reply::Replayed(Box::new(replayed())));
    desk.press("g g enter").type_in(" && request.has_tools").rest().press("ctrl-r");
    let Some(Command::Replay { query, .. }) = desk.asked.last() else { panic!("{:?}", desk.asked) };
    let ReplayRules::Edit(edit) = &query.rules else { panic!("{query:?}") };
    let PolicyEdit::Edit { name, draft } = &**edit else { panic!("{edit:?}") };
    assert_eq!(name, "long-prompts");
    assert!(draft.when.as_ref().is_some_and(|when| when.contains("has_tools")), "unsaved: {draft:?}");
    for screen in [desk.wide(), desk.app_80()] {
        for part in [
            "Replay  long-prompts as edited",
            "2 of 40 calls would go elsewhere.",
            "at home",
            "-$0.02",
            "zai/glm-4.6 by long-prompts",
            "near/small by long-prompts",
        ] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
    }
    let wide = desk.wide();
    for part in ["as recorded", "today's near", "The newest 40 of 1,482 calls that fit.", "never stored", "40 calls"] {
        assert!(wide.contains(part), "{part}\n{wide}");
    }
    desk.press("w");
    let Some(Command::Replay { query, .. }) = desk.asked.last() else { panic!("{:?}", desk.asked) };
    assert_eq!(query.limit, 10_000);
    desk.press("esc");
    assert!(desk.wide().contains("Edit long-prompts"), "{}", desk.wide());
}

#[test]
fn a_replay_under_way_tells_how_far_it_is_and_leaving_stops_it() {
    let mut app = App::new(Arc::new(evening()), options(), NOW);
    app.start();
    for key in keys("3") {
        app.update(Msg::Input(key), NOW);
    }
    let mut asked = Vec::new();
    for key in keys("R") {
        asked.extend(app.update(Msg::Input(key), NOW));
    }
    let run = asked.iter().find_map(|intent| match intent {
        Intent::Ask(_, Command::Replay { query, run }) if query.rules == ReplayRules::InForce => Some(*run),
        _ => None,
    });
    let run = run.unwrap_or_else(|| panic!("{asked:?}"));
    assert!(screen(&app, 80, 24).contains("Replay  the rules in force"), "{}", screen(&app, 80, 24));
    let kind = EventKind::ReplayProgress { run, done: 412, of: 1482 };
    app.update(Msg::Event(Box::new(Event { at: NOW, level: Level::Info, kind })), NOW);
    assert!(screen(&app, 80, 24).contains("[>] 412 of 1,482"), "{}", screen(&app, 80, 24));
    let mut left = Vec::new();
    for key in keys("esc") {
        left.extend(app.update(Msg::Input(key), NOW));
    }
    let stops = |intent: &Intent| matches!(intent, Intent::Ask(_, Command::StopReplay { run: of }) if *of == run);
    assert!(left.iter().any(stops), "{left:?}");
    assert!(!screen(&app, 80, 24).contains("Replay  "), "{}", screen(&app, 80, 24));
}

#[test]
fn a_condition_that_cannot_be_read_is_not_replayed() {
    let mut desk = Desk::new();
    desk.press("g g enter").type_in(" && request.tpye").rest().press("ctrl-r");
    assert!(desk.asked.iter().all(|command| command.name() != CommandName::Replay), "{:?}", desk.asked);
    assert!(desk.wide().contains("not replayed"), "{}", desk.wide());
}
