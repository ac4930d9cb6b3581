//! Unified differences for people, with secrets hidden.

use std::fmt::Write as _;

const CONTEXT: usize = 3;
/// Above this many cells the middle is shown as replaced as a whole.
const MAX_CELLS: usize = 4_000_000;
const HIDDEN: &str = "(hidden)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Same(usize, usize),
    Old(usize),
    New(usize),
}

/// A difference and how many lines it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    pub text: String,
    pub lines: usize,
}

/// The difference from `old` to `new`; `secrets` and lines that could hold one are hidden.
pub fn difference(name: &str, old: &str, new: &str, secrets: &[String]) -> Difference {
    let old_lines: Vec<&str> = old.lines().collect();
    let new_lines: Vec<&str> = new.lines().collect();
    let lines = align(&old_lines, &new_lines);
    let removed = lines.iter().filter(|line| matches!(line, Line::Old(_))).count();
    let added = lines.iter().filter(|line| matches!(line, Line::New(_))).count();
    if removed + added == 0 {
        return Difference::default();
    }
    let mut text = format!("--- {name}\n+++ {name}\n");
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(..))).map(|(at, _)| at).collect();
    let mut from = 0;
    while let Some(first) = changed.iter().find(|at| **at >= from).copied() {
        let mut last = first;
        for at in changed.iter().filter(|at| **at > first) {
            if *at > last + 2 * CONTEXT + 1 {
                break;
            }
            last = *at;
        }
        let start = first.saturating_sub(CONTEXT).max(from);
        let end = (last + CONTEXT + 1).min(lines.len());
        let hunk = lines.get(start..end).unwrap_or_default();
        let before = lines.get(..start).unwrap_or_default();
        let count = |lines: &[Line], old: bool| {
            lines.iter().filter(|line| !matches!((line, old), (Line::New(_), true) | (Line::Old(_), false))).count()
        };
        let _ = writeln!(
            text,
            "@@ -{},{} +{},{} @@",
            count(before, true) + 1,
            count(hunk, true),
            count(before, false) + 1,
            count(hunk, false)
        );
        for line in hunk {
            let (mark, content) = match line {
                Line::Same(old, _) => (' ', old_lines.get(*old)),
                Line::Old(old) => ('-', old_lines.get(*old)),
                Line::New(new) => ('+', new_lines.get(*new)),
            };
            let _ = writeln!(text, "{mark}{}", hide(content.copied().unwrap_or_default(), secrets));
        }
        from = end;
    }
    Difference { text, lines: removed.max(added) }
}

/// The line with every secret replaced.
pub fn hide(line: &str, secrets: &[String]) -> String {
    let mut line = line.to_owned();
    for secret in secrets {
        line = line.replace(secret.as_str(), HIDDEN);
    }
    if !crate::adapters::config::findings::could_hold_a_secret(&line) {
        return line;
    }
    match line.split_once(':') {
        Some((key, _)) => format!("{key}: {HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

fn align(old: &[&str], new: &[&str]) -> Vec<Line> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let old_mid = old_rest.get(..old_rest.len() - tail).unwrap_or_default();
    let new_mid = new_rest.get(..new_rest.len() - tail).unwrap_or_default();
    let mut lines: Vec<Line> = (0..head).map(|at| Line::Same(at, at)).collect();
    lines.extend(middle(old_mid, new_mid, head));
    let (old_tail, new_tail) = (head + old_mid.len(), head + new_mid.len());
    lines.extend((0..tail).map(|at| Line::Same(old_tail + at, new_tail + at)));
    lines
}

/// The longest common subsequence of the part that differs.
fn middle(old: &[&str], new: &[&str], base: usize) -> Vec<Line> {
    let width = new.len() + 1;
    let replaced = || {
        let gone = (0..old.len()).map(|at| Line::Old(base + at));
        gone.chain((0..new.len()).map(|at| Line::New(base + at))).collect()
    };
    if (old.len() + 1).saturating_mul(width) > MAX_CELLS {
        return replaced();
    }
    let mut cells = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            cells[i * width + j] = if old[i] == new[j] {
                cells[(i + 1) * width + j + 1] + 1
            } else {
                cells[(i + 1) * width + j].max(cells[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(base + i, base + j));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && cells[(i + 1) * width + j] >= cells[i * width + j + 1]) {
            lines.push(Line::Old(base + i));
            i += 1;
        } else {
            lines.push(Line::New(base + j));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_with_three_lines_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
        let made = difference("x.yaml", old, new, &[]);
        assert_eq!(made.text, "--- x.yaml\n+++ x.yaml\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n");
        assert_eq!(made.lines, 1);
        assert_eq!(difference("x.yaml", old, old, &[]), Difference::default());
    }

    #[test]
    fn secrets_are_hidden_in_changed_and_unchanged_lines() {
        let old = "authToken: hunter2\nname: a\n";
        let new = "authToken: hunter2\nname: b # hunter2\n";
        let made = difference("x.yaml", old, new, &["hunter2".into()]);
        assert!(!made.text.contains("hunter2"), "{}", made.text);
        assert_eq!(hide("  password: swordfish", &[]), "  password: (hidden)");
        assert_eq!(hide("  authToken: ${KEY}", &[]), "  authToken: ${KEY}");
    }
}
