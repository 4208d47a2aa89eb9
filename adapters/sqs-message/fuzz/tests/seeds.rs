//! The files that libFuzzer starts from hold what must hold, and are worth starting from.

use std::fs;
use std::path::Path;

use taskwatch_sqs_message::{Wrapping, read_body};
use taskwatch_sqs_message_fuzz::check;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    files.map(|file| (file.display().to_string(), fs::read(&file).expect("it can be read"))).collect()
}

#[test]
fn every_seed_is_treated_as_it_must_be() {
    for (name, bytes) in seeds() {
        // Cut off, too: what libFuzzer tries first.
        let held = std::panic::catch_unwind(|| (0..=bytes.len()).rev().for_each(|end| check(&bytes[..end])));
        assert!(held.is_ok(), "{name}: what is wrong stands above");
    }
}

#[test]
fn the_seeds_reach_both_kinds_of_body_and_most_reasons() {
    let read: Vec<_> = seeds().iter().map(|(_, bytes)| read_body(&String::from_utf8_lossy(bytes))).collect();
    let wrapped = |sns: bool| read.iter().flatten().any(|body| matches!(body.wrapped, Wrapping::Sns { .. }) == sns);
    assert!(wrapped(true) && wrapped(false));
    let reasons: std::collections::BTreeSet<_> = read.iter().filter_map(|read| read.as_ref().err()).map(kind).collect();
    assert!(reasons.len() >= 10, "{reasons:?}");
}

fn kind(why: &taskwatch_sqs_message::Unreadable) -> String {
    format!("{why:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}
