//! Slots and the queue, limits, kept answers and the export to a collector, in words.

use super::labels::Role;
use super::{escape, units};
use crate::engine::protocol::{CacheView, ExportView, FlowView, LimitView, QueueAt, QueueView};

/// The longest name of a client, in characters.
const NAME: usize = 24;

/// One line of what there is to say: its name, what is said, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: &'static str,
    pub text: String,
    pub role: Role,
}

/// Whether calls wait, had to, or were turned away: then the queue is worth a line.
pub fn is_queue_news(queue: &QueueView) -> bool {
    queue.waiting > 0 || queue.waited > 0 || queue.refused > 0
}

/// Whether an answer was looked for or is kept.
pub fn is_cache_news(cache: &CacheView) -> bool {
    cache.entries > 0 || cache.hits + cache.misses > 0
}

/// `5 of 5 under way, 3 wait: 1 high, 2 normal`.
pub fn queue(queue: &QueueView) -> String {
    let now = format!("{} of {} under way, {}", queue.running, queue.slots, waits(queue.waiting));
    let by = queue.waiting_by;
    let by: Vec<String> = [(by.high, "high"), (by.normal, "normal"), (by.low, "low")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if by.is_empty() { now } else { format!("{now}: {}", by.join(", ")) }
}

/// `12 waited, at most 3.1 s; 4 turned away`, of the time since the start; empty when nobody had to wait.
pub fn waited(queue: &QueueView) -> String {
    let waited = (queue.waited > 0)
        .then(|| format!("{} waited, at most {}", units::thousands(queue.waited), units::duration(queue.longest_ms)));
    let refused = (queue.refused > 0).then(|| format!("{} turned away", units::thousands(queue.refused)));
    waited.into_iter().chain(refused).collect::<Vec<_>>().join("; ")
}

/// The same at one provider: `lm_studio 4 of 4 under way, 3 wait`.
pub fn queue_at(at: &QueueAt) -> String {
    let slots = at.slots.map_or_else(String::new, |slots| format!(" of {slots}"));
    format!("{} {}{slots} under way, {}", escape::line(at.provider.as_str()), at.running, waits(at.waiting))
}

/// `dspy 58 of 60 calls, 30.1k of 40.0k tokens`.
pub fn limit(view: &LimitView) -> String {
    let part = |used: u64, limit: Option<u64>, what: &str, words: fn(u64) -> String| {
        limit.map(|limit| format!("{} of {} {what}", words(used), words(limit)))
    };
    let calls = part(view.requests, view.requests_limit, "calls", units::thousands);
    let tokens = part(view.tokens, view.tokens_limit, "tokens", units::tokens);
    let used: Vec<String> = calls.into_iter().chain(tokens).collect();
    let who = if view.of.is_empty() { "unnamed clients".into() } else { escape::line_capped(&view.of, NAME) };
    format!("{who} {}", used.join(", "))
}

/// `12 answers; 8 hits, 20 misses`.
pub fn cache(view: &CacheView) -> String {
    let answers = units::count(view.entries, "answer", "answers");
    let only = match view.only_misses {
        0 => String::new(),
        calls => format!(", {} asked for kept answers only", units::thousands(calls)),
    };
    let (hits, misses) = (hits(view), units::count(view.misses, "miss", "misses"));
    format!("{answers}; {hits}, {misses}{only}")
}

/// `204 calls to http://127.0.0.1:4318`, or what keeps them back.
pub fn export(view: &ExportView) -> String {
    let dropped = match view.dropped {
        0 => String::new(),
        calls => format!(", {} given up", units::thousands(calls)),
    };
    let place = escape::line(&view.endpoint);
    match &view.trouble {
        Some(why) => format!("{place} does not get the calls: {}{dropped}", escape::line(why)),
        None => format!("{} to {place}{dropped}", units::count(view.sent, "call", "calls")),
    }
}

/// All there is to say, each with its label: nothing of what has no news.
pub fn all(flow: &FlowView) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if is_queue_news(&flow.queue) {
        let waited = waited(&flow.queue);
        lines.push(("queue", [queue(&flow.queue), waited].join("; ").trim_end_matches("; ").to_owned()));
        let busy = flow.queue.providers.iter().filter(|at| at.waiting > 0 || at.slots.is_some());
        lines.extend(busy.map(|at| ("", queue_at(at))));
    }
    for (place, view) in flow.limits.iter().enumerate() {
        lines.push((if place == 0 { "limits" } else { "" }, limit(view)));
    }
    if flow.limited > 0 {
        let calls = units::count(flow.limited, "call", "calls");
        lines.push(("", format!("{calls} turned away: their client had used up its limit")));
    }
    if is_cache_news(&flow.cache) {
        lines.push(("cache", cache(&flow.cache)));
    }
    lines.extend(flow.export.as_ref().map(|view| ("collector", export(view))));
    lines
}

/// A line for each of them that has news, the most pressing first, as a screen with little room shows them.
pub fn brief(flow: &FlowView) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |name, text: String, role| lines.push(Line { name, text, role });
    let export_trouble = flow.export.as_ref().filter(|view| view.trouble.is_some());
    if flow.queue.waiting > 0 {
        say("queue", queue(&flow.queue), Role::Warn);
    }
    if export_trouble.is_some() {
        say("collector", "calls do not reach it".into(), Role::Warn);
    }
    if let Some(fullest) = flow.limits.first() {
        let others = flow.limits.len() - 1;
        let more = if others == 0 { String::new() } else { format!(" +{others}") };
        let role = if fullest.permille() >= 1000 { Role::Warn } else { Role::Plain };
        say("limit", format!("{}{more}", limit(fullest)), role);
    }
    if flow.limited > 0 {
        say("over limit", format!("{} turned away", units::thousands(flow.limited)), Role::Plain);
    }
    if is_cache_news(&flow.cache) {
        let of = flow.cache.hits + flow.cache.misses;
        let answers = units::count(flow.cache.entries, "answer", "answers");
        let text = format!("{answers}, {} of {}", hits(&flow.cache), units::thousands(of));
        say("cache", text, Role::Plain);
    }
    if flow.queue.waiting == 0 && is_queue_news(&flow.queue) {
        say("queue", waited(&flow.queue), Role::Plain);
    }
    if let Some(view) = flow.export.as_ref().filter(|view| view.trouble.is_none() && view.sent + view.dropped > 0) {
        say("collector", units::count(view.sent, "call", "calls"), Role::Plain);
    }
    lines
}

fn hits(view: &CacheView) -> String {
    units::count(view.hits, "hit", "hits")
}

fn waits(count: usize) -> String {
    match count {
        0 => "none waits".to_owned(),
        1 => "1 waits".to_owned(),
        count => format!("{count} wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::ByPriority;

    fn busy() -> FlowView {
        FlowView {
            queue: QueueView {
                running: 5,
                waiting: 3,
                slots: 5,
                waited: 12,
                refused: 4,
                longest_ms: 3100,
                waiting_by: ByPriority { high: 1, normal: 2, low: 0 },
                ..QueueView::default()
            },
            cache: CacheView { entries: 12, hits: 8, misses: 20, only_misses: 1, ..CacheView::default() },
            export: Some(ExportView { endpoint: "http://c".into(), sent: 204, ..ExportView::default() }),
            limits: vec![
                LimitView {
                    of: "dspy".into(),
                    client: true,
                    requests: 58,
                    requests_limit: Some(60),
                    tokens: 30_100,
                    tokens_limit: Some(40_000),
                },
                LimitView {
                    of: "lm_studio".into(),
                    requests: 1,
                    tokens: 9,
                    tokens_limit: Some(100),
                    ..LimitView::default()
                },
            ],
            limited: 0,
        }
    }

    #[test]
    fn everything_is_said_in_full() {
        let flow = busy();
        assert_eq!(queue(&flow.queue), "5 of 5 under way, 3 wait: 1 high, 2 normal");
        assert_eq!(waited(&flow.queue), "12 waited, at most 3.1 s; 4 turned away");
        assert_eq!(limit(&flow.limits[0]), "dspy 58 of 60 calls, 30.1k of 40.0k tokens");
        assert_eq!(limit(&flow.limits[1]), "lm_studio 9 of 100 tokens");
        assert_eq!(cache(&flow.cache), "12 answers; 8 hits, 20 misses, 1 asked for kept answers only");
        let away = ExportView { trouble: Some("refused\u{1b}[2J".into()), dropped: 3, ..flow.export.unwrap() };
        assert_eq!(export(&away), "http://c does not get the calls: refused^[[2J, 3 given up");
    }

    #[test]
    fn in_little_room_the_most_pressing_comes_first_and_what_has_no_news_is_silent() {
        assert_eq!(brief(&FlowView::default()), []);
        let words =
            |flow: &FlowView| brief(flow).iter().map(|line| format!("{} {}", line.name, line.text)).collect::<Vec<_>>();
        let mut flow = busy();
        assert_eq!(
            words(&flow),
            [
                "queue 5 of 5 under way, 3 wait: 1 high, 2 normal",
                "limit dspy 58 of 60 calls, 30.1k of 40.0k tokens +1",
                "cache 12 answers, 8 hits of 28",
                "collector 204 calls",
            ]
        );
        (flow.queue.waiting, flow.limits) = (0, Vec::new());
        flow.export = flow.export.map(|view| ExportView { trouble: Some("refused".into()), ..view });
        assert_eq!(words(&flow)[0], "collector calls do not reach it");
        assert_eq!(words(&flow)[2], "queue 12 waited, at most 3.1 s; 4 turned away");
    }
}
