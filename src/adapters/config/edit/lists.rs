//! Splices in lists: adding an entry, taking one away, giving the list other entries. Entries that stay
//! keep their own text and comments.

pub use super::change::Entry;
use super::page::Page;
use super::render;
use super::splice::Splice;
use crate::adapters::config::path::Path;
use crate::adapters::config::tree::{Kind, Node, Style};
use serde_yaml::Value;
use std::ops::Range;

/// Adds an entry behind the last one.
pub fn push(page: &Page<'_>, node: &Node, flow: bool, items: &[Node], value: &Value) -> Result<Splice, String> {
    let last = items.last().ok_or("the list is empty")?;
    if flow {
        let style = style_of(items);
        let at = last.span.end;
        return Ok(Splice { range: at..at, with: format!(", {}", render::flow(value, style)) });
    }
    let dash = dash_of(page, last)?;
    let mut lines = render::item(value, page.column(dash));
    // Entries that stand apart keep standing apart.
    let apart = match items {
        [.., before, last] => {
            let between = page.text.get(page.content_end(before)..last.span.start).unwrap_or_default();
            between.lines().skip(1).any(|line| line.trim().is_empty())
        }
        _ => false,
    };
    if apart {
        lines.insert(0, String::new());
    }
    Ok(page.lines_after(page.content_end(node), &lines))
}

/// Takes one of these spans out of brackets or braces, with its comma.
pub fn cut_from_flow(spans: &[Range<usize>], at: usize) -> Result<Splice, String> {
    let missing = || "the entry is not there".to_owned();
    let own = spans.get(at).ok_or_else(missing)?;
    let range = match (spans.get(at + 1), at.checked_sub(1).and_then(|before| spans.get(before))) {
        (Some(next), _) => own.start..next.start,
        (None, Some(before)) => before.end..own.end,
        (None, None) => own.clone(),
    };
    Ok(Splice { range, with: String::new() })
}

/// Takes the lines of one entry out of a list with dashes.
pub fn cut_item(page: &Page<'_>, list: &Path, items: &[Node], index: usize) -> Result<Splice, String> {
    let item = items.get(index).ok_or("the entry is not there")?;
    let dash = dash_of(page, item)?;
    let end = page.line_end(page.content_end(item).max(dash + 1));
    if items.len() == 1 {
        let node = page.tree.find(list).ok_or("the list is not there")?;
        return page.empty_out(list, node, end, "[]");
    }
    Ok(page.cut_lines(page.line_start(dash), end))
}

/// What the entries of a list say, each at the place of its node.
pub fn values<'a>(page: &Page<'a>, list: &Path, items: &[Node]) -> Result<&'a [Value], String> {
    match list.find(page.values) {
        Some(Value::Sequence(values)) if values.len() == items.len() => Ok(values),
        _ => Err(format!("{list} is written in an unusual way")),
    }
}

/// Those of the new values that were there already, by their places.
pub fn recognised(old: &[Value], new: &[Value]) -> Vec<Entry> {
    let mut free: Vec<usize> = (0..old.len()).collect();
    let mut entry = |value: &Value| match free.iter().position(|index| old.get(*index) == Some(value)) {
        Some(at) => Entry::Kept(free.remove(at)),
        None => Entry::New(value.clone()),
    };
    new.iter().map(&mut entry).collect()
}

/// The lines of entries that such a change takes away; those above them are nobody's alone.
pub fn gone(page: &Page<'_>, items: &[Node], entries: &[Entry]) -> Vec<Range<usize>> {
    let stays = |index: usize| entries.contains(&Entry::Kept(index));
    let lines = |item: &Node| page.line_start(item.span.start)..page.line_end(page.content_end(item));
    items.iter().enumerate().filter(|(index, _)| !stays(*index)).map(|(_, item)| lines(item)).collect()
}

/// Gives a list these entries. Entries that were there keep their text, with the comments above and in them.
pub fn arrange(
    page: &Page<'_>,
    path: &Path,
    node: &Node,
    flow: bool,
    items: &[Node],
    entries: &[Entry],
) -> Result<Splice, String> {
    values(page, path, items)?;
    let style = style_of(items);
    if flow || items.is_empty() {
        let written = |index: usize| page.text.get(items.get(index)?.span.clone());
        let part = |entry: &Entry| match entry {
            Entry::Kept(index) => written(*index).map(ToOwned::to_owned),
            Entry::New(value) => Some(render::flow(value, style)),
        };
        let parts: Option<Vec<String>> = entries.iter().map(part).collect();
        let parts = parts.ok_or("the entry is not there")?;
        let (open, close) = match (items.first(), items.last()) {
            (Some(first), Some(last)) if !parts.is_empty() => (first.span.start, last.span.end),
            _ => return Ok(Splice { range: node.span.clone(), with: format!("[{}]", parts.join(", ")) }),
        };
        // What stands around the entries stays; between them a line break is kept only when all of them stay.
        return Ok(Splice { range: open..close, with: parts.join(", ") });
    }
    let first_dash = dash_of(page, items.first().ok_or("the list is empty")?)?;
    let start = page.line_start(first_dash);
    let end = page.line_end(page.content_end(node));
    if entries.is_empty() {
        return page.empty_out(path, node, end, "[]");
    }
    let indent = page.column(first_dash);
    // Each entry with the comments above it; those go with it wherever it moves.
    let mut chunks: Vec<(&str, &str)> = Vec::new();
    let mut from = start;
    for item in items {
        let own = page.line_start(dash_of(page, item)?);
        let until = page.line_end(page.content_end(item));
        let above = page.text.get(from.min(own)..own).unwrap_or_default();
        chunks.push((above, page.text.get(own..until).unwrap_or_default()));
        from = page.after_line(until);
    }
    let mut out: Vec<String> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Kept(index) => {
                let (above, body) = chunks.get(*index).ok_or("the entry is not there")?;
                out.push(format!("{above}{body}"));
            }
            Entry::New(value @ (Value::Mapping(_) | Value::Sequence(_))) => out.extend(render::item(value, indent)),
            Entry::New(value) => out.push(format!("{}- {}", " ".repeat(indent), render::scalar(value, style, false))),
        }
    }
    // Comments above entries that are gone are the person's; they stay at the end of the list.
    for (index, (above, _)) in chunks.iter().enumerate() {
        let above = above.trim_end();
        if !entries.contains(&Entry::Kept(index)) && !above.trim().is_empty() {
            out.push(above.to_owned());
        }
    }
    Ok(Splice { range: start..end, with: out.join(page.end) })
}

/// The style of the first text of a list.
fn style_of(items: &[Node]) -> Style {
    match items.first().map(|item| &item.kind) {
        Some(Kind::Scalar(style @ (Style::Double | Style::Single))) => *style,
        _ => Style::Plain,
    }
}

/// Where the dash of an entry stands: alone at the start of its line.
fn dash_of(page: &Page<'_>, item: &Node) -> Result<usize, String> {
    let before = page.text.get(..item.span.start).unwrap_or_default();
    let trimmed = before.trim_end_matches([' ', '\t']);
    let unusual = || "a list entry is written in an unusual way".to_owned();
    if !trimmed.ends_with('-') {
        return Err(unusual());
    }
    let dash = trimmed.len() - 1;
    let front = page.text.get(page.line_start(dash)..dash).unwrap_or_default();
    if front.chars().all(|c| c == ' ') { Ok(dash) } else { Err(unusual()) }
}
