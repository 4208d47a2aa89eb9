"""Sets up and asks about a Lambda function: one call on the command line, its arguments as JSON, its answer as JSON."""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3

lambda_, logs = boto3.client("lambda"), boto3.client("logs")


def package(binary):
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "bootstrap"
        # As it would be deployed.
        subprocess.run(["strip", "-o", small, binary], check=True)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            file.write(small, "bootstrap")
        return packed.getvalue()


def create(name, binary, environment, timeout):
    lambda_.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role="arn:aws:iam::000000000000:role/taskwatch",
        Architectures=["x86_64"],
        Timeout=timeout,
        MemorySize=128,
        Environment={"Variables": environment},
        Code={"ZipFile": package(binary)},
    )


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


def remove(name):
    for mapping in lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
    lambda_.delete_function(FunctionName=name)


CALLS = {call.__name__: call for call in [create, map_queue, invoke, log, remove]}
print(json.dumps(CALLS[sys.argv[1]](**json.loads(sys.stdin.read()))))
