//! Points in time as RFC 3339 texts.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use taskwatch_core::time::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time that reads and writes as RFC 3339, to the microsecond; written in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// Microseconds of the first and last instants that RFC 3339 can write.
const FIRST: i64 = -62_167_219_200_000_000;
const LAST: i64 = 253_402_300_799_999_999;

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a time such as 2026-12-01T02:00:00Z or 2026-12-01T03:00:00.5+01:00";
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| format!("{expected}: {error}"))?;
        let micros = i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).map_err(|_| expected.to_owned())?;
        Ok(Self(Timestamp::from_micros(micros)))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Moment {
    /// What lies before the year 0 or after the year 9999 is written as the nearest instant that can be.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let micros = self.0.as_micros().clamp(FIRST, LAST);
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).map_err(S::Error::custom)?;
        serializer.serialize_str(&time.format(&Rfc3339).map_err(S::Error::custom)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_offset_and_writes_utc() {
        let cases = [
            ("1970-01-01T00:00:01Z", 1_000_000, "1970-01-01T00:00:01Z"),
            ("1970-01-01t01:00:01.0000019+01:00", 1_000_001, "1970-01-01T00:00:01.000001Z"),
            ("1969-12-31T23:59:59.9999999Z", -1, "1969-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.999999Z", LAST, "9999-12-31T23:59:59.999999Z"),
            ("0000-01-01T00:00:00Z", FIRST, "0000-01-01T00:00:00Z"),
        ];
        for (text, micros, written) in cases {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.0.as_micros(), micros, "{text}");
            assert_eq!(serde_json::to_value(moment).unwrap(), written);
        }
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in ["", "tomorrow", "2026-12-01", "2026-12-01T02:00:00", "2026-13-01T02:00:00Z", "1764554400"] {
            assert!(text.parse::<Moment>().unwrap_err().starts_with("expected a time"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_brought_near() {
        for (micros, written) in [(i64::MAX, "9999-12-31T23:59:59.999999Z"), (i64::MIN, "0000-01-01T00:00:00Z")] {
            assert_eq!(serde_json::to_value(Moment(Timestamp::from_micros(micros))).unwrap(), written);
        }
    }
}
