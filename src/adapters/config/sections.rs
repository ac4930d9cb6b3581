//! From the sections of a file to rules, limits and the rest. Where an old and a new key say the same thing,
//! the new one wins.

use super::policies::Placed;
use super::profiles::{count, rate_limit, seconds, switch, text, texts};
use crate::domain::budget::WhenExhausted;
use crate::domain::config::{AlertFor, Alerts, CacheRules, DesktopBy, Gateway, Limits, MoneyRules, Telemetry, Ui};
use crate::domain::money::Money;
use crate::domain::rate::RateLimit;
use crate::domain::routing::{RuleSet, Strategy};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The new section, then the old one: keys are asked in this order.
struct Pair<'a> {
    new: &'a Value,
    old: &'a Value,
}

fn section<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

impl Pair<'_> {
    fn figure(&self, new: &str, old: &str) -> Option<f64> {
        self.new.get(new).and_then(Value::as_f64).or_else(|| self.old.get(old).and_then(Value::as_f64))
    }
}

/// Rules, with the policies that were read already.
pub fn rules(value: &Value, version: u64, policies: Vec<Placed>) -> RuleSet {
    let (new, old) = (section(value, "routing"), section(value, "model_selection"));
    let strategy = text(new, "strategy").or_else(|| text(old, "strategy"));
    let mut request_orders: Vec<(String, Vec<String>)> = Vec::new();
    for place in [old, new] {
        for (name, _) in place.get("request_priorities").and_then(Value::as_mapping).into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            let items = texts(section(place, "request_priorities"), name);
            match request_orders.iter_mut().find(|(known, _)| known == name) {
                Some((_, order)) => *order = items,
                None => request_orders.push((name.to_owned(), items)),
            }
        }
    }
    // An empty order says nothing; the strategy decides.
    request_orders.retain(|(_, items)| !items.is_empty());
    RuleSet {
        version,
        strategy: strategy.as_deref().and_then(Strategy::from_word).unwrap_or_default(),
        request_orders,
        prefer_local_ties: switch(section(value, "cost_optimization"), "prefer_local_models").unwrap_or(true),
        policies: policies.into_iter().map(|placed| placed.policy).collect(),
        spillover_ms: seconds(new, "spillover").and_then(|bound| u64::try_from(bound.as_millis()).ok()),
    }
}

pub fn limits(value: &Value) -> Limits {
    let (new, old) = (section(value, "limits"), section(value, "performance"));
    let usual = Limits::default();
    let size = |section: &Value, key: &str| count(section, key).and_then(|number| usize::try_from(number).ok());
    Limits {
        max_concurrent_requests: size(new, "max_concurrent_requests")
            .or_else(|| size(old, "max_concurrent_requests"))
            .unwrap_or(usual.max_concurrent_requests),
        queue: size(new, "queue").unwrap_or(usual.queue),
        call_deadline: seconds(new, "call_deadline").unwrap_or(usual.call_deadline),
        default_max_tokens: count(new, "default_max_tokens").unwrap_or(usual.default_max_tokens),
        auto_switch_on_failure: switch(old, "auto_switch_on_failure").unwrap_or(usual.auto_switch_on_failure),
        retry_on_failure: switch(old, "retry_on_failure").unwrap_or(usual.retry_on_failure),
        clients: clients(section(new, "clients")),
    }
}

fn clients(section: &Value) -> BTreeMap<String, RateLimit> {
    let all = section.as_mapping().into_iter().flatten();
    all.filter_map(|(name, limit)| Some((name.as_str()?.to_owned(), rate_limit(limit)?))).collect()
}

pub fn cache(value: &Value) -> CacheRules {
    let (new, old) = (section(value, "cache"), section(value, "performance"));
    let usual = CacheRules::default();
    let ttl = count(new, "ttl_seconds").or_else(|| count(old, "cache_ttl_seconds"));
    let entries = count(new, "max_entries").or_else(|| count(old, "max_cache_size"));
    CacheRules {
        enabled: switch(new, "enabled").or_else(|| switch(old, "cache_enabled")).unwrap_or(usual.enabled),
        ttl: ttl.map_or(usual.ttl, Duration::from_secs),
        max_entries: entries.and_then(|number| usize::try_from(number).ok()).unwrap_or(usual.max_entries),
        persist: switch(new, "persist").unwrap_or(usual.persist),
    }
}

pub fn money(value: &Value) -> MoneyRules {
    let old = section(value, "cost_optimization");
    let pair = Pair { new: section(value, "budget"), old };
    let mut kind_prices = BTreeMap::new();
    for (kind, cost) in old.get("cloud_model_costs").and_then(Value::as_mapping).into_iter().flatten() {
        // The original's figures are for 1,000 tokens.
        let per_token = cost.as_f64().and_then(|cost| Money::from_dollars(cost / 1000.0));
        if let (Some(kind), Some(price)) = (kind.as_str(), per_token) {
            kind_prices.insert(kind.to_owned(), price);
        }
    }
    MoneyRules {
        daily_limit: pair.figure("daily_limit", "daily_budget_limit").and_then(Money::from_dollars),
        alert_threshold: pair.figure("alert_threshold", "budget_alert_threshold").unwrap_or(0.8),
        timezone: text(pair.new, "timezone").filter(|zone| zone != "local"),
        kind_prices,
        local_price: old
            .get("local_model_cost_per_token")
            .and_then(Value::as_f64)
            .and_then(Money::from_dollars)
            .unwrap_or(Money::ZERO),
        when_exhausted: text(pair.new, "when_exhausted")
            .as_deref()
            .and_then(WhenExhausted::from_word)
            .unwrap_or_default(),
        allow_unpriced: switch(pair.new, "allow_unpriced").unwrap_or(false),
    }
}

pub fn gateway(value: &Value) -> Gateway {
    let section = section(value, "gateway");
    Gateway {
        listen: text(section, "listen").as_deref().and_then(listen).unwrap_or_else(|| Gateway::default().listen),
        api_keys: Vec::new(),
        cors_origins: Vec::new(),
    }
}

/// `127.0.0.1:4141`, `[::1]:4141`, `localhost:4141`.
pub fn listen(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    host.eq_ignore_ascii_case("localhost").then(|| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port))
}

pub fn telemetry(value: &Value) -> Telemetry {
    let section = section(value, "telemetry");
    let usual = Telemetry::default();
    Telemetry {
        dir: text(section, "dir").map(Into::into),
        record_prompts: switch(section, "record_prompts").unwrap_or(usual.record_prompts),
        retention_days: count(section, "retention_days")
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or(usual.retention_days),
        otlp: usual.otlp,
    }
}

pub fn ui(value: &Value) -> Ui {
    let section = section(value, "ui");
    let usual = Ui::default();
    let alerts = section.get("alerts").unwrap_or(&Value::Null);
    let alert = |key| text(alerts, key).as_deref().and_then(AlertFor::from_word);
    let keys = section.get("keys").and_then(Value::as_mapping).into_iter().flatten();
    Ui {
        theme: text(section, "theme").unwrap_or(usual.theme),
        ascii: switch(section, "ascii").unwrap_or(usual.ascii),
        reduce_motion: switch(section, "reduce_motion").unwrap_or(usual.reduce_motion),
        mouse: switch(section, "mouse").unwrap_or(usual.mouse),
        history: switch(section, "history").unwrap_or(usual.history),
        keys: keys.filter_map(|(action, key)| Some((action.as_str()?.to_owned(), key.as_str()?.to_owned()))).collect(),
        alerts: Alerts {
            bell: alert("bell").unwrap_or(usual.alerts.bell),
            desktop: alert("desktop").unwrap_or(usual.alerts.desktop),
            desktop_by: text(alerts, "desktop_by")
                .as_deref()
                .and_then(DesktopBy::from_word)
                .unwrap_or(usual.alerts.desktop_by),
        },
    }
}
