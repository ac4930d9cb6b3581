//! From a parsed file to the one configuration inside, with everything there is to say about it.

use super::check;
use super::collector;
use super::conditions;
use super::document::Document;
use super::environment::Environment;
use super::expand::{Expanded, expand};
use super::findings::Findings;
use super::finish::{Surroundings, finish};
use super::gate_keys;
use super::guards;
use super::lint;
use super::origins;
use super::path::Path;
use super::policies;
use super::presets;
use super::profiles::{self, Written};
use super::sections;
use super::trust::Trust;
use super::warmth;
use crate::domain::config::{Config, Issue, Journey, KeySource, Profile, Severity};
use crate::domain::ids::ProviderId;
use crate::domain::kind::Kind;

/// A configuration made from a text.
pub struct Built {
    pub config: Config,
    /// Sorted as they stand in the file; errors among them mean that `config` must not be used.
    pub issues: Vec<Issue>,
    /// Keys on their way to hosts that are not their vendor's.
    pub journeys: Vec<Journey>,
}

impl Built {
    pub fn has_errors(&self) -> bool {
        self.issues.iter().any(|issue| issue.severity == Severity::Error)
    }
}

/// What a file is read with.
pub struct Reading<'a> {
    pub environment: &'a Environment,
    pub trust: &'a Trust,
    /// The file as named in findings.
    pub file: &'a str,
    /// Whether others may read the file.
    pub exposed: bool,
    pub version: u64,
    /// Whether the file was found in the working folder, named by nobody.
    pub unfamiliar: bool,
}

/// Builds the configuration a document describes.
pub fn build(document: &Document, reading: &Reading<'_>) -> Built {
    let expanded = expand(&document.value, reading.environment);
    let mut findings = document.findings(reading.file);
    env_troubles(reading.environment, &mut findings);
    check::check(&expanded, &mut findings);
    let told = guards::check(&document.value, &expanded, &mut findings);
    conditions::check(&expanded.value, &mut findings);
    let written = profiles::written(&document.value, &expanded);
    check_ids(&written, &mut findings);
    check_idle(&expanded.value, &written, &mut findings);
    let around = Surroundings {
        environment: reading.environment,
        expanded: &expanded,
        trust: reading.trust,
        unfamiliar: reading.unfamiliar,
    };
    let mut providers = Vec::new();
    let mut journeys = Vec::new();
    for provider in written {
        let key_path = provider.key_path.clone();
        if let Some(finished) = finish(provider, &around, &mut findings) {
            if reading.exposed && matches!(finished.profile.key_source, KeySource::File { .. }) {
                findings.key(
                    Severity::Warning,
                    &key_path,
                    "a key stands in a file that others on this machine may read",
                    format!("chmod 600 {}, or keep the key in the environment and write ${{NAME}}", reading.file),
                );
            }
            providers.push(finished.profile);
            journeys.extend(finished.journeys);
        }
    }
    other_unset(&expanded, &providers, &told, &mut findings);
    broken_references(&expanded, &mut findings);
    let value = &expanded.value;
    let placed =
        policies::policies(value.get("routing").unwrap_or(&serde_yaml::Value::Null), |path| findings.line_of(path));
    let in_file = lint::places(&placed);
    let rules = sections::rules(value, reading.version, placed);
    lint::check(&rules, &in_file, &providers, &mut findings);
    warmth::check(value, &providers, &mut findings);
    check_cost_names(value, &mut findings);
    let presets = presets::presets(value, &providers, &mut findings);
    check_orders(&rules.request_orders, &providers, document, &mut findings);
    let mut gateway = sections::gateway(value);
    gateway.api_keys = gate_keys::read(&expanded, &mut findings);
    gateway.cors_origins = origins::read(value, !gateway.api_keys.is_empty(), &mut findings);
    if !gateway.listen.ip().is_loopback() && gateway.api_keys.is_empty() {
        findings.value(
            Severity::Error,
            &Path::of("gateway.listen"),
            format!("the gateway would listen on {} for everybody: a key is needed there", gateway.listen),
            "add gateway.api_keys, or listen on 127.0.0.1",
        );
    }
    if let Some(zone) = sections::money(value).timezone
        && jiff::tz::TimeZone::get(&zone).is_err()
    {
        findings.value(
            Severity::Error,
            &Path::of("budget.timezone"),
            format!("there is no time zone {}", check::shown(&zone)),
            "write local, or a name such as Europe/Berlin",
        );
    }
    let mut telemetry = sections::telemetry(value);
    if let Some((collector, journey)) = collector::read(&around, &mut findings) {
        telemetry.otlp = collector;
        journeys.extend(journey);
    }
    let config = Config {
        providers,
        rules,
        limits: sections::limits(value),
        money: sections::money(value),
        gateway,
        telemetry,
        ui: sections::ui(value),
        cache: sections::cache(value),
        presets: presets.into(),
        untrusted: untrusted(&journeys, reading.trust),
    };
    let mut issues = findings.issues;
    issues.sort_by_key(|issue| (std::cmp::Reverse(issue.severity), issue.line.unwrap_or(0), issue.column.unwrap_or(0)));
    Built { config, issues, journeys }
}

/// Providers that the environment alone makes known; the configuration of a machine without a file.
pub fn from_environment(environment: &Environment) -> Vec<Written> {
    Kind::ALL
        .into_iter()
        .filter(|kind| {
            let set = |name: Option<&str>| name.is_some_and(|name| environment.get(name).is_some());
            set(kind.key_variable()) || set(kind.address_variable())
        })
        .map(|kind| Written::new(kind.word(), kind, Path::root()))
        .collect()
}

/// The configuration without a file.
pub fn without_file(reading: &Reading<'_>) -> Built {
    let document = Document::empty();
    let expanded = Expanded { value: document.value.clone(), ..Expanded::default() };
    let mut findings = document.findings(reading.file);
    env_troubles(reading.environment, &mut findings);
    let around =
        Surroundings { environment: reading.environment, expanded: &expanded, trust: reading.trust, unfamiliar: false };
    let mut config = Config {
        money: sections::money(&document.value),
        rules: sections::rules(&document.value, reading.version, Vec::new()),
        ..Config::default()
    };
    let mut journeys = Vec::new();
    for provider in from_environment(reading.environment) {
        let id = provider.id.clone();
        let kind = provider.kind;
        match finish(provider, &around, &mut findings) {
            Some(finished) => {
                config.providers.push(finished.profile);
                journeys.extend(finished.journeys);
            }
            // An unusable variable must not keep lmdeck from starting: without a file nothing else can be mended.
            None => {
                if let Some(last) = findings.issues.last_mut() {
                    last.severity = Severity::Warning;
                    last.remedy =
                        format!("correct {}, or unset it; {id} is left out", kind.address_variable().unwrap_or("it"));
                }
            }
        }
    }
    config.untrusted = untrusted(&journeys, reading.trust);
    Built { config, issues: findings.issues, journeys }
}

fn untrusted(journeys: &[Journey], trust: &Trust) -> Vec<Journey> {
    journeys.iter().filter(|journey| !trust.allows(journey)).cloned().collect()
}

fn env_troubles(environment: &Environment, findings: &mut Findings<'_>) {
    for trouble in &environment.troubles {
        findings.general(
            Severity::Warning,
            format!("{}: {}", trouble.file.display(), trouble.sentence),
            trouble.remedy.clone(),
        );
    }
}

/// Ids must be usable and stand once.
fn check_ids(written: &[Written], findings: &mut Findings<'_>) {
    for (at, provider) in written.iter().enumerate() {
        let place = if provider.original { provider.place.clone() } else { provider.place.key("id") };
        if let Err(sentence) = ProviderId::check(&provider.id) {
            findings.value(
                Severity::Error,
                &place,
                format!("the id {}: {sentence}", check::shown(&provider.id)),
                "choose another id, as in my-server",
            );
        }
        let Some(first) = written.iter().take(at).find(|other| other.id == provider.id) else { continue };
        let first_place = if first.original { first.place.clone() } else { first.place.key("id") };
        let (one, two) = (findings.line_of(&first_place), findings.line_of(&place));
        let line = |line: Option<usize>| line.map_or_else(|| "another line".to_owned(), |line| format!("line {line}"));
        findings.value(
            Severity::Error,
            &place,
            format!("the provider {} stands twice: in {} and in {}", provider.id, line(one), line(two)),
            "give one of them another id",
        );
    }
}

/// Keys of the original that act on its own sections only, where there is none of these.
fn check_idle(value: &serde_yaml::Value, written: &[Written], findings: &mut Findings<'_>) {
    let any = written.iter().any(|provider| provider.original);
    let lm_studio = written.iter().any(|provider| provider.place == Path::of("lm_studio"));
    for (key, acts, instead) in [
        ("performance.request_timeout", any, "first_token_timeout and idle_timeout"),
        ("performance.lm_studio_health_check_interval", lm_studio, "health.interval"),
    ] {
        let path = Path::of(key);
        if !acts && path.find(value).is_some_and(|value| !value.is_null()) {
            findings.key(
                Severity::Note,
                &path,
                format!("{key} acts on sections of the original layout, and none of these is here"),
                format!("give each entry of providers {instead}, or remove the line"),
            );
        }
    }
}

/// What was meant as a reference is sent as it stands, a key too.
fn broken_references(expanded: &Expanded, findings: &mut Findings<'_>) {
    for path in &expanded.broken {
        findings.value(
            Severity::Warning,
            path,
            format!("{} holds a ${{ that is no reference, so it is taken as it stands", path.human(&expanded.value)),
            "write ${NAME} or ${NAME:-default}; $${ is a plain ${",
        );
    }
}

/// Unset names outside of providers: each a warning; the value counts as not given. Of some it was
/// `told` already that they must not.
fn other_unset(expanded: &Expanded, providers: &[Profile], told: &[Path], findings: &mut Findings<'_>) {
    for (path, reference) in &expanded.references {
        let place = path.bracketed();
        let of_a_provider = providers.iter().any(|provider| {
            !provider.place.is_empty()
                && place
                    .strip_prefix(provider.place.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        if of_a_provider || told.iter().any(|told| path.starts_with(told)) {
            continue;
        }
        for name in &reference.unset {
            findings.value(
                Severity::Warning,
                path,
                format!("{name} is not set, so {} counts as not given", path.human(&expanded.value)),
                format!("set {name} in the environment or in .env, or write ${{{name}:-default}}"),
            );
        }
    }
}

/// Prices of kinds that do not exist.
fn check_cost_names(value: &serde_yaml::Value, findings: &mut Findings<'_>) {
    let costs = Path::of("cost_optimization.cloud_model_costs");
    let words = Kind::ALL.map(Kind::word);
    for (kind, _) in costs.find(value).and_then(serde_yaml::Value::as_mapping).into_iter().flatten() {
        let Some(kind) = kind.as_str().filter(|kind| Kind::from_word(kind).is_none()) else { continue };
        let remedy = match super::suggest::closest(kind, &words) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("known: {}", words.join(", ")),
        };
        findings.key(
            Severity::Warning,
            &costs.key(kind),
            format!("{} is no kind of provider", check::shown(kind)),
            remedy,
        );
    }
}

/// Items of orders that name nobody.
fn check_orders(
    orders: &[(String, Vec<String>)],
    providers: &[Profile],
    document: &Document,
    findings: &mut Findings<'_>,
) {
    for (request_type, items) in orders {
        for (index, item) in items.iter().enumerate() {
            if names_somebody(item, providers) {
                continue;
            }
            let new = Path::of("routing.request_priorities").key(request_type);
            let old = Path::of("model_selection.request_priorities").key(request_type);
            let list = if new.find(&document.value).is_some() { new } else { old };
            let mut known: Vec<&str> = providers.iter().map(|provider| provider.id.as_str()).collect();
            known.extend(["local", "cloud"]);
            let remedy = match super::suggest::closest(item, &known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known here: {}, provider/model or a strategy", known.join(", ")),
            };
            findings.value(
                Severity::Warning,
                &list.index(index),
                format!("{} names no provider; it is skipped", check::shown(item)),
                remedy,
            );
        }
    }
}

fn names_somebody(item: &str, providers: &[Profile]) -> bool {
    let first = item.split_once('/').map_or(item, |(provider, _)| provider);
    matches!(item, "local" | "cloud" | "fastest" | "auto")
        || crate::domain::routing::Strategy::from_word(item).is_some()
        || Kind::from_word(item).is_some()
        || providers.iter().any(|provider| {
            provider.id.as_str() == first
                || provider.aliases.contains_key(item)
                || provider.models.iter().any(|model| model.id.as_str() == item)
                || provider.preferred_models.iter().any(|model| model.as_str() == item)
        })
}
