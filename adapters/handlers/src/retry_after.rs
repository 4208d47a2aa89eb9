//! «Not before»: what commands and services may ask for when they fail.

use std::time::Duration;

/// The longest wait that is granted, 12 hours: as long as SQS can keep a message out of sight. Longer ones are cut to it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(12 * 60 * 60);

/// What the last line that holds anything asks for, if it begins with `retry-after:`.
///
/// # Errors
/// The text after the colon, when it is no duration.
pub(crate) fn from_last_line(output: &str) -> Result<Option<Duration>, String> {
    let line = output.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let Some((name, value)) = line.split_once(':') else { return Ok(None) };
    if !name.trim_end().eq_ignore_ascii_case("retry-after") {
        return Ok(None);
    }
    let value = value.trim();
    let seconds = value.parse().map(Duration::from_secs).ok();
    let wait = seconds.or_else(|| humantime::parse_duration(value).ok()).ok_or_else(|| value.to_owned())?;
    Ok(granted(wait))
}

/// What a `Retry-After` header asks for, in seconds or as a date. `None` if it cannot be read.
#[cfg(feature = "http")]
pub(crate) fn from_header(value: &str, now: std::time::SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok()?,
    };
    granted(wait)
}

/// Nobody who asks for no wait at all gets one shorter than the backoff.
fn granted(wait: Duration) -> Option<Duration> {
    (!wait.is_zero()).then(|| wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn the_last_line_asks_in_seconds_or_with_a_unit() {
        assert_eq!(from_last_line("working\nretry-after: 30\n\n"), Ok(seconds(30)));
        assert_eq!(from_last_line("Retry-After:2m 5s"), Ok(seconds(125)));
        assert_eq!(from_last_line("retry-after: 0"), Ok(None));
        assert_eq!(from_last_line("retry-after: 9999999"), Ok(Some(MAX_RETRY_AFTER)));
        assert_eq!(from_last_line("retry-after: soon"), Err("soon".to_owned()));
    }

    #[test]
    fn other_lines_ask_for_nothing() {
        for output in ["", "done", "note: 30", "retry-after 30", "retry-after: 30\nbut then this"] {
            assert_eq!(from_last_line(output), Ok(None), "{output:?}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn the_header_asks_in_seconds_or_with_a_date() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(from_header(" 120 ", now), seconds(120));
        assert_eq!(from_header("Sun, 06 Nov 1994 08:50:37 GMT", now), seconds(60));
        assert_eq!(from_header("Sun, 06 Nov 1994 08:49:00 GMT", now), None, "a date that has passed");
        assert_eq!(from_header("Fri, 01 Jan 2100 00:00:00 GMT", now), Some(MAX_RETRY_AFTER));
        for unreadable in ["", "-5", "soon", "1.5", "0"] {
            assert_eq!(from_header(unreadable, now), None, "{unreadable:?}");
        }
    }
}
