//! Moving in beside the system of before: its table, its rows, and its programs, which go on writing.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use taskwatch_testbed::python;

use crate::server::OnServer;
use crate::support::{Ran, Running, until};

/// The Python program, on a place's database.
fn python_program(place: &OnServer, arguments: &[&str]) -> Command {
    let (host, port) = (place.server.host().to_string(), place.server.port().to_string());
    let mut command = Command::new(python().unwrap());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/old_system.py"));
    command.args([&host, &port, place.server.user()]).arg(place.path("password")).arg(&place.name).args(arguments);
    command
}

/// What it prints.
fn python_says(place: &OnServer, arguments: &[&str]) -> String {
    let done = python_program(place, arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The Python program, adding and processing until it is told to stop.
struct OldSystem {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl OldSystem {
    fn start(place: &OnServer) -> Self {
        let mut child = python_program(place, &["work"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, said }
    }

    /// Tells it to stop; answers with the ids of what it has added.
    fn stop(mut self) -> Vec<i64> {
        self.child.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success(), "a writer of before was disturbed");
        serde_json::from_str(&line).unwrap()
    }
}

fn count(place: &OnServer, condition: &str) -> u64 {
    place.ask(&format!("SELECT COUNT(*) FROM tasks WHERE {condition}")).parse().unwrap()
}

#[test]
fn the_old_system_goes_on_before_during_and_after_the_move() {
    let place = OnServer::empty();
    python_says(&place, &["create"]);
    assert_eq!(python_says(&place, &["add", "Alte Aufgabe ä😀", "noch von früher"]), "1");
    place.ask("INSERT INTO tasks (title, status) VALUES ('stuck for ever', 'In Progress'), ('done', 'Completed')");

    let old = OldSystem::start(&place);
    until("rows before the move", || count(&place, "id > 20") > 0);
    let migrated = place.run(["migrate"]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");

    // Short times, so that both sides meet on the same rows, and what the old side lets die is found.
    let settings = ["worker.adopt_after=50ms", "worker.backoff_base=5ms", "log.level=debug"];
    let settings: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let mut work = place.command(["run", "--simulate", "--lease", "1s"]);
    work.args(&settings).args(["--set", "handler.simulate_duration=20ms", "--set", "handler.simulate_failures=0.2"]);
    work.args(["--max-attempts", "50"]);
    let new = Running::start(&mut work);
    until("rows of the old side completed by the new one", || {
        place.ask("SELECT COUNT(*) FROM task_ledger WHERE event = 'Completed'").parse::<u64>().unwrap() > 20
    });
    until("rows that both wrote", || count(&place, "id > 80") > 0);
    let mine = place.run(["add", "of the new side", "--count", "20"]);
    assert_eq!(mine.code, Some(0), "{mine:?}");
    let theirs = old.stop();

    new.signal(Signal::TERM);
    let new = new.end();
    assert_eq!(new.code, Some(0), "{new:?}");
    let audit = place.run(["verify"]);
    assert_eq!(audit.code, Some(0), "{audit:?}");

    let mut rest = place.command(["run", "--until-empty", "--simulate", "--lease", "1s"]);
    let rest: Ran = rest.args(&settings).output().unwrap().into();
    assert_eq!(rest.code, Some(0), "{rest:?}");
    let audit = place.json(["verify", "--json"]);
    assert_eq!(audit["balanced"], true, "{audit:#}");
    assert_eq!(audit["deleted"], 0, "{audit:#}");

    let rows: Value = serde_json::from_str(&python_says(&place, &["list"])).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3 + theirs.len() + 20, "no row was lost, none came from nowhere");
    // Either side may have completed a row: what the old one writes over a completed one does not undo the work.
    let done = "'Completed' IN (status, recorded)";
    let open = place.ask(&format!("SELECT id, status, recorded FROM tasks WHERE NOT COALESCE({done}, FALSE)"));
    assert_eq!(open, "", "whatever the old side let die has been found and finished");
    let first = &rows[0];
    assert_eq!((&first["title"], &first["description"]), (&"Alte Aufgabe ä😀".into(), &"noch von früher".into()));
    let met = place.ask("SELECT COUNT(*) FROM task_ledger WHERE event = 'Adopted'").parse::<usize>().unwrap();
    assert!(met > 0, "the new side has met rows of the old one");
    let twice = place.ask(
        "SELECT COUNT(*) FROM (SELECT task_id FROM task_ledger WHERE event = 'Completed' GROUP BY task_id \
         HAVING COUNT(*) > 1) AS twice",
    );
    assert_eq!(twice, "0", "nothing was completed twice");
}

#[test]
fn the_old_program_can_be_the_handler_and_go_on_writing_the_status_itself() {
    let place = OnServer::migrated();
    assert_eq!(place.run(["add", "of the new side"]).code, Some(0));
    assert_eq!(python_says(&place, &["add", "of the old side", ""]), "2");
    // It writes In Progress and Completed, and says then that it has failed: the work is done all the same.
    assert_eq!(place.run(["add", "says that it failed"]).code, Some(0));
    let python = python_program(&place, &["process"]);
    let words = std::iter::once(python.get_program()).chain(python.get_args()).map(|word| word.to_str().unwrap());
    let script = format!("task=$(cat | grep -o '[0-9]*' | head -1); {} $task; test $task != 3", quoted(words));
    let mut work = place.command(["run", "--until-empty", "--set", "worker.adopt_after=0s"]);
    let ran: Ran = work.args(["--command", "--", "sh", "-c", &script]).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed"; 3], "{ran:?}");
    assert_eq!(place.ask("SELECT GROUP_CONCAT(status) FROM tasks"), "Completed,Completed,Completed");
    let started = place.ask("SELECT COUNT(*) FROM task_ledger WHERE event = 'Started'");
    assert_eq!(started, "3", "none was run again");
    let books = place.json(["verify", "--json"]);
    assert_eq!((&books["balanced"], &books["overwritten"]), (&true.into(), &0.into()), "{books:#}");
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}
