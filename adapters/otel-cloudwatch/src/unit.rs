//! CloudWatch's units, and what OpenTelemetry's (UCUM) become.

/// A unit that CloudWatch knows (API reference, `MetricDatum`), of those that a metric of OpenTelemetry can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are CloudWatch's own")]
pub enum Unit {
    Seconds,
    Microseconds,
    Milliseconds,
    Bytes,
    Kilobytes,
    Megabytes,
    Gigabytes,
    Terabytes,
    Bits,
    Kilobits,
    Megabits,
    Gigabits,
    Terabits,
    Percent,
    Count,
    BytesPerSecond,
    BitsPerSecond,
    CountPerSecond,
    None,
}

impl Unit {
    /// The name in CloudWatch.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Microseconds => "Microseconds",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::Kilobytes => "Kilobytes",
            Self::Megabytes => "Megabytes",
            Self::Gigabytes => "Gigabytes",
            Self::Terabytes => "Terabytes",
            Self::Bits => "Bits",
            Self::Kilobits => "Kilobits",
            Self::Megabits => "Megabits",
            Self::Gigabits => "Gigabits",
            Self::Terabits => "Terabits",
            Self::Percent => "Percent",
            Self::Count => "Count",
            Self::BytesPerSecond => "Bytes/Second",
            Self::BitsPerSecond => "Bits/Second",
            Self::CountPerSecond => "Count/Second",
            Self::None => "None",
        }
    }

    /// What an instrument's unit becomes, and what its values are multiplied by to be in it. An annotation (`{task}`)
    /// counts things; `1` is a ratio and has no unit; so has what CloudWatch has no name for.
    #[must_use]
    pub fn from_ucum(ucum: &str) -> (Self, f64) {
        let unit = match ucum {
            "s" | "Seconds" => Self::Seconds,
            "ms" | "Milliseconds" => Self::Milliseconds,
            "us" | "Microseconds" => Self::Microseconds,
            "ns" => return (Self::Microseconds, 1e-3),
            "min" => return (Self::Seconds, 60.0),
            "h" => return (Self::Seconds, 3_600.0),
            "d" => return (Self::Seconds, 86_400.0),
            "By" | "Bytes" => Self::Bytes,
            "kBy" => Self::Kilobytes,
            "MBy" => Self::Megabytes,
            "GBy" => Self::Gigabytes,
            "TBy" => Self::Terabytes,
            "KiBy" => return (Self::Bytes, 1024.0),
            "MiBy" => return (Self::Bytes, 1024.0 * 1024.0),
            "GiBy" => return (Self::Bytes, 1024.0 * 1024.0 * 1024.0),
            "bit" => Self::Bits,
            "kbit" => Self::Kilobits,
            "Mbit" => Self::Megabits,
            "Gbit" => Self::Gigabits,
            "Tbit" => Self::Terabits,
            "%" => Self::Percent,
            "By/s" => Self::BytesPerSecond,
            "bit/s" => Self::BitsPerSecond,
            "Count" => Self::Count,
            "1/s" => Self::CountPerSecond,
            annotated if annotated.starts_with('{') && annotated.ends_with('}') => Self::Count,
            annotated if annotated.starts_with('{') && annotated.ends_with("}/s") => Self::CountPerSecond,
            _ => Self::None,
        };
        (unit, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_the_conventions_have_names() {
        assert_eq!(Unit::from_ucum("{message}"), (Unit::Count, 1.0));
        assert_eq!(Unit::from_ucum("s"), (Unit::Seconds, 1.0));
        assert_eq!(Unit::from_ucum("ns"), (Unit::Microseconds, 1e-3));
        assert_eq!(Unit::from_ucum("{message}/s"), (Unit::CountPerSecond, 1.0));
        assert_eq!(Unit::from_ucum("1"), (Unit::None, 1.0));
        assert_eq!(Unit::from_ucum("furlong"), (Unit::None, 1.0));
    }

    #[test]
    fn binary_multiples_are_converted_and_not_renamed() {
        assert_eq!(Unit::from_ucum("KiBy"), (Unit::Bytes, 1024.0));
    }
}
