//! The task id in an announcement.

use serde_json::{Number, Value};
use taskwatch_core::task::TaskId;

use crate::limits::excerpt;
use crate::unreadable::Unreadable;

/// Reads the value of `task_id`.
///
/// Besides integers it takes a string of digits: Python producers that read the id from an environment variable, a form
/// or DynamoDB send it so.
pub(crate) fn task_id(value: &Value) -> Result<TaskId, Unreadable> {
    match value {
        Value::Number(number) => from_number(number),
        Value::String(text) => from_text(text),
        Value::Null => Err(Unreadable::TaskIdNull),
        other => Err(Unreadable::TaskIdNotANumber(excerpt(&other.to_string()))),
    }
}

fn from_number(number: &Number) -> Result<TaskId, Unreadable> {
    let shown = excerpt(&number.to_string());
    match (number.as_i64(), number.as_f64()) {
        (Some(id), _) => TaskId::try_from(id).map_err(|_| Unreadable::TaskIdNotPositive(shown)),
        // Integers beyond 64 bits arrive as floats.
        (None, Some(float)) if float >= i64::MAX as f64 => Err(Unreadable::TaskIdTooLarge(shown)),
        (None, Some(float)) if float <= i64::MIN as f64 => Err(Unreadable::TaskIdNotPositive(shown)),
        (None, _) => Err(Unreadable::TaskIdFraction(shown)),
    }
}

fn from_text(text: &str) -> Result<TaskId, Unreadable> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shown = || excerpt(&format!("\"{text}\""));
    if !digits(text.strip_prefix('-').unwrap_or(text)) {
        return Err(Unreadable::TaskIdNotANumber(shown()));
    }
    match text.parse::<i64>() {
        Ok(id) => TaskId::try_from(id).map_err(|_| Unreadable::TaskIdNotPositive(shown())),
        Err(_) if text.starts_with('-') => Err(Unreadable::TaskIdNotPositive(shown())),
        Err(_) => Err(Unreadable::TaskIdTooLarge(shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<i64, Unreadable> {
        let value = serde_json::from_str(json).expect("the test's own JSON");
        task_id(&value).map(TaskId::get)
    }

    #[test]
    fn integers_and_strings_of_digits_are_ids() {
        assert_eq!(read("1"), Ok(1));
        assert_eq!(read("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(read(r#""42""#), Ok(42));
        assert_eq!(read(r#""007""#), Ok(7));
    }

    #[test]
    fn each_other_value_has_its_own_reason() {
        use Unreadable::{TaskIdFraction, TaskIdNotANumber, TaskIdNotPositive, TaskIdNull, TaskIdTooLarge};
        let text = str::to_owned;
        assert_eq!(read("null"), Err(TaskIdNull));
        assert_eq!(read("1.5"), Err(TaskIdFraction(text("1.5"))));
        assert_eq!(read("1.0"), Err(TaskIdFraction(text("1.0"))));
        assert_eq!(read("1e2"), Err(TaskIdFraction(text("100.0"))));
        assert_eq!(read("0"), Err(TaskIdNotPositive(text("0"))));
        assert_eq!(read("-3"), Err(TaskIdNotPositive(text("-3"))));
        assert_eq!(read(r#""-3""#), Err(TaskIdNotPositive(text(r#""-3""#))));
        assert_eq!(read("9223372036854775808"), Err(TaskIdTooLarge(text("9223372036854775808"))));
        assert!(matches!(read("99999999999999999999999"), Err(TaskIdTooLarge(_))));
        assert!(matches!(read("-99999999999999999999999"), Err(TaskIdNotPositive(_))));
        assert!(matches!(read(r#""99999999999999999999999""#), Err(TaskIdTooLarge(_))));
        for other in [r#""seven""#, r#""""#, r#""-""#, r#"" 7""#, r#""+7""#, r#""1.0""#, "true", "[1]", r#"{"id": 1}"#]
        {
            assert!(matches!(read(other), Err(TaskIdNotANumber(_))), "{other}");
        }
    }
}
