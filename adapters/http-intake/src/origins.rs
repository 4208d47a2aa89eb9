//! Which browser pages may use the API. Closed by default.
//!
//! CORS alone keeps a foreign page from reading answers, not from sending what needs no preflight; so a request that
//! changes something is also refused by its `Origin` header. Programs other than browsers send none.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LINK, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::problem::Problem;

/// How long a browser may remember what it was allowed, in seconds.
const REMEMBER: std::time::Duration = std::time::Duration::from_secs(600);

/// Origins whose pages may use the API, beside the API's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Allowed);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Listed(Vec<HeaderValue>),
    Any,
}

/// Not an origin as browsers send it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: expected scheme, host and port if it is not the scheme's own, such as https://app.example.com"
)]
pub struct InvalidOrigin(pub String);

impl Origins {
    /// No page of another origin.
    #[must_use]
    pub const fn none() -> Self {
        Self(Allowed::Listed(Vec::new()))
    }

    /// Pages of these; a single `*` stands for all there are.
    ///
    /// # Errors
    /// [`InvalidOrigin`]: a text that no browser would send.
    pub fn listed(origins: &[String]) -> Result<Self, InvalidOrigin> {
        if origins == ["*"] {
            return Ok(Self(Allowed::Any));
        }
        let origin = |text: &String| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            let plain = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() && !"/?#@*\\".contains(c);
            let sound = rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain));
            sound.then(|| HeaderValue::from_str(text).ok()).flatten().ok_or_else(|| InvalidOrigin(text.clone()))
        };
        Ok(Self(Allowed::Listed(origins.iter().map(origin).collect::<Result<_, _>>()?)))
    }

    /// What tells browsers; `None` where no other origin is allowed anything.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let origins = match &self.0 {
            Allowed::Listed(origins) if origins.is_empty() => return None,
            Allowed::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
            Allowed::Any => AllowOrigin::from(Any),
        };
        let lower = HeaderName::from_static;
        let sent = [AUTHORIZATION, CONTENT_TYPE, lower("idempotency-key"), lower("traceparent"), lower("tracestate")];
        Some(
            CorsLayer::new()
                .allow_origin(origins)
                .allow_methods([Method::GET, Method::POST])
                .allow_headers(sent)
                .expose_headers([LINK, RETRY_AFTER, WWW_AUTHENTICATE])
                .max_age(REMEMBER),
        )
    }

    /// Refuses what a page of another origin wants to change.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let Some(origin) = request.headers().get(ORIGIN).filter(|_| !request.method().is_safe()) else {
            return Ok(());
        };
        let allowed = match &self.0 {
            Allowed::Any => true,
            Allowed::Listed(origins) => origins.contains(origin) || is_own(origin, request),
        };
        if allowed {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "pages of this origin may not use the API: name it in intake.origins"))
    }
}

/// Whether the page came from where the request goes to.
fn is_own<B>(origin: &HeaderValue, request: &Request<B>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_send_them() {
        for text in ["https://app.example.com", "http://127.0.0.1:8080", "http://[::1]:3000"] {
            assert!(Origins::listed(&[text.to_owned()]).is_ok(), "{text}");
        }
        for text in
            ["", "null", "app.example.com", "https://", "https://a.example/", "https://A.example", "https://*.a"]
        {
            assert_eq!(Origins::listed(&[text.to_owned()]), Err(InvalidOrigin(text.to_owned())));
        }
        assert!(Origins::listed(&["*".to_owned(), "https://a.example".to_owned()]).is_err());
        assert_eq!(Origins::listed(&[]), Ok(Origins::none()));
    }
}
