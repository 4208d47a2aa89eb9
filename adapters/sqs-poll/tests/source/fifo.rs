//! In a FIFO queue, groups are kept in order.

use std::time::Duration;

use taskwatch_core::delivery::Delivery;
use taskwatch_sqs_poll::Options;
use tokio::time::sleep;

use crate::scene::{MINUTE, SECOND, Scene, a_moment, acknowledge, dead, retry, tasks};

/// 1, 2 and 3 of one group, 4 of another.
fn sent() -> Scene {
    let scene = Scene::fifo();
    ["a", "a", "a", "b"].into_iter().for_each(|group| scene.fake.send_to(Some(group)));
    scene
}

/// The receives in which they come.
async fn heads(scene: &Scene) -> Vec<Delivery> {
    let heads = scene.receive(16).await;
    assert_eq!(tasks(&heads), [1, 4]);
    heads
}

#[tokio::test(start_paused = true)]
async fn the_next_of_a_group_comes_when_the_one_before_it_is_done() {
    let scene = sent();
    let first = heads(&scene).await;
    let receiving = scene.receiving(16);
    sleep(MINUTE * 5).await;
    assert!(!receiving.is_finished());
    scene.answer(vec![acknowledge(&first[0])]).await.unwrap();
    let next = receiving.await.unwrap().unwrap().unwrap();
    // Those that waited behind it have been kept, however long that took.
    assert_eq!((tasks(&next), next[0].receive_count), (vec![2], 1));
    scene.answer(vec![acknowledge(&next[0])]).await.unwrap();
    assert_eq!(tasks(&scene.receive(16).await), [3]);
}

#[tokio::test(start_paused = true)]
async fn those_behind_one_that_comes_again_go_back_and_come_with_it() {
    let scene = sent();
    let first = heads(&scene).await;
    scene.answer(vec![retry(&first[0], SECOND * 30)]).await.unwrap();
    let left: Vec<_> = scene.fake.left().into_iter().take(3).collect();
    assert_eq!(left, [(1, 30), (2, 0), (3, 0)]);
    let again = scene.receive(16).await;
    assert_eq!((tasks(&again), again[0].receive_count), (vec![1], 2));
}

#[tokio::test(start_paused = true)]
async fn none_overtakes_a_dead_letter_that_may_come_again() {
    let scene = sent();
    let first = heads(&scene).await;
    scene.answer(vec![dead(&first[0])]).await.unwrap();
    let next = scene.receive(16).await;
    assert_eq!((tasks(&next), next[0].receive_count), (vec![2], 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_while_it_waits_takes_those_behind_it_along() {
    let scene = sent();
    let first = heads(&scene).await;
    scene.fake.steal(2);
    assert_eq!(scene.lost_within(SECOND * 35).await, [""; 0], "nobody works it");
    scene.answer(vec![acknowledge(&first[0])]).await.unwrap();
    let receiving = scene.receiving(16);
    a_moment().await;
    // Not the third, which would overtake the second.
    assert!(!receiving.is_finished());
    receiving.abort();
}

#[tokio::test(start_paused = true)]
async fn groups_that_wait_take_no_more_room_than_there_is() {
    let options = Options { capacity: 25, ..Options::default() };
    let scene = Scene::of("q.fifo", options);
    for group in ["a", "b", "c", "d", "e"] {
        (0..10).for_each(|_| scene.fake.send_to(Some(group)));
    }
    let mut heads = Vec::new();
    while heads.len() < 3 {
        heads.extend(scene.receive(16 - heads.len()).await);
    }
    let receiving = scene.receiving(13);
    sleep(SECOND * 5).await;
    assert!(!receiving.is_finished());
    let held = scene.fake.left().iter().filter(|(_, seconds)| *seconds > 0).count();
    assert_eq!(held, 25);
    receiving.abort();
}

#[tokio::test(start_paused = true)]
async fn one_whose_turn_it_is_and_that_nobody_takes_goes_back_with_its_group() {
    let scene = sent();
    let first = scene.receive(1).await;
    assert_eq!(tasks(&first), [1]);
    // With a demand of one, no more was polled for.
    scene.answer(vec![acknowledge(&first[0])]).await.unwrap();
    let receiving = scene.receiving(16);
    let second = receiving.await.unwrap().unwrap().unwrap();
    assert_eq!(tasks(&second), [2, 4]);
    scene.answer(vec![acknowledge(&second[0])]).await.unwrap();
    // The third could go now, but nobody asks.
    sleep(SECOND * 40).await;
    let left: Vec<_> = scene.fake.left();
    assert_eq!(left[0], (3, 0));
    assert!(left[1].1 > 0 && Duration::from_secs(left[1].1) <= MINUTE, "the fourth is at work");
}
