//! The answer under way: its text to one stream, what happens to it to the other.

use crate::cli::console::Console;
use crate::cli::ending::{Ending, USAGE};
use crate::cli::words;
use crate::domain::call::CallRecord;
use crate::domain::failure::{Cause, ErrorCode, Failure};
use crate::domain::ids::Target;
use crate::engine::protocol::{CallEvent, CallOutcome, Snapshot};
use crate::present::labels::Role;
use crate::present::remedy::text_of_call;
use crate::present::{escape, models, units};

/// An answer held back for `--json` may grow to this; what a terminal shows is not held.
const MOST_HELD_BYTES: usize = 64 * 1024 * 1024;
/// Candidates named when no target could take the call.
const MOST_REJECTS: usize = 6;

/// What stands on standard output so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    WholeLines,
    OpenLine,
}

pub struct Answer {
    /// Only with `--json`; else it has gone out already.
    pub text: String,
    hold: bool,
    /// More came than is held back.
    overflow: bool,
    written: Written,
    carriage_return: bool,
    loading: Option<Target>,
    /// Why an earlier target did not take it.
    fell_back: Option<String>,
}

impl Answer {
    pub fn new(hold: bool) -> Self {
        Self {
            text: String::new(),
            hold,
            overflow: false,
            written: Written::Nothing,
            carriage_return: false,
            loading: None,
            fell_back: None,
        }
    }

    /// One event; the outcome when it is the last.
    pub fn take(&mut self, console: &mut Console, event: CallEvent) -> Result<Option<Box<CallOutcome>>, Ending> {
        match event {
            CallEvent::Text { text } => self.write(console, &text)?,
            CallEvent::FellBack { from, failure, to } => self.fall_back(console, &from, &failure, to.as_ref()),
            CallEvent::Loading { target, last_ms, .. } => self.load(console, target, last_ms),
            CallEvent::End(outcome) => {
                self.end_line(console)?;
                return Ok(Some(outcome));
            }
            // Reasoning is kept apart from the answer; raw bytes come only to those who sent a raw body.
            CallEvent::Trying { .. }
            | CallEvent::Head(_)
            | CallEvent::Reasoning { .. }
            | CallEvent::Raw { .. }
            | CallEvent::Usage { .. } => {}
        }
        Ok(None)
    }

    fn write(&mut self, console: &mut Console, text: &str) -> Result<(), Ending> {
        if self.hold {
            self.overflow |= self.text.len() + text.len() > MOST_HELD_BYTES;
            if !self.overflow {
                self.text.push_str(text);
            }
            return Ok(());
        }
        let harmless = self.harmless(text);
        if let Some(last) = harmless.chars().last() {
            self.written = if last == '\n' { Written::WholeLines } else { Written::OpenLine };
            console.piece(&harmless)?;
        }
        Ok(())
    }

    /// Escaped in a pipe too: what reads the pipe is often a terminal again. Tabs stay, an answer may be a
    /// Makefile. A carriage return waits for what follows it: with a line feed it is a line end.
    fn harmless(&mut self, text: &str) -> String {
        let text = if self.carriage_return { format!("\r{text}") } else { text.to_owned() };
        self.carriage_return = text.ends_with('\r');
        let text = text.strip_suffix('\r').unwrap_or(&text);
        text.split('\t').map(escape::block).collect::<Vec<_>>().join("\t")
    }

    fn end_line(&mut self, console: &mut Console) -> Result<(), Ending> {
        if self.written == Written::OpenLine {
            self.written = Written::WholeLines;
            console.piece("\n")?;
        }
        Ok(())
    }

    fn fall_back(&mut self, console: &mut Console, from: &Target, failure: &Failure, to: Option<&Target>) {
        let name = escape::line(from.provider.as_str());
        self.fell_back = Some(format!("{name} {}", words::cannot(failure, true)));
        if let Some(to) = to {
            let now = words::cannot(failure, false);
            let next = if to == from {
                "trying it again".to_owned()
            } else {
                format!("trying {}", escape::line(&to.to_string()))
            };
            console.say(Role::Muted, &format!("-- {name} {now}, {next}"));
        }
    }

    /// Said once per target: a model that loads blocks without progress.
    fn load(&mut self, console: &mut Console, target: Target, last_ms: Option<u64>) {
        if self.loading.as_ref() != Some(&target) {
            let last = models::last_time(last_ms).map(|last| format!(", {last}")).unwrap_or_default();
            console.say(Role::Muted, &format!("-- {} has to load first{last}", escape::line(&target.to_string())));
            self.loading = Some(target);
        }
    }

    /// Why the rest of an answer is not worth waiting for: it cannot be shown.
    pub fn too_large(&self) -> Option<Failure> {
        let limit = MOST_HELD_BYTES / (1024 * 1024);
        let message = format!("the answer is larger than {limit} MiB, and --json keeps it whole");
        let cause = Cause::TooLarge { limit_bytes: MOST_HELD_BYTES as u64 };
        self.overflow.then(|| Failure::new(ErrorCode::BadAnswer, cause, message))
    }

    pub fn stopped(&mut self, console: &mut Console, exit: u8) -> Ending {
        let words = match self.written {
            Written::Nothing => "-- stopped before an answer came",
            Written::WholeLines | Written::OpenLine => "-- stopped: the answer ends here",
        };
        if let Err(ending) = self.end_line(console) {
            return ending;
        }
        console.say(Role::Muted, words);
        Ending::Exit(exit)
    }

    /// The two lines after an answer: who gave it and how fast; tokens, money and where to read on.
    pub fn sum_up(&self, console: &mut Console, record: &CallRecord) {
        console.say(Role::Muted, &format!("-- {}", self.who(record)));
        console.say(Role::Muted, &format!("-- {}", what(record)));
        if let Some(other) = record.attempts.last().and_then(|attempt| attempt.answered_by_another()) {
            let text = format!("-- the server answered with {other}, not with the model asked for");
            console.say(Role::Warn, &escape::line(&text));
        }
    }

    fn who(&self, record: &CallRecord) -> String {
        let target = record.target.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
        let mut line = format!("{target} by {}", words::policy(&record.policy));
        if record.attempts.len() > 1 {
            let nth = units::ordinal(record.attempts.len());
            let why = self.fell_back.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            line = format!("{line}, {nth} try{why}");
        }
        let mut figures = Vec::new();
        match (record.cache.as_str(), record.ttft_ms) {
            ("hit", _) => figures.push("from the cache".to_owned()),
            (_, Some(ms)) if record.facts.stream => {
                figures.push(format!("{} to first token", units::first_token(ms)));
            }
            _ => figures.push(units::duration(record.duration_ms)),
        }
        if let Some(rate) = record.tokens_per_second() {
            figures.push(units::rate(rate));
        }
        format!("{}   {}", escape::line(&line), figures.join(", "))
    }
}

/// Who was left out, where that is why there is no answer and the error's own sentence does not tell it.
pub fn say_rejects(console: &mut Console, record: &CallRecord, failure: &Failure) {
    if record.attempts.is_empty() {
        let untold = record.rejects.iter().filter(|reject| !failure.message.contains(reject.reason.as_ref()));
        for reject in untold.take(MOST_REJECTS) {
            let text = format!("-- {}: {}", reject.target, reject.reason);
            console.say(Role::Muted, &escape::line(&text));
        }
    }
}

/// The model that was named is none: nobody has it, or the one it was named at says so.
fn names_nothing(record: &CallRecord, failure: &Failure) -> bool {
    let named = record.target.as_ref().is_some_and(|target| {
        let asked = &record.facts.requested_model;
        *asked == target.to_string() || asked == target.model.as_str()
    });
    match record.attempts.last() {
        None => failure.code == ErrorCode::NotFound,
        Some(_) => named && failure.is_unknown_model(),
    }
}

pub fn failure(snapshot: &Snapshot, outcome: &CallOutcome, failure: &Failure) -> Ending {
    let last = outcome.record.attempts.last();
    let what = match (failure.code, last) {
        _ if outcome.after_answer_bytes => "the answer broke off".to_owned(),
        (ErrorCode::Denied | ErrorCode::Budget, _) => "not sent".to_owned(),
        (_, Some(attempt)) => attempt.target.to_string(),
        (_, None) => "no answer".to_owned(),
    };
    let todo = text_of_call(failure, &outcome.record, &snapshot.providers);
    let exit = if names_nothing(&outcome.record, failure) { USAGE } else { failure.code.class().exit };
    Ending::new(exit, format!("{what}: {}", failure.message), todo)
}

fn what(record: &CallRecord) -> String {
    let used = match record.usage {
        Some(usage) => format!("{} in, {} out", units::thousands(usage.input), units::thousands(usage.output)),
        None => "tokens unknown".to_owned(),
    };
    let cost = match units::cost(record.cost) {
        cost if cost == "unknown" => "price unknown".to_owned(),
        cost => cost,
    };
    let id = escape::line(record.id.as_str());
    format!("{used}, {cost}   {id}   why: lmdeck routes explain --call {id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(pieces: &[String]) -> String {
        let mut answer = Answer::new(false);
        pieces.iter().map(|piece| answer.harmless(piece)).collect()
    }

    proptest! {
        #[test]
        fn no_answer_steers_a_terminal_however_it_is_cut(pieces in prop::collection::vec(any::<String>(), 0..6)) {
            let shown = through(&pieces);
            prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{shown:?}");
        }

        #[test]
        fn plain_text_arrives_as_it_was_and_line_ends_as_one(text in "[a-zé日\t\n]{0,40}", cut in 0usize..41) {
            let windows = text.replace('\n', "\r\n");
            let at = windows.char_indices().nth(cut).map_or(windows.len(), |(at, _)| at);
            let pieces = [windows[..at].to_owned(), windows[at..].to_owned()];
            prop_assert_eq!(through(&pieces), text);
        }
    }
}
