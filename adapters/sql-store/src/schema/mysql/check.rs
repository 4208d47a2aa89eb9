//! Whether the store can work with a database: asked in one packet, for it is asked at every cold start.

use deadpool::managed::Pool;

use super::{Ddl, LOOK, PATIENCE, questions, refused};
use crate::error::{Fault, SchemaError};
use crate::mysql::packet::Packet;
use crate::mysql::session::{Answer, Connector, Link};
use crate::retry::retrying;
use crate::schema::{Health, SCHEMA_VERSION, require_current};

/// What the statements of [`packet`] are for, in their order.
const STEPS: [&str; 8] = [
    "read the version",
    "ask for the server's version",
    LOOK,
    "look at the columns of tasks",
    LOOK,
    LOOK,
    LOOK,
    "check",
];

/// Makes sure that the store can work with this database.
pub(crate) async fn check(pool: &Pool<Connector>) -> Result<Health, SchemaError> {
    let Asked::Answered(answers) = ask(pool).await? else {
        // Nobody has migrated it, most likely. This says so, or what else is the matter.
        let mut ddl = Ddl::open(pool).await?;
        require_current(ddl.version().await?)?;
        ddl.link.release();
        // It has been migrated between the two.
        return match ask(pool).await? {
            Asked::Answered(answers) => judge(&answers),
            Asked::NoVersion(error) => Err(error),
        };
    };
    judge(&answers)
}

/// What came of [`ask`].
enum Asked {
    Answered(Box<[Answer; STEPS.len()]>),
    /// The version could not be read, which says nothing about the rest.
    NoVersion(SchemaError),
}

fn packet() -> Packet {
    let mut packet = Packet::new(questions::VERSION);
    packet.then(questions::SERVER);
    questions::ask_for_table(&mut packet, "tasks");
    packet.then(questions::COLUMNS);
    questions::ask_for_table(&mut packet, "task_ledger");
    questions::ask_for_table(&mut packet, "task_outbox");
    packet.then(questions::INDEXES).then(questions::CIPHER);
    packet
}

async fn ask(pool: &Pool<Connector>) -> Result<Asked, SchemaError> {
    let ask = || async {
        let mut link = Link::take(pool).await?;
        match link.send_within(packet(), PATIENCE).await {
            Ok(answers) => {
                link.release();
                Ok(Ok(answers))
            }
            // A connection that died in the pool is found out here.
            Err(broken) => match link.abandon(pool, &broken).await {
                fault @ Fault::Lost(_) => Err(fault),
                fault => Ok(Err((broken.done, fault))),
            },
        }
    };
    match retrying(ask).await.map_err(|fault| fault.in_schema("connect"))? {
        Ok(answers) => {
            let answers = answers.try_into().map_err(|answers: Vec<_>| {
                let why = format!("{} answers to {} questions", answers.len(), STEPS.len());
                SchemaError::Refused { step: "check", why }
            })?;
            Ok(Asked::Answered(answers))
        }
        Err((0, fault)) => Ok(Asked::NoVersion(refused(STEPS[0], fault))),
        Err((done, fault)) => Err(refused(STEPS.get(done).copied().unwrap_or("check"), fault)),
    }
}

/// Names the first thing that is in the way.
fn judge(answers: &[Answer; STEPS.len()]) -> Result<Health, SchemaError> {
    let [version, server, tasks, columns, ledger, outbox, indexes, cipher] = answers;
    require_current(questions::version(STEPS[0], version)?)?;
    let server = questions::server(server)?;
    questions::table("tasks", tasks)?;
    questions::fit(columns)?;
    questions::table("task_ledger", ledger)?;
    questions::table("task_outbox", outbox)?;
    questions::complete(columns, indexes)?;
    questions::defaults(columns)?;
    Ok(Health { server, schema: SCHEMA_VERSION, transport: questions::transport(cipher) })
}
