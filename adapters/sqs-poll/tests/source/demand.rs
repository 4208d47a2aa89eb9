//! As many messages as are wanted, and no polls for nothing.

use std::time::Duration;

use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::fake::{Call, unavailable};
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
async fn a_poll_that_comes_back_too_early_and_empty_holds_up_no_other() {
    let scene = Scene::with(Options { receivers: 2, wait: Duration::ZERO, ..Options::default() });
    // One gets the message, the other comes back with nothing.
    scene.fake.send(1);
    assert_eq!(tasks(&scene.receive(16).await), [1]);
    scene.fake.send(1);
    let begun = Instant::now();
    assert_eq!(tasks(&scene.receive(16).await), [2]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
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
async fn while_polls_come_back_full_what_they_bring_is_handed_over_together() {
    let scene = Scene::with(Options { receivers: 2, ..Options::default() });
    scene.fake.take_time(Duration::from_millis(1));
    scene.fake.send(100);
    assert_eq!(scene.receive(64).await.len(), 64);
    let asked = scene.fake.polls();
    assert_eq!((asked.iter().sum::<usize>(), asked.len()), (64, 7), "as much as is wanted, and no more: {asked:?}");
    assert_eq!(scene.fake.most_polls_at_once(), 2);
    assert_eq!(scene.receive(16).await.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_messages_that_may_not_come() {
    // The last of a queue: one poll was full, the others wait.
    let scene = Scene::new();
    scene.fake.send(10);
    let begun = Instant::now();
    assert_eq!(scene.receive(64).await.len(), 10);
    assert!(begun.elapsed() <= Duration::from_millis(10), "{:?}", begun.elapsed());

    // SQS takes long.
    let scene = Scene::new();
    scene.fake.take_time(SECOND);
    scene.fake.send(100);
    let begun = Instant::now();
    assert!((10..=20).contains(&scene.receive(64).await.len()));
    assert!(begun.elapsed() <= SECOND + Duration::from_millis(10), "{:?}", begun.elapsed());

    // Or fails: what is here is handed over, and the next receive hears of it.
    let scene = Scene::new();
    scene.fake.take_time(Duration::from_millis(2));
    scene.fake.send(100);
    scene.fake.fail(|action, at, _| (action == "receive" && at > Duration::from_millis(1)).then(unavailable));
    assert_eq!(scene.receive(64).await.len(), 20);
    assert!(scene.receiving(64).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_gathered_when_it_is_told_to_stop_is_given_back() {
    let mut scene = Scene::with(Options { receivers: 1, ..Options::default() });
    scene.fake.take_time(Duration::from_millis(3));
    scene.fake.send(100);
    let receiving = scene.receiving(64);
    sleep(Duration::from_millis(4)).await;
    assert!(!receiving.is_finished());
    scene.stop();
    assert!(receiving.await.unwrap().unwrap().is_none(), "there will be no more");
    a_moment().await;
    assert_eq!(scene.fake.left().iter().filter(|(_, seconds)| *seconds > 0).count(), 0, "others may have them at once");
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
async fn what_cannot_be_deleted_for_now_counts_as_well() {
    let scene = Scene::with(Options { capacity: 12, ..Options::default() });
    scene.fake.send(30);
    let first = scene.receive_all(12).await;
    scene.fake.take_time(SECOND * 3);
    let answering = scene.answering(first.iter().map(acknowledge).collect());
    a_moment().await;
    scene.fake.take_time(Duration::ZERO);
    let receiving = scene.receiving(16);
    sleep(SECOND * 2).await;
    assert_eq!((receiving.is_finished(), scene.fake.polls_under_way()), (false, 0));
    assert!(!receiving.await.unwrap().unwrap().unwrap().is_empty());
    answering.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_looked_at_too_late_is_not_handed_over() {
    let scene = Scene::with(Options { receivers: 1, hidden: SECOND * 10, wait: SECOND * 5, ..Options::default() });
    // As after a stop of the process: the poll's answer has been there for long.
    scene.fake.take_time(SECOND * 16);
    scene.fake.send(1);
    let receiving = scene.receiving(1);
    sleep(SECOND * 15).await;
    scene.fake.take_time(Duration::ZERO);
    // A poll begins anew; it comes with that.
    assert_eq!(receiving.await.unwrap().unwrap().unwrap()[0].receive_count, 2);
}
