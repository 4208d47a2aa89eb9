//! Tasks of several kinds, added in three ways at once.

use std::collections::BTreeMap;

use serde_json::json;

use crate::ours::Ours;
use crate::scene::Scene;
use crate::support::TEST;

/// What becomes of a task is known from its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Succeeds.
    Plain,
    /// Fails at first with ours.
    Flaky,
    /// Ends the old function's batch; succeeds with ours.
    Trips,
    /// The same, and fails for good with ours.
    Broken,
}

impl Kind {
    /// Most are plain.
    const fn of(index: usize) -> Self {
        match index % 16 {
            2 | 9 => Self::Flaky,
            5 => Self::Trips,
            13 => Self::Broken,
            _ => Self::Plain,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Flaky => "flaky",
            Self::Trips => "trips",
            Self::Broken => "broken",
        }
    }

    pub(crate) const fn end(self) -> &'static str {
        match self {
            Self::Plain | Self::Flaky | Self::Trips => "Completed",
            Self::Broken => "Failed",
        }
    }
}

/// Who adds and announces a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Publisher {
    /// The old add function.
    Old,
    /// A hand: INSERT, and a message to the topic.
    Hand,
    /// Ours.
    Ours,
}

/// The tasks that were added, by id.
pub(crate) type Added = BTreeMap<i64, (Kind, Publisher)>;

impl Scene {
    /// Adds `count` tasks each in the ways that there are, all at once, some announced twice, with a message in between
    /// that nobody can read.
    pub(crate) fn add(&self, count: usize, ours: Option<&Ours>) -> Added {
        let mut publishers = vec![Publisher::Old, Publisher::Hand];
        publishers.extend(ours.map(|_| Publisher::Ours));
        std::thread::scope(|scope| {
            let adding: Vec<_> = publishers
                .into_iter()
                .enumerate()
                .map(|(at, publisher)| {
                    // Shifted, so that not all do the same at the same time.
                    let one = move |index| (self.add_one(Kind::of(index), index, publisher, ours), publisher, index);
                    scope.spawn(move || (at * 5..at * 5 + count).map(one).collect::<Vec<_>>())
                })
                .collect();
            self.publish_text("not even JSON");
            let added = adding.into_iter().flat_map(|adding| adding.join().expect(TEST));
            added.map(|(task, publisher, index)| (task, (Kind::of(index), publisher))).collect()
        })
    }

    fn add_one(&self, kind: Kind, index: usize, publisher: Publisher, ours: Option<&Ours>) -> i64 {
        let title = format!("{} {index}", kind.title());
        let description = (!index.is_multiple_of(3)).then_some("Käse 😀, \"von früher\"\n");
        let message = |task: i64| json!({ "task_id": task, "title": title, "description": description });
        let task = match (publisher, ours) {
            (Publisher::Ours, Some(ours)) => ours.api.add(&title, description),
            (Publisher::Old, _) => self.old.api.add(&title, description),
            _ => {
                let text = description.map_or("NULL".to_owned(), |text| format!("'{text}'"));
                let sql = format!("INSERT INTO tasks (title, description) VALUES ('{title}', {text})");
                let task = self.sql(&format!("{sql}; SELECT LAST_INSERT_ID()")).parse().expect(TEST);
                self.publish(&message(task));
                task
            }
        };
        // At least once, says SNS.
        if index.is_multiple_of(4) {
            self.publish(&message(task));
        }
        task
    }
}
