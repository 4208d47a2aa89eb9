//! Size and time.

use std::time::Duration;

use taskwatch_s3_payload::PATIENCE;
use taskwatch_sqs_message::MAX_BODY_BYTES;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::faulty::{Faulty, Sent, answer};
use crate::scene::{BUCKET, bucket, fetch, payloads, payloads_at, put, refused, unavailable};

#[tokio::test]
async fn an_object_of_the_limit_is_read_and_one_more_byte_is_not() {
    let bucket = bucket();
    put(&bucket, "fits", &vec![b'x'; MAX_BODY_BYTES]);
    put(&bucket, "large", &vec![b'x'; MAX_BODY_BYTES + 1]);
    let payloads = payloads(&[&bucket]).await;
    assert_eq!(fetch(&payloads, &bucket, "fits").await.map(|text| text.len()), Ok(MAX_BODY_BYTES));
    let why = refused(fetch(&payloads, &bucket, "large").await);
    assert!(why.contains("1048577 bytes") && why.contains("at most 1048576"), "{why}");
}

#[tokio::test]
async fn a_body_that_does_not_say_how_long_it_is_is_not_read_beyond_the_limit() {
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let server = Faulty::sending(move |_| Sent {
        bytes: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        and_on: Some(chunk.clone()),
    })
    .await;
    let why = refused(fetch(&payloads_at(&server.endpoint).await, BUCKET, "endless").await);
    assert!(why.contains("at most 1048576"), "{why}");
    assert_eq!(server.asked().len(), 1);
    // The rest lay in the buffers of the connection.
    assert!(server.written() < 64 * MAX_BODY_BYTES, "{}", server.written());
}

#[tokio::test]
async fn what_is_not_text_is_refused() {
    let bucket = bucket();
    put(&bucket, "photo", &[0xff, 0xd8, 0xff, 0xe0]);
    put(&bucket, "empty", b"");
    let payloads = payloads(&[&bucket]).await;
    assert!(refused(fetch(&payloads, &bucket, "photo").await).contains("not text in UTF-8"));
    assert_eq!(fetch(&payloads, &bucket, "empty").await.as_deref(), Ok(""));
}

/// The clock stands still but for timers, so the bound is met to the millisecond however slow the machine is.
#[tokio::test(start_paused = true)]
async fn nobody_answering_ends_within_the_bound() {
    // The kernel takes connections for it; nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let payloads = payloads_at(&format!("http://{}", silent.local_addr().unwrap())).await;
    let begun = Instant::now();
    let why = unavailable(fetch(&payloads, BUCKET, "k").await);
    assert!(why.contains("no answer from S3 within 2.4s"), "{why}");
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(4) && took <= PATIENCE + Duration::from_millis(5), "{took:?}");
}

#[tokio::test]
async fn half_an_answer_is_none_and_asked_for_once_more() {
    let server = Faulty::sending(|before| {
        let mut sent = answer(200, "", b"the whole object");
        if before == 0 {
            sent.bytes.truncate(sent.bytes.len() - 5);
        }
        sent
    })
    .await;
    assert_eq!(fetch(&payloads_at(&server.endpoint).await, BUCKET, "k").await.as_deref(), Ok("the whole object"));
    assert_eq!(server.asked().len(), 2);

    let always = Faulty::sending(|_| {
        let mut sent = answer(200, "", b"the whole object");
        sent.bytes.truncate(sent.bytes.len() - 5);
        sent
    })
    .await;
    let why = unavailable(fetch(&payloads_at(&always.endpoint).await, BUCKET, "k").await);
    assert!(why.contains("no whole answer from S3"), "{why}");
    assert_eq!(always.asked().len(), 2, "and no more");
}

#[tokio::test]
async fn nobody_listening_is_said_in_words() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let payloads = payloads_at(&format!("http://127.0.0.1:{port}")).await;
    let why = unavailable(fetch(&payloads, BUCKET, "k").await);
    assert!(why.contains("no connection to S3") && why.contains("refused"), "{why}");
}
