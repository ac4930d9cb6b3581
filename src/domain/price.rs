//! What a model costs, by precedence: its profile, the configured figure of its kind, the shipped dated table,
//! else unknown. Servers of one's own cost `local_price`, which is nothing unless said otherwise.
//!
//! The table is data (`prices.json`) with its date; a price that is not in it is unknown, never zero.

use super::config::{MoneyRules, Profile};
use super::ids::ModelId;
use super::kind::Kind;
use super::money::{Money, Price};
use super::reach::Reach;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TABLE: LazyLock<Table> = LazyLock::new(|| serde_json::from_str(include_str!("prices.json")).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
struct Table {
    #[serde(default)]
    as_of: String,
    kinds: BTreeMap<Kind, KindTable>,
}

#[derive(Debug, Deserialize)]
struct KindTable {
    #[serde(default)]
    source: String,
    models: BTreeMap<String, PerMillion>,
    cache_writes: Option<CacheWrites>,
}

/// What writing into the vendor's cache costs, as a multiple of the input price, where it is a rule for all models.
#[derive(Debug, Clone, Copy, Deserialize)]
struct CacheWrites {
    five_minutes: f64,
    hour: f64,
}

#[derive(Debug, Deserialize)]
struct PerMillion {
    input: f64,
    output: f64,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
}

/// The date of the shipped table, and where its figures are from.
pub fn table_source() -> (String, String) {
    let mut sources: Vec<&str> = TABLE.kinds.values().map(|kind| kind.source.as_str()).collect();
    sources.dedup();
    (TABLE.as_of.clone(), sources.join("; "))
}

/// The price of one model at one provider; `None` when nobody knows it.
///
/// Not for models that a near server runs elsewhere: only their names are looked at here, so ask with what the
/// server says of them first.
pub fn price_of(profile: &Profile, model: &ModelId, money: &MoneyRules) -> Option<Price> {
    let named = profile.models.iter().find(|named| &named.id == model).and_then(|named| named.price);
    if let Some(named) = named {
        return Some(by_the_vendors_rule(profile.kind, named));
    }
    if let Some(&per_token) = money.kind_prices.get(profile.kind.word()) {
        return Some(Price::flat(per_token));
    }
    if profile.kind.is_vendor() {
        return if flat_fee(profile) { Some(Price::FREE) } else { shipped(profile.kind, model.as_str()) };
    }
    (own_server(profile) && !runs_elsewhere(profile.kind, model.as_str())).then(|| Price::flat(money.local_price))
}

/// With what cache writes cost by the vendor's rule, where the price does not say it.
fn by_the_vendors_rule(kind: Kind, price: Price) -> Price {
    let Some(rule) = TABLE.kinds.get(&kind).and_then(|table| table.cache_writes) else { return price };
    let times = |factor: f64| Money::from_dollars(price.input.dollars() * factor);
    Price {
        cache_write: price.cache_write.or_else(|| times(rule.five_minutes)),
        cache_write_hour: price.cache_write_hour.or_else(|| times(rule.hour)),
        ..price
    }
}

/// Z.AI's coding plan is paid by the month: its tokens are counted and cost nothing more.
fn flat_fee(profile: &Profile) -> bool {
    profile.kind == Kind::ZAiGlm && profile.endpoint.api_base.contains("/api/coding/")
}

/// Whether the machine is one's own to pay. These kinds are programs people run themselves; an unknown server
/// is theirs only when its address, or they, say so.
fn own_server(profile: &Profile) -> bool {
    profile.kind != Kind::OpenaiCompatible || profile.local || Reach::of_host(&profile.endpoint.host).is_local()
}

/// Ollama marks models that run at its vendor by their names.
fn runs_elsewhere(kind: Kind, model: &str) -> bool {
    kind == Kind::Ollama && (model.ends_with("-cloud") || model.ends_with(":cloud"))
}

fn shipped(kind: Kind, model: &str) -> Option<Price> {
    let models = &TABLE.kinds.get(&kind)?.models;
    let row = models.get(model).or_else(|| models.get(without_date(model)?))?;
    let price = Price::per_million(row.input, row.output, row.cached_input)?.with_cache_writes(row.cache_write, None);
    Some(by_the_vendors_rule(kind, price))
}

/// A dated snapshot costs what its model costs: `-20251001` and `-2026-03-05` are taken off.
fn without_date(model: &str) -> Option<&str> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((name, day)) = model.rsplit_once('-') {
        if digits(day, 8) {
            return Some(name);
        }
        let (rest, month) = name.rsplit_once('-')?;
        let (name, year) = rest.rsplit_once('-')?;
        return (digits(day, 2) && digits(month, 2) && digits(year, 4)).then_some(name);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::config::{Endpoint, ModelProfile};

    fn profile(kind: Kind, host: &str) -> Profile {
        Profile::new("p", kind, Endpoint::http(host, 80))
    }

    fn per_million(input: f64, output: f64, cached: Option<f64>) -> Option<Price> {
        Price::per_million(input, output, cached)
    }

    #[test]
    fn the_shipped_table_is_whole_and_dated() {
        assert_eq!(TABLE.kinds.len(), 3);
        for (kind, table) in &TABLE.kinds {
            assert!(kind.is_vendor());
            for (model, row) in &table.models {
                let price = shipped(*kind, model).unwrap();
                assert!(price.cached_input.is_none_or(|cached| cached <= price.input), "{model}");
                assert!(price.cache_write.is_none_or(|write| write >= price.input), "{model}");
                assert!(row.input <= row.output, "{model}: input and output look swapped");
            }
        }
    }

    #[test]
    fn a_profile_wins_over_the_kinds_figure_and_that_over_the_table() {
        let mut zai = profile(Kind::ZAiGlm, "api.z.ai");
        let mut money = MoneyRules::default();
        let glm = ModelId::from("glm-4.6");
        assert_eq!(price_of(&zai, &glm, &money), per_million(0.60, 2.20, Some(0.11)));
        // The original's 0.001 per 1K tokens.
        money.kind_prices.insert("z_ai_glm".into(), Money(1_000_000));
        assert_eq!(price_of(&zai, &glm, &money), per_million(1.0, 1.0, None));
        zai.models.push(ModelProfile { price: Some(Price::FREE), ..ModelProfile::named(glm.clone()) });
        assert_eq!(price_of(&zai, &glm, &money), Some(Price::FREE));
    }

    #[test]
    fn an_unknown_price_is_unknown_and_one_s_own_server_is_free() {
        let money = MoneyRules::default();
        let of = |kind, host, model: &str| price_of(&profile(kind, host), &model.into(), &money);
        assert_eq!(of(Kind::Openai, "api.openai.com", "gpt-99"), None);
        assert_eq!(of(Kind::Openrouter, "openrouter.ai", "z/y"), None);
        assert_eq!(of(Kind::OpenaiCompatible, "api.example.org", "m"), None);
        assert_eq!(of(Kind::OpenaiCompatible, "127.0.0.1", "m"), Some(Price::FREE));
        assert_eq!(of(Kind::LmStudio, "gpu-box.lan", "m"), Some(Price::FREE));
        assert_eq!(of(Kind::Ollama, "127.0.0.1", "gpt-oss:120b-cloud"), None);
        let electricity = MoneyRules { local_price: Money(5), ..MoneyRules::default() };
        let price = price_of(&profile(Kind::Vllm, "10.0.0.9"), &"m".into(), &electricity).unwrap();
        assert_eq!((price.input, price.output), (Money(5), Money(5)));
    }

    #[test]
    fn what_a_cache_costs_to_write_follows_the_vendors_rule_unless_it_is_said() {
        let money = MoneyRules::default();
        let mut claude = profile(Kind::Anthropic, "api.anthropic.com");
        let own = |price| ModelProfile { price, ..ModelProfile::named("claude-own") };
        let written = |profile: &Profile| {
            let price = price_of(profile, &"claude-own".into(), &money).unwrap();
            (price.cache_write.map(|money| money.0), price.cache_write_hour.map(|money| money.0))
        };
        claude.models = vec![own(per_million(4.0, 20.0, None))];
        assert_eq!(written(&claude), (Some(5_000_000), Some(8_000_000)));
        claude.models = vec![own(per_million(4.0, 20.0, None).map(|price| price.with_cache_writes(Some(6.0), None)))];
        assert_eq!(written(&claude), (Some(6_000_000), Some(8_000_000)));
        // Only the newer families of this vendor charge for it.
        let openai = profile(Kind::Openai, "api.openai.com");
        let write = |model: &str| price_of(&openai, &model.into(), &money).unwrap().cache_write.map(|money| money.0);
        assert_eq!((write("gpt-5.6-terra"), write("gpt-5.4")), (Some(2_500_000), None));
    }

    #[test]
    fn a_dated_snapshot_costs_what_its_model_costs_and_a_coding_plan_nothing_more() {
        let money = MoneyRules::default();
        let anthropic = profile(Kind::Anthropic, "api.anthropic.com");
        let haiku = per_million(1.0, 5.0, None).map(|price| price.with_cache_writes(Some(1.25), Some(2.0)));
        assert_eq!(price_of(&anthropic, &"claude-haiku-4-5-20251001".into(), &money), haiku);
        let openai = profile(Kind::Openai, "api.openai.com");
        let dated = price_of(&openai, &"gpt-5.4-2026-03-05".into(), &money);
        assert_eq!(dated, price_of(&openai, &"gpt-5.4".into(), &money));
        assert!(dated.is_some());
        assert_eq!(price_of(&openai, &"gpt-5.4-2026".into(), &money), None);
        let mut plan = profile(Kind::ZAiGlm, "api.z.ai");
        plan.endpoint.api_base = "https://api.z.ai/api/coding/paas/v4".into();
        assert_eq!(price_of(&plan, &"glm-4.6".into(), &money), Some(Price::FREE));
    }
}
