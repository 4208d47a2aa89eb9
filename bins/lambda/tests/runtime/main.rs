//! The built `bootstrap` under a runtime API that does what no stand-in does: hand out several invocations at once, as
//! Lambda Managed Instances do, and watch the init phase. MiniStack gives a process one invocation at a time; cargo-lambda
//! names a deadline in 1970 to every one.

mod api;
mod concurrent;
mod init;
#[expect(dead_code, reason = "the tests with queues need more of it")]
#[path = "../support/mod.rs"]
mod support;
