//! The Routing screen: what decides where a request goes, in order and editable, and beside it a sample request
//! that is explained live.
//!
//! ```text
//! ━ Routing  1 rule, 1 order ━━━━━━━━┬─ Try it ─────────────── sample request ─
//!     mode     prio  rule      today │  Type       teaching_generation
//!   1 enforce    50  long-prom    12 │
//!                                    │  zai/glm-4.6, because it is the first ...
//!   orders by request type     today │
//! > teaching_generation           36 │  rule                  verdict
//!     zai, lm_studio                 │  ...
//! ```

mod choices;
mod explainer;
mod order;
mod policies;
mod rule;
mod rules;
mod sample;
mod tryout;

use crate::domain::call::Facts;
use crate::domain::routing::{ActiveChoice, Explanation};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Command, ReplayRules, Reply, Snapshot};
use crate::present::{routes, units};
use crate::tui::action::Action;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::{Context, Key};
use crate::tui::layers::choose::{Choices, Choose};
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::replay::ReplayPage;
use crate::tui::part::{Cx, Effect, Outbox, Part, Place, Ticket};
use crate::tui::screens::targets;
use crate::tui::told::Told;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::line::Put;
use crate::tui::widgets::list::Selection;
use crate::tui::widgets::scroll::Scroll;
use explainer::Explainer;
use order::OrderEditor;
use ratatui::layout::Rect;
use rule::RuleEditor;
use rules::RowKey;
use sample::{Field, Sample};

/// Columns of the left pane where both are seen.
const LEFT: u16 = 43;
/// From this width on both panes are seen.
const TWO_PANES: u16 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Focus {
    #[default]
    Rules,
    /// The explanation, to be read.
    Explained,
    /// The fields of the sample.
    Sample,
}

/// What the open choice or editor was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Strategy,
    Active,
    Order,
    Rule,
    Field(Field),
}

#[derive(Default)]
pub struct Routing {
    cursor: Selection<RowKey>,
    focus: Focus,
    asked: Option<Asked>,
    /// A row to go to as soon as it is there.
    awaited: Option<RowKey>,
    sample: Sample,
    explainer: Explainer,
    scroll: Scroll,
    filter: Filter,
}

impl Routing {
    /// The rows that the filter lets through.
    fn keys(&self, snapshot: &Snapshot) -> Vec<RowKey> {
        let mut keys = rules::keys(snapshot);
        if !self.filter.is_empty() {
            let said = |key: &RowKey| format!("{} {}", rules::name(key), rules::meaning(key, &snapshot.routing));
            keys.retain(|key| self.filter.lets(&said(key)));
        }
        keys
    }

    fn chosen(&self, cx: &Cx<'_>) -> RowKey {
        let mut keys = self.keys(cx.snapshot);
        match self.cursor.place(&keys) {
            Some(place) if place < keys.len() => keys.swap_remove(place),
            _ => RowKey::Strategy,
        }
    }

    fn pick(&mut self, asked: Asked, choices: Choices, now: &str, out: &mut Outbox) {
        self.asked = Some(asked);
        out.push(Effect::Open(Box::new(Choose::new(choices).at(now.to_owned()))));
    }

    fn edit(&mut self, editor: OrderEditor, out: &mut Outbox) {
        self.asked = Some(Asked::Order);
        out.push(Effect::Open(Box::new(editor)));
    }

    fn open(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let routing = &cx.snapshot.routing;
        match self.chosen(cx) {
            RowKey::Policy(name) => {
                if let Some(policy) = routing.rules.policies.iter().find(|policy| policy.name == name) {
                    self.asked = Some(Asked::Rule);
                    out.push(Effect::Open(Box::new(RuleEditor::edit(policy, &self.sample))));
                }
            }
            RowKey::Order(name) => {
                let order = routing.rules.request_orders.iter().find(|(known, _)| *known == name);
                if let Some((name, items)) = order {
                    self.edit(OrderEditor::edit(name, items), out);
                }
            }
            RowKey::Active => {
                let choices = Choices::new("Active target", choices::active).or_typed(choices::typed_target);
                self.pick(Asked::Active, choices, &routing.active.to_string(), out);
            }
            RowKey::Strategy => {
                let choices = Choices::new("Strategy", |_| choices::strategies());
                self.pick(Asked::Strategy, choices, routing.rules.strategy.word(), out);
            }
        }
    }

    fn known_ones(&mut self, out: &mut Outbox) {
        let field = self.sample.focus;
        let choices = match field {
            Field::Type => Choices::new("Request type", choices::request_types),
            Field::Model => Choices::new("Model asked for", targets::wanted),
            Field::Prefer => Choices::new("Preferred provider", choices::preferred),
            _ => return,
        };
        let now = self.sample.word(field).to_owned();
        self.pick(Asked::Field(field), choices, &now, out);
    }

    fn question(name: &str, snapshot: &Snapshot) -> Confirm {
        let routing = &snapshot.routing;
        let calls = rules::today(&RowKey::Order(name.to_owned()), routing);
        let lines = vec![
            format!("It decided {} today.", units::count(calls, "call", "calls")),
            format!("Its requests will go by the active target and {}.", routing.rules.strategy.word()),
            "U brings it back.".to_owned(),
        ];
        let command = Command::SetOrder { request_type: name.to_owned(), items: Vec::new() };
        Confirm::new(format!("Delete the order of {name}?"), lines, "Keep")
            .with("Delete", Effect::Tell(command, format!("the order of {name} is deleted")))
    }

    fn changed_sample(&mut self, cx: &Cx<'_>) {
        self.scroll.reset();
        self.explainer.sample_changed(cx.now);
    }

    fn explained(&self) -> Option<(&Facts, &Explanation)> {
        self.explainer.shown()
    }

    fn settle(&mut self, cx: &Cx<'_>) {
        let keys = self.keys(cx.snapshot);
        match self.awaited.take_if(|awaited| keys.contains(awaited)) {
            Some(key) => self.cursor.set(key, &keys),
            None => self.cursor.settle(&keys),
        }
    }

    fn act_in_sample(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::FieldNext => self.sample.move_on(true),
            Action::FieldPrevious => self.sample.move_on(false),
            Action::ChoiceNext | Action::ChoicePrevious => {
                self.sample.choose(action == Action::ChoiceNext, cx.snapshot);
                self.changed_sample(cx);
            }
            Action::SampleKnown => self.known_ones(out),
            Action::SampleDone => {
                self.focus = Focus::Explained;
                self.explainer.ask(&self.sample, cx, out);
            }
            _ => return false,
        }
        true
    }
}

impl Part for Routing {
    fn contexts(&self) -> &'static [Context] {
        match self.focus {
            Focus::Rules => &[Context::Routing, Context::List],
            Focus::Explained => &[Context::Explained, Context::List],
            Focus::Sample => &[Context::Sample],
        }
    }

    fn typing(&self) -> bool {
        self.focus == Focus::Sample
    }

    fn filter(&self) -> Option<&Filter> {
        (self.focus == Focus::Rules).then_some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        (self.focus == Focus::Rules).then_some(&mut self.filter)
    }

    fn filtered(&mut self, _: Change, cx: &Cx<'_>, _: &mut Outbox) {
        self.settle(cx);
    }

    fn panes(&self) -> &'static [&'static str] {
        &["rules", "try it"]
    }

    fn focus_pane(&mut self, pane: usize, _: &Cx<'_>) {
        self.focus = if pane == 0 { Focus::Rules } else { Focus::Explained };
    }

    fn subject(&self, cx: &Cx<'_>) -> Option<Place> {
        match self.chosen(cx) {
            RowKey::Order(name) => Some(Place::Order(name)),
            RowKey::Policy(name) => policies::find(cx.snapshot, &name).map(|policy| Place::Policy {
                name,
                enabled: policy.enabled,
                observe: policy.observe,
            }),
            _ => None,
        }
    }

    fn focus_on(&mut self, place: &Place, cx: &Cx<'_>) {
        let row = match place {
            Place::Order(name) => RowKey::Order(name.clone()),
            Place::Policy { name, .. } => RowKey::Policy(name.clone()),
            Place::Sample(call, facts) => {
                self.sample = Sample::of_call(call.clone(), facts);
                self.scroll.reset();
                self.focus = Focus::Explained;
                return self.explainer.sample_changed(cx.now);
            }
            _ => return,
        };
        self.filter.clear();
        self.focus = Focus::Rules;
        self.awaited = Some(row);
        self.settle(cx);
    }

    fn key(&mut self, key: Key, cx: &Cx<'_>, _: &mut Outbox) -> bool {
        let field = self.sample.focus;
        let Some(line) = self.sample.line_mut(field) else {
            // A field of choices: space chooses, other letters mean nothing and reach nothing else.
            return key.text().is_some_and(|c| c != ' ');
        };
        let before = line.value().to_owned();
        let used = line.key(key);
        if line.value() != before {
            self.changed_sample(cx);
        }
        used
    }

    fn put(&mut self, text: &str, put: Put, cx: &Cx<'_>, out: &mut Outbox) {
        let field = self.sample.focus;
        if self.focus == Focus::Sample
            && let Some(line) = self.sample.line_mut(field)
        {
            out.complain(line.put(text, put));
            self.changed_sample(cx);
        }
    }

    fn why_not(&self, action: Action, cx: &Cx<'_>) -> Option<String> {
        match action {
            Action::Open if self.focus == Focus::Rules && self.keys(cx.snapshot).is_empty() => {
                Some("nothing is chosen: esc clears the filter".into())
            }
            Action::RouteTry if self.focus == Focus::Rules => match self.chosen(cx) {
                RowKey::Order(_) => None,
                _ => Some("no order is chosen: j and k move, o adds one".into()),
            },
            Action::Open if self.focus == Focus::Rules => match self.chosen(cx) {
                RowKey::Policy(name) => policies::why_not(action, cx.snapshot, &name),
                _ => None,
            },
            Action::RouteDelete if self.focus == Focus::Rules => match self.chosen(cx) {
                RowKey::Order(_) => None,
                RowKey::Policy(name) => policies::why_not(action, cx.snapshot, &name),
                _ => Some("no rule and no order is chosen: j and k move".into()),
            },
            Action::RuleToggle | Action::RuleMode | Action::RuleCopy | Action::RuleUp | Action::RuleDown => {
                match self.chosen(cx) {
                    RowKey::Policy(name) => policies::why_not(action, cx.snapshot, &name),
                    _ => Some("no rule is chosen: j and k move, a adds one".into()),
                }
            }
            Action::Copy | Action::CopyCommand if self.explained().is_none() => Some("nothing is explained yet".into()),
            Action::ChoiceNext | Action::ChoicePrevious if self.sample.focus.is_text() => {
                Some("this field takes text".into())
            }
            Action::SampleKnown => match self.sample.focus {
                Field::Type if cx.snapshot.routing.rules.request_orders.is_empty() => {
                    Some("no request type has an order yet: type any".into())
                }
                Field::Type | Field::Model | Field::Prefer => None,
                _ => Some("nothing is known for this field".into()),
            },
            _ => None,
        }
    }

    fn act(&mut self, action: Action, cx: &Cx<'_>, out: &mut Outbox) -> bool {
        if self.focus == Focus::Sample {
            return self.act_in_sample(action, cx, out);
        }
        match action {
            Action::Open => self.open(cx, out),
            Action::RouteAdd => self.edit(OrderEditor::new(), out),
            Action::RuleAdd => {
                self.asked = Some(Asked::Rule);
                out.push(Effect::Open(Box::new(RuleEditor::new(&self.sample))));
            }
            Action::RuleReplay => {
                out.push(Effect::Open(Box::new(ReplayPage::of(ReplayRules::InForce, "the rules in force"))));
            }
            Action::RouteDelete => match self.chosen(cx) {
                RowKey::Order(name) => out.push(Effect::Open(Box::new(Self::question(&name, cx.snapshot)))),
                RowKey::Policy(name) => {
                    out.push(Effect::Open(Box::new(policies::question(&name, &cx.snapshot.routing))));
                }
                RowKey::Active | RowKey::Strategy => {}
            },
            Action::RuleToggle | Action::RuleMode | Action::RuleCopy | Action::RuleUp | Action::RuleDown => {
                if let RowKey::Policy(name) = self.chosen(cx) {
                    let awaited = policies::act(action, cx.snapshot, &name, out);
                    self.awaited = awaited.map(RowKey::Policy);
                }
            }
            Action::RouteTry => {
                if let RowKey::Order(name) = self.chosen(cx) {
                    self.sample.request_type.set(name);
                    self.scroll.reset();
                    self.focus = Focus::Explained;
                    self.explainer.ask(&self.sample, cx, out);
                }
            }
            Action::SampleEdit => self.focus = Focus::Sample,
            Action::NextPart | Action::PreviousPart => {
                self.focus = if self.focus == Focus::Rules { Focus::Explained } else { Focus::Rules };
            }
            Action::Back if self.focus == Focus::Explained => self.focus = Focus::Rules,
            Action::Copy => {
                if let Some((facts, explanation)) = self.explained() {
                    let text = routes::text(cx.snapshot, facts, explanation);
                    out.push(Effect::Copy(text, "the explanation was"));
                }
            }
            Action::CopyCommand => {
                if let Some((facts, _)) = self.explained() {
                    out.push(Effect::Copy(routes::explain_command(facts), "the command was"));
                }
            }
            _ if self.focus == Focus::Explained => return self.scroll.act(action),
            _ => return self.cursor.act(action, &self.keys(cx.snapshot)),
        }
        true
    }

    fn take(&mut self, text: &str, cx: &Cx<'_>, out: &mut Outbox) {
        match self.asked.take() {
            Some(Asked::Strategy) if text != cx.snapshot.routing.rules.strategy.word() => {
                let strategy = text.to_owned();
                out.tell(Command::SetStrategy { strategy }, format!("the strategy is {text}"));
            }
            Some(Asked::Active) => {
                let choice = targets::choice_of(text);
                if choice != cx.snapshot.routing.active {
                    let done = match &choice {
                        ActiveChoice::Auto => "the active target is auto".to_owned(),
                        chosen => format!("{chosen} is the active target"),
                    };
                    out.tell(Command::UseTarget { choice }, done);
                }
            }
            Some(Asked::Rule) => {
                self.awaited = Some(RowKey::Policy(text.to_owned()));
                self.settle(cx);
            }
            Some(Asked::Order) => {
                self.awaited = Some(RowKey::Order(text.to_owned()));
                self.settle(cx);
            }
            Some(Asked::Field(field)) => {
                match self.sample.line_mut(field) {
                    Some(line) => line.set(text),
                    None => self.sample.prefer = if text == "any" { String::new() } else { text.to_owned() },
                }
                self.changed_sample(cx);
            }
            _ => {}
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: &Reply, _: &Cx<'_>, _: &mut Outbox) {
        self.explainer.reply(ticket, reply);
    }

    fn shown(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.settle(cx);
        self.explainer.shown_again(&self.sample, cx, out);
    }

    fn changed(&mut self, cx: &Cx<'_>, _: &mut Outbox) {
        self.settle(cx);
        self.explainer.world_changed(cx);
    }

    fn deadline(&self) -> Option<UnixMs> {
        self.explainer.deadline()
    }

    fn wake(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        if self.explainer.deadline().is_some_and(|at| at <= cx.now) {
            self.explainer.ask(&self.sample, cx, out);
        }
    }

    fn about(&self) -> &'static str {
        "What decides where a request goes, in this order: the policies, the order of its type, else the active target, else the strategy. Try it explains a sample request; nothing is sent."
    }

    fn told(&self, cx: &Cx<'_>) -> Vec<Told> {
        let routing = &cx.snapshot.routing;
        let keys = rules::keys(cx.snapshot);
        let mut lines: Vec<Told> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let calls = units::count(rules::today(key, routing), "call", "calls");
            let said = rules::meaning(key, routing);
            let name = rules::name(key);
            let line = format!("Routing, {} of {}: {name}, {said}. {calls} today.", place + 1, keys.len());
            lines.push(Told::state(format_args!("{place} {name}"), line));
        }
        if let Some((facts, explanation)) = self.explained() {
            lines.push(format!("Try it, {}:", self.sample.summary()).into());
            let text = routes::text(cx.snapshot, facts, explanation);
            lines.extend(text.lines().enumerate().map(|(row, line)| Told::state(row, line.to_owned())));
        }
        lines
    }

    fn choice(&self, cx: &Cx<'_>) -> Option<String> {
        let key = self.chosen(cx);
        let rules = self.focus == Focus::Rules;
        rules.then(|| format!("{}, {}", rules::name(&key), rules::meaning(&key, &cx.snapshot.routing)))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        if area.width < TWO_PANES {
            match self.focus {
                Focus::Rules => rules::draw(self, canvas, area),
                Focus::Explained | Focus::Sample => tryout::draw(self, canvas, area),
            }
            return canvas.letter(usize::from(self.focus != Focus::Rules), area);
        }
        let left = Rect { width: LEFT, ..area };
        let right = Rect { x: area.x + LEFT + 1, width: area.width - LEFT - 1, ..area };
        rules::draw(self, canvas, left);
        canvas.joint(area.x + LEFT, area.y, self.focus == Focus::Rules);
        canvas.divider(area.x + LEFT, area.y + 1..area.bottom());
        tryout::draw(self, canvas, right);
        canvas.letter(0, left);
        canvas.letter(1, right);
    }
}
