//! OpenTelemetry metrics as classic CloudWatch metrics: what `GetMetricData`, dashboards and alarms see.
//!
//! [`map`] turns a collection of the SDK into [`Datum`]s. [`put`] cuts these into calls of `PutMetricData`, [`emf`] writes
//! them as lines in the embedded metric format, and [`EmfExporter`] does so as an exporter of the SDK:
//!
//! ```
//! use opentelemetry::{KeyValue, metrics::MeterProvider as _};
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//! use taskwatch_otel_cloudwatch::{EmfExporter, Mapping, Series, emf::Emf};
//!
//! let mapping = Mapping::new(Series::none().plain().by([("source", "Source")])?);
//! let exporter = EmfExporter::new(Emf::new("Shop")?, mapping, std::io::stdout());
//! let provider = SdkMeterProvider::builder().with_reader(exporter.reader()).build();
//! let orders = provider.meter("shop").u64_counter("Orders").with_unit("{order}").build();
//! orders.add(3, &[KeyValue::new("source", "web")]);
//! // In a Lambda function: at the end of each invocation, before the response goes out.
//! provider.force_flush()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! It calls no AWS API, and reads no clock, no environment and no file. It does not retry: what makes the call decides that
//! (`PutMetricData` is not idempotent, and a line that was written twice counts twice). It sends no `StatisticSet`, which
//! would lose the percentiles, and no high-resolution metrics.
//!
//! # What becomes of what
//!
//! | OpenTelemetry | CloudWatch |
//! | --- | --- |
//! | delta sum | one value, the sum; data points that differ only in other attributes are added up first |
//! | cumulative sum that goes up and down | one value, the level, added up for each series by itself |
//! | other cumulative data | refused: CloudWatch would add up the totals. The others are mapped |
//! | gauge | its last value |
//! | histogram, exponential or explicit | values and how often each occurred |
//! | `otel.metric.overflow` | counts without dimensions, and in no other series; noted in the [`Tally`] |
//! | NaN, infinite, beyond 2^360 | dropped, and counted in the [`Tally`]. The SDK's instruments swallow the first two |
//! | nothing recorded | nothing |
//!
//! A counter's `SampleCount` is the number of collections, not of things: use `Sum`.
//!
//! # How exact it is
//!
//! Of a histogram, the number of measurements is exact, and so are the smallest and the largest one, if the SDK recorded
//! them. The **sum** is the SDK's own but for rounding (1e-9 of the sum of magnitudes; 1e-12 is usual). A
//! **percentile** is a value from the same bucket as the measurement of that rank:
//!
//! - Exponential buckets reach from `a` to `ab`, `b = 2^(2^-scale)`. The representative `2ab/(a+b)` of a bucket's edges is
//!   at most (b-1)/(b+1) off. To make the sum right, all representatives are then shifted by the same part of the way to
//!   an edge; so in the worst case, which takes measurements that crowd at one edge in one bucket and at the other in
//!   the next, a percentile is b-1 off: twice as much. Over 20 octaves b-1 is 9.1 % at a `max_size` of 160, 4.4 % at
//!   320 and 2.2 % at 640. Usually the shift is small, and an improvement as often as not: `cargo run --example accuracy`.
//! - Explicit buckets: anything between the edges, which the smallest and largest measurement narrow.
//! - Up to three measurements, and up to [`REMEMBERED`] that were also given to [`Exact`], are sent as they are.
//!
//! Counts and whole numbers above 2^53 are rounded. All that was recorded since the last collection bears the time of this
//! one: what happened shortly before the end of a minute may count in the next.
//!
//! # Limits
//!
//! | limit | where AWS says so |
//! | --- | --- |
//! | 1,000 datums, 150 values a datum, 1 MB a call; values from -2^360 to 2^360; no NaN or infinity | API reference: `PutMetricData`, `MetricDatum` |
//! | 30 dimensions; names of 1 to 255 characters, values of 1 to 1,024, ASCII, no colon first | API reference: `Dimension`; CloudWatch service quotas |
//! | 100 metrics a directive, 100 values an array, 30 dimensions | Specification: Embedded metric format |
//! | 1 MB a line | CloudWatch Logs quotas |
//! | from 2 weeks ago to 2 hours ahead: not checked here | API reference: `MetricDatum` |
//!
//! Whatever exceeds one of them is split, and loses nothing; names that cannot be sent are refused, dimension values are
//! made fit. How many series there are is bounded by the SDK's cardinality limit (2,000 an instrument, unless a view says
//! otherwise), and by which attributes the [`Mapping`] names.

mod datum;
pub mod emf;
mod exact;
mod export;
pub mod histogram;
mod mapper;
mod mapping;
mod points;
pub mod put;
mod unit;
mod values;

pub use datum::{Datum, DatumError, Dimension, DimensionSet, MAX_DIMENSION_VALUE, MAX_DIMENSIONS, MAX_NAME};
pub use exact::{Exact, REMEMBERED, Remembered};
pub use export::{EmfExporter, Exported};
pub use mapper::{MapError, Mapped, Tally, map, map_exact};
pub use mapping::{Mapping, Series};
pub use unit::Unit;
pub use values::{LARGEST, SMALLEST, Values, Weighted};
