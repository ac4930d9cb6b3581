//! What a provider's calls would carry to hosts that are not its vendor's, and what is held back until a person allows
//! it. What was allowed is kept in `trust`.

use super::findings::{Findings, names_a_secret};
use super::finish::Surroundings;
use super::path::Path;
use super::profiles::Written;
use crate::domain::config::{Endpoint, Journey, KeySource, Severity, Withheld, WithheldWhy};
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;

/// The journeys that secrets of the environment would make to strangers, and what is held back until each of them
/// is allowed.
pub fn to_strangers(
    written: &Written,
    around: &Surroundings<'_>,
    endpoint: &Endpoint,
    source: &KeySource,
    findings: &mut Findings<'_>,
) -> (Vec<Journey>, Option<Withheld>) {
    let local = Reach::of_host(&endpoint.host).is_local();
    // Whoever wrote what merely lies in the working folder, a file or a `.env`, also chose its addresses: then this
    // machine and the network around it are strangers too. The key's own vendor gets it without any file.
    let stands_for = written.kind.address_variable().filter(|_| written.address.is_none());
    let by_folder = around.folder_chose(&written.address_path, stands_for);
    if local && !by_folder {
        return (Vec::new(), None);
    }
    let mut variables = carried(written, around, source, by_folder);
    if by_folder && !around.unfamiliar {
        if matches!(source, KeySource::File { .. }) {
            variables.push(written.key_path.last_key().to_owned());
        }
        // A `.env` may send its own keys to the machines it names.
        variables.retain(|variable| !(local && around.environment.is_strange(variable)));
    }
    let strange = variables.into_iter().filter(|variable| !may_go(variable, written.kind, endpoint));
    let journey = |variable| Journey { provider: written.id.clone(), variable, origin: endpoint.origin.clone() };
    let journeys: Vec<Journey> = strange.map(journey).collect();
    let Some(refused) = journeys.iter().find(|journey| !around.trust.allows(journey)) else {
        return (journeys, None);
    };
    let (variable, host) = (&refused.variable, &endpoint.host);
    let why = if local || !around.unfamiliar && by_folder {
        let by = if around.unfamiliar { "a file" } else { "the .env" };
        format!("{variable} would be sent to {host} by {by} of the working folder that is new here")
    } else {
        format!("{variable} would be sent to {host}, which is not its vendor's host")
    };
    findings.value(
        Severity::Warning,
        &written.address_path,
        format!("{why}, so {} is not used", written.id),
        "if that is meant: lmdeck config trust",
    );
    let withheld = WithheldWhy::Untrusted { variable: variable.clone() }
        .because(format!("{variable} is not sent to {host} before you allow it: lmdeck config trust"));
    (journeys, Some(withheld))
}

/// Sections whose texts may go to any provider.
const ANYWHERE: [&str; 3] = ["routing", "model_selection", "presets"];

/// Secrets of the environment that a call to this provider would carry. Where others chose the address, `by_folder`,
/// that is every variable, whatever its name: only the person knows what it holds.
fn carried(written: &Written, around: &Surroundings<'_>, source: &KeySource, by_folder: bool) -> Vec<String> {
    let mut names: Vec<String> = match source {
        KeySource::Variable { name } => vec![name.clone()],
        KeySource::None | KeySource::File { .. } => Vec::new(),
    };
    if !written.place.0.is_empty() {
        for (path, reference) in around.expanded.below(&written.place) {
            let is_key = *path == written.key_path;
            // A variable that is the whole address chose the host itself, and tells it nothing new.
            let told = by_folder && !(*path == written.address_path && reference.whole);
            let theirs = |name: &str| !around.unfamiliar && around.environment.is_strange(name);
            let goes = |name: &&String| is_key || names_a_secret(name) || (told && !theirs(name));
            names.extend(reference.names.iter().filter(goes).cloned());
        }
    }
    if around.unfamiliar {
        // By these a variable becomes the name of a model or a part of a prompt, at whatever provider.
        let elsewhere = ANYWHERE.map(Path::of);
        let there = around.expanded.references.iter().filter(|(at, _)| elsewhere.iter().any(|all| at.starts_with(all)));
        names.extend(there.flat_map(|(_, reference)| reference.names.iter().cloned()));
    }
    names.sort();
    names.dedup();
    names
}

/// Whether a variable belongs to the vendor of this host: the variable's own vendor if its name says one,
/// else the profile's.
fn may_go(variable: &str, kind: Kind, endpoint: &Endpoint) -> bool {
    let owner = Kind::ALL.into_iter().find(|kind| kind.key_variable() == Some(variable)).unwrap_or(kind);
    // Over plain HTTP anybody on the way can read it.
    endpoint.tls && owner.vendor_hosts().contains(&endpoint.host.as_str())
}
