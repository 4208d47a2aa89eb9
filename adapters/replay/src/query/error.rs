//! What is wrong with an expression, where, and what may help.

use jmespath::{ErrorReason, JmespathError};
use taskwatch_sqs_message::excerpt;

use super::{MAX_QUERY_BYTES, MAX_QUERY_OPERATORS};

/// Why an expression is refused. Phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing there.
    #[error("read the JMESPath expression: it is empty: for example, contains(title, 'Sweep') && task_id > `100`")]
    Empty,
    /// Longer than anybody writes.
    #[error("read the JMESPath expression: it has {bytes} bytes, and at most {MAX_QUERY_BYTES} are read")]
    TooLong {
        /// Of the expression.
        bytes: usize,
    },
    /// It could not be evaluated on a stack of usual size.
    #[error(
        "read the JMESPath expression: it has {operators} operators and brackets, and at most {MAX_QUERY_OPERATORS} are read"
    )]
    TooDeep {
        /// Of the expression.
        operators: usize,
    },
    /// It goes wrong somewhere.
    #[error("read the JMESPath expression at character {at} ({near}): {why}")]
    Wrong {
        /// Where, from 1.
        at: usize,
        /// What stands there.
        near: String,
        /// What is wrong, and what may help.
        why: String,
    },
}

/// An error at this byte of the expression.
pub(super) fn wrong(text: &str, offset: usize, why: impl Into<String>) -> QueryError {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let rest = text[offset..].trim_end();
    let near = if rest.is_empty() { "the end".to_owned() } else { excerpt(rest) };
    QueryError::Wrong { at: text[..offset].chars().count() + 1, near, why: why.into() }
}

/// The parser's words in ours.
pub(super) fn syntax(text: &str, error: &JmespathError) -> QueryError {
    let said = match &error.reason {
        ErrorReason::Parse(said) => said.as_str(),
        ErrorReason::Runtime(_) => "cannot be evaluated",
    };
    let (said, found) = said.split_once(" -- found ").unwrap_or((said, ""));
    let offset = if found == "Eof" { text.len() } else { error.offset };
    let rest = text.get(offset..).unwrap_or_default();
    let why = match said {
        _ if said.starts_with("Unclosed ") => "this quote is never closed".to_owned(),
        _ if said.starts_with("Unable to parse literal") => {
            "backquotes hold JSON, as in `7` or `\"text\"`; plain text stands in single quotes: 'text'".to_owned()
        }
        _ if rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            "numbers are written in backquotes, as in task_id > `7`".to_owned()
        }
        _ if rest.starts_with('=') => "equality is written ==".to_owned(),
        _ if word(rest) == "and" => "«and» is written &&".to_owned(),
        _ if word(rest) == "or" => "«or» is written ||".to_owned(),
        _ if found == "Eof" => "more is expected here".to_owned(),
        "Unexpected nud token" => "the name of a member or a value is expected here".to_owned(),
        "Did not parse the complete expression" | "Unexpected led token" => {
            "an operator is expected here, such as ==, && or |".to_owned()
        }
        other => excerpt(&lower(other)),
    };
    wrong(text, offset, why)
}

/// What stands in the way of an evaluation.
pub(super) fn runtime(error: &JmespathError) -> String {
    match &error.reason {
        ErrorReason::Parse(said) => lower(said),
        ErrorReason::Runtime(said) => lower(&said.to_string()),
    }
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
