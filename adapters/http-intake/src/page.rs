//! The page: a client of the API in one file. It holds nothing itself, so it needs no token.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("page.html");
/// How many tasks it shows at once, as it stands in the file.
const SHOWN: usize = 50;

/// Nothing but its own style, its own script and the API it came from; no markup out of text.
const POLICY: &str = concat!(
    "default-src 'none'; ",
    "style-src 'sha256-Hy1tEPAwkEUW/5rZsD1veKLx3nRCluC56MXp8mJQ3/c='; ",
    "script-src 'sha256-qkDi/FsAEy4sPRsNL4+RYFdt+3TAqlNmRCGSoYsmzU0='; ",
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
    "require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The page, which asks for no more tasks at once than the API answers with.
pub(crate) fn text(page_limit: usize) -> String {
    let limit = |shown| format!("data-limit=\"{shown}\"");
    PAGE.replace(&limit(SHOWN), &limit(SHOWN.min(page_limit)))
}

/// The page as an answer.
pub(crate) fn answer(text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// What stands between the only two tags of this name.
    fn inside(tag: &str) -> &'static str {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!((PAGE.matches(&format!("<{tag}")).count(), PAGE.matches(&close).count()), (1, 1), "{tag}");
        PAGE.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).unwrap().0
    }

    #[test]
    fn the_policy_knows_style_and_script_by_their_hashes() {
        for tag in ["style", "script"] {
            let hash = BASE64_STANDARD.encode(Sha256::digest(inside(tag)));
            let source = format!("{tag}-src 'sha256-{hash}';");
            assert!(POLICY.contains(&source), "after a change of the page its policy must say {source}");
        }
    }

    #[test]
    fn it_asks_for_no_more_than_the_api_answers_with() {
        for (limit, shown) in [(10_000, 50), (50, 50), (7, 7)] {
            assert_eq!(text(limit).matches(&format!("data-limit=\"{shown}\"")).count(), 1);
        }
    }
}
