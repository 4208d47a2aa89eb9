//! Why a call failed, sorted by what can be done about it; in words for a log: no message, no headers, no keys.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use taskwatch_aws::chain;
use taskwatch_sqs_message::CallError;

/// Longest text of the other side that is repeated, in characters: a refusal names role, action and queue.
const MAX_WORDS: usize = 500;

/// A call, as it is named in a policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action(pub(crate) &'static str);

impl Action {
    /// Why this call on this queue failed as a whole.
    pub(crate) fn failed<E, R>(self, queue: &str, error: &SdkError<E, R>) -> CallError
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let (code, message) = match error {
            SdkError::ServiceError(answer) => (answer.err().code(), answer.err().message()),
            _ => (None, None),
        };
        if lacks_credentials(error) {
            return CallError::NoCredentials { queue: queue.to_owned(), why: why(code, message, error) };
        }
        self.sorted(queue, code, || why(code, message, error))
    }

    /// By the code that the other side gave, if it gave any.
    pub(crate) fn sorted(self, queue: &str, code: Option<&str>, why: impl FnOnce() -> String) -> CallError {
        let queue = queue.to_owned();
        match code.map(last) {
            Some("AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation") => {
                let is_key = why();
                let action = if is_key.contains("KMS") || is_key.contains("kms:") { KMS } else { self.0 };
                CallError::NotAllowed { action: action.to_owned(), queue, why: is_key }
            }
            Some("KmsAccessDenied") => CallError::NotAllowed { action: KMS.to_owned(), queue, why: why() },
            Some(
                "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidAccessKeyId"
                | "InvalidClientTokenId"
                | "InvalidToken"
                | "MissingAuthenticationToken"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException",
            ) => CallError::NoCredentials { queue, why: why() },
            Some("QueueDoesNotExist" | "NonExistentQueue") => CallError::Gone { queue },
            Some(
                "InvalidParameterValue"
                | "InvalidMessageContents"
                | "InvalidAttributeValue"
                | "MissingParameter"
                | "ReceiptHandleIsInvalid"
                | "MessageNotInflight"
                | "BatchRequestTooLong",
            ) => CallError::Refused { queue, why: why() },
            _ => CallError::Unavailable { queue, why: why() },
        }
    }
}

/// Whether it was only too much at once, whoever is said to be at fault.
pub(crate) fn is_throttling(code: &str) -> bool {
    matches!(last(code), "RequestThrottled" | "ThrottlingException" | "Throttling" | "KmsThrottled")
}

/// Some codes come with the service's name before them, in both protocols.
fn last(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// Whether it never came to a call, because nobody could sign it.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What sending to an encrypted queue takes.
const KMS: &str = "kms:GenerateDataKey and kms:Decrypt on the queue's key";

/// The other side's words if there are any, else what is under the error.
fn why(code: Option<&str>, message: Option<&str>, error: &(dyn Error + 'static)) -> String {
    match (message, code) {
        (None, None) => short(&chain(error)),
        (message, code) => words(code, message),
    }
}

/// The other side's words, on one line.
pub(crate) fn words(code: Option<&str>, message: Option<&str>) -> String {
    match (message, code) {
        (Some(message), Some(code)) => short(&format!("{message} ({code})")),
        (Some(text), None) | (None, Some(text)) => short(text),
        (None, None) => "no reason given".to_owned(),
    }
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: &str, words: &str) -> CallError {
        Action("sqs:SendMessage").sorted("q", Some(code), || words.to_owned())
    }

    #[test]
    fn codes_are_sorted_by_what_can_be_done() {
        for code in ["AccessDenied", "com.amazonaws.sqs#AccessDeniedException"] {
            let CallError::NotAllowed { action, .. } = sorted(code, "no") else { panic!("{code}") };
            assert_eq!(action, "sqs:SendMessage");
        }
        for (code, words) in
            [("KmsAccessDenied", "no"), ("KMS.AccessDeniedException", "not authorized to perform: kms:GenerateDataKey")]
        {
            let CallError::NotAllowed { action, .. } = sorted(code, words) else { panic!("{code}") };
            assert!(action.starts_with("kms:"), "{action}");
        }
        for code in ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] {
            assert_eq!(sorted(code, "gone"), CallError::Gone { queue: "q".into() });
        }
        for code in ["ExpiredToken", "com.amazon.coral.service#UnrecognizedClientException"] {
            assert!(matches!(sorted(code, ""), CallError::NoCredentials { .. }), "{code}");
        }
        assert!(matches!(sorted("AWS.SimpleQueueService.MessageNotInflight", ""), CallError::Refused { .. }));
        for code in ["RequestThrottled", "InternalError", "KmsDisabled", "whatever comes"] {
            assert!(matches!(sorted(code, ""), CallError::Unavailable { .. }), "{code}");
        }
    }

    #[test]
    fn words_are_one_line_and_not_endless() {
        assert_eq!(words(Some("Code"), Some("two\nlines")), "two lines (Code)");
        assert_eq!(words(None, Some(&"é".repeat(10_000))).chars().count(), MAX_WORDS + 1);
    }
}
