//! Values and how often each occurred: what CloudWatch computes sums, averages and percentiles from.

/// The largest magnitude that CloudWatch takes: 2^360 (API reference, `MetricDatum`).
pub const LARGEST: f64 = f64::from_bits((1023 + 360) << 52);
/// The smallest magnitude beside 0. What is smaller becomes 0.
pub const SMALLEST: f64 = f64::from_bits((1023 - 360) << 52);

/// A value, and how often it occurred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// The value, in the metric's unit.
    pub value: f64,
    /// How often. CloudWatch keeps counts as floating point: exact to 2^53.
    pub count: u64,
}

impl Weighted {
    /// A value that occurred once.
    #[must_use]
    pub const fn once(value: f64) -> Self {
        Self { value, count: 1 }
    }
}

/// Values in ascending order, each once, each with a count above 0 and of a size that CloudWatch takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(Vec<Weighted>);

impl Values {
    /// Keeps what CloudWatch takes. The second part says how many measurements were not finite, or too large, and are
    /// not among the values.
    pub fn collect(items: impl IntoIterator<Item = Weighted>) -> (Self, u64) {
        let mut dropped: u64 = 0;
        let mut kept: Vec<Weighted> = Vec::new();
        for Weighted { value, count } in items {
            if count == 0 {
                continue;
            }
            // False for NaN as well.
            if value.abs() <= LARGEST {
                kept.push(Weighted { value: if value.abs() < SMALLEST { 0.0 } else { value }, count });
            } else {
                dropped = dropped.saturating_add(count);
            }
        }
        kept.sort_by(|a, b| a.value.total_cmp(&b.value));
        kept.dedup_by(|next, one| {
            // A count that would overflow stays beside its equal.
            let Some(both) = one.count.checked_add(next.count).filter(|_| one.value == next.value) else {
                return false;
            };
            one.count = both;
            true
        });
        (Self(kept), dropped)
    }

    /// The values, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Weighted] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many measurements these are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, w| sum.saturating_add(w.count))
    }

    /// What they add up to.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.0.iter().map(|w| w.value * w.count as f64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloudwatch_refuses_is_counted_and_left_out() {
        let items = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e200, 3.0].map(|value| Weighted { value, count: 2 });
        let (values, dropped) = Values::collect(items);
        assert_eq!(dropped, 8);
        assert_eq!(values.as_slice(), [Weighted { value: 3.0, count: 2 }]);
    }

    #[test]
    fn equal_values_are_one_in_order_and_none_has_a_count_of_zero() {
        let items = [(2.0, 1), (1.0, 0), (-0.0, 1), (2.0, 4), (1e-200, 1)];
        let (values, dropped) = Values::collect(items.map(|(value, count)| Weighted { value, count }));
        assert_eq!(values.as_slice(), [Weighted { value: 0.0, count: 2 }, Weighted { value: 2.0, count: 5 }]);
        assert_eq!((dropped, values.count(), values.sum()), (0, 7, 10.0));
    }

    #[test]
    fn the_largest_is_what_the_documentation_says() {
        assert_eq!(LARGEST, 2f64.powi(360));
        assert_eq!(SMALLEST, 2f64.powi(-360));
        assert_eq!(Values::collect([Weighted::once(-LARGEST)]).1, 0);
    }

    #[test]
    fn counts_that_overflow_stay_apart() {
        let item = Weighted { value: 1.0, count: u64::MAX };
        assert_eq!(Values::collect([item, item]).0.as_slice().len(), 2);
    }
}
