//! What is asked about a schema, and what the answers say.

use std::collections::BTreeSet;

use sqlx::Row;

use super::now;
use crate::error::SchemaError;
use crate::mysql::packet::Packet;
use crate::mysql::session::Answer;
use crate::schema::columns::{self, Column};

/// Product and version, as [`server`] reads it.
pub(super) const SERVER: &str = "SELECT VERSION()";

/// The highest step taken, as [`version`] reads it.
pub(super) const VERSION: &str = "SELECT MAX(version) FROM taskwatch_schema";

/// The columns of `tasks`, as [`fit`], [`names`] and [`have_defaults`] read them.
pub(super) const COLUMNS: &str = columns::READ;

/// The names of all indexes of `tasks`.
pub(super) const INDEXES: &str = "\
    SELECT DISTINCT LOWER(CONVERT(index_name USING utf8mb4)) FROM information_schema.statistics \
    WHERE table_schema = DATABASE() AND table_name = 'tasks'";

/// How the connection is encrypted, as [`transport`] reads it.
pub(super) const CIPHER: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";

/// Asks for the table, in the packet's next statement. [`table`] reads the answer.
pub(super) fn ask_for_table(packet: &mut Packet, table: &'static str) {
    packet
        .then(
            "SELECT CONVERT(table_type USING utf8mb4), CONVERT(COALESCE(engine, '') USING utf8mb4) \
             FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ",
        )
        .text(table);
}

/// A number, where there is one.
pub(super) fn number(step: &'static str, answer: &Answer) -> Result<Option<i64>, SchemaError> {
    let Some(row) = answer.rows.first() else { return Ok(None) };
    row.try_get(0).map_err(|error| SchemaError::Refused { step, why: error.to_string() })
}

/// The version of the schema.
pub(super) fn version(step: &'static str, answer: &Answer) -> Result<u32, SchemaError> {
    u32::try_from(number(step, answer)?.unwrap_or(0)).map_err(|_| SchemaError::Table {
        table: "taskwatch_schema",
        why: "it holds no version number: restore the row of version 1, or drop the table and migrate".into(),
    })
}

/// The server's product and version, if it can do what the store needs.
pub(super) fn server(answer: &Answer) -> Result<String, SchemaError> {
    let version: String = answer.rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
    let maria = version.contains("MariaDB");
    let numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok()).collect::<Vec<_>>();
    let (name, least) = if maria { ("MariaDB", [10, 6, 0]) } else { ("MySQL", [8, 0, 13]) };
    if numbers.as_slice() < least.as_slice() {
        let why = format!(
            "the server is {name} {version}; at least {}.{}.{} is needed, for SKIP LOCKED and defaults that are expressions",
            least[0], least[1], least[2]
        );
        return Err(SchemaError::Refused { step: "use this server", why });
    }
    Ok(if maria { version } else { format!("MySQL {version}") })
}

/// That there is this table, of the right kind.
pub(super) fn table(table: &'static str, answer: &Answer) -> Result<(), SchemaError> {
    let Some(row) = answer.rows.first() else {
        return Err(SchemaError::Table { table, why: "it is missing: run `taskwatch migrate`".into() });
    };
    let kind: String = row.try_get(0).unwrap_or_default();
    let engine: String = row.try_get(1).unwrap_or_default();
    if kind != "BASE TABLE" {
        let why = format!("it is a {}: the store needs a table of its own", kind.to_lowercase());
        return Err(SchemaError::Table { table, why });
    }
    if !engine.eq_ignore_ascii_case("InnoDB") {
        let why =
            format!("its engine is {engine}, which has no transactions: run ALTER TABLE {table} ENGINE = InnoDB first");
        return Err(SchemaError::Table { table, why });
    }
    Ok(())
}

/// The original columns may be of other types than the original ones: that these can be worked with.
pub(super) fn fit(answer: &Answer) -> Result<(), SchemaError> {
    for row in &answer.rows {
        let text = |index: usize| row.try_get::<String, _>(index).unwrap_or_default();
        let (name, kind, full_kind, key, extra) = (text(0), text(1), text(2), text(3), text(4));
        let length = row.try_get(5).unwrap_or_default();
        if let Some(why) = (Column { name, kind, full_kind, key, extra, length }).misfit() {
            return Err(SchemaError::Table { table: "tasks", why });
        }
    }
    Ok(())
}

/// The names of columns or indexes.
pub(super) fn names(answer: &Answer) -> BTreeSet<String> {
    answer.rows.iter().filter_map(|row| row.try_get(0).ok()).collect()
}

/// That nothing is missing which version 1 has added to `tasks`, given the names of its columns and indexes.
pub(super) fn complete(columns: &Answer, indexes: &Answer) -> Result<(), SchemaError> {
    let (columns, indexes) = (names(columns), names(indexes));
    let missing = super::COLUMNS.iter().map(|(name, _)| *name).find(|name| !columns.contains(*name));
    let missing =
        missing.or_else(|| super::INDEXES.iter().map(|(name, _)| *name).find(|name| !indexes.contains(*name)));
    let Some(missing) = missing else { return Ok(()) };
    let why =
        format!("{missing} is missing, though schema version 1 has added it: restore it from a database that has it");
    Err(SchemaError::Table { table: "tasks", why })
}

/// That both times have their defaults.
pub(super) fn defaults(columns: &Answer) -> Result<(), SchemaError> {
    if have_defaults(columns) {
        return Ok(());
    }
    let why = format!("due_at or created_at has lost its default, {}: set it again", now!());
    Err(SchemaError::Table { table: "tasks", why })
}

/// Whether both times have their defaults.
pub(super) fn have_defaults(columns: &Answer) -> bool {
    let has = |time: &str| {
        columns.rows.iter().any(|row| {
            row.try_get::<String, _>(0).is_ok_and(|name| name == time) && row.try_get(6).is_ok_and(|set: i64| set != 0)
        })
    };
    has("due_at") && has("created_at")
}

/// In words.
pub(super) fn transport(answer: &Answer) -> String {
    let cipher: String = answer.rows.first().and_then(|row| row.try_get(1).ok()).unwrap_or_default();
    if cipher.is_empty() { "not encrypted".to_owned() } else { format!("TLS, {cipher}") }
}
