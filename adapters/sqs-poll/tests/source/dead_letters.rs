//! Dead letters are sent and then deleted, or left to the redrive policy.

use taskwatch_sqs_message::CallError;
use taskwatch_sqs_poll::Options;
use tokio::time::sleep;

use crate::fake::{Call, refused, unavailable};
use crate::scene::{MINUTE, SECOND, Scene, acknowledge, dead};

fn not_allowed() -> CallError {
    CallError::NotAllowed { action: "sqs:SendMessage".into(), queue: "q".into(), why: "no".into() }
}

fn others(scene: &Scene) -> Vec<Call> {
    scene.fake.others().into_iter().map(|(_, call)| call).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_dead_is_sent_with_its_reason_and_then_deleted() {
    let scene = Scene::new();
    scene.fake.send(1);
    let all = scene.receive(1).await;
    scene.answer(vec![dead(&all[0])]).await.unwrap();
    let reason = "failed for good: never".to_owned();
    assert_eq!(others(&scene), [Call::SendDead(vec![(1, reason)]), Call::Delete(vec![1])]);
    assert_eq!(scene.fake.left(), []);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_been_sent_is_not_deleted_and_comes_again_later_and_later() {
    for error in [unavailable(), refused(), not_allowed(), CallError::NoDeadLetters { queue: "q".into() }] {
        let scene = Scene::new();
        scene.fake.send(2);
        let failing = error.clone();
        scene.fake.fail(move |action, _, id| (action == "send" && id == 1).then(|| failing.clone()));
        let all = scene.receive_all(2).await;
        scene.answer(all.iter().map(dead).collect()).await.unwrap();
        assert_eq!(scene.fake.left(), [(1, 10)], "{error}");
        let again = scene.receive(1).await;
        scene.answer(vec![dead(&again[0])]).await.unwrap();
        assert_eq!(scene.fake.left(), [(1, 20)], "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_not_tried_again_for_some_minutes() {
    let scene = Scene::new();
    scene.fake.send(4);
    scene.fake.fail(|action, at, _| (action == "send" && at < MINUTE).then(not_allowed));
    let all = scene.receive_all(4).await;
    for one in &all[..3] {
        scene.answer(vec![dead(one)]).await.unwrap();
    }
    let sent = |scene: &Scene| others(scene).iter().filter(|call| matches!(call, Call::SendDead(_))).count();
    assert_eq!(sent(&scene), 1);
    sleep(MINUTE * 6).await;
    scene.answer(vec![dead(&all[3])]).await.unwrap();
    assert_eq!(sent(&scene), 2);
    assert!(scene.fake.left().iter().all(|(id, _)| *id != 4), "somebody has mended it");
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_left_to_the_queue_is_never_sent() {
    let scene = Scene::with(Options { dead_letters: false, ..Options::default() });
    scene.fake.send(2);
    let all = scene.receive_all(2).await;
    scene.answer(vec![dead(&all[0]), acknowledge(&all[1])]).await.unwrap();
    assert_eq!(scene.fake.left(), [(1, 10)]);
    assert!(!others(&scene).iter().any(|call| matches!(call, Call::SendDead(_))));
    sleep(SECOND).await;
}
