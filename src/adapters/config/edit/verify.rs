//! The guard behind every edit: the new text, read anew, must hold exactly the change that was meant, and
//! every comment outside the touched bytes.

use super::change::Change;
use super::page::Page;
use super::splice::Splice;
use crate::adapters::config::tree::Tree;
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
    if !comments_survive(&tree, &Tree::parse(&new), &splice) {
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

fn comments_survive(old: &Tree, new: &Tree, splice: &Splice) -> bool {
    let new_end = splice.range.start + splice.with.len();
    let outside = |tree: &Tree, end: usize| -> Vec<String> {
        let away = tree.comments.iter().filter(|(at, _)| at.end <= splice.range.start || at.start >= end);
        away.map(|(_, text)| text.clone()).collect()
    };
    outside(old, splice.range.end) == outside(new, new_end)
}
