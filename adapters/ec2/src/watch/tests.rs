//! In virtual time: what is heard, when, and what it costs.

use futures_util::future::join;

use super::*;
use crate::fakes::{Bench, START, secs, terminated};

const HOUR: Duration = Duration::from_secs(3600);
const SPOT_AT_0824: &str = r#"{"action": "terminate", "time": "2017-09-18T08:24:00Z"}"#;

fn nothing(_: &str, _: u64) -> Result<Option<&'static str>, &'static str> {
    Ok(None)
}

#[test]
fn a_spot_notice_is_heard_within_five_seconds_and_its_time_is_kept() {
    let bench = Bench::new(|path, now| Ok((path == SPOT && now >= 118).then_some(SPOT_AT_0824)));
    let both = |watch: Watch| async move {
        let notice = watch.notice().await;
        watch.time_is_up(secs(20)).await;
        notice
    };
    let (notice, ended) = bench.run(HOUR, both);
    let at = START + secs(240);
    assert_eq!(notice, Some(Notice::Spot { action: "terminate".to_owned(), at }));
    assert_eq!(ended, 220);
    let (last, _) = bench.metadata.asked.lock().unwrap().iter().rfind(|(_, path)| path == SPOT).unwrap().clone();
    assert_eq!(last, 120, "once it has been said, it is not asked again");
}

#[test]
fn a_time_that_has_passed_is_up_at_once() {
    let bench = Bench::new(|path, _| Ok((path == SPOT).then_some(SPOT_AT_0824)));
    bench.clock.advance(HOUR);
    let (ended, at) = bench.run(HOUR, |watch| async move { watch.time_is_up(secs(20)).await });
    assert_eq!((ended, at), (Some(()), 3600));
}

#[test]
fn a_group_that_takes_the_instance_out_is_heard_and_names_no_time() {
    let bench = Bench::new(terminated);
    let (notice, at) = bench.run(HOUR, |watch| async move {
        assert!(!watch.has_left_group());
        let ((), notice) = join(watch.leaves_group(), watch.notice()).await;
        assert!(watch.has_left_group());
        notice
    });
    assert_eq!((notice, at), (Some(Notice::Group { target: "Terminated".to_owned() }), 10));
    let bench = Bench::new(terminated);
    assert_eq!(bench.run(HOUR, |watch| async move { watch.time_is_up(secs(20)).await }), (None, 3600));
}

#[test]
fn both_notices_count_whichever_comes_first() {
    let script =
        |path: &str, now| if path == SPOT && now >= 120 { Ok(Some(SPOT_AT_0824)) } else { terminated(path, now) };
    let bench = Bench::new(script);
    let (ended, at) = bench.run(HOUR, |watch| async move {
        let notice = watch.notice().await;
        watch.time_is_up(secs(20)).await;
        notice
    });
    assert_eq!((ended, at), (Some(Notice::Group { target: "Terminated".to_owned() }), 220));
}

#[test]
fn where_there_is_nobody_to_ask_it_gives_up_with_one_line_and_costs_nothing() {
    let bench = Bench::new(|_, _| Err("no route to host"));
    assert_eq!(bench.run(HOUR * 24, |watch| async move { watch.notice().await }), (None, 24 * 3600));
    let asked: Vec<u64> =
        bench.metadata.asked.lock().unwrap().iter().filter(|(_, path)| path == SPOT).map(|(at, _)| *at).collect();
    assert_eq!(asked, [0, 5, 15, 45]);
    let lines = bench.log.lines("DEBUG");
    assert!(lines.len() == 1 && lines[0].contains("no route to host"), "{lines:?}");
    assert_eq!(bench.log.count(), 0);
}

#[test]
fn metadata_that_are_late_are_waited_for() {
    let bench = Bench::new(|path, now| if now < 40 { Err("no route to host") } else { terminated(path, now) });
    let (notice, at) = bench.run(HOUR, |watch| async move { watch.notice().await });
    assert!(notice.is_some());
    assert_eq!((at, bench.log.count()), (45, 0));
}

#[test]
fn an_outage_is_said_once_and_its_end_once_and_nothing_is_missed() {
    let script = |path: &str, now| match now {
        600..900 | 1800..2400 => Err("timed out"),
        // A hiccup.
        1000..1010 => Err("timed out"),
        0..3000 => Ok(None),
        _ => terminated(path, now),
    };
    let bench = Bench::new(script);
    let (notice, at) = bench.run(HOUR, |watch| async move { watch.notice().await });
    assert!(notice.is_some());
    assert_eq!(at, 3000);
    let (warned, said) = (bench.log.lines("WARN"), bench.log.lines("INFO"));
    assert!(warned.len() == 2 && warned.iter().all(|line| line.contains("timed out")), "{warned:?}");
    assert!(said.len() == 2 && said.iter().all(|line| line.contains("answer again")), "{said:?}");
}

#[test]
fn a_question_that_is_refused_does_not_hide_the_others() {
    for refused in [SPOT, REBALANCE] {
        let bench = Bench::new(move |path, now| if path == refused { Err("HTTP 403") } else { terminated(path, now) });
        let (notice, at) = bench.run(HOUR, |watch| async move { watch.notice().await });
        assert_eq!((notice.is_some(), at), (true, 10), "{refused}");
    }
    let bench = Bench::new(|path, now| match path {
        SPOT if now >= 10 => Ok(Some(SPOT_AT_0824)),
        SPOT => Ok(None),
        _ => Err("HTTP 403"),
    });
    let (notice, at) = bench.run(HOUR, |watch| async move { watch.notice().await });
    assert_eq!((notice.is_some(), at), (true, 10));
}

#[test]
fn what_is_no_notice_is_a_line_and_no_more() {
    let script = |path: &str, now| {
        Ok(match (path, now) {
            (TARGET, 0..100) => Some("InService"),
            (TARGET, 100..200) => Some("Warmed:Running"),
            (TARGET, 200..300) => Some("Standby"),
            (TARGET, 300..) => Some("Detached"),
            (REBALANCE, 150..) => Some(r#"{"noticeTime": "2017-09-18T08:22:00Z"}"#),
            _ => None,
        })
    };
    let bench = Bench::new(script);
    assert_eq!(bench.run(HOUR, |watch| async move { watch.notice().await }), (None, 3600));
    let said = bench.log.lines("INFO");
    assert_eq!((said.len(), bench.log.count()), (2, 2), "{said:?}");
    for (line, words) in said.iter().zip(["Warmed:Running", "likelier"]) {
        assert!(line.contains(words), "{line}");
    }
}

#[test]
fn a_notice_that_cannot_be_read_is_no_notice_and_is_said() {
    let bench = Bench::new(|path, now| Ok((path == SPOT && now > 100).then_some("<html>")));
    assert_eq!(bench.run(HOUR, |watch| async move { watch.notice().await }), (None, 3600));
    let warned = bench.log.lines("WARN");
    assert!(warned.len() == 1 && warned[0].contains(SPOT), "{warned:?}");
}

#[test]
fn it_asks_every_five_seconds_and_no_more() {
    let bench = Bench::new(nothing);
    assert_eq!(bench.run(HOUR, |watch| async move { watch.notice().await }), (None, 3600));
    for path in [SPOT, TARGET, REBALANCE] {
        assert!((720..=721).contains(&bench.asked(path)), "{path}: {}", bench.asked(path));
    }
    assert_eq!(bench.log.count(), 0);
}
