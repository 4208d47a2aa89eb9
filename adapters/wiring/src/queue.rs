//! What consumers of a queue call beside receiving. Nothing is called, nor even looked for, before it is needed.

use taskwatch_s3_payload::S3Payloads;
use taskwatch_settings::Settings;
use taskwatch_sqs_queue::{AwsSettings, SqsQueues};

/// SQS, for visibility and dead letters.
#[must_use]
pub fn queues(settings: &Settings) -> SqsQueues {
    SqsQueues::new(AwsSettings::in_region(settings.aws.region.clone()))
}

/// S3, for payloads; `None` where none are to be fetched.
#[must_use]
pub fn payloads(settings: &Settings) -> Option<S3Payloads> {
    let buckets = &settings.queue.payload_buckets;
    let aws = AwsSettings::in_region(settings.aws.region.clone());
    (!buckets.is_empty()).then(|| S3Payloads::new(buckets.clone(), aws))
}
