//! Events of AWS Lambda as AWS publishes them.
//!
//! They stand in the packages of AWS's own runtime for Rust, as its tests read them; cargo has these packages anyway, or
//! fetches them. Nothing of them is kept here.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What Lambda hands to a function, by who invoked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sample {
    /// A message of a standard queue, whose body is a JSON object.
    Sqs,
    /// A message of a standard queue, whose body is plain text.
    SqsText,
    /// What the API of SQS answers to a receive call; no event.
    SqsReceived,
    /// A topic that invokes the function itself.
    Sns,
    /// A function URL.
    FunctionUrl,
    /// A REST API of API Gateway, payload version 1.0.
    ApiGatewayV1,
    /// The same, with a path that matches anything.
    ApiGatewayV1CatchAll,
    /// The test button of API Gateway's console.
    ApiGatewayConsole,
    /// An HTTP API of API Gateway, payload version 2.0, without an authorizer.
    ApiGatewayV2,
    /// The same, with IAM.
    ApiGatewayV2Iam,
    /// An application load balancer.
    Alb,
    /// The same, where headers and parameters may have several values.
    AlbMultiValue,
    /// A rule of EventBridge.
    EventBridge,
    /// A schedule of EventBridge.
    Schedule,
    /// A bucket.
    S3,
    /// A stream of Kinesis.
    Kinesis,
    /// A stream of DynamoDB.
    DynamoDb,
}

/// A sample cannot be had: phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Cargo does not tell where packages are.
    #[error("ask cargo for the folders of its packages: {0}")]
    Cargo(String),
    /// No such package.
    #[error("find the package {0}: cargo knows none of this name; it stands in the manifest of taskwatch-testbed")]
    Package(&'static str),
    /// Another version may have other files.
    #[error("read the sample {path}: {source}; if the package was moved to another version, look for the file there")]
    File {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not JSON.
    #[error("read the sample {path}: {source}")]
    Json {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

impl Sample {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Sqs,
        Self::SqsText,
        Self::SqsReceived,
        Self::Sns,
        Self::FunctionUrl,
        Self::ApiGatewayV1,
        Self::ApiGatewayV1CatchAll,
        Self::ApiGatewayConsole,
        Self::ApiGatewayV2,
        Self::ApiGatewayV2Iam,
        Self::Alb,
        Self::AlbMultiValue,
        Self::EventBridge,
        Self::Schedule,
        Self::S3,
        Self::Kinesis,
        Self::DynamoDb,
    ];

    /// Package and file.
    const fn place(self) -> (&'static str, &'static str) {
        const EVENTS: &str = "aws_lambda_events";
        const HTTP: &str = "lambda_http";
        match self {
            Self::Sqs => (EVENTS, "src/fixtures/example-sqs-event-obj.json"),
            Self::SqsText => (EVENTS, "src/fixtures/example-sqs-event.json"),
            Self::SqsReceived => (EVENTS, "src/fixtures/example-sqs-api-event-obj.json"),
            Self::Sns => (EVENTS, "src/fixtures/example-sns-event.json"),
            Self::FunctionUrl => (HTTP, "tests/data/lambda_function_url_request.json"),
            Self::ApiGatewayV1 => (HTTP, "tests/data/apigw_proxy_request.json"),
            Self::ApiGatewayV1CatchAll => (EVENTS, "src/fixtures/example-apigw-request-catch-all.json"),
            Self::ApiGatewayConsole => (EVENTS, "src/fixtures/example-apigw-console-test-request.json"),
            Self::ApiGatewayV2 => (EVENTS, "src/fixtures/example-apigw-v2-request-no-authorizer.json"),
            Self::ApiGatewayV2Iam => (EVENTS, "src/fixtures/example-apigw-v2-request-iam.json"),
            Self::Alb => (HTTP, "tests/data/alb_request.json"),
            Self::AlbMultiValue => (EVENTS, "src/fixtures/example-alb-lambda-target-request-multivalue-headers.json"),
            Self::EventBridge => (EVENTS, "src/fixtures/example-eventbridge-event-obj.json"),
            Self::Schedule => (EVENTS, "src/fixtures/example-eventbridge-schedule.json"),
            Self::S3 => (EVENTS, "src/fixtures/example-s3-event.json"),
            Self::Kinesis => (EVENTS, "src/fixtures/example-kinesis-event.json"),
            Self::DynamoDb => (EVENTS, "src/fixtures/example-dynamodb-event.json"),
        }
    }

    /// The event.
    ///
    /// # Errors
    /// [`SampleError`]: its package cannot be found, or has another shape.
    pub fn read(self) -> Result<Value, SampleError> {
        let (package, file) = self.place();
        let path = folder(package)?.join(file);
        let text = fs::read(&path).map_err(|source| SampleError::File { path: path.clone(), source })?;
        serde_json::from_slice(&text).map_err(|source| SampleError::Json { path, source })
    }
}

fn folder(package: &'static str) -> Result<&'static Path, SampleError> {
    static FOLDERS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let folders = match FOLDERS.get() {
        Some(folders) => folders,
        None => {
            let found = folders()?;
            FOLDERS.get_or_init(|| found)
        }
    };
    folders.get(package).map(PathBuf::as_path).ok_or(SampleError::Package(package))
}

/// Of every package that the lock file names, fetched where it was not.
fn folders() -> Result<BTreeMap<String, PathBuf>, SampleError> {
    let done = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--locked", "--format-version=1"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| SampleError::Cargo(error.to_string()))?;
    let said = || SampleError::Cargo(String::from_utf8_lossy(&done.stderr).trim().to_owned());
    if !done.status.success() {
        return Err(said());
    }
    let metadata: Value =
        serde_json::from_slice(&done.stdout).map_err(|error| SampleError::Cargo(error.to_string()))?;
    let one = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        Some((package["name"].as_str()?.to_owned(), manifest.parent()?.to_owned()))
    };
    Ok(metadata["packages"].as_array().ok_or_else(said)?.iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_there_and_is_what_it_is_called() {
        for sample in Sample::ALL {
            let event = sample.read().unwrap_or_else(|error| panic!("failed to {error}"));
            let source = &event["Records"][0];
            let source = source["eventSource"].as_str().or(source["EventSource"].as_str()).unwrap_or_default();
            let expected = match sample {
                Sample::Sqs | Sample::SqsText => "aws:sqs",
                Sample::Sns => "aws:sns",
                Sample::S3 => "aws:s3",
                Sample::Kinesis => "aws:kinesis",
                Sample::DynamoDb => "aws:dynamodb",
                _ => "",
            };
            assert_eq!(source, expected, "{sample:?}");
            let payload = match sample {
                Sample::FunctionUrl | Sample::ApiGatewayV2 | Sample::ApiGatewayV2Iam => event["version"] == "2.0",
                Sample::Alb | Sample::AlbMultiValue => event["requestContext"]["elb"].is_object(),
                Sample::ApiGatewayV1 | Sample::ApiGatewayV1CatchAll | Sample::ApiGatewayConsole => {
                    event["httpMethod"].is_string() && event["requestContext"]["elb"].is_null()
                }
                Sample::EventBridge | Sample::Schedule => event["detail-type"].is_string(),
                Sample::SqsReceived => event["Messages"].is_array(),
                _ => true,
            };
            assert!(payload, "{sample:?}: {event}");
        }
    }
}
