//! The handler section, checked as a whole.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::check::Check;
use crate::definitions::{HandlerChoice, HandlerKeys};
use crate::error::Problem;

/// What works a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Handler {
    /// The work; `None` where nothing was configured.
    pub work: Option<Work>,
    /// How long an attempt may take.
    pub time_limit: Duration,
}

/// A kind of work, with what it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Pretends.
    Simulate(Simulate),
    /// Runs a program: its path or name and its arguments, at least one item.
    Command(Vec<String>),
    /// Sends a request.
    Http {
        /// Where to; without credentials.
        url: Url,
        /// Further headers, one `Name: value` a line.
        headers_file: Option<PathBuf>,
    },
}

/// Pretended work. The three shares add up to 1 at most; the rest of the attempts succeed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulate {
    /// How long an attempt takes.
    pub duration: Duration,
    /// The share of attempts that fail and may be tried again.
    pub failures: f64,
    /// The share of attempts that fail for good.
    pub permanent: f64,
    /// The share of attempts that panic.
    pub panics: f64,
    /// What the draws start from.
    pub seed: u64,
}

const KIND: &str = "handler.kind";
const COMMAND: &str = "handler.command";
const HTTP_URL: &str = "handler.http_url";
const HTTP: [&str; 2] = [HTTP_URL, "handler.http_headers_file"];
const SHARES: [&str; 3] = ["handler.simulate_failures", "handler.simulate_permanent", "handler.simulate_panics"];
const SIMULATE: [&str; 5] = ["handler.simulate_duration", SHARES[0], SHARES[1], SHARES[2], "handler.simulate_seed"];

impl Handler {
    pub(crate) fn check(keys: HandlerKeys, check: &mut Check<'_>) -> Self {
        let kinds = [
            (HandlerChoice::Simulate, "simulate", SIMULATE.as_slice()),
            (HandlerChoice::Command, "command", &[COMMAND]),
            (HandlerChoice::Http, "http", &HTTP),
        ];
        let word = kinds.iter().find(|(kind, ..)| Some(*kind) == keys.kind).map_or("not set", |(_, word, _)| word);
        for (kind, _, of_kind) in kinds.into_iter().filter(|(kind, ..)| Some(*kind) != keys.kind) {
            let advice = match kind {
                HandlerChoice::Simulate => "it is for the kind \"simulate\" only",
                HandlerChoice::Command => "it is for the kind \"command\" only",
                HandlerChoice::Http => "it is for the kind \"http\" only",
            };
            for key in of_kind {
                check.excludes((KIND, word), key, advice);
            }
        }
        let time_limit = keys.time_limit;
        Self { work: work(keys, check), time_limit }
    }
}

fn work(keys: HandlerKeys, check: &mut Check<'_>) -> Option<Work> {
    let mut missing = |key, missing| {
        let from = check.origin(KIND);
        check.problem(Problem::Missing { key, from, missing });
        None
    };
    match keys.kind? {
        HandlerChoice::Command => match keys.command {
            Some(argv) => Some(Work::Command(argv)),
            None => missing("handler.kind = \"command\"", COMMAND),
        },
        HandlerChoice::Http => match keys.http_url {
            Some(url) => Some(Work::Http { url, headers_file: keys.http_headers_file }),
            None => missing("handler.kind = \"http\"", HTTP_URL),
        },
        HandlerChoice::Simulate => {
            let (failures, permanent, panics) = (keys.simulate_failures, keys.simulate_permanent, keys.simulate_panics);
            // A little slack, for 0.33 + 0.56 + 0.11 is more than 1 in binary.
            if failures + permanent + panics > 1.0 + f64::EPSILON * 4.0 {
                check.together(SHARES, "together they are more than 1: lower one of them");
            }
            let (duration, seed) = (keys.simulate_duration, keys.simulate_seed);
            Some(Work::Simulate(Simulate { duration, failures, permanent, panics, seed }))
        }
    }
}
