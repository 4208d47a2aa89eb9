//! One metric's values at one time, for one or several series: what both sinks start from.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::unit::Unit;
use crate::values::Values;

/// How many dimensions a series has at most (CloudWatch service quotas).
pub const MAX_DIMENSIONS: usize = 30;
/// How long the name of a metric, a namespace or a dimension is at most, in characters.
pub const MAX_NAME: usize = 255;
/// How long the value of a dimension is at most, in characters.
pub const MAX_DIMENSION_VALUE: usize = 1024;
/// The member of an EMF line that no metric can be called.
pub(crate) const METADATA: &str = "_aws";

/// Why something cannot be a datum. Phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DatumError {
    #[error(
        "name a metric or dimension `{name}`: CloudWatch takes 1 to 255 printable ASCII characters, not a colon first"
    )]
    Name { name: String },
    #[error(
        "use the name `{name}`: the embedded metric format uses it itself, or it is both a metric's and its dimension's"
    )]
    Taken { name: String },
    #[error("give `{name}` {count} dimensions: CloudWatch takes 30")]
    TooManyDimensions { name: String, count: usize },
    #[error("put `{name}` into a series by `{dimension}`: it has no such dimension")]
    UnknownDimension { name: String, dimension: String },
    #[error("make dimension `{dimension}` of two attributes")]
    Ambiguous { dimension: String },
    #[error("send `{name}` without values or series")]
    Empty { name: String },
}

/// A dimension of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimension {
    name: String,
    value: String,
}

impl Dimension {
    /// A dimension with a value that CloudWatch takes: what it would refuse in `value` becomes `_`, and what is too long
    /// is cut.
    ///
    /// # Errors
    ///
    /// If `name` is none that CloudWatch takes.
    pub fn new(name: impl Into<String>, value: &str) -> Result<Self, DatumError> {
        let name = named_dimension(name.into())?;
        let mut value: String =
            value.chars().take(MAX_DIMENSION_VALUE).map(|c| if matches!(c, ' '..='~') { c } else { '_' }).collect();
        if value.trim().is_empty() {
            value = String::from("_");
        } else if value.starts_with(':') {
            value.replace_range(..1, "_");
        }
        Ok(Self { name, value })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value: 1 to 1024 printable ASCII characters.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The names of the dimensions of one series; none for the dimensionless one.
pub type DimensionSet = Vec<String>;

/// The values of one metric at one time, wanted in one or several series.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    name: String,
    unit: Unit,
    millis: i64,
    dimensions: Vec<Dimension>,
    sets: Vec<DimensionSet>,
    values: Values,
}

impl Datum {
    /// A datum that both sinks can send. `sets` says in which series: each names some of `dimensions`.
    ///
    /// # Errors
    ///
    /// If CloudWatch would refuse it, or nothing would be sent.
    pub fn new(
        name: impl Into<String>,
        unit: Unit,
        at: SystemTime,
        mut dimensions: Vec<Dimension>,
        mut sets: Vec<DimensionSet>,
        values: Values,
    ) -> Result<Self, DatumError> {
        let name = named(name.into())?;
        if name == METADATA || dimensions.iter().any(|dimension| dimension.name == name) {
            return Err(DatumError::Taken { name });
        }
        for set in &mut sets {
            set.sort();
            set.dedup();
            if let Some(unknown) = set.iter().find(|wanted| dimensions.iter().all(|has| has.name != **wanted)) {
                return Err(DatumError::UnknownDimension { name, dimension: unknown.clone() });
            }
            if set.len() > MAX_DIMENSIONS {
                return Err(DatumError::TooManyDimensions { name, count: set.len() });
            }
        }
        sets.sort();
        sets.dedup();
        if sets.is_empty() || values.is_empty() {
            return Err(DatumError::Empty { name });
        }
        dimensions.retain(|has| sets.iter().flatten().any(|wanted| *wanted == has.name));
        dimensions.sort();
        dimensions.dedup_by(|next, one| next.name == one.name);
        Ok(Self { name, unit, millis: millis(at), dimensions, sets, values })
    }

    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit of the values.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// When, in milliseconds since 1970 (UTC).
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.millis
    }

    /// The dimensions that its series are made of, by name.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// Its series.
    #[must_use]
    pub fn sets(&self) -> &[DimensionSet] {
        &self.sets
    }

    /// Its values: at least one.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }
}

/// The name, if CloudWatch takes it for a metric, a dimension or a namespace.
pub(crate) fn named(name: String) -> Result<String, DatumError> {
    let fine = !name.trim().is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with(':')
        && name.chars().all(|c| matches!(c, ' '..='~'));
    if fine { Ok(name) } else { Err(DatumError::Name { name }) }
}

/// The name, if it can be a dimension's.
pub(crate) fn named_dimension(name: String) -> Result<String, DatumError> {
    let name = named(name)?;
    if name == METADATA { Err(DatumError::Taken { name }) } else { Ok(name) }
}

fn millis(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Weighted;

    fn values() -> Values {
        Values::collect([Weighted::once(1.0)]).0
    }

    fn datum(name: &str, dimensions: Vec<Dimension>, sets: Vec<DimensionSet>) -> Result<Datum, DatumError> {
        Datum::new(name, Unit::Count, UNIX_EPOCH, dimensions, sets, values())
    }

    #[test]
    fn values_of_dimensions_become_what_cloudwatch_takes() {
        let value = |value: &str| Dimension::new("D", value).unwrap().value;
        assert_eq!(value("eu-west-1"), "eu-west-1");
        assert_eq!(value("grün\n"), "gr_n_");
        assert_eq!(value(":x"), "_x");
        assert_eq!((value(""), value("  ")), ("_".into(), "_".into()));
        assert_eq!(value(&"ü".repeat(2000)).len(), MAX_DIMENSION_VALUE);
    }

    #[test]
    fn names_that_cloudwatch_refuses_are_refused() {
        for name in ["", " ", ":a", "ü", "a\n", &"a".repeat(256)] {
            assert_eq!(datum(name, vec![], vec![vec![]]), Err(DatumError::Name { name: name.into() }));
        }
    }

    #[test]
    fn a_metric_cannot_be_called_like_the_metadata_or_its_dimension() {
        assert_eq!(datum("_aws", vec![], vec![vec![]]), Err(DatumError::Taken { name: "_aws".into() }));
        let source = Dimension::new("Source", "ec2").unwrap();
        assert_eq!(datum("Source", vec![source], vec![vec![]]), Err(DatumError::Taken { name: "Source".into() }));
    }

    #[test]
    fn thirty_dimensions_are_taken_and_not_one_more() {
        let wide = |n: usize| {
            let dimensions: Vec<_> = (0..n).map(|i| Dimension::new(format!("D{i}"), "v").unwrap()).collect();
            let set = dimensions.iter().map(|d| d.name.clone()).collect();
            datum("Wide", dimensions, vec![set])
        };
        assert!(wide(30).is_ok());
        assert_eq!(wide(31), Err(DatumError::TooManyDimensions { name: "Wide".into(), count: 31 }));
    }

    #[test]
    fn only_the_dimensions_of_its_series_are_kept() {
        let dimensions = ["A", "B"].map(|name| Dimension::new(name, "v").unwrap()).to_vec();
        let datum = datum("M", dimensions, vec![vec!["B".into()], vec![], vec!["B".into()]]).unwrap();
        assert_eq!(datum.dimensions().iter().map(Dimension::name).collect::<Vec<_>>(), ["B"]);
        assert_eq!(datum.sets().len(), 2);
    }
}
