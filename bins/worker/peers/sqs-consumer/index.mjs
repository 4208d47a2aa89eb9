// sqs-consumer as its documentation shows it for batches, with the two updates of a batch as one statement each: that is
// the least that can be done with it. A consumer receives once at a time, so there is one for each receiver; they share
// the process and a pool of as many connections. It deletes what the handler has not refused, ten to a call.

import { readFileSync } from "node:fs";

import { SQSClient } from "@aws-sdk/client-sqs";
import mysql from "mysql2/promise";
import { Consumer } from "sqs-consumer";

// The settings that the worker reads.
const url = new URL(process.env.TASKWATCH_DATABASE_URL);
const receivers = Number(process.env.TASKWATCH_QUEUE_RECEIVERS);

const pool = mysql.createPool({
  host: url.hostname,
  port: Number(url.port),
  user: url.username,
  password: readFileSync(process.env.TASKWATCH_DATABASE_PASSWORD_FILE, "utf8"),
  database: url.pathname.slice(1),
  ssl: { ca: readFileSync(process.env.TASKWATCH_DATABASE_CA_FILE), verifyIdentity: true },
  connectionLimit: receivers,
});

async function handleMessageBatch(messages) {
  const ids = messages.map((message) => JSON.parse(JSON.parse(message.Body).Message).task_id);
  for (const status of ["In Progress", "Completed"]) {
    await pool.query("UPDATE tasks SET status = ? WHERE id IN (?)", [status, ids]);
  }
  // All of them are done: without it, none would be deleted.
  return messages;
}

const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
for (let number = 0; number < receivers; number += 1) {
  const consumer = Consumer.create({
    queueUrl: process.env.TASKWATCH_QUEUE_NAME,
    batchSize: 10,
    handleMessageBatch,
    sqs,
  });
  for (const event of ["error", "processing_error", "timeout_error"]) {
    consumer.on(event, (error) => {
      console.error(error);
      process.exit(1);
    });
  }
  consumer.start();
}
