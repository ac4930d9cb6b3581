//! The one key table. Dispatch, footer, help and the person's overrides all read it.
//!
//! A screen adds its keys as one more `const` slice of [`Entry`] and its name in [`TABLE`].

use super::Context;
use crate::tui::action::Action as A;

/// One act in one context.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub context: Context,
    pub action: A,
    /// For `ui.keys` in the configuration, as in `providers.test`.
    pub name: &'static str,
    /// The usual key first: footer and help show it.
    pub keys: &'static [&'static str],
    /// The word in the footer; empty: not shown there.
    pub footer: &'static str,
    /// A sentence for the help.
    pub about: &'static str,
    /// Stays in the footer when others give way.
    pub keep: bool,
}

impl Entry {
    const fn kept(self) -> Self {
        Self { keep: true, ..self }
    }
}

const fn entry(
    context: Context,
    action: A,
    name: &'static str,
    keys: &'static [&'static str],
    footer: &'static str,
    about: &'static str,
) -> Entry {
    Entry { context, action, name, keys, footer, about, keep: false }
}

/// All entries, part by part.
pub const TABLE: &[&[Entry]] = &[
    ALWAYS, EVERYWHERE, LIST, PROVIDERS, DETAIL, HEALTH, ROUTING, PLAYGROUND, TELEMETRY, FORM, TYPING, LAYERS, PAGES,
    FRAME,
];

const ALWAYS: &[Entry] = {
    use Context::Always as C;
    &[
        entry(C, A::Cancel, "cancel", &["ctrl-c"], "", "stop what runs; quit when nothing does"),
        entry(C, A::Suspend, "suspend", &["ctrl-z"], "", "back to the shell; fg returns"),
        entry(C, A::Repaint, "repaint", &["ctrl-l"], "", "draw the whole screen again"),
        entry(C, A::Help, "help", &["f1"], "", "help for this place"),
    ]
};

#[rustfmt::skip]
const EVERYWHERE: &[Entry] = {
    use Context::Everywhere as C;
    &[
        entry(C, A::GoTab(1), "tab.1", &["1"], "", "Providers"),
        entry(C, A::GoTab(2), "tab.2", &["2"], "", "Health"),
        entry(C, A::GoTab(3), "tab.3", &["3"], "", "Routing"),
        entry(C, A::GoTab(4), "tab.4", &["4"], "", "Playground"),
        entry(C, A::GoTab(5), "tab.5", &["5"], "", "Telemetry"),
        entry(C, A::NextTab, "tab.next", &["]"], "", "the tab to the right"),
        entry(C, A::PreviousTab, "tab.previous", &["["], "", "the tab to the left"),
        entry(C, A::NextPart, "part.next", &["tab"], "", "the next part of this screen"),
        entry(C, A::PreviousPart, "part.previous", &["shift-tab"], "", "the part before"),
        entry(C, A::Messages, "messages", &["!"], "", "messages so far"),
        entry(C, A::OpenEditor, "editor", &["E"], "", "open the configuration file in $EDITOR"),
        entry(C, A::Undo, "undo", &["U"], "", "take back the last change of the file"),
        entry(C, A::BrokenPage, "broken", &["F"], "", "why the configuration file is not in force, and what can be done"),
        entry(C, A::Connect, "connect", &["C"], "", "the lines that point another program at the gateway"),
        entry(C, A::Report, "report", &["B"], "", "a report for a bug, without keys and without texts of calls"),
        entry(C, A::Back, "back", &["esc"], "", "close, or clear the filter"),
        entry(C, A::Help, "help.keys", &["?"], "", "help for this place"),
        entry(C, A::Quit, "quit", &["q"], "", "leave lmdeck"),
    ]
};

const LIST: &[Entry] = {
    use Context::List as C;
    &[
        entry(C, A::Down, "list.down", &["j", "down"], "", "next"),
        entry(C, A::Up, "list.up", &["k", "up"], "", "previous"),
        entry(C, A::First, "list.first", &["g g", "home"], "", "first"),
        entry(C, A::Last, "list.last", &["G", "end"], "", "last"),
        entry(C, A::PageDown, "list.page_down", &["pgdn", "ctrl-d"], "", "a page down"),
        entry(C, A::PageUp, "list.page_up", &["pgup", "ctrl-u"], "", "a page up"),
    ]
};

#[rustfmt::skip]
const PROVIDERS: &[Entry] = {
    use Context::Providers as C;
    &[
        entry(C, A::Open, "providers.open", &["enter", "right"], "", "its details, where its models are chosen"),
        entry(C, A::ProviderAdd, "providers.add", &["a"], "add", "add a provider by form").kept(),
        entry(C, A::ProviderEdit, "providers.edit", &["e"], "edit", "change it by form"),
        entry(C, A::ProviderTest, "providers.test", &["t"], "test", "one free probe now"),
        entry(C, A::ProviderDoctor, "providers.doctor", &["D"], "doctor", "every step of a connection, with its verdict"),
        entry(C, A::ProviderToggle, "providers.toggle", &["space"], "off", "off or on, written to the file"),
        entry(C, A::ModelLoad, "providers.load", &["l"], "load", "load a model of it; the server goes on when you leave"),
        entry(C, A::ModelUnload, "providers.unload", &["u"], "unload", "give a model's memory back"),
        entry(C, A::ProviderPause, "providers.pause", &["p"], "pause", "no probes and no calls until resumed; not written to the file"),
        entry(C, A::ProviderDelete, "providers.delete", &["d"], "delete", "take it out of the file, after a question"),
        entry(C, A::ProviderUse, "providers.use", &["m"], "use", "make it, or its chosen model, the active target, or back to auto"),
        entry(C, A::NextProblem, "providers.problem", &["n"], "next problem", "the next one that needs attention"),
        entry(C, A::Trust, "providers.trust", &["T"], "", "let keys go where the file sends them, after a question"),
        entry(C, A::Copy, "providers.copy", &["y"], "", "copy the command of What to do"),
        entry(C, A::ProviderProbeAll, "providers.probe_all", &["R"], "", "probe all of them now"),
        entry(C, A::Discover, "providers.discover", &["f"], "", "look for servers on this machine again"),
        entry(C, A::Filter, "providers.filter", &["/"], "filter", "show only what holds a text").kept(),
    ]
};

const DETAIL: &[Entry] = {
    use Context::ProviderDetail as C;
    &[entry(C, A::Back, "detail.back", &["h", "left"], "", "back to the list")]
};

#[rustfmt::skip]
const HEALTH: &[Entry] = {
    use Context::Health as C;
    &[
        entry(C, A::Open, "health.open", &["enter"], "details", "its page under Providers").kept(),
        entry(C, A::ProviderTest, "health.probe", &["r", "t"], "probe now", "one free probe now"),
        entry(C, A::ProviderPause, "health.pause", &["p"], "pause", "no probes and no calls until resumed"),
        entry(C, A::ProviderDoctor, "health.doctor", &["D"], "doctor", "every step of a connection, with its verdict"),
        entry(C, A::HealthIncidents, "health.incidents", &["i"], "incidents", "to the incidents and back"),
        entry(C, A::ProviderProbeAll, "health.probe_all", &["R"], "probe all", "probe all of them now"),
        entry(C, A::NextProblem, "health.problem", &["n"], "", "the next one that needs attention"),
        entry(C, A::HealthWindow, "health.window", &["w"], "window", "the time the charts show"),
        entry(C, A::HealthScale, "health.scale", &["s"], "scale", "own scale, or one for all"),
        entry(C, A::Filter, "health.filter", &["/"], "filter", "show only what holds a text").kept(),
    ]
};

#[rustfmt::skip]
const ROUTING: &[Entry] = &[
    entry(Context::Routing, A::Open, "routing.open", &["enter", "e"], "change", "change it: a rule or an order by editor, the others by choice").kept(),
    entry(Context::Routing, A::RuleAdd, "routing.add", &["a"], "add rule", "add a rule").kept(),
    entry(Context::Routing, A::RuleToggle, "routing.toggle", &["space"], "on/off", "use the rule or keep it unused in the file"),
    entry(Context::Routing, A::RuleMode, "routing.mode", &["m"], "mode", "enforce the rule, or only observe what it would do"),
    entry(Context::Routing, A::RuleUp, "routing.up", &["K"], "up", "let the rule decide earlier"),
    entry(Context::Routing, A::RuleDown, "routing.down", &["J"], "down", "let the rule decide later"),
    entry(Context::Routing, A::RuleCopy, "routing.copy_rule", &["c"], "copy", "a second one like it, switched off"),
    entry(Context::Routing, A::RouteAdd, "routing.add_order", &["o"], "add order", "add an order for a request type"),
    entry(Context::Routing, A::RouteDelete, "routing.delete", &["d"], "delete", "take the rule or the order out of the file, after a question"),
    entry(Context::Routing, A::RouteTry, "routing.type", &["t"], "try it", "explain a request of this order's type"),
    entry(Context::Routing, A::NextPart, "routing.explained", &["tab", "l", "right"], "explained", "to the explanation"),
    entry(Context::Routing, A::SampleEdit, "routing.sample", &["f"], "sample", "change the sample request"),
    entry(Context::Routing, A::Filter, "routing.filter", &["/"], "filter", "show only what holds a text"),
    entry(Context::Routing, A::RuleReplay, "routing.replay", &["R"], "replay", "the rules in force over the calls of the past"),
    entry(Context::Routing, A::Copy, "routing.copy", &["y"], "", "copy the explanation as text"),
    entry(Context::Routing, A::CopyCommand, "routing.command", &["Y"], "", "copy the command that explains the same"),
    entry(Context::Explained, A::SampleEdit, "explained.sample", &["f", "enter", "e"], "sample", "change the sample request").kept(),
    entry(Context::Explained, A::Copy, "explained.copy", &["y"], "copy", "copy the explanation as text"),
    entry(Context::Explained, A::CopyCommand, "explained.command", &["Y"], "copy command", "copy the command that explains the same"),
    entry(Context::Explained, A::Back, "explained.back", &["esc", "h", "left"], "back", "back to the rules").kept(),
    entry(Context::Sample, A::FieldNext, "sample.next", &["tab", "down"], "next", "the next field"),
    entry(Context::Sample, A::FieldPrevious, "sample.previous", &["shift-tab", "up"], "", "the field before"),
    entry(Context::Sample, A::ChoiceNext, "sample.choice_next", &["right", "space"], "choose", "the next choice, in a field of choices"),
    entry(Context::Sample, A::ChoicePrevious, "sample.choice_previous", &["left"], "", "the choice before"),
    entry(Context::Sample, A::SampleKnown, "sample.known", &["ctrl-t"], "known ones", "choose among the types, models or providers known here"),
    entry(Context::Sample, A::SampleDone, "sample.done", &["enter", "esc"], "done", "to the explanation").kept(),
    entry(Context::OrderName, A::FieldNext, "order_name.next", &["enter", "tab", "down"], "targets", "to the targets").kept(),
    entry(Context::OrderName, A::FormSave, "order_name.save", &["ctrl-s"], "save", "write it to the file").kept(),
    entry(Context::OrderName, A::FormLeave, "order_name.leave", &["esc"], "leave", "leave; asks when something would be lost"),
    entry(Context::OrderItems, A::ItemAdd, "order.add", &["a", "enter"], "add", "add a target below the chosen one").kept(),
    entry(Context::OrderItems, A::ItemRemove, "order.remove", &["d"], "remove", "take it out of the order"),
    entry(Context::OrderItems, A::ItemUp, "order.up", &["K"], "up", "try it earlier"),
    entry(Context::OrderItems, A::ItemDown, "order.down", &["J"], "down", "try it later"),
    entry(Context::OrderItems, A::FieldPrevious, "order.name", &["tab", "shift-tab"], "", "to the name, while the order is new"),
    entry(Context::OrderItems, A::FormSave, "order.save", &["ctrl-s"], "save", "write it to the file").kept(),
    entry(Context::OrderItems, A::FormLeave, "order.leave", &["esc"], "leave", "leave; asks when something would be lost").kept(),
    entry(Context::Rule, A::FieldNext, "rule.next", &["tab", "down"], "next", "the next field").kept(),
    entry(Context::Rule, A::FieldPrevious, "rule.previous", &["shift-tab", "up"], "", "the field before"),
    entry(Context::Rule, A::RuleSample, "rule.sample", &["ctrl-t"], "sample", "try it with a recorded call, or with the sample request"),
    entry(Context::Rule, A::RuleExplain, "rule.explain", &["ctrl-e"], "explain", "the whole explanation by the rules as edited"),
    entry(Context::Rule, A::RuleReplay, "rule.replay", &["ctrl-r"], "replay", "the rules as edited over the calls of the past"),
    entry(Context::Rule, A::FormDifference, "rule.difference", &["ctrl-o"], "show change", "what would be written to the file"),
    entry(Context::Rule, A::RuleComplete, "rule.complete", &["ctrl-space"], "names", "the names that fit here, in the condition"),
    entry(Context::Rule, A::RulePick, "rule.pick", &["enter"], "pick", "names to pick from, where there are some; else the next field"),
    entry(Context::Rule, A::ChoiceNext, "rule.choice_next", &["right", "space"], "choose", "the next choice, in a field of choices"),
    entry(Context::Rule, A::ChoicePrevious, "rule.choice_previous", &["left"], "", "the choice before"),
    entry(Context::Rule, A::FormSave, "rule.save", &["ctrl-s"], "save", "show the change of the file; there once more writes it").kept(),
    entry(Context::Rule, A::PromptEditor, "rule.editor", &["ctrl-x"], "$EDITOR", "write the text of the field in your editor"),
    entry(Context::Rule, A::PageDown, "rule.page_down", &["pgdn"], "", "more of what stands below the fields"),
    entry(Context::Rule, A::PageUp, "rule.page_up", &["pgup"], "", "back up there"),
    entry(Context::Rule, A::FormLeave, "rule.leave", &["esc"], "leave", "leave; asks when something would be lost").kept(),
    entry(Context::Completion, A::RuleTake, "completion.take", &["tab"], "take", "the chosen name into the condition").kept(),
    entry(Context::Completion, A::Down, "completion.down", &["down", "ctrl-n"], "next", "the next name"),
    entry(Context::Completion, A::Up, "completion.up", &["up"], "", "the name before"),
    entry(Context::Completion, A::Back, "completion.close", &["esc"], "close names", "close the names, not the editor").kept(),
    entry(Context::Review, A::RuleSave, "review.save", &["ctrl-s", "enter"], "save", "write it to the file").kept(),
    entry(Context::Review, A::Copy, "review.copy", &["y"], "copy", "copy it"),
    entry(Context::Review, A::Back, "review.back", &["esc", "q"], "back", "back; nothing is written").kept(),
    entry(Context::Replay, A::ReplayAgain, "replay.again", &["r"], "again", "the same once more"),
    entry(Context::Replay, A::ReplayMore, "replay.more", &["w"], "more calls", "over ten times as many calls"),
    entry(Context::Replay, A::Copy, "replay.copy", &["y"], "copy", "copy it as text"),
    entry(Context::Replay, A::Back, "replay.close", &["esc", "q"], "back", "close it; a replay under way is stopped, as by ctrl-c").kept(),
];

#[rustfmt::skip]
const PLAYGROUND: &[Entry] = &[
    entry(Context::Prompt, A::PromptSend, "prompt.send", &["enter"], "send", "send it"),
    entry(Context::Prompt, A::PromptNewLine, "prompt.new_line", &["ctrl-j", "alt-enter"], "new line", "a new line in the prompt"),
    entry(Context::Prompt, A::PromptTarget, "prompt.target", &["ctrl-t"], "target", "choose who is to answer"),
    entry(Context::Prompt, A::AnswerWhy, "prompt.why", &["ctrl-w"], "why", "why it would go there"),
    entry(Context::Prompt, A::PromptCount, "prompt.count", &["ctrl-n"], "count", "have its vendor count the tokens (Anthropic): free, and the text goes there"),
    entry(Context::Prompt, A::PromptHistory, "prompt.history", &["ctrl-r", "up"], "history", "prompts sent before; up in an empty prompt"),
    entry(Context::Prompt, A::PromptEditor, "prompt.editor", &["ctrl-o"], "$EDITOR", "write the prompt in your editor"),
    entry(Context::Prompt, A::FieldNext, "prompt.next", &["tab"], "", "the next field, then the answer"),
    entry(Context::Prompt, A::FieldPrevious, "prompt.previous", &["shift-tab"], "", "the field before"),
    entry(Context::Prompt, A::PromptUndo, "prompt.undo", &["ctrl-u"], "", "take back the last edit of the text"),
    entry(Context::Prompt, A::PromptRedo, "prompt.redo", &["ctrl-y"], "", "do it again"),
    entry(Context::Prompt, A::Back, "prompt.leave", &["esc"], "leave", "to the answer, where letters are keys").kept(),
    entry(Context::Answer, A::PromptEdit, "answer.prompt", &["i"], "prompt", "to the prompt").kept(),
    entry(Context::Answer, A::PromptSend, "answer.again", &["enter"], "send again", "send the prompt as it stands"),
    entry(Context::Answer, A::Copy, "answer.copy", &["y"], "copy", "copy the answer"),
    entry(Context::Answer, A::AnswerFold, "answer.fold", &["z"], "reasoning", "show or fold what the model thought"),
    entry(Context::Answer, A::PromptTarget, "answer.target", &["ctrl-t", "t"], "target", "choose who is to answer"),
    entry(Context::Answer, A::PromptHistory, "answer.history", &["ctrl-r"], "", "prompts sent before"),
    entry(Context::Answer, A::AnswerWhy, "answer.why", &["w", "ctrl-w"], "why", "why this model"),
    entry(Context::Prompt, A::PresetPick, "prompt.preset", &["ctrl-g"], "preset", "take a preset: a prompt with variables"),
    entry(Context::Prompt, A::PresetKeep, "prompt.keep", &["ctrl-s"], "keep", "keep the prompt and its settings as a preset"),
    entry(Context::Answer, A::PresetPick, "answer.preset", &["p", "ctrl-g"], "preset", "take a preset: a prompt with variables"),
    entry(Context::Answer, A::PresetKeep, "answer.keep", &["K", "ctrl-s"], "keep", "keep the prompt and its settings as a preset"),
    entry(Context::Variables, A::PromptSend, "variables.send", &["enter"], "send", "send it with these values").kept(),
    entry(Context::Variables, A::FieldNext, "variables.next", &["tab", "down"], "next", "the next variable"),
    entry(Context::Variables, A::FieldPrevious, "variables.previous", &["shift-tab", "up"], "", "the variable before"),
    entry(Context::Variables, A::PromptNewLine, "variables.new_line", &["ctrl-j", "alt-enter"], "new line", "a new line in the value"),
    entry(Context::Variables, A::PromptEditor, "variables.editor", &["ctrl-o"], "$EDITOR", "write the value in your editor"),
    entry(Context::Variables, A::PageDown, "variables.page_down", &["pgdn"], "", "more of the texts below"),
    entry(Context::Variables, A::PageUp, "variables.page_up", &["pgup"], "", "back up there"),
    entry(Context::Variables, A::Back, "variables.back", &["esc"], "back", "back to the prompt; nothing is sent").kept(),
    entry(Context::Preset, A::FieldNext, "preset.next", &["tab", "down", "enter"], "next", "the next field").kept(),
    entry(Context::Preset, A::FieldPrevious, "preset.previous", &["shift-tab", "up"], "", "the field before"),
    entry(Context::Preset, A::FormSave, "preset.save", &["ctrl-s"], "save", "show the change of the file; there once more writes it").kept(),
    entry(Context::Preset, A::PageDown, "preset.page_down", &["pgdn"], "", "more of what it will hold"),
    entry(Context::Preset, A::PageUp, "preset.page_up", &["pgup"], "", "back up there"),
    entry(Context::Preset, A::FormLeave, "preset.leave", &["esc"], "leave", "back to the prompt; asks when something would be lost").kept(),
    entry(Context::PresetList, A::PresetDelete, "presets.delete", &["ctrl-d"], "delete", "take the preset out of the file, after a question"),
];

#[rustfmt::skip]
const TELEMETRY: &[Entry] = {
    use Context::{AppLog, CallDetail, CallsCharts, Telemetry as C};
    &[
        entry(C, A::Open, "calls.open", &["enter", "l", "right"], "open", "all that was recorded of it").kept(),
        entry(C, A::CallsFollow, "calls.follow", &["f"], "follow", "follow new calls, or hold the list still"),
        entry(C, A::Filter, "calls.filter", &["/"], "filter", "words, or conditions as in status:failed since:2h cost:>0.01").kept(),
        entry(C, A::NextProblem, "calls.problem", &["n"], "next failed", "the next call that failed or was denied"),
        entry(C, A::AppLog, "calls.log", &["L"], "log", "the application log"),
        entry(C, A::CallsCharts, "calls.charts", &["c"], "charts", "today's money and the calls shown, as charts"),
        entry(C, A::CallsExport, "calls.export", &["x"], "export", "the calls of this filter into a file"),
        entry(C, A::CallStop, "calls.stop", &["S"], "stop", "stop a call that is running, after a question"),
        entry(C, A::Copy, "calls.copy", &["y"], "copy", "copy its id; in its details all of them as text"),
        entry(CallDetail, A::CallExplain, "call.explain", &["r"], "rules now", "explain it by the rules of now, under Routing"),
        entry(CallDetail, A::Back, "call.back", &["esc", "h", "left"], "back", "back to the list").kept(),
        entry(CallsCharts, A::CallsCharts, "charts.close", &["c"], "calls", "back to the list").kept(),
        entry(CallsCharts, A::ChartsWindow, "charts.window", &["w"], "window", "today, 24 hours, 7 days, 30 days"),
        entry(CallsCharts, A::ChartsGroup, "charts.group", &["g"], "group by", "by provider, model, policy, type, client, status"),
        entry(CallsCharts, A::CallsExport, "charts.export", &["x"], "export", "the calls of this filter into a file"),
        entry(CallsCharts, A::AppLog, "charts.log", &["L"], "log", "the application log"),
        entry(AppLog, A::LogLevel, "log.level", &["l"], "level", "the least level that is shown"),
        entry(AppLog, A::CallsFollow, "log.follow", &["f"], "follow", "follow new lines, or hold still"),
        entry(AppLog, A::Filter, "log.filter", &["/"], "filter", "show only lines that hold a text"),
        entry(AppLog, A::Copy, "log.copy", &["y"], "copy", "copy the lines shown"),
        entry(AppLog, A::Back, "log.close", &["esc", "q", "L"], "close", "close the log").kept(),
    ]
};

#[rustfmt::skip]
const FORM: &[Entry] = {
    use Context::Form as C;
    &[
        entry(C, A::FieldNext, "form.next", &["tab", "down", "enter"], "next", "the next field").kept(),
        entry(C, A::FieldPrevious, "form.previous", &["shift-tab", "up"], "back", "the field before"),
        entry(C, A::ChoiceNext, "form.choice_next", &["right", "space"], "choose", "the next choice, in a field of choices"),
        entry(C, A::ChoicePrevious, "form.choice_previous", &["left"], "", "the choice before"),
        entry(C, A::FormTest, "form.test", &["ctrl-t"], "test", "test the connection; again: ask the model for one word").kept(),
        entry(C, A::FormKind, "form.kind", &["ctrl-g"], "", "take the server as the kind that it looks like"),
        entry(C, A::FormDifference, "form.difference", &["ctrl-o"], "show change", "what would be written to the file"),
        entry(C, A::FormSave, "form.save", &["ctrl-s"], "save", "write it to the file").kept(),
        entry(C, A::PageDown, "form.page_down", &["pgdn"], "", "more of what stands below the fields"),
        entry(C, A::PageUp, "form.page_up", &["pgup"], "", "back up there"),
        entry(C, A::FormLeave, "form.leave", &["esc"], "leave", "leave; asks when something would be lost").kept(),
    ]
};

const TYPING: &[Entry] = {
    use Context::FilterLine as C;
    &[
        entry(C, A::KeepFilter, "filter.keep", &["enter"], "keep it", "keep the filter and go on"),
        entry(
            C,
            A::FilterComplete,
            "filter.complete",
            &["tab"],
            "",
            "complete the key of a condition, where the filter has keys",
        ),
        entry(C, A::Back, "filter.clear", &["esc"], "clear", "clear the filter"),
        entry(C, A::Down, "filter.down", &["down", "ctrl-n"], "", "next match"),
        entry(C, A::Up, "filter.up", &["up", "ctrl-p"], "", "match before"),
    ]
};

#[rustfmt::skip]
const LAYERS: &[Entry] = &[
    entry(Context::Choose, A::Open, "choose.take", &["enter"], "choose", "take the row with the mark").kept(),
    entry(Context::Choose, A::Down, "choose.down", &["down", "ctrl-n"], "next", "the next row"),
    entry(Context::Choose, A::Up, "choose.up", &["up", "ctrl-p"], "", "the row before"),
    entry(Context::Choose, A::PageDown, "choose.page_down", &["pgdn"], "", "a page down"),
    entry(Context::Choose, A::PageUp, "choose.page_up", &["pgup"], "", "a page up"),
    entry(Context::Choose, A::Back, "choose.close", &["esc"], "close", "clear the filter, then choose nothing").kept(),
    entry(Context::Help, A::Filter, "help.search", &["/"], "search", "search this page"),
    entry(Context::Help, A::Copy, "help.copy", &["y"], "copy", "copy the list of keys"),
    entry(Context::Help, A::Back, "help.close", &["esc", "q", "?"], "close", "close the help"),
    entry(Context::Pager, A::Back, "pager.close", &["esc", "q"], "close", "close"),
    entry(Context::Pager, A::Filter, "pager.search", &["/"], "search", "show only lines that hold a text"),
    entry(Context::Pager, A::Copy, "pager.copy", &["y"], "copy", "copy as text"),
    entry(Context::Doctor, A::ProviderTest, "doctor.again", &["r"], "run again", "all steps from the start").kept(),
    entry(Context::Doctor, A::FormTest, "doctor.answer", &["c"], "answer", "ask the model for one word; asks first where that costs money"),
    entry(Context::Messages, A::Open, "messages.open", &["enter"], "go there", "to what it is about: a provider, its doctor, the routing, the log"),
    entry(Context::Messages, A::Filter, "messages.filter", &["/"], "filter", "show only what holds a text"),
    entry(Context::Messages, A::Copy, "messages.copy", &["y"], "copy", "copy the message"),
    entry(Context::Messages, A::Back, "messages.close", &["esc", "q", "!"], "close", "close the list"),
    entry(Context::Confirm, A::ConfirmPress, "confirm.press", &["enter", "space"], "press", "press the button in brackets").kept(),
    entry(Context::Confirm, A::ConfirmLeft, "confirm.left", &["left", "h", "up", "k", "shift-tab"], "choose", "the button before"),
    entry(Context::Confirm, A::ConfirmRight, "confirm.right", &["right", "l", "down", "j", "tab"], "", "the button after"),
    entry(Context::Confirm, A::ConfirmChoose(1), "confirm.1", &["1"], "", "the first answer"),
    entry(Context::Confirm, A::ConfirmChoose(2), "confirm.2", &["2"], "", "the second answer"),
    entry(Context::Confirm, A::ConfirmChoose(3), "confirm.3", &["3"], "", "the third answer"),
    entry(Context::Confirm, A::Back, "confirm.safe", &["esc"], "keep", "the safe answer").kept(),
    entry(Context::Confirm, A::PageDown, "confirm.page_down", &["pgdn"], "", "the rest of a long question"),
    entry(Context::Confirm, A::PageUp, "confirm.page_up", &["pgup"], "", "back to its beginning"),
    entry(Context::Doctor, A::ProviderEdit, "doctor.edit", &["e"], "edit", "change the provider by form"),
    entry(Context::Doctor, A::Copy, "doctor.copy", &["y"], "copy report", "copy all steps as text, without any part of a key"),
    entry(Context::Doctor, A::CopyCommand, "doctor.command", &["Y"], "copy command", "copy the command of what to do"),
    entry(Context::Doctor, A::Back, "doctor.close", &["esc", "q"], "close", "close it; a run under way is stopped, as by ctrl-c").kept(),
];

#[rustfmt::skip]
const PAGES: &[Entry] = &[
    entry(Context::Welcome, A::Open, "welcome.add", &["enter"], "begin", "the form for this row, filled in").kept(),
    entry(Context::Welcome, A::WelcomeAddAll, "welcome.add_all", &["A"], "add all", "add every server that answered"),
    entry(Context::Welcome, A::ProviderAdd, "welcome.form", &["a"], "by address", "an empty form: another machine, or anything else").kept(),
    entry(Context::Welcome, A::Discover, "welcome.again", &["f", "r"], "look again", "ask the known ports again"),
    entry(Context::Broken, A::OpenEditor, "broken.editor", &["enter", "e"], "editor", "open the file in $EDITOR"),
    entry(Context::Broken, A::Reload, "broken.reload", &["r"], "read again", "read the file again"),
    entry(Context::Broken, A::LastGoodRun, "broken.last_good", &["g"], "last good", "run with the last version that could be used; the file stays as it is"),
    entry(Context::Broken, A::LastGoodCompare, "broken.compare", &["d"], "difference", "what differs between the file and that version"),
    entry(Context::Broken, A::LastGoodPutBack, "broken.put_back", &["P"], "put back", "write that version to the file; the file as it is stays beside it as .broken"),
    entry(Context::Broken, A::Back, "broken.later", &["esc"], "go on without", "go on without what the file says"),
    entry(Context::Broken, A::Quit, "broken.quit", &["q"], "quit", "leave lmdeck").kept(),
];

#[rustfmt::skip]
const FRAME: &[Entry] = &[
    entry(Context::Everywhere, A::Palette, "palette", &[":"], "commands", "every command, by name").kept(),
    entry(Context::Always, A::Palette, "palette.anywhere", &["ctrl-p"], "", "every command, by name, also from a text field"),
    entry(Context::Everywhere, A::Jump, "jump", &[";"], "", "jump to a part of the screen by its letter"),
    entry(Context::Everywhere, A::GoProvider, "go.provider", &["g p"], "", "go to a provider by name"),
    entry(Context::Everywhere, A::GoTarget, "go.target", &["g t"], "", "choose the active target by name"),
    entry(Context::Everywhere, A::GoStrategy, "go.strategy", &["g s"], "", "choose the strategy"),
    entry(Context::Everywhere, A::Copied, "go.copied", &["g y"], "", "show what was copied last"),
    entry(Context::Searched, A::NextMatch, "match.next", &["n"], "next match", "the next match; round again at the end"),
    entry(Context::Searched, A::PreviousMatch, "match.previous", &["N"], "", "the match before"),
    entry(Context::Palette, A::Open, "palette.run", &["enter"], "run", "run the command with the mark").kept(),
    entry(Context::Palette, A::PaletteFill, "palette.fill", &["tab"], "fill in", "its whole name into the line"),
    entry(Context::Palette, A::CopyLine, "palette.copy", &["ctrl-y"], "copy its line", "copy the command line that does the same"),
    entry(Context::Palette, A::Down, "palette.down", &["down", "ctrl-n"], "", "the next one"),
    entry(Context::Palette, A::Up, "palette.up", &["up", "ctrl-p"], "", "the one before"),
    entry(Context::Palette, A::PageDown, "palette.page_down", &["pgdn"], "", "a page down"),
    entry(Context::Palette, A::PageUp, "palette.page_up", &["pgup"], "", "a page up"),
    entry(Context::Palette, A::Back, "palette.close", &["esc"], "close", "run nothing").kept(),
];
