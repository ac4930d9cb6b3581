//! Help for the place where it was asked for, made from the key table; acts that do not work now say why.

use crate::present::text;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::canvas::Canvas;
use crate::tui::keymap::Context;
use crate::tui::part::{Cx, Effect, Outbox, Part};
use crate::tui::theme::Role;
use crate::tui::widgets::filter::{Change, Filter};
use crate::tui::widgets::scroll::{Scroll, more_below};
use ratatui::layout::Rect;

/// From this width on two groups stand side by side.
const TWO_COLUMNS: u16 = 100;

/// Rows for what the place is.
const ABOUT_ROWS: usize = 3;

struct Row {
    /// Its name in the key table: what people search for may stand there only.
    name: &'static str,
    keys: String,
    about: String,
    /// Why it does not work now.
    why: Option<String>,
}

enum Said<'a> {
    Title(&'static str),
    /// A row with a line of its sentence; its keys stand on the first.
    Row(&'a Row, bool, String),
    Why(String),
    Blank,
}

pub struct Help {
    title: String,
    about: &'static str,
    groups: Vec<(&'static str, Vec<Row>)>,
    filter: Filter,
    scroll: Scroll,
}

impl Help {
    /// Of what has the keyboard in `app` now.
    pub fn of(app: &App) -> Self {
        let contexts = app.contexts();
        let place = contexts.first().map_or("", |context| context.title());
        let title = if app.has_layer() { place.to_owned() } else { format!("{}, {place}", app.tab.title()) };
        let group = |context: Context| {
            let rows = app.keymap.of(context).map(|bound| {
                let keys: Vec<String> = bound.chords.iter().map(ToString::to_string).collect();
                let why = app.why_not(bound.entry.action);
                Row { name: bound.entry.name, keys: keys.join("  "), about: bound.entry.about.to_owned(), why }
            });
            (context.title(), rows.collect())
        };
        let groups = contexts.into_iter().map(group).collect();
        Self { title, about: app.top().about(), groups, filter: Filter::default(), scroll: Scroll::default() }
    }

    /// Groups with the rows that hold the search text; a group whose name holds it is shown whole.
    fn matching(&self) -> Vec<(&'static str, Vec<&Row>)> {
        let wanted = self.filter.text();
        let lets = |title: &str, row: &Row| {
            let why = row.why.as_deref().unwrap_or_default();
            self.filter.lets(&format!("{title} {} {} {why}", row.name, row.about))
                || (!wanted.is_empty() && row.keys.contains(wanted))
        };
        self.groups
            .iter()
            .map(|(title, rows)| (*title, rows.iter().filter(|row| lets(title, row)).collect::<Vec<_>>()))
            .filter(|(_, rows)| !rows.is_empty())
            .collect()
    }
}

/// Columns of the keys in a column of this width.
fn keys_wide(width: u16) -> u16 {
    18.min(width / 3)
}

fn column<'a>(groups: &[(&'static str, Vec<&'a Row>)], width: u16) -> Vec<Said<'a>> {
    let room = usize::from(width.saturating_sub(keys_wide(width) + 6));
    let mut said = Vec::new();
    for (title, rows) in groups {
        said.push(Said::Title(title));
        for row in rows {
            let lines = text::wrap(&row.about, room.max(8));
            said.extend(lines.into_iter().enumerate().map(|(place, line)| Said::Row(row, place == 0, line)));
            if let Some(why) = &row.why {
                let whys = text::wrap(&format!("not now: {why}"), usize::from(width.saturating_sub(8)).max(8));
                said.extend(whys.into_iter().map(Said::Why));
            }
        }
        said.push(Said::Blank);
    }
    said.pop();
    said
}

/// The groups in two columns of about the same height, in reading order.
fn split(groups: &[(&'static str, Vec<&Row>)]) -> usize {
    let height = |groups: &[(&str, Vec<&Row>)]| groups.iter().map(|(_, rows)| rows.len() + 2).sum::<usize>();
    (1..=groups.len()).min_by_key(|at| height(&groups[..*at]).max(height(&groups[*at..]))).unwrap_or(0)
}

impl Part for Help {
    fn contexts(&self) -> &'static [Context] {
        &[Context::Help, Context::List]
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn filter_mut(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn filtered(&mut self, _: Change, _: &Cx<'_>, _: &mut Outbox) {
        self.scroll.reset();
    }

    fn act(&mut self, action: Action, _: &Cx<'_>, out: &mut Outbox) -> bool {
        match action {
            Action::Back | Action::Help => out.push(Effect::Close),
            Action::Copy => out.push(Effect::Copy(self.text().join("\n"), "the list of keys was")),
            Action::NextMatch => return self.scroll.act(Action::Down),
            Action::PreviousMatch => return self.scroll.act(Action::Up),
            _ => return self.scroll.act(action),
        }
        true
    }

    fn about(&self) -> &'static str {
        "The keys of the place you came from. / searches this page."
    }

    fn plain(&self, _: &Cx<'_>) -> Vec<String> {
        self.text()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        canvas.clear(area);
        let groups = self.matching();
        let all: usize = self.groups.iter().map(|(_, rows)| rows.len()).sum();
        let found: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
        let count = format!("{found} of {all}");
        canvas.rule(Rect { height: 1, ..area }, &format!("Help  {}", self.title), &count, true);
        let mut y = area.y + 1;
        let used = self.filter.draw(canvas, Rect::new(area.x, y, area.width, 1), "");
        let roomy = area.height >= 12;
        if used == 0 {
            let about = text::wrap(self.about, usize::from(area.width.saturating_sub(2)));
            let most = if roomy { ABOUT_ROWS } else { 1 };
            for line in about.iter().take(most) {
                canvas.text(area.x + 1, y, area.width.saturating_sub(2), line, Role::Plain);
                y += 1;
            }
        } else {
            y += used;
        }
        y += u16::from(roomy);
        let below = Rect::new(area.x, y, area.width, area.bottom().saturating_sub(y));
        let columns = if area.width >= TWO_COLUMNS {
            let (at, half) = (split(&groups), area.width / 2);
            vec![column(&groups[..at], half), column(&groups[at..], half)]
        } else {
            vec![column(&groups, area.width)]
        };
        let total = columns.iter().map(Vec::len).max().unwrap_or(0);
        // The last row says how much is below: nothing stands under it.
        let room = usize::from(below.height);
        let room = if total > room { room.saturating_sub(1) } else { room };
        let from = self.scroll.window(total, room);
        let wide = below.width / u16::try_from(columns.len()).unwrap_or(1).max(1);
        for (place, said) in columns.iter().enumerate() {
            let x = below.x + wide * u16::try_from(place).unwrap_or(0);
            let column = Rect { x, width: wide, ..below };
            for (said, y) in said.iter().skip(from).take(room).zip(below.top()..) {
                line(canvas, Rect { y, height: 1, ..column }, said);
            }
        }
        more_below(canvas, below, total.saturating_sub(from + room));
        if groups.is_empty() {
            let said = "nothing holds this text: esc clears it";
            canvas.text(area.x + 2, y, area.width.saturating_sub(3), said, Role::Muted);
        }
    }
}

fn line(canvas: &mut Canvas<'_>, row: Rect, said: &Said<'_>) {
    let keys = keys_wide(row.width);
    match said {
        Said::Title(title) => {
            canvas.text(row.x + 2, row.y, row.width.saturating_sub(3), title, Role::Title);
        }
        Said::Row(said, first, words) => {
            let (key, about) =
                if said.why.is_none() { (Role::Accent, Role::Plain) } else { (Role::Muted, Role::Muted) };
            if *first {
                canvas.text(row.x + 4, row.y, keys, &said.keys, key);
            }
            let x = row.x + 5 + keys;
            canvas.text(x, row.y, row.right().saturating_sub(x), words, about);
        }
        Said::Why(words) => {
            canvas.text(row.x + 7, row.y, row.width.saturating_sub(7), words, Role::Muted);
        }
        Said::Blank => {}
    }
}

impl Help {
    fn text(&self) -> Vec<String> {
        let groups = self.matching();
        let rows = groups.iter().flat_map(|(title, rows)| rows.iter().map(move |row| (title, row)));
        let mut lines = vec![format!("Help. {}", self.about)];
        lines.extend(rows.map(|(title, row)| {
            let why = row.why.as_ref().map(|why| format!(", not now: {why}")).unwrap_or_default();
            format!("{title}: {}: {}{why} ({})", row.keys, row.about, row.name)
        }));
        lines
    }
}
