//! The guard behind every edit: the new text, read anew, must hold exactly the change that was meant, and
//! every comment outside the touched bytes.

use super::change::Change;
use super::lists;
use super::page::Page;
use super::splice::Splice;
use crate::adapters::config::path::Path;
use crate::adapters::config::tree::{Kind, Tree};
use serde_yaml::Value;
use std::ops::Range;

/// Makes changes in a text, one after the other, each verified.
///
/// # Errors
/// A sentence: why it cannot be done safely. Nothing is half done.
pub fn apply(text: &str, changes: &[Change]) -> Result<String, String> {
    changes.iter().try_fold(text.to_owned(), |text, change| apply_one(&text, change))
}

fn apply_one(text: &str, change: &Change) -> Result<String, String> {
    let old = read(text)?;
    let expected = change.applied(&old)?;
    if expected == old {
        return Ok(text.to_owned());
    }
    let tree = Tree::parse(text);
    let page = Page::new(text, &tree, &old);
    let splice = page.splice(change)?;
    let new = splice.applied(text).ok_or("the place was not found")?;
    let failed = || format!("{} cannot be changed without touching something else", change.path());
    if read(&new).map_err(|_| failed())? != expected {
        return Err(failed());
    }
    if !comments_survive(&page, &Tree::parse(&new), &splice, change) {
        return Err(format!("a comment near {} would be lost", change.path()));
    }
    Ok(new)
}

/// Values as they stand, merge keys not applied.
fn read(text: &str) -> Result<Value, String> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_yaml::from_str::<Value>(bare) {
        Ok(Value::Null) => Ok(Value::Mapping(serde_yaml::Mapping::new())),
        Ok(value) => Ok(value),
        Err(_) => Err("the file is not valid YAML".into()),
    }
}

fn comments_survive(page: &Page<'_>, new: &Tree, splice: &Splice, change: &Change) -> bool {
    let new_end = splice.range.start + splice.with.len();
    let apart = |tree: &Tree, end: usize| -> (Vec<(Range<usize>, String)>, Vec<String>) {
        let (inside, outside): (Vec<_>, Vec<_>) =
            tree.comments.iter().cloned().partition(|(at, _)| at.start >= splice.range.start && at.end <= end);
        (inside, outside.into_iter().map(|(_, text)| text).collect())
    };
    let (old_inside, old_outside) = apart(page.tree, splice.range.end);
    let (new_inside, new_outside) = apart(new, new_end);
    let mut left: Vec<String> = new_inside.into_iter().map(|(_, text)| text).collect();
    let may_go = may_go(page, change);
    let survives = |(at, text): &(Range<usize>, String)| {
        let found = left.iter().position(|other| other == text).map(|found| left.swap_remove(found));
        found.is_some() || may_go.iter().any(|lines| lines.start <= at.start && at.end <= lines.end)
    };
    old_outside == new_outside && old_inside.iter().all(survives)
}

/// Where comments go with what is taken away: on its lines. Between brackets nobody can tell whose a comment is.
fn may_go(page: &Page<'_>, change: &Change) -> Vec<Range<usize>> {
    let list = |path: &Path| match page.tree.find(path).map(|node| &node.kind) {
        Some(Kind::Sequence { flow: false, items }) => Some(items),
        _ => None,
    };
    let whole = 0..page.text.len();
    match change {
        Change::Append { .. } => Vec::new(),
        Change::Set { path, value } => match (list(path), value) {
            (Some(items), Value::Sequence(values)) => match lists::values(page, path, items) {
                Ok(old) => lists::gone(page, items, &lists::recognised(old, values)),
                Err(_) => Vec::new(),
            },
            (Some(_), _) => vec![whole],
            (None, _) => Vec::new(),
        },
        Change::Arrange { list: path, entries } => {
            list(path).map(|items| lists::gone(page, items, entries)).unwrap_or_default()
        }
        Change::Remove { path } => {
            let holder = path.parent().and_then(|above| page.tree.find(&above)).map(|holder| &holder.kind);
            match holder {
                None | Some(Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. }) => Vec::new(),
                Some(_) => vec![whole],
            }
        }
    }
}
