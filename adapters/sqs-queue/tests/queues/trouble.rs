//! What goes wrong, how often it is tried, and what is said of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, Original, QueueCalls};
use taskwatch_sqs_queue::{CONCURRENT_CALLS, REMEMBERED, SqsQueues};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::faulty::{DEAD, Faulty, QUEUE, healthy, ids, refusal};
use crate::scene::{LONG, SECRET, config, dead_letter_of};

const CHANGE: &str = "ChangeMessageVisibilityBatch";
const SEND: &str = "SendMessageBatch";

fn some(count: usize) -> Vec<Hide> {
    let hide = |n| Hide { receipt_handle: format!("r{n}"), hidden_for: Duration::from_secs(9), held: Duration::ZERO };
    (0..count).map(hide).collect()
}

fn letters(count: usize) -> Vec<DeadLetter> {
    let letter = |n| {
        dead_letter_of(Original {
            message_id: format!("m{n}"),
            body: format!("{n}: secret plans"),
            attributes: BTreeMap::new(),
            trace_header: None,
            group: None,
        })
    };
    (0..count).map(letter).collect()
}

async fn at(server: &Faulty) -> SqsQueues {
    SqsQueues::with(&config(&server.endpoint).await)
}

/// In words that may be logged.
fn words(error: &CallError) -> String {
    let words = error.to_string();
    assert!(!words.contains("secret plans") && !words.contains(SECRET) && !words.contains('\n'), "{words}");
    assert!(words.len() < 700, "{words}");
    words
}

#[tokio::test]
async fn what_is_not_allowed_names_the_action_and_is_not_asked_for_again_in_the_same_call() {
    let server = Faulty::answering(|_, action, request| match action {
        CHANGE => refusal(403, "AccessDenied", "User: arn:aws:sts::1:assumed-role/r is not authorized"),
        _ => healthy(action, request),
    })
    .await;
    let outcomes = at(&server).await.hide(QUEUE, &some(200), LONG).await;
    assert_eq!(outcomes.len(), 200);
    for outcome in &outcomes {
        let Err(error @ CallError::NotAllowed { action, queue, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((action.as_str(), queue.as_str()), ("sqs:ChangeMessageVisibility", QUEUE));
        assert!(words(error).contains("sqs:ChangeMessageVisibility"));
    }
    let calls = server.asked(CHANGE).len();
    assert!(calls <= CONCURRENT_CALLS, "{calls} calls of 20");
}

#[tokio::test]
async fn each_call_on_the_way_to_the_dead_letter_queue_names_its_own_action() {
    for (denied, named, queue) in [
        ("GetQueueUrl", "sqs:GetQueueUrl", QUEUE),
        ("GetQueueAttributes", "sqs:GetQueueAttributes", QUEUE),
        (SEND, "sqs:SendMessage", DEAD),
    ] {
        let server = Faulty::answering(move |_, action, request| {
            if action == denied {
                return refusal(400, "AccessDeniedException", "no");
            }
            healthy(action, request)
        })
        .await;
        let outcome = at(&server).await.send_dead(QUEUE, &letters(1), LONG).await.remove(0);
        let why = "no (AccessDeniedException)".to_owned();
        assert_eq!(outcome, Err(CallError::NotAllowed { action: named.to_owned(), queue: queue.to_owned(), why }));
    }
}

#[tokio::test]
async fn an_entry_that_failed_through_no_fault_of_ours_is_sent_once_more_alone() {
    let server = Faulty::answering(|before, action, request| {
        let (status, mut answer) = healthy(action, request);
        if action == SEND && before == 0 {
            let first = answer["Successful"].as_array_mut().unwrap().remove(0);
            answer["Failed"] = json!([{ "Id": first["Id"], "Code": "InternalError", "SenderFault": false }]);
        }
        (status, answer)
    })
    .await;
    assert_eq!(at(&server).await.send_dead(QUEUE, &letters(4), LONG).await, vec![Ok(()); 4]);
    let asked: Vec<_> = server.asked(SEND).iter().map(ids).collect();
    assert_eq!(asked, [vec!["0", "1", "2", "3"], vec!["0"]]);
}

#[tokio::test]
async fn an_entry_that_always_fails_is_given_up_and_one_that_is_refused_is_not_repeated() {
    let server = Faulty::answering(|_, action, request| {
        let (status, mut answer) = healthy(action, request);
        if action == CHANGE {
            let fails = |id: &str, code: &str, fault: bool| json!({ "Id": id, "Code": code, "SenderFault": fault });
            let all = answer["Successful"].as_array_mut().unwrap();
            all.retain(|one| one["Id"] != "1" && one["Id"] != "2");
            let failed = [fails("1", "InternalError", false), fails("2", "ReceiptHandleIsInvalid", true)];
            let asked = ids(request);
            answer["Failed"] = failed.into_iter().filter(|one| asked.iter().any(|id| one["Id"] == **id)).collect();
        }
        (status, answer)
    })
    .await;
    let outcomes = at(&server).await.hide(QUEUE, &some(3), LONG).await;
    assert_eq!(outcomes[0], Ok(()));
    assert!(matches!(outcomes[1], Err(CallError::Unavailable { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(CallError::Refused { .. })), "{outcomes:?}");
    let asked: Vec<_> = server.asked(CHANGE).iter().map(ids).collect();
    assert_eq!(asked, [vec!["0", "1", "2"], vec!["1"], vec!["1"]]);
}

#[tokio::test]
async fn a_queue_that_takes_no_reason_gets_the_letter_without() {
    let server = Faulty::answering(|_, action, request| {
        let with_reason = |entry: &Value| entry["MessageAttributes"]["TaskwatchReason"].is_object();
        let (status, mut answer) = healthy(action, request);
        if action == SEND && request["Entries"].as_array().unwrap().iter().any(with_reason) {
            let words = "Message must be shorter than 1024 bytes.";
            answer["Failed"] =
                json!([{ "Id": "1", "Code": "InvalidParameterValue", "Message": words, "SenderFault": true }]);
            answer["Successful"].as_array_mut().unwrap().retain(|one| one["Id"] != "1");
        }
        (status, answer)
    })
    .await;
    assert_eq!(at(&server).await.send_dead(QUEUE, &letters(3), LONG).await, vec![Ok(()); 3]);
    let asked = server.asked(SEND);
    assert_eq!(asked.len(), 2);
    let entries = asked[1]["Entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["MessageBody"]), (1, &json!("1: secret plans")));
}

/// On the wire, since the stand-in drops it from batches.
#[tokio::test]
async fn the_trace_header_goes_along_as_a_system_attribute() {
    let server = Faulty::answering(|_, action, request| healthy(action, request)).await;
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let mut letters = letters(1);
    letters[0].original.trace_header = Some(header.to_owned());
    assert_eq!(at(&server).await.send_dead(QUEUE, &letters, LONG).await, [Ok(())]);
    let entry = &server.asked(SEND)[0]["Entries"][0];
    let expected = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": header } });
    assert_eq!(entry["MessageSystemAttributes"], expected);
}

#[tokio::test]
async fn throttling_and_errors_of_the_service_are_tried_again_and_then_left() {
    let once = Faulty::answering(|before, action, request| match (action, before) {
        (CHANGE, 0) => refusal(400, "RequestThrottled", "slow down"),
        (CHANGE, 1) => refusal(500, "InternalFailure", "oops"),
        _ => healthy(action, request),
    })
    .await;
    assert_eq!(at(&once).await.hide(QUEUE, &some(2), LONG).await, vec![Ok(()); 2]);
    assert_eq!(once.asked(CHANGE).len(), 3);

    let always = Faulty::answering(|_, action, request| match action {
        CHANGE => refusal(503, "ServiceUnavailable", "down"),
        _ => healthy(action, request),
    })
    .await;
    let outcomes = at(&always).await.hide(QUEUE, &some(200), LONG).await;
    for outcome in &outcomes {
        let Err(error @ CallError::Unavailable { .. }) = outcome else { panic!("{outcome:?}") };
        assert!(words(error).contains("down (ServiceUnavailable)"), "{error}");
    }
    let calls = always.asked(CHANGE).len();
    assert!(calls <= 3 * CONCURRENT_CALLS, "{calls} attempts for 20 calls");
}

#[tokio::test]
async fn nobody_listening_fails_each_in_words() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let queues = SqsQueues::with(&config(&format!("http://127.0.0.1:{port}")).await);
    for outcome in queues.send_dead(QUEUE, &letters(12), LONG).await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, CallError::Unavailable { .. }), "{error:?}");
        assert!(words(&error).contains("onnection refused") || words(&error).contains("onnect error"), "{error}");
    }
    assert!(!format!("{queues:?}").contains(SECRET));
}

/// The clock stands still but for timers, so the bound is met to the millisecond however slow the machine is.
#[tokio::test(start_paused = true)]
async fn nobody_answering_fails_each_within_the_callers_limit() {
    // The kernel takes connections for it; nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let queues = SqsQueues::with(&config(&format!("http://{}", silent.local_addr().unwrap())).await);
    let within = Duration::from_secs(3);
    for by in [QUEUE, "https://sqs/123456789012/tasks"] {
        let begun = Instant::now();
        let outcomes = queues.hide(by, &some(50), within).await;
        assert!(begun.elapsed() <= within + Duration::from_millis(5), "{:?}", begun.elapsed());
        assert_eq!(outcomes.len(), 50);
        for outcome in outcomes {
            assert!(words(&outcome.unwrap_err()).contains("no answer in time"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_redrive_policy_is_remembered_for_a_while_and_no_longer() {
    let server = Faulty::answering(|before, action, request| match (action, before) {
        ("GetQueueAttributes", 0) => (200, json!({ "Attributes": { "QueueArn": QUEUE } })),
        _ => healthy(action, request),
    })
    .await;
    let queues = at(&server).await;
    let asked = || server.asked("GetQueueAttributes").len();
    for _ in 0..3 {
        let outcome = queues.send_dead(QUEUE, &letters(1), LONG).await.remove(0);
        assert_eq!(outcome, Err(CallError::NoDeadLetters { queue: QUEUE.to_owned() }));
    }
    assert_eq!((asked(), server.asked(SEND).len()), (1, 0));
    tokio::time::advance(REMEMBERED).await;
    for _ in 0..3 {
        assert_eq!(queues.send_dead(QUEUE, &letters(1), LONG).await, [Ok(())]);
    }
    assert_eq!((asked(), server.asked(SEND).len()), (2, 3));
    assert_eq!(server.asked("GetQueueUrl").len(), 2, "once for each of the two queues");
}
