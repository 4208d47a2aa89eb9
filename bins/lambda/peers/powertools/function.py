"""The same work as Powertools for AWS Lambda documents it: a batch with partial responses, logger, metrics, no tracer."""

import json
import os
from urllib.parse import urlsplit

import pymysql
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS)
logger = Logger()
metrics = Metrics()


def connect():
    """With the settings that the Rust function reads."""
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


connection = connect()


def set_status(task_id, status):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks SET status = %s WHERE id = %s", (status, task_id))
    connection.commit()


def record_handler(record: SQSRecord):
    task_id = json.loads(record.decoded_nested_sns_event.message)["task_id"]
    metrics.add_metric(name="TasksStarted", unit=MetricUnit.Count, value=1)
    set_status(task_id, "In Progress")
    set_status(task_id, "Completed")
    metrics.add_metric(name="TasksCompleted", unit=MetricUnit.Count, value=1)
    logger.info("completed", extra={"task": task_id})


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event, context: LambdaContext):
    return process_partial_response(
        event=event, record_handler=record_handler, processor=processor, context=context
    )
