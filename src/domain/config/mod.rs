//! The one configuration inside, whatever layout the file had: profiles, rules, limits.
//!
//! Reading files, positions and `${…}` live in `adapters::config`; this module holds what comes out.

pub mod alerts;
mod issue;
pub mod profile;

pub use alerts::{AlertFor, Alerts, DesktopBy};
pub use issue::{Issue, Severity};
pub use profile::{
    Endpoint, Journey, KeySource, ModelProfile, ModelSettings, Origin, Profile, Timeouts, Withheld, WithheldWhy,
};

use super::budget::WhenExhausted;
use super::ids::ProviderId;
use super::money::Money;
use super::preset::Preset;
use super::rate::RateLimit;
use super::routing::RuleSet;
use super::time::UnixMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration, validated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// In file order; original sections first in the order `z_ai_glm`, `lm_studio`, `fallback_models`
    /// as they stand in the file, then `providers:`.
    pub providers: Vec<Profile>,
    pub rules: RuleSet,
    pub limits: Limits,
    pub money: MoneyRules,
    pub gateway: Gateway,
    pub telemetry: Telemetry,
    pub ui: Ui,
    pub cache: CacheRules,
    /// In file order.
    pub presets: Arc<Vec<Preset>>,
    /// Keys that the file would send to strangers and that wait for the person's word, in file order.
    pub untrusted: Vec<Journey>,
}

impl Config {
    pub fn provider(&self, id: &ProviderId) -> Option<&Profile> {
        self.providers.iter().find(|profile| &profile.id == id)
    }
}

/// Bounds on calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub max_concurrent_requests: usize,
    pub queue: usize,
    pub call_deadline: Duration,
    pub default_max_tokens: u64,
    /// `performance.auto_switch_on_failure`: when false the first target's error is the answer.
    pub auto_switch_on_failure: bool,
    /// `performance.retry_on_failure`: when false one attempt per target.
    pub retry_on_failure: bool,
    /// What each client may use, by its name; `*` holds for each that is not named.
    pub clients: BTreeMap<String, RateLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 5,
            queue: 256,
            call_deadline: Duration::from_mins(10),
            default_max_tokens: 4096,
            auto_switch_on_failure: true,
            retry_on_failure: true,
            clients: BTreeMap::new(),
        }
    }
}

/// Answers kept for repeated requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRules {
    pub enabled: bool,
    pub ttl: Duration,
    pub max_entries: usize,
    /// They outlive the process, in a file of the state folder.
    pub persist: bool,
}

impl CacheRules {
    /// Answers kept before this moment serve no more.
    pub fn oldest(&self, now: UnixMs) -> UnixMs {
        UnixMs(now.0.saturating_sub(i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Default for CacheRules {
    fn default() -> Self {
        Self { enabled: true, ttl: Duration::from_hours(1), max_entries: 1000, persist: false }
    }
}

/// What decides and bounds spending.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MoneyRules {
    /// `budget.daily_limit`, else `cost_optimization.daily_budget_limit`.
    pub daily_limit: Option<Money>,
    /// Share of the limit at which to warn, 0 to 1.
    pub alert_threshold: f64,
    /// IANA name, or `None` for the machine's own zone.
    pub timezone: Option<String>,
    /// `cost_optimization.cloud_model_costs`: by kind word, per token, in and out alike.
    pub kind_prices: BTreeMap<String, Money>,
    /// `cost_optimization.local_model_cost_per_token`.
    pub local_price: Money,
    /// `budget.when_exhausted`.
    pub when_exhausted: WhenExhausted,
    /// `budget.allow_unpriced`: models without a known price may be used under a limit.
    pub allow_unpriced: bool,
}

impl MoneyRules {
    /// Whether models without a price drop out of decisions, so that the call goes on to one that has a price.
    pub fn priced_only(&self) -> bool {
        self.daily_limit.is_some() && self.needs_prices()
    }

    /// The same under any limit. With `refuse` the first model that cannot be paid for ends the call.
    pub fn needs_prices(&self) -> bool {
        !self.allow_unpriced && self.when_exhausted != WhenExhausted::Refuse
    }

    /// Whether cloud targets drop out of decisions once so much is used of such a limit. With `refuse` and `warn` they
    /// stay: the call is refused when it is paid for, or goes on.
    pub fn drops_cloud(&self, used: Money, limit: Option<Money>) -> bool {
        self.when_exhausted == WhenExhausted::LocalOnly && limit.is_some_and(|limit| used >= limit)
    }
}

/// The local gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    pub listen: SocketAddr,
    /// Keys clients must send; empty only on loopback.
    pub api_keys: Vec<GatewayKey>,
    /// Origins of web pages that may use it, as browsers write them; `*` is any, and only stands beside keys.
    pub cors_origins: Vec<String>,
}

/// A key that clients of the gateway send.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayKey {
    /// The client that it belongs to; `None`: whoever sends it says its name itself.
    pub name: Option<String>,
    pub key: super::secret::Secret,
    /// The variable that gives it; `None` where the file itself does.
    pub variable: Option<String>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 4141)), api_keys: Vec::new(), cors_origins: Vec::new() }
    }
}

/// What is recorded, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// `None`: the state folder.
    pub dir: Option<PathBuf>,
    pub record_prompts: bool,
    pub retention_days: u32,
    /// Where spans and metrics of calls go; nowhere when `None`.
    pub otlp: Option<Collector>,
}

/// A collector that takes OpenTelemetry data over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Collector {
    /// `api_base` is what `/v1/traces` and `/v1/metrics` are appended to.
    pub endpoint: Endpoint,
    /// Sent with every request; keys stand here.
    pub headers: Vec<(String, super::secret::Secret)>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { dir: None, record_prompts: false, retention_days: 30, otlp: None }
    }
}

/// How the dashboard looks and behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub struct Ui {
    /// `auto`, `dark`, `light`, `high-contrast`, `mono`.
    pub theme: String,
    pub ascii: bool,
    pub reduce_motion: bool,
    pub mouse: bool,
    pub history: bool,
    /// Action name to key, as in `providers.test: T`.
    pub keys: BTreeMap<String, String>,
    pub alerts: Alerts,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: "auto".into(),
            ascii: false,
            reduce_motion: false,
            mouse: false,
            history: true,
            keys: BTreeMap::new(),
            alerts: Alerts::default(),
        }
    }
}
