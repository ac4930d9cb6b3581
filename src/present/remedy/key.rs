//! Remedies around keys: refused, missing, not sent. Where a key comes from is said; the key never.

use super::super::server_commands::key_page;
use super::{Remedy, Subject, quoted};
use crate::domain::config::KeySource;
use crate::domain::kind::Kind;

/// A running lmdeck does not see what another shell exports.
const WHERE: &str = "An export counts from the next start of lmdeck on. Or put the line into .env beside the configuration \
                     file, without export.";

pub(super) fn refused(on: &Subject<'_>, status: u16) -> Remedy {
    let label = on.who_first();
    let what = if status == 403 {
        format!(
            "{label} knows the key and forbids this ({status}): the key lacks a right, or the region is not served."
        )
    } else {
        format!("{label} refused the key ({status}).")
    };
    let page = key_page(on.kind);
    match on.key {
        KeySource::Variable { name } => Remedy::new(format!("{what} It comes from {}. Set a good one:", quoted(name)))
            .command(format!("export {}=YOUR_KEY", variable_in_command(name)))
            .step(WHERE)
            .step(format!("Its keys: {page}.")),
        KeySource::File { tail } => {
            let which = tail.as_ref().map_or_else(String::new, |tail| format!(", ends {}", quoted(tail)));
            let name = on.kind.key_variable().unwrap_or("MY_KEY");
            Remedy::new(format!("{what} It stands in the configuration file{which}. Refer to a good one instead:"))
                .command(on.edit(&format!("--key '${{{name}}}'")))
                .step(format!("Its keys: {page}."))
        }
        KeySource::None => {
            named(on, variable(on), &format!("{label} asks for a key, and none was sent ({status}). Give it one:"))
        }
    }
}

/// The variable a key of this kind usually comes from.
fn variable(on: &Subject<'_>) -> &'static str {
    on.kind.key_variable().unwrap_or(if on.kind == Kind::LmStudio { "LM_API_TOKEN" } else { "MY_KEY" })
}

/// A reference to be put into the profile, and then the key behind it.
fn named(on: &Subject<'_>, name: &str, headline: &str) -> Remedy {
    let name = variable_in_command(name);
    Remedy::new(headline)
        .command(on.edit(&format!("--key '${{{name}}}'")))
        .step(format!("Then a line {name}=YOUR_KEY in .env beside the configuration file, or in the environment."))
        .step(format!("Its keys: {}.", key_page(on.kind)))
}

pub(super) fn missing(on: &Subject<'_>, variable: Option<&str>) -> Remedy {
    let label = on.who_first();
    match variable.or_else(|| on.kind.key_variable()) {
        // Set or not, the profile would not look at it.
        Some(name) if on.kind.key_variable() != Some(name) && !refers_to(on, name) => {
            named(on, name, &format!("{label} asks for a key, and the configuration names none. Name one:"))
        }
        Some(name) => Remedy::new(format!("{label} needs a key, and {} is not set. Set it:", quoted(name)))
            .command(format!("export {}=YOUR_KEY", variable_in_command(name)))
            .step(WHERE)
            .step(format!("Its keys: {}.", key_page(on.kind))),
        None => Remedy::new(format!("{label} needs a key, and the configuration names none. Name one:"))
            .command(on.edit("--key '${MY_KEY}'")),
    }
}

pub(super) fn withheld(on: &Subject<'_>, host: &str) -> Remedy {
    let host = quoted(host);
    let label = on.kind.label();
    if on.kind.is_vendor() {
        return Remedy::new(format!(
            "The key is not sent to {host}: that is not a host of {label}. Its documented address:"
        ))
        .command(on.set_endpoint(&on.likely_endpoint()))
        .step("A host of your own that may have the key? lmdeck config trust allows it for the file as it is now.");
    }
    Remedy::new(format!("The key is not sent to {host}: a public host that nobody has vouched for. If it is yours:"))
        .command("lmdeck config trust")
}

fn refers_to(on: &Subject<'_>, variable: &str) -> bool {
    matches!(on.key, KeySource::Variable { name } if name == variable)
}

/// The vendor says that the account is empty, or that the plan does not cover the call.
pub(super) fn no_credit(on: &Subject<'_>) -> Remedy {
    let remedy = Remedy::new(format!("{} says that the account has no credit left.", on.who_first()))
        .step(format!("Top it up where the key was made: {}.", key_page(on.kind)));
    if on.kind == Kind::ZAiGlm && !on.endpoint.api_base.contains("/coding/") {
        let coding = "https://api.z.ai/api/coding/paas/v4";
        return remedy
            .step(format!("A key of the coding plan works at its own address only: {}.", on.set_endpoint(coding)));
    }
    remedy
}

fn variable_in_command(name: &str) -> &str {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name } else { "NAME" }
}
