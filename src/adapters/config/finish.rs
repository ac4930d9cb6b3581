//! The last step to a profile: its address, its key and where that may go, and what holds it back.

use super::endpoint::normalise;
use super::environment::Environment;
use super::expand::{Expanded, sole_name};
use super::findings::{Findings, names_a_secret};
use super::path::Path;
use super::profiles::Written;
use super::strangers::to_strangers;
use super::trust::Trust;
use crate::domain::config::{Endpoint, Journey, KeySource, Origin, Profile, Severity, Timeouts, Withheld, WithheldWhy};
use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;

/// Everything a profile is judged by besides its own section.
pub struct Surroundings<'a> {
    pub environment: &'a Environment,
    pub expanded: &'a Expanded,
    pub trust: &'a Trust,
    /// Whether the file was found in the working folder, named by nobody.
    pub unfamiliar: bool,
}

impl Surroundings<'_> {
    /// Whether whoever made the working folder chose the address at this path: by the file, by a variable that it
    /// refers to, or by the one that stands for it.
    pub fn folder_chose(&self, address: &Path, variable: Option<&str>) -> bool {
        let referred = self.expanded.references.get(address);
        let mut names = referred.into_iter().flat_map(|reference| &reference.names).map(String::as_str).chain(variable);
        self.unfamiliar || names.any(|name| self.environment.is_strange(name))
    }
}

/// A profile, and the journeys its key would make to hosts that are not its vendor's.
pub struct Finished {
    pub profile: Profile,
    pub journeys: Vec<Journey>,
}

/// `None` when the address is nonsense; the finding says so.
pub fn finish(written: Written, around: &Surroundings<'_>, findings: &mut Findings<'_>) -> Option<Finished> {
    let mut withheld: Option<Withheld> = None;
    let unset = unset_names(&written, around);
    // Out of use anyway: worth knowing, not worth a warning.
    let severity = if written.enabled { Severity::Warning } else { Severity::Note };
    for (path, names) in &unset {
        for name in names {
            let key = *path == written.key_path;
            let or = if key { String::new() } else { format!(", or write ${{{name}:-default}}") };
            findings.value(
                severity,
                path,
                format!("{name} is not set, so {} cannot be used", written.id),
                format!("set {name} in the environment or in .env{or}"),
            );
        }
    }
    if let Some(name) = unset.iter().flat_map(|(_, names)| names).next() {
        withheld = Some(
            WithheldWhy::Unset { variable: name.clone() }
                .because(format!("{name} is not set: set it in the environment or in .env")),
        );
    }
    let endpoint = address(&written, around, findings)?;
    let reach = Reach::of_host(&endpoint.host);
    let (key, key_source) = key(&written, around.environment);
    let mut journeys = Vec::new();
    if let Some(sentence) = wrong_z_ai(&written, &endpoint) {
        findings.value(
            Severity::Warning,
            &written.address_path,
            format!(
                "{} is not Z.AI's address, so {} is not used and its key is not sent there",
                endpoint.host, written.id
            ),
            format!("lmdeck config set {} https://api.z.ai/api/paas/v4", set_path(&written)),
        );
        withheld = Some(WithheldWhy::WrongAddress.because(sentence));
    }
    if withheld.is_none() {
        (journeys, withheld) = to_strangers(&written, around, &endpoint, &key_source, findings);
    }
    if withheld.is_none() && key.is_none() && written.kind.is_vendor() && !reach.is_local() {
        let name = written.kind.key_variable().unwrap_or("a key");
        findings.key(
            severity,
            &written.place,
            format!("{} has no key, so it cannot be used", written.id),
            format!("set {name} in the environment or in .env"),
        );
        withheld = Some(WithheldWhy::NoKey.because(format!("no key: set {name} in the environment or in .env")));
    }
    let line = findings.line_of(&written.place);
    let origin = origin_of(&written);
    let times = times(&written);
    let profile = Profile {
        id: ProviderId::from(written.id.as_str()),
        name: written.name,
        kind: written.kind,
        endpoint,
        // A key that must not travel is not even carried along.
        key: if withheld.is_some() { None } else { key.map(Secret::new) },
        key_source,
        withheld,
        enabled: written.enabled,
        local: written.local,
        models: written.models,
        preferred_models: written.preferred_models,
        defaults: written.defaults,
        model_settings: written.model_settings,
        timeouts: times,
        max_retries: written.max_retries.unwrap_or(3),
        max_concurrent: written.max_concurrent,
        rate_limit: written.rate_limit,
        api: written.api,
        aliases: written.aliases,
        origin,
        place: written.place.bracketed(),
        line,
        plan: written.plan,
    };
    Some(Finished { profile, journeys })
}

/// The address's place as `config set` takes it.
fn set_path(written: &Written) -> String {
    if written.original { written.address_path.to_string() } else { format!("providers.{}.endpoint", written.id) }
}

/// Names without a value that this provider's section refers to, by place.
fn unset_names(written: &Written, around: &Surroundings<'_>) -> Vec<(super::path::Path, Vec<String>)> {
    if written.place.0.is_empty() {
        return Vec::new();
    }
    around
        .expanded
        .below(&written.place)
        .filter(|(_, reference)| !reference.unset.is_empty())
        .map(|(path, reference)| (path.clone(), reference.unset.clone()))
        .collect()
}

fn address(written: &Written, around: &Surroundings<'_>, findings: &mut Findings<'_>) -> Option<Endpoint> {
    let referred = around.expanded.references.get(&written.address_path);
    let torso = referred.is_some_and(|reference| !reference.unset.is_empty());
    if let Some(name) = referred.into_iter().flat_map(|reference| &reference.names).find(|name| names_a_secret(name)) {
        findings.value(
            Severity::Error,
            &written.address_path,
            format!("the address of {} holds {name}, which is a key", written.id),
            "write the key into authToken; addresses are shown on screen",
        );
        return None;
    }
    let said = written.address.clone();
    let from_variable = written.kind.address_variable().and_then(|name| around.environment.get(name));
    let default = written.kind.default_endpoint();
    let Some(text) = said.as_deref().or(from_variable).or(default) else {
        if torso {
            return Some(nowhere());
        }
        findings.key(
            Severity::Error,
            &written.place,
            format!("{} has no address, and its kind has no usual one", written.id),
            "add a line endpoint: http://…",
        );
        return None;
    };
    match normalise(text, written.kind) {
        Ok(made) => {
            for note in made.notes {
                findings.value(
                    Severity::Note,
                    &written.address_path,
                    note,
                    format!("{} is used", made.endpoint.api_base),
                );
            }
            Some(made.endpoint)
        }
        // With a variable missing the address is a torso; that has been said.
        Err(_) if torso => Some(nowhere()),
        Err(sentence) => {
            let source = if said.is_some() {
                String::new()
            } else {
                written.kind.address_variable().map(|name| format!(" (from {name})")).unwrap_or_default()
            };
            findings.value(
                Severity::Error,
                &written.address_path,
                format!("the address of {}{source}: {sentence}", written.id),
                match default {
                    Some(default) => format!("an address of this kind looks like {default}"),
                    None => "an address looks like http://127.0.0.1:1234".to_owned(),
                },
            );
            None
        }
    }
}

/// For a provider whose address cannot be known; it is withheld, so nobody connects.
fn nowhere() -> Endpoint {
    Endpoint {
        written: String::new(),
        origin: String::new(),
        host: String::new(),
        port: 0,
        tls: true,
        api_base: String::new(),
    }
}

fn key(written: &Written, environment: &Environment) -> (Option<String>, KeySource) {
    if let (Some(key), Some(raw)) = (&written.key, &written.raw_key) {
        let from_variable = sole_name(raw).filter(|name| environment.get(name).is_some());
        let source = match from_variable.or_else(|| first_name(raw)) {
            Some(name) => KeySource::Variable { name: name.to_owned() },
            None => KeySource::File { tail: Secret::new(key.as_str()).tail() },
        };
        return (Some(key.clone()), source);
    }
    if let Some(name) = written.raw_key.as_deref().and_then(sole_name) {
        return (None, KeySource::Variable { name: name.to_owned() });
    }
    match written.kind.key_variable() {
        Some(name) => match environment.get(name) {
            Some(key) => (Some(key.to_owned()), KeySource::Variable { name: name.to_owned() }),
            None => (None, KeySource::None),
        },
        None => (None, KeySource::None),
    }
}

/// The first name a text refers to without giving a default.
fn first_name(raw: &str) -> Option<&str> {
    let (_, from) = raw.split_once("${")?;
    let (name, _) = from.split_once('}')?;
    super::expand::is_name(name).then_some(name)
}

/// The original's address for Z.AI belongs to somebody else. Any public host in that section that is not
/// Z.AI's is treated alike: the person wrote one vendor's name and another's address.
fn wrong_z_ai(written: &Written, endpoint: &Endpoint) -> Option<String> {
    if endpoint.host.is_empty() {
        return None;
    }
    let stranger = endpoint.host == "z-ai.com" || endpoint.host.ends_with(".z-ai.com");
    let public = !Reach::of_host(&endpoint.host).is_local();
    let own = Kind::ZAiGlm.vendor_hosts().contains(&endpoint.host.as_str());
    (written.kind == Kind::ZAiGlm && public && !own && (stranger || written.original))
        .then(|| format!("{} is not Z.AI's address: use https://api.z.ai/api/paas/v4", endpoint.host))
}

fn origin_of(written: &Written) -> Origin {
    match (written.original, written.place.0.is_empty()) {
        (_, true) => Origin::Environment,
        (true, false) => Origin::Section,
        (false, false) => Origin::Providers,
    }
}

fn times(written: &Written) -> Timeouts {
    let usual = Timeouts::of(written.kind);
    let said = written.times;
    Timeouts {
        connect: said.connect.unwrap_or(usual.connect),
        first_token: said.first_token.unwrap_or(usual.first_token),
        idle: said.idle.unwrap_or(usual.idle),
        load: said.load.unwrap_or(usual.load),
        probe_interval: said.probe_interval.unwrap_or(usual.probe_interval),
        probe_timeout: said.probe_timeout.unwrap_or(usual.probe_timeout),
        probe_retries: said.probe_retries.unwrap_or(usual.probe_retries),
    }
}
