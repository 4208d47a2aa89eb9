//! Calls for setting a scene and for looking at what came of it: SQS as JSON, SNS as a form with an answer in XML.
//!
//! Without an SDK, since `xtask` is built from this crate before anything else.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Aws, REGION};

/// Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// It does not answer.
    #[error("call {action} of the AWS stand-in: {source}")]
    Call {
        /// What was called.
        action: String,
        /// Why it failed.
        source: Box<ureq::Error>,
    },
    /// It refused, or answered something unexpected.
    #[error("call {action} of the AWS stand-in: it answered {status}: {answer}")]
    Refused {
        /// What was called.
        action: String,
        /// The HTTP status.
        status: u16,
        /// Its words.
        answer: String,
    },
}

/// A queue, by both of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// For the calls of SQS.
    pub url: String,
    /// For subscriptions, mappings and policies.
    pub arn: String,
}

impl Aws {
    /// Any call of SQS: `"CreateQueue"` with the request as JSON; the answer, as JSON.
    ///
    /// # Errors
    /// [`AwsError`] with the stand-in's words.
    pub fn sqs(&self, action: &str, request: &Value) -> Result<Value, AwsError> {
        let answered = self
            .agent
            .post(self.endpoint())
            .header("authorization", authorization("sqs"))
            .header("x-amz-target", format!("AmazonSQS.{action}"))
            .content_type("application/x-amz-json-1.0")
            .send(request.to_string());
        let (status, answer) = read(action, answered)?;
        serde_json::from_str(&answer).map_err(|_| AwsError::Refused { action: action.to_owned(), status, answer })
    }

    /// Any call of SNS: `"CreateTopic"` with its parameters; the answer, as XML.
    ///
    /// # Errors
    /// [`AwsError`] with the stand-in's words.
    pub fn sns(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, AwsError> {
        let fixed = [("Action", action), ("Version", "2010-03-31")];
        let answered = self
            .agent
            .post(self.endpoint())
            .header("authorization", authorization("sns"))
            .send_form(fixed.into_iter().chain(parameters.iter().copied()));
        Ok(read(action, answered)?.1)
    }

    /// Creates a topic and answers its ARN; a name that ends in `.fifo` makes it FIFO.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn create_topic(&self, name: &str) -> Result<String, AwsError> {
        let fifo = [("Attributes.entry.1.key", "FifoTopic"), ("Attributes.entry.1.value", "true")];
        let mut parameters = vec![("Name", name)];
        parameters.extend(fifo.into_iter().filter(|_| is_fifo(name)));
        let answer = self.sns("CreateTopic", &parameters)?;
        let arn = answer.split_once("<TopicArn>").and_then(|(_, rest)| rest.split_once("</TopicArn>"));
        let arn = arn.map(|(arn, _)| arn.to_owned());
        arn.ok_or(AwsError::Refused { action: "CreateTopic".to_owned(), status: 200, answer })
    }

    /// Creates a queue with these attributes, `("VisibilityTimeout", "30")`; a name that ends in `.fifo` makes it FIFO.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<Queue, AwsError> {
        let fifo = is_fifo(name).then_some(("FifoQueue", "true"));
        let attributes: Map<String, Value> =
            fifo.iter().chain(attributes).map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let answer = self.sqs("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }))?;
        let unexpected = |answer: &Value| AwsError::Refused {
            action: "CreateQueue".into(),
            status: 200,
            answer: answer.to_string(),
        };
        let url = answer["QueueUrl"].as_str().ok_or_else(|| unexpected(&answer))?.to_owned();
        let answer = self.sqs("GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] }))?;
        let arn = answer["Attributes"]["QueueArn"].as_str().ok_or_else(|| unexpected(&answer))?.to_owned();
        Ok(Queue { url, arn })
    }

    /// Creates a queue from which a message goes to `dead_letters` after it was received `max_receives` times.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn create_queue_before(
        &self,
        name: &str,
        dead_letters: &Queue,
        max_receives: u32,
        attributes: &[(&str, &str)],
    ) -> Result<Queue, AwsError> {
        let policy = json!({ "deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": max_receives }).to_string();
        self.create_queue(name, &[attributes, &[("RedrivePolicy", policy.as_str())]].concat())
    }

    /// Subscribes a queue to a topic, with or without raw delivery; answers XML with the subscription's ARN.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn subscribe(&self, topic: &str, queue: &Queue, raw: bool) -> Result<String, AwsError> {
        let parameters = [
            ("TopicArn", topic),
            ("Protocol", "sqs"),
            ("Endpoint", &queue.arn),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", if raw { "true" } else { "false" }),
        ];
        self.sns("Subscribe", &parameters)
    }

    /// Receives at most `max` (1 to 10) messages with all their attributes, as SQS spells them (`MessageId`, `Body`, ...);
    /// an empty queue is waited on for `wait`, in whole seconds up to 20.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn receive(&self, queue: &Queue, max: u32, wait: Duration) -> Result<Vec<Value>, AwsError> {
        let request = json!({
            "QueueUrl": queue.url,
            "MaxNumberOfMessages": max,
            "WaitTimeSeconds": wait.as_secs(),
            "MessageSystemAttributeNames": ["All"],
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let mut answer = self.sqs("ReceiveMessage", &request)?;
        Ok(answer["Messages"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Receives and deletes until `count` messages have come, or none has for some seconds.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn drain(&self, queue: &Queue, count: usize) -> Result<Vec<Value>, AwsError> {
        let mut all = Vec::new();
        while all.len() < count {
            let some = self.receive(queue, 10, Duration::from_secs(5))?;
            if some.is_empty() {
                break;
            }
            for message in &some {
                let request = json!({ "QueueUrl": queue.url, "ReceiptHandle": message["ReceiptHandle"] });
                self.sqs("DeleteMessage", &request)?;
            }
            all.extend(some);
        }
        Ok(all)
    }
}

fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// Signed by nobody: the stand-in reads the region and the service from it.
fn authorization(service: &str) -> String {
    let scope = format!("test/20260101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

fn read(
    action: &str,
    answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<(u16, String), AwsError> {
    let failed = |source| AwsError::Call { action: action.to_owned(), source: Box::new(source) };
    let mut answered = answered.map_err(failed)?;
    let status = answered.status();
    let answer = answered.body_mut().read_to_string().map_err(failed)?;
    if status.is_success() {
        Ok((status.as_u16(), answer))
    } else {
        Err(AwsError::Refused { action: action.to_owned(), status: status.as_u16(), answer })
    }
}
