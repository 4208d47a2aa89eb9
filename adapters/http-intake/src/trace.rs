//! What is logged of a request: method, path, trace id, status, time. Never a header, a query or a body.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use tracing::Span;
use tracing::field::Empty;

/// Of a longer path only this many bytes.
const PATH: usize = 200;

/// The span that everything of a request is logged in.
pub(crate) fn span(request: &Request<Body>) -> Span {
    let path = request.uri().path();
    // A path is ASCII.
    let path = path.get(..PATH).unwrap_or(path);
    let span = tracing::info_span!("request", method = %request.method(), path, trace = Empty);
    if let Some(trace) = trace_id(request.headers()) {
        span.record("trace", trace);
    }
    span
}

/// Logs how a request was answered.
pub(crate) fn answered(response: &Response<Body>, took: Duration, span: &Span) {
    let status = response.status().as_u16();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if response.status().is_server_error() {
        tracing::warn!(parent: span, status, ms, "failed");
    } else {
        tracing::info!(parent: span, status, ms, "answered");
    }
}

/// The trace id of a W3C `traceparent`, 32 hexadecimal digits; `None` for any that the recommendation refuses.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all("traceparent").iter();
    let (Some(given), None) = (given.next(), given.next()) else { return None };
    let mut parts = given.to_str().ok()?.split('-');
    let lower_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sound = lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(parent, 16) && lower_hex(flags, 2);
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    // Version 0 ends here; later ones may go on.
    let ends = version != "00" || parts.next().is_none();
    (sound && ends && version != "ff" && !zero(trace) && !zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn read(text: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([("traceparent".parse().unwrap(), HeaderValue::from_str(text).unwrap())]);
        trace_id(&headers).map(str::to_owned)
    }

    #[test]
    fn traces_are_taken_as_the_recommendation_has_them() {
        assert_eq!(read(&format!("00-{TRACE}-00f067aa0ba902b7-01")).as_deref(), Some(TRACE));
        assert_eq!(read(&format!("01-{TRACE}-00f067aa0ba902b7-01-more")).as_deref(), Some(TRACE));
        for text in [
            "",
            &format!("00-{TRACE}-00f067aa0ba902b7"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
