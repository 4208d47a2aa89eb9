//! The least that works the tasks of a batch: `In Progress` for all of them, then `Completed`, a statement each.
//!
//! No lease, no ledger, no check of what is there, no retry, no log: whatever taskwatch costs more is what it does more.

use std::env;
use std::fs;
use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, raw_sql};
use tokio::sync::Mutex;

/// As SNS wraps what it delivers to a queue.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
struct Announcement {
    task_id: i64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let connection = Arc::new(Mutex::new(connect().await?));
    let handle = |event: LambdaEvent<SqsEvent>| {
        let connection = Arc::clone(&connection);
        async move { work(&mut *connection.lock().await, event.payload).await }
    };
    run(service_fn(handle)).await
}

/// With the settings that the function reads.
async fn connect() -> Result<MySqlConnection, Error> {
    let options: MySqlConnectOptions = env::var("TASKWATCH_DATABASE_URL")?.parse()?;
    let password = fs::read_to_string(env::var("TASKWATCH_DATABASE_PASSWORD_FILE")?)?;
    let options = options.password(&password).ssl_mode(MySqlSslMode::VerifyIdentity);
    Ok(options.ssl_ca(env::var("TASKWATCH_DATABASE_CA_FILE")?).connect().await?)
}

async fn work(connection: &mut MySqlConnection, event: SqsEvent) -> Result<SqsBatchResponse, Error> {
    let ids = event.records.iter().map(|record| {
        let envelope: Envelope = serde_json::from_str(record.body.as_deref().unwrap_or_default())?;
        Ok::<_, Error>(serde_json::from_str::<Announcement>(&envelope.message)?.task_id.to_string())
    });
    let ids = ids.collect::<Result<Vec<_>, _>>()?.join(", ");
    for status in ["In Progress", "Completed"] {
        let sql = format!("UPDATE tasks SET status = '{status}' WHERE id IN ({ids})");
        // Numbers, and the two words above.
        raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(SqsBatchResponse::default())
}
