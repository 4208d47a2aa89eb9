//! What an error of the server or of the connection means for a transaction.

use sqlx::mysql::MySqlDatabaseError;

use crate::error::Fault;

/// What an error means where nothing can have been committed.
pub(crate) fn fault(error: &sqlx::Error) -> Fault {
    let why = error.to_string();
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<MySqlDatabaseError>() {
            Some(database) => server_fault(database.number(), why, database.message()),
            None => Fault::Refused(why),
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) if is_certificate(&why) => Fault::Refused(certificate_hint(&why)),
        sqlx::Error::Tls(_) => Fault::Refused(why),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Fault::Lost(why),
        // Its hint is for whoever builds the driver.
        sqlx::Error::Configuration(_) if why.contains("mysql-rsa") => Fault::Refused(
            "the server wants the password encrypted (caching_sha2_password, sha256_password), and this connection is \
             not: use database.tls = prefer or verify, with a server that offers TLS"
                .to_owned(),
        ),
        _ => Fault::Refused(why),
    }
}

/// What an error means when the packet held the COMMIT: `at_commit` where the statements before it had succeeded.
pub(super) fn commit_fault(error: &sqlx::Error, at_commit: bool) -> Fault {
    let undone = !at_commit || matches!(number(error), Some(1205 | 1213 | 3101));
    match fault(error) {
        Fault::Lost(why) => Fault::Unknown(why),
        other if undone => other,
        other => Fault::Unknown(other.message().to_owned()),
    }
}

/// Whether the server can no longer do the work, though it could when the connection was made: after a failover, the
/// address leads to another one.
pub(super) fn is_out_of_service(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| matches!(number, 1290 | 1836 | 1792 | 1047 | 3032))
}

/// The server's number for the error.
pub(crate) fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// By the numbers of MySQL and MariaDB: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
fn server_fault(number: u16, why: String, message: &str) -> Fault {
    match number {
        // Deadlock, lock wait, record changed, group replication conflict, query killed, table altered after the
        // snapshot: rolled back, or to be.
        1205 | 1213 | 1020 | 3101 | 1317 | 1412 => Fault::Again(why),
        1062 if message.contains("tasks_idempotency") => Fault::Again(why),
        // Shutdown, killed, idle for too long, broken in the middle of a packet.
        1053 | 1079 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031 => Fault::Lost(why),
        // Too many connections, disk or table full, out of memory, resource limits, read-only, time limits, a node that
        // has left its cluster, offline mode.
        1040 | 1203 | 1226 | 1021 | 1114 | 1037 | 1041 | 1129 | 1290 | 1836 | 1792 | 1969 | 3024 | 1047 | 3032 => {
            Fault::Unavailable(why)
        }
        1146 | 1054 | 1176 => Fault::Refused(format!("{why}: run `taskwatch migrate` on this database")),
        1045 | 1698 => Fault::Refused(format!("{why}: check database.url for the user, and the password's source")),
        1044 | 1142 | 1143 => {
            Fault::Refused(format!("{why}: grant this user what it needs, which `taskwatch migrate --help` lists"))
        }
        1153 => Fault::Refused(format!("{why}: make the batch smaller, or max_allowed_packet larger")),
        _ => Fault::Refused(why),
    }
}

fn is_certificate(why: &str) -> bool {
    why.contains("certificate") || why.contains("UnknownIssuer")
}

fn certificate_hint(why: &str) -> String {
    format!(
        "{why}: the server's certificate is not trusted; name the file with its authority in database.ca_file (for RDS, \
         https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskwatch_core::ports::StoreError;

    #[test]
    fn what_passes_by_itself_is_not_refused() {
        for number in [1047, 3032, 3169, 1412, 1290, 1836, 1205, 1213, 4031] {
            let told = StoreError::from(server_fault(number, "why".into(), "why"));
            assert!(matches!(told, StoreError::Unavailable(_)), "{number}: {told:?}");
        }
        for number in [1146, 1045, 1142, 1064] {
            let told = StoreError::from(server_fault(number, "why".into(), "why"));
            assert!(matches!(told, StoreError::Refused(_)), "{number}: {told:?}");
        }
    }
}
