//! Drawing by meaning: texts with roles, clipped and escaped, on a ratatui buffer. Parts draw through this
//! only, so that no untrusted text reaches a cell unescaped and no cell outside is touched.

use super::app::keys::JUMP;
use super::part::Cx;
use super::theme::{Role, Theme};
use super::words;
use crate::domain::time::UnixMs;
use crate::present::labels::Label;
use crate::present::{escape, text, units};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use std::cell::Cell;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// What turns while the person waits, and how long it stands.
const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];
const SPIN: Duration = Duration::from_millis(250);

pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    pub cx: &'a Cx<'a>,
    theme: Theme,
    /// ASCII only: charts choose their glyphs by it; lines are swapped at the end.
    pub ascii: bool,
    wake: &'a Cell<Option<UnixMs>>,
    cursor: Option<Position>,
    selected: Vec<Rect>,
    /// The panes show the letters that lead to them.
    jumping: bool,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(
        buffer: &'a mut Buffer,
        cx: &'a Cx<'a>,
        theme: Theme,
        ascii: bool,
        wake: &'a Cell<Option<UnixMs>>,
    ) -> Self {
        Self { buffer, cx, theme, ascii, wake, cursor: None, selected: Vec::new(), jumping: false }
    }

    /// Panes show their letters from here on.
    pub(super) fn jumping(mut self, on: bool) -> Self {
        self.jumping = on;
        self
    }

    /// The letter that leads to pane `pane`, on the first cell of its rule, while one is asked for.
    pub fn letter(&mut self, pane: usize, area: Rect) {
        let Some(letter) = JUMP.get(pane).filter(|_| self.jumping) else { return };
        self.text(area.x, area.y, 1, &letter.to_string(), Role::Title);
        self.select(Rect { width: 1, height: 1, ..area }, 0..0);
    }

    /// How long something that the person waits for has run: with a mark that turns, or in words alone where
    /// motion is unwanted. The picture is drawn again as long as it is seen.
    pub fn running(&self, since: UnixMs) -> String {
        let passed = self.cx.now.since(since);
        let words = format!("running, {} s", passed.as_secs());
        if self.cx.snapshot.config.ui.reduce_motion {
            self.wake_at(since.plus(Duration::from_secs(passed.as_secs() + 1)));
            return words;
        }
        let step = passed.as_millis() / SPIN.as_millis();
        let next = u64::try_from((step + 1) * SPIN.as_millis()).unwrap_or(u64::MAX);
        self.wake_at(since.plus(Duration::from_millis(next)));
        let mark = SPINNER[usize::try_from(step).unwrap_or(0) % SPINNER.len()];
        format!("{mark} {words}")
    }

    pub fn area(&self) -> Rect {
        self.buffer.area
    }

    /// Layers above a part hide its cursor and its selection.
    pub(super) fn forget_cursor(&mut self) {
        self.cursor = None;
        self.selected.clear();
    }

    /// Whether `area` lies over the selected row, or over the line that is typed in.
    pub(super) fn covers_selection(&self, area: Rect) -> bool {
        let typed = self.cursor.is_some_and(|cursor| (area.top()..area.bottom()).contains(&cursor.y));
        typed || self.selected.iter().any(|row| row.intersects(area))
    }

    pub(super) fn take_cursor(&self) -> Option<Position> {
        self.cursor
    }

    /// Messages shall not cover `area`.
    pub fn keep_clear(&mut self, area: Rect) {
        self.selected.push(area.intersection(self.buffer.area));
    }

    /// Writes at most `width` columns, cut with `...`; returns the columns used.
    pub fn text(&mut self, x: u16, y: u16, width: u16, content: &str, role: Role) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let safe = escape::line(content);
        let fitted = text::truncate(&safe, usize::from(width));
        let style = self.theme.style(role);
        let (end, _) = self.buffer.set_stringn(x, y, fitted.as_ref(), usize::from(width), style);
        end.saturating_sub(x)
    }

    /// Like [`Self::text`], but what does not fit is left off without a mark: for text under the cursor.
    pub fn text_uncut(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) {
        if self.buffer.area.contains(Position::new(x, y)) {
            let safe = escape::line(text);
            self.buffer.set_stringn(x, y, safe.as_ref(), usize::from(width), self.theme.style(role));
        }
    }

    /// Pieces one after the other within `width`; returns the columns used.
    pub fn spans(&mut self, x: u16, y: u16, width: u16, spans: &[(&str, Role)]) -> u16 {
        let mut used = 0;
        for (text, role) in spans {
            if used >= width {
                break;
            }
            used += self.text(x + used, y, width - used, text, *role);
        }
        used
    }

    /// Ends at column `end` (exclusive), never left of `start`.
    pub fn right(&mut self, start: u16, end: u16, y: u16, text: &str, role: Role) -> u16 {
        let room = end.saturating_sub(start);
        let wide = u16::try_from(escape::line(text).width()).unwrap_or(u16::MAX).min(room);
        self.text(end.saturating_sub(wide), y, wide, text, role)
    }

    /// The four cells of a mark.
    pub fn mark(&mut self, x: u16, y: u16, label: &Label) {
        self.text(x, y, 4, label.mark, words::role(label.role));
    }

    /// The style of the selected row over everything but the mark in the columns `keep`.
    pub fn select(&mut self, row: Rect, keep: std::ops::Range<u16>) {
        let row = row.intersection(self.buffer.area);
        self.selected.push(row);
        let style = self.theme.selected(false);
        for y in row.rows().map(|row| row.y) {
            for x in row.left()..row.right() {
                let cell = &mut self.buffer[(x, y)];
                let kept = keep.contains(&x).then_some((cell.fg, cell.modifier));
                cell.set_style(ratatui::style::Style::reset());
                cell.set_style(style);
                if let Some((fg, modifier)) = kept {
                    // In reverse the mark's colour would become the background: the row's own look wins.
                    if !style.add_modifier.contains(ratatui::style::Modifier::REVERSED) {
                        cell.set_fg(fg);
                        cell.modifier |= modifier;
                    }
                }
            }
        }
    }

    /// A rule with a title at its left and a text at its right end.
    pub fn rule(&mut self, row: Rect, title: &str, right: &str, focused: bool) {
        if row.width == 0 || row.height == 0 {
            return;
        }
        let (line, role) = if focused { ("━", Role::Focus) } else { ("─", Role::Border) };
        for x in row.left()..row.right() {
            self.text(x, row.y, 1, line, role);
        }
        let room = row.width.saturating_sub(4);
        let title_role = if focused { Role::Title } else { Role::Plain };
        if room < 3 {
            return;
        }
        let wide = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
        let right_wide = if right.is_empty() { 0 } else { wide(right).saturating_add(4) };
        let title_room = if right_wide.saturating_add(8) < room { room - right_wide } else { room };
        if !title.is_empty() {
            self.text(row.x + 1, row.y, 1, " ", role);
            let used = self.text(row.x + 2, row.y, title_room, title, title_role);
            self.text(row.x + 2 + used, row.y, 1, " ", role);
        }
        if title_room < room {
            let start = row.right() - right_wide + 1;
            self.text(start, row.y, 1, " ", role);
            self.text(start + 1, row.y, wide(right), right, Role::Plain);
            self.text(row.right() - 2, row.y, 1, " ", role);
        }
    }

    /// Where a vertical line hangs from the rule.
    pub fn joint(&mut self, x: u16, y: u16, focused: bool) {
        self.text(x, y, 1, "┬", if focused { Role::Focus } else { Role::Border });
    }

    /// A box with a title in its upper edge; the only box there is.
    pub fn frame(&mut self, area: Rect, title: &str) {
        if area.width < 4 || area.height < 2 {
            return;
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.left() + 1..right {
            self.text(x, area.y, 1, "─", Role::Focus);
            self.text(x, bottom, 1, "─", Role::Focus);
        }
        for y in area.top() + 1..bottom {
            self.text(area.x, y, 1, "│", Role::Focus);
            self.text(right, y, 1, "│", Role::Focus);
        }
        for (x, y, corner) in [(area.x, area.y, "┌"), (right, area.y, "┐"), (area.x, bottom, "└"), (right, bottom, "┘")]
        {
            self.text(x, y, 1, corner, Role::Focus);
        }
        let used = self.text(area.x + 2, area.y, area.width - 4, title, Role::Title);
        if used > 0 {
            self.text(area.x + 1, area.y, 1, " ", Role::Plain);
            self.text(area.x + 2 + used, area.y, 1, " ", Role::Plain);
        }
    }

    /// A vertical line.
    pub fn divider(&mut self, x: u16, rows: std::ops::Range<u16>) {
        for y in rows {
            self.text(x, y, 1, "│", Role::Border);
        }
    }

    /// Blank cells, for layers.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let base = self.theme.base();
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
                self.buffer[(x, y)].set_style(base);
            }
        }
    }

    /// The terminal's own cursor goes here.
    pub fn cursor(&mut self, x: u16, y: u16) {
        if self.buffer.area.contains(Position::new(x, y)) {
            self.cursor = Some(Position::new(x, y));
        }
    }

    /// How long ago, in coarse words; the picture is drawn again when the words would change.
    pub fn age(&self, since: UnixMs) -> String {
        let passed = self.cx.now.since(since);
        let seconds = passed.as_secs();
        let step = if seconds < 3600 {
            60
        } else if seconds < 86_400 {
            3600
        } else {
            86_400
        };
        let next = (seconds / step + 1).saturating_mul(step);
        self.wake_at(since.plus(std::time::Duration::from_secs(next)));
        units::age(passed)
    }

    /// The picture is to be drawn again at `at`.
    pub fn wake_at(&self, at: UnixMs) {
        if self.wake.get().is_none_or(|earlier| at < earlier) {
            self.wake.set(Some(at));
        }
    }

    /// The clock on the wall, as in `22:14`; with the date on another day.
    pub fn clock(&self, at: UnixMs) -> String {
        units::moment(at, self.cx.now)
    }

    /// Lines and bars in ASCII, cell by cell.
    pub(super) fn swap_to_ascii(&mut self) {
        for cell in &mut self.buffer.content {
            let swapped = match cell.symbol() {
                "━" => "=",
                "─" => "-",
                "│" | "▅" | "▆" => "|",
                "┬" | "┴" | "┌" | "┐" | "└" | "┘" | "┤" | "├" => "+",
                "▁" | "▂" | "░" => ".",
                "┆" | "▃" | "▄" => ":",
                "▇" | "█" => "#",
                // What others wrote stays as it is.
                _ => continue,
            };
            cell.set_symbol(swapped);
        }
    }
}
