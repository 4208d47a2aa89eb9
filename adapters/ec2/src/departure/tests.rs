//! In virtual time: who is called when, and what does not hold anything up.

use super::*;
use crate::fakes::Answer::{Fails, Good, Hangs, NotAllowed, NotWaiting};
use crate::fakes::{Answer, Bench, FakeGroups, secs, terminated};

const OURS: &str = r#"("i-1", "workers", "drain")"#;

/// Works until so many seconds after the notice, then completes: how long all of it took.
fn leave(bench: &Bench, groups: &Arc<FakeGroups>, hook: Option<&str>, work: u64) -> u64 {
    let (groups, hook, clock) = (groups.clone(), hook.map(str::to_owned), Arc::new(bench.clock.clone()));
    let (ended, at) = bench.run(secs(3600), |watch| async move {
        let departure = Departure::over(&watch, groups, hook, clock.clone());
        let working = std::pin::pin!(async {
            watch.notice().await;
            clock.sleep(secs(work)).await;
        });
        match select(working, std::pin::pin!(departure.hold())).await {
            Either::Left(_) => {}
            Either::Right((never, _)) => match never {},
        }
        departure.complete().await;
    });
    assert!(ended.is_some(), "it ends");
    at
}

fn good(_: &str, _: usize) -> Answer {
    Good
}

#[test]
fn the_action_is_completed_after_the_work_and_the_group_kept_waiting_meanwhile() {
    let bench = Bench::new(terminated);
    let groups = FakeGroups::new(&bench, &[("drain", 60)], good);
    assert_eq!(leave(&bench, &groups, None, 100), 110);
    let beats = [40, 70, 100].map(|at| format!("{at} beat {OURS}"));
    let [first, second, third] = beats.each_ref().map(String::as_str);
    let complete = format!("110 complete {OURS}");
    assert_eq!(groups.calls(), [r#"10 group "i-1""#, r#"10 hooks "workers""#, first, second, third, &complete]);
    let said = bench.log.lines("INFO");
    assert!(said.len() == 1 && said[0].contains("completed"), "{said:?}");
    assert_eq!(bench.log.count(), 1);
}

#[test]
fn nobody_is_called_unless_the_group_takes_the_instance_out() {
    let spot = r#"{"action": "terminate", "time": "2017-09-18T08:24:00Z"}"#;
    let bench = Bench::new(move |path, _| Ok((path == "spot/instance-action").then_some(spot)));
    let groups = FakeGroups::new(&bench, &[("drain", 60)], good);
    assert_eq!(leave(&bench, &groups, None, 100), 100);
    assert!(groups.calls().is_empty());
}

#[test]
fn a_hook_that_is_given_is_not_looked_for() {
    let bench = Bench::new(terminated);
    let groups = FakeGroups::new(&bench, &[("others", 60), ("drain", 60)], good);
    assert_eq!(leave(&bench, &groups, Some("drain"), 20), 30);
    let calls = [r#"10 group "i-1""#.to_owned(), format!("25 beat {OURS}"), format!("30 complete {OURS}")];
    assert_eq!(groups.calls(), calls, "and hears of us as often as the shortest time takes");
}

#[test]
fn other_hooks_are_left_alone() {
    for (hooks, words) in [(&[("others", 60), ("drain", 60)][..], Some("others, drain")), (&[], None)] {
        let bench = Bench::new(terminated);
        let groups = FakeGroups::new(&bench, hooks, good);
        assert_eq!(leave(&bench, &groups, None, 100), 110);
        assert_eq!(groups.calls(), [r#"10 group "i-1""#, r#"10 hooks "workers""#]);
        let warned = bench.log.lines("WARN");
        match words {
            Some(words) => assert!(warned.len() == 1 && warned[0].contains(words), "{warned:?}"),
            None => assert!(warned.is_empty(), "{warned:?}"),
        }
    }
}

#[test]
fn a_right_that_is_missing_is_named_once_and_holds_up_nothing() {
    for action in ["group", "hooks", "beat", "complete"] {
        let bench = Bench::new(terminated);
        let groups =
            FakeGroups::new(&bench, &[("drain", 60)], move |call, _| if call == action { NotAllowed } else { Good });
        assert_eq!(leave(&bench, &groups, None, 100), 110, "{action}");
        let warned = bench.log.lines("WARN");
        let words = format!("call {action}, which the role");
        assert!(warned.len() == 1 && warned[0].contains(&words), "{warned:?}");
    }
}

#[test]
fn each_right_that_is_missing_is_named() {
    let bench = Bench::new(terminated);
    let refused = |call: &str, _| if call == "beat" || call == "complete" { NotAllowed } else { Good };
    let groups = FakeGroups::new(&bench, &[("drain", 60)], refused);
    assert_eq!(leave(&bench, &groups, None, 100), 110);
    let warned = bench.log.lines("WARN");
    assert!(
        warned.len() == 2 && warned[0].contains("call beat,") && warned[1].contains("call complete,"),
        "{warned:?}"
    );
}

#[test]
fn a_call_that_hangs_costs_no_more_than_the_limit() {
    for action in ["group", "hooks", "complete"] {
        let bench = Bench::new(terminated);
        let groups =
            FakeGroups::new(&bench, &[("drain", 60)], move |call, _| if call == action { Hangs } else { Good });
        assert_eq!(leave(&bench, &groups, None, 20), 40, "{action}");
        let warned = bench.log.lines("WARN");
        assert!(warned.len() == 1 && warned[0].contains("after 10s"), "{warned:?}");
    }
}

#[test]
fn what_fails_is_tried_again() {
    for answer in [NotWaiting, Fails] {
        let bench = Bench::new(terminated);
        let groups = FakeGroups::new(&bench, &[("drain", 60)], move |call, nth| match call {
            "complete" if nth < 3 => answer,
            "group" | "hooks" if nth < 2 && answer == Fails => answer,
            _ => Good,
        });
        assert_eq!(leave(&bench, &groups, None, 0), 14, "{answer:?}");
        assert_eq!(groups.calls().last(), Some(&format!("14 complete {OURS}")));
    }
}

#[test]
fn a_group_that_does_not_wait_is_no_trouble_and_one_that_cannot_be_reached_is() {
    for (answer, warnings) in [(NotWaiting, 0), (Fails, 1)] {
        let bench = Bench::new(terminated);
        let groups =
            FakeGroups::new(&bench, &[("drain", 60)], move |call, _| if call == "complete" { answer } else { Good });
        assert_eq!(leave(&bench, &groups, None, 20), 34);
        assert_eq!((bench.log.lines("WARN").len(), bench.log.count()), (warnings, 1));
        let bench = Bench::new(terminated);
        let groups =
            FakeGroups::new(&bench, &[("drain", 60)], move |call, _| if call == "beat" { answer } else { Good });
        assert_eq!(leave(&bench, &groups, None, 100), 110);
        assert_eq!(bench.log.lines("WARN").len(), warnings);
    }
}
