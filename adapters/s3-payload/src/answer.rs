//! What S3 answers, and what that means for the message.

use std::error::Error;

use reqwest::{Response, StatusCode};
use taskwatch_aws::chain;
use taskwatch_sqs_message::{MAX_BODY_BYTES, PayloadError, excerpt};

/// How much of an error's body is read, in bytes: its code comes first.
const ERROR_BYTES: usize = 4_096;

/// The object, or why there is none.
pub(crate) async fn object(response: Response, region: &str) -> Result<String, PayloadError> {
    if response.status() != StatusCode::OK {
        return Err(refusal(response, region).await);
    }
    let too_large = |bytes: u64| {
        PayloadError::Refused(format!("the object has {bytes} bytes or more, and at most {MAX_BODY_BYTES} are read"))
    };
    if let Some(length) =
        response.content_length().filter(|length| usize::try_from(*length).unwrap_or(usize::MAX) > MAX_BODY_BYTES)
    {
        return Err(too_large(length));
    }
    let body = read(response, MAX_BODY_BYTES).await.map_err(|error| no_answer(&error))?;
    let body = body.ok_or_else(|| too_large(MAX_BODY_BYTES as u64 + 1))?;
    String::from_utf8(body).map_err(|_| PayloadError::Refused("the object is not text in UTF-8".to_owned()))
}

/// The whole body; `None` as soon as it is longer than that.
async fn read(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What S3 says instead of the object.
async fn refusal(response: Response, region: &str) -> PayloadError {
    let status = response.status();
    let elsewhere = response.headers().get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
    let elsewhere = elsewhere.filter(|theirs| *theirs != region).map(excerpt);
    let text = read(response, ERROR_BYTES).await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = code(&text);
    let said = code.map_or_else(|| status.as_u16().to_string(), |code| format!("{} {code}", status.as_u16()));
    let refused = |why: &str| PayloadError::Refused(format!("{why} ({said})"));
    let unavailable = |why: &str| PayloadError::Unavailable(format!("{why} ({said})"));
    match (status.as_u16(), code) {
        (_, Some("ExpiredToken" | "InvalidAccessKeyId" | "InvalidToken" | "TokenRefreshRequired")) => {
            unavailable("S3 does not take the credentials, or no longer")
        }
        (_, Some("RequestTimeTooSkewed")) => unavailable("the clock of this machine is wrong"),
        (403, _) if text.contains("Request has expired") => unavailable("the clock of this machine is wrong"),
        (_, Some("SignatureDoesNotMatch")) => unavailable("S3 does not take the signature: a wrong secret, or a proxy"),
        (_, Some("RequestTimeout" | "SlowDown" | "Throttling" | "InternalError")) => {
            unavailable("S3 asks to try again")
        }
        (300..=400, _) if elsewhere.is_some() => refused(&format!(
            "the bucket is in the region {}, and payloads are fetched from {region} only",
            elsewhere.unwrap_or_default()
        )),
        (301 | 308, _) => refused("the bucket is elsewhere: in another region, or at another address"),
        (300..=399, _) => unavailable("S3 sends to another address for now"),
        (404, Some("NoSuchBucket")) => refused("there is no such bucket"),
        (404, _) => refused("there is no such object"),
        (403, Some("InvalidObjectState")) => refused("the object is archived: restore it"),
        (403, _) => refused("the credentials do not allow s3:GetObject there, or there is no such object"),
        (429 | 500..=599, _) => unavailable("S3 asks to try again"),
        _ => refused("S3 does not give it"),
    }
}

/// The code in an error's XML, if it is one.
fn code(text: &str) -> Option<&str> {
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    let is_code = !code.is_empty() && code.len() < 60 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then_some(code)
}

/// Without the URL, which holds the signature.
pub(crate) fn no_answer(error: &reqwest::Error) -> PayloadError {
    let what = if error.is_connect() { "no connection to S3" } else { "no whole answer from S3" };
    let cause = error.source().map(chain);
    PayloadError::Unavailable(cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}")))
}
