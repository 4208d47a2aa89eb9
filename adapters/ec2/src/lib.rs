//! Notices that an EC2 instance is about to go, and the end of its Auto Scaling group's lifecycle action.
//!
//! ```no_run
//! # async fn example(clock: std::sync::Arc<dyn taskwatch_core::ports::Clock>) {
//! use taskwatch_core::stop::Stop;
//! use taskwatch_ec2::{AwsSettings, Departure, Watch};
//!
//! let watch = Watch::start(clock.clone());
//! let departure = Departure::new(&watch, AwsSettings::default(), None, clock);
//! let (first, last) = (watch.clone(), watch);
//! let stop = Stop::when(async move { println!("{}", first.notice().await) })
//!     .until(async move { last.time_is_up(std::time::Duration::from_secs(20)).await });
//! tokio::select! {
//!     () = stop.wait() => {} // whatever is there to do, to its end
//!     never = departure.hold() => match never {},
//! }
//! departure.complete().await;
//! # }
//! ```
//!
//! The instance's metadata are asked every [`EVERY`], with a token (IMDSv2; never without one):
//!
//! | `latest/meta-data/` | what it says | what becomes of it |
//! | --- | --- | --- |
//! | `spot/instance-action` | EC2 takes a Spot instance back: terminates, stops or hibernates it, and when | a notice, with its time |
//! | `autoscaling/target-lifecycle-state` | where the Auto Scaling group takes the instance: `Terminated`, `Warmed:Terminated`, `Warmed:Stopped`, `Warmed:Hibernated` | a notice; the group may be waiting |
//! | the same | `Warmed:Running` | a line in the log: nothing ends the process, nor would anything start it again |
//! | `events/recommendations/rebalance` | a Spot instance is likelier to be taken back | a line in the log |
//!
//! **Where there is nobody to ask** — not on EC2, `AWS_EC2_METADATA_DISABLED=true`, metadata switched off, no token, a
//! container beyond the hop limit — it gives up within a minute with a line at debug level, and costs nothing from then on.
//! Where they have answered once, they are asked for good; that they stopped answering is logged once, and once that they
//! answer again. `AWS_EC2_METADATA_SERVICE_ENDPOINT` and `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` count.
//!
//! A notice that the instance hibernates is one of those ([`Notice::is_sleep`]) after which whoever has ended has to be
//! started again: memory is kept, and so is who runs.
//!
//! **The group** waits where it has a lifecycle hook for `autoscaling:EC2_INSTANCE_TERMINATING`: until the hook's action is
//! completed, or its time is over. [`Departure::hold`] keeps that time from running out, [`Departure::complete`] lets the
//! instance go on (`CONTINUE`). A group with several such hooks is left to its own time unless it is said which one is
//! ours: the others wait for somebody else. Several processes on one instance that wait for each other need a hook each.
//!
//! **Rights**, of the instance's role: `autoscaling:DescribeAutoScalingInstances`, `autoscaling:CompleteLifecycleAction`,
//! `autoscaling:RecordLifecycleActionHeartbeat`, and, unless the hook is given, `autoscaling:DescribeLifecycleHooks`. One
//! that is missing is named in the log once; the group then waits until the hook's own time is over. Asking the metadata
//! takes none.

mod calls;
mod departure;
#[cfg(test)]
mod fakes;
mod groups;
mod metadata;
mod notice;
mod watch;

pub use departure::{Departure, LIMIT};
pub use notice::Notice;
pub use taskwatch_aws::AwsSettings;
pub use watch::{EVERY, Watch};
