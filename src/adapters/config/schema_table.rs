//! The one table of all keys, of both layouts. Checking, `config set`, suggestions, help and the JSON Schema
//! read it; nothing else lists keys.

use super::schema::{Row, Shape};
use crate::domain::config::{AlertFor, DesktopBy};
use crate::domain::plan::Resets;

/// Kinds of providers, as `domain::kind::Kind::word` spells them.
pub const KINDS: &[&str] =
    &["lm_studio", "llama_cpp", "ollama", "vllm", "z_ai_glm", "openai", "anthropic", "openrouter", "openai_compatible"];
const STRATEGIES: &[&str] = &["prefer_local", "prefer_cloud", "cost_optimized", "quality_optimized"];
const CAPABILITIES: &[&str] = &["tools", "json", "images", "embeddings"];
const COUNT: Shape = Shape::Whole(1, 1_000_000_000);
const TEMPERATURE: Shape = Shape::Figure(0.0, 2.0);
const MONEY: Shape = Shape::Figure(0.0, 1_000_000.0);
const SILENCE: Shape = Shape::Seconds(0.1, 86_400.0);

const fn row(path: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Row {
    Row::new(path, shape, default, help)
}

const fn old(path: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Row {
    Row::new(path, shape, default, help).original()
}

/// See the module.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    // Profiles of this layout.
    row("providers", Shape::Sections, "", "model servers and vendors, one entry each"),
    row("providers[].id", Shape::Text, "", "the name used in rules, commands and on screen: small letters, digits, - _ .").required(),
    row("providers[].name", Shape::Text, "the id", "shown on screen"),
    row("providers[].type", Shape::Word(KINDS), "", "what kind of server it is").required(),
    row("providers[].endpoint", Shape::Address, "the kind's own", "its address, with or without /v1"),
    row("providers[].authToken", Shape::Secret, "the kind's environment name", "its key, best as ${NAME}"),
    row("providers[].enabled", Shape::Switch, "true", "false takes it out of use without losing it"),
    row("providers[].local", Shape::Switch, "false", "true lets requests that must stay at home go to this other machine"),
    row("providers[].api", Shape::Word(&["auto", "v1", "v0", "compat"]), "auto", "which of LM Studio's interfaces to speak"),
    row("providers[].models", Shape::Models, "[]", "models by name or with settings; a local server's own list is added"),
    row("providers[].models[].id", Shape::Text, "", "the model's id as its server names it").required(),
    row("providers[].models[].context", COUNT, "", "the longest prompt it takes, in tokens"),
    row("providers[].models[].quality", Shape::Whole(0, 100), "", "rank for quality_optimized"),
    row("providers[].models[].capabilities", Shape::Words(CAPABILITIES), "", "what it can do; unsaid means unknown"),
    row("providers[].models[].price", Shape::Section, "", "US dollars per million tokens"),
    row("providers[].models[].price.input", MONEY, "", "for a million prompt tokens").required(),
    row("providers[].models[].price.output", MONEY, "", "for a million answer tokens").required(),
    row("providers[].models[].price.cached_input", MONEY, "the input price", "for a million prompt tokens that the vendor had cached"),
    row("providers[].models[].price.cache_write", MONEY, "by the vendor's rule", "for a million prompt tokens written into the vendor's cache"),
    row("providers[].models[].price.cache_write_hour", MONEY, "by the vendor's rule", "for a million of them kept there for an hour"),
    row("providers[].models[].max_tokens", COUNT, "", "the longest answer asked for"),
    row("providers[].models[].temperature", TEMPERATURE, "", "how freely it chooses words"),
    row("providers[].models[].system_prompt", Shape::Prompt, "", "used by the playground, ask and presets"),
    row("providers[].models[].keep_warm", Shape::Hours, "false", "true, or the hours in which a local server is told to load it whenever it is not loaded, as in mon-fri 08:00-18:00"),
    row("providers[].models[].preload", Shape::Moments, "", "when a local server is told to load it once, as in mon-fri 07:55"),
    row("providers[].preferred_models", Shape::Texts, "[]", "models to choose first"),
    row("providers[].connect_timeout", SILENCE, "2", "seconds to wait for a connection"),
    row("providers[].first_token_timeout", SILENCE, "120 local, 60 cloud", "seconds to wait for the first token of a stream"),
    row("providers[].idle_timeout", SILENCE, "30", "seconds of silence between parts of a stream"),
    row("providers[].load_timeout", Shape::Seconds(0.0, 86_400.0), "300", "seconds more when the model is not loaded"),
    row("providers[].max_retries", Shape::Whole(0, 20), "3", "further tries at the same target"),
    row("providers[].max_concurrent", Shape::Whole(1, 10_000), "", "calls at the same time"),
    row("providers[].rate_limit", Shape::Section, "", "what may be used per minute; without room its targets are passed over"),
    row("providers[].rate_limit.requests_per_minute", COUNT, "", "calls per minute"),
    row("providers[].rate_limit.tokens_per_minute", COUNT, "", "tokens per minute"),
    row("providers[].plan", Shape::Section, "", "what the account's plan allows; used up, its targets are parked until its window has room again"),
    row("providers[].plan.window", Shape::Span(60.0, 2_678_400.0), "", "the window that requests and tokens count over, as in 5h"),
    row("providers[].plan.requests", COUNT, "", "requests in a window; each that is sent counts"),
    row("providers[].plan.tokens", COUNT, "", "tokens in a window, in and out"),
    row("providers[].plan.resets", Shape::Word(Resets::WORDS), "rolling", "rolling: each request by itself; first_call: all at once, a window after the first request; clock: whole windows from midnight in budget.timezone, weeks from Monday"),
    row("providers[].plan.week", Shape::Section, "", "a second bound over seven days"),
    row("providers[].plan.week.requests", COUNT, "", "requests in a week"),
    row("providers[].plan.week.tokens", COUNT, "", "tokens in a week"),
    row("providers[].health", Shape::Section, "", "how it is probed; probes cost nothing"),
    row("providers[].health.interval", Shape::Seconds(1.0, 86_400.0), "30", "seconds between probes"),
    row("providers[].health.timeout", Shape::Seconds(0.1, 300.0), "2", "seconds one try may take"),
    row("providers[].health.retries", Shape::Whole(0, 10), "2", "further tries before it counts as down"),

    row("routing", Shape::Section, "", "where requests go"),
    row("routing.strategy", Shape::Word(STRATEGIES), "prefer_local", "the order when nothing else decides"),
    row("routing.spillover", Shape::Seconds(0.1, 86_400.0), "none", "under prefer_local, the wait in seconds from which the cloud comes before a busy local server"),
    row("routing.request_priorities", Shape::Named, "", "for a request type, the targets in order"),
    row("routing.request_priorities.*", Shape::Texts, "", "provider ids, provider/model, local, cloud, fastest or a strategy"),
    row("routing.policies", Shape::Sections, "", "rules, the higher priority first"),
    row("routing.policies[].name", Shape::Text, "", "shown in traces and lists").required(),
    row("routing.policies[].priority", Shape::Whole(0, 1_000_000), "0", "the higher comes first"),
    row("routing.policies[].when", Shape::Prompt, "always", "the condition"),
    row("routing.policies[].use", Shape::Texts, "any", "targets in order: provider ids, provider/model, local, cloud, fastest or a strategy"),
    row("routing.policies[].fallback", Shape::Word(&["none", "strategy"]), "none", "what follows when no target of use is left"),
    row("routing.policies[].mode", Shape::Word(&["enforce", "observe"]), "enforce", "observe traces without applying"),
    row("routing.policies[].enabled", Shape::Switch, "true", "false takes it out of use without losing it"),
    row("routing.policies[].deny", Shape::Prompt, "", "refuses the request with this message"),
    row("routing.policies[].local_only", Shape::Switch, "false", "the request reaches no cloud provider, whatever fails"),
    row("routing.policies[].max_tokens", COUNT, "", "caps the answer"),
    row("routing.policies[].temperature", TEMPERATURE, "", "sets the temperature"),
    row("routing.policies[].system_prompt", Shape::Prompt, "", "sets the system prompt"),
    row("routing.policies[].timeout", SILENCE, "", "seconds for the whole call"),

    row("presets", Shape::Named, "", "named prompts with variables, for the playground, presets run and POST /api/v1/llm/NAME"),
    row("presets.*", Shape::Section, "", "one template"),
    row("presets.*.request_type", Shape::Text, "", "the label its calls carry"),
    row("presets.*.system_prompt", Shape::Prompt, "", "may hold {{variables}}; empty: the model's own"),
    row("presets.*.prompt", Shape::Prompt, "", "may hold {{variables}}; \\{{ is a plain {{").required(),
    row("presets.*.defaults", Shape::Scalars, "", "values of variables that a caller leaves out"),
    row("presets.*.model", Shape::Text, "", "the target it asks for"),
    row("presets.*.max_tokens", COUNT, "", "the longest answer asked for"),
    row("presets.*.temperature", TEMPERATURE, "", "how freely it chooses words"),
    row("presets.*.answer_field", Shape::Text, "content", "the name of the text in the HTTP answer"),

    row("limits", Shape::Section, "", "bounds on calls"),
    row("limits.max_concurrent_requests", Shape::Whole(1, 10_000), "5", "calls under way at the same time"),
    row("limits.queue", Shape::Whole(0, 100_000), "256", "calls that may wait"),
    row("limits.call_deadline", Shape::Seconds(1.0, 86_400.0), "600", "seconds a whole call may take"),
    row("limits.default_max_tokens", COUNT, "4096", "asked for when nobody says how long an answer may be"),

    row("limits.clients", Shape::Named, "{}", "what each client may use per minute, by its name; * is any other"),
    row("limits.clients.*", Shape::Section, "", "one client"),
    row("limits.clients.*.requests_per_minute", COUNT, "", "calls per minute"),
    row("limits.clients.*.tokens_per_minute", COUNT, "", "tokens per minute"),

    row("cache", Shape::Section, "", "answers kept for repeated requests"),
    row("cache.enabled", Shape::Switch, "true", "whether answers are kept"),
    row("cache.ttl_seconds", Shape::Whole(1, 31_536_000), "3600", "seconds an answer is kept"),
    row("cache.max_entries", Shape::Whole(1, 10_000_000), "1000", "answers kept at most"),
    row("cache.persist", Shape::Switch, "false", "whether they outlive the process, with their prompts, in answers.sqlite of the state folder"),

    row("budget", Shape::Section, "", "a bound on spending"),
    row("budget.daily_limit", MONEY, "none", "US dollars per day"),
    row("budget.alert_threshold", Shape::Figure(0.0, 1.0), "0.8", "share of the limit at which to warn"),
    row("budget.when_exhausted", Shape::Word(&["local_only", "refuse", "warn"]), "local_only", "what happens at the limit"),
    row("budget.allow_unpriced", Shape::Switch, "false", "whether models without a known price may be used under a limit"),
    row("budget.timezone", Shape::Text, "local", "the zone whose midnight begins a day, as in Europe/Berlin"),

    row("gateway", Shape::Section, "", "the local gateway"),
    row("gateway.listen", Shape::Listen, "127.0.0.1:4141", "where it listens; lmdeck serve takes it at its start"),
    row("gateway.api_keys", Shape::Secrets, "[]", "keys that clients must send, each alone or with its client's name; needed when not on loopback"),
    row("gateway.api_keys[].name", Shape::Text, "", "who sends this key: what request.client and limits.clients call it").required(),
    row("gateway.api_keys[].key", Shape::Secret, "", "the key, best as ${NAME}").required(),
    row("gateway.cors_origins", Shape::Texts, "[]", "origins of web pages that may use it, as in https://app.example; * is any, beside api_keys only"),

    row("telemetry", Shape::Section, "", "what is recorded"),
    row("telemetry.dir", Shape::Text, "the state folder", "where records are kept"),
    row("telemetry.record_prompts", Shape::Switch, "false", "whether prompts and answers are recorded"),
    row("telemetry.retention_days", Shape::Whole(1, 36_500), "30", "days records are kept"),
    row("telemetry.otlp_endpoint", Shape::Address, "none", "a collector that takes OpenTelemetry data over HTTP, as http://127.0.0.1:4318; read at start"),

    row("ui", Shape::Section, "", "the dashboard"),
    row("ui.theme", Shape::Word(&["auto", "dark", "light", "high-contrast", "mono"]), "auto", "its colours"),
    row("ui.ascii", Shape::Switch, "false", "draw with ASCII only"),
    row("ui.reduce_motion", Shape::Switch, "false", "no moving parts"),
    row("ui.mouse", Shape::Switch, "false", "react to the mouse"),
    row("ui.history", Shape::Switch, "true", "keep the playground's prompts"),
    row("ui.keys", Shape::Named, "{}", "your own keys"),
    row("ui.keys.*", Shape::Text, "", "the key for this action"),
    row("ui.alerts", Shape::Section, "", "what the dashboard calls you for"),
    row("ui.alerts.bell", Shape::Word(AlertFor::WORDS), "active", "ring the terminal's bell: active for what takes your calls away"),
    row("ui.alerts.desktop", Shape::Word(AlertFor::WORDS), "never", "a notification of the desktop, where the terminal makes one"),
    row("ui.alerts.desktop_by", Shape::Word(DesktopBy::WORDS), "osc9", "the sequence that asks the terminal for it"),

    // The original service's file.
    old("z_ai_glm", Shape::Section, "", "Z.AI GLM, the primary cloud model"),
    old("z_ai_glm.model_name", Shape::Text, "glm-4.6", "the model"),
    old("z_ai_glm.api_endpoint", Shape::Address, "https://api.z.ai/api/paas/v4", "its address"),
    old("z_ai_glm.api_key", Shape::Secret, "${Z_AI_API_KEY}", "its key, best as ${NAME}"),
    old("z_ai_glm.max_tokens", COUNT, "", "the longest answer asked for"),
    old("z_ai_glm.temperature", TEMPERATURE, "", "how freely it chooses words"),
    old("z_ai_glm.system_prompt", Shape::Prompt, "", "used by the playground, ask and presets"),
    old("z_ai_glm.timeout", SILENCE, "30", "seconds of silence before a try is given up"),
    old("z_ai_glm.max_retries", Shape::Whole(0, 20), "3", "further tries at the same target"),
    row("z_ai_glm.enabled", Shape::Switch, "true", "false takes it out of use without losing it"),
    row("z_ai_glm.name", Shape::Text, "the id", "shown on screen"),
    row("z_ai_glm.local", Shape::Switch, "false", "true lets requests that must stay at home go to this other machine"),

    old("lm_studio", Shape::Section, "", "LM Studio, the primary local server"),
    old("lm_studio.base_url", Shape::Address, "http://127.0.0.1:1234", "its address, with or without /v1"),
    old("lm_studio.timeout", SILENCE, "30", "seconds of silence before a try is given up"),
    old("lm_studio.max_retries", Shape::Whole(0, 20), "3", "further tries at the same target"),
    old("lm_studio.max_tokens", COUNT, "", "the longest answer asked for"),
    old("lm_studio.temperature", TEMPERATURE, "", "how freely it chooses words"),
    old("lm_studio.system_prompt", Shape::Prompt, "", "used by the playground, ask and presets"),
    old("lm_studio.preferred_models", Shape::Texts, "[]", "models to choose first"),
    old("lm_studio.model_settings", Shape::Named, "", "settings by model id"),
    old("lm_studio.model_settings.*", Shape::Section, "", "settings of one model"),
    old("lm_studio.model_settings.*.max_tokens", COUNT, "", "the longest answer asked for"),
    old("lm_studio.model_settings.*.temperature", TEMPERATURE, "", "how freely it chooses words"),
    old("lm_studio.model_settings.*.system_prompt", Shape::Prompt, "", "used by the playground, ask and presets"),
    row("lm_studio.models", Shape::Texts, "[]", "models to use even when the server does not list them"),
    row("lm_studio.api_key", Shape::Secret, "none", "its token, best as ${NAME}"),
    row("lm_studio.enabled", Shape::Switch, "true", "false takes it out of use without losing it"),
    row("lm_studio.name", Shape::Text, "the id", "shown on screen"),
    row("lm_studio.local", Shape::Switch, "false", "true lets requests that must stay at home go to this other machine"),

    old("fallback_models", Shape::Sections, "", "further vendors, in order"),
    old("fallback_models[].provider", Shape::Word(KINDS), "", "what kind of server it is").required(),
    old("fallback_models[].model", Shape::Text, "", "the model").required(),
    old("fallback_models[].api_key", Shape::Secret, "the kind's environment name", "its key, best as ${NAME}"),
    old("fallback_models[].api_endpoint", Shape::Address, "the kind's own", "its address"),
    old("fallback_models[].max_tokens", COUNT, "", "the longest answer asked for"),
    old("fallback_models[].temperature", TEMPERATURE, "", "how freely it chooses words"),
    old("fallback_models[].system_prompt", Shape::Prompt, "", "used by the playground, ask and presets"),
    old("fallback_models[].timeout", SILENCE, "30", "seconds of silence before a try is given up"),
    old("fallback_models[].max_retries", Shape::Whole(0, 20), "3", "further tries at the same target"),
    row("fallback_models[].enabled", Shape::Switch, "true", "false takes it out of use without losing it"),
    row("fallback_models[].name", Shape::Text, "the id", "shown on screen"),
    row("fallback_models[].local", Shape::Switch, "false", "true lets requests that must stay at home go to this other machine"),

    old("model_selection", Shape::Section, "", "where requests go, in the original's words"),
    old("model_selection.strategy", Shape::Word(STRATEGIES), "prefer_local", "the order when nothing else decides").newer("routing.strategy"),
    old("model_selection.request_priorities", Shape::Named, "", "for a request type, the targets in order").newer("routing.request_priorities"),
    old("model_selection.request_priorities.*", Shape::Texts, "", "provider ids, provider/model, local, cloud or a strategy"),

    old("performance", Shape::Section, "", "how calls are carried out"),
    old("performance.cache_enabled", Shape::Switch, "true", "whether answers are kept").newer("cache.enabled"),
    old("performance.cache_ttl_seconds", Shape::Whole(1, 31_536_000), "3600", "seconds an answer is kept").newer("cache.ttl_seconds"),
    old("performance.max_cache_size", Shape::Whole(1, 10_000_000), "1000", "answers kept at most").newer("cache.max_entries"),
    old("performance.request_timeout", SILENCE, "30", "seconds of silence before a try is given up"),
    old("performance.max_concurrent_requests", Shape::Whole(1, 10_000), "5", "calls under way at the same time").newer("limits.max_concurrent_requests"),
    old("performance.lm_studio_health_check_interval", Shape::Seconds(1.0, 86_400.0), "30", "seconds between probes of LM Studio"),
    old("performance.auto_switch_on_failure", Shape::Switch, "true", "false makes the first target's error the answer"),
    old("performance.retry_on_failure", Shape::Switch, "true", "false means one attempt per target"),

    old("cost_optimization", Shape::Section, "", "prices and the daily limit"),
    old("cost_optimization.prefer_local_models", Shape::Switch, "true", "breaks ties of price under cost_optimized"),
    old("cost_optimization.local_model_cost_per_token", MONEY, "0", "US dollars per token of a local model"),
    old("cost_optimization.cloud_model_costs", Shape::Named, "", "US dollars per 1,000 tokens, by kind"),
    old("cost_optimization.cloud_model_costs.*", MONEY, "", "US dollars per 1,000 tokens, in and out alike"),
    old("cost_optimization.daily_budget_limit", MONEY, "none", "US dollars per day").newer("budget.daily_limit"),
    old("cost_optimization.cost_tracking", Shape::Switch, "true", "kept for the original; spending is always recorded"),
    old("cost_optimization.budget_alert_threshold", Shape::Figure(0.0, 1.0), "0.8", "share of the limit at which to warn").newer("budget.alert_threshold"),
];
