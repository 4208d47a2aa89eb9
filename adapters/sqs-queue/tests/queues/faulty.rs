//! A server that answers as it is told, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A call: its action and its request.
pub(crate) type Asked = (String, Value);
type Script = dyn Fn(usize, &str, &Value) -> (u16, Value) + Send + Sync;

pub(crate) struct Faulty {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Faulty {
    /// Answers every call with the status and the body that the script gives, which is told how many calls there were of
    /// this action before.
    pub(crate) async fn answering(
        script: impl Fn(usize, &str, &Value) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(connection, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { endpoint, asked }
    }

    /// The requests of this action so far.
    pub(crate) fn asked(&self, action: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| name == action).map(|(_, request)| request.clone()).collect()
    }
}

async fn serve(connection: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut connection = BufReader::new(connection);
    loop {
        let (mut length, mut action, mut line) = (0, String::new(), String::new());
        while connection.read_line(&mut line).await.unwrap_or(0) > 2 {
            let (name, value) = line.trim().split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "x-amz-target" => action = value.trim().trim_start_matches("AmazonSQS.").to_owned(),
                _ => {}
            }
            line.clear();
        }
        if action.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let before = {
            let mut log = log.lock().unwrap();
            log.push((action.clone(), request.clone()));
            log.iter().filter(|(name, _)| *name == action).count() - 1
        };
        let (status, answer) = script(before, &action, &request);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} Whatever\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        if connection.write_all(format!("{head}{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:tasks";
pub(crate) const DEAD: &str = "arn:aws:sqs:eu-west-1:123456789012:dead";

/// What a healthy SQS answers, with every entry of a batch done.
pub(crate) fn healthy(action: &str, request: &Value) -> (u16, Value) {
    let answer = match action {
        "GetQueueUrl" => {
            json!({ "QueueUrl": format!("https://sqs/123456789012/{}", request["QueueName"].as_str().unwrap()) })
        }
        "GetQueueAttributes" => {
            let policy = json!({ "deadLetterTargetArn": DEAD, "maxReceiveCount": 5 }).to_string();
            json!({ "Attributes": { "RedrivePolicy": policy, "QueueArn": QUEUE } })
        }
        _ => {
            let ids = ids(request);
            let done: Vec<_> =
                ids.iter().map(|id| json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "5" })).collect();
            json!({ "Successful": done, "Failed": [] })
        }
    };
    (200, answer)
}

pub(crate) fn refusal(status: u16, code: &str, words: &str) -> (u16, Value) {
    (status, json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": words }))
}

/// The ids of a batch, which are the places in the list.
pub(crate) fn ids(request: &Value) -> Vec<String> {
    request["Entries"].as_array().unwrap().iter().map(|entry| entry["Id"].as_str().unwrap().to_owned()).collect()
}
