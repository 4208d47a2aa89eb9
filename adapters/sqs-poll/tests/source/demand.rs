//! As many messages as are wanted, and no polls for nothing.

use std::time::Duration;

use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::fake::Call;
use crate::scene::{MINUTE, MOMENT, SECOND, Scene, a_moment, acknowledge, tasks};

#[tokio::test(start_paused = true)]
async fn nothing_is_polled_for_before_somebody_wants_it_and_after_that() {
    let scene = Scene::new();
    scene.fake.send(1);
    sleep(MINUTE * 60).await;
    assert_eq!(scene.fake.calls(), []);
    assert_eq!(tasks(&scene.receive(1).await), [1]);
    sleep(MINUTE * 60).await;
    assert_eq!(scene.fake.polls(), [1]);
}

#[tokio::test(start_paused = true)]
async fn polls_together_ask_for_what_is_wanted_and_no_more() {
    for (max, asked) in [(1, vec![1]), (10, vec![10]), (16, vec![10, 6]), (100, vec![10, 10, 10])] {
        let scene = Scene::with(Options { receivers: 3, ..Options::default() });
        let receiving = scene.receiving(max);
        a_moment().await;
        assert_eq!(scene.fake.polls(), asked);
        receiving.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_costs_one_long_poll_per_receiver() {
    let scene = Scene::with(Options { receivers: 2, ..Options::default() });
    let receiving = scene.receiving(16);
    sleep(MINUTE * 60 + SECOND).await;
    assert!(!receiving.is_finished());
    assert_eq!(scene.fake.most_polls_at_once(), 2);
    assert_eq!(scene.fake.calls().len(), 2 * (3 * 60 + 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_an_empty_queue_is_polled_once_a_second() {
    let scene = Scene::with(Options { receivers: 2, wait: Duration::ZERO, ..Options::default() });
    let receiving = scene.receiving(16);
    sleep(MINUTE).await;
    assert!(scene.fake.calls().len() <= 2 * 61, "{}", scene.fake.calls().len());
    scene.fake.send(3);
    let begun = Instant::now();
    assert_eq!(receiving.await.unwrap().unwrap().unwrap().len(), 3);
    assert!(begun.elapsed() <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_handed_over_as_soon_as_it_is_there() {
    let scene = Scene::new();
    let receiving = scene.receiving(16);
    sleep(SECOND * 7).await;
    scene.fake.send(1);
    let begun = Instant::now();
    assert_eq!(tasks(&receiving.await.unwrap().unwrap().unwrap()), [1]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_polls_bring_that_were_under_way_waits_for_the_next_receive() {
    let scene = Scene::new();
    let receiving = scene.receiving(16);
    a_moment().await;
    scene.fake.send(1);
    assert_eq!(receiving.await.unwrap().unwrap().unwrap().len(), 1);
    // The other poll is still under way, and 6 of what it may bring were wanted once.
    scene.fake.send(6);
    a_moment().await;
    let before = scene.fake.polls();
    assert_eq!((scene.receive(4).await.len(), scene.receive(4).await.len()), (4, 2));
    assert_eq!(scene.fake.polls(), before, "nobody had to be asked again");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_given_back_at_half_of_its_time() {
    let scene = Scene::with(Options { hidden: MINUTE, ..Options::default() });
    let receiving = scene.receiving(16);
    a_moment().await;
    scene.fake.send(1);
    assert_eq!(receiving.await.unwrap().unwrap().unwrap().len(), 1);
    let there = 6;
    scene.fake.send(there);
    a_moment().await;
    sleep(MINUTE / 2 - MOMENT * 3).await;
    assert_eq!(scene.fake.others(), [], "not before");
    sleep(SECOND).await;
    let given_back: usize = scene
        .fake
        .others()
        .iter()
        .map(|(_, call)| match call {
            Call::Hide(hides) => hides.iter().filter(|(_, time)| time.is_zero()).count(),
            _ => 0,
        })
        .sum();
    assert_eq!(given_back, there);
    assert_eq!(scene.fake.left().iter().filter(|(_, seconds)| *seconds == 0).count(), there);
}

#[tokio::test(start_paused = true)]
async fn never_more_is_held_than_its_capacity() {
    let scene = Scene::with(Options { capacity: 12, ..Options::default() });
    scene.fake.send(30);
    let first = scene.receive_all(12).await;
    let receiving = scene.receiving(16);
    a_moment().await;
    assert_eq!((receiving.is_finished(), scene.fake.polls_under_way()), (false, 0));
    scene.answer(first[..5].iter().map(acknowledge).collect()).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_looked_at_too_late_is_not_handed_over() {
    let scene = Scene::with(Options { hidden: SECOND * 10, wait: SECOND * 5, ..Options::default() });
    // As after a stop of the process: the poll's answer has been there for long.
    scene.fake.take_time(SECOND * 16);
    scene.fake.send(1);
    let receiving = scene.receiving(1);
    sleep(SECOND * 15).await;
    scene.fake.take_time(Duration::ZERO);
    // A poll begins anew; it comes with that.
    assert_eq!(receiving.await.unwrap().unwrap().unwrap()[0].receive_count, 2);
}
