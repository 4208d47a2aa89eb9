//! Which process this is.

/// Host and process number, as the ledger names a worker that nobody has named.
#[must_use]
pub fn process_name() -> String {
    let host = rustix::system::uname();
    format!("{}:{}", host.nodename().to_string_lossy(), std::process::id())
}
