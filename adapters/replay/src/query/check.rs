//! What is refused although it can be parsed, or before it is.

use jmespath::ast::Ast;
use jmespath::{Context, DEFAULT_RUNTIME, ErrorReason, Rcvar, RuntimeError, Variable};
use taskwatch_sqs_message::excerpt;

use super::error::{QueryError, wrong};
use super::{MAX_QUERY_BYTES, MAX_QUERY_OPERATORS};

/// Beyond that, the library's own arithmetic overflows.
const MAX_INDEX: i32 = 1 << 24;

/// Refuses what would not fit on the stack: each operator and bracket nests by one.
pub(super) fn size(text: &str) -> Result<(), QueryError> {
    if text.trim().is_empty() {
        return Err(QueryError::Empty);
    }
    if text.len() > MAX_QUERY_BYTES {
        return Err(QueryError::TooLong { bytes: text.len() });
    }
    let operators = operators(text);
    if operators > MAX_QUERY_OPERATORS { Err(QueryError::TooDeep { operators }) } else { Ok(()) }
}

fn operators(text: &str) -> usize {
    let (mut quote, mut escaped, mut count) = (None, false, 0);
    let mut before = 0;
    for byte in text.bytes() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'"' | b'\'' | b'`') => quote = Some(byte),
            // Of two bytes, one operator.
            None if matches!((before, byte), (b'|', b'|') | (b'&', b'&') | (b'=' | b'!' | b'<' | b'>', b'=')) => {
                before = 0;
                continue;
            }
            // Flattening nests by two.
            None if (before, byte) == (b'[', b']') => count += 1,
            None if b".[({|&!<>=*".contains(&byte) => count += 1,
            None => {}
        }
        before = byte;
    }
    count
}

/// Refuses what can be parsed and cannot be meant.
pub(super) fn meaning(text: &str, ast: &Ast) -> Result<(), QueryError> {
    let all = |parts: &[&Ast]| parts.iter().try_for_each(|part| meaning(text, part));
    match ast {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Literal { .. } => Ok(()),
        Ast::Index { offset, idx } => index(text, *offset, [*idx]),
        Ast::Slice { offset, start, stop, step } => {
            index(text, *offset, [start.unwrap_or(0), stop.unwrap_or(0), *step])
        }
        Ast::Comparison { lhs, rhs, .. } => {
            value(text, rhs)?;
            all(&[lhs, rhs])
        }
        Ast::Condition { predicate, then, .. } => all(&[predicate, then]),
        Ast::Expref { ast, .. } => meaning(text, ast),
        Ast::Flatten { node, .. } | Ast::Not { node, .. } | Ast::ObjectValues { node, .. } => meaning(text, node),
        Ast::MultiList { elements, .. } => elements.iter().try_for_each(|element| meaning(text, element)),
        Ast::MultiHash { elements, .. } => elements.iter().try_for_each(|pair| {
            value(text, &pair.value)?;
            meaning(text, &pair.value)
        }),
        Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => all(&[lhs, rhs]),
        Ast::Function { offset, name, args } => {
            function(text, *offset, name, args.len())?;
            args.iter().skip(1).try_for_each(|arg| value(text, arg))?;
            args.iter().try_for_each(|arg| meaning(text, arg))
        }
    }
}

fn index<const N: usize>(text: &str, offset: usize, numbers: [i32; N]) -> Result<(), QueryError> {
    if numbers.iter().all(|number| (-MAX_INDEX..=MAX_INDEX).contains(number)) {
        Ok(())
    } else {
        Err(wrong(text, offset, "no list is that long"))
    }
}

/// Where a value stands most often, a member's name that looks like one is refused: it would silently be null.
fn value(text: &str, ast: &Ast) -> Result<(), QueryError> {
    let Ast::Field { offset, name } = ast else { return Ok(()) };
    let name = excerpt(name);
    let why = if text.get(*offset..).is_some_and(|rest| rest.starts_with('"')) {
        format!("text is written in single quotes: '{name}'; if the member of that name is meant: @.\"{name}\"")
    } else if matches!(name.as_str(), "true" | "false" | "null") {
        format!("this names a member; the value is written in backquotes: `{name}`")
    } else {
        return Ok(());
    };
    Err(wrong(text, *offset, why))
}

fn function(text: &str, offset: usize, name: &str, given: usize) -> Result<(), QueryError> {
    // The parser points behind the name.
    let start = text.get(..offset).and_then(|before| before.rfind(name)).unwrap_or(offset);
    let Some(function) = DEFAULT_RUNTIME.get_function(name) else {
        return Err(wrong(
            text,
            start,
            format!("there is no function {}; there are {}", excerpt(name), FUNCTIONS.join(", ")),
        ));
    };
    // What it says to nothing at all tells how many it wants.
    let nothing = vec![Rcvar::new(Variable::Null); given];
    let said = function.evaluate(&nothing, &mut Context::new(text, &DEFAULT_RUNTIME));
    match said.err().map(|error| error.reason) {
        Some(ErrorReason::Runtime(
            RuntimeError::NotEnoughArguments { expected, .. } | RuntimeError::TooManyArguments { expected, .. },
        )) => Err(wrong(text, start, format!("{name} takes {expected} arguments, not {given}"))),
        _ => Ok(()),
    }
}

/// For people who have misspelt one.
const FUNCTIONS: [&str; 26] = [
    "abs",
    "avg",
    "ceil",
    "contains",
    "ends_with",
    "floor",
    "join",
    "keys",
    "length",
    "map",
    "max",
    "max_by",
    "merge",
    "min",
    "min_by",
    "not_null",
    "reverse",
    "sort",
    "sort_by",
    "starts_with",
    "sum",
    "to_array",
    "to_number",
    "to_string",
    "type",
    "values",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_that_is_named_exists() {
        for name in FUNCTIONS {
            assert!(DEFAULT_RUNTIME.get_function(name).is_some(), "{name}");
        }
    }

    #[test]
    fn operators_in_quotes_are_none() {
        assert_eq!(operators(r#"a.b == '.[(\'' && "x.y" == `"..."`"#), 1 + 1 + 1 + 1);
        assert_eq!(operators("||||!==a&b"), 2 + 1 + 1 + 1);
        assert_eq!(operators("a[][0]"), 2 + 1);
    }
}
