//! What stands beside a dead letter: attributes by which whoever gave it up says why.

/// Why nobody could work it.
pub const REASON: &str = "TaskwatchReason";
/// The task it announces, if that can be told.
pub const TASK: &str = "TaskwatchTask";
/// ARN of the queue it came from.
pub const SOURCE_QUEUE: &str = "TaskwatchSourceQueue";
/// Its id there; SQS gives it a new one.
pub const MESSAGE_ID: &str = "TaskwatchMessageId";
/// When it was given up, RFC 3339.
pub const AT: &str = "TaskwatchAt";

/// All of them.
pub const ALL: [&str; 5] = [REASON, TASK, SOURCE_QUEUE, MESSAGE_ID, AT];
