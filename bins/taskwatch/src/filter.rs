//! Which letters, by flags.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use taskwatch_core::task::Status;
use taskwatch_replay::{ClassKind, Filter, Query};

/// Conditions on letters, all of which must hold.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which letters")]
pub(crate) struct FilterArgs {
    /// What its task was found to be: never-ran, waiting, running, failed, uncertain, completed, cancelled,
    /// no-such-task, unknown-status or unreadable; may be repeated
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    class: Vec<ClassKind>,
    /// The status of its task; may be repeated
    #[arg(long, value_name = "STATUS", value_parser = crate::commands::list::status)]
    task_status: Vec<Status>,
    /// Its task: 7, 7..20 (both included), or several with commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = ids)]
    task: Vec<RangeInclusive<i64>>,
    /// A part of the reason why it is a dead letter, in whatever case
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
    /// Sent at least so long ago, such as 2h or 3days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Sent at most so long ago
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
    /// How often it was received: 3, 3..5 or 3..
    #[arg(long, value_name = "N", value_parser = times)]
    receives: Option<RangeInclusive<u32>>,
    /// It has this message attribute, with this value if one is given; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = attribute)]
    attribute: Vec<(String, Option<String>)>,
    /// A JMESPath expression over the body (without its SNS envelope) that is true
    #[arg(long, value_name = "JMESPATH", value_parser = query)]
    query: Option<Query>,
}

impl FilterArgs {
    /// As a filter.
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            classes: self.class.clone(),
            statuses: self.task_status.clone(),
            tasks: self.task.clone(),
            cause: self.cause.clone(),
            older_than: self.older_than,
            newer_than: self.newer_than,
            receives: self.receives.clone(),
            attributes: self.attribute.clone(),
            query: self.query.clone(),
        }
    }
}

fn ids(text: &str) -> Result<RangeInclusive<i64>, String> {
    range(text, i64::MAX).ok_or_else(|| "expected a task id or a range of them, such as 7 or 7..20".to_owned())
}

fn times(text: &str) -> Result<RangeInclusive<u32>, String> {
    range(text, u32::MAX).ok_or_else(|| "expected a number or a range, such as 3, 3..5 or 3..".to_owned())
}

fn range<T: std::str::FromStr + PartialOrd + Copy>(text: &str, most: T) -> Option<RangeInclusive<T>> {
    let number = |text: &str| text.trim().parse::<T>().ok();
    let (from, to) = match text.split_once("..") {
        Some((from, "")) => (number(from)?, most),
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(text)?, number(text)?),
    };
    (from <= to).then_some(from..=to)
}

fn attribute(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    if name.is_empty() { Err("expected NAME or NAME=VALUE".to_owned()) } else { Ok((name.to_owned(), value)) }
}

fn query(text: &str) -> Result<Query, String> {
    Query::parse(text).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_both_ends_or_one() {
        assert_eq!(times("3"), Ok(3..=3));
        assert_eq!(times("3..5"), Ok(3..=5));
        assert_eq!(times("3.."), Ok(3..=u32::MAX));
        for bad in ["", "..", "..3", "5..3", "x", "-1"] {
            assert!(times(bad).is_err(), "{bad}");
        }
        assert_eq!(ids("7..20"), Ok(7..=20));
    }

    #[test]
    fn an_attribute_may_have_any_value() {
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), Some("b=c".into()))));
        assert_eq!(attribute("a"), Ok(("a".into(), None)));
        assert_eq!(attribute("a="), Ok(("a".into(), Some(String::new()))));
        assert!(attribute("=b").is_err());
    }
}
