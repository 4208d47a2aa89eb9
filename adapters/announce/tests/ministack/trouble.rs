//! What goes wrong, and who hears of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_announce::{Announce, PATIENCE};
use taskwatch_core::outbox::{Announcement, Announcer};
use taskwatch_testbed::{Aws, Queue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::scene::{announce_to, announcement, aws, config};

fn some(count: i64) -> Vec<Announcement> {
    (1..=count).map(|id| announcement(id, id, "t", Some("secret plans"))).collect()
}

async fn announce_at(port: u16) -> Announce {
    let url = format!("http://127.0.0.1:{port}/000000000000/q");
    Announce::with(url.parse().unwrap(), &config(None).await).unwrap()
}

#[tokio::test]
async fn a_missing_queue_is_named() {
    let url = format!("{}/000000000000/{}", aws().endpoint(), Aws::unique("missing"));
    let outcomes = announce_to(&url).await.announce(&some(1)).await;
    let why = outcomes[0].as_ref().unwrap_err();
    assert!(why.contains(&url) && why.contains("does not exist") && why.contains("NonExistentQueue"), "{why}");
}

#[tokio::test]
async fn nobody_listening_fails_each_in_words() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let announce = announce_at(port).await;
    let outcomes = announce.announce(&some(12)).await;
    assert_eq!(outcomes.len(), 12);
    for why in outcomes.into_iter().map(|outcome| outcome.unwrap_err()) {
        assert!(why.contains("onnection refused") || why.contains("onnect error"), "{why}");
        assert!(!why.contains("secret plans") && !why.contains("geheim"), "{why}");
        assert!(why.len() < 400 && !why.contains('\n'), "{why}");
    }
    assert!(!format!("{announce:?}").contains("geheim"));
}

/// The clock stands still but for timers, so the bound is met to the millisecond however slow the machine is.
#[tokio::test(start_paused = true)]
async fn nobody_answering_fails_each_within_the_bound() {
    // The kernel takes connections for it; nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let announce = announce_at(silent.local_addr().unwrap().port()).await;
    let begun = Instant::now();
    let outcomes = announce.announce(&some(100)).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(1) && took <= PATIENCE + Duration::from_millis(5), "{took:?}");
    assert_eq!(outcomes.len(), 100);
    assert!(outcomes.iter().all(Result::is_err));
    let late = outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(|why| why.contains("no answer within 5s")));
    assert!(late.count() > 0, "calls that never had their turn say so");
}

#[tokio::test]
async fn a_call_that_fails_fails_its_own_announcements_only() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let announce = announce_at(broker.local_addr().unwrap().port()).await;
    let serve = async {
        let refused = Arc::new(Notify::new());
        loop {
            let (connection, _) = broker.accept().await.unwrap();
            tokio::spawn(answer(connection, Arc::clone(&refused)));
        }
    };
    let mut announced = some(25);
    announced[14].task.title = "poison".into();
    announced[20].task.title = "forget me".into();
    let outcomes = tokio::select! {
        outcomes = announce.announce(&announced) => outcomes,
        () = serve => unreachable!("it serves for ever"),
    };
    let failed: Vec<_> = (0..25).filter(|at| outcomes[*at].is_err()).collect();
    assert_eq!(failed, (10..20).chain([20]).collect::<Vec<_>>(), "{outcomes:?}");
    assert!(outcomes[12].as_ref().unwrap_err().ends_with("not for you (AccessDenied)"), "{outcomes:?}");
    assert!(outcomes[20].as_ref().unwrap_err().ends_with("the answer does not mention it"), "{outcomes:?}");
}

/// SQS, except that it refuses any batch with `poison` in it, says nothing of a message with `forget me` in it, and
/// answers the batch with task 1 when it has refused one.
async fn answer(connection: TcpStream, refused: Arc<Notify>) {
    let mut connection = BufReader::new(connection);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while connection.read_line(&mut line).await.unwrap_or(0) > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if length == 0 {
            return;
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let (status, answer) = answer_to(&request);
        if status == REFUSED {
            refused.notify_one();
        } else if request["Entries"][0]["MessageBody"].as_str().unwrap().starts_with(r#"{"task_id":1,"#) {
            refused.notified().await;
        }
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}

const REFUSED: &str = "400 Bad Request";

fn answer_to(request: &Value) -> (&'static str, String) {
    if request.to_string().contains("poison") {
        let refusal = json!({"__type": "com.amazonaws.sqs#AccessDenied", "message": "not for you"});
        return (REFUSED, refusal.to_string());
    }
    let kept = request["Entries"].as_array().unwrap().iter().filter(|one| !one.to_string().contains("forget me"));
    let published: Vec<_> =
        kept.map(|one| json!({"Id": one["Id"], "MessageId": "m", "MD5OfMessageBody": "5"})).collect();
    ("200 OK", json!({"Successful": published, "Failed": []}).to_string())
}

#[tokio::test]
async fn an_outage_is_noticed_on_connections_kept_from_before() {
    let mut own = Aws::start().unwrap_or_else(|error| panic!("failed to {error}"));
    let Queue { url, .. } = own.create_queue("q", &[]).unwrap();
    let announce = Announce::with(url.parse().unwrap(), &config(None).await).unwrap();
    assert_eq!(announce.announce(&some(1)).await, [Ok(())]);
    own.kill().unwrap();
    assert!(announce.announce(&some(1)).await[0].is_err());
}
