//! A queue that fails: errors are told, nobody hammers it, and it goes on by itself.

use taskwatch_core::ports::EventSource as _;
use taskwatch_sqs_message::CallError;
use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::fake::unavailable;
use crate::scene::{MINUTE, SECOND, Scene, a_moment, tasks};

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_is_an_error_of_receive() {
    let scene = Scene::new();
    scene.fake.fail(|action, _, _| (action == "receive").then(unavailable));
    let error = scene.source.receive(16).await.unwrap_err();
    assert_eq!(error.to_string(), "call q: no answer");
    scene.fake.heal();
    scene.fake.send(1);
    assert_eq!(tasks(&scene.receive(16).await), [1]);
}

#[tokio::test(start_paused = true)]
async fn even_whoever_asks_again_at_once_makes_no_tight_circle() {
    let scene = Scene::with(Options { receivers: 8, ..Options::default() });
    scene.fake.fail(|action, _, _| (action == "receive").then(unavailable));
    let begun = Instant::now();
    let mut errors = 0;
    while begun.elapsed() < MINUTE {
        errors += usize::from(scene.source.receive(100).await.is_err());
        assert!(errors <= 1_000, "within {:?}", begun.elapsed());
    }
    assert!(errors <= 601, "{errors}");
    // After the first, one at a time finds out whether it is over.
    assert!(scene.fake.calls().len() <= errors + 8, "{} for {errors}", scene.fake.calls().len());
}

#[tokio::test(start_paused = true)]
async fn once_it_works_again_all_receivers_are_back() {
    let scene = Scene::with(Options { receivers: 3, ..Options::default() });
    scene.fake.fail(|action, _, _| (action == "receive").then(|| CallError::Gone { queue: "q".into() }));
    assert!(scene.source.receive(100).await.is_err());
    scene.fake.heal();
    let receiving = scene.receiving(100);
    sleep(SECOND * 15).await;
    assert_eq!(scene.fake.polls_under_way(), 1, "it has not said yet that it works");
    sleep(SECOND * 10).await;
    assert_eq!(scene.fake.polls_under_way(), 3);
    receiving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_was_given_up_loses_nothing() {
    let scene = Scene::new();
    let receiving = scene.receiving(1);
    a_moment().await;
    receiving.abort();
    assert!(receiving.await.unwrap_err().is_cancelled());
    scene.fake.send(1);
    a_moment().await;
    let begun = Instant::now();
    let all = scene.receive(1).await;
    assert_eq!((tasks(&all), all[0].receive_count), (vec![1], 1));
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_an_answer_does_not_hold_up_the_others() {
    let scene = Scene::new();
    scene.fake.be_silent(1);
    scene.fake.send(100);
    // All that is wanted is asked for by the poll that gets no answer.
    let begun = Instant::now();
    assert_eq!(scene.receive(10).await.len(), 10);
    assert_eq!(begun.elapsed(), SECOND * 5);
    for _ in 0..9 {
        assert_eq!(scene.receive(10).await.len(), 10);
    }
    assert_eq!(begun.elapsed(), SECOND * 5);
    assert_eq!(scene.fake.most_polls_at_once(), 2);
}
