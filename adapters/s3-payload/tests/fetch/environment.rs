//! What the environment says about AWS, read by a process of its own.

use std::process::{Command, Output};

use taskwatch_s3_payload::{AwsSettings, S3Payloads};

use crate::scene::{ANNOUNCEMENT, aws, bucket, fetch, put};

const BUCKET: &str = "TASKWATCH_TEST_BUCKET";
const REGION: &str = "TASKWATCH_TEST_REGION";
const ENDPOINT: &str = "TASKWATCH_TEST_ENDPOINT";
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Fetches in a process with these variables and none of AWS's besides.
fn fetched_with(variables: &[(&str, &str)]) -> Output {
    let bucket = bucket();
    put(&bucket, "tasks/41", ANNOUNCEMENT.as_bytes());
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::fetch_as_told", "--ignored", "--nocapture"])
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env(BUCKET, bucket)
        .envs(KEYS)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn arrives(variables: &[(&str, &str)]) {
    let done = fetched_with(variables);
    assert!(done.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn the_variables_of_the_sdk_are_obeyed_and_that_of_the_service_comes_first() {
    arrives(&aws().environment());
    let region = ("AWS_REGION", "eu-west-1");
    arrives(&[region, ("AWS_ENDPOINT_URL_S3", aws().endpoint())]);
    arrives(&[region, ("AWS_ENDPOINT_URL_S3", aws().endpoint()), ("AWS_ENDPOINT_URL", NOWHERE)]);
    let wrong = fetched_with(&[region, ("AWS_ENDPOINT_URL_S3", NOWHERE), ("AWS_ENDPOINT_URL", aws().endpoint())]);
    let said = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(!wrong.status.success() && said.contains("no connection to S3"), "{said}");
}

#[test]
fn settings_come_before_the_environment() {
    arrives(&[(REGION, "eu-west-1"), (ENDPOINT, aws().endpoint()), ("AWS_ENDPOINT_URL_S3", NOWHERE)]);
}

#[test]
fn a_missing_region_is_named() {
    let done = fetched_with(&[(ENDPOINT, aws().endpoint())]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!done.status.success() && said.contains("region of S3 is not known; set AWS_REGION"), "{said}");
}

/// The child of the tests above.
#[tokio::test]
#[ignore = "run by other tests"]
#[expect(clippy::print_stdout, reason = "that is how it tells its parent")]
async fn fetch_as_told() {
    let variable = |name| std::env::var(name).ok();
    let bucket = variable(BUCKET).unwrap();
    let settings = AwsSettings { region: variable(REGION), endpoint: variable(ENDPOINT) };
    let fetched = fetch(&S3Payloads::new([bucket.clone()], settings), &bucket, "tasks/41").await;
    println!("{fetched:?}");
    assert_eq!(fetched.as_deref(), Ok(ANNOUNCEMENT));
}
