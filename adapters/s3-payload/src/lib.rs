//! Fetches the payloads that messages point to: [`taskwatch_sqs_message::Payloads`] over S3's `GetObject`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use taskwatch_s3_payload::{AwsSettings, S3Payloads};
//! use taskwatch_sqs_message::{SqsRecord, delivery_with};
//!
//! let payloads = S3Payloads::new(["task-payloads"], AwsSettings::default());
//! let record = SqsRecord { body: Some("[...]".to_owned()), ..SqsRecord::default() };
//! let delivery = delivery_with(&record, "receipt", Some(&payloads)).await;
//! # Ok(())
//! # }
//! ```
//!
//! **A message must not make us read anything.** Whoever can send one chooses bucket and key; so only buckets that the
//! program was given are asked, and keys that would lead a URL out of its bucket (segments `.` and `..`) are refused.
//! Redirects are not followed.
//!
//! **Limits.** An object has at most [`MAX_BODY_BYTES`](taskwatch_sqs_message::MAX_BODY_BYTES), which is counted while it
//! is read, and is UTF-8. A fetch takes at most [`PATIENCE`]: two attempts of 2.4 s each, the second only after errors
//! that may pass.
//!
//! | S3 | the message |
//! | --- | --- |
//! | no such object or bucket, not allowed, archived, in another region, too large, not text | dead letter, with that reason |
//! | 5xx, throttling, no or half an answer, expired or missing credentials, 307 | comes again |
//!
//! **Rights.** `s3:GetObject` on the objects; with `s3:ListBucket` on the bucket, S3 says that an object is missing instead
//! of denying it; `kms:Decrypt` on the key of an encrypted bucket.
//!
//! Credentials come from where every AWS SDK takes them, region and address from there too (`AWS_ENDPOINT_URL_S3`,
//! `AWS_ENDPOINT_URL`; with either, URLs are in path style). Nothing is read from the environment and nobody is called
//! before the first payload is fetched. A signature is valid for a quarter of an hour and is part of the URL, so no reason and no
//! `Debug` shows one.
//!
//! What the crate does not do: put, list, delete; log; keep what it has fetched.

mod answer;
mod connect;
mod fetch;
mod place;

pub use fetch::{PATIENCE, S3Payloads};
pub use taskwatch_aws::AwsSettings;
