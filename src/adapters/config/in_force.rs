//! A configuration as a file could say it: everything in force, from every layout, the environment and the defaults
//! put together, in the words of the newer sections. Keys appear as where they come from, never as they are.
//!
//! What only the original layout has words for stands in them: switches under `performance`, prices by kind under
//! `cost_optimization`.

use super::secrets::HIDDEN;
use crate::domain::config::{
    CacheRules, Config, Gateway, KeySource, Limits, ModelProfile, ModelSettings, MoneyRules, Profile, Telemetry,
};
use crate::domain::money::{Money, Price};
use crate::domain::plan::{Plan, PlanWindow, WEEK};
use crate::domain::rate::RateLimit;
use crate::domain::routing::RuleSet;
use crate::domain::schedule::Hours;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// See the module. What says nothing is left out.
pub fn in_force(config: &Config) -> Value {
    let mut value = json!({
        "providers": config.providers.iter().map(provider).collect::<Vec<_>>(),
        "routing": routing(&config.rules),
        "presets": presets(config),
        "limits": limits(&config.limits),
        "cache": cache(&config.cache),
        "budget": budget(&config.money),
        "gateway": gateway(&config.gateway),
        "telemetry": telemetry(&config.telemetry),
        "ui": config.ui,
        "performance": {
            "auto_switch_on_failure": config.limits.auto_switch_on_failure,
            "retry_on_failure": config.limits.retry_on_failure,
        },
        "cost_optimization": original_prices(&config.money, &config.rules),
    });
    leave_out_nothing_said(&mut value);
    value
}

fn provider(profile: &Profile) -> Value {
    let times = &profile.timeouts;
    let mut value = json!({
        "id": profile.id,
        "name": profile.name,
        "type": profile.kind,
        "endpoint": profile.endpoint.written,
        "authToken": key(&profile.key_source),
        "enabled": profile.enabled,
        "local": profile.local,
        "api": profile.api,
        "models": profile.models.iter().map(|named| model(profile, named)).collect::<Vec<_>>(),
        "preferred_models": profile.preferred_models,
        "connect_timeout": seconds(times.connect),
        "first_token_timeout": seconds(times.first_token),
        "idle_timeout": seconds(times.idle),
        "load_timeout": seconds(times.load),
        "max_retries": profile.max_retries,
        "max_concurrent": profile.max_concurrent,
        "rate_limit": profile.rate_limit.map(|limit| rate(&limit)),
        "plan": profile.plan.as_ref().map(plan),
        "health": {
            "interval": seconds(times.probe_interval),
            "timeout": seconds(times.probe_timeout),
            "retries": times.probe_retries,
        },
    });
    put_settings(&mut value, &profile.defaults);
    let named = profile.model_settings.iter().map(|(model, own)| {
        let mut value = json!({});
        put_settings(&mut value, own);
        (model.clone(), value)
    });
    value["model_settings"] = Value::Object(named.collect());
    value["aliases"] = json!(profile.aliases);
    value
}

fn key(source: &KeySource) -> Option<String> {
    match source {
        KeySource::None => None,
        KeySource::Variable { name } => Some(format!("${{{name}}}")),
        KeySource::File { .. } => Some(HIDDEN.to_owned()),
    }
}

fn model(profile: &Profile, named: &ModelProfile) -> Value {
    let keep_warm = named.warmth.keep.as_ref().map(|hours| match hours {
        hours if *hours == Hours::always() => json!(true),
        hours => json!(hours.to_string()),
    });
    let mut value = json!({
        "id": named.id,
        "context": named.context,
        "quality": named.quality,
        "capabilities": named.capabilities,
        "price": named.price.as_ref().map(price),
        "keep_warm": keep_warm,
        "preload": named.warmth.preload.as_ref().map(ToString::to_string),
    });
    put_settings(&mut value, &profile.settings_for(&named.id));
    value
}

fn put_settings(value: &mut Value, settings: &ModelSettings) {
    value["max_tokens"] = json!(settings.max_tokens);
    value["temperature"] = json!(settings.temperature);
    value["system_prompt"] = json!(settings.system_prompt);
}

fn price(price: &Price) -> Value {
    json!({
        "input": per_million(price.input),
        "output": per_million(price.output),
        "cached_input": price.cached_input.map(per_million),
        "cache_write": price.cache_write.map(per_million),
        "cache_write_hour": price.cache_write_hour.map(per_million),
    })
}

/// US dollars for a million tokens, of a figure for one.
fn per_million(each: Money) -> f64 {
    Money(each.0.saturating_mul(1_000_000)).dollars()
}

fn rate(limit: &RateLimit) -> Value {
    json!({ "requests_per_minute": limit.requests_per_minute, "tokens_per_minute": limit.tokens_per_minute })
}

fn plan(plan: &Plan) -> Value {
    let bound = |window: &PlanWindow| json!({ "requests": window.requests, "tokens": window.tokens });
    let mut value = json!({ "resets": plan.resets });
    let last = plan.windows.len().saturating_sub(1);
    for (at, window) in plan.windows.iter().enumerate() {
        // Two of seven days are the window and the week beside it.
        if window.length == WEEK && at == last {
            value["week"] = bound(window);
        } else {
            value["window"] = seconds(window.length);
            value["requests"] = json!(window.requests);
            value["tokens"] = json!(window.tokens);
        }
    }
    value
}

fn routing(rules: &RuleSet) -> Value {
    let orders: Map<String, Value> =
        rules.request_orders.iter().map(|(name, items)| (name.clone(), json!(items))).collect();
    json!({
        "strategy": rules.strategy,
        "spillover": rules.spillover_ms.map(|ms| seconds(Duration::from_millis(ms))),
        "request_priorities": orders,
        "policies": rules.policies.iter().map(|policy| json!(policy.written())).collect::<Vec<_>>(),
    })
}

fn presets(config: &Config) -> Value {
    let each = config.presets.iter().map(|preset| {
        let mut value = json!(preset);
        if let Value::Object(members) = &mut value {
            members.remove("name");
        }
        (preset.name.clone(), value)
    });
    Value::Object(each.collect())
}

fn limits(limits: &Limits) -> Value {
    let clients: Map<String, Value> = limits.clients.iter().map(|(name, each)| (name.clone(), rate(each))).collect();
    json!({
        "max_concurrent_requests": limits.max_concurrent_requests,
        "queue": limits.queue,
        "call_deadline": seconds(limits.call_deadline),
        "default_max_tokens": limits.default_max_tokens,
        "clients": clients,
    })
}

fn cache(rules: &CacheRules) -> Value {
    json!({
        "enabled": rules.enabled,
        "ttl_seconds": rules.ttl.as_secs(),
        "max_entries": rules.max_entries,
        "persist": rules.persist,
    })
}

fn budget(rules: &MoneyRules) -> Value {
    json!({
        "daily_limit": rules.daily_limit.map(Money::dollars),
        "alert_threshold": rules.alert_threshold,
        "when_exhausted": rules.when_exhausted.word(),
        "allow_unpriced": rules.allow_unpriced,
        "timezone": rules.timezone.as_deref().unwrap_or("local"),
    })
}

fn gateway(gateway: &Gateway) -> Value {
    let keys = gateway.api_keys.iter().map(|each| {
        let key = each.variable.as_ref().map_or_else(|| HIDDEN.to_owned(), |name| format!("${{{name}}}"));
        each.name.as_ref().map_or_else(|| json!(key), |name| json!({ "name": name, "key": key }))
    });
    json!({
        "listen": gateway.listen.to_string(),
        "api_keys": keys.collect::<Vec<_>>(),
        "cors_origins": gateway.cors_origins,
    })
}

fn telemetry(telemetry: &Telemetry) -> Value {
    json!({
        "dir": telemetry.dir,
        "record_prompts": telemetry.record_prompts,
        "retention_days": telemetry.retention_days,
        "otlp_endpoint": telemetry.otlp.as_ref().map(|collector| &collector.endpoint.written),
    })
}

fn original_prices(rules: &MoneyRules, routing: &RuleSet) -> Value {
    let by_kind = rules.kind_prices.iter().map(|(kind, each)| (kind.clone(), json!(each.times(1000).dollars())));
    json!({
        "prefer_local_models": routing.prefer_local_ties,
        "local_model_cost_per_token": rules.local_price.dollars(),
        "cloud_model_costs": by_kind.collect::<Map<_, _>>(),
    })
}

/// Whole seconds as such, so that they read as in a file.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 { json!(time.as_secs()) } else { json!(time.as_secs_f64()) }
}

/// Takes out what stands for nothing: no value, an empty list, an empty section.
fn leave_out_nothing_said(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(leave_out_nothing_said);
            members.retain(|_, member| match member {
                Value::Null => false,
                Value::Object(inner) => !inner.is_empty(),
                Value::Array(inner) => !inner.is_empty(),
                Value::String(text) => !text.is_empty(),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nothing_said),
        _ => {}
    }
}
