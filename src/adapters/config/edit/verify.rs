//! The guard behind every edit: the new text, read anew, must hold exactly the change that was meant, and
//! every comment outside the touched bytes.

use super::change::Change;
use super::page::Page;
use super::splice::Splice;
use crate::adapters::config::path::Path;
use crate::adapters::config::tree::{Kind, Tree};
use serde_yaml::Value;

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
    let splice = Page::new(text, &tree).splice(change)?;
    let new = splice.applied(text).ok_or("the place was not found")?;
    let failed = || format!("{} cannot be changed without touching something else", change.path());
    if read(&new).map_err(|_| failed())? != expected {
        return Err(failed());
    }
    if !comments_survive(&tree, &Tree::parse(&new), &splice, change) {
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

fn comments_survive(old: &Tree, new: &Tree, splice: &Splice, change: &Change) -> bool {
    let new_end = splice.range.start + splice.with.len();
    let apart = |tree: &Tree, end: usize| -> (Vec<String>, Vec<String>) {
        let (inside, outside): (Vec<_>, Vec<_>) =
            tree.comments.iter().partition(|(at, _)| at.start >= splice.range.start && at.end <= end);
        let texts = |comments: Vec<&(_, String)>| comments.into_iter().map(|(_, text)| text.clone()).collect();
        (texts(inside), texts(outside))
    };
    let (old_inside, old_outside) = apart(old, splice.range.end);
    let (new_inside, new_outside) = apart(new, new_end);
    old_outside == new_outside && (may_go(old, change) || old_inside.iter().all(|comment| new_inside.contains(comment)))
}

/// Comments on the lines of what is taken away go with it. Between brackets nobody can tell whose a comment is.
fn may_go(old: &Tree, change: &Change) -> bool {
    let list = |path: &Path| old.find(path).is_some_and(|node| matches!(node.kind, Kind::Sequence { flow: false, .. }));
    match change {
        Change::Set { path, .. } => list(path),
        Change::Append { .. } => false,
        Change::Remove { path } => path.parent().and_then(|above| old.find(&above)).is_some_and(|holder| {
            !matches!(holder.kind, Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. })
        }),
    }
}
