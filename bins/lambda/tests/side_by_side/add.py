"""The add function of the system that users have today: POST /tasks and GET /tasks behind a Function URL.

A copy in our own words, with its faults: any exception becomes an answer, and a task whose announcement fails is left in
the table unannounced.
"""

import base64
import json
import os

import boto3
import pymysql

sns = boto3.client("sns")
cloudwatch = boto3.client("cloudwatch")

HEADERS = {
    "Content-Type": "application/json",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
}


def connect():
    return pymysql.connect(
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
        charset="utf8mb4",
        cursorclass=pymysql.cursors.DictCursor,
    )


def answer(status, content):
    return {"statusCode": status, "headers": HEADERS, "body": json.dumps(content)}


def read(event):
    """Method, path and body: of a Function URL (payload 2.0), or of a test event of the console (1.0)."""
    http = event.get("requestContext", {}).get("http")
    method = http["method"] if http else event["httpMethod"]
    path = event["rawPath"] if http else event["path"]
    body = event.get("body")
    if body and event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    return method, path, body


def add(body):
    task = json.loads(body)
    title, description = task["title"], task.get("description", "")
    connection = connect()
    try:
        with connection.cursor() as cursor:
            sql = "INSERT INTO tasks (title, description, status) VALUES (%s, %s, 'Pending')"
            cursor.execute(sql, (title, description))
            task_id = cursor.lastrowid
        connection.commit()
    finally:
        connection.close()
    sns.publish(
        TopicArn=os.environ["TOPIC_ARN"],
        Subject="New Task Added",
        Message=json.dumps({"task_id": task_id, "title": title, "description": description}),
    )
    cloudwatch.put_metric_data(
        Namespace="TaskManagementSystem", MetricData=[{"MetricName": "TasksAdded", "Value": 1, "Unit": "Count"}]
    )
    return {"message": "Task added successfully", "task_id": task_id}


def list_all():
    connection = connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, title, description, status FROM tasks")
            return list(cursor.fetchall())
    finally:
        connection.close()


def lambda_handler(event, context):
    try:
        method, path, body = read(event)
        if method == "OPTIONS":
            return answer(200, {})
        if path.rstrip("/") == "/tasks" and method == "POST":
            return answer(200, add(body))
        if path.rstrip("/") == "/tasks" and method == "GET":
            return answer(200, list_all())
        return answer(404, {"error": "Not found"})
    except Exception as error:
        print(f"Error: {error}")
        return answer(500, {"error": str(error)})
