//! Puts the house together: finds the folders, opens the adapters, starts the engine, runs one front end, and
//! takes everything down in order. The only place that names concrete adapters.

pub mod demo;
mod front;
mod ground;

use crate::adapters::clock::unix_now;
use crate::cli::args::{Cli, ConfigVerb, Verb};
use crate::cli::console::Console;
use crate::cli::ending::{self, CONFIGURATION};
use crate::cli::offline;
use crate::engine::ports::{ConfigStore as _, Loaded, Unusable};
use crate::engine::{Engine, Options};
use color_eyre::eyre::{Result, WrapErr as _};
use ground::{Folders, Opened};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long tasks and threads that still run may hold the exit.
const LAST_TASKS: Duration = Duration::from_millis(100);

/// Runs what the command line asks for; the exit code.
///
/// # Errors
/// Trouble before there is anything to run: no folder to keep state in, no runtime.
pub fn run(cli: &Cli) -> Result<u8> {
    // First: the dashboard's own panic hook restores the terminal and then calls this one.
    color_eyre::config::HookBuilder::default().display_env_section(false).install()?;
    if let Some(Verb::Demo(args)) = &cli.verb {
        return front::refuse_early(cli).map_or_else(|| demo::run(cli, args), Ok);
    }
    let folders = Folders::find(&cli.globals)?;
    let mut console = Console::of_process(&cli.globals, unix_now);
    if let Some(code) = offline::run(cli, &mut console, &folders) {
        return Ok(code);
    }
    if let Some(code) = front::refuse_early(cli) {
        return Ok(code);
    }
    let runtime = runtime(cli).wrap_err("the runtime could not be started")?;
    let (code, opened) = runtime.block_on(with_engine(cli, &folders, console))?;
    // Tasks hold on to the adapters: they go first, so that the ledger's last batch has nobody to wait for. A
    // reader thread on a terminal that is gone must not hold the exit.
    runtime.shutdown_timeout(LAST_TASKS);
    if let Some(opened) = opened {
        opened.close();
    }
    Ok(code)
}

/// The dashboard keeps its main thread for drawing and typing, so the engine works beside it. Everything else
/// runs on one thread: a call hops between tasks several times, and a hop to another thread costs more than all
/// of lmdeck's own work on a call.
fn runtime(cli: &Cli) -> std::io::Result<Runtime> {
    let mut builder = if cli.verb.is_none() { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().thread_name("lmdeck").build()
}

/// The exit code, and what is to be closed when every task has ended.
async fn with_engine(cli: &Cli, folders: &Folders, mut console: Console) -> Result<(u8, Option<Opened>)> {
    let store = folders.config_store();
    let loaded = store.load();
    if let Err(unusable) = &loaded
        && !works_with_a_broken_file(cli)
    {
        return Ok((say_unusable(&mut console, unusable), None));
    }
    let mut opened = Opened::new(folders, store, loaded.as_ref().ok())?;
    if let Some(notice) = opened.ledger.take_notice() {
        console.say(crate::present::labels::Role::Warn, &notice);
    }
    let engine = Engine::start(opened.ports(), loaded, options(cli, folders));
    opened.begin_export(engine.handle.snapshots())?;
    let code = match &cli.verb {
        None => front::dashboard(cli, &engine, None).await?,
        Some(Verb::Serve(args)) => front::serve(args, &engine, &mut console).await,
        Some(_) => crate::cli::run(cli, engine.handle.clone(), console).await,
    };
    engine.stop().await;
    Ok((code, Some(opened)))
}

/// The dashboard opens on the error; undo and trust are among what mends it.
fn works_with_a_broken_file(cli: &Cli) -> bool {
    matches!(
        cli.verb,
        None | Some(Verb::Config { verb: ConfigVerb::Undo { .. } | ConfigVerb::Trust } | Verb::Report(_))
    )
}

fn say_unusable(console: &mut Console, unusable: &Unusable) -> u8 {
    for issue in &unusable.issues {
        ending::say_issue(console, issue);
    }
    let code = ending::Ending::new(
        CONFIGURATION,
        format!("the configuration {} cannot be used", unusable.file),
        if unusable.last_good.is_some() {
            "mend it (lmdeck config check), or put the last version back that could be used: lmdeck config undo \
             --last-good"
        } else {
            "mend it, then: lmdeck config check"
        },
    )
    .tell(console);
    if console.flush().is_err() { CONFIGURATION } else { code }
}

fn options(cli: &Cli, folders: &Folders) -> Options {
    let watching = matches!(cli.verb, None | Some(Verb::Serve(_) | Verb::Health { watch: true, .. }));
    Options {
        schedule_probes: watching,
        state_dir: folders.state.display().to_string(),
        rejected: None,
        read_only: cli.globals.readonly,
        system: system(),
    }
}

/// As in `Linux 6.8.0 x86_64`.
fn system() -> String {
    let name = rustix::system::uname();
    let parts = [name.sysname(), name.release(), name.machine()];
    parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
}

/// What a configuration says about records; the defaults when there is none.
fn telemetry(loaded: Option<&Loaded>) -> crate::domain::config::Telemetry {
    loaded.map(|loaded| loaded.config.telemetry.clone()).unwrap_or_default()
}
