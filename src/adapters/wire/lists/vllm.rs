//! vLLM's `/metrics`. Its model list is the common one.

use super::metrics::{count, permille};
use crate::domain::health::Activity;

/// Requests at work and waiting, summed over its engines, and how full the room for contexts is.
pub fn vllm_metrics(text: &str) -> Activity {
    Activity {
        slots_busy: count(text, "vllm:num_requests_running"),
        queued: count(text, "vllm:num_requests_waiting"),
        kv_cache_permille: permille(text, "vllm:kv_cache_usage_perc")
            .or_else(|| permille(text, "vllm:gpu_cache_usage_perc")),
        ..Activity::default()
    }
}
