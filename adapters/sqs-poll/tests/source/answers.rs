//! Answers share calls, and are passed on as the table says.

use std::time::Duration;

use taskwatch_core::delivery::Why;
use taskwatch_core::task::Status;
use taskwatch_sqs_message::CallError;
use taskwatch_sqs_poll::Options;
use tokio::time::{Instant, sleep};

use crate::fake::{Call, refused, unavailable};
use crate::scene::{MINUTE, MOMENT, SECOND, Scene, a_moment, acknowledge, answered, retry};

const LINGER: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn one_that_is_alone_is_answered_at_once() {
    let scene = Scene::new();
    scene.fake.send(1);
    let all = scene.receive(1).await;
    let begun = Instant::now();
    scene.answer(vec![acknowledge(&all[0])]).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(scene.fake.left(), []);
}

#[tokio::test(start_paused = true)]
async fn answers_of_many_share_calls_of_ten_and_none_waits_for_long() {
    let scene = Scene::new();
    scene.fake.send(26);
    let all = scene.receive_all(26).await;
    let begun = Instant::now();
    let answering: Vec<_> = all[..25].iter().map(|one| scene.answering(vec![acknowledge(one)])).collect();
    for one in answering {
        one.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), LINGER);
    let sizes: Vec<_> = scene
        .fake
        .others()
        .into_iter()
        .map(|(_, call)| if let Call::Delete(ids) = call { ids.len() } else { panic!("{call:?}") })
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
    // The last has nobody to wait for.
    let begun = Instant::now();
    scene.answer(vec![acknowledge(&all[25])]).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_tried_three_times_and_then_told() {
    for (good_after, is_good) in [(2, true), (3, false)] {
        let scene = Scene::new();
        scene.fake.send(2);
        let all = scene.receive_all(2).await;
        let tried = std::sync::atomic::AtomicUsize::new(0);
        scene.fake.fail(move |action, _, id| {
            let fails =
                action == "delete" && id == 2 && tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < good_after;
            fails.then(unavailable)
        });
        let answer = scene.answer(all.iter().map(acknowledge).collect()).await;
        assert_eq!(answer.is_ok(), is_good);
        let deletes: Vec<_> = scene.fake.others().into_iter().map(|(_, call)| call).collect();
        assert_eq!(deletes, [vec![1, 2], vec![2], vec![2]].map(Call::Delete));
        sleep(MINUTE * 10).await;
        assert_eq!(scene.fake.others().len(), 3, "nobody tries for ever, and nothing is renewed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_no_longer_good_is_no_error_and_one_without_rights_is() {
    let scene = Scene::new();
    scene.fake.send(3);
    let all = scene.receive_all(3).await;
    scene.fake.fail(|action, _, _| (action == "delete").then(refused));
    scene.answer(vec![acknowledge(&all[0])]).await.unwrap();
    // With the queue went its messages.
    scene.fake.fail(|action, _, _| (action == "delete").then(|| CallError::Gone { queue: "q".into() }));
    scene.answer(vec![acknowledge(&all[2])]).await.unwrap();
    scene.fake.fail(|action, _, _| {
        let not_allowed =
            CallError::NotAllowed { action: "sqs:DeleteMessage".into(), queue: "q".into(), why: "no".into() };
        (action == "delete").then_some(not_allowed)
    });
    let error = scene.answer(vec![acknowledge(&all[1])]).await.unwrap_err();
    assert!(error.to_string().contains("sqs:DeleteMessage"), "{error}");
    assert_eq!(scene.fake.others().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn messages_come_again_when_the_table_says() {
    let failed = || Why::StoreFailed("down".to_owned());
    for (why, after, seconds) in [
        (Why::WillRetry("busy".to_owned()), 7, 7),
        (Why::NotDue, 100, 100),
        (Why::NoSuchTask, 5, 5),
        (Why::InProgress, 20, 20),
        (failed(), 5, 60),
        (failed(), 80, 80),
        (Why::Withheld("S3".to_owned()), 5, 60),
        (Why::Released("lease over".to_owned()), 0, 0),
    ] {
        let scene = Scene::new();
        scene.fake.send(1);
        let all = scene.receive(1).await;
        scene.answer(vec![answered(&all[0], SECOND * after, why.clone())]).await.unwrap();
        assert_eq!(scene.fake.left(), [(1, seconds)], "{why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_another_worker_has_is_asked_for_less_and_less_often() {
    let scene = Scene::new();
    scene.fake.send(1);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let all = scene.receive(1).await;
        scene.answer(vec![answered(&all[0], SECOND * 10, Why::InProgress)]).await.unwrap();
        waits.push(scene.fake.left()[0].1);
    }
    assert_eq!(waits, [10, 20, 40, 80]);
}

#[tokio::test(start_paused = true)]
async fn where_delays_are_not_to_be_passed_on_nothing_is_asked() {
    let scene = Scene::with(Options { visibility: false, ..Options::default() });
    scene.fake.send(2);
    let all = scene.receive_all(2).await;
    let both = vec![retry(&all[0], SECOND), answered(&all[1], Duration::ZERO, Why::Settled(Status::Completed))];
    scene.answer(both).await.unwrap();
    sleep(SECOND * 40).await;
    assert_eq!(scene.fake.others(), [], "nor renewed");
}

#[tokio::test(start_paused = true)]
async fn delays_share_a_call_and_fail_without_harm() {
    let scene = Scene::new();
    scene.fake.send(4);
    let all = scene.receive_all(4).await;
    scene.fake.fail(|action, _, _| (action == "hide").then(unavailable));
    let answering: Vec<_> = all[..3].iter().map(|one| scene.answering(vec![retry(one, SECOND)])).collect();
    for one in answering {
        one.await.unwrap().unwrap();
    }
    a_moment().await;
    let calls = scene.fake.others();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(matches!(&calls[0].1, Call::Hide(hides) if hides.len() == 3));
    assert!(calls[0].0 < MOMENT);
}
