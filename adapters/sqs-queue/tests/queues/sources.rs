//! Whose dead letters a queue takes. On servers made up: the stand-in does not know the call.

use serde_json::{Value, json};
use taskwatch_sqs_message::CallError;
use taskwatch_sqs_queue::SqsQueues;

use crate::faulty::{DEAD, Faulty, QUEUE, healthy, refusal};
use crate::scene::config;

const LIST: &str = "ListDeadLetterSourceQueues";
const DEAD_URL: &str = "https://sqs/123456789012/dead";

/// Three pages, the second of which is empty.
fn pages(action: &str, request: &Value) -> (u16, Value) {
    let url = |name: &str| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}");
    let answer = match (action, request["NextToken"].as_str()) {
        (LIST, None) => json!({ "queueUrls": [url("tasks"), url("b.fifo")], "NextToken": "1" }),
        (LIST, Some("1")) => json!({ "queueUrls": [], "NextToken": "2" }),
        (LIST, _) => json!({ "queueUrls": [url("a"), "odd"] }),
        _ => return healthy(action, request),
    };
    (200, answer)
}

async fn at(server: &Faulty) -> SqsQueues {
    SqsQueues::with(&config(&server.endpoint).await)
}

#[tokio::test]
async fn all_pages_are_read_and_the_sources_are_named_by_their_arns() {
    let server = Faulty::answering(|_, action, request| pages(action, request)).await;
    let arn = |name: &str| format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
    let expected = [arn("a"), arn("b.fifo"), QUEUE.to_owned(), "odd".to_owned()];
    for name in [DEAD, DEAD_URL] {
        assert_eq!(at(&server).await.sources_of(name).await.unwrap(), expected, "{name}");
    }
    let asked = server.asked(LIST);
    assert_eq!(asked.len(), 6);
    assert!(asked.iter().all(|one| one["QueueUrl"] == DEAD_URL && one["MaxResults"] == 1_000), "{asked:?}");
}

#[tokio::test]
async fn none_is_none_and_what_is_not_allowed_is_named() {
    let server = Faulty::answering(|before, action, request| match (action, before) {
        (LIST, 0) => (200, json!({ "queueUrls": [] })),
        (LIST, 1) => refusal(403, "AccessDenied", "no"),
        (LIST, _) => refusal(400, "QueueDoesNotExist", "gone"),
        _ => healthy(action, request),
    })
    .await;
    let queues = at(&server).await;
    assert_eq!(queues.sources_of(DEAD).await, Ok(Vec::new()));
    let why = "no (AccessDenied)".to_owned();
    let action = "sqs:ListDeadLetterSourceQueues".to_owned();
    assert_eq!(queues.sources_of(DEAD).await, Err(CallError::NotAllowed { action, queue: DEAD.to_owned(), why }));
    assert_eq!(queues.sources_of(DEAD).await, Err(CallError::Gone { queue: DEAD.to_owned() }));
}
