//! Remedies around keys: refused, missing, not sent. Where a key comes from is said; the key never.

use super::super::server_commands::key_page;
use super::{Remedy, Subject, quoted};
use crate::domain::config::KeySource;

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
        KeySource::None => Remedy::new(format!("{label} asks for a key, and none was sent ({status}). Give it one:"))
            .command(on.edit(&format!("--key '${{{}}}'", on.kind.key_variable().unwrap_or("MY_KEY"))))
            .step(format!("Its keys: {page}.")),
    }
}

pub(super) fn missing(on: &Subject<'_>, variable: Option<&str>) -> Remedy {
    let label = on.who_first();
    match variable.or_else(|| on.kind.key_variable()) {
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
    Remedy::new(format!("The key is not sent to {host}: nobody has vouched for this host. If it is yours:"))
        .command("lmdeck config trust")
}

fn variable_in_command(name: &str) -> &str {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name } else { "NAME" }
}
