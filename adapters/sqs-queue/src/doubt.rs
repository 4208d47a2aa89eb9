//! Which messages may have been sent, although nobody said so.
//!
//! The SDK makes up to three attempts at a call and tells of the last alone: «access denied» may follow an attempt whose
//! answer was lost. So each attempt is watched: it leaves a doubt when it goes out, which only its answer removes.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_sqs::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use hyper_util::client::legacy;

/// Of some messages, named by their places: how many attempts may have sent each.
#[derive(Debug, Clone)]
pub(crate) struct Doubts(Arc<[AtomicU32]>);

impl Doubts {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    /// Whether it may have been sent.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.0[place].load(Ordering::SeqCst) > 0
    }

    /// The last attempt is known to have sent it, or not to have.
    pub(crate) fn settle(&self, place: usize) {
        self.0[place].fetch_sub(1, Ordering::SeqCst);
    }

    /// Watches a call with these messages.
    pub(crate) fn watch(&self, places: &[usize]) -> Watch {
        Watch { doubts: self.clone(), places: places.to_vec() }
    }
}

/// Watches the attempts of one call.
#[derive(Debug)]
pub(crate) struct Watch {
    doubts: Doubts,
    places: Vec<usize>,
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        for &place in &self.places {
            self.doubts.0[place].fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_settled = match context.response() {
            // Refused as a whole. With 408 somebody on the way may have lost patience.
            Some(response) => response.status().is_client_error() && response.status().as_u16() != 408,
            None => {
                let error = context.output_or_error().and_then(Result::err);
                error.and_then(|error| error.as_connector_error()).is_some_and(|error| never_connected(error))
            }
        };
        if is_settled {
            self.places.iter().for_each(|&place| self.doubts.settle(place));
        }
        Ok(())
    }
}

/// Whether there was nobody to send anything to.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}
