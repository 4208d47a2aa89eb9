//! The instance is about to go: a Spot notice, an Auto Scaling group that takes the instance out.
//!
//! MiniStack's instance metadata and Auto Scaling, behind a front that adds what MiniStack does not have: the paths of the
//! notices, calls without a token refused.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Added, Completed, Released, Started};

use crate::instance::{Instance, Refusal};
use crate::place::{PATIENCE, Place, Worker, shell};

/// Works until the test lets it end.
const UNTIL_TOLD: &str = "until [ -e go ]; do sleep 0.05; done";

/// A worker on this instance; a task of its runs already.
async fn at_work(place: &Place, instance: &Instance, script: &str, settings: &[(&str, &str)]) -> Worker {
    place.add(&["long"]).await;
    let script = shell(script);
    let mut command = place.command(&[("TASKWATCH_HANDLER_COMMAND", script.as_str())]);
    command.envs(instance.environment()).envs(settings.iter().copied());
    let worker = Worker::start(&mut command);
    place.until(Status::InProgress, 1).await;
    worker
}

fn let_end(place: &Place) {
    fs::write(place.folder.path().join("go"), "").unwrap();
}

#[tokio::test]
async fn a_spot_notice_drains_and_one_signal_after_it_does_not_cut_that_short() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    let mut worker = at_work(&place, &instance, UNTIL_TOLD, &[]).await;
    instance.spot("terminate", Duration::from_secs(120));
    worker.says("EC2 takes the Spot instance back: terminate at ").await;
    let late = place.add(&["late"]).await[0];
    worker.signal(Signal::TERM);
    worker.says("stopping already").await;
    let_end(&place);
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("stopping, since").count(), 1, "{said}");
    place.until(Status::Completed, 1).await;
    assert_eq!(place.record(late).await.entries.len(), 1, "nothing is begun after the notice");
    assert_eq!(instance.without_token(), 0);
    assert!(instance.calls().is_empty(), "no group has asked for anything: {:?}", instance.calls());
    place.audit().await;
}

#[tokio::test]
async fn what_does_not_end_before_a_spot_instance_goes_is_given_back_in_time() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    let worker = at_work(&place, &instance, "sleep 600", &[("TASKWATCH_WORKER_DRAIN", "10m")]).await;
    let end = SystemTime::now() + Duration::from_secs(30);
    instance.spot("stop", Duration::from_secs(30));
    let (code, said) = worker.end();
    assert!(SystemTime::now() < end, "it has ended before the instance does");
    assert_eq!(code, Some(0), "{said}");
    let record = place.records().await.remove(0);
    let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
    assert_eq!((events, record.row.unwrap().attempt), (vec![Added, Started, Released], 0));
    place.audit().await;
}

#[tokio::test]
async fn a_group_waits_for_the_work_and_is_told_when_it_is_done() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    let group = instance.join_group(&[("launch", "LAUNCHING"), ("drain", "TERMINATING")]);
    // With the credentials of the instance's role, and nothing else.
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let mut worker = at_work(&place, &instance, UNTIL_TOLD, &none).await;
    instance.target("Terminated");
    worker.says("the Auto Scaling group takes the instance out: Terminated").await;
    let begun = Instant::now();
    while instance.called("RecordLifecycleActionHeartbeat").is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?}: {}", instance.calls(), worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(instance.called("CompleteLifecycleAction").is_empty());
    let_end(&place);
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    let completed = instance.called("CompleteLifecycleAction");
    assert_eq!(completed.len(), 1, "{completed:?}");
    for parameter in [
        format!("AutoScalingGroupName={group}"),
        format!("InstanceId={}", instance.id()),
        "LifecycleHookName=drain".to_owned(),
        "LifecycleActionResult=CONTINUE".to_owned(),
    ] {
        assert!(completed[0].form.contains(&parameter), "{completed:?}");
    }
    let record = place.records().await.remove(0);
    let last = record.entries.last().unwrap();
    assert_eq!(last.event, Completed);
    assert!(last.at < completed[0].at, "first the work, then the action");
    assert!(said.contains("lifecycle action completed") && !said.contains(" WARN "), "{said}");
    place.audit().await;
}

/// What is said by a worker on an instance that its group takes out from the start, where this call is refused.
async fn leaving(action: &'static str, refusal: Refusal, hook: Option<&str>) -> String {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    instance.join_group(&[("drain", "TERMINATING")]);
    instance.refuse(action, refusal);
    instance.target("Terminated");
    let mut command = place.command(&[]);
    command.envs(instance.environment()).envs(hook.map(|hook| ("TASKWATCH_WORKER_LIFECYCLE_HOOK", hook)));
    let (code, said) = Worker::start(&mut command).end();
    assert_eq!(code, Some(0), "{action}: {said}");
    let ours = format!("LifecycleHookName={}", hook.unwrap_or("drain"));
    let called = instance.called("CompleteLifecycleAction");
    assert!(called.iter().all(|call| call.form.contains(&ours)), "{called:?}");
    said
}

#[tokio::test]
async fn rights_that_are_missing_are_named_and_hold_up_nothing() {
    for (action, hook) in [
        ("DescribeAutoScalingInstances", None),
        ("DescribeLifecycleHooks", None),
        ("CompleteLifecycleAction", Some("mine")),
    ] {
        let said = leaving(action, Refusal::Denied, hook).await;
        let warned: Vec<_> = said.lines().filter(|line| line.contains(" WARN ")).collect();
        let words = format!("autoscaling:{action}, which the role of this instance does not allow");
        assert!(warned.len() == 1 && warned[0].contains(&words), "{said}");
    }
}

#[tokio::test]
async fn a_group_that_cannot_be_told_is_said_and_one_that_does_not_wait_is_no_trouble() {
    for (action, refusal, level, words) in [
        ("DescribeAutoScalingInstances", Refusal::Unknown, " WARN ", "InvalidClientTokenId"),
        ("CompleteLifecycleAction", Refusal::NoHook, " WARN ", "No Lifecycle Hook found"),
        ("CompleteLifecycleAction", Refusal::NotWaiting, " INFO ", "no lifecycle action to complete"),
    ] {
        let said = leaving(action, refusal, None).await;
        let about: Vec<_> = said.lines().filter(|line| line.contains("failed to")).collect();
        assert!(about.len() == 1 && about[0].contains(level) && about[0].contains(words), "{refusal:?}: {said}");
    }
}

#[tokio::test]
async fn without_tokens_nothing_is_asked_and_without_metadata_nothing_is_missed() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    instance.v1_only();
    instance.target("Terminated");
    instance.spot("terminate", Duration::from_secs(120));
    let mut command = place.command(&[]);
    let first = Worker::start(command.envs(instance.environment()));
    // Two rounds at least.
    let begun = Instant::now();
    while instance.tokens_refused() <= 3 {
        assert!(begun.elapsed() < PATIENCE, "{}", first.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Nobody listens there.
    let absent = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")];
    let second = place.worker(&absent);
    place.add(&["a"; 20]).await;
    place.until(Status::Completed, 20).await;
    for mut worker in [first, second] {
        worker.says("at work").await;
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("EC2") && !said.contains("metadata"), "{said}");
    }
    assert_eq!((instance.without_token(), instance.calls().len()), (0, 0));
    place.audit().await;
}

#[tokio::test]
async fn on_an_instance_that_hibernates_it_asks_to_be_started_again() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    let worker = at_work(&place, &instance, "sleep 600", &[]).await;
    // Which begins at once.
    instance.spot("hibernate", Duration::ZERO);
    let (code, said) = worker.end();
    assert_eq!(code, Some(7), "{said}");
    assert_eq!(place.records().await[0].entries.last().map(|entry| entry.event), Some(Released));
    place.audit().await;
}

#[tokio::test]
async fn notices_can_be_switched_off() {
    let place = Place::new().await;
    let instance = Instance::start(place.aws);
    instance.target("Terminated");
    let mut command = place.command(&[("TASKWATCH_WORKER_NOTICES", "false")]);
    let worker = Worker::start(command.envs(instance.environment()));
    place.add(&["a"]).await;
    place.until(Status::Completed, 1).await;
    let (code, said) = worker.stop();
    assert!(code == Some(0) && !said.contains("takes the instance out"), "{said}");
    assert_eq!(instance.tokens_given(), 0);
}
