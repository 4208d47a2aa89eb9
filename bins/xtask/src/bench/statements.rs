//! How many statements the database has run, between two looks.

use anyhow::Result;

use super::tasks::Tasks;

/// By kind, and all of them as `Questions`.
pub(super) type Statements = Vec<(String, u64)>;

/// What asking costs by itself.
pub(super) fn own_statements(tasks: &Tasks<'_>) -> Result<Statements> {
    let before = tasks.statements()?;
    Ok(since(&before, &tasks.statements()?, &Vec::new()))
}

/// What was run between two looks, beside what looking costs.
pub(super) fn since(before: &Statements, after: &Statements, own: &Statements) -> Statements {
    let known = |statements: &Statements, name: &str| {
        statements.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    };
    let counted = after.iter().map(|(name, count)| {
        let count = count.saturating_sub(known(before, name)).saturating_sub(known(own, name));
        (name.clone(), count)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

pub(super) fn total(statements: &Statements) -> u64 {
    statements.iter().find(|(name, _)| name == "Questions").map_or(0, |(_, count)| *count)
}

pub(super) fn told(statements: &Statements) -> String {
    let kinds = statements.iter().filter(|(name, _)| name != "Questions");
    kinds.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looking_costs_does_not_count() {
        let look = |questions, update| vec![("Questions".to_owned(), questions), ("update".to_owned(), update)];
        let own = vec![("Questions".to_owned(), 1)];
        let seen = since(&look(10, 4), &look(13, 6), &own);
        assert_eq!((total(&seen), told(&seen).as_str()), (2, "update 2"));
    }
}
