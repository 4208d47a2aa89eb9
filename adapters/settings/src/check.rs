//! What the checks of whole sections work with: who gave which value, and what is wrong so far.
//!
//! One rule for choices that exclude each other: a higher layer puts aside what lower ones say, and within one layer two
//! contradict each other. So a flag can ask for another handler than the file configures, without an error about the
//! file.

use std::collections::BTreeMap;

use crate::error::{Origin, Problem};
use crate::given::Given;

#[derive(Debug)]
pub(crate) struct Check<'a> {
    pub(crate) given: &'a mut BTreeMap<&'static str, (Given, Origin)>,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    /// Where a setting came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.given.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Which layer a setting came from.
    pub(crate) fn rank(&self, key: &str) -> u8 {
        self.origin(key).rank()
    }

    /// Takes back what a lower layer gave.
    pub(crate) fn put_aside(&mut self, key: &str) {
        self.given.remove(key);
    }

    /// `key` must not be given along with what `deciding` says.
    pub(crate) fn excludes(&mut self, deciding: (&'static str, &str), key: &'static str, advice: &'static str) {
        if !self.given.contains_key(key) {
            return;
        }
        let (other, word) = deciding;
        if self.rank(other) > self.rank(key) {
            return self.put_aside(key);
        }
        let (from, other_from) = (self.origin(key), self.origin(other));
        let other = format!("{other}, which is {word}");
        self.problem(Problem::Contradiction { key, from, other, other_from, advice });
    }

    /// Two settings that cannot both stand.
    pub(crate) fn contradiction(&mut self, key: &'static str, other: &str, advice: &'static str) {
        let (from, other_from) = (self.origin(key), self.origin(other));
        self.problem(Problem::Contradiction { key, from, other: other.to_owned(), other_from, advice });
    }

    /// Several settings that do not fit together: the one from the highest layer against the others that were given, or
    /// against the defaults where none was.
    pub(crate) fn together<const N: usize>(&mut self, mut keys: [&'static str; N], advice: &'static str) {
        keys.sort_by_key(|key| std::cmp::Reverse(self.rank(key)));
        let Some((key, rest)) = keys.split_first() else { return };
        let given: Vec<_> = rest.iter().copied().filter(|key| self.given.contains_key(key)).collect();
        let others = if given.is_empty() { rest } else { &given };
        let other_from = others.first().map_or(Origin::Default, |other| self.origin(other));
        let from = self.origin(key);
        self.problem(Problem::Contradiction { key, from, other: others.join(" and "), other_from, advice });
    }

    /// Notes what is wrong.
    pub(crate) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}
