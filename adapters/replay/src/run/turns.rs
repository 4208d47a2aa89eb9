//! Who goes next: in the order of groups where there are any, and not before their time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use taskwatch_core::delivery::Delivery;
use taskwatch_core::time::Timestamp;

/// Deliveries that wait for their turn. Of each group one at a time is ready, under way or to come again; those behind it
/// wait until it is done with.
#[derive(Debug, Default)]
pub(super) struct Turns {
    ready: VecDeque<Delivery>,
    lanes: HashMap<String, VecDeque<Delivery>>,
    later: BTreeMap<(Timestamp, u64), Delivery>,
    later_ever: u64,
    /// Groups of which one was given up for now.
    blocked: HashSet<String>,
}

impl Turns {
    /// Queues it; gives it back if one before it in its group was given up for now.
    pub(super) fn push(&mut self, delivery: Delivery) -> Option<Delivery> {
        match &delivery.group {
            Some(group) if self.blocked.contains(group) => return Some(delivery),
            Some(group) => match self.lanes.get_mut(group) {
                Some(lane) => lane.push_back(delivery),
                None => {
                    self.lanes.insert(group.clone(), VecDeque::new());
                    self.ready.push_back(delivery);
                }
            },
            None => self.ready.push_back(delivery),
        }
        None
    }

    /// The next whose turn it is.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Delivery> {
        let is_due = self.later.first_key_value().is_some_and(|((due, _), _)| *due <= now);
        if is_due { self.later.pop_first().map(|(_, delivery)| delivery) } else { self.ready.pop_front() }
    }

    /// It had its turn, and could not go after all.
    pub(super) fn take_back(&mut self, delivery: Delivery) {
        self.ready.push_front(delivery);
    }

    /// It comes again; whoever is behind it waits.
    pub(super) fn again(&mut self, delivery: Delivery, due: Timestamp) {
        self.later_ever += 1;
        self.later.insert((due, self.later_ever), delivery);
    }

    /// It is done with: the next of its group may go.
    pub(super) fn done(&mut self, group: Option<&str>) {
        let Some(group) = group else { return };
        match self.lanes.get_mut(group).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => drop(self.lanes.remove(group)),
        }
    }

    /// It is given up for now: those behind it, and all that come later in its group, are too.
    pub(super) fn block(&mut self, group: Option<&str>) -> Vec<Delivery> {
        let Some(group) = group else { return Vec::new() };
        self.blocked.insert(group.to_owned());
        self.lanes.remove(group).map(Vec::from).unwrap_or_default()
    }

    /// When one comes that must wait.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many could go now.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many wait in all.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.later.len() + self.lanes.values().map(VecDeque::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use taskwatch_core::task::TaskId;

    use super::*;

    fn delivery(id: i64, group: Option<&str>) -> Delivery {
        let task = TaskId::try_from(id).unwrap();
        Delivery { group: group.map(str::to_owned), ..Delivery::of(task, id.to_string()) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn taken(turns: &mut Turns, second: i64) -> Vec<String> {
        std::iter::from_fn(|| turns.take(at(second))).map(|delivery| delivery.receipt).collect()
    }

    #[test]
    fn nobody_overtakes_in_a_group() {
        let mut turns = Turns::default();
        for (id, group) in [(1, Some("a")), (2, Some("a")), (3, Some("b")), (4, None), (5, Some("a"))] {
            assert_eq!(turns.push(delivery(id, group)), None);
        }
        assert_eq!(taken(&mut turns, 0), ["1", "3", "4"]);
        turns.again(delivery(1, Some("a")), at(9));
        assert_eq!((taken(&mut turns, 8), turns.next_due(), turns.len()), (vec![], Some(at(9)), 3));
        assert_eq!(taken(&mut turns, 9), ["1"]);
        turns.done(Some("a"));
        assert_eq!(taken(&mut turns, 9), ["2"]);
        let behind = turns.block(Some("a"));
        assert_eq!(behind.iter().map(|one| one.receipt.as_str()).collect::<Vec<_>>(), ["5"]);
        assert!(turns.push(delivery(6, Some("a"))).is_some(), "nor one that comes later");
        assert_eq!(turns.push(delivery(7, Some("b"))), None);
        assert_eq!(taken(&mut turns, 9), Vec::<String>::new(), "3 is still under way");
        turns.done(Some("b"));
        assert_eq!((taken(&mut turns, 9), turns.len()), (vec!["7".to_owned()], 0));
    }
}
