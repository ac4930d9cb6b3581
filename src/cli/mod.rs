//! The command line: verbs over the engine's handle. Data to standard output, words to standard error; exit
//! codes 0 ok, 1 failed, 2 usage, 3 configuration, 4 unavailable, 5 denied or over budget.
//!
//! `bootstrap` parses with [`args::Cli`], tries [`offline::run`] first, starts an engine and calls [`run`].
//! Without a verb it opens the dashboard; `serve` is its own business too.

mod agree;
pub mod args;
pub mod console;
pub mod ending;
pub mod offline;
pub mod parity;
mod session;
mod suggest;
mod table;
mod verbs;
mod words;

use crate::engine::handle::EngineHandle;
use args::{Cli, ConfigVerb, HealthVerb, Verb};
use console::Console;
use ending::Ending;
use session::Session;

/// Runs one verb against a started engine; the exit code.
pub async fn run(cli: &Cli, handle: EngineHandle, console: Console) -> u8 {
    let mut session = Session { handle, console, readonly: cli.globals.readonly };
    let result = match verb(cli, &mut session).await {
        Ok(()) => session.console.flush(),
        // What was printed before the trouble goes out before the words about it.
        Err(ending) => session.console.flush().and(Err(ending)),
    };
    result.map_or_else(|ending| ending.tell(&mut session.console), |()| 0)
}

async fn verb(cli: &Cli, session: &mut Session) -> Result<(), Ending> {
    let Some(verb) = &cli.verb else { return Err(not_here()) };
    match verb {
        Verb::Status => verbs::status::run(session).await,
        Verb::Providers { verb } => verbs::providers::run(session, verb).await,
        Verb::Models { verb } => verbs::models::run(session, verb).await,
        Verb::Health { verb: Some(HealthVerb::Incidents { id, since, open, limit }), .. } => {
            verbs::incidents::run(session, id.as_deref(), *since, *open, *limit).await
        }
        Verb::Health { watch, verb: None } => verbs::health::run(session, *watch).await,
        Verb::Probe { id } => verbs::health::probe(session, id.as_deref()).await,
        Verb::Routes { verb } => verbs::routes::run(session, verb).await,
        Verb::Ask(args) => verbs::ask::run(session, args).await,
        Verb::Presets { verb } => verbs::presets::run(session, verb).await,
        Verb::Calls { verb } => verbs::calls::run(session, verb).await,
        Verb::Bench(args) => verbs::bench::run(session, args).await,
        Verb::Connect(args) => verbs::connect::run(session, args).await,
        Verb::Report(args) => verbs::report::run(session, args).await,
        Verb::Cache { verb } => verbs::cache::run(session, verb).await,
        Verb::Budget { days } => verbs::budget::run(session, *days).await,
        Verb::Logs(args) => verbs::logs::run(session, args).await,
        Verb::Config { verb: ConfigVerb::Show } => verbs::config::show(session),
        Verb::Config { verb: ConfigVerb::Set { path, value } } => verbs::config::set(session, path, value).await,
        Verb::Config { verb: ConfigVerb::Undo { last_good: true, dry_run } } => {
            verbs::config::put_back(session, *dry_run).await
        }
        Verb::Config { verb: ConfigVerb::Undo { .. } } => verbs::config::undo(session).await,
        Verb::Config { verb: ConfigVerb::Trust } => verbs::config::trust(session).await,
        Verb::Config { verb: ConfigVerb::Path | ConfigVerb::Check { .. } | ConfigVerb::Schema }
        | Verb::Serve(_)
        | Verb::Demo(_)
        | Verb::Completions { .. }
        | Verb::Man { .. } => Err(not_here()),
    }
}

/// Only a fault in the wiring brings such a verb here.
fn not_here() -> Ending {
    Ending::internal("this verb does not run against an engine")
}
