//! What is held stays hidden, and what cannot be kept is told.

use std::time::Duration;

use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::fake::{Call, unavailable};
use crate::scene::{MINUTE, SECOND, Scene, a_moment, acknowledge, dead, retry};

fn hidden(seconds: u64) -> Options {
    Options { hidden: Duration::from_secs(seconds), ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn messages_are_hidden_anew_at_half_of_their_time_and_again() {
    let scene = Scene::with(hidden(60));
    scene.fake.send(25);
    let all = scene.receive_all(25).await;
    assert_eq!(scene.lost_within(SECOND * 95).await, [""; 0]);
    let renewals: Vec<_> = scene.fake.others();
    let at: Vec<u64> = renewals.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(at, [30, 60, 90]);
    for (_, call) in renewals {
        let Call::Hide(hides) = call else { panic!("{call:?}") };
        assert_eq!(hides.len(), 25);
        assert!(hides.iter().all(|(_, time)| *time == MINUTE));
    }
    // Nobody else can have had any.
    assert!(scene.fake.left().iter().all(|(_, seconds)| *seconds > 0));
    // Nothing is renewed that has been answered.
    scene.answer(all.iter().map(acknowledge).collect()).await.unwrap();
    let calls = scene.fake.calls().len();
    sleep(MINUTE * 10).await;
    assert_eq!(scene.fake.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_due_within_a_short_time_share_a_call() {
    let scene = Scene::with(hidden(60));
    for _ in 0..5 {
        scene.fake.send(1);
        scene.receive(1).await;
        sleep(SECOND).await;
    }
    sleep(SECOND * 28).await;
    let renewals = scene.fake.others();
    assert_eq!(renewals.len(), 1, "{renewals:?}");
    assert!(matches!(&renewals[0].1, Call::Hide(hides) if hides.len() == 5));
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_else_has_is_lost_at_once_and_told_once() {
    let scene = Scene::with(hidden(60));
    scene.fake.send(3);
    let all = scene.receive_all(3).await;
    scene.fake.steal(2);
    let begun = Instant::now();
    assert_eq!(scene.source_lost().await, [all[1].receipt.clone()]);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(scene.lost_within(MINUTE * 10).await, [""; 0]);
    let last = scene.fake.others().pop().unwrap().1;
    assert!(matches!(&last, Call::Hide(hides) if !hides.iter().any(|(id, _)| *id == 2)), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_a_while_is_tried_again_while_there_is_time() {
    let scene = Scene::with(hidden(60));
    scene.fake.send(2);
    scene.receive_all(2).await;
    scene.fake.fail(|action, at, _| (action == "hide" && at < SECOND * 50).then(unavailable));
    assert_eq!(scene.lost_within(SECOND * 100).await, [""; 0]);
    assert!(scene.fake.left().iter().all(|(_, seconds)| *seconds > 0));
    let tries = scene.fake.others().iter().filter(|(at, _)| *at < SECOND * 50).count();
    assert!((3..=8).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_renewed_is_lost_when_its_time_is_over_and_not_before() {
    let scene = Scene::with(hidden(60));
    scene.fake.send(2);
    let all = scene.receive_all(2).await;
    scene.fake.fail(|action, _, _| (action == "hide").then(unavailable));
    let begun = Instant::now();
    let mut lost = scene.source_lost().await;
    lost.sort();
    assert_eq!(lost, [all[0].receipt.clone(), all[1].receipt.clone()]);
    assert_eq!(begun.elapsed().as_secs(), 60);
    let calls = scene.fake.others().len();
    assert!(calls <= 9, "{calls} in half a minute");
    assert_eq!(scene.lost_within(MINUTE * 10).await, [""; 0]);
    assert_eq!(scene.fake.others().len(), calls, "nobody tries for ever");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_does_not_hide_that_time_is_over() {
    let scene = Scene::with(hidden(10));
    scene.fake.send(1);
    let all = scene.receive_all(1).await;
    scene.fake.take_time(MINUTE);
    let begun = Instant::now();
    assert_eq!(scene.source_lost().await, [all[0].receipt.clone()]);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_kept_for_longer_than_12_hours() {
    let scene = Scene::with(hidden(3600));
    scene.fake.send(1);
    scene.receive_all(1).await;
    let begun = Instant::now();
    assert_eq!(scene.source_lost().await.len(), 1);
    let held = begun.elapsed();
    assert!(held > MINUTE * (12 * 60 - 1) && held <= MINUTE * 12 * 60, "{held:?}");
    let longest = scene.fake.others().into_iter().map(|(at, call)| match call {
        Call::Hide(hides) => at + hides[0].1,
        _ => Duration::ZERO,
    });
    assert!(longest.max().unwrap() <= MINUTE * 12 * 60);
    assert!(scene.fake.others().len() < 40, "{}", scene.fake.others().len());
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_left_to_others_unless_it_is_settled() {
    let scene = Scene::with(hidden(60));
    scene.fake.send(3);
    let all = scene.receive_all(3).await;
    scene.fake.fail(|action, _, _| (action == "hide").then(unavailable));
    assert_eq!(scene.source_lost().await.len(), 3);
    scene.fake.heal();
    let before = scene.fake.calls().len();
    scene.answer(vec![acknowledge(&all[0]), retry(&all[1], SECOND), dead(&all[2])]).await.unwrap();
    a_moment().await;
    let calls: Vec<_> = scene.fake.calls().split_off(before).into_iter().map(|(_, call)| call).collect();
    assert_eq!(calls, [Call::Delete(vec![1])]);
}
