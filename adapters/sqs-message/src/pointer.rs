//! Pointers to payloads in S3, as the extended clients leave them where a message would have been.

use std::fmt;

use serde_json::Value;

use crate::limits::excerpt;
use crate::unreadable::{Part, Unreadable};

/// The classes that the extended clients name at the head of a pointer, the older one first.
const CLASSES: [&str; 2] =
    ["com.amazon.sqs.javamessaging.MessageS3Pointer", "software.amazon.payloadoffloading.PayloadS3Pointer"];

/// Where a payload lies. Whoever sent the message chose both: neither is to be trusted.
///
/// Shown as `bucket/key`, cut to [`crate::MAX_EXCERPT_CHARS`] and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Pointer {
    /// Name of the bucket; not empty.
    pub bucket: String,
    /// Key of the object; not empty.
    pub key: String,
}

impl fmt::Display for S3Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&excerpt(&format!("{}/{}", self.bucket, self.key)))
    }
}

/// The pointer that a value is; `None` for anything else. Some libraries leave out the class.
pub(crate) fn pointer(value: &Value, part: Part) -> Result<Option<S3Pointer>, Unreadable> {
    let object = match value {
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(class), rest @ ..] if CLASSES.contains(&class.as_str()) => {
                rest.first().unwrap_or(&Value::Null)
            }
            _ => return Ok(None),
        },
        Value::Object(members) if members.contains_key("s3BucketName") && !members.contains_key("task_id") => value,
        _ => return Ok(None),
    };
    let member = |name| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    match (member("s3BucketName"), member("s3Key")) {
        (Some(bucket), Some(key)) => Ok(Some(S3Pointer { bucket, key })),
        _ => Err(Unreadable::S3PointerOdd(part)),
    }
}
