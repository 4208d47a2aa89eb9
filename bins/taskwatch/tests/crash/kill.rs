//! Workers are killed at random moments, over and over, and the server too.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use crate::books::{self, Added, Books, Kind};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::place::{Database, Place};
use crate::{alone, until};

/// The work: a little time, a line in a file, and the end that the title asks for.
const SCRIPT: &str = r#"
read -r task
sleep 0.03
echo "$TASKWATCH_TASK_ID $TASKWATCH_ATTEMPT" >> effects
case "$task" in
*'"title":"hopeless"'*) exit 65 ;;
*'"title":"failing"'*) exit 75 ;;
*'"title":"flaky"'*) [ "$TASKWATCH_ATTEMPT" -gt 1 ] || exit 75 ;;
esac
"#;

/// The shortest lease that there is, so that what a dead worker held is soon free. Attempts enough for every kill.
const FLAGS: [&str; 12] = [
    "--lease=1s",
    "--max-attempts=1000",
    "--concurrency=16",
    "--set",
    "worker.poll=20ms",
    "--set",
    "worker.backoff_base=10ms",
    "--set",
    "worker.backoff_cap=200ms",
    "--set",
    "log.level=warn",
    "--color=never",
];

const KINDS: [(Kind, usize); 5] =
    [(Kind::Plain, 3200), (Kind::Flaky, 200), (Kind::Hopeless, 100), (Kind::Failing, 100), (Kind::Once, 400)];
const TASKS: usize = 4000;

/// Workers at the same time.
const WORKERS: usize = 3;
/// From so many worked tasks on nobody is killed any more.
const CALM: usize = TASKS * 9 / 10;
/// At the very least: each kill waits for 80 pieces of work at most, which is not so of the time around an outage.
const KILLS: usize = CALM / 240;

struct Chaos<'a> {
    place: Place,
    fleet: Fleet<'a>,
    dice: Dice,
    killed: BTreeSet<String>,
}

impl Chaos<'_> {
    fn new(place: Place) -> Self {
        Self { place, fleet: Fleet::new(&FLAGS, SCRIPT), dice: Dice::new(), killed: BTreeSet::new() }
    }

    fn worked(&self) -> usize {
        self.place.effects().iter().map(|(task, _)| *task).collect::<BTreeSet<_>>().len()
    }

    /// Lets the workers work, and kills one of them in the midst of it.
    fn kill_one(&mut self) {
        self.fleet.fill(&self.place, WORKERS);
        let more = self.place.effects().len() + self.dice.usize(1..=80);
        // Now and then the newest, which may still be starting.
        let newest = self.dice.u8(..8) == 0;
        if !newest {
            until("some work is done", || {
                self.fleet.inspect(&self.place);
                self.fleet.fill(&self.place, WORKERS);
                self.place.effects().len() >= more
            });
        }
        sleep(Duration::from_micros(self.dice.u64(..60_000)));
        let at = if newest { self.fleet.workers.len() - 1 } else { self.dice.usize(..self.fleet.workers.len()) };
        self.killed.insert(self.fleet.kill(at));
    }

    /// The lights go out, and two new workers finish what there is. Then everything is looked at.
    #[expect(clippy::print_stderr, reason = "for whoever runs the test with --nocapture")]
    fn end(mut self, added: &Added) {
        while !self.fleet.workers.is_empty() {
            self.killed.insert(self.fleet.kill(0));
        }
        for _ in 0..2 {
            self.fleet.start(&self.place, &["--until-empty"]);
        }
        for _ in 0..2 {
            let status = self.fleet.end(&self.place, 0);
            assert!(status.success(), "a draining worker ended with {status}");
        }
        let books = Books::read(&self.place);
        let faults = books.faults(added);
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        books::verify(&self.place);

        // That the kills have hit workers at work, and how.
        let bereft = books.bereft();
        let (leases, victims) = bereft
            .iter()
            .filter(|(worker, _)| self.killed.contains(**worker))
            .fold((0, 0), |(leases, victims), (_, count)| (leases + count, victims + 1));
        let (kills, abandoned, repeated) = (self.killed.len(), books.count("Abandoned"), books.repeated_work());
        let summary = format!(
            "{kills} workers killed, {victims} of them with {leases} leases in hand; {abandoned} abandoned, {repeated} \
             pieces of work repeated, at most {} attempts",
            books.attempts()
        );
        eprintln!("{summary}");
        assert!(kills >= KILLS && victims * 3 >= kills && leases >= kills, "{summary}");
        assert!(abandoned >= leases && repeated > 0, "{summary}");
    }

    /// Kills the server, perhaps a worker with it, and starts the server again. The workers that were at work must live
    /// through it: `inspect` sees to that, a name belongs to one process, and one of them is waited for to write again.
    fn outage(&mut self) {
        self.fleet.fill(&self.place, WORKERS);
        until("a worker is at work", || {
            let entries = self.place.entries_of_workers();
            self.fleet.workers.iter().filter(|worker| entries.contains_key(&worker.name)).count() >= 2
        });
        let entries = self.place.entries_of_workers();
        for worker in &mut self.fleet.workers {
            worker.may_give_up = !entries.contains_key(&worker.name);
        }
        sleep(Duration::from_micros(self.dice.u64(..60_000)));
        self.server(|server| server.kill().map_err(|error| error.to_string()));
        if self.dice.bool() {
            let at = self.dice.usize(..self.fleet.workers.len());
            self.killed.insert(self.fleet.kill(at));
        }
        sleep(Duration::from_millis(self.dice.u64(..500)));
        self.server(|server| server.restart().map_err(|error| error.to_string()));

        let before = self.place.entries_of_workers();
        until("a worker from before the server's death works on", || {
            self.fleet.inspect(&self.place);
            let now = self.place.entries_of_workers();
            let mut survivors = self.fleet.workers.iter().filter(|worker| !worker.may_give_up);
            survivors.any(|worker| now.get(&worker.name) > before.get(&worker.name))
        });
    }

    fn server(&mut self, act: impl FnOnce(&mut taskwatch_testbed::MariaDb) -> Result<(), String>) {
        let Database::Own(server, _) = &mut self.place.database else { panic!("no server of one's own") };
        act(server).unwrap();
    }
}

#[test]
fn on_sqlite_no_kill_of_a_worker_loses_or_doubles_a_task() {
    let _alone = alone();
    let mut chaos = Chaos::new(Place::sqlite());
    let added = books::add(&chaos.place, &KINDS);
    assert_eq!(added.len(), TASKS);
    while chaos.worked() < CALM {
        chaos.kill_one();
    }
    chaos.end(&added);
}

#[test]
fn on_mariadb_no_kill_of_a_worker_or_of_the_server_loses_or_doubles_a_task() {
    let _alone = alone();
    let mut chaos = Chaos::new(Place::own_server());
    let added = books::add(&chaos.place, &KINDS);
    let mut outages: Vec<usize> = (1..=3).map(|nth| chaos.dice.usize(CALM / 5 * nth..CALM / 5 * (nth + 1))).collect();
    while chaos.worked() < CALM {
        match outages.first() {
            Some(when) if *when <= chaos.worked() => {
                outages.remove(0);
                chaos.outage();
            }
            _ => chaos.kill_one(),
        }
    }
    // Work went on fast enough to pass the last one by: it is made up for.
    outages.iter().for_each(|_| chaos.outage());
    chaos.end(&added);
}
