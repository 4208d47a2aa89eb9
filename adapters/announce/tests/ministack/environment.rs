//! What the environment says about AWS, read by a process of its own.

use std::process::{Command, Output};

use taskwatch_announce::{Announce, AwsSettings};
use taskwatch_core::outbox::Announcer;
use taskwatch_testbed::Queue;

use crate::scene::{Received, announcement, aws, queue, topic};

const TARGET: &str = "TASKWATCH_TEST_TARGET";
const REGION: &str = "TASKWATCH_TEST_REGION";
const ENDPOINT: &str = "TASKWATCH_TEST_ENDPOINT";

/// Announces task 7 in a process with these variables and none of AWS's besides.
fn announced_with(variables: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::announce_as_told", "--ignored", "--nocapture"])
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn arrives(variables: &[(&str, &str)], queue: &Queue) {
    let done = announced_with(variables);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(Received::from(queue, 1).ids(), [7], "{variables:?}");
}

#[test]
fn the_variables_of_the_sdk_are_obeyed() {
    let (topic, queue) = topic(false);
    arrives(&[&aws().environment()[..], &[(TARGET, &topic)]].concat(), &queue);
}

#[test]
fn settings_and_target_fill_what_they_leave_open() {
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let (topic, behind) = topic(false);
    arrives(&[&keys[..], &[(TARGET, &topic), (ENDPOINT, aws().endpoint())]].concat(), &behind);
    let queue = queue("queue");
    arrives(&[&keys[..], &[(TARGET, &queue.url), (REGION, aws().region())]].concat(), &queue);
    // The one from the settings wins: nobody listens on port 9.
    let wrong = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), (TARGET, &topic), (ENDPOINT, aws().endpoint())];
    arrives(&[&keys[..], &wrong[..]].concat(), &behind);
}

#[test]
fn missing_credentials_and_a_missing_region_are_named() {
    let (topic, _) = topic(false);
    let done = announced_with(&[(TARGET, &topic), (ENDPOINT, aws().endpoint())]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!done.status.success() && said.contains("credential"), "{said}");
    let done = announced_with(&[(TARGET, &queue("queue").url)]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!done.status.success() && said.contains("its region is not known; set AWS_REGION"), "{said}");
}

/// The child of the tests above.
#[tokio::test]
#[ignore = "run by other tests"]
#[expect(clippy::print_stdout, reason = "that is how it tells its parent")]
async fn announce_as_told() {
    let variable = |name| std::env::var(name).ok();
    let settings = AwsSettings { region: variable(REGION), endpoint: variable(ENDPOINT) };
    let target = variable(TARGET).unwrap().parse().unwrap();
    let announce = Announce::to(target, &settings).await.inspect_err(|error| println!("{error}")).unwrap();
    let outcomes = announce.announce(&[announcement(1, 7, "Sweep", None)]).await;
    println!("{outcomes:?}");
    assert_eq!(outcomes, [Ok(())]);
}
