//! What the metadata say about the instance's end.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use taskwatch_core::time::Timestamp;

/// What EC2 gives a Spot instance: never more, whatever the clocks say, and so much where the time cannot be read.
const SPOT_WARNING: Duration = Duration::from_secs(120);

/// The instance is about to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// EC2 takes the Spot instance back.
    Spot {
        /// `terminate`, `stop` or `hibernate`.
        action: String,
        /// Roughly when.
        at: Timestamp,
    },
    /// Its Auto Scaling group takes it out.
    Group {
        /// The state that it is on its way to: `Terminated`, `Warmed:Terminated`, `Warmed:Stopped` or `Warmed:Hibernated`.
        target: String,
    },
}

impl Notice {
    /// Whether the instance is woken again with all that runs on it, and whoever has ended has to be started again.
    #[must_use]
    pub fn is_sleep(&self) -> bool {
        match self {
            Self::Spot { action, .. } => action == "hibernate",
            Self::Group { target } => target == "Warmed:Hibernated",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spot { action, at } => {
                write!(f, "EC2 takes the Spot instance back: {action} at {}", rfc3339(*at))
            }
            Self::Group { target } => write!(f, "the Auto Scaling group takes the instance out: {target}"),
        }
    }
}

/// All that the metadata have said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// A [`Notice::Spot`].
    pub(crate) spot: Option<(String, Timestamp)>,
    /// The group's target state, whatever it is.
    pub(crate) target: Option<String>,
    pub(crate) is_rebalanced: bool,
}

impl Outlook {
    /// Whether the instance is about to go, by the group's word.
    pub(crate) fn leaves_group(&self) -> bool {
        self.target.as_deref().is_some_and(is_end)
    }

    /// The one to log; what has a time comes first.
    pub(crate) fn notice(&self) -> Option<Notice> {
        let spot = || self.spot.clone().map(|(action, at)| Notice::Spot { action, at });
        spot().or_else(|| self.target.clone().filter(|target| is_end(target)).map(|target| Notice::Group { target }))
    }
}

/// Whether the process ends with the move to this state.
fn is_end(target: &str) -> bool {
    matches!(target, "Terminated" | "Warmed:Terminated" | "Warmed:Stopped" | "Warmed:Hibernated")
}

/// Whether the process outlives the move to this state, out of service.
pub(crate) fn is_rest(target: &str) -> bool {
    target == "Warmed:Running"
}

/// Reads `spot/instance-action`, `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`; `None` if it is something else.
pub(crate) fn spot(json: &str, now: Timestamp) -> Option<(String, Timestamp)> {
    #[derive(Deserialize)]
    struct Action {
        action: String,
        #[serde(default)]
        time: String,
    }
    let read: Action = serde_json::from_str(json).ok()?;
    let at = humantime::parse_rfc3339_weak(&read.time).ok().and_then(timestamp);
    let latest = now + SPOT_WARNING;
    Some((read.action, at.unwrap_or(latest).min(latest)))
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| Timestamp::EPOCH + since)
}

fn rfc3339(at: Timestamp) -> String {
    // A year that it can write: beyond it, the time has been made up.
    let since = at.since(Timestamp::EPOCH).min(Duration::from_secs(250_000_000_000));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_505_722_800_000_000);

    #[test]
    fn what_cannot_be_read_of_a_spot_notice_is_assumed() {
        let (in_one_minute, in_two_minutes) = (NOW + SPOT_WARNING / 2, NOW + SPOT_WARNING);
        for (json, read) in [
            (r#"{"action": "terminate", "time": "2017-09-18T08:21:00Z"}"#, Some(("terminate", in_one_minute))),
            (r#"{"action":"hibernate","time":"2017-09-18T08:21:00.0Z","more":1}"#, Some(("hibernate", in_one_minute))),
            (r#"{"action": "stop", "time": "2017-09-18T08:40:00Z"}"#, Some(("stop", in_two_minutes))),
            (r#"{"action": "stop", "time": "soon"}"#, Some(("stop", in_two_minutes))),
            (r#"{"action": "stop"}"#, Some(("stop", in_two_minutes))),
            (r#"{"time": "2017-09-18T08:40:00Z"}"#, None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(spot(json, NOW), read.map(|(action, at)| (action.to_owned(), at)), "{json}");
        }
    }

    #[test]
    fn only_states_that_end_the_process_are_a_notice() {
        for (target, ends) in [
            ("Terminated", true),
            ("Warmed:Terminated", true),
            ("Warmed:Stopped", true),
            ("Warmed:Hibernated", true),
            ("Warmed:Running", false),
            ("InService", false),
            ("Standby", false),
            ("Detached", false),
            ("", false),
        ] {
            let outlook = Outlook { target: Some(target.to_owned()), ..Outlook::default() };
            assert_eq!((outlook.leaves_group(), outlook.notice().is_some()), (ends, ends), "{target}");
            let sleeps = outlook.notice().is_some_and(|notice| notice.is_sleep());
            assert_eq!(sleeps, target == "Warmed:Hibernated");
        }
    }

    #[test]
    fn a_notice_says_what_happens_and_when() {
        let spot = Some(("terminate".to_owned(), NOW));
        let outlook = Outlook { spot, target: Some("Terminated".to_owned()), is_rebalanced: true };
        let notice = outlook.notice().unwrap();
        assert!(!notice.is_sleep() && Notice::Spot { action: "hibernate".to_owned(), at: NOW }.is_sleep());
        let said = notice.to_string();
        assert_eq!(said, "EC2 takes the Spot instance back: terminate at 2017-09-18T08:20:00Z");
        let said = Outlook { spot: None, ..outlook }.notice().unwrap().to_string();
        assert_eq!(said, "the Auto Scaling group takes the instance out: Terminated");
        assert!(rfc3339(Timestamp::from_micros(i64::MAX)).ends_with('Z'));
    }
}
