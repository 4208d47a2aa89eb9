//! How to reach a database.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::OpenError;

/// Where the database is and how to get in.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `sqlite:PATH` or `mysql://USER@HOST:PORT/DATABASE` (also `mariadb://`, and `?socket=PATH`). Holds no password.
    pub url: String,
    /// Where the password comes from; not used by SQLite.
    pub password: PasswordSource,
    /// Whether the server must prove who it is; not used by SQLite.
    pub tls: TlsMode,
    /// Certificates of authorities to trust, as PEM, beside the system's (feature `native-roots`) or those that Mozilla
    /// trusts (without it); not used by SQLite. Read anew for each connection.
    pub ca_file: Option<PathBuf>,
    /// Connections at most.
    pub connections: u32,
    /// How long to wait for a connection, new or free.
    pub connect_timeout: Duration,
    /// Whether each task that is added or replayed gets a row in the outbox, in the same transaction. Only where a relay
    /// publishes them: otherwise they pile up. Whoever shares the database chooses for itself.
    pub announces: bool,
}

impl ConnectOptions {
    /// The defaults for everything but the address: no password, [`TlsMode::Auto`], 8 connections, 10 s, no
    /// announcements.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: PasswordSource::None,
            tls: TlsMode::Auto,
            ca_file: None,
            connections: 8,
            connect_timeout: Duration::from_secs(10),
            announces: false,
        }
    }
}

/// How the connection to a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// [`TlsMode::Verify`], and [`TlsMode::Prefer`] to a server on this machine.
    #[default]
    Auto,
    /// No encryption.
    Disable,
    /// Encryption where the server offers it; nothing is verified.
    Prefer,
    /// Encryption with the server's certificate and host name verified, or no connection.
    Verify,
}

/// Where the password of the database user comes from. It is asked again for every new connection, so a rotated
/// password is picked up without a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PasswordSource {
    /// There is none.
    #[default]
    None,
    /// The content of this file; one line end at its end is not part of it.
    File(PathBuf),
    /// A secret of AWS Secrets Manager: the bare password, or JSON with `username` and `password` as RDS makes it.
    SecretsManager {
        /// ARN or name.
        secret: String,
        /// AWS region; `None`: the one in the ARN, or else of the environment.
        region: Option<String>,
    },
    /// A token for RDS IAM authentication, made from the AWS credentials of the environment.
    RdsIam {
        /// AWS region; `None`: the one of the environment.
        region: Option<String>,
    },
}

/// A parsed address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    MySql(MySqlTarget),
}

/// A parsed `mysql://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MySqlTarget {
    /// `None`: none was named.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) database: String,
    pub(crate) socket: Option<PathBuf>,
}

impl MySqlTarget {
    #[cfg_attr(
        not(any(feature = "mysql", test)),
        expect(dead_code, reason = "parsed to say what is missing from this build")
    )]
    /// Whether the server runs on this machine, as far as the address tells.
    pub(crate) fn is_local(&self) -> bool {
        let Some(host) = self.host.as_deref().filter(|_| self.socket.is_none()) else {
            return self.socket.is_some();
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

/// Understands [`ConnectOptions::url`].
pub(crate) fn parse(url: &str) -> Result<Target, OpenError> {
    let wrong = |why: &str| OpenError::Url { url: without_password(url), why: why.to_owned() };
    if let Some(rest) = url.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        return match path {
            "" => Err(wrong("name a file: sqlite:tasks.db")),
            ":memory:" => Err(wrong("tasks must outlive the process: name a file, sqlite:tasks.db")),
            path if path.contains('?') => Err(wrong("nothing may follow the file name: take away the part from «?»")),
            path => Ok(Target::Sqlite(PathBuf::from(path))),
        };
    }
    if !(url.starts_with("mysql://") || url.starts_with("mariadb://")) {
        return Err(wrong("expected sqlite:PATH or mysql://USER@HOST:PORT/DATABASE"));
    }
    let parsed = url::Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if parsed.password().is_some() {
        return Err(wrong("it holds a password, which others could read: put it into a file and name that instead"));
    }
    let decoded = |text: &str, what: &str| {
        let bytes = percent_encoding::percent_decode_str(text).decode_utf8();
        bytes.map(|text| text.into_owned()).map_err(|_| wrong(&format!("the {what} is not UTF-8")))
    };
    let mut socket = None;
    for (name, value) in parsed.query_pairs() {
        match &*name {
            "socket" => socket = Some(PathBuf::from(&*value)),
            other => return Err(wrong(&format!("unknown option {other:?}: only socket is known here"))),
        }
    }
    let database = decoded(parsed.path().trim_start_matches('/'), "database name")?;
    if database.is_empty() {
        return Err(wrong("name the database: mysql://USER@HOST:PORT/DATABASE"));
    }
    Ok(Target::MySql(MySqlTarget {
        host: parsed.host_str().filter(|host| !host.is_empty()).map(str::to_owned),
        port: parsed.port(),
        user: Some(decoded(parsed.username(), "user name")?).filter(|user| !user.is_empty()),
        database,
        socket,
    }))
}

/// The address fit for an error message, even one that is not a URL.
fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let Some(end) = url.rfind('@').filter(|&end| end > start) else { return url.to_owned() };
    match url[start..end].find(':') {
        Some(colon) => format!("{}***{}", &url[..start + colon + 1], &url[end..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(url: &str) -> MySqlTarget {
        match parse(url) {
            Ok(Target::MySql(target)) => target,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn reads_addresses() {
        assert_eq!(parse("sqlite:a/b.db").unwrap(), Target::Sqlite("a/b.db".into()));
        assert_eq!(parse("sqlite:///a/b.db").unwrap(), Target::Sqlite("/a/b.db".into()));
        let target = mysql("mysql://app%40x@db.example:3307/task%20manager");
        assert_eq!((target.host.as_deref(), target.port), (Some("db.example"), Some(3307)));
        assert_eq!((target.user.as_deref(), target.database.as_str()), (Some("app@x"), "task manager"));
        assert_eq!(mysql("mariadb://u@h/d?socket=/run/s").socket, Some("/run/s".into()));
    }

    #[test]
    fn knows_this_machine() {
        for url in ["mysql://u@localhost/d", "mysql://u@127.0.0.1/d", "mysql://u@[::1]/d", "mysql://u@h/d?socket=/s"] {
            assert!(mysql(url).is_local(), "{url}");
        }
        for url in ["mysql://u@db.example/d", "mysql://u@10.0.0.1/d", "mysql://u@localhost.example/d", "mysql:///d"] {
            assert!(!mysql(url).is_local(), "{url}");
        }
    }

    #[test]
    fn refuses_and_never_repeats_a_password() {
        for url in [
            "postgres://u:s3cret@h/d",
            "mysql://u:s3cret@h/d",
            "mysql://u:s3cret@h:port/d",
            "mysql://u:s3c@ret@h/d",
            "mysql://u:s3cret@h",
        ] {
            let message = parse(url).unwrap_err().to_string();
            assert!(!message.contains("s3c"), "{message}");
        }
        for url in ["sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "mysql://u@h", "mysql://u@h/d?ssl-mode=DISABLED"]
        {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
