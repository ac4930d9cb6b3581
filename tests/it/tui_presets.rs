//! Presets in the playground by their keys: one is chosen, its variables get values, what is sent is seen first; and
//! a prompt becomes one, with the change of the file looked at before it is written.

use super::config::Place;
use super::support::dashboard::{SIZES, Typing, options, picture, screen};
use super::support::snapshot::{NOW, evening, handle_for};
use lmdeck::adapters::config::ConfigFile;
use lmdeck::domain::call::{Body, CallRequest, Role};
use lmdeck::engine::handle::EngineHandle;
use lmdeck::engine::ports::{ConfigEdit, ConfigStore};
use lmdeck::engine::protocol::{Command, PresetEdit, Reply, Snapshot};
use lmdeck::tui::App;
use lmdeck::tui::input::Input;
use lmdeck::tui::msg::{Intent, Msg};
use std::sync::Arc;

const FILE: &str = "\
# mine
providers:
  - { id: zai, type: z_ai_glm, models: [glm-4.6] }
presets:
  # the original's own
  generate-prayer:
    request_type: prayer_generation
    system_prompt: Create {{tradition}} style prayers.
    prompt: Generate a prayer for {{intention}}.
    defaults: { tradition: universal }
    max_tokens: 300
    temperature: 0.8
    answer_field: prayer
  plain: { prompt: Say hello., model: zai }
";

/// A person at the playground whose edits go to a real file; calls are only looked at.
struct Desk {
    app: App,
    handle: EngineHandle,
    store: ConfigFile,
    place: Place,
    asked: Vec<Command>,
    calls: Vec<CallRequest>,
}

impl Desk {
    fn on(file: &str) -> Self {
        let place = Place::holding(file);
        let store = place.store(&[]);
        let snapshot = picture_of(&store);
        let (handle, _) = handle_for(snapshot.clone());
        let app = App::new(Arc::new(snapshot), options(), NOW);
        let mut desk = Self { app, handle, store, place, asked: Vec::new(), calls: Vec::new() };
        let first = desk.app.start();
        desk.carry_out(first);
        desk.press("4");
        desk
    }

    fn carry_out(&mut self, intents: Vec<Intent>) {
        for intent in intents {
            match intent {
                Intent::Ask(ticket, command) => {
                    self.asked.push(command.clone());
                    let edited = |result| match result {
                        Ok(report) => Reply::Edited(report),
                        Err(refusal) => Reply::Refused(refusal),
                    };
                    let reply = match command {
                        Command::EditPreset { edit, dry_run } => {
                            edited(self.store.edit(&ConfigEdit::Preset(*edit), dry_run))
                        }
                        Command::ConfigUndo => edited(self.store.undo()),
                        other => self.handle.ask_later(other).unwrap().blocking_recv().unwrap(),
                    };
                    self.tell(Msg::Reply(ticket, Box::new(reply)));
                    let snapshot = picture_of(&self.store);
                    self.tell(Msg::Snapshot(Arc::new(snapshot)));
                }
                Intent::Call(_, request) => self.calls.push(*request),
                _ => {}
            }
        }
    }

    fn sees(&mut self, texts: &[&str]) -> &mut Self {
        let screen = screen(&self.app, 80, 24);
        for text in texts {
            assert!(screen.contains(text), "no {text:?} in\n{screen}");
        }
        self
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.place.path("ai_models.yaml")).unwrap()
    }

    /// The last request: system prompt, prompt, longest answer, temperature.
    fn sent(&self) -> (Option<&str>, &str, Option<u64>, Option<f64>) {
        let Body::Chat { messages, max_tokens, temperature, .. } = &self.calls.last().unwrap().body else { panic!() };
        let said = |role| messages.iter().find(|message| message.role == role).map(|message| message.content.as_str());
        (said(Role::System), said(Role::User).unwrap(), *max_tokens, *temperature)
    }
}

impl Typing for Desk {
    fn tell(&mut self, msg: Msg) -> &mut Self {
        let intents = self.app.update(msg, NOW);
        self.carry_out(intents);
        self
    }
}

fn picture_of(store: &ConfigFile) -> Snapshot {
    let mut snapshot = evening();
    Arc::make_mut(&mut snapshot.config).presets = store.load().unwrap().config.presets.clone();
    snapshot
}

#[test]
fn a_preset_is_chosen_filled_seen_and_sent() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g").sees(&["┌ Preset", "generate-prayer  prayer_generation: intention, tradition=universal"]);
    desk.type_in("gener").press("enter");
    desk.sees(&[
        " preset generate-prayer ━",
        "System       Create {{tradition}} style prayers.",
        "    Generate a prayer for {{intention}}.",
        "Temperature  0.8                        Max tokens   300",
        "Type         prayer_generation",
    ]);
    assert!(desk.calls.is_empty(), "choosing sends nothing");
    desk.press("enter").sees(&[
        "━ Preset generate-prayer ━",
        "> intention *",
        "  tradition    universal (default)",
        "    Create universal style prayers.",
        "    Generate a prayer for {{intention}}.",
    ]);
    desk.press("enter").sees(&["intention has no value and no default: type one"]);
    assert!(desk.calls.is_empty(), "sent without a value");
    desk.type_in("peace {{tradition}}").press("tab").type_in("zen");
    desk.sees(&["Create zen style prayers.", "Generate a prayer for peace {{tradition}}."]);
    desk.press("enter");
    assert_eq!(
        desk.sent(),
        (Some("Create zen style prayers."), "Generate a prayer for peace {{tradition}}.", Some(300), Some(0.8))
    );
    let facts = &desk.calls[0].facts;
    assert_eq!((facts.request_type.as_str(), facts.tags["preset"].as_str()), ("prayer_generation", "generate-prayer"));
    // The history holds what was sent, not the template.
    let saved = desk.asked.iter().find_map(|command| match command {
        Command::SavePrompt { prompt } => Some(prompt.prompt.clone()),
        _ => None,
    });
    assert_eq!(saved.as_deref(), Some("Generate a prayer for peace {{tradition}}."));
}

#[test]
fn values_stay_for_the_next_time_and_may_have_lines() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter enter");
    desk.tell(Msg::Input(Input::Paste("one\ntwo".into())));
    desk.press("enter");
    assert_eq!(desk.sent().1, "Generate a prayer for one\ntwo.");
    desk.press("ctrl-c enter").sees(&["> intention *  two", "line 2 of 2"]);
    desk.press("ctrl-j").type_in("three").press("enter");
    assert_eq!(desk.sent().1, "Generate a prayer for one\ntwo\nthree.");
    assert_eq!(desk.calls.len(), 2);
}

#[test]
fn values_that_were_not_sent_are_there_the_next_time() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter enter").type_in("peace").press("esc").sees(&["Generate a prayer for {{intention}}"]);
    assert_eq!(desk.calls.len(), 0, "nothing is sent by leaving");
    desk.press("enter").sees(&["> intention *  peace"]);
    desk.type_in("ful").press("ctrl-c").sees(&["Leave lmdeck?", "The values of the variables were not sent."]);
    desk.press("enter enter");
    assert_eq!(desk.sent().1, "Generate a prayer for peaceful.");
}

#[test]
fn a_preset_half_filled_in_is_not_left_without_a_question() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter ctrl-s").type_in("-two").press("esc").sees(&["Leave the preset?"]);
    desk.press("enter").sees(&["Keep as a preset"]);
    desk.press("esc right right enter").sees(&["Generate a prayer for {{intention}}"]);
}

#[test]
fn one_without_variables_is_sent_at_once_and_none_leaves_the_text_as_it_is() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g").type_in("plain").press("enter enter");
    assert_eq!((desk.sent().1, desk.calls[0].facts.requested_model.as_str()), ("Say hello.", "zai"));
    desk.press("ctrl-c").type_in(" {{x}}").press("ctrl-g").type_in("none").press("enter").press("enter");
    assert_eq!(desk.sent().1, "Say hello. {{x}}", "text that is no preset's is sent as it stands");
    assert!(desk.calls[1].facts.tags.is_empty());
}

#[test]
fn a_template_that_cannot_be_read_is_said_and_not_sent() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter").type_in(" {{").press("enter");
    desk.sees(&["Prompt: character 38: {{ is not closed"]);
    assert!(desk.calls.is_empty());
    desk.press("ctrl-s").sees(&["Prompt: character 38: {{ is not closed"]);
}

#[test]
fn a_prompt_is_kept_as_a_preset_after_its_change_was_seen_and_undo_takes_it_back() {
    let mut desk = Desk::on(FILE);
    desk.type_in("Summarise {{text}}, {{length}}.").press("ctrl-s");
    desk.sees(&[
        "━ Keep as a preset ━",
        "> Name *",
        "Default of text    (none: it has to be given)",
        "Prompt       Summarise",
    ]);
    desk.press("ctrl-s").sees(&["[x] a name is needed: as in generate-prayer"]);
    desk.type_in("summarise").press("tab tab tab").type_in("short").press("ctrl-s");
    desk.sees(&[
        "not saved ━",
        "+  summarise:",
        "+    prompt: Summarise {{text}}, {{length}}.",
        "+      length: short",
    ]);
    assert_eq!(desk.file(), FILE, "written before it was seen");
    desk.press("ctrl-s").sees(&[" preset summarise ━", "U undoes."]);
    let new = "  summarise:\n    prompt: Summarise {{text}}, {{length}}.\n    max_tokens: 1024\n    defaults:\n      length: short\n";
    assert_eq!(desk.file(), format!("{FILE}{new}"));
    // It is a preset now: enter asks for its variables.
    desk.press("enter").sees(&["> text *", "length      short (default)"]).press("esc esc U");
    assert_eq!(desk.file(), FILE);
}

impl Desk {
    fn last_edit(&self) -> &PresetEdit {
        let edits = self.asked.iter().rev().find_map(|command| match command {
            Command::EditPreset { edit, .. } => Some(&**edit),
            _ => None,
        });
        edits.unwrap()
    }
}

#[test]
fn a_preset_that_is_there_is_changed_and_the_persons_comments_stay() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter").type_in(" Be brief.").press("ctrl-s");
    desk.sees(&[
        "━ Change preset generate-prayer ━",
        "Answer field          prayer",
        "Default of tradition  universal",
    ]);
    desk.press("ctrl-s").sees(&["-    prompt: Generate a prayer for {{intention}}.", "Be brief."]).press("enter");
    assert!(matches!(desk.last_edit(), PresetEdit::Edit { name, .. } if name == "generate-prayer"));
    let wanted = FILE.replace("{{intention}}.\n", "{{intention}}. Be brief.\n");
    assert_eq!(desk.file(), wanted);
}

#[test]
fn keeping_a_preset_takes_back_nothing_that_others_changed_since_it_was_taken() {
    let theirs = FILE.replace("max_tokens: 300", "max_tokens: 900").replace("style prayers", "style blessings");
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter").type_in(" Be brief.");
    std::fs::write(desk.place.path("ai_models.yaml"), &theirs).unwrap();
    desk.tell(Msg::Snapshot(Arc::new(picture_of(&desk.store))));
    desk.press("ctrl-s").sees(&["Max tokens   900", "blessings"]).press("ctrl-s ctrl-s");
    let wanted = theirs.replace("{{intention}}.\n", "{{intention}}. Be brief.\n");
    assert_eq!(desk.file(), wanted);
    // Nor the next time.
    desk.type_in(" Now.").press("ctrl-s ctrl-s ctrl-s");
    assert_eq!(desk.file(), wanted.replace("Be brief.", "Be brief. Now."));
}

#[test]
fn a_preset_that_stays_as_it_is_writes_nothing() {
    let block = "presets:\n  long:\n    prompt: |\n      One {{a}}\n\n      two\n    defaults: { a: 3 }\n";
    let mut desk = Desk::on(block);
    desk.press("ctrl-g enter ctrl-s ctrl-s").sees(&["nothing would change in the file"]);
    assert_eq!(desk.file(), block);
}

#[test]
fn a_variable_that_is_typed_into_the_prompt_is_asked_for_too() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g enter enter").type_in("peace").press("enter ctrl-c");
    desk.type_in(" {{more}}").press("enter").sees(&["  intention *  peace", "> more *"]);
    desk.press("esc").sees(&["Generate a prayer for {{intention}}. {{more}}"]);
    assert_eq!(desk.calls.len(), 1);
}

#[test]
fn without_presets_the_way_to_one_is_told() {
    let mut desk = Desk::on("providers: []\n");
    desk.sees(&["ctrl-g takes a preset"]);
    desk.press("ctrl-g").sees(&["No preset yet: type a prompt with {{names}}, ctrl-s keeps it as one."]);
    desk.press("esc ctrl-s").sees(&["the prompt is empty"]);
    desk.press("ctrl-p").type_in("preset").sees(&["prompt: preset", "prompt: keep"]);
}

#[test]
fn the_palette_takes_a_preset_by_name() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-p").type_in("take preset plain").press("enter").sees(&[" preset plain ━", "    Say hello."]);
}

#[test]
fn every_size_holds_the_layers() {
    for words in ["ctrl-g", "ctrl-g enter enter", "ctrl-g enter ctrl-s"] {
        let mut desk = Desk::on(FILE);
        desk.press(words);
        for (width, height) in SIZES {
            picture(&desk.app, width, height);
        }
        assert!(screen(&desk.app, 120, 40).contains("reset"), "{words}");
    }
}

#[test]
fn a_preset_is_deleted_after_a_question_and_undo_brings_it_back() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g").type_in("plain").press("ctrl-d");
    desk.sees(&["Delete preset plain?", "Say hello.", "[ Keep ]"]).press("enter");
    assert_eq!(desk.file(), FILE, "deleted by the safe answer");
    desk.press("ctrl-d right enter").sees(&["Nothing holds this text.", "Saved ai_models.yaml", "U undoes."]);
    assert!(!desk.file().contains("Say hello."), "{}", desk.file());
    assert!(desk.file().contains("# the original's own"), "{}", desk.file());
    desk.press("ctrl-u").sees(&["generate-prayer"]).press("esc esc U");
    assert_eq!(desk.file(), FILE);
}

#[test]
fn a_line_of_plain_mode_takes_the_place_of_a_value_and_of_a_presets_prompt() {
    let mut desk = Desk::on(FILE);
    desk.press("ctrl-g").type_in("plain").press("enter");
    assert!(desk.app.fill("third").is_empty());
    desk.press("enter");
    assert_eq!(desk.sent().1, "third", "the text that stood there came back");
    desk.press("ctrl-c i ctrl-g").type_in("gener").press("enter enter");
    for value in ["paris", "rome"] {
        assert!(desk.app.fill(value).is_empty());
    }
    desk.press("enter");
    assert_eq!(desk.sent().1, "Generate a prayer for rome.");
}
