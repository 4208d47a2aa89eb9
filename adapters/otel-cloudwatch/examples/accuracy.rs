//! How far percentiles are off, with representatives only and with those shifted to make the sum right.
#![expect(clippy::print_stdout, reason = "its only purpose")]

use std::collections::BTreeMap;

use taskwatch_otel_cloudwatch::histogram::{Bucket, Known, represent};

/// A generator that is the same everywhere (SplitMix64), as a number between 0 and 1.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
}

fn normal(state: &mut u64) -> f64 {
    (-2.0 * (1.0 - random(state)).ln()).sqrt() * (std::f64::consts::TAU * random(state)).cos()
}

type Draw = fn(&mut u64) -> f64;

/// The buckets that the SDK would use for these measurements.
#[expect(clippy::cast_possible_truncation, reason = "an index of a bucket is far below 2^31")]
fn buckets(sorted: &[f64], max_size: u32) -> (f64, Vec<Bucket>) {
    for scale in (-10..=20).rev() {
        let width = 2f64.powi(-scale);
        let index = |x: f64| (x.log2() / width).ceil() as i64 - 1;
        if index(sorted[sorted.len() - 1]) - index(sorted[0]) < i64::from(max_size) {
            let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
            sorted.iter().for_each(|x| *counts.entry(index(*x)).or_default() += 1);
            let edge = |index: i64| (index as f64 * width).exp2();
            let bucket = |(index, count)| Bucket { low: edge(index), high: edge(index + 1), count };
            return (width.exp2() - 1.0, counts.into_iter().map(bucket).collect());
        }
    }
    (f64::INFINITY, Vec::new())
}

fn main() {
    let draws: [(&str, Draw); 4] = [
        ("log-normal", |s| (5.0 + normal(s)).exp()),
        ("log-normal, wide", |s| (5.0 + 2.0 * normal(s)).exp()),
        ("whole ms", |s| (3.0 + 1.5 * normal(s)).exp().ceil()),
        ("two humps", |s| if random(s) < 0.9 { 20.0 + 2.0 * normal(s).abs() } else { 4000.0 + 900.0 * random(s) }),
    ];
    println!("sample of 20000   max_size  buckets    b-1 | representatives: sum, p50, p99, worst | shifted: the same");
    for (name, draw) in draws {
        let mut state = 7;
        let mut samples: Vec<f64> = (0..20_000).map(|_| draw(&mut state)).collect();
        samples.sort_by(f64::total_cmp);
        let sum: f64 = samples.iter().sum();
        for max_size in [160, 320, 640] {
            let (bound, buckets) = buckets(&samples, max_size);
            let known = Known { count: 20_000, min: Some(samples[0]), max: samples.last().copied(), sum: None };
            let mut line = format!("{name:17} {max_size:8} {:8} {:5.2}% |", buckets.len(), bound * 100.0);
            for known in [known, Known { sum: Some(sum), ..known }] {
                let values = represent(buckets.iter().copied(), known).values;
                let total: f64 = values.iter().map(|w| w.value * w.count as f64).sum();
                let ranks: Vec<f64> = values
                    .iter()
                    .flat_map(|w| std::iter::repeat_n(w.value, usize::try_from(w.count).unwrap_or(0)))
                    .collect();
                let off = |at: usize| (ranks[at] / samples[at] - 1.0) * 100.0;
                let worst = (0..samples.len()).map(|at| off(at).abs()).fold(0.0, f64::max);
                let sum_off = (total / sum - 1.0) * 100.0;
                line += &format!(" {sum_off:+.1e}% {:+.2}% {:+.2}% {worst:.2}% |", off(10_000), off(19_800));
            }
            println!("{line}");
        }
    }
}
