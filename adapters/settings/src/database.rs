//! The database section, checked as a whole.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::check::Check;
use crate::definitions::{DatabaseKeys, TlsChoice};
use crate::error::Problem;
use crate::place::{Place, Server};

/// Which database, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where it is.
    pub place: DatabasePlace,
    /// How many connections are open at most.
    pub connections: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
}

/// Where a database is. Shown as its URL, which never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabasePlace {
    /// An SQLite file; a relative path counts from the current folder.
    Sqlite(PathBuf),
    /// A MySQL or MariaDB server.
    MySql(MySql),
}

/// A MySQL or MariaDB server and the way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MySql {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whom to log in as.
    pub user: String,
    /// Which database on the server.
    pub database: String,
    /// How to log in.
    pub password: Password,
    /// Whether and how to encrypt.
    pub tls: Tls,
}

/// Where the password comes from. Never the password itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// There is none.
    None,
    /// A file holds it.
    File(PathBuf),
    /// AWS Secrets Manager holds it, under this ARN or name.
    Secret(String),
    /// RDS IAM tokens, fetched for each connection.
    IamToken,
}

/// How a connection to a server is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Certificate and host name are checked.
    Verify {
        /// PEM file with authorities to trust beside the system's.
        ca_file: Option<PathBuf>,
    },
    /// Encrypted where the server can; nothing is checked.
    Prefer,
    /// Not encrypted.
    Off,
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => Place::Sqlite(path.clone()).fmt(f),
            Self::MySql(MySql { host, port, user, database, .. }) => {
                let (host, user, database) = (host.clone(), user.clone(), database.clone());
                Place::MySql(Server { host, port: *port, user, database }).fmt(f)
            }
        }
    }
}

const URL: &str = "database.url";
const PASSWORD_FILE: &str = "database.password_file";
const PASSWORD_SECRET: &str = "database.password_secret";
const IAM_AUTH: &str = "database.iam_auth";
const CA_FILE: &str = "database.ca_file";
const TLS: &str = "database.tls";
const INSECURE: &str = "database.tls_insecure_anyway";

impl Database {
    pub(crate) fn check(keys: DatabaseKeys, check: &mut Check<'_>) -> Self {
        let DatabaseKeys { url, connections, connect_timeout, .. } = &keys;
        let (connections, connect_timeout) = (*connections, *connect_timeout);
        let place = match url {
            Place::Sqlite(path) => {
                let switches = [(IAM_AUTH, keys.iam_auth), (INSECURE, keys.tls_insecure_anyway)];
                let switched_on = switches.into_iter().filter(|(_, on)| *on).map(|(key, _)| key);
                for key in [PASSWORD_FILE, PASSWORD_SECRET, CA_FILE, TLS].into_iter().chain(switched_on) {
                    check.excludes((URL, "an SQLite file"), key, "it is for a mysql:// URL only");
                }
                DatabasePlace::Sqlite(path.clone())
            }
            Place::MySql(server) => {
                let Server { host, port, user, database } = server.clone();
                let password = password(&keys, check);
                let tls = tls(&keys, server, password == Password::IamToken, check);
                DatabasePlace::MySql(MySql { host, port, user, database, password, tls })
            }
        };
        Self { place, connections, connect_timeout }
    }
}

/// The way in that the highest layer names; two in one layer contradict each other.
fn password(keys: &DatabaseKeys, check: &mut Check<'_>) -> Password {
    let ways = [
        (PASSWORD_FILE, keys.password_file.clone().map(Password::File)),
        (PASSWORD_SECRET, keys.password_secret.clone().map(Password::Secret)),
        (IAM_AUTH, keys.iam_auth.then_some(Password::IamToken)),
    ];
    let mut chosen: Option<(&'static str, Password)> = None;
    for (key, way) in ways {
        let Some(way) = way else { continue };
        match &chosen {
            Some((other, _)) if check.rank(other) > check.rank(key) => check.put_aside(key),
            Some((other, _)) if check.rank(other) == check.rank(key) => {
                check.contradiction(key, other, "keep one of them");
            }
            Some((other, _)) => {
                check.put_aside(other);
                chosen = Some((key, way));
            }
            None => chosen = Some((key, way)),
        }
    }
    chosen.map_or(Password::None, |(_, way)| way)
}

fn tls(keys: &DatabaseKeys, server: &Server, iam: bool, check: &mut Check<'_>) -> Tls {
    let verify = || Tls::Verify { ca_file: keys.ca_file.clone() };
    let (choice, word) = match keys.tls {
        // Whoever names authorities or sends a token in clear wants the server checked, wherever it is.
        None if server.is_local() && keys.ca_file.is_none() && !iam => return Tls::Prefer,
        None | Some(TlsChoice::Verify) => return verify(),
        Some(TlsChoice::Prefer) => (Tls::Prefer, "prefer"),
        Some(TlsChoice::Off) => (Tls::Off, "off"),
    };
    check.excludes((TLS, word), CA_FILE, "authorities are looked at with database.tls = \"verify\" only");
    if iam {
        check.contradiction(IAM_AUTH, TLS, "a token travels as it is, so database.tls must be \"verify\"");
    }
    if !server.is_local() && !keys.tls_insecure_anyway {
        let from = check.origin(TLS);
        let (given, why) = (
            Some(format!("{word:?}")),
            format!(
                "{} is not this machine, and nothing would prove that it is the right server: use \"verify\", or set \
                 {INSECURE} = true",
                server.host
            ),
        );
        check.problem(Problem::Misfit { key: TLS, from, given, why });
    }
    choice
}
