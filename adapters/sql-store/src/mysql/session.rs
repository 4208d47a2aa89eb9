//! Connections: how they are made, pooled, used and thrown away.
//!
//! Transactions are opened by multi-statement packets, of which the driver's own pool knows nothing, and it would ask the
//! server «are you there?» after each use. This pool does neither: a connection goes back only if its last
//! transaction is known to be over, and is dropped otherwise, which makes the server roll back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, TimeoutType};
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection, Either, Executor};

use super::fault::{fault, is_out_of_service, number};
use super::packet::Packet;
#[cfg(target_os = "linux")]
use super::relay::Relay;
use crate::error::Fault;
use crate::options::{MySqlTarget, TlsMode};
use crate::password::{Credentials, Login};

/// How long the server may take to answer a packet. Well above the lock wait that a session allows; and well below the
/// lease of somebody whose server has vanished in silence, as in a failover, and who has to renew it at the next one.
const ANSWER: Duration = Duration::from_secs(15);

/// A connection that was not used for this long is asked whether it still is one, long before the server closes it
/// (`wait_timeout` in [`SET_UP`]),
const IDLE: Duration = Duration::from_secs(20);
/// and replaced when it has not answered by then. A Lambda function may have three seconds for all that it does.
const PING: Duration = Duration::from_secs(1);

/// No packet gets longer, even where the server would take it.
const LONGEST_PACKET: usize = 4 << 20;

/// Says what a session must be like, whatever the server's defaults are.
///
/// A client whose machine or network vanished says no goodbye: the server waits for its next packet and keeps its row
/// locks, by default for eight hours. Between the packets of a transaction nothing is waited for, so twenty seconds are
/// ample there; only MariaDB tells such a pause from others, in a comment that MySQL does not look into.
///
/// A row that somebody keeps locked holds up the others of its batch for a second, the least there is, and is left out then.
const SET_UP: &str = "\
    SET NAMES utf8mb4, autocommit = 1, time_zone = '+00:00', \
    sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
    SESSION innodb_lock_wait_timeout = 1, \
    SESSION wait_timeout = 60 /*M!100600 , SESSION idle_transaction_timeout = 20 */;\
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\
    SELECT CAST(@@auto_increment_increment AS SIGNED), CAST(@@max_allowed_packet AS SIGNED)";

/// Makes sessions.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) target: MySqlTarget,
    pub(crate) credentials: Credentials,
    pub(crate) tls: TlsMode,
    pub(crate) ca_file: Option<std::path::PathBuf>,
    /// When a connection was asked that did not answer.
    pub(crate) silence: Mutex<Option<Instant>>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    connection: MySqlConnection,
    /// What the connection goes through, where it does.
    #[cfg(target_os = "linux")]
    relay: Option<Relay>,
    /// When it was last taken out of the pool, by the clock on the wall.
    pub(super) used: SystemTime,
    /// The distance between two ids that the server hands out in one statement.
    pub(crate) id_step: i64,
    /// How many bytes a packet may have.
    pub(crate) longest_packet: usize,
}

impl Connector {
    async fn connect(&self, login: &Login, authorities: Option<&[u8]>) -> Result<Session, sqlx::Error> {
        let mut options = self.options(login, authorities);
        #[cfg(target_os = "linux")]
        let relay = self.relay(login).await.map_err(sqlx::Error::Io)?;
        #[cfg(target_os = "linux")]
        if let Some(relay) = &relay {
            options = options.socket(relay.path());
        }
        let mut connection = options.connect().await?;
        let (mut id_step, mut longest_packet) = (1, LONGEST_PACKET);
        {
            let mut answers = connection.fetch_many(sqlx::raw_sql(SET_UP));
            while let Some(answer) = answers.try_next().await? {
                if let Either::Right(row) = answer {
                    id_step = sqlx::Row::try_get(&row, 0)?;
                    let allowed: i64 = sqlx::Row::try_get(&row, 1)?;
                    // The server counts a few bytes of its own.
                    let allowed = usize::try_from(allowed).unwrap_or(0).saturating_sub(64);
                    longest_packet = allowed.min(LONGEST_PACKET);
                }
            }
        }
        Ok(Session {
            connection,
            #[cfg(target_os = "linux")]
            relay,
            used: SystemTime::now(),
            id_step,
            longest_packet,
        })
    }

    /// Host and port.
    fn address<'a>(&'a self, login: &'a Login) -> (&'a str, u16) {
        let host = self.target.host.as_deref().or(login.host.as_deref()).unwrap_or("localhost");
        // Neither a socket nor a certificate knows the brackets of an IPv6 address.
        (host.trim_matches(['[', ']']), self.target.port.or(login.port).unwrap_or(3306))
    }

    /// For a connection that may be encrypted: what is not goes out in one write.
    #[cfg(target_os = "linux")]
    async fn relay(&self, login: &Login) -> std::io::Result<Option<Relay>> {
        if self.tls == TlsMode::Disable || self.target.socket.is_some() {
            return Ok(None);
        }
        let (host, port) = self.address(login);
        Relay::to(host, port).await
    }

    fn options(&self, login: &Login, authorities: Option<&[u8]>) -> MySqlConnectOptions {
        let (host, port) = self.address(login);
        let mut options = MySqlConnectOptions::new()
            .host(host)
            .port(port)
            .database(&self.target.database)
            .ssl_mode(match self.tls {
                TlsMode::Disable => MySqlSslMode::Disabled,
                TlsMode::Prefer => MySqlSslMode::Preferred,
                TlsMode::Verify | TlsMode::Auto => MySqlSslMode::VerifyIdentity,
            })
            // All of these are set by SET_UP, in one round trip.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            .enable_cleartext_plugin(self.credentials.are_cleartext())
            // Packets hold whole batches, in hexadecimal.
            .disable_statement_logging();
        if let Some(user) = self.target.user.as_deref().or(login.user.as_deref()) {
            options = options.username(user);
        }
        if let Some(socket) = &self.target.socket {
            options = options.socket(socket);
        }
        if let Some(authorities) = authorities {
            options = options.ssl_ca_from_pem(authorities.to_vec());
        }
        if let Some(password) = &login.password {
            options = options.password(password.reveal());
        }
        options
    }

    /// The content of [`Connector::ca_file`], anew for each connection: it may have been replaced. Reads at once,
    /// without a thread to do it: that would take longer.
    fn authorities(&self) -> Result<Option<Vec<u8>>, Fault> {
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path)
                .map_err(|error| Fault::Unavailable(format!("read database.ca_file {}: {error}", path.display())))
        };
        self.ca_file.as_ref().map(read).transpose()
    }

    fn connect_fault(&self, error: &sqlx::Error) -> Fault {
        if let (sqlx::Error::Tls(why), Some(path)) = (error, &self.ca_file)
            && why.to_string().starts_with("Invalid certificate")
        {
            // The driver would repeat all that the file holds, and not its name.
            return Fault::Refused(format!("database.ca_file {} holds what is no certificate in PEM", path.display()));
        }
        match fault(error) {
            Fault::Again(why) | Fault::Lost(why) => Fault::Unavailable(why),
            other => other,
        }
    }
}

impl Manager for Connector {
    type Type = Session;
    type Error = Fault;

    async fn create(&self) -> Result<Session, Fault> {
        let authorities = self.authorities()?;
        let authorities = authorities.as_deref();
        let login = self.credentials.login(&self.target).await?;
        match self.connect(&login, authorities).await {
            // A rotated password: ask its source once more.
            Err(error) if number(&error) == Some(1045) && self.credentials.forget().await => {
                let login = self.credentials.login(&self.target).await?;
                self.connect(&login, authorities).await.map_err(|error| self.connect_fault(&error))
            }
            other => other.map_err(|error| self.connect_fault(&error)),
        }
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<Fault> {
        // Whether it still works shows when it is used (see `Fault::Lost`), except where a router has forgotten it and
        // the packet would be lost in silence. The monotonic clock may stand still while Lambda freezes the machine.
        let idle = metrics.last_used().max(session.used.elapsed().unwrap_or_default());
        if idle >= IDLE && !self.answers(session, metrics).await {
            return Err(RecycleError::message("no pong"));
        }
        session.used = SystemTime::now();
        Ok(())
    }
}

impl Connector {
    /// Asks; but one that was silent speaks for all that were last used before, or each would be waited for in turn.
    async fn answers(&self, session: &mut Session, metrics: &Metrics) -> bool {
        let (asked, used) = (Instant::now(), metrics.recycled.unwrap_or(metrics.created));
        if self.silence.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|silence| used < silence) {
            return false;
        }
        let pong = tokio::time::timeout(PING, session.connection.ping()).await;
        let answered = pong.is_ok_and(|pong| pong.is_ok());
        if !answered {
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        }
        answered
    }
}

/// A connection out of the pool.
///
/// Dropping it closes it, unless [`Link::release`] has said that nothing is open on it: a transaction whose future is
/// dropped in the middle is rolled back by the server.
#[derive(Debug)]
pub(crate) struct Link {
    session: Option<Object<Connector>>,
}

/// What the server answered to one statement.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<MySqlRow>,
    /// Rows found by an UPDATE, or inserted.
    pub(crate) affected: u64,
    /// The first id that an INSERT drew.
    pub(crate) first_id: u64,
}

/// A packet was not answered in full.
#[derive(Debug)]
pub(crate) struct Broken {
    /// How many of its statements were done.
    pub(crate) done: usize,
    pub(crate) error: sqlx::Error,
}

impl Link {
    /// A connection that was used before, or a new one.
    pub(crate) async fn take(pool: &Pool<Connector>) -> Result<Self, Fault> {
        let session = pool.get().await.map_err(|error| match error {
            PoolError::Backend(fault) => fault,
            PoolError::Timeout(TimeoutType::Wait) => Fault::Unavailable("no connection became free in time".into()),
            PoolError::Timeout(_) => Fault::Unavailable("the server did not accept a connection in time".into()),
            other => Fault::Unavailable(format!("{other:?}")),
        })?;
        Ok(Self { session: Some(session) })
    }

    /// See [`Session::id_step`].
    pub(crate) fn id_step(&self) -> i64 {
        self.session.as_ref().map_or(1, |session| session.id_step)
    }

    /// See [`Session::longest_packet`].
    pub(crate) fn longest_packet(&self) -> usize {
        self.session.as_ref().map_or(LONGEST_PACKET, |session| session.longest_packet)
    }

    /// Sends a packet and collects what comes back, an [`Answer`] for each statement.
    pub(crate) async fn send(&mut self, packet: Packet) -> Result<Vec<Answer>, Broken> {
        self.send_within(packet, ANSWER).await
    }

    /// As [`Link::send`], for statements that may take longer.
    pub(crate) async fn send_within(&mut self, packet: Packet, limit: Duration) -> Result<Vec<Answer>, Broken> {
        let Some(session) = self.session.as_mut() else {
            return Err(Broken { done: 0, error: sqlx::Error::PoolClosed });
        };
        if packet.len() > session.longest_packet {
            // The server would break the connection, which looks like an accident and is none.
            let why = format!(
                "a batch of {} bytes does not fit into a packet of {}: make the batch smaller, or the server's \
                 max_allowed_packet larger",
                packet.len(),
                session.longest_packet
            );
            return Err(Broken { done: 0, error: sqlx::Error::InvalidArgument(why) });
        }
        let statements = packet.statements();
        let mut answers = vec![Answer::default()];
        let receive = async {
            let mut stream = session.connection.fetch_many(sqlx::raw_sql(packet.into_sql()));
            while let Some(item) = stream.try_next().await? {
                let Some(answer) = answers.last_mut() else { continue };
                match item {
                    Either::Right(row) => answer.rows.push(row),
                    Either::Left(done) => {
                        answer.affected = done.rows_affected();
                        answer.first_id = done.last_insert_id();
                        answers.push(Answer::default());
                    }
                }
            }
            Ok(())
        };
        let late = || {
            let why = format!("no answer within {} s", limit.as_secs_f64());
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
        };
        let received = tokio::time::timeout(limit, receive).await.unwrap_or_else(|_| Err(late()));
        // The last one is what the next statement would have filled.
        answers.pop();
        match received {
            Ok(()) if answers.len() == statements => Ok(answers),
            Ok(()) => {
                let error = sqlx::Error::Protocol(format!("{} answers to {statements} statements", answers.len()));
                Err(Broken { done: answers.len(), error })
            }
            Err(error) => Err(Broken { done: answers.len(), error }),
        }
    }

    /// Gives the connection back: nothing is open on it.
    pub(crate) fn release(mut self) {
        drop(self.session.take());
    }

    /// Gives up the transaction after an error, and says what the error means where it was not being committed.
    pub(crate) async fn abandon(self, pool: &Pool<Connector>, broken: &Broken) -> Fault {
        let fault = fault(&broken.error);
        self.abandon_as(pool, &broken.error, fault).await
    }

    /// As [`Link::abandon`], where the caller knows better what the error means.
    pub(crate) async fn abandon_as(mut self, pool: &Pool<Connector>, error: &sqlx::Error, fault: Fault) -> Fault {
        let lost = matches!(fault, Fault::Lost(_) | Fault::Unknown(_));
        if lost || is_out_of_service(error) {
            // The others in the pool have most likely met the same fate.
            pool.retain(|_, _| false);
        } else if self.send(Packet::new("ROLLBACK")).await.is_ok() {
            self.release();
        }
        fault
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Out of the pool and closed, without waiting for anything.
            drop(Object::take(session));
        }
    }
}

impl Session {
    /// Says goodbye to the server.
    pub(crate) async fn close(self) {
        let _ = self.connection.close().await;
        #[cfg(target_os = "linux")]
        if let Some(relay) = self.relay {
            relay.end().await;
        }
    }
}
