"""The Python system's way on a server: one message at a time, `In Progress`, `Completed`, delete.

Without its two calls of PutMetricData per task, and with one connection for all of them instead of one each: what is
left is the work itself. Ten messages are received at once.
"""

import json
import os
from urllib.parse import urlsplit

import boto3
import pymysql


def connect():
    """With the settings that the worker reads."""
    url = urlsplit(os.environ["TASKWATCH_DATABASE_URL"])
    with open(os.environ["TASKWATCH_DATABASE_PASSWORD_FILE"], encoding="utf-8") as file:
        password = file.read()
    return pymysql.connect(
        host=url.hostname,
        port=url.port,
        user=url.username,
        password=password,
        database=url.path.lstrip("/"),
        charset="utf8mb4",
        ssl_ca=os.environ["TASKWATCH_DATABASE_CA_FILE"],
        ssl_verify_cert=True,
        ssl_verify_identity=True,
    )


def set_status(connection, task_id, status):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET status = %s WHERE id = %s", (status, task_id))
    connection.commit()


def main():
    sqs = boto3.client("sqs")
    queue = os.environ["TASKWATCH_QUEUE_NAME"]
    connection = connect()
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        for message in answer.get("Messages", []):
            task_id = json.loads(json.loads(message["Body"])["Message"])["task_id"]
            set_status(connection, task_id, "In Progress")
            set_status(connection, task_id, "Completed")
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    main()
