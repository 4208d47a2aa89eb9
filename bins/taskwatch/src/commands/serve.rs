//! `taskwatch serve`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use clap::Args;
use taskwatch_core::stop::Stop;
use taskwatch_http_intake::{Intake, Options, Origins, Token, router};
use taskwatch_settings::{Log, LogFormat, LogLevel, Settings};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::{out, signals, work};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch serve
  taskwatch serve --listen 127.0.0.1:9000 --set 'intake.origins=[\"https://app.example.com\"]'
  curl --json '{\"title\": \"Send the invoice\"}' http://127.0.0.1:8080/tasks

/openapi.json describes the API. SIGINT, SIGTERM or SIGHUP: no new connections are taken,
running requests may finish (worker.drain).")]
pub(crate) struct Serve {
    /// Where to listen (intake.listen); port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let listen = self.listen.map(|listen| ("intake.listen".to_owned(), listen));
        let settings = globals.settings(listen.into_iter().collect())?;
        let options = options(&settings)?;
        log_requests(&settings.log);
        let stop = signals::stop()?;
        let address = settings.intake.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("failed to listen on {address} (choose another by --listen or intake.listen)"))?;
        let address = listener.local_addr()?;
        if let Some(warning) = exposure(address, &options) {
            out::remark(warning);
        }
        let store = database::open(&settings, Missing::Create).await?;
        let engine = work::desk(&settings, store.clone())?;
        let intake = Intake { engine, records: store.clone(), relay: None, options };
        out::line(format_args!("listening on http://{address}"))?;
        serve(listener, router(intake), &stop, settings.worker.drain).await?;
        store.close().await;
        Ok(Exit::Done)
    }
}

/// What to say where others than this machine's users get in without a token.
fn exposure(address: SocketAddr, options: &Options) -> Option<String> {
    (options.token.is_none() && !address.ip().is_loopback()).then(|| {
        format!("whoever can reach {address} can add, read and cancel tasks: set intake.token_file to ask for a token")
    })
}

fn options(settings: &Settings) -> Result<Options, Failed> {
    let intake = &settings.intake;
    let usage = |error: &dyn std::error::Error| Failed::Usage(format!("failed to {error}"));
    let token = intake.token_file.as_deref().map(Token::from_file).transpose().map_err(|error| usage(&error))?;
    let origins = Origins::listed(&intake.origins)
        .map_err(|error| Failed::Usage(format!("failed to use intake.origins: {error}")))?;
    Ok(Options { origins, token, page_limit: intake.page_limit, announce_within: intake.announce_within })
}

/// Serves until it is told to stop, and then for as long as a drain may take.
async fn serve(listener: TcpListener, router: axum::Router, stop: &Stop, drain: Duration) -> Result<(), Failed> {
    let listener = listener.tap_io(|stream| {
        // It only saves time.
        let _ = stream.set_nodelay(true);
    });
    let stopped = {
        let stop = stop.clone();
        async move { stop.wait().await }
    };
    let too_late = async {
        stop.wait().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(stopped) => served?,
        () = too_late => out::remark("some connections did not end in time (worker.drain): they are cut off"),
    }
    Ok(())
}

/// Logs on standard error what the API has to say; of other crates only what may need somebody to look. The database
/// driver would log statements, with what is in them.
fn log_requests(log: &Log) {
    let level = match log.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("taskwatch_http_intake", level)
        .with_target("taskwatch_sql_store", level)
        .with_target("sqlx", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let registry = tracing_subscriber::registry().with(targets);
    // Nobody else has set one up.
    let _ = match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_opens_it_to_others_without_a_token_is_told() {
        let (open, guarded) =
            (Options::default(), Options { token: Token::new("0123456789abcdef"), ..Options::default() });
        for (address, warns) in
            [("0.0.0.0:80", true), ("[::]:80", true), ("10.0.0.1:80", true), ("127.0.0.2:80", false)]
        {
            let address = address.parse().unwrap();
            assert_eq!(exposure(address, &open).is_some(), warns, "{address}");
            assert_eq!(exposure(address, &guarded), None, "{address}");
        }
    }
}
