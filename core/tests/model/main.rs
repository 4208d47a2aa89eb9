//! Random commands on the store in memory, beside the pure model.
//!
//! `PROPTEST_CASES` makes it more of them.

mod faults;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, prop_state_machine};
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_testkit::model::{Machine, Model, OtherProgram, Outcome, Parts, System};
use taskwatch_testkit::{MemoryStore, VirtualClock};

/// The store in memory.
struct Memory(MemoryStore);

impl System for Memory {
    fn open(clock: &VirtualClock) -> Self {
        Self(MemoryStore::with_clock(Arc::new(clock.clone())))
    }

    fn parts(&self) -> Parts {
        let store = Arc::new(self.0.clone());
        Parts { store: Arc::clone(&store) as _, records: store, other: Arc::new(Other(self.0.clone())) }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        VirtualClock::default().run(future)
    }
}

struct Other(MemoryStore);

#[async_trait]
impl OtherProgram for Other {
    async fn insert(&self, title: &str, status: &str, _now: Timestamp) -> TaskId {
        self.0.foreign_insert(title, status)
    }

    async fn write_status(&self, task: TaskId, status: &str) {
        self.0.foreign_write(task, status);
    }

    async fn delete(&self, task: TaskId) {
        self.0.foreign_delete(task);
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_store_in_memory_does_what_the_model_says(sequential 1..60 => Machine<Memory>);
}

/// Commands that are never drawn, or always come to the same, would prove nothing.
#[test]
fn the_commands_lead_everywhere() {
    let mut runner = TestRunner::deterministic();
    let strategy = Model::sequential_strategy(40..60);
    let (mut events, mut whys, mut others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..100 {
        let (mut world, commands, _) = strategy.new_tree(&mut runner).expect("commands can be drawn").current();
        for command in &commands {
            world = Model::apply(world, command);
            match world.outcome() {
                Outcome::Answered(answers, _) => {
                    whys.extend(
                        answers.values().map(|(_, why)| format!("{why:?}").replace(|c: char| !c.is_alphabetic(), " ")),
                    );
                }
                Outcome::Seen(seen) => others.extend(seen.iter().map(|seen| format!("by hand {}", seen.written))),
                Outcome::Acted(acted) => others.extend(acted.iter().map(|(_, refused)| format!("refused {refused}"))),
                Outcome::Lost(lost) => _ = others.insert(format!("lost {}", !lost.is_empty())),
                Outcome::Rescued(count) => _ = others.insert(format!("rescued {}", *count > 0)),
                Outcome::Inserted(all) => {
                    others.extend(all.iter().map(|one| format!("existed {}", matches!(one, Inserted::Existed(_)))));
                }
                Outcome::Silent | Outcome::Foreign(_) | Outcome::Held(_) => {}
            }
        }
        events.extend(world.records().flat_map(|record| &record.entries).map(|entry| entry.event));
    }
    assert_eq!(events, BTreeSet::from(EventKind::ALL));
    let kinds: BTreeSet<&str> = whys.iter().filter_map(|why| why.split_whitespace().next()).collect();
    let all = ["AlreadyFailed", "Completed", "Dead", "InProgress", "NoSuchTask", "NotDue", "Released", "Settled"];
    assert_eq!(kinds, all.into_iter().chain(["StaleLease", "UnknownStatus", "WillRetry"]).collect());
    let both = |what| [format!("{what} false"), format!("{what} true")];
    assert_eq!(others, ["by hand", "existed", "lost", "refused", "rescued"].into_iter().flat_map(both).collect());
}
