//! An exporter of the SDK that writes lines in the embedded metric format, to standard output as a rule.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};

use crate::emf::Emf;
use crate::exact::Exact;
use crate::mapper::{MapError, Tally, map_exact};
use crate::mapping::Mapping;

/// Why a collection was not written, or not all of it. Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("write metrics: {0}; what was not written is lost, since writing it again could count it twice")]
    Write(#[from] std::io::Error),
    #[error("{first} ({more} more refused; all other metrics were written)")]
    Refused { first: MapError, more: usize },
}

/// What an exporter did since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// Lines written.
    pub lines: u64,
    /// Bytes written, with line ends.
    pub bytes: u64,
    /// Lines that could not be written.
    pub lost_lines: u64,
    /// Metrics refused, once for each collection.
    pub refused: u64,
    /// What the mapping left out.
    pub tally: Tally,
}

/// Writes each collection in one piece, all its lines at once, so that they do not mix with what else is written there.
///
/// [`EmfExporter::reader`] gives the reader for it; `SdkMeterProvider::force_flush` is then the one call that collects,
/// writes, and comes back when that is done. It does no network call, needs no runtime, and never retries. Clones write to
/// the same place and share their figures.
pub struct EmfExporter<W>(Arc<Inner<W>>);

struct Inner<W> {
    emf: Emf,
    mapping: Mapping,
    exact: Exact,
    out: Mutex<(W, Exported)>,
    over: AtomicBool,
}

impl<W> Clone for EmfExporter<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for EmfExporter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmfExporter")
            .field("emf", &self.0.emf)
            .field("mapping", &self.0.mapping)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send + 'static> EmfExporter<W> {
    /// An exporter to `out`.
    pub fn new(emf: Emf, mapping: Mapping, out: W) -> Self {
        let (exact, out) = (Exact::default(), Mutex::new((out, Exported::default())));
        Self(Arc::new(Inner { emf, mapping, exact, out, over: AtomicBool::new(false) }))
    }

    /// Where to remember measurements that are to be written as they are; using it is optional.
    #[must_use]
    pub fn exact(&self) -> Exact {
        self.0.exact.clone()
    }

    /// What was done so far.
    #[must_use]
    pub fn exported(&self) -> Exported {
        self.0.out().1
    }

    /// A reader that exports when it is flushed or shut down, and else once a day.
    #[must_use]
    pub fn reader(&self) -> PeriodicReader<Self> {
        PeriodicReader::builder(self.clone()).with_interval(Duration::from_secs(86_400)).build()
    }
}

impl<W: Write> Inner<W> {
    fn out(&self) -> MutexGuard<'_, (W, Exported)> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, metrics: &ResourceMetrics) -> Result<(), ExportError> {
        let mapped = map_exact(metrics, &self.mapping, &self.exact.take());
        let lines = self.emf.lines(&mapped.datums);
        let count = lines.len() as u64;
        let mut text = lines.join("\n");
        let mut out = self.out();
        let (out, exported) = &mut *out;
        exported.tally.add(mapped.tally);
        exported.refused += mapped.refused.len() as u64;
        if count > 0 {
            text.push('\n');
            if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                exported.lost_lines += count;
                return Err(error.into());
            }
            exported.lines += count;
            exported.bytes += text.len() as u64;
        }
        let mut refused = mapped.refused.into_iter();
        match refused.next() {
            Some(first) => Err(ExportError::Refused { first, more: refused.len() }),
            None => Ok(()),
        }
    }
}

impl<W: Write + Send + 'static> PushMetricExporter for EmfExporter<W> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        if self.0.over.load(Ordering::Acquire) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        self.0.write(metrics).map_err(|error| OTelSdkError::InternalFailure(format!("failed to {error}")))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.0.over.store(true, Ordering::Release);
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }
}
