//! A text being edited, measured: lines, columns, where things begin and end.

use super::splice::Splice;
use crate::adapters::config::path::{Path, Step};
use crate::adapters::config::tree::{Entry, Kind, Node, Style, Tree};
use serde_yaml::Value;

/// A text being edited.
pub struct Page<'a> {
    pub text: &'a str,
    pub tree: &'a Tree,
    /// What the text says, merge keys not applied.
    pub values: &'a Value,
    /// How its lines end.
    pub end: &'static str,
}

impl<'a> Page<'a> {
    pub fn new(text: &'a str, tree: &'a Tree, values: &'a Value) -> Self {
        Self { text, tree, values, end: if text.contains("\r\n") { "\r\n" } else { "\n" } }
    }

    /// Takes whole lines away, and one of two blank lines that would meet.
    pub fn cut_lines(&self, start: usize, end: usize) -> Splice {
        let mut end = self.after_line(end);
        let before_blank = start == 0
            || self.text.get(..start).is_some_and(|before| {
                let before = before.strip_suffix('\n').unwrap_or(before);
                before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
            });
        let next_end = self.line_end(end);
        let next_blank = self.text.get(end..next_end).is_some_and(|line| line.trim().is_empty()) && next_end > end
            || self.text.get(end..).is_some_and(|after| after.starts_with(['\n', '\r']));
        if before_blank && next_blank {
            end = self.after_line(next_end);
        }
        Splice { range: start..end, with: String::new() }
    }

    /// New lines below the line in which `at` stands.
    pub fn lines_after(&self, at: usize, lines: &[String]) -> Splice {
        let at = self.line_end(at);
        Splice { range: at..at, with: lines.iter().flat_map(|line| [self.end, line.as_str()]).collect() }
    }

    /// New lines at the very end, after a blank one.
    pub fn at_the_end(&self, lines: &[String]) -> Splice {
        let at = self.text.len();
        let body = self.text.trim_start_matches('\u{feff}');
        let gap = if body.trim().is_empty() && body.is_empty() {
            String::new()
        } else if !body.ends_with('\n') {
            self.end.repeat(2)
        } else if body.ends_with("\n\n") || body.ends_with("\r\n\r\n") {
            String::new()
        } else {
            self.end.to_owned()
        };
        Splice { range: at..at, with: format!("{gap}{}{}", lines.join(self.end), self.end) }
    }

    pub fn root_indent(&self) -> usize {
        match self.tree.root.as_ref().map(|root| &root.kind) {
            Some(Kind::Mapping { entries, .. }) => entries.first().map_or(0, |entry| self.column(entry.key_span.start)),
            _ => 0,
        }
    }

    pub fn entry(&self, path: &Path) -> Result<&'a Entry, String> {
        let (Some(above), Some(Step::Key(key))) = (path.parent(), path.last()) else {
            return Err(format!("{path} has no key of its own"));
        };
        self.tree.find(&above).and_then(|node| node.entry(key)).ok_or_else(|| format!("{path} is not there"))
    }

    /// The byte behind the colon of a key.
    pub fn after_colon(&self, path: &Path) -> Result<usize, String> {
        let entry = self.entry(path)?;
        let rest = self.text.get(entry.key_span.end..).unwrap_or_default();
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if rest.get(spaces..).is_some_and(|rest| rest.starts_with(':')) {
            Ok(entry.key_span.end + spaces + 1)
        } else {
            Err(format!("{path} is written in an unusual way"))
        }
    }

    /// Whether the place stands inside brackets or braces.
    pub fn in_flow(&self, path: &Path) -> bool {
        (0..path.0.len()).any(|depth| {
            let above = Path(path.0.get(..depth).unwrap_or_default().to_vec());
            self.tree.find(&above).is_some_and(|node| {
                matches!(node.kind, Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. })
            })
        })
    }

    /// Where a node's own text ends, without the blank lines and comments that follow.
    pub fn content_end(&self, node: &Node) -> usize {
        match &node.kind {
            Kind::Mapping { flow: false, entries } => match entries.last() {
                Some(last) if matches!(last.value.kind, Kind::Scalar(Style::Empty)) => last.key_span.end,
                Some(last) => self.content_end(&last.value),
                None => node.span.end,
            },
            Kind::Sequence { flow: false, items } => match items.last() {
                Some(last) => self.content_end(last),
                None => node.span.end,
            },
            _ => {
                let written = self.text.get(node.span.clone()).unwrap_or_default();
                node.span.start + written.trim_end().len()
            }
        }
    }

    /// Bytes from the start of the line.
    pub fn column(&self, at: usize) -> usize {
        let start = self.line_start(at);
        let bom = if self.text.get(start..).is_some_and(|line| line.starts_with('\u{feff}')) { 3 } else { 0 };
        at - start - bom
    }

    pub fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The end of the line in which `at` stands, before its line end.
    pub fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// The start of the line after the one in which `at` stands.
    pub fn after_line(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |newline| at + newline + 1)
    }
}
