//! `logs`: the application log, once or as it grows.

use crate::cli::args::LogsArgs;
use crate::cli::ending::Ending;
use crate::cli::session::{Session, unexpected};
use crate::engine::protocol::{Command, LogLine, LogQuery, Reply};
use crate::present::labels::Role;
use std::time::Duration;

/// How often the log is read again: it is a file that other processes write to as well.
const POLL: Duration = Duration::from_millis(500);
/// Lines compared to find the new ones; more than this in one poll are not all shown.
const FOLLOW_WINDOW: usize = 1000;

pub async fn run(session: &mut Session, args: &LogsArgs) -> Result<(), Ending> {
    let mut query = LogQuery {
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
        filter: args.filter.clone(),
        level: args.level.map(|level| level.word().to_owned()).unwrap_or_default(),
    };
    let lines = ask(session, &query).await?;
    if !args.follow {
        if session.console.json {
            return session.console.document(&lines);
        }
        if lines.is_empty() {
            session.console.say(Role::Plain, "No lines in the log.");
        }
        return print(session, &lines);
    }
    print(session, &lines)?;
    query.limit = FOLLOW_WINDOW;
    let mut known = ask(session, &query).await?;
    print(session, fresh(&lines, &known))?;
    let mut interrupted = session.console.interrupted();
    loop {
        tokio::select! {
            biased;
            _ = &mut interrupted => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
        let lines = ask(session, &query).await?;
        print(session, fresh(&known, &lines))?;
        known = lines;
    }
}

async fn ask(session: &Session, query: &LogQuery) -> Result<Vec<LogLine>, Ending> {
    match session.ask(Command::ReadLog { query: Box::new(query.clone()) }).await? {
        Reply::Log(lines) => Ok(lines),
        _ => Err(unexpected("logs")),
    }
}

fn print(session: &mut Session, lines: &[LogLine]) -> Result<(), Ending> {
    for line in lines {
        if session.console.json {
            session.console.document_line(line)?;
            continue;
        }
        let role = match line.level.to_ascii_lowercase().as_str() {
            "error" => Role::Bad,
            "warn" => Role::Warn,
            _ => Role::Muted,
        };
        let level = session.console.paint(role, &format!("{:<5}", line.level.to_ascii_lowercase()));
        let rest = session.console.paint(Role::Plain, &format!("{}: {}", line.target, line.message));
        let time = session.console.paint(Role::Plain, &line.ts);
        session.console.line(&format!("{time} {level} {rest}"))?;
    }
    session.console.flush()
}

/// The lines of `new` that were not in `old`, both being the last lines of one growing log: the end of the old
/// window is looked for in the new one, the longest match first.
fn fresh<'a>(old: &[LogLine], new: &'a [LogLine]) -> &'a [LogLine] {
    for start in 0..old.len() {
        let rest = &old[start..];
        if let Some(place) = new.windows(rest.len()).rposition(|window| window == rest) {
            return &new[place + rest.len()..];
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn log(numbers: impl Iterator<Item = usize>) -> Vec<LogLine> {
        let line = |n: usize| LogLine {
            ts: String::new(),
            level: "info".into(),
            target: String::new(),
            message: n.to_string(),
        };
        numbers.map(line).collect()
    }

    proptest! {
        #[test]
        fn each_new_line_is_printed_once(written in 0usize..30, more in 0usize..8, window in 8usize..12) {
            let end = written + more;
            let old = log(written.saturating_sub(window)..written);
            let new = log(end.saturating_sub(window)..end);
            prop_assert_eq!(fresh(&old, &new), &log(written..end)[..]);
        }
    }
}
