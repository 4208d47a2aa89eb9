//! After a stop nothing is begun, what nobody has taken goes back, and what is under way is waited for.

use std::time::Duration;

use taskwatch_core::delivery::Why;
use taskwatch_core::ports::EventSource as _;
use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::scene::{MINUTE, MOMENT, SECOND, Scene, a_moment, acknowledge, answered};

#[tokio::test(start_paused = true)]
async fn an_idle_source_ends_after_its_grace_and_leaves_no_poll_behind() {
    let mut scene = Scene::new();
    let receiving = scene.receiving(16);
    sleep(SECOND).await;
    scene.stop();
    let begun = Instant::now();
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!(begun.elapsed(), Options::default().grace);
    assert_eq!(scene.fake.polls_under_way(), 0);
    assert_eq!(scene.source.receive(16).await.unwrap(), None, "and for ever");
    assert_eq!(scene.fake.polls(), [10, 6]);
}

#[tokio::test(start_paused = true)]
async fn without_a_poll_under_way_it_ends_at_once() {
    let mut scene = Scene::new();
    scene.stop();
    let begun = Instant::now();
    assert_eq!(scene.source.receive(16).await.unwrap(), None);
    assert_eq!((begun.elapsed(), scene.fake.calls().len()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_stop_goes_back_at_once() {
    let mut scene = Scene::new();
    let receiving = scene.receiving(16);
    a_moment().await;
    scene.stop();
    a_moment().await;
    scene.fake.send(1);
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert_eq!(scene.fake.left(), [(1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_taken_goes_back_at_once() {
    let mut scene = Scene::new();
    let receiving = scene.receiving(16);
    a_moment().await;
    scene.fake.send(1);
    let taken = receiving.await.unwrap().unwrap().unwrap();
    scene.fake.send(3);
    a_moment().await;
    scene.stop();
    a_moment().await;
    assert_eq!(scene.fake.left()[1..], [(2, 0), (3, 0), (4, 0)]);
    assert!(scene.fake.left()[0].1 > 50);
    scene.answer(vec![acknowledge(&taken[0])]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn polls_go_on_as_long_as_others_are_at_work() {
    let mut scene = Scene::new();
    let receiving = scene.receiving(16);
    a_moment().await;
    scene.fake.send(1);
    let taken = receiving.await.unwrap().unwrap().unwrap();
    let receiving = scene.receiving(15);
    a_moment().await;
    scene.stop();
    sleep(SECOND * 10).await;
    assert!(
        !receiving.is_finished() && scene.fake.polls_under_way() > 0,
        "nothing would be gained by cutting them off"
    );
    let begun = Instant::now();
    scene.answer(vec![answered(&taken[0], Duration::ZERO, Why::Released("shutting down".into()))]).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap(), None);
    assert!(begun.elapsed() <= MOMENT);
    assert_eq!((scene.fake.left(), scene.fake.polls_under_way()), (vec![(1, 0)], 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_often_before_still_comes_at_once_after_a_stop() {
    let mut scene = Scene::new();
    scene.fake.send(1);
    let first = scene.receive(1).await;
    scene.answer(vec![answered(&first[0], Duration::ZERO, Why::Released("lease over".into()))]).await.unwrap();
    let second = scene.receive(1).await;
    scene.stop();
    a_moment().await;
    scene.answer(vec![answered(&second[0], Duration::ZERO, Why::Released("shutting down".into()))]).await.unwrap();
    assert_eq!(scene.fake.left(), [(1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_back_what_was_never_answered() {
    let scene = Scene::new();
    scene.fake.send(12);
    scene.receive_all(12).await;
    let Scene { fake, source, .. } = scene;
    std::sync::Arc::into_inner(source).unwrap().close().await;
    assert_eq!(fake.left().len(), 12);
    assert!(fake.left().iter().all(|(_, seconds)| *seconds == 0));
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_queue_that_hangs() {
    let scene = Scene::new();
    scene.fake.send(1);
    scene.receive(1).await;
    scene.fake.take_time(MINUTE * 60);
    let begun = Instant::now();
    std::sync::Arc::into_inner(scene.source).unwrap().close().await;
    assert!(begun.elapsed() <= SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_all_that_is_under_way() {
    let scene = Scene::new();
    let receiving = scene.receiving(16);
    a_moment().await;
    receiving.abort();
    let Scene { fake, source, .. } = scene;
    assert_eq!(fake.polls_under_way(), 2);
    drop(source);
    a_moment().await;
    let calls = fake.calls().len();
    sleep(MINUTE * 60).await;
    assert_eq!((fake.polls_under_way(), fake.calls().len()), (0, calls));
}
