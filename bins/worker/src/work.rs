//! The life of a worker: ready, at work, draining, done.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use taskwatch_core::stop::Stop;
use taskwatch_daemon::server::{self, Limits};
use taskwatch_daemon::signals::{self, Told};
use taskwatch_daemon::systemd;
use taskwatch_ec2::Watch;
use taskwatch_handlers::kill_all_groups;
use taskwatch_http_intake::{Intake, router as intake_router};
use taskwatch_settings::Settings;
use taskwatch_wiring::{intake_options, set_up_log};
use tokio::net::TcpListener;
use tracing::info;

use crate::check;
use crate::cli::{Cli, Exit, Failed};
use crate::health::{self, Health};
use crate::parts::{self, Parts};

/// What is kept of the time that is left to an instance: for giving back what is not done, and saying so.
const LAST: Duration = Duration::from_secs(20);

/// Works until it is told to stop, and to the end of what it has begun.
pub(crate) async fn run(cli: &Cli) -> Result<Exit, Failed> {
    let settings = cli.settings()?;
    set_up_log(&settings.log, "taskwatch_worker");
    let parts = Parts::of(&settings).await?;
    let watch = parts::watch(&settings, cli);
    let departure = parts::departure(&settings, &watch);
    let stop = stop(watch.clone())?;
    let source = parts::source(&settings, &stop)?;
    if cli.check {
        return check::check(&settings, &parts).await.map(|()| Exit::Done);
    }
    // What cannot come right by itself ends it now; a server that is away does not.
    match parts.database.open().await {
        Err(error) if error.is_final() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let (health, intake) = (health(&settings, &parts, &stop).await?, intake(&settings, &parts).await?);
    systemd::ready();
    info!(queue = settings.queue.name, "at work");
    let beside = async {
        tokio::join!(announce(&parts, &settings, &stop), parts.pulse.report(), departure.hold(), answer(health));
        std::future::pending::<Infallible>().await
    };
    let work = async { tokio::join!(parts.engine.drive(&source, &stop), serve(intake, &settings, &stop)) };
    tokio::select! {
        ((), ()) = work => {}
        () = source.ended() => return Err(Failed::Source),
        never = beside => match never {},
    }
    source.close().await;
    parts.database.close().await;
    // Only now may the instance go.
    departure.complete().await;
    info!("done");
    Ok(if watch.noticed().is_some_and(|notice| notice.is_sleep()) { Exit::Asleep } else { Exit::Done })
}

/// Set by the first signal or by a notice that the instance is about to go; the second signal ends the process.
fn stop(watch: Watch) -> Result<Stop, Failed> {
    let told = |told| match told {
        Told::Signal => {
            systemd::stopping();
            info!("stopping: running attempts may finish; once more to end at once");
        }
        Told::Notice(notice) => {
            systemd::stopping();
            info!("stopping, since {notice}: running attempts may finish");
        }
        Told::SignalToo => info!("stopping already: running attempts may finish; once more to end at once"),
    };
    let end = || {
        kill_all_groups();
        std::process::exit(Exit::Interrupted as i32)
    };
    let notice = {
        let watch = watch.clone();
        async move { watch.notice().await }
    };
    let time_up = async move {
        watch.time_is_up(LAST).await;
        info!("the instance goes at any moment: what still runs is given back");
    };
    Ok(signals::stop_or(notice, told, end)?.until(time_up))
}

async fn announce(parts: &Parts, settings: &Settings, stop: &Stop) {
    if let Some(relay) = &parts.relay {
        relay.keep_sweeping(settings.announce.sweep, stop).await;
    }
}

/// What answers over HTTP, listening already.
type Server = (TcpListener, Router);

async fn health(settings: &Settings, parts: &Parts, stop: &Stop) -> Result<Option<Server>, Failed> {
    let Some(address) = settings.worker.health else { return Ok(None) };
    let health = Health { conditions: Arc::clone(&parts.conditions), stop: stop.clone() };
    Ok(Some((listen(address, "worker.health").await?, health::router(health))))
}

async fn intake(settings: &Settings, parts: &Parts) -> Result<Option<Server>, Failed> {
    if !settings.worker.intake {
        return Ok(None);
    }
    let intake = Intake {
        engine: parts.beside.clone(),
        records: parts.database.clone(),
        relay: parts.relay.clone(),
        options: intake_options(settings)?,
    };
    Ok(Some((listen(settings.intake.listen, "intake.listen").await?, intake_router(intake))))
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| Failed::Listen { address, setting, error })
}

/// To the very end: one that drains is alive, and says that it is not ready.
async fn answer(health: Option<Server>) {
    if let Some((listener, router)) = health {
        server::serve(listener, router, Limits::default(), &Stop::never(), Duration::ZERO).await;
    }
}

/// Until it is told to stop, and then no longer than the machine has.
async fn serve(intake: Option<Server>, settings: &Settings, stop: &Stop) {
    if let Some((listener, router)) = intake {
        tokio::select! {
            _ = server::serve(listener, router, Limits::default(), stop, settings.worker.drain) => {}
            () = stop.time_is_up() => {}
        }
    }
}
