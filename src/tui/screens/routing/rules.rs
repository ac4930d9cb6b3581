//! The left pane: what decides, in the order in which it decides.

use super::{Focus, Routing};
use crate::domain::routing::{ActiveChoice, Policy};
use crate::engine::protocol::{RoutingView, Snapshot};
use crate::present::{escape, routes, text, units};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;
use ratatui::layout::Rect;

/// One thing that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKey {
    Policy(String),
    Order(String),
    Active,
    Strategy,
}

/// From this width on what a row means stands beside its name, else below it.
const BESIDE: u16 = 60;
/// Columns of a name with its meaning beside it.
const NAME: u16 = 22;
/// The counts' column.
const COUNT: u16 = 5;
/// Columns of a policy's name with what stands before it.
const POLICY: u16 = 38;
const POLICY_HEAD: &str = "  mode     prio  rule";

pub fn keys(snapshot: &Snapshot) -> Vec<RowKey> {
    let rules = &snapshot.routing.rules;
    let policies = rules.policies.iter().map(|policy| RowKey::Policy(policy.name.clone()));
    let orders = rules.request_orders.iter().map(|(name, _)| RowKey::Order(name.clone()));
    policies.chain(orders).chain([RowKey::Active, RowKey::Strategy]).collect()
}

/// Calls that it decided today.
pub fn today(key: &RowKey, routing: &RoutingView) -> u64 {
    let name = match key {
        RowKey::Policy(name) => format!("policy:{name}"),
        RowKey::Order(name) => format!("request_type:{name}"),
        RowKey::Active => "active".to_owned(),
        RowKey::Strategy => format!("strategy:{}", routing.rules.strategy.word()),
    };
    routing.decided_today.iter().find(|(by, _)| *by == name).map_or(0, |(_, calls)| *calls)
}

pub fn name(key: &RowKey) -> &str {
    match key {
        RowKey::Policy(name) | RowKey::Order(name) => name,
        RowKey::Active => "active target",
        RowKey::Strategy => "strategy",
    }
}

/// What the row says beside its name.
pub fn meaning(key: &RowKey, routing: &RoutingView) -> String {
    let rules = &routing.rules;
    match key {
        RowKey::Policy(name) => {
            let policy = rules.policies.iter().find(|policy| policy.name == *name);
            policy.map_or_else(String::new, policy_meaning)
        }
        RowKey::Order(name) => {
            let order = rules.request_orders.iter().find(|(known, _)| known == name);
            order.map_or_else(String::new, |(_, items)| items.join(", "))
        }
        RowKey::Active => in_effect(routing).join(", "),
        RowKey::Strategy => format!("{}: {}", rules.strategy.word(), routes::strategy(rules.strategy)),
    }
}

/// What a policy does and when; its state where that is not the usual one.
fn policy_meaning(policy: &Policy) -> String {
    let said = does_when(policy);
    match routes::policy_state(policy) {
        "in force" => said,
        state => format!("{state}: {said}"),
    }
}

fn does_when(policy: &Policy) -> String {
    let when = if policy.when.is_empty() { "always" } else { &policy.when };
    format!("{}, when {}", routes::policy_does(policy), when.replace('\n', " "))
}

/// `  1 enforce    50  `: what stands before a policy's name.
fn lead(place: usize, policy: &Policy) -> String {
    let mode = match (policy.enabled, policy.observe) {
        (false, _) => "off",
        (true, true) => "observe",
        (true, false) => "enforce",
    };
    let priority = if policy.priority == 0 { "-".to_owned() } else { policy.priority.to_string() };
    format!(
        "{}{} {}  ",
        text::pad_right(&(place + 1).to_string(), 2),
        text::pad_right(mode, 7),
        text::pad_left(&priority, 5)
    )
}

/// Calls that an observed policy would have decided.
pub fn observed(name: &str, routing: &RoutingView) -> Option<u64> {
    routing.observed.of_policy(name).map(|count| count.matched)
}

/// `matched 12 of 40 in 24 h, would have moved 3`, for a policy that is only observed.
pub fn would_have(policy: &Policy, routing: &RoutingView) -> Option<String> {
    if !policy.enabled || !policy.observe {
        return None;
    }
    routing.observed.of_policy(&policy.name)?;
    Some(routes::observed(&policy.name, &routing.observed))
}

/// The choice, and where an unlabelled request goes now when that is something else.
fn in_effect(routing: &RoutingView) -> Vec<String> {
    let chosen = routing.active.to_string();
    match (&routing.active, &routing.in_effect) {
        (_, None) => vec![chosen, "nothing can take a request now".to_owned()],
        (ActiveChoice::Target(target), Some(now)) if target == now => vec![chosen],
        (_, Some(now)) => vec![chosen, format!("now {now}")],
    }
}

/// What stands below a name in a narrow pane.
fn below(key: &RowKey, routing: &RoutingView, columns: usize) -> Vec<String> {
    match key {
        // A condition is cut: the editor and explain show it whole.
        RowKey::Policy(name) => {
            let policy = routing.rules.policies.iter().find(|policy| policy.name == *name);
            let mut rows: Vec<String> = policy.map(does_when).into_iter().collect();
            let seen = policy.and_then(|policy| would_have(policy, routing));
            rows.extend(seen.iter().flat_map(|seen| text::wrap(seen, columns)));
            rows
        }
        RowKey::Active => in_effect(routing),
        RowKey::Order(_) | RowKey::Strategy => {
            // Targets are wrapped, not cut: they are what a person came to read.
            let mut rows = text::wrap(&escape::line(&meaning(key, routing)), columns);
            rows.truncate(3);
            rows
        }
    }
}

/// One row of the screen.
struct Line {
    /// The thing it belongs to.
    key: Option<usize>,
    left: String,
    beside: String,
    right: String,
    role: Role,
    /// It is the row with the name.
    head: bool,
    /// Columns of `left` where something stands beside it.
    wide: u16,
}

impl Line {
    fn text(key: Option<usize>, left: impl Into<String>, role: Role) -> Self {
        Self { key, left: left.into(), beside: String::new(), right: String::new(), role, head: false, wide: NAME }
    }
}

fn lines(routing: &RoutingView, keys: &[RowKey], width: u16, roomy: bool) -> Vec<Line> {
    let beside = width >= BESIDE || !roomy;
    let inner = usize::from(width.saturating_sub(5));
    let mut lines = Vec::new();
    let heading = |lines: &mut Vec<Line>, title: &str, right: &str| {
        if roomy && !lines.is_empty() {
            lines.push(Line::text(None, "", Role::Plain));
        }
        lines.push(Line { right: right.to_owned(), ..Line::text(None, title, Role::Muted) });
    };
    let no_rules = routing.rules.policies.is_empty();
    heading(&mut lines, if no_rules { "rules" } else { POLICY_HEAD }, if no_rules { "" } else { "today" });
    if no_rules {
        lines.push(Line::text(None, "No rules yet: a adds one.", Role::Muted));
    }
    let orders = keys.iter().any(|key| matches!(key, RowKey::Order(_)));
    for (place, key) in keys.iter().enumerate() {
        let first_after_policies =
            !matches!(key, RowKey::Policy(_)) && (place == 0 || matches!(keys.get(place - 1), Some(RowKey::Policy(_))));
        if first_after_policies {
            heading(&mut lines, "orders by request type", "today");
            if !orders {
                lines.push(Line::text(None, "No orders yet: o adds one.", Role::Muted));
            }
        }
        if *key == RowKey::Active {
            heading(&mut lines, "else, in this order", if orders { "" } else { "today" });
        }
        let policy = match key {
            RowKey::Policy(name) => {
                // Where two have one name, the second row is the second of them.
                let before = keys.iter().take(place).filter(|other| *other == key).count();
                routing.rules.policies.iter().enumerate().filter(|(_, known)| known.name == *name).nth(before)
            }
            _ => None,
        };
        let role = if policy.is_some_and(|(_, policy)| !policy.enabled) { Role::Muted } else { Role::Plain };
        let watched = policy.filter(|(_, policy)| policy.enabled && policy.observe);
        let count = match (today(key, routing), watched.and_then(|(_, policy)| observed(&policy.name, routing))) {
            (_, Some(calls)) => format!("({})", units::thousands(calls)),
            (0, None) => "-".to_owned(),
            (calls, None) => units::thousands(calls),
        };
        let label = match policy {
            Some((place, policy)) => format!("{}{}", lead(place, policy), policy.name),
            None => name(key).to_owned(),
        };
        let mut head = Line { right: count, head: true, ..Line::text(Some(place), label, role) };
        // A condition needs the whole width.
        if beside && (policy.is_none() || !roomy) {
            head.beside = match policy {
                Some((_, policy)) => {
                    let seen = would_have(policy, routing).map(|seen| format!("{seen}: ")).unwrap_or_default();
                    format!("{seen}{}", does_when(policy))
                }
                None => meaning(key, routing),
            };
            head.wide = if policy.is_some() { POLICY } else { NAME };
            lines.push(head);
        } else {
            lines.push(head);
            let rows = below(key, routing, inner);
            lines.extend(rows.into_iter().map(|row| Line::text(Some(place), row, Role::Muted)));
        }
        if *key == RowKey::Active && !routing.in_effect_why.is_empty() {
            let why = format!("because {}", routing.in_effect_why);
            let rows = text::wrap(&escape::line(&why), inner);
            lines.extend(rows.into_iter().take(2).map(|row| Line::text(Some(place), row, Role::Warn)));
        }
    }
    lines
}

pub(super) fn draw(screen: &Routing, canvas: &mut Canvas<'_>, area: Rect) {
    let routing = &canvas.cx.snapshot.routing;
    let keys = screen.keys(canvas.cx.snapshot);
    let focused = screen.focus == Focus::Rules;
    let (rules, orders) = (routing.rules.policies.len(), routing.rules.request_orders.len());
    let counted = [(rules, "rule", "rules"), (orders, "order", "orders")];
    let counted = counted.iter().filter(|(count, ..)| *count > 0);
    let counted: Vec<String> = counted.map(|(count, one, more)| units::count(*count as u64, one, more)).collect();
    let title = if counted.is_empty() { "Routing".to_owned() } else { format!("Routing  {}", counted.join(", ")) };
    canvas.rule(Rect { height: 1, ..area }, &title, "", focused);
    let below = |used: u16| Rect { y: area.y + used, height: area.height.saturating_sub(used), ..area };
    let used = 1 + screen.filter.draw(canvas, below(1), "");
    let body = below(used);
    if keys.is_empty() {
        canvas.text(
            body.x + 2,
            body.y,
            body.width.saturating_sub(3),
            "Nothing holds this text: esc clears it.",
            Role::Muted,
        );
        return;
    }
    // The headings name what could be there: among matches they would only be in the way.
    let roomy = area.height >= 16;
    let lines = if screen.filter.is_empty() {
        lines(routing, &keys, area.width, roomy)
    } else {
        let mut lines = lines(routing, &keys, area.width, roomy);
        lines.retain(|line| line.key.is_some());
        lines
    };
    let chosen = screen.cursor.place(&keys).unwrap_or(0);
    let own = |line: &Line| line.key == Some(chosen);
    let first_own = lines.iter().position(own).unwrap_or(0);
    let last_own = lines.iter().rposition(own).unwrap_or(0);
    let rows = usize::from(body.height);
    // The headings above the first thing are seen with it.
    let wanted = if chosen == 0 { 0 } else { first_own };
    screen.cursor.window(last_own, lines.len(), rows);
    let first = screen.cursor.window(wanted, lines.len(), rows);
    for (line, y) in lines.iter().skip(first).zip(body.top()..body.bottom()) {
        row(canvas, Rect { y, height: 1, ..body }, line, own(line), focused);
    }
}

fn row(canvas: &mut Canvas<'_>, row: Rect, line: &Line, chosen: bool, focused: bool) {
    let end = row.right().saturating_sub(1);
    if chosen && line.head {
        canvas.text(row.x, row.y, 1, ">", Role::Plain);
    }
    let indent = if line.key.is_some() && !line.head { 4 } else { 2 };
    let x = row.x + indent;
    let count_x = end.saturating_sub(COUNT);
    if !line.right.is_empty() {
        canvas.right(count_x, end, row.y, &line.right, Role::Muted);
    }
    let room = if line.head || !line.right.is_empty() { count_x.saturating_sub(x) } else { end.saturating_sub(x) };
    if line.beside.is_empty() {
        canvas.text(x, row.y, room, &line.left, line.role);
    } else {
        let name = line.wide.min(room * 2 / 3);
        canvas.text(x, row.y, name, &line.left, line.role);
        canvas.text(x + name + 1, row.y, room.saturating_sub(name + 1), &line.beside, Role::Muted);
    }
    if chosen && focused && line.head {
        canvas.select(row, 0..0);
    }
}
