//! What a journal says about itself.

use sqlx::SqliteConnection;

pub(crate) const FORMAT: &str = "format";
pub(crate) const ID: &str = "id";
pub(crate) const KIND: &str = "source_kind";
pub(crate) const SOURCE: &str = "source";
pub(crate) const CREATED_AT: &str = "created_at";
/// For how long at most, in µs, messages are hidden of which a run that is under way, or was killed, has said nothing.
pub(crate) const HIDING: &str = "hiding";
/// How far a file is in the journal.
pub(crate) const OFFSET: &str = "offset";
pub(crate) const LINES: &str = "lines";
/// By what a file is known again: so many of its first bytes, and their digest.
pub(crate) const HEAD_BYTES: &str = "head_bytes";
pub(crate) const HEAD_DIGEST: &str = "head_digest";

pub(crate) async fn get(connection: &mut SqliteConnection, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM meta WHERE name = ?1").bind(name).fetch_optional(connection).await
}

pub(crate) async fn number(connection: &mut SqliteConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    Ok(get(connection, name).await?.and_then(|value| value.parse().ok()))
}

pub(crate) async fn set(
    connection: &mut SqliteConnection,
    name: &str,
    value: impl ToString + Send,
) -> Result<(), sqlx::Error> {
    let statement = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
    sqlx::query(statement).bind(name).bind(value.to_string()).execute(connection).await?;
    Ok(())
}

pub(crate) async fn remove(connection: &mut SqliteConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM meta WHERE name = ?1").bind(name).execute(connection).await?;
    Ok(())
}
