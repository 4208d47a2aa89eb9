//! What a journal of many entries costs, beside reading the same file and doing the same statements bare.
//!
//! `million FOLDER [COUNT]` makes a file of dead letters there, runs each way in a process of its own, and prints time and
//! peak memory.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, QueryBuilder};
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_replay::CaptureReader;
use taskwatch_replay::journal::{By, Journal, Outcome, Settlement, Source};

type Done = Result<String, Box<dyn Error>>;

/// As the journal commits them.
const CHUNK: u64 = 4096;
/// As the journal writes them.
const AT_ONCE: u64 = 256;

struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("usage: million FOLDER [COUNT]")?;
    let folder = Path::new(&folder);
    let count: u64 = words.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let Some(way) = words.next() else { return all(folder, count) };
    let begun = Instant::now();
    let done = match way.as_str() {
        "make" => make(folder, count)?,
        "read" => read(folder)?,
        "bare" => bare(folder, count).await?,
        "capture" => capture(folder).await?,
        "again" => capture(folder).await?,
        "page" => page(folder).await?,
        "settle" => settle(folder).await?,
        "status" => format!("{:?}", Journal::status(&folder.join("journal")).await?.counts),
        other => return Err(format!("there is no way {other}").into()),
    };
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim();
    println!("{way:8} {:8.2} s  {peak:>12}  {done}", begun.elapsed().as_secs_f64());
    Ok(())
}

fn all(folder: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    for way in ["make", "read", "bare", "capture", "again", "page", "settle", "status"] {
        let mut command = Command::new(std::env::current_exe()?);
        if !command.arg(folder).arg(count.to_string()).arg(way).status()?.success() {
            return Err(format!("{way} failed").into());
        }
    }
    Ok(())
}

/// SQS's ids are random, so that the index has no order to be written in.
fn id(n: u64) -> String {
    let mixed = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ 0x5bd1_e995;
    format!("{:08x}-{:04x}", mixed >> 96, mixed & 0xffff_ffff_ffff)
}

fn body(n: u64) -> String {
    format!(
        r#"{{"Type": "Notification", "MessageId": "{n}", "Subject": "New Task Added", "Message": "{{\"task_id\": {n}, \"title\": \"Task {n}\", \"description\": \"{:200}\"}}"}}"#,
        "text"
    )
}

fn make(folder: &Path, count: u64) -> Done {
    std::fs::create_dir_all(folder)?;
    for file in ["journal", "journal-wal", "journal-shm", "bare", "bare-wal", "bare-shm"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
    let mut file = BufWriter::new(File::create(folder.join("letters"))?);
    for n in 1..=count {
        let record = serde_json::json!({
            "messageId": id(n), "body": body(n),
            "attributes": { "ApproximateReceiveCount": "5", "SentTimestamp": "1800000000000" },
            "messageAttributes": { "TaskwatchReason": { "dataType": "String", "stringValue": "failed for good" } },
        });
        writeln!(file, "{record}")?;
    }
    file.flush()?;
    Ok(format!("{} bytes", std::fs::metadata(folder.join("letters"))?.len()))
}

fn read(folder: &Path) -> Done {
    let mut read = 0_u64;
    for item in CaptureReader::new(BufReader::with_capacity(256 * 1024, File::open(folder.join("letters"))?)) {
        read += u64::from(item?.result.is_ok());
    }
    Ok(format!("{read} messages"))
}

fn source(folder: &Path) -> Source {
    Source::File(folder.join("letters"))
}

async fn open(folder: &Path, name: &str) -> Result<Journal, Box<dyn Error>> {
    let by = By { who: "bench".to_owned(), reason: None };
    Ok(Journal::open(&folder.join(name), &source(folder), &by, Wall.now()).await?)
}

/// The journal's tables and statements, without the journal.
async fn bare(folder: &Path, count: u64) -> Done {
    open(folder, "bare").await?.close().await;
    let options = SqliteConnectOptions::new()
        .filename(folder.join("bare"))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32768")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let mut n = 1;
    while n <= count {
        let mut transaction = connection.begin().await?;
        let chunk = (n + CHUNK - 1).min(count);
        while n <= chunk {
            let numbers: Vec<u64> = (n..=(n + AT_ONCE - 1).min(chunk)).collect();
            let mut entries =
                QueryBuilder::new("INSERT INTO entries (identity, state, captured_at, message_id, line, record) ");
            entries.push_values(&numbers, |mut values, n| {
                let identity = u128::from(*n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
                values.push_bind(identity.to_vec()).push_bind(1).push_bind(1_800_000_000_000_000_i64);
                values.push_bind(id(*n)).push_bind(i64::try_from(*n).unwrap_or(0)).push_bind(None::<i64>);
            });
            entries.push(" ON CONFLICT (identity) DO UPDATE SET times = times + 1 RETURNING identity, number, times");
            entries.build().fetch_all(&mut *transaction).await?;
            let mut contents = QueryBuilder::new("INSERT INTO contents (number, body, system, attributes, broken) ");
            contents.push_values(&numbers, |mut values, n| {
                values.push_bind(i64::try_from(*n).unwrap_or(0)).push_bind(body(*n).into_bytes());
                values.push_bind(r#"{"ApproximateReceiveCount":"5","SentTimestamp":"1800000000000"}"#);
                values.push_bind(r#"{"TaskwatchReason":["String","failed for good"]}"#).push_bind(None::<String>);
            });
            contents.build().execute(&mut *transaction).await?;
            n += numbers.len() as u64;
        }
        transaction.commit().await?;
    }
    connection.close().await?;
    Ok(format!("{} bytes", std::fs::metadata(folder.join("bare"))?.len()))
}

async fn capture(folder: &Path) -> Done {
    let journal = open(folder, "journal").await?;
    let done = journal.capture_file(&Wall, &Stop::never(), &|_| {}).await?;
    journal.close().await;
    Ok(format!("{done:?}, {} bytes", std::fs::metadata(folder.join("journal"))?.len()))
}

/// Looks at every entry.
async fn page(folder: &Path) -> Done {
    let journal = open(folder, "journal").await?;
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = journal.unfinished(after, 1000).await?;
        let Some(last) = page.last() else { return Ok(format!("{seen} entries")) };
        (after, seen) = (Some(last.number), seen + page.len());
    }
}

/// Begins and settles every entry, a hundred at a time.
async fn settle(folder: &Path) -> Done {
    let journal = open(folder, "journal").await?;
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = journal.unfinished(after, 100).await?;
        let Some(last) = page.last() else { return Ok(format!("{seen} entries")) };
        (after, seen) = (Some(last.number), seen + page.len());
        let numbers: Vec<_> = page.iter().map(|entry| entry.number).collect();
        journal.begin(&numbers, Wall.now()).await?;
        let done = |entry| Settlement { entry, outcome: Outcome::Completed, why: "done".to_owned() };
        journal.settle(&numbers.into_iter().map(done).collect::<Vec<_>>(), Wall.now()).await?;
    }
}
