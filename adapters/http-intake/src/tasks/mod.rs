//! The operations on tasks.

pub(crate) mod add;
pub(crate) mod cancel;
pub(crate) mod list;
pub(crate) mod show;
