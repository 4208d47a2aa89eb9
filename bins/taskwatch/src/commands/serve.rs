//! `taskwatch serve`

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use taskwatch_core::ledger::Source;
use taskwatch_daemon::server::{self, Limits};
use taskwatch_http_intake::{Intake, Options, router};
use taskwatch_wiring::{Announcing, intake_options, set_up_log};
use tokio::net::TcpListener;

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::{out, work};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch serve
  taskwatch serve --listen 127.0.0.1:9000 --set 'intake.origins=[\"https://app.example.com\"]'
  curl --json '{\"title\": \"Send the invoice\"}' http://127.0.0.1:8080/tasks

/ is a page for people, /openapi.json describes the API. It takes 512 connections at once.
SIGINT, SIGTERM or SIGHUP: no new ones are taken, running requests may finish (worker.drain).")]
pub(crate) struct Serve {
    /// Where to listen (intake.listen); port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let listen = self.listen.map(|listen| ("intake.listen".to_owned(), listen));
        let settings = globals.settings(listen.into_iter().collect())?;
        let options = intake_options(&settings)?;
        let announcing = Announcing::of(&settings).await?;
        set_up_log(&settings.log, "taskwatch");
        let stop = work::stop()?;
        let address = settings.intake.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("failed to listen on {address} (choose another by --listen or intake.listen)"))?;
        let address = listener.local_addr()?;
        if let Some(warning) = exposure(address, &options) {
            out::remark(warning);
        }
        let store = database::open(&settings, Missing::Create).await?;
        let engine = work::desk(&settings, store.clone(), Source::Local)?;
        let relay = work::relay(announcing, &settings, store.clone());
        let intake = Intake { engine, records: store.clone(), relay: relay.clone(), options };
        out::line(format_args!("listening on http://{address}"))?;
        let sweeping = async {
            if let Some(relay) = relay {
                relay.keep_sweeping(settings.announce.sweep, &stop).await;
            }
            std::future::pending::<Infallible>().await
        };
        let served = server::serve(listener, router(intake), Limits::default(), &stop, settings.worker.drain);
        tokio::select! {
            in_time = served => if !in_time {
                out::remark("some connections did not end in time (worker.drain): they are cut off");
            },
            never = sweeping => match never {},
        }
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

#[cfg(test)]
mod tests {
    use taskwatch_http_intake::Token;

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
