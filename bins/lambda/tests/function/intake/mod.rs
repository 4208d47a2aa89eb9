//! The function that serves the API: behind all that can be put in front of it, with its topic.

mod announcing;
mod behind;
mod desk;
