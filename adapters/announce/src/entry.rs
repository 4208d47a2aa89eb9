//! One announcement as a message.

use taskwatch_core::outbox::Announcement;
use taskwatch_core::task::Task;

/// The attribute that carries W3C trace context.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// The data type of attributes.
pub(crate) const STRING: &str = "String";
/// The subject of the system that users have today.
pub(crate) const SUBJECT: &str = "New Task Added";

/// Most bytes of a message with its attributes, and of all messages of a call.
///
/// What a topic takes unless its `MaximumMessageSize` says otherwise. Queues take 1,048,576 since August 2025, but those
/// created before keep the limit they have.
pub(crate) const MAX_BYTES: usize = 262_144;

/// Longest title of a message that must be short, in characters: as long as the column is.
const MAX_TITLE_CHARS: usize = 255;

/// What is sent for one announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) body: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) fifo: Option<Fifo>,
    /// The body without what it can do without; `None` if that is how it is already.
    shorter: Option<String>,
}

/// What FIFO topics and queues want besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fifo {
    pub(crate) group: String,
    pub(crate) once: String,
}

impl Entry {
    pub(crate) fn new(announcement: &Announcement, fifo: bool) -> Self {
        let task = &announcement.task;
        let body = written(announcement);
        let short = Task { id: task.id, title: task.title.chars().take(MAX_TITLE_CHARS).collect(), description: None };
        let shorter = (short != *task).then(|| written(&Announcement { task: short, ..announcement.clone() }));
        let fifo =
            fifo.then(|| Fifo { group: task.id.to_string(), once: format!("{}-{}", task.id, announcement.number) });
        let entry = Self { body, traceparent: traceparent(announcement), fifo, shorter };
        if entry.bytes() > MAX_BYTES { entry.shorter().unwrap_or(entry) } else { entry }
    }

    /// What counts toward [`MAX_BYTES`].
    pub(crate) fn bytes(&self) -> usize {
        let attribute = |value: &String| TRACEPARENT.len() + STRING.len() + value.len();
        self.body.len() + SUBJECT.len() + self.traceparent.as_ref().map_or(0, attribute)
    }

    /// The same without its description and with a title of moderate length; `None` if there is no more to leave out.
    pub(crate) fn shorter(&self) -> Option<Self> {
        let body = self.shorter.clone()?;
        Some(Self { body, traceparent: self.traceparent.clone(), fifo: self.fifo.clone(), shorter: None })
    }
}

/// As JSON, in characters that SQS takes: it refuses what XML cannot hold. Of that, JSON escapes all but two.
fn written(announcement: &Announcement) -> String {
    let json = serde_json::to_string(announcement).expect("a number and texts");
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        return json.replace('\u{fffe}', r"\ufffe").replace('\u{ffff}', r"\uffff");
    }
    json
}

/// The trace as a `traceparent`, or nothing if it is not 32 hexadecimal digits.
///
/// The span that added the task has long ended and is not known any more; in its place stands the announcement's number.
/// That it is kept at all means that it was sampled.
fn traceparent(announcement: &Announcement) -> Option<String> {
    let trace = announcement.trace.as_deref()?;
    let hex = trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let good = trace.len() == 32 && hex && trace.bytes().any(|byte| byte != b'0');
    // All zeros would make it invalid.
    good.then(|| format!("00-{trace}-{:016x}-01", announcement.number.unsigned_abs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn announcement(title: &str, description: Option<&str>) -> Announcement {
        let task = Task { id: 7.try_into().unwrap(), title: title.into(), description: description.map(Into::into) };
        Announcement { number: 0x2a, task, trace: Some(TRACE.into()) }
    }

    #[test]
    fn the_body_is_that_of_the_old_system() {
        let entry = Entry::new(&announcement("Sweep", Some("the \"floor\"")), false);
        assert_eq!(entry.body, r#"{"task_id":7,"title":"Sweep","description":"the \"floor\""}"#);
        assert_eq!(entry.traceparent.as_deref(), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-000000000000002a-01"));
        assert_eq!(entry.fifo, None);
        assert_eq!(Entry::new(&announcement("Sweep", None), false).shorter(), None);
    }

    #[test]
    fn a_replay_is_another_message_and_a_repetition_is_not() {
        let one = announcement("Sweep", None);
        let fifo = |announcement: &Announcement| Entry::new(announcement, true).fifo.unwrap();
        assert_eq!(fifo(&one), fifo(&one.clone()));
        let replay = Announcement { number: 43, ..one.clone() };
        assert_eq!(fifo(&one).group, fifo(&replay).group);
        assert_ne!(fifo(&one).once, fifo(&replay).once);
    }

    #[test]
    fn what_is_too_large_goes_without_its_description() {
        let fits = "x".repeat(MAX_BYTES - 300);
        assert!(Entry::new(&announcement("Sweep", Some(&fits)), false).body.contains(&fits));
        for large in ["x".repeat(MAX_BYTES), "é".repeat(MAX_BYTES / 2), "\u{1}".repeat(MAX_BYTES / 6)] {
            let entry = Entry::new(&announcement("Sweep", Some(&large)), true);
            assert_eq!(entry.body, r#"{"task_id":7,"title":"Sweep","description":null}"#);
            assert!(entry.fifo.is_some() && entry.traceparent.is_some());
            let entry = Entry::new(&announcement(&large, None), false);
            assert!(entry.bytes() < 2000 && entry.body.starts_with(r#"{"task_id":7,"title":""#), "{}", entry.body);
        }
    }

    #[test]
    fn no_character_is_left_that_sqs_refuses() {
        let all: String =
            ('\0'..=char::MAX).filter(|c| (*c as u32) < 0x11000 || (*c as u32) & 0xffff > 0xfff0).collect();
        let one = announcement("t", Some(&all));
        let body = written(&one);
        assert!(!body.chars().any(|c| c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}')));
        assert_eq!(serde_json::from_str::<Task>(&body).unwrap(), one.task);
    }

    #[test]
    fn a_trace_that_is_none_is_left_out() {
        let with = |trace: &str| Announcement { trace: Some(trace.into()), ..announcement("t", None) };
        for bad in ["", "4bf9", &"0".repeat(32), &TRACE.to_uppercase(), &format!("{TRACE}0"), &"é".repeat(16)] {
            assert_eq!(traceparent(&with(bad)), None, "{bad}");
        }
        let unnumbered = Announcement { number: 0, ..announcement("t", None) };
        assert_eq!(traceparent(&unnumbered).unwrap(), format!("00-{TRACE}-0000000000000001-01"));
    }
}
