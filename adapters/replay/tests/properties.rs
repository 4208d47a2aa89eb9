//! Whatever the bytes: no panic, no endless loop, unique places, and no good line lost beside bad ones.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use taskwatch_replay::CaptureReader;

/// Pieces that make JSON, and break it.
fn shards() -> impl Strategy<Value = Vec<u8>> {
    let shard = prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            "\"",
            ",",
            ":",
            "\n",
            "\r\n",
            " ",
            "\\",
            "1",
            "null",
            "\"task_id\"",
            "{\"task_id\":7}",
            "{\"Records\":[",
            "{\"Messages\":[",
            "\"body\":",
            "\u{feff}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    vec(shard, 0..60).prop_map(|shards| shards.concat())
}

/// A line that is no message and that leaves nothing open for the next.
fn bad_line() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", "hello", "{}", "{\"task_id\": 0}", "{\"a\": \"", "]", "{,", "nul", "\"x", "[1"])
        .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_their_end(input in shards(), limit in prop_oneof![Just(8_usize), Just(10_000)]) {
        let mut places = HashSet::new();
        let mut bytes = 0;
        for item in CaptureReader::with_limit(&input[..], limit) {
            // UTF-16 and gzip end it at once.
            let Ok(item) = item else { break };
            prop_assert!(places.insert(item.place), "{} twice", item.place);
            bytes += item.raw.len();
        }
        prop_assert!(bytes <= input.len(), "no byte belongs to two items");
    }

    #[test]
    fn good_lines_survive_any_neighbours(lines in vec(prop_oneof![bad_line(), Just("{\"task_id\":7}".to_owned())], 0..40)) {
        let input = lines.join("\n");
        let good = |line: &&String| line.starts_with("{\"task_id\":7");
        let read = CaptureReader::new(input.as_bytes()).filter(|item| item.as_ref().is_ok_and(|item| item.result.is_ok()));
        prop_assert_eq!(read.count(), lines.iter().filter(good).count());
    }
}
