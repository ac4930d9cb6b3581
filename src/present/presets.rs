//! Presets in words: what one is, and why one cannot be used as asked, the same in every front end.

use crate::domain::preset::{Preset, Unfilled};

/// Where somebody gives values, for what to do when one is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giving {
    /// `--var name=value`
    Shell,
    /// A member of a JSON body.
    Body,
}

/// Why the preset cannot be filled, and what to do.
pub fn unfilled(preset: &Preset, why: &Unfilled, giving: Giving) -> (String, String) {
    let name = &preset.name;
    let give = |variable: &str| match giving {
        Giving::Shell => format!("--var {variable}=VALUE"),
        Giving::Body => format!("\"{variable}\": \"...\""),
    };
    let way = match giving {
        Giving::Shell => "add",
        Giving::Body => "send",
    };
    match why {
        Unfilled::Missing(missing) => {
            let verb = if missing.len() == 1 { "has" } else { "have" };
            let message = format!("{} of {name} {verb} no value and no default", missing.join(", "));
            let all: Vec<String> = missing.iter().map(|variable| give(variable)).collect();
            let joint = if giving == Giving::Shell { " " } else { ", " };
            (message, format!("{way} {}", all.join(joint)))
        }
        Unfilled::Unknown { name: given, near } => {
            let variables = preset.variables();
            let remedy = match near {
                Some(near) => format!("did you mean {near}?"),
                None if variables.is_empty() => "leave it out: this preset has no variables".to_owned(),
                None => format!("its variables: {}", variables.join(", ")),
            };
            (format!("{name} has no variable {:?}", shown(given)), remedy)
        }
        Unfilled::Empty => {
            (format!("the prompt of {name} is empty with these values"), "give it something to ask".into())
        }
    }
}

/// That nobody has this name, and which ones there are.
pub fn unknown(name: &str, presets: &[Preset], near: Option<&str>) -> (String, String) {
    let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
    let remedy = match near {
        _ if names.is_empty() => "there is none yet: lmdeck presets add writes one".to_owned(),
        Some(near) => format!("did you mean {near}? There are {}", names.join(", ")),
        None => format!("there are {}", names.join(", ")),
    };
    (format!("no preset is called {:?}", shown(name)), remedy)
}

/// The start of a name that somebody else chose, as long as names are.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The variables with what stands in for each: `intention, tradition=universal`.
pub fn variables(preset: &Preset) -> String {
    let one = |name: &str| match preset.defaults.get(name) {
        Some(default) => format!("{name}={default}"),
        None => name.to_owned(),
    };
    preset.variables().into_iter().map(one).collect::<Vec<_>>().join(", ")
}
