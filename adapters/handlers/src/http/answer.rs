//! What a service's answer means, and what of it may be told.

use std::time::SystemTime;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode, Url};
use taskwatch_core::ports::Failure;

use crate::retry_after;
use crate::text::one_line;

/// How much of a body goes into the reason, in characters.
const QUOTED: usize = 500;

/// Texts shorter than this, in bytes, are no secrets; striking them out would only garble the reason.
const SHORTEST_SECRET: usize = 6;

/// The same for a part of the URL's path, which is mostly made of words.
const SHORTEST_SECRET_IN_PATH: usize = 16;

/// What must not be told, even where a service repeats it.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// The values in the query of the URL, as written and as meant, and what is long in its path.
    pub(super) fn of_url(url: &Url) -> Self {
        let mut secrets = Self(Vec::new());
        for (_, value) in url.query_pairs() {
            secrets.add(&value);
        }
        for pair in url.query().into_iter().flat_map(|query| query.split('&')) {
            secrets.add(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
        for part in url.path().split('/').filter(|part| part.len() >= SHORTEST_SECRET_IN_PATH) {
            secrets.add(part);
        }
        secrets
    }

    /// The text as a whole, and each of its words: of `Bearer abcdef`, the second is the secret.
    pub(super) fn add(&mut self, text: &str) {
        let parts = std::iter::once(text).chain(text.split_whitespace());
        let secret = parts.filter(|part| part.len() >= SHORTEST_SECRET).map(str::to_owned);
        self.0.extend(secret);
        // Longest first, so that no rest of a longer one is left behind.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.0.dedup();
    }

    pub(super) fn strike_out(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[secret]"))
    }
}

/// What an answer that is no success means for the attempt.
pub(super) fn failure(place: &str, response: &Response, body: &str, now: SystemTime) -> Failure {
    let status = response.status();
    let reason = reason(place, status, body);
    if !is_worth_a_retry(status) {
        return Failure::permanent(reason);
    }
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    match header.and_then(|value| retry_after::from_header(value, now)) {
        Some(wait) => Failure::retry_after(wait, reason),
        None => Failure::retry(reason),
    }
}

fn is_worth_a_retry(status: StatusCode) -> bool {
    let too_soon =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    too_soon || status.is_server_error()
}

fn reason(place: &str, status: StatusCode, body: &str) -> String {
    let mut reason = format!("{place} answered {status}");
    if status.is_redirection() {
        reason.push_str("; redirects are not followed: give the final URL");
    }
    let line = one_line(body);
    if !line.is_empty() {
        reason.push_str(": ");
        reason.extend(line.chars().take(QUOTED));
        if line.chars().nth(QUOTED).is_some() {
            reason.push('…');
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_meaning() {
        for code in [408, 425, 429, 500, 501, 503, 599] {
            assert!(StatusCode::from_u16(code).is_ok_and(is_worth_a_retry), "{code}");
        }
        for code in [301, 304, 400, 401, 404, 409, 410, 422, 499] {
            assert!(!StatusCode::from_u16(code).is_ok_and(is_worth_a_retry), "{code}");
        }
    }

    #[test]
    fn no_part_of_a_secret_is_left() {
        let url = Url::parse("https://host/services/T0123456789ABCDEF?key=abc%2Fdef&v=1").expect("the URL is good");
        let mut secrets = Secrets::of_url(&url);
        secrets.add("Bearer s3cr3t-token");
        secrets.add("s3cr3t-token-2");
        assert_eq!(
            secrets.strike_out("got Bearer s3cr3t-token, s3cr3t-token-2, abc/def, abc%2Fdef, v 1"),
            "got [secret], [secret], [secret], [secret], v 1"
        );
        assert_eq!(secrets.strike_out("services/T0123456789ABCDEF"), "services/[secret]");
        assert_eq!(secrets.strike_out("token s3cr3t-token"), "token [secret]");
    }

    #[test]
    fn a_long_body_is_quoted_in_part() {
        let reason = reason("http://host", StatusCode::BAD_REQUEST, &"ä".repeat(501));
        assert_eq!(reason, format!("http://host answered 400 Bad Request: {}…", "ä".repeat(500)));
    }
}
