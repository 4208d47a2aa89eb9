//! Whole systems in virtual time: whatever goes wrong, everything comes to rest and the books balance.
//!
//! A seed that fails is printed with its scenario; `TASKWATCH_SEEDS=17..18 cargo test -p taskwatch-core --test simulator
//! -- seeds_from_outside` runs it alone, and `0..10000` a night's worth.

mod lying;

use std::collections::BTreeMap;
use std::time::Duration;

use taskwatch_core::metric::Metric;
use taskwatch_core::task::Status;
use taskwatch_testkit::simulator::{Feed, Happened, Outcome, Scenario, Trouble};

const FEEDS: [Feed; 3] = [Feed::Queue, Feed::Table, Feed::Both];

fn check(scenario: &Scenario) -> Outcome {
    let outcome = scenario.run();
    let complaints = outcome.complaints();
    assert!(
        complaints.is_empty(),
        "{} complaints, the first of them: {:#?}\nafter {:?} of {scenario:#?}\nwith {:#?}",
        complaints.len(),
        &complaints[..complaints.len().min(5)],
        outcome.took,
        outcome.happened,
    );
    outcome
}

/// What there was in all of these seeds.
fn storms(seeds: std::ops::Range<u64>) -> (Happened, BTreeMap<Metric, usize>) {
    let (mut all, mut counts) = (Happened::default(), BTreeMap::new());
    for seed in seeds {
        let outcome = check(&Scenario::seeded(seed));
        let happened = outcome.happened;
        all.crashes += happened.crashes;
        all.freezes += happened.freezes;
        all.lost_answers += happened.lost_answers;
        all.unavailable += happened.unavailable;
        all.untold += happened.untold;
        all.cut_off += happened.cut_off;
        for (metric, count) in outcome.told {
            *counts.entry(metric).or_default() += count;
        }
    }
    (all, counts)
}

#[test]
fn hundreds_of_storms_come_to_rest() {
    storms(0..250);
}

#[test]
fn hundreds_more_come_to_rest() {
    storms(250..500);
}

#[test]
fn the_storms_are_not_too_kind() {
    let (all, counts) = storms(500..560);
    let least = [all.crashes, all.freezes, all.lost_answers, all.unavailable, all.untold, all.cut_off];
    assert!(least.iter().all(|happened| *happened > 10), "{all:?}");
    for metric in Metric::ALL {
        assert!(counts.get(&metric).is_some_and(|count| *count > 5), "{metric} hardly happens: {counts:?}");
    }
}

#[test]
fn a_seed_is_a_run() {
    let run = |seed| {
        let outcome = Scenario::seeded(seed).run();
        (outcome.records, outcome.told, outcome.happened, outcome.took)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0);
}

#[test]
fn when_nothing_goes_wrong_everything_is_told_and_nothing_is_stale() {
    for feed in FEEDS {
        for seed in 0..10 {
            let outcome = check(&Scenario { feed, trouble: Trouble::NONE, ..Scenario::seeded(seed) });
            let happened = outcome.happened;
            assert_eq!((happened.crashes, happened.untold, happened.unavailable), (0, 0, 0), "{feed:?}, seed {seed}");
            let told = |metric| outcome.told.get(&metric).copied().unwrap_or_default();
            assert_eq!((told(Metric::StaleLeases), told(Metric::TasksAbandoned)), (0, 0), "{feed:?}, seed {seed}");
            let settled = [Status::Completed, Status::Failed].map(|status| outcome.books.statuses.get(&status));
            let settled: u64 = settled.into_iter().flatten().sum();
            assert_eq!(settled, told(Metric::TasksAdded) as u64, "{feed:?}, seed {seed}");
        }
    }
}

/// The rows tell what was written, so that no count is missed and no lease is held that nobody knows of.
#[test]
fn lost_answers_alone_leave_nothing_untold() {
    for feed in FEEDS {
        for seed in 0..20 {
            let trouble = Trouble { unknown: 0.15, people: 1.0, ..Trouble::NONE };
            let span = Duration::from_secs(60);
            let outcome = check(&Scenario { feed, trouble, span, ..Scenario::seeded(seed) });
            for (metric, count) in &outcome.books.metrics {
                // Nobody asks again about an insert: the intake finds its own key instead.
                if *metric != Metric::TasksAdded {
                    assert_eq!(outcome.told[metric] as u64, *count, "{metric} with {feed:?}, seed {seed}");
                }
            }
            let abandoned = outcome.told.get(&Metric::TasksAbandoned);
            assert_eq!(abandoned, None, "{feed:?}, seed {seed}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a person names the seeds to run")]
fn seeds_from_outside() {
    let seeds = std::env::var("TASKWATCH_SEEDS").unwrap_or_else(|_| "0..1".to_owned());
    let (from, to) = seeds.split_once("..").expect("TASKWATCH_SEEDS is a range like 17..18");
    let bound = |text: &str| text.parse().expect("TASKWATCH_SEEDS is a range of numbers");
    storms(bound(from)..bound(to));
}
