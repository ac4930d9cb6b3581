//! The text of a file with the place of every node in it: for positions in messages and for edits.
//!
//! Values come from `serde_yaml`; this tree only knows where they stand and how they are written.

use super::path::{Path, Step};
use std::ops::Range;
use yaml_edit::{Mapping, Sequence, YamlFile, YamlNode};

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    Block,
    /// Nothing stands there.
    Empty,
    /// `~` or `null`.
    Null,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Scalar(Style),
    Mapping {
        flow: bool,
        entries: Vec<Entry>,
    },
    Sequence {
        flow: bool,
        items: Vec<Node>,
    },
    /// An alias, or a node with a tag: read, never edited.
    Exotic,
}

/// A value in the text. `span` is the bytes of the value itself, without the key.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
    /// Other places may refer to it.
    pub anchored: bool,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (step, &self.kind) {
            (Step::Key(key), _) => self.entry(key).map(|entry| &entry.value),
            (Step::Index(index), Kind::Sequence { items, .. }) => items.get(*index),
            _ => None,
        }
    }

    pub fn find(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, step| node.child(step))
    }

    /// Whether an edit inside this node could change something elsewhere or be misread.
    pub fn is_exotic(&self) -> bool {
        self.anchored || matches!(self.kind, Kind::Exotic)
    }

    /// Whether a merge key feeds this mapping.
    pub fn has_merge(&self) -> bool {
        self.entry("<<").is_some()
    }
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Tree {
    pub root: Option<Node>,
    pub documents: usize,
    /// Comments with their place, in order.
    pub comments: Vec<(Range<usize>, String)>,
    /// What the lossless parser stumbled over, if anything; such a file is read but not edited.
    pub trouble: Option<String>,
    starts: Vec<usize>,
}

impl Tree {
    /// Never fails: a text it cannot follow gives a tree without nodes.
    pub fn parse(text: &str) -> Self {
        let parsed = YamlFile::parse(text);
        let trouble = parsed.errors().into_iter().next();
        let file = parsed.tree();
        let documents = file.documents().count();
        let root = file.documents().next().and_then(|document| {
            let node = match (document.as_mapping(), document.as_sequence()) {
                (Some(map), _) => Some(YamlNode::Mapping(map)),
                (None, Some(list)) => Some(YamlNode::Sequence(list)),
                (None, None) => None,
            }?;
            Some(convert(&node, text, false, 0))
        });
        let comments = file
            .comments()
            .map(|comment| {
                let at = comment.byte_range();
                (at.start as usize..at.end as usize, comment.text().to_owned())
            })
            .collect();
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { root, documents, comments, trouble, starts }
    }

    pub fn find(&self, path: &Path) -> Option<&Node> {
        self.root.as_ref()?.find(path)
    }

    /// Where a place begins: at its key if it has one, else at its value, else at the nearest place above.
    pub fn offset_of(&self, path: &Path) -> Option<usize> {
        let root = self.root.as_ref()?;
        let mut at = root;
        let mut offset = None;
        for step in &path.0 {
            let (next, start) = match (step, &at.kind) {
                (Step::Key(key), _) => match at.entry(key) {
                    Some(entry) => (&entry.value, entry.key_span.start),
                    None => return offset,
                },
                (Step::Index(index), Kind::Sequence { items, .. }) => match items.get(*index) {
                    Some(item) => (item, item.span.start),
                    None => return offset,
                },
                _ => return offset,
            };
            offset = Some(start);
            at = next;
        }
        offset
    }

    /// Like [`Self::offset_of`], but the value when it stands on its own.
    pub fn value_offset(&self, path: &Path) -> Option<usize> {
        match self.find(path) {
            Some(node) if !matches!(node.kind, Kind::Scalar(Style::Empty)) => Some(node.span.start),
            _ => self.offset_of(path),
        }
    }

    /// Line and column, counted from 1, columns in characters.
    pub fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at)).copied().unwrap_or(0);
        let column = text.get(start..offset).map_or(0, |before| before.trim_start_matches('\u{feff}').chars().count());
        (line.max(1), column + 1)
    }

    /// Keys that stand twice in one mapping: the key, and the places of the first and the second.
    pub fn repeated_keys(&self) -> Vec<(String, usize, usize)> {
        let mut found = Vec::new();
        if let Some(root) = &self.root {
            repeated(root, &mut found);
        }
        found
    }
}

fn repeated(node: &Node, found: &mut Vec<(String, usize, usize)>) {
    match &node.kind {
        Kind::Mapping { entries, .. } => {
            let mut seen = std::collections::BTreeMap::new();
            for entry in entries {
                if let Some(first) = seen.get(entry.key.as_str()) {
                    found.push((entry.key.clone(), *first, entry.key_span.start));
                } else {
                    seen.insert(entry.key.as_str(), entry.key_span.start);
                }
                repeated(&entry.value, found);
            }
        }
        Kind::Sequence { items, .. } => items.iter().for_each(|item| repeated(item, found)),
        Kind::Scalar(_) | Kind::Exotic => {}
    }
}

/// Deeper than the values' own parser allows: only a guard for the stack.
const MAX_DEPTH: usize = 200;

fn convert(node: &YamlNode, text: &str, anchored: bool, depth: usize) -> Node {
    let at = node.byte_range();
    let span = at.start as usize..at.end as usize;
    let written = text.get(span.clone()).unwrap_or_default();
    let kind = match node {
        _ if depth > MAX_DEPTH => Kind::Exotic,
        YamlNode::Scalar(scalar) if scalar.is_block() => Kind::Scalar(Style::Block),
        YamlNode::Scalar(_) => Kind::Scalar(match written.as_bytes().first() {
            None => Style::Empty,
            Some(b'"') => Style::Double,
            Some(b'\'') => Style::Single,
            Some(_) if matches!(written, "~" | "null" | "Null" | "NULL") => Style::Null,
            Some(_) => Style::Plain,
        }),
        YamlNode::Mapping(map) => Kind::Mapping { flow: map.is_flow_style(), entries: entries(map, text, depth) },
        YamlNode::Sequence(list) => Kind::Sequence { flow: list.is_flow_style(), items: items(list, text, depth) },
        YamlNode::Alias(_) | YamlNode::TaggedNode(_) => Kind::Exotic,
    };
    Node { span, kind, anchored: anchored || written.starts_with('&') }
}

fn entries(map: &Mapping, text: &str, depth: usize) -> Vec<Entry> {
    map.entries()
        .filter_map(|entry| {
            let key_node = entry.key_node()?;
            let key_at = key_node.byte_range();
            let key_span = key_at.start as usize..key_at.end as usize;
            let key = match &key_node {
                YamlNode::Scalar(scalar) => scalar.as_string(),
                other => other.to_string(),
            };
            let value = match entry.value_node() {
                Some(node) => {
                    let between = text.get(key_span.end..node.byte_range().start as usize).unwrap_or_default();
                    convert(&node, text, has_anchor(between), depth + 1)
                }
                None => Node { span: key_span.end..key_span.end, kind: Kind::Scalar(Style::Empty), anchored: false },
            };
            Some(Entry { key, key_span, value })
        })
        .collect()
}

fn items(list: &Sequence, text: &str, depth: usize) -> Vec<Node> {
    let mut before = list.byte_range().start as usize;
    list.values()
        .map(|node| {
            let at = node.byte_range();
            let between = text.get(before..at.start as usize).unwrap_or_default();
            before = at.end as usize;
            convert(&node, text, has_anchor(between), depth + 1)
        })
        .collect()
}

/// Whether the text between a key or dash and its value names an anchor, comments aside.
fn has_anchor(between: &str) -> bool {
    between.lines().any(|line| line.split('#').next().unwrap_or_default().contains('&'))
}
