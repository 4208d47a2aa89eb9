//! The bearer token that requests have to show.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

use crate::problem::Problem;

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

/// A secret that is never shown. Only its length can be learnt from how long a comparison takes.
#[derive(Clone)]
pub struct Token(Arc<str>);

/// Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("read the token in {}: {why}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// Its content cannot be sent in a header, or is easy to guess.
    #[error(
        "use the token in {}: expected one line of at least {SHORTEST} letters, digits or -._~+/= and nothing else, such as \
         the output of `openssl rand -hex 32`", path.display()
    )]
    Unfit {
        /// Which file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads the token from a file of one line.
    ///
    /// # Errors
    /// [`TokenError`], which never repeats the token.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let text =
            std::fs::read_to_string(path).map_err(|why| TokenError::Unreadable { path: path.to_owned(), why })?;
        Self::new(text.trim_end_matches(['\n', '\r'])).ok_or_else(|| TokenError::Unfit { path: path.to_owned() })
    }

    /// The token itself; `None` where it is no token of RFC 6750, or too short to be a secret.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        (token.len() >= SHORTEST && token.chars().all(fits)).then(|| Self(token.into()))
    }

    /// Refuses requests that do not show the token.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else {
            return Err(Problem::unauthorized(
                "a token is needed: send it as «Authorization: Bearer ...»",
                "Bearer realm=\"taskwatch\"",
            ));
        };
        let (scheme, token) = match given.as_bytes().iter().position(|&byte| byte == b' ') {
            Some(space) => given.as_bytes().split_at(space),
            None => (given.as_bytes(), &[][..]),
        };
        let same = bool::from(token.trim_ascii().ct_eq(self.0.as_bytes()));
        if scheme.eq_ignore_ascii_case(b"bearer") && same {
            return Ok(());
        }
        Err(Problem::unauthorized(
            "this is not the token, or not a bearer token",
            "Bearer realm=\"taskwatch\", error=\"invalid_token\"",
        ))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn a_line_break_at_the_end_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(&*Token::from_file(&path).unwrap().0, SECRET);
        }
        for text in ["", "short", "0123456789 abcdef", "0123456789abcdeü", "0123456789abcdef\nmore"] {
            std::fs::write(&path, text).unwrap();
            let error = Token::from_file(&path).unwrap_err();
            assert!(matches!(error, TokenError::Unfit { .. }), "{text}");
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Token::from_file(&path), Err(TokenError::Unreadable { .. })));
    }

    #[test]
    fn is_never_shown() {
        assert_eq!(format!("{:?}", Token::new(SECRET)), "Some(Token(..))");
    }
}
