//! Which messages go together.

use crate::entry::{Entry, MAX_BYTES};

/// Most messages of one call: the limit of both services.
const MAX_ENTRIES: usize = 10;

/// Cuts entries into calls, in order: as few as can be had without looking ahead.
pub(crate) fn batches(entries: &[Entry]) -> Vec<&[Entry]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, entry) in entries.iter().enumerate() {
        let full = at - start == MAX_ENTRIES || bytes + entry.bytes() > MAX_BYTES;
        if full && at > start {
            batches.push(&entries[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += entry.bytes();
    }
    if start < entries.len() {
        batches.push(&entries[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskwatch_core::outbox::Announcement;
    use taskwatch_core::task::Task;

    fn entries(lengths: &[usize]) -> Vec<Entry> {
        let one = |(at, length): (usize, &usize)| {
            let id = i64::try_from(at).unwrap() + 1;
            let task = Task { id: id.try_into().unwrap(), title: "t".into(), description: Some("x".repeat(*length)) };
            Entry::new(&Announcement { number: id, task, trace: None }, false)
        };
        lengths.iter().enumerate().map(one).collect()
    }

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        let entries = entries(lengths);
        let batches = batches(&entries);
        assert_eq!(batches.concat(), entries, "all of them, in order");
        assert!(batches.iter().all(|batch| batch.iter().map(Entry::bytes).sum::<usize>() <= MAX_BYTES));
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn calls_are_filled_to_the_count_and_to_the_byte() {
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[1]), [1]);
        assert_eq!(sizes(&[1; 10]), [10]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[1, 200_000, 200_000, 1, 1]), [2, 3]);
        // Too large, so it goes short, with its neighbours.
        assert_eq!(sizes(&[1, 300_000, 1]), [3]);

        let frame = entries(&[0])[0].bytes();
        let half = MAX_BYTES / 2 - frame;
        assert_eq!(sizes(&[half, half]), [2]);
        assert_eq!(sizes(&[half, half + 1]), [1, 1]);
    }
}
