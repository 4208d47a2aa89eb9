"""The process function of the system that users have today: each message of a batch is a task to be worked.

A copy in our own words, with its faults: no token and no look at what the row says, two calls of CloudWatch a task, and
any exception becomes an answer that SQS takes for success: the messages of the whole batch are deleted, the task in hand
stays In Progress and those behind it as they were.
"""

import json
import os
import time

import boto3
import pymysql

cloudwatch = boto3.client("cloudwatch")


def connect():
    return pymysql.connect(
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
        charset="utf8mb4",
    )


def put_metric(name):
    cloudwatch.put_metric_data(
        Namespace="TaskManagementSystem", MetricData=[{"MetricName": name, "Value": 1, "Unit": "Count"}]
    )


def set_status(connection, task_id, status):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET status = %s WHERE id = %s", (status, task_id))
    connection.commit()


def work(task):
    time.sleep(float(os.environ["WORK_SECONDS"]))
    if "trips" in task["title"] or "broken" in task["title"]:
        raise ValueError(f"cannot work task {task['task_id']}")


def lambda_handler(event, context):
    connection = None
    try:
        connection = connect()
        for record in event["Records"]:
            task = json.loads(json.loads(record["body"])["Message"])
            task_id = task["task_id"]
            put_metric("TasksStarted")
            set_status(connection, task_id, "In Progress")
            print(f"Task {task_id} started")
            work(task)
            set_status(connection, task_id, "Completed")
            print(f"Task {task_id} completed")
            put_metric("TasksCompleted")
        return {"statusCode": 200, "body": json.dumps("Tasks processed successfully")}
    except Exception as error:
        print(f"Error processing task: {error}")
        put_metric("TasksFailed")
        return {"statusCode": 500, "body": json.dumps({"error": str(error)})}
    finally:
        if connection:
            connection.close()
