//! What must hold for any bytes that arrive as an SQS message.
//!
//! [`check`] takes them as the body of a message, as a message and as an event of Lambda, and panics where something
//! does not hold. It can be called with anything by anybody: libFuzzer does so with what it makes up
//! (`cargo xtask fuzz`), the tests with the files in `seeds/`, from which libFuzzer starts.

mod body;
mod event;
mod reason;
mod record;

/// Panics where the bytes are not treated as they must be.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    body::check(&text);
    body::check_id(bytes);
    record::check(&text);
    event::check(&text);
}
