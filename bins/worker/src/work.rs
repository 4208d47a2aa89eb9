//! The life of a worker: ready, at work, draining, done.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use taskwatch_core::stop::Stop;
use taskwatch_daemon::server::{self, Limits};
use taskwatch_daemon::{signals, systemd};
use taskwatch_handlers::kill_all_groups;
use taskwatch_http_intake::{Intake, router as intake_router};
use taskwatch_settings::Settings;
use taskwatch_wiring::{intake_options, set_up_log};
use tokio::net::TcpListener;
use tracing::info;

use crate::cli::{Cli, Exit, Failed};
use crate::health::{self, Health};
use crate::parts::{self, Parts};

/// Works until it is told to stop, and to the end of what it has begun.
pub(crate) async fn run(cli: &Cli) -> Result<(), Failed> {
    let settings = cli.settings()?;
    set_up_log(&settings.log, "taskwatch_worker");
    let parts = Parts::of(&settings).await?;
    let stop = stop()?;
    let source = parts::source(&settings, &stop)?;
    // What cannot come right by itself ends it now; a server that is away does not.
    match parts.database.open().await {
        Err(error) if error.is_final() || cli.check => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    if cli.check {
        return Ok(());
    }
    let servers = servers(&settings, &parts, &stop).await?;
    systemd::ready();
    info!(queue = settings.queue.name, "at work");
    let beside = async {
        tokio::join!(announce(&parts, &settings, &stop), parts.pulse.report());
        std::future::pending::<Infallible>().await
    };
    let work = async { tokio::join!(parts.engine.drive(&source, &stop), servers.serve(&stop, &settings)) };
    tokio::select! {
        ((), ()) = work => {}
        never = beside => match never {},
    }
    source.close().await;
    parts.database.close().await;
    info!("done");
    Ok(())
}

/// Set by the first signal; the second ends the process.
fn stop() -> Result<Stop, Failed> {
    let told = || {
        systemd::stopping();
        info!("stopping: running attempts may finish; once more to end at once");
    };
    let end = || {
        kill_all_groups();
        std::process::exit(Exit::Interrupted as i32)
    };
    Ok(signals::stop(told, end)?)
}

async fn announce(parts: &Parts, settings: &Settings, stop: &Stop) {
    if let Some(relay) = &parts.relay {
        relay.keep_sweeping(settings.announce.sweep, stop).await;
    }
}

/// What answers over HTTP, listening already.
struct Servers(Vec<(TcpListener, Router)>);

async fn servers(settings: &Settings, parts: &Parts, stop: &Stop) -> Result<Servers, Failed> {
    let mut servers = Vec::new();
    if let Some(address) = settings.worker.health {
        let health = Health { conditions: Arc::clone(&parts.conditions), stop: stop.clone() };
        servers.push((listen(address, "worker.health").await?, health::router(health)));
    }
    if settings.worker.intake {
        let intake = Intake {
            engine: parts.engine.clone(),
            records: parts.database.clone(),
            relay: parts.relay.clone(),
            options: intake_options(settings)?,
        };
        servers.push((listen(settings.intake.listen, "intake.listen").await?, intake_router(intake)));
    }
    Ok(Servers(servers))
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| Failed::Listen { address, setting, error })
}

impl Servers {
    async fn serve(self, stop: &Stop, settings: &Settings) {
        let drain = settings.worker.drain;
        let serving = self.0.into_iter().map(|(listener, router)| async move {
            server::serve(listener, router, Limits::default(), stop, drain).await;
        });
        futures_util::future::join_all(serving).await;
    }
}
