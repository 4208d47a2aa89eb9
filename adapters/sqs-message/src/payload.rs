//! Messages whose announcement lies in S3: who fetches it, and what comes of it.

use async_trait::async_trait;
use taskwatch_core::delivery::{Delivery, Subject};

use crate::body::{Body, Opened, Said};
use crate::limits::{MAX_ATTRIBUTES, MAX_BODY_BYTES};
use crate::message::{delivery, of_record};
use crate::pointer::S3Pointer;
use crate::record::SqsRecord;
use crate::unreadable::{Part, Unreadable};

/// Fetches payloads. Implemented where there is I/O; this crate only reads what it answers.
#[async_trait]
pub trait Payloads: Send + Sync {
    /// The object that a pointer names, as text of at most [`MAX_BODY_BYTES`].
    ///
    /// The pointer comes from the message, so the implementation decides which buckets may be read. It ends by itself:
    /// with [`PayloadError::Unavailable`] if nothing comes.
    ///
    /// # Errors
    /// [`PayloadError`] says whether it makes sense to try again.
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError>;
}

/// Why there is no payload: phrased to follow «failed to». The reasons go to logs and dead letters, so they hold neither
/// secrets nor the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// For good: no such object, a bucket that may not be read, too large, not text.
    #[error("fetch the payload: {0}")]
    Refused(String),
    /// For now: no answer, an error of the service, throttling.
    #[error("fetch the payload: not for now: {0}")]
    Unavailable(String),
}

/// Reads a record as [`delivery`] does, and fetches the payload of one that holds a pointer.
///
/// The payload is read as the body would have been, an SNS envelope in it included; another pointer in it is not
/// followed. What is refused becomes [`Subject::Unreadable`], what cannot be had for now [`Subject::Withheld`].
/// Without `payloads` no pointer is followed. Nothing is fetched for any other message.
pub async fn delivery_with(
    record: &SqsRecord,
    receipt: impl Into<String> + Send,
    payloads: Option<&dyn Payloads>,
) -> Delivery {
    let Some((payloads, opened, pointer)) = payloads.and_then(|payloads| {
        let (opened, pointer) = pointing(record)?;
        Some((payloads, opened, pointer))
    }) else {
        return delivery(record, receipt);
    };
    let trace = record.traceparent().or_else(|| opened.envelope.trace.clone()).or_else(|| record.aws_trace());
    let subject = match payloads.fetch(&pointer).await {
        Ok(payload) => match read_payload(&payload) {
            Ok(body) => return of_record(opened.envelope.around(body), record).delivery(receipt),
            Err(why) => Subject::Unreadable(Unreadable::InPayload { pointer, why: Box::new(why) }.to_string()),
        },
        Err(PayloadError::Refused(why)) => Subject::Unreadable(Unreadable::PayloadRefused { pointer, why }.to_string()),
        Err(PayloadError::Unavailable(why)) => Subject::Withheld(format!("the payload in S3 ({pointer}): {why}")),
    };
    Delivery { receipt: receipt.into(), subject, receive_count: record.receive_count(), trace, group: None }
}

/// The pointer in a record; `None` for whatever [`delivery`] can judge alone.
fn pointing(record: &SqsRecord) -> Option<(Opened, S3Pointer)> {
    let body = record.body.as_deref().filter(|body| body.len() <= MAX_BODY_BYTES && may_point(body))?;
    if record.message_attributes.len() > MAX_ATTRIBUTES {
        return None;
    }
    let opened = Opened::open(body, Part::Body).ok()?;
    match opened.said() {
        Ok(Said::Pointer(pointer)) => Some((opened, pointer)),
        Ok(Said::Announcement(_)) | Err(_) => None,
    }
}

/// Saves parsing the others twice. JSON could spell the name otherwise, with escapes; no client does.
fn may_point(body: &str) -> bool {
    body.contains("s3BucketName")
}

fn read_payload(payload: &str) -> Result<Body, Unreadable> {
    if payload.len() > MAX_BODY_BYTES {
        return Err(Unreadable::PayloadTooLarge(payload.len()));
    }
    let opened = Opened::open(payload, Part::Payload)?;
    match opened.said()? {
        Said::Announcement(body) => Ok(opened.envelope.around(body)),
        Said::Pointer(_) => Err(Unreadable::PointerToPointer(opened.part)),
    }
}
