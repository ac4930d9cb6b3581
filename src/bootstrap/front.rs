//! The front ends that live long: the dashboard, which hosts the gateway too, and the gateway alone.

use crate::adapters::clock::unix_now;
use crate::cli::args::{Cli, ColorWhen, ServeArgs, Verb};
use crate::cli::console::Console;
use crate::cli::ending::{CONFIGURATION, Ending, UNAVAILABLE};
use crate::domain::config::Gateway;
use crate::engine::Engine;
use crate::engine::handle::EngineHandle;
use crate::engine::protocol::GatewayView;
use crate::gateway::{self, GatewayOptions, Settings};
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
pub async fn dashboard(cli: &Cli, engine: &Engine, banner: Option<String>) -> Result<u8> {
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
    let hosted = tokio::spawn(host_gateway(engine.handle.clone(), engine.gateway(), stop.clone()));
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

/// The gateway listens wherever the configuration in force says, and waits for one: until then nobody knows whom to
/// let in.
async fn host_gateway(handle: EngineHandle, mut settings: Settings, stop: CancellationToken) {
    loop {
        let now = settings.borrow_and_update().clone();
        let trouble = match now {
            Some(now) => listen_there(&handle, now, &settings, &stop).await,
            None => Some("the gateway waits until the file can be used".to_owned()),
        };
        if stop.is_cancelled() {
            return;
        }
        let Some(trouble) = trouble else { continue };
        handle.report_gateway(GatewayView { listening: None, trouble: Some(trouble) });
        if !matches!(stop.run_until_cancelled(settings.changed()).await, Some(Ok(()))) {
            return;
        }
    }
}

/// Listens as these settings say until others name another address; why it does not, where it does not.
async fn listen_there(
    handle: &EngineHandle,
    now: Gateway,
    settings: &Settings,
    stop: &CancellationToken,
) -> Option<String> {
    let (listen, mut later) = (now.listen, settings.clone());
    let options = GatewayOptions::of(now);
    let listener = match gateway::bind(listen, &options).await {
        Ok(listener) => listener,
        Err(sentence) => return Some(sentence),
    };
    let until = async {
        stop.run_until_cancelled(moved(&mut later, listen)).await;
    };
    let served =
        gateway::serve_following(listener, handle.clone(), options, Some(settings.clone()), unix_now, until).await;
    served.err().map(|error| error.to_string())
}

/// Waits until the configuration names another address, and tells it.
async fn moved(settings: &mut Settings, from: SocketAddr) -> SocketAddr {
    let elsewhere = |now: &Option<Gateway>| now.as_ref().is_some_and(|now| now.listen != from);
    match settings.wait_for(elsewhere).await.map(|now| now.as_ref().map(|now| now.listen)) {
        Ok(Some(listen)) => listen,
        // The engine is gone, and the end is near.
        _ => std::future::pending().await,
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
pub async fn serve(args: &ServeArgs, engine: &Engine, console: &mut Console) -> u8 {
    let mut settings = engine.gateway();
    let Some(now) = settings.borrow_and_update().clone() else {
        return Ending::new(CONFIGURATION, "no configuration is in force", "lmdeck config check says why")
            .tell(console);
    };
    let configured = now.listen;
    let address = args.listen.unwrap_or(configured);
    let options = GatewayOptions::of(now);
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
    let mut later = settings.clone();
    let tell_moved = async {
        // Who asked for an address on the command line has it whatever the file says.
        if args.listen.is_none() {
            let now = moved(&mut later, configured).await;
            let said = format!("gateway.listen is {now} now; this goes on at {address}: start lmdeck serve anew");
            tracing::warn!("{said}");
            console.say(Role::Warn, &said);
        }
        std::future::pending::<()>().await;
    };
    let until = async {
        tokio::select! {
            () = asked_to_stop() => {}
            () = tell_moved => {}
        }
    };
    let served =
        gateway::serve_following(listener, engine.handle.clone(), options, Some(settings), unix_now, until).await;
    match served {
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
