//! Where announcements go, read from one string.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// A topic or a queue: parsed from `arn:aws:sns:REGION:ACCOUNT:NAME` or from `https://HOST/ACCOUNT/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) kind: Kind,
    /// The ARN of the topic, or the URL of the queue.
    pub(crate) name: String,
    /// The region that the name names.
    pub(crate) region: Option<String>,
    /// Where to call, if the name says so: the queue is not at AWS's usual address.
    pub(crate) endpoint: Option<String>,
}

/// Which service takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Topic,
    Queue,
}

/// Phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither an ARN nor a URL.
    #[error(
        "tell where to announce tasks from {0:?}: expected the ARN of a topic (arn:aws:sns:REGION:ACCOUNT:NAME) or the \
         URL of a queue (https://sqs.REGION.amazonaws.com/ACCOUNT/NAME)"
    )]
    Unknown(String),
    /// The ARN of something else.
    #[error("announce tasks to {arn}: {hint}")]
    OtherArn {
        /// The ARN.
        arn: String,
        /// What to give instead.
        hint: &'static str,
    },
    /// A URL that is not that of a queue. It is not repeated, since there may be a password in it.
    #[error("announce tasks to the URL given: {0}; the URL of a queue looks like https://HOST/ACCOUNT/NAME")]
    OtherUrl(&'static str),
}

impl Target {
    /// Whether order is kept and repetitions are dropped.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// The ARN or the URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.starts_with("arn:") {
            return topic(text);
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => queue(text, &url),
            // Whatever has a login in it is not repeated.
            Ok(_) | Err(_) if text.contains('@') => Err(TargetError::OtherUrl("it cannot be read")),
            Ok(_) | Err(_) => Err(TargetError::Unknown(text.chars().take(200).collect())),
        }
    }
}

fn topic(arn: &str) -> Result<Target, TargetError> {
    let other = |hint| TargetError::OtherArn { arn: arn.chars().take(300).collect(), hint };
    let parts: Vec<_> = arn.split(':').collect();
    let [_, partition, service, region, account, name] = parts[..] else {
        let subscription = parts.len() == 7 && parts[2] == "sns";
        return Err(other(if subscription {
            "give the ARN of the topic, not of a subscription"
        } else {
            "not a topic"
        }));
    };
    if service == "sqs" {
        return Err(other("give the URL of the queue instead of its ARN"));
    }
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let placed = !region.is_empty() && !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    if service != "sns" || !partition.starts_with("aws") || !named || !placed {
        return Err(other("not a topic: expected arn:aws:sns:REGION:ACCOUNT:NAME"));
    }
    Ok(Target { kind: Kind::Topic, name: arn.to_owned(), region: Some(region.to_owned()), endpoint: None })
}

fn queue(text: &str, url: &Url) -> Result<Target, TargetError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::OtherUrl("it has a user or a password in it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(TargetError::OtherUrl("it has a query or a fragment"));
    }
    let segments = url.path_segments().into_iter().flatten().collect::<Vec<_>>();
    if segments.len() < 2 || segments.iter().any(|segment| segment.is_empty()) {
        return Err(TargetError::OtherUrl("its path names no account and queue"));
    }
    let host = url.host_str().unwrap_or_default();
    let labels: Vec<_> = host.split('.').collect();
    let is_usual = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end))
        && !labels.contains(&"vpce");
    Ok(Target {
        kind: Kind::Queue,
        name: text.to_owned(),
        region: region_of(&labels),
        endpoint: (!is_usual).then(|| url.origin().ascii_serialization()),
    })
}

/// `sqs.REGION.amazonaws.com` and its kin, and `REGION.queue.amazonaws.com`, which old queues have.
fn region_of(labels: &[&str]) -> Option<String> {
    labels.windows(2).find_map(|pair| match *pair {
        ["sqs" | "sqs-fips", region] if region.contains('-') => Some(region.to_owned()),
        [region, "queue"] if region.contains('-') => Some(region.to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Target {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_arn_is_a_topic_in_its_region() {
        let target = read(" arn:aws:sns:eu-west-1:123456789012:new-task-notification\n");
        assert_eq!((target.kind, target.region.as_deref()), (Kind::Topic, Some("eu-west-1")));
        assert_eq!((target.endpoint.clone(), target.is_fifo()), (None, false));
        assert_eq!(target.to_string(), "arn:aws:sns:eu-west-1:123456789012:new-task-notification");
        assert!(read("arn:aws-cn:sns:cn-north-1:123456789012:tasks.fifo").is_fifo());
    }

    #[test]
    fn a_url_is_a_queue_and_says_where_it_is() {
        for (url, region, endpoint) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/task-processing-queue", Some("eu-west-1"), None),
            ("https://sqs-fips.us-east-1.amazonaws.com/123456789012/q", Some("us-east-1"), None),
            ("https://sqs.eu-north-1.api.aws/123456789012/q", Some("eu-north-1"), None),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", Some("cn-north-1"), None),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/q", Some("eu-west-1"), None),
            ("https://queue.amazonaws.com/123456789012/q", None, None),
            (
                "https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q",
                Some("eu-west-1"),
                Some("https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com"),
            ),
            ("http://127.0.0.1:4566/000000000000/q", None, Some("http://127.0.0.1:4566")),
            ("http://localhost:4566/queue/eu-west-1/000000000000/q", None, Some("http://localhost:4566")),
        ] {
            let target = read(url);
            assert_eq!(target.kind, Kind::Queue);
            assert_eq!((target.region.as_deref(), target.endpoint.as_deref()), (region, endpoint), "{url}");
            assert_eq!(target.to_string(), url);
        }
        assert!(read("http://127.0.0.1:4566/000000000000/q.fifo").is_fifo());
    }

    #[test]
    fn anything_else_is_refused_with_what_to_give_instead() {
        for (text, word) in [
            ("", "expected the ARN of a topic"),
            ("new-task-notification", "expected the ARN of a topic"),
            ("ftp://host/1/q", "expected the ARN of a topic"),
            ("arn:aws:sqs:eu-west-1:123456789012:q", "the URL of the queue"),
            ("arn:aws:sns:eu-west-1:123456789012:t:0c1d", "not of a subscription"),
            ("arn:aws:sns:eu-west-1:t", "not a topic"),
            ("arn:aws:lambda:eu-west-1:123456789012:f", "not a topic"),
            ("arn:aws:sns::123456789012:t", "not a topic"),
            ("arn:aws:sns:eu-west-1:me:t", "not a topic"),
            ("arn:aws:sns:eu-west-1:123456789012:a topic", "not a topic"),
            ("https://sqs.eu-west-1.amazonaws.com/q", "names no account and queue"),
            ("https://sqs.eu-west-1.amazonaws.com//q", "names no account and queue"),
            ("https://sqs.eu-west-1.amazonaws.com/1/q?Action=SendMessage", "a query"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for text in ["https://me:geheim@host/1/q", "user:geheim@host", "mysql://me:geheim@host/db"] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }
}
