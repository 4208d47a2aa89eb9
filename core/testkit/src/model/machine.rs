//! Gives the commands to a real store and compares what comes of them.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use proptest_state_machine::StateMachineTest;
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_core::engine::Attempt;
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Change, Clock as _, Inserted, Lease, Record, Select};
use taskwatch_core::task::{LeaseToken, TaskId, TaskRow};
use taskwatch_core::transition::{Event, transition};

use super::acts::{BECAUSE, settlement};
use super::book::{TRACE, hand};
use super::command::{Command, Parcel, Worker};
use super::generate::Model;
use super::names::Names;
use super::outcome::Outcome;
use super::worker::Staff;
use super::world::{OTHER_TITLE, World, max_attempts};
use super::{BEGIN, POLICY, Parts, System};
use crate::VirtualClock;

/// Counts that no ledger entry feeds, but the model foretells.
const COUNTED: [Metric; 3] = [Metric::DuplicateDeliveries, Metric::StaleLeases, Metric::HandlerPanics];

/// The state machine test of a store. See [`crate::model`].
#[derive(Debug)]
pub struct Machine<S>(PhantomData<S>);

/// A case in the running: a store with everything around it.
pub struct Running<S> {
    system: S,
    bench: Bench,
}

/// The workers at the store.
pub(super) struct Bench {
    pub(super) parts: Parts,
    pub(super) clock: VirtualClock,
    pub(super) staff: [Staff; 2],
    pub(super) names: Names,
    holds: Vec<Attempt>,
    taken: u64,
}

impl<S: System> StateMachineTest for Machine<S> {
    type SystemUnderTest = Running<S>;
    type Reference = Model;

    fn init_test(_: &World) -> Running<S> {
        let clock = VirtualClock::new(BEGIN);
        let system = S::open(&clock);
        let parts = system.parts();
        let staff = Worker::ALL.map(|by| Staff::new(by, Arc::clone(&parts.store), &clock));
        let bench = Bench { parts, clock, staff, names: Names::default(), holds: Vec::new(), taken: 0 };
        Running { system, bench }
    }

    fn apply(mut running: Running<S>, expected: &World, command: Command) -> Running<S> {
        let Running { system, bench } = &mut running;
        system.block_on(bench.step(&command, expected));
        running
    }

    fn teardown(mut running: Running<S>, expected: World) {
        let Running { system, bench } = &mut running;
        system.block_on(bench.work_off(&expected));
    }
}

impl Bench {
    async fn step(&mut self, command: &Command, expected: &World) {
        let found = self.perform(command).await;
        self.bind(&found, expected.outcome());
        let records = self.records().await;
        self.names.learn(&records, expected.records());
        let found = self.names.outcome(found, expected.outcome());
        assert_eq!(&found, expected.outcome(), "what {command:?} came to (left) is not what the model says (right)");
        self.compare(&records, expected, command);
        self.balance(&records);
        for metric in COUNTED {
            let told: usize = self.staff.iter().map(|one| one.observer.count(metric)).sum();
            assert_eq!(told, expected.metrics.get(&metric).copied().unwrap_or(0), "{metric} after {command:?}");
        }
        assert_eq!(self.clock.now(), expected.now, "time moves only when it is told to");
    }

    /// Learns the ids of new rows.
    fn bind(&mut self, found: &Outcome, expected: &Outcome) {
        match (found, expected) {
            (Outcome::Inserted(found), Outcome::Inserted(expected)) => {
                for pair in found.iter().zip(expected) {
                    if let (Inserted::Added(found), Inserted::Added(expected)) = pair {
                        self.names.bind(expected.task, found.task);
                    }
                }
            }
            (Outcome::Foreign(found), Outcome::Foreign(expected)) => self.names.bind(*expected, *found),
            _ => {}
        }
    }

    fn compare(&self, records: &[Record], expected: &World, command: &Command) {
        let mut expected_records = expected.records();
        for record in records {
            let expected = expected_records.next();
            let found = self.names.record(record.clone(), expected);
            assert_eq!(Some(&found), expected, "after {command:?}: the store (left) and the model (right) differ");
        }
        let missing: Vec<TaskId> = expected_records.map(|record| record.task).collect();
        assert!(missing.is_empty(), "after {command:?}: the store has lost the tasks {missing:?}");
    }

    /// Every law holds, and of each entry that an engine wrote its observer was told once.
    pub(super) fn balance(&self, records: &[Record]) {
        let mut audit = Audit::new();
        records.iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "the books do not balance: {:?}", books.offences);
        let entries = || records.iter().flat_map(|record| &record.entries);
        for Staff { by, observer, .. } in &self.staff {
            let mut told = observer.entries();
            told.sort_by_key(|entry| (entry.task, entry.seq));
            let written: Vec<&LedgerEntry> = entries().filter(|entry| *entry.origin.worker == *by.name()).collect();
            assert_eq!(told.iter().collect::<Vec<_>>(), written, "what {by:?} tells (left) and the ledger differ");
            let counts = observer.counts();
            for (metric, count) in observer.entry_counts() {
                assert_eq!(counts.get(&metric), Some(&count), "{metric} of {by:?} is what its entries come to");
            }
        }
    }

    pub(super) async fn records(&self) -> Vec<Record> {
        self.parts.records.records(None, usize::from(u16::MAX)).await.expect("the records can be read")
    }

    const fn staff(&self, by: Worker) -> &Staff {
        match by {
            Worker::A => &self.staff[0],
            Worker::B => &self.staff[1],
        }
    }

    /// Does it, and answers in real ids and tokens.
    async fn perform(&mut self, command: &Command) -> Outcome {
        let works = "the store answers";
        match command {
            Command::Add(by, tasks) => Outcome::Inserted(self.staff(*by).engine.add(tasks).await.expect(works)),
            Command::ClaimDue(by, limit) => {
                let attempts = self.staff(*by).engine.claim_due(*limit).await.expect(works);
                self.holds.extend(attempts.iter().cloned());
                Outcome::Held(attempts)
            }
            Command::Deliver(by, parcels) => self.deliver(*by, parcels).await,
            Command::Finish { by, ends, takes, believes } => {
                let of = |hold: &usize| self.holds[*hold].task.id;
                let script = ends.iter().map(|(hold, end)| (of(hold), *end)).collect();
                let mut deliveries: Vec<Delivery> = ends.iter().map(|(hold, _)| self.open(*hold)).collect();
                for delivery in &mut deliveries {
                    if let Subject::Claimed(attempt) = &mut delivery.subject
                        && *believes
                    {
                        attempt.lease_until = self.clock.now() + POLICY.lease;
                    }
                }
                self.staff(*by).process(deliveries, script, *takes).await
            }
            Command::GiveBack(by, holds) => {
                let deliveries = holds.iter().map(|hold| self.open(*hold)).collect();
                self.staff(*by).give_back(deliveries).await
            }
            Command::Cancel(by, tasks) => {
                let acted = self.staff(*by).engine.cancel(&self.names.reals(tasks), BECAUSE).await.expect(works);
                Outcome::Acted(acted.into_iter().map(|one| (one.task, one.refused.is_some())).collect())
            }
            Command::Replay(by, tasks) => {
                let acted = self.staff(*by).engine.replay(&self.names.reals(tasks), BECAUSE).await.expect(works);
                Outcome::Acted(acted.into_iter().map(|one| (one.task, one.refused.is_some())).collect())
            }
            Command::Rescue(by, limit) => Outcome::Rescued(self.staff(*by).engine.rescue(*limit).await.expect(works)),
            Command::Take(tasks) => self.take(tasks).await,
            Command::Settle(hold, end) => {
                let Attempt { task, token, .. } = self.holds[*hold].clone();
                self.by_hand(&[task.id], settlement(*end, token, self.clock.now()), Some(BECAUSE)).await
            }
            Command::Release(hold) => {
                let Attempt { task, token, .. } = self.holds[*hold].clone();
                self.by_hand(&[task.id], Event::Released { token, due: self.clock.now() }, Some(BECAUSE)).await
            }
            Command::Extend(holds) => {
                let lease = |hold: &usize| Lease { task: self.holds[*hold].task.id, token: self.holds[*hold].token };
                let leases: Vec<Lease> = holds.iter().map(lease).collect();
                Outcome::Lost(self.parts.store.extend(&leases, self.clock.now() + POLICY.lease).await.expect(works))
            }
            Command::OtherInserts(status) => {
                Outcome::Foreign(self.parts.other.insert(OTHER_TITLE, status, self.clock.now()).await)
            }
            Command::OtherWrites(task, status) => {
                self.parts.other.write_status(self.names.real(*task), status).await;
                Outcome::Silent
            }
            Command::OtherDeletes(task) => {
                self.parts.other.delete(self.names.real(*task)).await;
                Outcome::Silent
            }
            Command::Wait(time) => {
                self.clock.advance(*time);
                Outcome::Silent
            }
        }
    }

    async fn deliver(&self, by: Worker, parcels: &[Parcel]) -> Outcome {
        let mut script = BTreeMap::new();
        let deliveries = parcels.iter().enumerate().map(|(index, parcel)| {
            let task = self.names.real(parcel.task);
            script.entry(task).or_insert(parcel.end);
            Delivery {
                receive_count: parcel.receive_count,
                trace: parcel.traced.then(|| TRACE.to_owned()),
                ..Delivery::of(task, index.to_string())
            }
        });
        let deliveries = deliveries.collect();
        self.staff(by).process(deliveries, script, Duration::ZERO).await
    }

    /// An attempt that was left open, as a delivery.
    fn open(&self, hold: usize) -> Delivery {
        let attempt = self.holds[hold].clone();
        let trace = attempt.trace.clone();
        Delivery { receipt: hold.to_string(), subject: Subject::Claimed(attempt), receive_count: 1, trace, group: None }
    }

    async fn take(&mut self, tasks: &[TaskId]) -> Outcome {
        self.taken += 1;
        // Apart from all that the engines draw.
        let token = LeaseToken::from_random((1 << 63) | (self.taken << 1));
        let (now, lease_until) = (self.clock.now(), self.clock.now() + POLICY.lease);
        let outcome = self.by_hand(&self.names.reals(tasks), Event::Started { token, now, lease_until }, None).await;
        if let Outcome::Seen(seen) = &outcome {
            self.holds.extend(seen.iter().filter(|seen| seen.written).map(|seen| Attempt {
                task: seen.row.task(),
                created: seen.row.created,
                number: seen.row.attempt + 1,
                max: max_attempts(&seen.row),
                token,
                started: now,
                lease_until,
                trace: None,
            }));
        }
        outcome
    }

    /// On the store's port: the event where it is possible, on rows that the other program has not written to.
    async fn by_hand(&self, tasks: &[TaskId], event: Event, reason: Option<&str>) -> Outcome {
        let now = self.clock.now();
        let decide = |row: &TaskRow| {
            let before = row.state().filter(|_| !row.is_overwritten())?;
            let state = transition(Some(&before), &event).ok()?;
            let entry = LedgerEntry {
                task: row.id,
                seq: row.seq + 1,
                event: event.kind(),
                from: Some(before.status),
                to: state.status,
                attempt: state.attempt,
                due: state.due,
                lease: state.lease,
                at: now,
                origin: hand(),
                reason: reason.map(str::to_owned),
                trace: None,
            };
            Some(Change { state, reason: reason.map(str::to_owned), entries: vec![entry] })
        };
        Outcome::Seen(
            self.parts.store.transact(&Select::Ids(tasks.to_vec()), &decide).await.expect("the store answers"),
        )
    }
}
