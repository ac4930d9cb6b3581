//! From an edit of the policies to changes of `routing.policies`. The order policies apply in is priority first,
//! then the file's: moving one changes its place, and its priority only where that is needed.

use super::change::{Change, Entry};
use super::intent::{Intent, Present, refuse};
use crate::adapters::config::check::shown;
use crate::adapters::config::conditions;
use crate::adapters::config::path::Path;
use crate::adapters::config::schema;
use crate::adapters::config::suggest::closest;
use crate::engine::protocol::{PolicyDraft, PolicyEdit, PolicyPlace, Refusal};
use serde_yaml::{Mapping, Value};
use std::cmp::Reverse;

/// A policy of the file: its place in the list, its name, its priority.
struct Known<'a> {
    index: usize,
    name: &'a str,
    priority: i64,
    value: &'a Value,
}

fn list() -> Path {
    Path::of("routing.policies")
}

impl Present<'_> {
    /// # Errors
    /// The edit is wrong in itself.
    pub fn policy(&self, edit: &PolicyEdit) -> Result<Intent, Refusal> {
        match edit {
            PolicyEdit::Add { draft } => self.add_policy(draft),
            PolicyEdit::Edit { name, draft } => self.edit_policy(name, draft),
            PolicyEdit::Copy { name, to } => {
                let mut copy = self.named(name)?.value.clone();
                self.free_name(to)?;
                if let Value::Mapping(map) = &mut copy {
                    map.insert("name".into(), to.trim().into());
                    map.insert("enabled".into(), false.into());
                }
                Ok(changes(vec![Change::Append { list: list(), value: copy }]))
            }
            PolicyEdit::Move { name, place } => self.move_policy(name, place),
            PolicyEdit::Enable { name, enabled } => {
                let known = self.named(name)?;
                let path = list().index(known.index).key("enabled");
                let now = known.value.get("enabled").and_then(Value::as_bool).unwrap_or(true);
                if now == *enabled {
                    return Ok(Intent::default());
                }
                Ok(changes(vec![Change::Set { path, value: (*enabled).into() }]))
            }
            PolicyEdit::Remove { name } => {
                let known = self.named(name)?;
                Ok(changes(vec![Change::Remove { path: list().index(known.index) }]))
            }
        }
    }

    fn policies(&self) -> Vec<Known<'_>> {
        let items = list().find(self.raw).and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        let known = items.iter().enumerate().filter_map(|(index, value)| {
            let name = value.get("name").and_then(Value::as_str)?;
            let priority = value.get("priority").and_then(Value::as_i64).unwrap_or(0);
            Some(Known { index, name, priority, value })
        });
        known.collect()
    }

    fn named(&self, name: &str) -> Result<Known<'_>, Refusal> {
        let mut all = self.policies();
        if all.iter().filter(|known| known.name == name.trim()).count() > 1 {
            let name = shown(name);
            return Err(refuse(
                2,
                format!("two policies are called {name}"),
                "give one another name in the file first",
            ));
        }
        if let Some(at) = all.iter().position(|known| known.name == name.trim()) {
            return Ok(all.swap_remove(at));
        }
        let names: Vec<&str> = all.iter().map(|known| known.name).collect();
        let remedy = match closest(name, &names) {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => "there is none yet: lmdeck routes add writes one".to_owned(),
            None => format!("there are {}", names.join(", ")),
        };
        Err(refuse(2, format!("no policy is called {}", shown(name)), remedy))
    }

    fn free_name(&self, name: &str) -> Result<(), Refusal> {
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_control) {
            return Err(refuse(2, "a policy needs a name", "as in private-stays-here"));
        }
        if self.policies().iter().any(|known| known.name == name) {
            return Err(refuse(2, format!("there is a policy {name} already"), "choose another name"));
        }
        Ok(())
    }

    fn add_policy(&self, draft: &PolicyDraft) -> Result<Intent, Refusal> {
        self.free_name(draft.name.as_deref().unwrap_or_default())?;
        let mut map = Mapping::new();
        for (key, value) in members(draft)? {
            map.insert(key.into(), value);
        }
        Ok(changes(vec![Change::Append { list: list(), value: Value::Mapping(map) }]))
    }

    fn edit_policy(&self, name: &str, draft: &PolicyDraft) -> Result<Intent, Refusal> {
        let known = self.named(name)?;
        if let Some(new) = draft.name.as_deref().filter(|new| new.trim() != known.name) {
            self.free_name(new)?;
        }
        let at = list().index(known.index);
        let mut intent = Intent::default();
        for (key, value) in members(draft)? {
            if known.value.get(key) != Some(&value) {
                intent.changes.push(Change::Set { path: at.key(key), value });
            }
        }
        let keys = schema::keys_below(&at);
        for key in &draft.clear {
            let Some(key) = keys.iter().find(|known| *known == key && **known != "name") else {
                let remedy = match closest(key, &keys) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", keys.join(", ")),
                };
                return Err(refuse(2, format!("a policy has no {} to clear", shown(key)), remedy));
            };
            if known.value.get(key).is_some() {
                intent.changes.push(Change::Remove { path: at.key(key) });
            }
        }
        Ok(intent)
    }

    fn move_policy(&self, name: &str, place: &PolicyPlace) -> Result<Intent, Refusal> {
        let moved = self.named(name)?.index;
        let mut order = self.policies();
        order.sort_by_key(|known| Reverse(known.priority));
        let from = order.iter().position(|known| known.index == moved).unwrap_or(0);
        let one = order.remove(from);
        let beside = |other: &str| {
            self.named(other)?;
            order
                .iter()
                .position(|known| known.name == other.trim())
                .ok_or_else(|| refuse(2, "a policy cannot be moved beside itself", "name another one"))
        };
        let to = match place {
            PolicyPlace::First => 0,
            PolicyPlace::Last => order.len(),
            PolicyPlace::Up => from.saturating_sub(1),
            PolicyPlace::Down => (from + 1).min(order.len()),
            PolicyPlace::Before(other) => beside(other)?,
            PolicyPlace::After(other) => beside(other)? + 1,
        };
        if to == from {
            return Ok(Intent::default());
        }
        let (above, below) = (to.checked_sub(1).and_then(|at| order.get(at)), order.get(to));
        // As it is where it fits between its new neighbours, else that of the one it stands beside.
        let fits = above.is_none_or(|above| above.priority >= one.priority)
            && below.is_none_or(|below| below.priority <= one.priority);
        let priority = match (fits, above, below) {
            (false, Some(above), _) => above.priority,
            (false, None, Some(below)) => below.priority,
            (true, ..) | (false, None, None) => one.priority,
        };
        let mut intent = Intent::default();
        if priority != one.priority {
            intent.changes.push(Change::Set { path: list().index(moved).key("priority"), value: priority.into() });
        }
        // In the file it has to stand behind those of its priority above it, and before those below it.
        let anchor = match (above, below) {
            (Some(above), _) if above.priority == priority => Some((above.index, true)),
            (_, Some(below)) if below.priority == priority => Some((below.index, false)),
            _ => None,
        };
        if let Some((index, behind)) = anchor {
            let stands = if behind { moved > index } else { moved < index };
            let others_between = order.iter().any(|other| {
                other.priority == priority
                    && if behind {
                        // Those of its priority that come later must stand later in the file too.
                        other.index > index && other.index < moved
                    } else {
                        other.index < index && other.index > moved
                    }
            });
            if !stands || others_between {
                let count = list().find(self.raw).and_then(Value::as_sequence).map_or(0, Vec::len);
                let mut entries: Vec<Entry> = (0..count).map(Entry::Kept).collect();
                let one = entries.remove(moved);
                let anchor = if moved < index { index - 1 } else { index };
                entries.insert(if behind { anchor + 1 } else { anchor }, one);
                intent.changes.push(Change::Arrange { list: list(), entries });
            }
        }
        Ok(intent)
    }
}

fn changes(changes: Vec<Change>) -> Intent {
    Intent { changes, notes: Vec::new() }
}

/// The keys a draft gives, in the order they are written.
fn members(draft: &PolicyDraft) -> Result<Vec<(&'static str, Value)>, Refusal> {
    if let Some(when) = &draft.when
        && let Err(slip) = conditions::read(when)
    {
        return Err(refuse(
            2,
            format!("the condition cannot be read: column {}: {}", slip.at + 1, slip.message),
            slip.remedy,
        ));
    }
    let text = |text: &Option<String>| text.as_ref().map(|text| Value::from(text.trim()));
    let all = [
        ("name", text(&draft.name)),
        ("priority", draft.priority.map(Value::from)),
        ("enabled", draft.enabled.map(Value::from)),
        ("mode", text(&draft.mode)),
        ("when", text(&draft.when)),
        (
            "use",
            draft
                .targets
                .as_ref()
                .map(|items| Value::Sequence(items.iter().map(|item| Value::from(item.trim())).collect())),
        ),
        ("fallback", text(&draft.fallback)),
        ("deny", text(&draft.deny)),
        ("local_only", draft.local_only.map(Value::from)),
        ("max_tokens", draft.max_tokens.map(Value::from)),
        ("temperature", draft.temperature.map(Value::from)),
        ("system_prompt", text(&draft.system_prompt)),
        ("timeout", draft.timeout.map(Value::from)),
    ];
    Ok(all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}
