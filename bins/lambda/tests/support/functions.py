"""Sets up and asks about a Lambda function: one call on the command line, its arguments as JSON, its answer as JSON."""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3

lambda_, logs, cloudwatch = boto3.client("lambda"), boto3.client("logs"), boto3.client("cloudwatch")


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in files.items():
            archive.write(path, name)
    return packed.getvalue()


def deploy(name, runtime, handler, files, environment, timeout):
    lambda_.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler=handler,
        Role="arn:aws:iam::000000000000:role/taskwatch",
        Architectures=["x86_64"],
        Timeout=timeout,
        MemorySize=128,
        Environment={"Variables": environment},
        Code={"ZipFile": zipped(files)},
    )


def create(name, binary, environment, timeout):
    """Ours."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "bootstrap"
        # As it would be deployed.
        subprocess.run(["strip", "-o", small, binary], check=True)
        deploy(name, "provided.al2023", "bootstrap", {"bootstrap": small}, environment, timeout)


def create_python(name, source, environment, timeout):
    """One file with a `lambda_handler`; the packages are those of this interpreter."""
    source = Path(source)
    deploy(name, "python3.12", f"{source.stem}.lambda_handler", {source.name: source}, environment, timeout)


def expose(name):
    """Gives it a Function URL; answers its id."""
    url = lambda_.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    return url.removeprefix("https://").split(".")[0]


def map_queue(name, queue, partial, batch):
    lambda_.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=queue,
        BatchSize=batch,
        ScalingConfig={"MaximumConcurrency": 2},
        FunctionResponseTypes=["ReportBatchItemFailures"] if partial else [],
    )


def invoke(name, payload):
    answer = lambda_.invoke(FunctionName=name, Payload=json.dumps(payload))
    return {"error": answer.get("FunctionError"), "payload": json.loads(answer["Payload"].read())}


def log(name):
    pages = logs.get_paginator("filter_log_events")
    try:
        found = [event for page in pages.paginate(logGroupName=f"/aws/lambda/{name}") for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        found = []
    return "\n".join(event["message"] for event in found)


def metrics(name):
    """What is in this namespace: name, dimensions and sum of each metric."""
    now = datetime.now(timezone.utc)
    found = []
    for metric in cloudwatch.list_metrics(Namespace=name)["Metrics"]:
        points = cloudwatch.get_metric_statistics(
            Namespace=name,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        found.append([metric["MetricName"], metric["Dimensions"], sum(point["Sum"] for point in points)])
    return found


def remove(name):
    for mapping in lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
    try:
        lambda_.delete_function(FunctionName=name)
    except lambda_.exceptions.ResourceNotFoundException:
        pass  # It was never created.


CALLS = [create, create_python, expose, map_queue, invoke, log, metrics, remove]
named = {call.__name__: call for call in CALLS}
print(json.dumps(named[sys.argv[1]](**json.loads(sys.stdin.read()))))
