//! Finds the few bytes of a text that one change needs, and what goes there instead. Everything outside
//! those bytes stays as it is. Whether the result means what was asked is checked by `verify`.

use super::change::Change;
use super::lists;
use super::page::Page;
use super::render;
use crate::adapters::config::path::{Path, Step};
use crate::adapters::config::tree::{Entry, Kind, Node, Style};
use serde_yaml::{Mapping, Value};
use std::ops::Range;

/// Replace these bytes by this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    pub range: Range<usize>,
    pub with: String,
}

impl Splice {
    pub fn applied(&self, text: &str) -> Option<String> {
        let (before, after) = (text.get(..self.range.start)?, text.get(self.range.end..)?);
        Some([before, &self.with, after].concat())
    }
}

impl<'a> Page<'a> {
    /// What to splice for a change.
    ///
    /// # Errors
    /// A sentence: why it cannot be done safely.
    pub fn splice(&self, change: &Change) -> Result<Splice, String> {
        if let Some(trouble) = &self.tree.trouble {
            return Err(format!("the file holds a construct that is not edited: {trouble}"));
        }
        if self.tree.documents > 1 {
            return Err("the file holds more than one document".into());
        }
        match change {
            Change::Set { path, value } => self.set(path, value),
            Change::Append { list, value } => self.append(list, value),
            Change::Arrange { list, entries } => self.arrange(list, entries),
            Change::Remove { path } => self.remove(path),
        }
    }

    fn set(&self, path: &Path, value: &Value) -> Result<Splice, String> {
        let (node, depth) = self.descend(path)?;
        let Some(node) = node else {
            return self.new_section(path, value);
        };
        let rest = path.0.get(depth..).unwrap_or_default();
        if rest.is_empty() {
            return self.replace(path, node, value);
        }
        let here = Path(path.0.get(..depth).unwrap_or_default().to_vec());
        self.insert(&here, node, rest, value)
    }

    fn append(&self, list: &Path, value: &Value) -> Result<Splice, String> {
        match self.tree.find(list) {
            Some(node) => {
                self.descend(list)?;
                match &node.kind {
                    Kind::Sequence { flow, items } if !items.is_empty() => lists::push(self, node, *flow, items, value),
                    Kind::Sequence { .. } | Kind::Scalar(Style::Empty | Style::Null) => self.fill(
                        list,
                        node,
                        |indent| render::item(value, indent),
                        &Value::Sequence(vec![value.clone()]),
                    ),
                    _ => Err(format!("{list} is not a list")),
                }
            }
            None => self.set(list, &Value::Sequence(vec![value.clone()])),
        }
    }

    fn arrange(&self, list: &Path, entries: &[lists::Entry]) -> Result<Splice, String> {
        let (node, depth) = self.descend(list)?;
        match node.map(|node| (node, &node.kind)) {
            Some((node, Kind::Sequence { flow, items })) if depth == list.0.len() => {
                lists::arrange(self, list, node, *flow, items, entries)
            }
            _ => Err(format!("{list} is not a list")),
        }
    }

    fn remove(&self, path: &Path) -> Result<Splice, String> {
        let (node, depth) = self.descend(path)?;
        if node.is_none() || depth != path.0.len() {
            return Err(format!("{path} is not there"));
        }
        let above = path.parent().unwrap_or_default();
        let holder = self.tree.find(&above).ok_or_else(|| format!("{above} is not there"))?;
        match (&holder.kind, path.last()) {
            (Kind::Mapping { flow: true, entries }, Some(Step::Key(key))) => {
                let spans: Vec<_> = entries
                    .iter()
                    .map(|entry| entry.key_span.start..entry.value.span.end.max(entry.key_span.end))
                    .collect();
                let at = entries.iter().position(|entry| entry.key == *key).ok_or("the key is not there")?;
                lists::cut_from_flow(&spans, at)
            }
            (Kind::Mapping { flow: false, entries }, Some(Step::Key(key))) => {
                self.cut_entry(&above, holder, entries, key)
            }
            (Kind::Sequence { flow: true, items }, Some(Step::Index(index))) => {
                let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
                lists::cut_from_flow(&spans, *index)
            }
            (Kind::Sequence { flow: false, items }, Some(Step::Index(index))) => {
                lists::cut_item(self, &above, items, *index)
            }
            _ => Err(format!("{path} cannot be taken out")),
        }
    }

    /// Follows a path as far as it is there. Refuses ways through shared or unusual places.
    fn descend(&self, path: &Path) -> Result<(Option<&'a Node>, usize), String> {
        let Some(root) = &self.tree.root else { return Ok((None, 0)) };
        let mut node = root;
        for (depth, step) in path.0.iter().enumerate() {
            let here = Path(path.0.get(..depth).unwrap_or_default().to_vec());
            Self::plain(node, &here)?;
            let next = match (step, &node.kind) {
                (Step::Key(key), Kind::Mapping { .. }) => node.entry(key).map(|entry| &entry.value),
                (Step::Index(index), Kind::Sequence { items, .. }) => items.get(*index),
                (Step::Key(_), Kind::Scalar(Style::Empty | Style::Null)) => None,
                _ => return Err(format!("{here} is a single value: nothing lies below it")),
            };
            match next {
                Some(next) => node = next,
                None => return Ok((Some(node), depth)),
            }
        }
        Self::plain(node, path)?;
        Ok((Some(node), path.0.len()))
    }

    fn plain(node: &Node, path: &Path) -> Result<(), String> {
        let name = if path.0.is_empty() { "the file".to_owned() } else { path.to_string() };
        if node.anchored {
            return Err(format!("{name} has an anchor (&), so other places share it"));
        }
        if node.is_exotic() {
            return Err(format!("{name} is an alias (*) or has a tag (!)"));
        }
        if node.has_merge() {
            return Err(format!("{name} takes values from elsewhere by a merge key (<<)"));
        }
        Ok(())
    }

    /// Gives an existing node another value, in the style it has.
    fn replace(&self, path: &Path, node: &Node, value: &Value) -> Result<Splice, String> {
        let in_flow = self.in_flow(path);
        match (&node.kind, value) {
            (Kind::Scalar(Style::Empty | Style::Null), Value::Mapping(map)) if !map.is_empty() && !in_flow => {
                self.fill(path, node, |indent| mapping_lines(map, indent), value)
            }
            (Kind::Scalar(Style::Empty), value) => {
                let at = self.after_colon(path)?;
                let text = if is_single(value) {
                    render::scalar(value, Style::Plain, in_flow)
                } else {
                    render::flow(value, Style::Plain)
                };
                Ok(Splice { range: at..at, with: format!(" {text}") })
            }
            (Kind::Scalar(Style::Block), Value::String(text)) => Ok(self.block_scalar(path, node, text)),
            (Kind::Scalar(style), value) if is_single(value) => {
                let end = if *style == Style::Block { self.content_end(node) } else { node.span.end };
                let style = if *style == Style::Block { Style::Plain } else { *style };
                Ok(Splice { range: node.span.start..end, with: render::scalar(value, style, in_flow) })
            }
            (Kind::Sequence { flow, items }, Value::Sequence(values)) => {
                let entries = lists::recognised(lists::values(self, path, items)?, values);
                lists::arrange(self, path, node, *flow, items, &entries)
            }
            (Kind::Mapping { flow: true, .. }, Value::Mapping(_)) => {
                Ok(Splice { range: node.span.clone(), with: render::flow(value, Style::Plain) })
            }
            (Kind::Scalar(style), value) if *style != Style::Block => {
                Ok(Splice { range: node.span.clone(), with: render::flow(value, Style::Plain) })
            }
            _ => Err(format!("{path} is a whole section; set its keys one by one")),
        }
    }

    /// A block scalar stays one when the new text has lines or the old one had.
    fn block_scalar(&self, path: &Path, node: &Node, text: &str) -> Splice {
        let old = self.text.get(node.span.clone()).unwrap_or_default();
        let end = self.content_end(node);
        let indent = old
            .lines()
            .skip(1)
            .find(|line| !line.trim().is_empty())
            .map_or(self.column(node.span.start), |line| line.len() - line.trim_start().len());
        let with = match render::block(text, indent) {
            Some(lines) => lines.join(self.end),
            None => render::scalar(&Value::String(text.to_owned()), Style::Double, self.in_flow(path)),
        };
        Splice { range: node.span.start..end, with }
    }

    /// Puts a new key into a mapping that is there, or below a key that has no value yet.
    fn insert(&self, here: &Path, node: &Node, rest: &[Step], value: &Value) -> Result<Splice, String> {
        let (key, value) = nest(rest, value)?;
        let whole = Value::Mapping(std::iter::once((Value::String(key.clone()), value.clone())).collect());
        match &node.kind {
            Kind::Scalar(Style::Empty | Style::Null) => {
                self.fill(here, node, |indent| render::entry(&key, &value, indent), &whole)
            }
            Kind::Mapping { flow: true, entries } => match entries.last() {
                Some(last) => {
                    let at = last.value.span.end.max(last.key_span.end);
                    let key = render::scalar(&Value::String(key), Style::Plain, true);
                    Ok(Splice { range: at..at, with: format!(", {key}: {}", render::flow(&value, Style::Plain)) })
                }
                None if here.0.is_empty() => {
                    Ok(Splice { range: node.span.clone(), with: render::flow(&whole, Style::Plain) })
                }
                None => self.fill(here, node, |indent| render::entry(&key, &value, indent), &whole),
            },
            Kind::Mapping { flow: false, entries } => {
                let (Some(first), false) = (entries.first(), here.0.is_empty()) else {
                    return Ok(self.at_the_end(&render::entry(&key, &value, self.root_indent())));
                };
                let indent = self.column(first.key_span.start);
                Ok(self.lines_after(self.content_end(node), &render::entry(&key, &value, indent)))
            }
            _ => Err(format!("{here} is not a section")),
        }
    }

    fn new_section(&self, path: &Path, value: &Value) -> Result<Splice, String> {
        let (key, value) = nest(&path.0, value)?;
        Ok(self.at_the_end(&render::entry(&key, &value, 0)))
    }

    /// Gives `key:` or `key: []` lines below it.
    pub fn fill(
        &self,
        path: &Path,
        node: &Node,
        lines: impl Fn(usize) -> Vec<String>,
        whole: &Value,
    ) -> Result<Splice, String> {
        if self.in_flow(path) {
            return match node.kind {
                Kind::Scalar(Style::Empty) => {
                    let at = self.after_colon(path)?;
                    Ok(Splice { range: at..at, with: format!(" {}", render::flow(whole, Style::Plain)) })
                }
                _ => Ok(Splice { range: node.span.clone(), with: render::flow(whole, Style::Plain) }),
            };
        }
        let entry = self.entry(path)?;
        let indent = self.column(entry.key_span.start) + 2;
        let colon = self.after_colon(path)?;
        let value_end = match node.kind {
            Kind::Scalar(Style::Empty) => colon,
            _ => node.span.end,
        };
        let line_end = self.line_end(value_end);
        // What follows on the line is a comment at most, and stays there.
        let tail = self.text.get(value_end..line_end).unwrap_or_default().trim();
        let tail = if tail.is_empty() { String::new() } else { format!("  {tail}") };
        let with = format!("{tail}{}{}", self.end, lines(indent).join(self.end));
        Ok(Splice { range: colon..line_end, with })
    }

    fn cut_entry(&self, above: &Path, holder: &Node, entries: &[Entry], key: &str) -> Result<Splice, String> {
        let at = entries.iter().position(|entry| entry.key == key).ok_or("the key is not there")?;
        let entry = entries.get(at).ok_or("the key is not there")?;
        let end = if matches!(entry.value.kind, Kind::Scalar(Style::Empty)) {
            self.line_end(entry.key_span.end)
        } else {
            self.line_end(self.content_end(&entry.value))
        };
        if entries.len() == 1 {
            return if above.0.is_empty() {
                Ok(self.cut_lines(self.line_start(entry.key_span.start), end))
            } else if matches!(above.last(), Some(Step::Key(_))) {
                self.empty_out(above, holder, end, "{}")
            } else {
                Err(format!("{key} is the only key of this entry"))
            };
        }
        let start = self.line_start(entry.key_span.start);
        let before = self.text.get(start..entry.key_span.start).unwrap_or_default();
        if before.trim().is_empty() {
            return Ok(self.cut_lines(start, end));
        }
        // The key shares its line with the dash of its list entry: the next key moves up.
        let next = entries.get(at + 1).ok_or("the next key is not there")?;
        let range = entry.key_span.start..next.key_span.start;
        if self.tree.comments.iter().any(|(at, _)| at.start > self.line_end(range.start) && at.end < range.end) {
            return Err(format!("the comment below {key} would be lost"));
        }
        Ok(Splice { range, with: String::new() })
    }

    /// Takes the only content of `key:` away and writes `[]` or `{}` behind the colon.
    pub fn empty_out(&self, path: &Path, node: &Node, end: usize, nothing: &str) -> Result<Splice, String> {
        let colon = self.after_colon(path)?;
        let first_line_end = self.line_end(colon);
        let between = self.text.get(colon..node.span.start).unwrap_or_default();
        // Comments between the key and its first line stay.
        let kept = self.text.get(first_line_end..self.line_start(node.span.start)).unwrap_or_default().trim_end();
        let tail = between.lines().next().unwrap_or_default().trim();
        let tail = if tail.is_empty() { String::new() } else { format!("  {tail}") };
        Ok(Splice { range: colon..end, with: format!(" {nothing}{tail}{kept}") })
    }
}

fn is_single(value: &Value) -> bool {
    !matches!(value, Value::Mapping(_) | Value::Sequence(_) | Value::Tagged(_))
}

fn mapping_lines(map: &Mapping, indent: usize) -> Vec<String> {
    map.iter().flat_map(|(key, value)| render::entry(key.as_str().unwrap_or_default(), value, indent)).collect()
}

/// The first of the keys, and the value with the others around it.
fn nest(rest: &[Step], value: &Value) -> Result<(String, Value), String> {
    let mut keys = Vec::new();
    for step in rest {
        match step {
            Step::Key(key) => keys.push(key.clone()),
            Step::Index(index) => return Err(format!("there is no list entry {index}")),
        }
    }
    let (first, inner) = keys.split_first().ok_or("a key is needed")?;
    let value = inner.iter().rev().fold(value.clone(), |value, key| {
        Value::Mapping(std::iter::once((Value::String(key.clone()), value)).collect())
    });
    Ok((first.clone(), value))
}
