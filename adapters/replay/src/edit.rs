//! Changes to what a message says.

use std::io;

use serde_json::{Map, Value};
use taskwatch_sqs_message::{MAX_BODY_BYTES, MAX_NESTING, Nesting, excerpt, is_envelope};

use crate::query::{Compiled, QueryError};

/// A change to an announcement.
///
/// Numbers of more than 64 bits lose digits in whatever is edited; all else that an edit does not name stays as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    text: String,
    change: Change,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// RFC 7396.
    Merge(Map<String, Value>),
    /// Its result is the new announcement.
    Compute(Compiled),
}

/// Why an edit is refused. Phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseEditError {
    /// It begins like JSON, and is neither that nor JMESPath.
    #[error("read the edit: as a JSON merge patch, {json}; or else {jmespath}")]
    Neither {
        /// What is wrong with the JSON, and where.
        json: String,
        /// What is wrong with the expression.
        jmespath: QueryError,
    },
    /// JSON, but no object.
    #[error(
        "read the edit: a JSON merge patch is an object, such as {{\"priority\": 1}}, and this is {found}; a JMESPath \
         expression makes an object too: merge(@, {{priority: `1`}})"
    )]
    NotAPatch {
        /// What it is.
        found: &'static str,
    },
    /// No JSON, and the expression is wrong.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Why a message could not be edited. Phrased to follow «failed to»; nothing of the message is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// What is no JSON cannot be edited.
    #[error("edit the message: it is not JSON ({0})")]
    NotJson(String),
    /// A merge needs members.
    #[error("edit the message: it is {0}, and a JSON merge patch changes objects: a JMESPath expression can take it")]
    NotMergeable(&'static str),
    /// The expression does not fit this message.
    #[error("edit the message: the expression cannot be applied to it: {0}")]
    Expression(String),
    /// An announcement is an object.
    #[error("edit the message: the expression gives {0}, and an announcement is an object, as merge(@, {{...}}) gives")]
    NotAnObject(&'static str),
    /// Beyond what is read.
    #[error("edit the message: arrays and objects are nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// Beyond what SQS takes.
    #[error("edit the message: it has more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

impl Edit {
    /// Reads an edit: a JSON object is a JSON merge patch (RFC 7396: members replace those of the same name, `null` removes
    /// them); anything else is a JMESPath expression whose result is the new announcement.
    ///
    /// # Errors
    /// [`ParseEditError`] says where it goes wrong.
    pub fn parse(text: &str) -> Result<Self, ParseEditError> {
        let deep = Nesting::default().feed(text.as_bytes()) > MAX_NESTING;
        let change = match serde_json::from_str(text) {
            Ok(Value::Object(patch)) if !deep => Change::Merge(patch),
            // A string in quotes is a member's name to JMESPath, and nobody means that.
            Ok(value) if !deep => return Err(ParseEditError::NotAPatch { found: describe(&value) }),
            json => Change::Compute(Compiled::parse(text).map_err(|jmespath| match json {
                Err(json) if text.trim_start().starts_with('{') => {
                    ParseEditError::Neither { json: json.to_string(), jmespath }
                }
                _ => ParseEditError::Query(jmespath),
            })?),
        };
        Ok(Self { text: text.trim().to_owned(), change })
    }

    /// The edit as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Edits a body: the announcement, within its SNS envelope where it has one. The rest of the envelope stays as it is.
    ///
    /// # Errors
    /// [`EditError`]
    pub fn apply(&self, body: &str) -> Result<String, EditError> {
        match parse(body)? {
            Value::Object(mut envelope) if is_envelope(&envelope) => {
                let Some(Value::String(message)) = envelope.get("Message") else {
                    let found = envelope.get("Message").map_or("missing", describe);
                    return Err(EditError::NotJson(format!("the `Message` of the SNS envelope is {found}")));
                };
                let edited = self.announcement(parse(message)?)?;
                envelope.insert("Message".to_owned(), edited.into());
                write(&envelope)
            }
            content => self.announcement(content),
        }
    }

    fn announcement(&self, mut content: Value) -> Result<String, EditError> {
        let edited = match &self.change {
            Change::Merge(patch) => {
                if !content.is_object() {
                    return Err(EditError::NotMergeable(describe(&content)));
                }
                json_patch::merge(&mut content, &Value::Object(patch.clone()));
                write(&content)?
            }
            Change::Compute(expression) => {
                let found = expression.search(&content).map_err(EditError::Expression)?;
                if !found.is_object() {
                    return Err(EditError::NotAnObject(match found.get_type().to_string().as_str() {
                        "null" => "null",
                        "array" => "an array",
                        "string" => "a string",
                        "number" => "a number",
                        "boolean" => "a boolean",
                        _ => "no value",
                    }));
                }
                write(&*found)?
            }
        };
        if Nesting::default().feed(edited.as_bytes()) > MAX_NESTING {
            return Err(EditError::TooDeep);
        }
        Ok(edited)
    }
}

fn parse(text: &str) -> Result<Value, EditError> {
    if text.len() > MAX_BODY_BYTES {
        return Err(EditError::TooLarge);
    }
    if Nesting::default().feed(text.as_bytes()) > MAX_NESTING {
        return Err(EditError::TooDeep);
    }
    serde_json::from_str(text).map_err(|error| EditError::NotJson(excerpt(&error.to_string())))
}

fn write(value: &impl serde::Serialize) -> Result<String, EditError> {
    let mut out = Bounded(Vec::new());
    serde_json::to_writer(&mut out, value).map_err(|_| EditError::TooLarge)?;
    String::from_utf8(out.0).map_err(|error| EditError::NotJson(error.to_string()))
}

/// Ends what grows beyond all bounds: an expression can repeat its input many times over.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY_BYTES {
            return Err(io::Error::other("over the limit"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
