"""Puts something in front of a Lambda function: one call on the command line, the function's name and ARN beside it.

Answers the path below which the stand-in serves it.
"""

import sys

import boto3

call, name, arn = sys.argv[1:]
ANY = "ANY"


def function_url():
    url = boto3.client("lambda").create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    return "/_aws/lambda-url/" + url.removeprefix("https://").split(".")[0]


def http_api(stage):
    gateway = boto3.client("apigatewayv2")
    api = gateway.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName=stage, AutoDeploy=True)
    return f"/_aws/execute-api/{api}/{stage}"


def rest_api():
    gateway = boto3.client("apigateway")
    api = gateway.create_rest_api(name=name)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    proxy = gateway.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    region = gateway.meta.region_name
    uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"
    for resource in (root, proxy):
        method = dict(restApiId=api, resourceId=resource, httpMethod=ANY)
        gateway.put_method(**method, authorizationType="NONE")
        gateway.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="prod")
    return f"/_aws/execute-api/{api}/prod"


def load_balancer():
    balancing = boto3.client("elbv2")
    short = name[-32:]
    balancer = balancing.create_load_balancer(Name=short, Subnets=["subnet-1", "subnet-2"])["LoadBalancers"][0]
    group = balancing.create_target_group(Name=short, TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    # Otherwise it keeps one value of each parameter.
    several = [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    balancing.modify_target_group_attributes(TargetGroupArn=group, Attributes=several)
    balancing.register_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = dict(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80)
    balancing.create_listener(**listener, DefaultActions=forward)
    return f"/_alb/{short}"


CALLS = {
    "function_url": function_url,
    "http_api": lambda: http_api("$default"),
    "http_api_stage": lambda: http_api("prod"),
    "rest_api": rest_api,
    "load_balancer": load_balancer,
}
print(CALLS[call](), end="")
