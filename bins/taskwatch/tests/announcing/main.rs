//! Announcements of the program as it is shipped with the feature `aws`: SQLite and MariaDB at one end, SNS with an SQS
//! queue behind it at the other.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod commands;
mod delivered;
mod outage;
mod place;
mod rights;
mod road;
