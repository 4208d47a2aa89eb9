//! From buckets to values: which number stands for the measurements that fell between two edges.
//!
//! What is known of a histogram beside its buckets (smallest, largest, sum) is used up: the smallest and largest values
//! stand as themselves, and the representatives of the others are shifted, all by the same part of the way to their
//! bucket's edge, until the sum is right. That part is never more than the whole, since the measurements lay between
//! the edges too.

use crate::values::Weighted;

/// Measurements between two edges; an edge may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Nothing in it is less.
    pub low: f64,
    /// Nothing in it is more.
    pub high: f64,
    /// How many.
    pub count: u64,
}

/// What else is known of a histogram. What was not recorded is `None`, and is then not used: it is never taken for 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Known {
    /// How many measurements. Those that no bucket holds are placed between smallest and largest.
    pub count: u64,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// What they add up to.
    pub sum: Option<f64>,
}

/// Values for the measurements in these buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Represented {
    /// The values: their counts add up to that of the buckets. Not finite where nothing finite is known of them.
    pub values: Vec<Weighted>,
    /// Whether they add up to the sum, but for rounding.
    pub sum_holds: bool,
}

/// The values that stand for `buckets` (in ascending order, not overlapping).
#[must_use]
pub fn represent(buckets: impl IntoIterator<Item = Bucket>, known: Known) -> Represented {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let (min, max) = match (finite(known.min), finite(known.max)) {
        (Some(min), Some(max)) if min > max => (None, None),
        both => both,
    };
    let mut buckets: Vec<Bucket> = buckets.into_iter().filter(|bucket| bucket.count > 0).map(in_order).collect();
    let held = buckets.iter().fold(0u64, |sum, bucket| sum.saturating_add(bucket.count));
    for bucket in &mut buckets {
        narrow(bucket, min, max);
    }
    ends(&mut buckets, min, max, held >= known.count);
    if known.count > held {
        let (low, high) = (min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
        unplaced(&mut buckets, low, high, known.count - held);
    }

    let mut values: Vec<Weighted> =
        buckets.iter().map(|b| Weighted { value: representative(b.low, b.high), count: b.count }).collect();
    let sum_holds = finite(known.sum).is_some_and(|sum| shift(&mut values, &buckets, sum));
    Represented { values, sum_holds }
}

/// With edges that are numbers, the lower one first: `clamp` panics otherwise.
fn in_order(bucket: Bucket) -> Bucket {
    let low = if bucket.low.is_nan() { f64::NEG_INFINITY } else { bucket.low };
    let high = if bucket.high.is_nan() { f64::INFINITY } else { bucket.high };
    Bucket { low: low.min(high), high: high.max(low), ..bucket }
}

/// Moves the edges to what the measurements can have been.
fn narrow(bucket: &mut Bucket, min: Option<f64>, max: Option<f64>) {
    if let Some(min) = min {
        (bucket.low, bucket.high) = (bucket.low.max(min), bucket.high.max(min));
    }
    if let Some(max) = max {
        (bucket.low, bucket.high) = (bucket.low.min(max), bucket.high.min(max));
    }
}

/// Lets the smallest and the largest stand for themselves, if they are in a bucket for certain.
fn ends(buckets: &mut Vec<Bucket>, min: Option<f64>, max: Option<f64>, complete: bool) {
    if !complete {
        return;
    }
    if let (Some(max), Some(last)) = (max, buckets.last_mut()) {
        if last.count == 1 {
            (last.low, last.high) = (max, max);
        } else {
            last.count -= 1;
            buckets.push(Bucket { low: max, high: max, count: 1 });
        }
    }
    // A lone measurement is both.
    if let (Some(min), Some(first)) = (min, buckets.first_mut()) {
        if first.count == 1 {
            (first.low, first.high) = (min, min);
        } else {
            first.count -= 1;
            buckets.insert(0, Bucket { low: min, high: min, count: 1 });
        }
    }
}

/// Measurements that were counted, and are in no bucket: the smallest and the largest may be among them.
fn unplaced(buckets: &mut Vec<Bucket>, low: f64, high: f64, mut count: u64) {
    if buckets.is_empty() && low.is_finite() {
        buckets.push(Bucket { low, high: low, count: 1 });
        count -= 1;
        if count > 0 && high.is_finite() {
            buckets.push(Bucket { low: high, high, count: 1 });
            count -= 1;
        }
    }
    if count > 0 {
        buckets.push(Bucket { low, high, count });
    }
}

/// The value whose relative distance from both edges is the same: `2ab/(a+b)`. Between edges of different sign no value
/// has that; there it is the middle.
fn representative(low: f64, high: f64) -> f64 {
    match (low.is_finite(), high.is_finite()) {
        (false, false) => f64::NAN,
        (false, true) => high,
        (true, false) => low,
        // Written so that nothing overflows.
        (true, true) if low > 0.0 => (2.0 * low / (1.0 + low / high)).clamp(low, high),
        (true, true) if high < 0.0 => (2.0 * high / (1.0 + high / low)).clamp(low, high),
        (true, true) => (low / 2.0 + high / 2.0).clamp(low, high),
    }
}

/// Shifts the values within their buckets until they add up to `sum`; whether they do.
fn shift(values: &mut [Weighted], buckets: &[Bucket], sum: f64) -> bool {
    // Where only one value is not certain, it follows from the others.
    let mut uncertain = (0..values.len()).filter(|&i| buckets.get(i).is_some_and(|b| b.low < b.high));
    if let (Some(one), None) = (uncertain.next(), uncertain.next()) {
        return remainder(values, buckets, one, sum);
    }
    let total: f64 = values.iter().map(|w| w.value * w.count as f64).sum();
    let magnitude: f64 = values.iter().map(|w| w.value.abs() * w.count as f64).sum();
    let missing = sum - total;
    let slack = 1e-9 * magnitude.max(sum.abs());
    if missing == 0.0 {
        return true;
    }
    let edge = |bucket: &Bucket| if missing > 0.0 { bucket.high } else { bucket.low };
    // An open bucket can take it all.
    let open = buckets.iter().position(|bucket| edge(bucket).is_infinite());
    if let Some(open) = open.and_then(|open| values.get_mut(open)) {
        open.value += missing / open.count as f64;
        return true;
    }
    let room: f64 = values.iter().zip(buckets).map(|(w, b)| (edge(b) - w.value) * w.count as f64).sum();
    let part = missing / room;
    // Beyond the edges is only what rounding put there, or a sum that was not recorded.
    if !part.is_finite() || part * room.abs() > room.abs() + slack {
        return missing.abs() <= slack;
    }
    for (w, bucket) in values.iter_mut().zip(buckets) {
        w.value += part.min(1.0) * (edge(bucket) - w.value);
        w.value = w.value.clamp(bucket.low, bucket.high);
    }
    true
}

/// Gives the one value that is not certain what the others leave of the sum, if that is within its edges.
fn remainder(values: &mut [Weighted], buckets: &[Bucket], one: usize, sum: f64) -> bool {
    let rest: f64 = values.iter().enumerate().filter(|(at, _)| *at != one).map(|(_, w)| w.value * w.count as f64).sum();
    let (Some(value), Some(bucket)) = (values.get_mut(one), buckets.get(one)) else { return false };
    let mean = (sum - rest) / value.count as f64;
    let slack = 1e-9 * mean.abs().max(rest.abs() / value.count as f64);
    if mean < bucket.low - slack || mean > bucket.high + slack || mean.is_nan() {
        return false;
    }
    value.value = mean.clamp(bucket.low, bucket.high);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(low: f64, high: f64, count: u64) -> Bucket {
        Bucket { low, high, count }
    }

    fn pairs(represented: &Represented) -> Vec<(f64, u64)> {
        represented.values.iter().map(|w| (w.value, w.count)).collect()
    }

    #[test]
    fn one_two_and_three_measurements_are_exact() {
        let one = Known { count: 1, min: Some(3.0), max: Some(3.0), sum: Some(3.0) };
        assert_eq!(pairs(&represent([bucket(2.0, 4.0, 1)], one)), [(3.0, 1)]);
        let two = Known { count: 2, min: Some(3.0), max: Some(3.5), sum: Some(6.5) };
        assert_eq!(pairs(&represent([bucket(2.0, 4.0, 2)], two)), [(3.0, 1), (3.5, 1)]);
        let three = Known { count: 3, min: Some(2.5), max: Some(9.0), sum: Some(15.0) };
        let got = represent([bucket(2.0, 4.0, 2), bucket(8.0, 16.0, 1)], three);
        assert_eq!(pairs(&got), [(2.5, 1), (3.5, 1), (9.0, 1)]);
    }

    #[test]
    fn without_a_sum_the_representative_is_as_far_from_both_edges() {
        let got = represent([bucket(4.0, 8.0, 5)], Known { count: 5, ..Known::default() });
        assert_eq!(got.values.len(), 1);
        let value = got.values[0].value;
        assert!(((value - 4.0) / 4.0 - (8.0 - value) / 8.0).abs() < 1e-15, "{value}");
        assert!(!got.sum_holds);
    }

    #[test]
    fn a_missing_minimum_is_not_zero() {
        let known = Known { count: 4, min: None, max: None, sum: None };
        let got = represent([bucket(f64::NEG_INFINITY, 5.0, 2), bucket(10.0, f64::INFINITY, 2)], known);
        assert_eq!(pairs(&got), [(5.0, 2), (10.0, 2)]);
    }

    #[test]
    fn an_open_bucket_takes_what_the_sum_leaves() {
        let known = Known { count: 3, min: None, max: None, sum: Some(105.0) };
        let got = represent([bucket(5.0, 5.0, 1), bucket(10.0, f64::INFINITY, 2)], known);
        assert_eq!((pairs(&got), got.sum_holds), (vec![(5.0, 1), (50.0, 2)], true));
    }

    #[test]
    fn without_buckets_count_sum_and_ends_hold() {
        let known = Known { count: 4, min: Some(1.0), max: Some(10.0), sum: Some(17.0) };
        assert_eq!(pairs(&represent([], known)), [(1.0, 1), (10.0, 1), (3.0, 2)]);
        let known = Known { count: 4, min: None, max: None, sum: Some(10.0) };
        assert_eq!(pairs(&represent([], known)), [(2.5, 4)]);
    }

    #[test]
    fn a_sum_that_was_not_recorded_moves_nothing() {
        let known = Known { count: 10, min: Some(4.0), max: Some(8.0), sum: Some(0.0) };
        let got = represent([bucket(4.0, 8.0, 10)], known);
        assert!(!got.sum_holds);
        assert_eq!(got.values[1].value, 2.0 * 4.0 * 8.0 / 12.0);
    }

    #[test]
    fn a_sum_beyond_the_edges_moves_nothing_in_several_buckets_either() {
        let buckets = [bucket(4.0, 8.0, 5), bucket(8.0, 16.0, 5)];
        for sum in [0.0, 59.0, 121.0] {
            let got = represent(buckets, Known { count: 10, sum: Some(sum), ..Known::default() });
            assert_eq!((pairs(&got), got.sum_holds), (vec![(16.0 / 3.0, 5), (32.0 / 3.0, 5)], false));
        }
        let got = represent(buckets, Known { count: 10, sum: Some(61.0), ..Known::default() });
        assert!(got.sum_holds);
    }

    #[test]
    fn nothing_is_known_of_what_has_no_edges_and_no_sum() {
        let got = represent([], Known { count: 2, ..Known::default() });
        assert!(got.values[0].value.is_nan());
    }

    #[test]
    fn nonsense_is_survived() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        for low in [nan, -inf, inf, 0.0, f64::MAX, f64::MIN] {
            for high in [nan, inf, -inf, 0.0, f64::MIN_POSITIVE, f64::MAX] {
                for known in [nan, inf, -inf, 0.0, 1e308, -5.0] {
                    for count in [0, 1, 2, u64::MAX] {
                        let known = Known { count, min: Some(known), max: Some(-known), sum: Some(known) };
                        let _ = represent([bucket(low, high, 2), bucket(high, low, u64::MAX)], known);
                    }
                }
            }
        }
    }
}
