//! A body taken apart, for whoever wants to see what it says whether or not it can be worked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::body::{Body, Opened, is_envelope};
use crate::limits::{MAX_BODY_BYTES, MAX_NESTING, Nesting};
use crate::unreadable::{Part, Unreadable};

/// A body with its SNS envelope off.
#[derive(Clone, PartialEq)]
pub struct OpenedBody {
    /// The announcement as JSON, or as text where it is none that is read: too long, too deep, no JSON at all.
    pub content: Result<Value, String>,
    /// What [`crate::read_body`] says about the same body.
    pub said: Result<Body, Unreadable>,
    /// Attributes of the envelope that are text or numbers; none for a raw body.
    pub attributes: BTreeMap<String, String>,
}

/// Without what the body says.
impl std::fmt::Debug for OpenedBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedBody")
            .field("is_json", &self.content.is_ok())
            .field("task", &self.said.as_ref().map(|body| body.task))
            .finish_non_exhaustive()
    }
}

/// Takes a body apart. It is parsed once.
#[must_use]
pub fn open_body(body: &str) -> OpenedBody {
    let closed = |why| OpenedBody { content: leftover(body), said: Err(why), attributes: BTreeMap::new() };
    if body.len() > MAX_BODY_BYTES {
        return closed(Unreadable::TooLarge(body.len()));
    }
    match Opened::open(body, Part::Body) {
        Ok(opened) => {
            let said = opened.announced();
            let Opened { envelope, content, .. } = opened;
            let attributes = envelope.attributes.clone();
            OpenedBody { content: Ok(content), said: said.map(|body| envelope.around(body)), attributes }
        }
        Err(why) => closed(why),
    }
}

/// What can be shown of a body that is not as it should be.
fn leftover(body: &str) -> Result<Value, String> {
    let shallow = body.len() <= MAX_BODY_BYTES && Nesting::default().feed(body.as_bytes()) <= MAX_NESTING;
    match shallow.then(|| serde_json::from_str(body)) {
        Some(Ok(Value::Object(mut envelope))) if is_envelope(&envelope) => match envelope.get_mut("Message") {
            Some(Value::String(message)) => Err(std::mem::take(message)),
            _ => Ok(Value::Object(envelope)),
        },
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(body.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::read_body;

    fn envelope(message: &str) -> String {
        json!({
            "Type": "Notification", "Message": message,
            "MessageAttributes": { "channel": { "Type": "String", "Value": "web" } },
        })
        .to_string()
    }

    #[test]
    fn an_envelope_is_taken_off_and_its_attributes_are_kept() {
        let body = r#"{"task_id": 7, "title": "Sweep"}"#;
        for (text, attributes) in [(body.to_owned(), 0), (envelope(body), 1)] {
            let opened = open_body(&text);
            assert_eq!(opened.content, Ok(json!({ "task_id": 7, "title": "Sweep" })));
            assert_eq!(opened.said, read_body(&text));
            assert!(opened.said.is_ok());
            assert_eq!(opened.attributes.len(), attributes);
        }
    }

    #[test]
    fn what_cannot_be_read_is_still_seen() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for (text, content) in [
            ("", Err("")),
            ("no JSON", Err("no JSON")),
            (&*envelope("no JSON"), Err("no JSON")),
            (&*deep, Err(&*deep)),
            (&*envelope(&deep), Err(&*deep)),
            (r#"{"priority": 1}"#, Ok(json!({ "priority": 1 }))),
            (r#""text""#, Ok(json!("text"))),
        ] {
            let opened = open_body(text);
            assert_eq!(opened.content, content.map_err(str::to_owned), "{text}");
            assert_eq!(opened.said, read_body(text), "{text}");
            assert!(opened.said.is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_of_the_body_is_in_the_debug_output() {
        let opened = open_body(r#"{"task_id": 7, "title": "secret"}"#);
        assert!(!format!("{opened:?}").contains("secret"));
    }
}
