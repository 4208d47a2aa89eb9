//! A database, a topic with a queue behind it, and the program between them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch_testbed::{Aws, MariaDb, Queue};
use tempfile::TempDir;

/// How long anything may take: what could not be published stays hidden for 15 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the tasks are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Database {
    Sqlite,
    MariaDb,
}

pub(crate) const DATABASES: [Database; 2] = [Database::Sqlite, Database::MariaDb];

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// The port of the stand-in for AWS.
pub(crate) fn broker() -> u16 {
    aws().endpoint().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A folder, a database and a topic that nobody else uses.
pub(crate) struct Place {
    folder: TempDir,
    arguments: Vec<String>,
    pub(crate) topic: String,
    queue: Queue,
    /// Where the program thinks that AWS is.
    endpoint: String,
}

impl Place {
    /// Ready, with a program that calls AWS at this port.
    pub(crate) fn new(database: Database, port: u16) -> Self {
        let this = Self::without_database(port);
        let place = match database {
            Database::Sqlite => this.with(&["--database".to_owned(), "sqlite://tasks.db".to_owned()]),
            Database::MariaDb => {
                let server = MariaDb::shared().unwrap_or_else(|error| panic!("failed to {error}"));
                this.write("password", server.password());
                let name = server.create_database().unwrap();
                let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
                this.with(&["--database", &url, "--set", "database.password_file=password"].map(str::to_owned))
            }
        };
        place.done(&["migrate"]);
        place
    }

    /// The same, where the program is not told of a database.
    pub(crate) fn without_database(port: u16) -> Self {
        let topic = aws().create_topic(&Aws::unique("new-task-notification")).unwrap();
        let queue = aws().create_queue(&Aws::unique("task-processing-queue"), &[]).unwrap();
        aws().subscribe(&topic, &queue, false).unwrap();
        let (folder, endpoint) = (tempfile::tempdir().unwrap(), format!("http://127.0.0.1:{port}"));
        Self { folder, arguments: Vec::new(), topic, queue, endpoint }
    }

    /// From now on the program is told of this database.
    pub(crate) fn with(self, arguments: &[String]) -> Self {
        Self { arguments: arguments.to_vec(), ..self }
    }

    /// The program, which announces to this target; it does not know of the database.
    pub(crate) fn program(&self, target: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command
            .env_clear()
            .envs(aws().environment())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(["--set", &format!("announce.target={target}")]).args(arguments);
        command
    }

    /// The same with the topic and the database of this place.
    fn own(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(&self.topic, &[]);
        command.args(&self.arguments).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.own(arguments).output().unwrap()
    }

    /// Runs to success; answers what it said on standard output and error.
    pub(crate) fn done(&self, arguments: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.run(arguments);
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert!(status.success(), "{arguments:?}: {stdout}{stderr}");
        (stdout, stderr)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    pub(crate) fn serve(&self, settings: &[&str]) -> Served<'_> {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let mut command = self.own(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(settings).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let served = Served { place: self, child, address: address.unwrap_or(SocketAddr::from(([0; 4], 0))) };
        assert!(address.is_some(), "it did not listen: {}", served.log());
        served
    }

    /// What comes to the queue, until there are this many tasks among them; their announcements, parsed, in no order.
    pub(crate) fn received(&self, tasks: usize) -> Vec<Message> {
        let mut all: Vec<Message> = Vec::new();
        until(|| {
            all.extend(aws().drain(&self.queue, 1).unwrap().iter().map(Message::read));
            let mut ids: Vec<_> = all.iter().map(|message| message.task()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.len() >= tasks
        });
        all
    }

    /// Nothing more has come. The stand-in delivers before it answers the publisher.
    pub(crate) fn nothing_more(&self) {
        assert_eq!(aws().receive(&self.queue, 10, Duration::ZERO).unwrap(), [] as [Value; 0]);
    }

    pub(crate) fn books_balance(&self) {
        self.done(&["verify"]);
    }
}

/// What a subscriber gets.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) envelope: Value,
    pub(crate) body: Value,
}

impl Message {
    fn read(record: &Value) -> Self {
        let envelope: Value = serde_json::from_str(record["Body"].as_str().unwrap()).unwrap();
        let body = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
        Self { envelope, body }
    }

    pub(crate) fn task(&self) -> i64 {
        self.body["task_id"].as_i64().unwrap()
    }
}

/// The ids of the tasks, sorted.
pub(crate) fn tasks(messages: &[Message]) -> Vec<i64> {
    let mut tasks: Vec<_> = messages.iter().map(Message::task).collect();
    tasks.sort_unstable();
    tasks
}

/// `taskwatch serve`; killed with the test.
pub(crate) struct Served<'a> {
    place: &'a Place,
    child: Child,
    address: SocketAddr,
}

impl Served<'_> {
    /// A request that may not be answered for a while.
    pub(crate) fn begin(&self, line: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let fixed =
            format!("Host: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}");
        write!(stream, "{line} HTTP/1.1\r\n{fixed}\r\n{headers}\r\n{body}").unwrap();
        stream
    }

    /// A request that succeeds.
    pub(crate) fn request(&self, line: &str, headers: &str, body: &str) -> Value {
        let mut answer = String::new();
        self.begin(line, headers, body).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{line}: {answer}{}", self.log());
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub(crate) fn add(&self, title: &str) -> i64 {
        let body = json!({ "title": title }).to_string();
        self.request("POST /tasks", "", &body)["task_id"].as_i64().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.folder.path().join("log")).unwrap()
    }

    /// How many lines of its log contain this.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        // It may have been killed by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
