//! The front ends that live long: the dashboard, which hosts the gateway too, and the gateway alone.

use super::ground::Opened;
use crate::adapters::clock::unix_now;
use crate::cli::args::{Cli, ColorWhen, ServeArgs, Verb};
use crate::cli::console::Console;
use crate::cli::ending::{Ending, UNAVAILABLE};
use crate::domain::config::Gateway;
use crate::engine::Engine;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::GatewayView;
use crate::gateway::{self, GatewayOptions};
use crate::present::labels::Role;
use crate::tui::theme::ColorWish;
use crate::tui::{self, TuiOptions};
use color_eyre::eyre::Result;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long calls through a hosted gateway may hold up leaving the dashboard.
const HOSTED_DRAIN: Duration = Duration::from_secs(1);

/// Runs the dashboard; while it runs the gateway listens too. A taken port is a message, not a failure: another
/// lmdeck may be serving. `banner` stands on every screen.
pub async fn dashboard(cli: &Cli, engine: &Engine, opened: &Opened, banner: Option<String>) -> Result<u8> {
    let options = TuiOptions {
        color: match cli.globals.color {
            ColorWhen::Auto => ColorWish::Auto,
            ColorWhen::Always => ColorWish::Always,
            ColorWhen::Never => ColorWish::Never,
        },
        ascii: cli.globals.ascii,
        plain: cli.globals.plain,
        readonly: cli.globals.readonly,
        banner,
        ..TuiOptions::from_env(unix_now)
    };
    let stop = CancellationToken::new();
    let hosted = tokio::spawn(host_gateway(engine.handle.clone(), opened.gateway(), stop.clone()));
    let exit = tui::run(engine.handle.clone(), options).await;
    stop.cancel();
    // The terminal is the shell's again: calls that other programs have under way may not hold it for long.
    if tokio::time::timeout(HOSTED_DRAIN, hosted).await.is_err() {
        tracing::warn!("calls through the gateway were cut when the dashboard was left");
    }
    match exit {
        Ok(exit) => Ok(exit.code()),
        Err(error) => {
            eprintln!("error: {error}");
            Ok(error.exit_code())
        }
    }
}

async fn host_gateway(handle: EngineHandle, settings: Gateway, stop: CancellationToken) {
    let listen = settings.listen;
    let options = GatewayOptions::of(settings);
    let trouble = match gateway::bind(listen, &options).await {
        Ok(listener) => {
            let served = gateway::serve(listener, handle.clone(), options, unix_now, stop.cancelled_owned()).await;
            served.err().map(|error| error.to_string())
        }
        Err(sentence) => Some(sentence),
    };
    if let Some(trouble) = trouble {
        handle.report_gateway(GatewayView { listening: None, trouble: Some(trouble) });
    }
}

/// A command line that cannot run is told before anything starts.
pub fn refuse_early(cli: &Cli) -> Option<u8> {
    let no_terminal = matches!(cli.verb, None | Some(Verb::Demo(_))) && !cli.globals.plain && !tui::has_terminal();
    no_terminal.then(|| {
        let error = tui::TuiError::NotATerminal;
        eprintln!("error: {error}");
        error.exit_code()
    })
}

/// Serves the gateway until a signal asks to stop.
pub async fn serve(args: &ServeArgs, engine: &Engine, opened: &Opened, console: &mut Console) -> u8 {
    let settings = opened.gateway();
    let address = args.listen.unwrap_or(settings.listen);
    let options = GatewayOptions::of(settings);
    // What the settings do not allow is no matter of trying again later, as a taken port is.
    if let Err(sentence) = options.check_address(address) {
        return Ending::usage(sentence, "").tell(console);
    }
    let listener = match gateway::bind(address, &options).await {
        Ok(listener) => listener,
        Err(sentence) => return Ending::new(UNAVAILABLE, sentence, "").tell(console),
    };
    let address = listener.local_addr().unwrap_or(address);
    if let Err(ending) = say_where(console, address) {
        return ending.tell(console);
    }
    match gateway::serve(listener, engine.handle.clone(), options, unix_now, asked_to_stop()).await {
        Ok(()) => 0,
        Err(error) => Ending::new(UNAVAILABLE, format!("the gateway stopped: {error}"), "lmdeck logs has the details")
            .tell(console),
    }
}

/// Words for a person, or one line of JSON for a script that started it on port 0.
fn say_where(console: &mut Console, address: SocketAddr) -> Result<(), Ending> {
    let base = format!("http://{address}/v1");
    console.say(Role::Plain, &format!("listening on http://{address}, OpenAI clients use {base}"));
    if console.json {
        console.document_line(&json!({ "listening": address, "base_url": base }))?;
    }
    Ok(())
}

/// SIGINT, SIGTERM or SIGHUP, whichever comes first.
async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        tracing::error!("signals cannot be caught: only SIGKILL ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
