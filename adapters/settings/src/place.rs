//! Where the tasks are kept: `database.url`, taken apart.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::Deserializer;
use serde::de::Error;
use url::Url;

use crate::kinds;

/// `database.url`, taken apart. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    MySql(Server),
}

/// A MySQL or MariaDB server, the user and the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) database: String,
}

impl Server {
    /// Whether what is said to the server stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The same text as was given, but for what a URL may be spelled in two ways.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::MySql(Server { host, port, user, database }) if host.contains(':') => {
                write!(f, "mysql://{user}@[{host}]:{port}/{database}")
            }
            Self::MySql(Server { host, port, user, database }) => {
                write!(f, "mysql://{user}@{host}:{port}/{database}")
            }
        }
    }
}

/// Why a text is no [`Place`]. Never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("expected {EXPECTED}")]
    Form,
    #[error(
        "it holds a password, which would end up in process lists and logs: take it out, change it, and give it by \
         database.password_file or database.password_secret, or use database.iam_auth"
    )]
    Password,
    #[error("it has parameters after a question mark, which are not taken: use the settings under database")]
    Parameters,
    #[error("the user is missing: expected {EXPECTED}")]
    User,
    #[error("the database is missing: expected {EXPECTED}")]
    Database,
    #[error("an SQLite database in memory ends with its connection: name a file")]
    Memory,
}

const EXPECTED: &str = "sqlite://FILE or mysql://USER@HOST:PORT/DATABASE";

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return sqlite(path);
        }
        if text.starts_with("sqlite::memory:") {
            return Err(PlaceError::Memory);
        }
        let url = Url::parse(text).map_err(|_| PlaceError::Form)?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(PlaceError::Form);
        }
        if url.password().is_some() {
            return Err(PlaceError::Password);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(PlaceError::Parameters);
        }
        let decoded =
            |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| PlaceError::Form);
        let host = match url.host().ok_or(PlaceError::Form)? {
            // The brackets around an address belong to the URL.
            url::Host::Ipv6(address) => address.to_string(),
            host => decoded(&host.to_string())?.to_ascii_lowercase(),
        };
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(PlaceError::User);
        }
        let database = decoded(url.path().trim_start_matches('/'))?;
        if host.is_empty() || database.contains('/') {
            return Err(PlaceError::Form);
        }
        if database.is_empty() {
            return Err(PlaceError::Database);
        }
        Ok(Self::MySql(Server { host, port: url.port().unwrap_or(3306), user, database }))
    }
}

fn sqlite(path: &str) -> Result<Place, PlaceError> {
    match path {
        "" => Err(PlaceError::Form),
        ":memory:" => Err(PlaceError::Memory),
        _ if path.contains('?') => Err(PlaceError::Parameters),
        _ if path.contains('\0') => Err(PlaceError::Form),
        _ => Ok(Place::Sqlite(path.into())),
    }
}

/// Reads a [`Place`] as a setting.
pub(crate) fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
    kinds::any_text(deserializer, EXPECTED)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16) -> Place {
        Place::MySql(Server { host: host.into(), port, user: "app".into(), database: "taskmanager".into() })
    }

    #[test]
    fn urls_are_taken_apart() {
        let cases = [
            ("sqlite://taskwatch.db", Place::Sqlite("taskwatch.db".into())),
            ("sqlite:///var/lib/task watch%20.db", Place::Sqlite("/var/lib/task watch%20.db".into())),
            ("mysql://app@db.example.com/taskmanager", server("db.example.com", 3306)),
            ("mysql://app@DB.example.com:3307/taskmanager", server("db.example.com", 3307)),
            ("mariadb://app@127.0.0.1/taskmanager", server("127.0.0.1", 3306)),
            ("mysql://app@[::1]:9/taskmanager", server("::1", 9)),
            ("mysql://app:@h/taskmanager", server("h", 3306)),
            ("mysql://%61pp@h/task%6Danager", server("h", 3306)),
        ];
        for (text, place) in cases {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
    }

    #[test]
    fn what_is_shown_means_the_same() {
        for text in ["sqlite://a/b.db", "mysql://app@h:3306/taskmanager", "mysql://app@[::1]:9/taskmanager"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refusals_say_why_without_the_text() {
        let cases = [
            ("", PlaceError::Form),
            ("taskwatch.db", PlaceError::Form),
            ("postgres://app@h/taskmanager", PlaceError::Form),
            ("mysql:app@h/taskmanager", PlaceError::Form),
            ("mysql://app@/taskmanager", PlaceError::Form),
            ("mysql://app@h/a/b", PlaceError::Form),
            ("mysql://app@h:99999/a", PlaceError::Form),
            ("mysql://app:hunter2@h/a", PlaceError::Password),
            ("mysql://app@h/a?password=hunter2", PlaceError::Parameters),
            ("mysql://app@h/a#hunter2", PlaceError::Parameters),
            ("mysql://h/a", PlaceError::User),
            ("mysql://app@h", PlaceError::Database),
            ("mysql://app@h/", PlaceError::Database),
            ("sqlite://", PlaceError::Form),
            ("sqlite://:memory:", PlaceError::Memory),
            ("sqlite::memory:", PlaceError::Memory),
            ("sqlite://a.db?mode=ro", PlaceError::Parameters),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Place>(), Err(error.clone()), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn only_loopback_is_local() {
        let local = |text: &str| match text.parse::<Place>() {
            Ok(Place::MySql(server)) => server.is_local(),
            other => panic!("{other:?}"),
        };
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(local(&format!("mysql://a@{host}/d")), "{host}");
        }
        for host in ["10.0.0.1", "localhost.example.com", "db", "127.0.0.1.example.com", "[::2]"] {
            assert!(!local(&format!("mysql://a@{host}/d")), "{host}");
        }
    }
}
