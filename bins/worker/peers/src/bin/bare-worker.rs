//! The bare limit: receive ten, `In Progress` for all of them, `Completed`, delete ten; a call or statement each.
//!
//! No lease, no ledger, no check of what is there, no renewal, no retry, no log, no orderly end: whatever taskwatch costs
//! more is what it does more. The same SDK, the same HTTP client, the same database driver, the same receivers.

use std::env;
use std::fs;

use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use serde::Deserialize;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, raw_sql};
use taskwatch_aws::AwsSettings;
use tokio::task::JoinSet;

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

/// Works until it is killed; ends at the first thing that goes wrong.
#[tokio::main]
async fn main() -> Result<()> {
    let client = Client::new(&AwsSettings::default().load().await);
    let queue = variable("TASKWATCH_QUEUE_NAME")?;
    let receivers: usize = variable("TASKWATCH_QUEUE_RECEIVERS")?.parse()?;
    let mut loops = JoinSet::new();
    for _ in 0..receivers {
        loops.spawn(receiver(client.clone(), queue.clone(), connect().await?));
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("failed to read {name}"))
}

/// With the settings that the worker reads.
async fn connect() -> Result<MySqlConnection> {
    let options: MySqlConnectOptions = variable("TASKWATCH_DATABASE_URL")?.parse()?;
    let password = fs::read_to_string(variable("TASKWATCH_DATABASE_PASSWORD_FILE")?)?;
    let options = options.password(&password).ssl_mode(MySqlSslMode::VerifyIdentity);
    Ok(options.ssl_ca(variable("TASKWATCH_DATABASE_CA_FILE")?).connect().await?)
}

async fn receiver(client: Client, queue: String, mut connection: MySqlConnection) -> Result<()> {
    loop {
        let polled = client.receive_message().queue_url(&queue).max_number_of_messages(10).wait_time_seconds(20);
        let messages = polled.send().await?.messages.unwrap_or_default();
        if messages.is_empty() {
            continue;
        }
        work(&mut connection, &messages).await?;
        let entries = messages.into_iter().enumerate().map(|(number, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
            entry.set_receipt_handle(message.receipt_handle).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        client.delete_message_batch().queue_url(&queue).set_entries(Some(entries)).send().await?;
    }
}

async fn work(connection: &mut MySqlConnection, messages: &[Message]) -> Result<()> {
    let ids = messages.iter().map(|message| {
        let envelope: Envelope = serde_json::from_str(message.body.as_deref().unwrap_or_default())?;
        Ok(serde_json::from_str::<Announcement>(&envelope.message)?.task_id.to_string())
    });
    let ids = ids.collect::<Result<Vec<_>>>()?.join(", ");
    for status in ["In Progress", "Completed"] {
        let sql = format!("UPDATE tasks SET status = '{status}' WHERE id IN ({ids})");
        // Numbers, and the two words above.
        raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(())
}
