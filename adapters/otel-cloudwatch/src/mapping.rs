//! Which attributes become dimensions, in which combinations.

use std::collections::BTreeMap;

use crate::datum::{DatumError, Dimension, DimensionSet, MAX_DIMENSIONS, named_dimension};

/// Which attributes become dimensions. The attributes it does not name are left out: what differs only in them is added
/// up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    usual: Series,
    special: BTreeMap<String, Series>,
}

/// The series of a metric: for each, pairs of the attribute and the dimension that it becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series(Vec<Vec<(String, String)>>);

impl Series {
    /// Nothing yet.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// And the one without dimensions.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.0.push(Vec::new());
        self
    }

    /// And one by these dimensions: pairs of an attribute's key and the name that it has as a dimension. Attributes are
    /// those of the measurement, or else of the resource. What lacks one of them is not in this series.
    ///
    /// # Errors
    ///
    /// If CloudWatch would refuse a name, or their number; if a dimension would be made of two attributes, here or in
    /// another of these series.
    pub fn by<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DatumError> {
        let mut set: Vec<(String, String)> = Vec::new();
        for (attribute, dimension) in pairs {
            let dimension = named_dimension(dimension.to_owned())?;
            let mut known = self.0.iter().flatten().chain(&set);
            if known.any(|(other, name)| *name == dimension && other != attribute) {
                return Err(DatumError::Ambiguous { dimension });
            }
            set.push((attribute.to_owned(), dimension));
        }
        if set.len() > MAX_DIMENSIONS {
            return Err(DatumError::TooManyDimensions { name: String::from("a series"), count: set.len() });
        }
        self.0.push(set);
        Ok(self)
    }
}

impl Default for Mapping {
    /// Each metric in one series, without dimensions.
    fn default() -> Self {
        Self::new(Series::none().plain())
    }
}

impl Mapping {
    /// All metrics in these series.
    #[must_use]
    pub fn new(usual: Series) -> Self {
        Self { usual, special: BTreeMap::new() }
    }

    /// This metric in other series than all others.
    #[must_use]
    pub fn with(mut self, metric: impl Into<String>, series: Series) -> Self {
        self.special.insert(metric.into(), series);
        self
    }

    /// The dimensions and series of a measurement whose attributes `attribute` looks up.
    pub(crate) fn series(
        &self,
        metric: &str,
        attribute: impl Fn(&str) -> Option<String>,
    ) -> Result<(Vec<Dimension>, Vec<DimensionSet>), DatumError> {
        let mut dimensions: BTreeMap<&str, Dimension> = BTreeMap::new();
        let mut sets = Vec::new();
        'sets: for wanted in &self.special.get(metric).unwrap_or(&self.usual).0 {
            let mut found = Vec::with_capacity(wanted.len());
            for (key, name) in wanted {
                let Some(value) = attribute(key) else { continue 'sets };
                found.push((name.as_str(), Dimension::new(name.as_str(), &value)?));
            }
            sets.push(wanted.iter().map(|(_, name)| name.clone()).collect());
            dimensions.extend(found);
        }
        Ok((dimensions.into_values().collect(), sets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_comes_from_one_attribute() {
        let series = Series::none().by([("a", "A"), ("b", "B")]).unwrap();
        assert!(series.clone().by([("b", "B")]).is_ok());
        assert_eq!(series.by([("c", "B")]), Err(DatumError::Ambiguous { dimension: "B".into() }));
    }

    #[test]
    fn names_and_numbers_of_dimensions_are_checked_when_they_are_chosen() {
        assert_eq!(Series::none().by([("a", "_aws")]), Err(DatumError::Taken { name: "_aws".into() }));
        assert_eq!(Series::none().by([("a", ":")]), Err(DatumError::Name { name: ":".into() }));
        let names: Vec<String> = (0..31).map(|i| format!("D{i}")).collect();
        assert!(Series::none().by(names[..30].iter().map(|name| ("a", name.as_str()))).is_ok());
        assert!(Series::none().by(names.iter().map(|name| ("a", name.as_str()))).is_err());
    }

    #[test]
    fn what_lacks_an_attribute_is_not_in_that_series() {
        let mapping = Mapping::new(Series::none().plain().by([("a", "A")]).unwrap().by([("b", "B")]).unwrap());
        let (dimensions, sets) = mapping.series("M", |key| (key == "b").then(|| "x".to_owned())).unwrap();
        assert_eq!(dimensions, [Dimension::new("B", "x").unwrap()]);
        assert_eq!(sets, [vec![], vec!["B".to_owned()]]);
    }
}
