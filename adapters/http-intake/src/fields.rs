//! What fields and parameters may hold, once for the checks and once for the document, from the same numbers.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::{Deserialize as _, Deserializer};
use taskwatch_core::task::{OnAbandon, Status, TaskId};
use utoipa::openapi::schema::{Array, Object, ObjectBuilder, SchemaType, Type};

use crate::problem::Problem;

/// Characters in a title and in an idempotency key: what the columns hold.
pub(crate) const TITLE: usize = 255;
/// Bytes in a description: what the column holds.
pub(crate) const DESCRIPTION: usize = 65_535;
/// Characters in a reason: the engine keeps 1000, which also say who gave it.
pub(crate) const REASON: usize = 900;
/// The most attempts that a task may ask for, as in the setting worker.max_attempts.
pub(crate) const ATTEMPTS: u32 = 1000;

/// ECMA-262: no NUL, and a character that can be seen.
const VISIBLE: &str =
    r"^[^\u0000]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000]*$";
/// ECMA-262: no NUL.
const NO_NUL: &str = r"^[^\u0000]*$";

/// Refuses a title that says nothing or does not fit.
pub(crate) fn check_title(title: &str) -> Result<(), Problem> {
    if !title.chars().any(|c| !c.is_whitespace() && !c.is_control()) {
        return Err(Problem::content("title: it is empty: say what is to be done"));
    }
    check_text("title", title, TITLE)
}

/// Refuses a description that does not fit.
pub(crate) fn check_description(description: &str) -> Result<(), Problem> {
    if description.len() > DESCRIPTION {
        return Err(Problem::content(format!(
            "description: it has more than {DESCRIPTION} bytes: put the data elsewhere and its place here"
        )));
    }
    check_text("description", description, DESCRIPTION)
}

/// Refuses a text that does not fit.
pub(crate) fn check_text(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    if text.chars().count() > max {
        return Err(Problem::content(format!("{field}: it has more than {max} characters")));
    }
    if text.contains('\0') {
        return Err(Problem::content(format!("{field}: it holds a NUL character: remove it")));
    }
    Ok(())
}

/// Refuses a number of attempts that makes no sense.
pub(crate) fn check_attempts(attempts: u32) -> Result<(), Problem> {
    if (1..=ATTEMPTS).contains(&attempts) {
        return Ok(());
    }
    Err(Problem::content(format!("max_attempts: expected a whole number from 1 to {ATTEMPTS}")))
}

/// A whole number, also as `3.0`, which JSON does not tell from 3; what is no `u32` becomes 0, which no limit allows.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    Ok(number.map(|number| {
        let whole =
            number.as_f64().filter(|number| number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(number));
        whole.and_then(|number| number.to_string().parse().ok()).unwrap_or(0)
    }))
}

/// The task id in the path: a positive integer, written in the one way that there is.
pub(crate) struct Id(pub(crate) TaskId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        task_id(&text).map(Self).ok_or_else(|| {
            Problem::bad_request(format!("the id in the path: expected a whole number from 1 to {}", i64::MAX))
        })
    }
}

/// Reads a task id.
pub(crate) fn task_id(text: &str) -> Option<TaskId> {
    let id: i64 = text.parse().ok().filter(|id: &i64| id.to_string() == text)?;
    TaskId::try_from(id).ok()
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

pub(crate) fn title() -> Object {
    string()
        .min_length(Some(1))
        .max_length(Some(TITLE))
        .pattern(Some(VISIBLE))
        .description(Some("What is to be done, in a line."))
        .examples(["Send the invoice"])
        .build()
}

pub(crate) fn description() -> Object {
    string()
        .schema_type(or_null(Type::String))
        .max_length(Some(DESCRIPTION))
        .pattern(Some(NO_NUL))
        .description(Some(format!("The rest of it, at most {DESCRIPTION} bytes of UTF-8.")))
        .examples(["No. 4711"])
        .build()
}

pub(crate) fn reason() -> Object {
    string()
        .schema_type(or_null(Type::String))
        .max_length(Some(REASON))
        .pattern(Some(NO_NUL))
        .description(Some("Why, for the ledger."))
        .examples(["the customer called"])
        .build()
}

pub(crate) fn max_attempts() -> Object {
    ObjectBuilder::new()
        .schema_type(or_null(Type::Integer))
        .minimum(Some(1))
        .maximum(Some(ATTEMPTS))
        .description(Some("How often to try at most; without it the worker decides."))
        .examples([3])
        .build()
}

pub(crate) fn on_abandon() -> Object {
    let words = [OnAbandon::Retry, OnAbandon::Fail].map(|word| Some(word.as_str()));
    string()
        .schema_type(or_null(Type::String))
        .enum_values(Some(words.into_iter().chain([None])))
        .description(Some("What to do when a worker vanishes in mid-task: `fail` is for work that must not run twice."))
        .build()
}

pub(crate) fn status() -> Object {
    string().enum_values(Some(Status::ALL.map(Status::as_str))).build()
}

pub(crate) fn statuses() -> Array {
    Array::new(status())
}
