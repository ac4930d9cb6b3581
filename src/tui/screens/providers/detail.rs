//! What is known of the chosen provider: state and reason first, then what to do, then the facts.

use super::Providers;
use super::models::Table;
use crate::domain::config::{KeySource, Severity};
use crate::domain::health::State;
use crate::domain::time::UnixMs;
use crate::engine::protocol::ProviderView;
use crate::present::models as words_of_models;
use crate::present::remedy::Remedy;
use crate::present::{labels, limits, plan, text, units, warm};
use crate::tui::canvas::Canvas;
use crate::tui::screens::acts;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::{Lines, Piece};
use crate::tui::words;
use ratatui::layout::Rect;

/// The widest a page gets: further apart, what belongs together is no longer read together.
const WIDEST: u16 = 118;

/// The command that mends it, where there is one.
pub fn command_of(provider: &ProviderView) -> Option<String> {
    labels::what_to_do(provider).and_then(|remedy| remedy.command)
}

/// `down for 14 min: connection refused`, `up for 2 h`, `off: no probes and no calls`.
fn state_words(provider: &ProviderView, age: &str) -> String {
    let word = labels::provider(provider).word;
    let why = labels::why(provider);
    if !provider.enabled {
        "off: no probes and no calls".into()
    } else if provider.withheld.is_some() {
        format!("{word}: {why}")
    } else if provider.health.state == State::Unknown {
        if provider.probing { "being asked for the first time".into() } else { format!("{word}: {why}") }
    } else if plan::until(provider).is_some() && provider.health.state.usable() {
        // Its age is that of being up.
        format!("{word}: {why}")
    } else if why.is_empty() {
        format!("{word} for {age}")
    } else {
        format!("{word} for {age}: {why}")
    }
}

pub(super) fn draw(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    let Some(provider) = screen.chosen(canvas.cx) else {
        return draw_found(screen, canvas, area, focused);
    };
    // Name, id and kind, each word once: a provider is often called like its kind.
    let mut title = vec![provider.name.as_str()];
    let id = Some(provider.id.as_str()).filter(|_| area.width >= 70);
    for word in id.into_iter().chain([provider.kind.word()]) {
        if !title.contains(&word) {
            title.push(word);
        }
    }
    title.push(provider.reach.word());
    let title = title.join("  ");
    canvas.rule(Rect { height: 1, ..area }, &title, "", focused);
    let counter = format!("{} of {} models", screen.shown_models(provider).len(), provider.models.len());
    let top = Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(1));
    let used = 1 + screen.model_filter.draw(canvas, top, &counter);
    let wide = area.width.saturating_sub(2).min(WIDEST);
    let inner = Rect::new(area.x + 1, area.y + used, wide, area.height.saturating_sub(used));
    let lines = build(screen, canvas, provider, inner, focused);
    screen.scroll.draw(&lines, canvas, inner);
}

fn build(screen: &Providers, canvas: &Canvas<'_>, provider: &ProviderView, inner: Rect, focused: bool) -> Lines {
    let width = usize::from(inner.width);
    let wide = width >= 70;
    let mut lines = Lines::new(width);
    state(canvas, provider, &mut lines, wide);
    if let Some(remedy) = labels::what_to_do(provider) {
        what_to_do(&remedy, acts::untrusted(provider).is_some(), &mut lines);
        if let Some(meanwhile) = meanwhile(canvas, provider) {
            lines.labelled("Meanwhile", 13, &meanwhile);
            lines.blank();
        }
    }
    if provider.is_discovered() {
        not_saved(canvas, &mut lines);
    }
    facts(provider, canvas.cx.now, &mut lines, wide);
    lines.blank();
    let after = lately(canvas, provider, width);
    let table =
        Table { provider, chosen: screen.chosen_model(provider).filter(|_| focused), rows: inner.height.into() };
    table.draw(screen, canvas, &mut lines, after.len());
    lines.append(after);
    lines
}

fn state(canvas: &Canvas<'_>, provider: &ProviderView, lines: &mut Lines, wide: bool) {
    let health = &provider.health;
    let label = labels::provider(provider);
    let (mark, role) = (label.mark, words::role(label.role));
    let said = state_words(provider, &canvas.age(health.since));
    let checked = match (provider.enabled, health.last_checked) {
        (false, _) => "space switches it on".to_owned(),
        (true, _) if health.state == State::Paused => "p resumes it".to_owned(),
        (true, None) => String::new(),
        (true, Some(at)) => format!("checked {} ago, every {} s", canvas.age(at), provider.probe_interval_s),
    };
    let marked = [Piece::new(mark, role), Piece::plain(" "), Piece::plain(&said)];
    if wide && text::width(&said) + text::width(&checked) + 8 <= lines.width() {
        lines.split(&marked, &[Piece::new(&checked, Role::Muted)]);
    } else {
        lines.marked(mark, role, &said);
        if !checked.is_empty() {
            lines.put(5, &[Piece::new(&checked, Role::Muted)]);
        }
    }
    lines.blank();
}

fn what_to_do(remedy: &Remedy, may_be_trusted: bool, lines: &mut Lines) {
    lines.title("What to do");
    lines.wrapped(2, &remedy.headline, Role::Plain);
    if let Some(command) = &remedy.command {
        lines.wrapped(6, command, Role::Plain);
    }
    for step in &remedy.steps {
        lines.wrapped(2, step, Role::Plain);
    }
    let wide = lines.width() >= 60;
    let key = |key, word: &str| [Piece::new(key, Role::Accent), Piece::plain(word)];
    let mut keys = Vec::new();
    if remedy.command.is_some() {
        keys.extend(key("y", if wide { " copy the command     " } else { " copy   " }));
    }
    if may_be_trusted {
        keys.extend(key("T", if wide { " allow it     " } else { " allow   " }));
    }
    keys.extend(key("D", if wide { " run every step     " } else { " doctor   " }));
    keys.extend(key("t", " try again"));
    lines.put(2, &keys);
    lines.blank();
}

/// Used as it was found: what is not yet done, and the key that does it.
fn not_saved(canvas: &Canvas<'_>, lines: &mut Lines) {
    lines.title("Found on this machine");
    lines.wrapped(2, "It is used as it is while there is no configuration. Nothing has been written.", Role::Plain);
    let saves = format!(" saves it to {}", canvas.cx.snapshot.config.would_write);
    lines.put(2, &[Piece::new("enter", Role::Accent), Piece::plain(&saves)]);
    lines.blank();
}

/// Where its calls go while it cannot take them.
fn meanwhile(canvas: &Canvas<'_>, provider: &ProviderView) -> Option<String> {
    if provider.health.state.usable() && provider.withheld.is_none() {
        return None;
    }
    let elsewhere = canvas.cx.snapshot.routing.in_effect.as_ref().filter(|target| target.provider != provider.id);
    let first = match elsewhere {
        Some(target) => format!("its calls go to the next target of their order, for auto {target}."),
        None => "no other target can take its calls.".to_owned(),
    };
    let back = match provider.health.state {
        State::Down => " They return when it is up for 2 probes in a row.",
        State::Unauthorized => " They return when the key is accepted.",
        _ => "",
    };
    Some(first + back)
}

fn facts(provider: &ProviderView, now: UnixMs, lines: &mut Lines, wide: bool) {
    let key = match &provider.key_source {
        KeySource::None => "none".to_owned(),
        KeySource::Variable { name } => format!("from {name}"),
        KeySource::File { tail: Some(tail) } => format!("stored, ends {tail}"),
        KeySource::File { tail: None } => "stored".to_owned(),
    };
    let reach = match (provider.reach.is_local(), provider.local) {
        (_, true) => format!("{}, local: true", provider.reach.word()),
        _ => provider.reach.word().to_owned(),
    };
    let slots = labels::activity(provider).unwrap_or_else(|| units::UNKNOWN.into());
    if wide {
        let half = lines.width() * 3 / 5;
        lines.pair("Address", &provider.endpoint.written, "Key", &key, half);
        lines.pair("Reach", &reach, "Slots", &slots, half);
    } else {
        lines.labelled("Address", 10, &provider.endpoint.written);
        lines.labelled("Reach", 10, &reach);
        lines.labelled("Key", 10, &key);
        if labels::activity(provider).is_some() {
            lines.labelled("Slots", 10, &slots);
        }
    }
    let column = if wide { 12 } else { 10 };
    if let Some(memory) = labels::memory(provider) {
        lines.labelled("Memory", column, &memory);
    }
    if let Some(server) = words_of_models::server(&provider.health) {
        lines.labelled("Server", column, &server);
    }
    known(provider, column, lines);
    let left = provider.rate.iter().flat_map(|rate| limits::lines_by_clock(rate, now));
    for line in left.take(if wide { 4 } else { 1 }) {
        lines.labelled("Limit", column, &line);
    }
    for line in plan::lines(provider, now).into_iter().take(if wide { 4 } else { 2 }) {
        lines.labelled("Plan", column, &line);
    }
    for warm in &provider.warm {
        lines.labelled("Warm", column, &warm::line(warm, now));
    }
}

/// What is known of it, step by step; in a narrow pane the steps go on in a second row.
fn known(provider: &ProviderView, column: usize, lines: &mut Lines) {
    let ladder = &provider.health.ladder;
    let mut row = vec![Piece::new(&text::pad_right("Known", column), Role::Muted)];
    let mut used = column;
    for (step, word) in [
        (ladder.reachable, "reachable"),
        (ladder.authenticated, "key"),
        (ladder.listed, "listed"),
        (ladder.loaded, "loaded"),
        (ladder.answering, "answering"),
    ] {
        let label = labels::rung(step);
        let wide = text::width(label.mark.trim_end()) + 1 + text::width(word);
        let gap = if used > column { 2 } else { 0 };
        if used + gap + wide > lines.width() {
            lines.put(0, &row);
            row = vec![Piece::plain(&" ".repeat(column))];
            used = column;
        } else {
            row.push(Piece::plain(&" ".repeat(gap)));
            used += gap;
        }
        row.extend([Piece::new(label.mark.trim_end(), words::role(label.role)), Piece::plain(&format!(" {word}"))]);
        used += wide;
    }
    lines.put(0, &row);
}

/// States and lists that changed, newest first.
fn lately(canvas: &Canvas<'_>, provider: &ProviderView, width: usize) -> Lines {
    let mut lines = Lines::new(width);
    let states = provider.lately.iter().map(|entry| {
        let what = match entry.state {
            State::Down => "went down".to_owned(),
            State::Up => "up".to_owned(),
            state => state.word().to_owned(),
        };
        (entry.at, if entry.reason.is_empty() { what } else { format!("{what}: {}", entry.reason) })
    });
    let lists = provider.model_changes.iter().map(|entry| (entry.at, words_of_models::changes(&entry.changes)));
    let mut entries: Vec<(UnixMs, String)> = states.chain(lists).collect();
    entries.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    if !entries.is_empty() {
        lines.title("Lately");
    }
    for (at, said) in entries {
        let when = text::pad_left(&canvas.clock(at), 5);
        lines.labelled(&format!("  {when}"), 10, &said);
    }
    lines
}

fn draw_found(screen: &Providers, canvas: &mut Canvas<'_>, area: Rect, focused: bool) {
    let Some(found) = screen.chosen_found(canvas.cx) else {
        canvas.rule(Rect { height: 1, ..area }, "Nothing chosen", "", focused);
        let config = &canvas.cx.snapshot.config;
        let said = config.rejected.as_ref().map_or_else(
            || "a adds a provider.".to_owned(),
            |why| {
                let first = config.issues.iter().find(|issue| issue.severity == Severity::Error);
                let line = first.and_then(|issue| issue.line).map(|line| format!("line {line}: ")).unwrap_or_default();
                format!("{line}{why}")
            },
        );
        let room = area.width.saturating_sub(3);
        for (line, y) in text::wrap(&said, usize::from(room)).iter().zip(area.y + 2..area.bottom()) {
            canvas.text(area.x + 2, y, room, line, Role::Muted);
        }
        return;
    };
    canvas.rule(Rect { height: 1, ..area }, &format!("{}  found on this machine", found.kind.label()), "", focused);
    let inner = Rect::new(area.x + 2, area.y + 2, area.width.saturating_sub(4), area.height.saturating_sub(2));
    let mut lines = Lines::new(usize::from(inner.width));
    lines.labelled("Address", 13, &found.endpoint);
    lines.labelled("Answers", 13, &found.note);
    lines.blank();
    lines.put(0, &[Piece::new("enter", Role::Accent), Piece::plain(" adds it by form")]);
    lines.wrapped(0, "Nothing is written before you save the form.", Role::Muted);
    lines.blank();
    lines.title(&format!("Models {}", found.models.len()));
    for model in &found.models {
        lines.put(2, &[Piece::plain(model.id.as_str())]);
    }
    screen.scroll.draw(&lines, canvas, inner);
}
