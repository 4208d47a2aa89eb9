//! Messages whose announcement lies in S3.

use std::sync::Arc;

use async_trait::async_trait;
use taskwatch_core::delivery::Subject;
use taskwatch_sqs_message::{PayloadError, Payloads, S3Pointer};
use taskwatch_sqs_poll::Options;
use tokio::time::Instant;

use crate::scene::{MINUTE, SECOND, Scene, tasks};

/// Answers for the object `there`, and never for another.
struct Bucket;

#[async_trait]
impl Payloads for Bucket {
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        if pointer.key == "there" {
            return Ok(r#"{"task_id": 41}"#.to_owned());
        }
        std::future::pending().await
    }
}

fn scene(key: &'static str) -> Scene {
    let options = Options { hidden: MINUTE, ..Options::default() };
    let scene = Scene::fetching("q.fifo", options, Some(Arc::new(Bucket)));
    scene.fake.put(Some("a"), |_| {
        let class = "software.amazon.payloadoffloading.PayloadS3Pointer";
        format!(r#"["{class}", {{"s3BucketName": "payloads", "s3Key": "{key}"}}]"#)
    });
    scene
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_fetched_before_its_message_is_handed_over() {
    let all = scene("there").receive(1).await;
    assert_eq!((tasks(&all), all[0].group.as_deref()), (vec![41], Some("a")));
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_come_holds_a_message_up_for_a_quarter_of_its_time() {
    let scene = scene("elsewhere");
    let begun = Instant::now();
    let all = scene.receive(1).await;
    assert_eq!(begun.elapsed(), SECOND * 15);
    assert!(matches!(&all[0].subject, Subject::Withheld(why) if why.contains("a quarter")), "{all:?}");
    assert_eq!(all[0].group.as_deref(), Some("a"), "in order all the same");
}
