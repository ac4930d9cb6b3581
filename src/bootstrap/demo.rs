//! The demo: the dashboard on simulated providers inside this process, in a folder that is gone when it ends. It
//! reads no configuration and no key of the person's, and asks nothing of the network.
//!
//! Here: starting and taking down. Who plays is in [`cast`], what they say in [`words`], what happens in [`script`].

pub mod cast;
pub mod reach;
pub mod script;
mod words;

use super::front;
use super::ground::{Folders, Opened};
use crate::cli::args::{Cli, DemoArgs, STATE_VARIABLE};
use crate::cli::ending::USAGE;
use crate::engine::ports::ConfigStore as _;
use crate::engine::{Engine, Options};
use cast::Cast;
use color_eyre::eyre::{Result, WrapErr as _};
use reach::ByKind;
use script::Tempo;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// Marks every screen.
const BANNER: &str = "DEMO, simulated";

/// Runs the demo until the person leaves; the exit code.
///
/// # Errors
/// There is no room for it: no temporary folder, no free ports, no runtime.
pub fn run(cli: &Cli, args: &DemoArgs) -> Result<u8> {
    if cli.globals.config.is_some() {
        eprintln!("error: the demo has a configuration of its own: leave --config out, or leave demo out");
        return Ok(USAGE);
    }
    // The variable is there for every run, the flag was meant for this one.
    let meant = |folder: &PathBuf| std::env::var_os(STATE_VARIABLE).is_none_or(|always| always != folder.as_os_str());
    if cli.globals.state_dir.as_ref().is_some_and(meant) {
        eprintln!("error: the demo keeps its state in a folder of its own: leave --state-dir out, or leave demo out");
        return Ok(USAGE);
    }
    let home = tempfile::Builder::new()
        .prefix("lmdeck-demo-")
        .tempdir()
        .wrap_err("the demo needs a temporary folder and cannot make one")?;
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("lmdeck")
        .build()
        .wrap_err("the runtime could not be started")?;
    let (code, opened) = runtime.block_on(show(cli, args, home.path()))?;
    runtime.shutdown_timeout(super::LAST_TASKS);
    opened.close();
    home.close().wrap_err("the demo's folder could not be removed")?;
    Ok(code)
}

async fn show(cli: &Cli, args: &DemoArgs, home: &Path) -> Result<(u8, Opened)> {
    let tempo = Tempo::default();
    let cast = Arc::new(Cast::start().await.wrap_err("the demo's servers could not be started")?);
    let folders = Folders::alone(home);
    let file = home.join("ai_models.yaml");
    cast.write_configuration(&file, &tempo).wrap_err("the demo's configuration could not be written")?;
    let store = folders.config_store();
    let loaded = store.load();
    let opened = Opened::new(&folders, store, loaded.as_ref().ok())?;
    let mut ports = opened.ports();
    ports.upstream = Arc::new(ByKind(ports.upstream));
    let options = Options {
        schedule_probes: true,
        state_dir: folders.state.display().to_string(),
        rejected: None,
        read_only: cli.globals.readonly,
        system: super::system(),
    };
    let engine = Engine::start(ports, loaded, options);
    let curtain = CancellationToken::new();
    let playing = tokio::spawn({
        let (cast, handle, curtain, still) = (cast.clone(), engine.handle.clone(), curtain.clone(), args.still);
        async move {
            let plot = async {
                script::open(&handle).await;
                if !still {
                    script::play(&cast, &handle, &tempo).await;
                }
            };
            curtain.run_until_cancelled(plot).await;
        }
    });
    let code = front::dashboard(cli, &engine, Some(BANNER.into())).await;
    curtain.cancel();
    if let Err(error) = playing.await {
        tracing::warn!("the demo's script ended badly: {error}");
    }
    engine.stop().await;
    cast.end().await;
    Ok((code?, opened))
}
