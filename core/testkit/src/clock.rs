//! Time that only moves when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;

/// A clock that stands still until it is [advanced](Self::advance), or that [`run`](Self::run) moves on whenever
/// nothing else can. Clones show the same time.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Face>>);

struct Face {
    now: Timestamp,
    /// Who sleeps, by the end of the sleep and then in the order of lying down.
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    lain_down: u64,
}

impl VirtualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Face { now, sleepers: BTreeMap::new(), lain_down: 0 })))
    }

    /// Moves on, and wakes everyone whose sleep is over.
    pub fn advance(&self, by: Duration) {
        let until = self.face().now + by;
        self.move_to(until);
    }

    /// When the next sleeper has to be woken; `None` if nobody sleeps.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.face().sleepers.keys().next().map(|&(end, _)| end)
    }

    /// Drives `future` to its end on this thread, and moves on to the next sleeper whenever nothing else can happen.
    ///
    /// # Panics
    /// If the future waits and nobody sleeps: nothing could ever wake it.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let alarm = Arc::new(Alarm(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        loop {
            while alarm.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return output;
                }
            }
            let next = self.next_wake();
            self.move_to(next.expect("the future waits for something that is not the clock, and nothing else moves"));
        }
    }

    /// Never moves back.
    fn move_to(&self, until: Timestamp) {
        let woken: Vec<Waker> = {
            let mut face = self.face();
            let now = face.now.max(until);
            face.now = now;
            let later = face.sleepers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut face.sleepers, later).into_values().collect()
        };
        // A waker may ask for the time.
        woken.into_iter().for_each(Waker::wake);
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    /// Stands at the epoch.
    fn default() -> Self {
        Self::new(Timestamp::EPOCH)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let face = self.face();
        f.debug_struct("VirtualClock").field("now", &face.now).field("sleepers", &face.sleepers.len()).finish()
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.face().now
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.now() + duration;
        Sleep { clock: self, end, place: None }.await;
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    end: Timestamp,
    place: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut face = self.clock.face();
        if face.now >= self.end {
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            face.lain_down += 1;
            face.lain_down
        });
        face.sleepers.insert((self.end, place), context.waker().clone());
        drop(face);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.face().sleepers.remove(&(self.end, place));
        }
    }
}

/// Remembers that somebody wants to be polled.
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::{join, join_all, select};

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = VirtualClock::default();
        let mut sleep = clock.sleep(seconds(10));
        assert_eq!((&mut sleep).now_or_never(), None);
        clock.advance(seconds(9));
        assert_eq!((&mut sleep).now_or_never(), None);
        clock.advance(seconds(1));
        assert_eq!((&mut sleep).now_or_never(), Some(()));
        assert_eq!(clock.now(), Timestamp::EPOCH + seconds(10));
        assert_eq!(clock.next_wake(), None);
    }

    #[test]
    fn a_run_passes_through_every_sleep_in_order_and_takes_no_time() {
        let clock = VirtualClock::default();
        let order = Mutex::new(Vec::new());
        let nap = |length| {
            let (clock, order) = (&clock, &order);
            async move {
                clock.sleep(seconds(length)).await;
                order.lock().unwrap().push((length, clock.now().since(Timestamp::EPOCH)));
            }
        };
        clock.run(join(join_all([3, 1, 2].map(nap)), async {
            nap(2).await;
            clock.sleep(seconds(86_400)).await;
        }));
        let order = order.into_inner().unwrap();
        assert_eq!(order, [1, 2, 2, 3].map(|length| (length, seconds(length))));
        assert_eq!(clock.now(), Timestamp::EPOCH + seconds(86_402));
    }

    #[test]
    fn a_dropped_sleep_holds_nothing_up() {
        let clock = VirtualClock::default();
        clock.run(async {
            select(clock.sleep(seconds(1)), clock.sleep(seconds(100))).await;
        });
        assert_eq!((clock.now(), clock.next_wake()), (Timestamp::EPOCH + seconds(1), None));
    }

    #[test]
    fn whoever_gives_way_is_polled_again_before_time_moves() {
        let clock = VirtualClock::default();
        clock.run(select(Box::pin(crate::turn::give_way()), clock.sleep(seconds(5))));
        assert_eq!(clock.now(), Timestamp::EPOCH);
    }

    #[test]
    #[should_panic(expected = "nothing else moves")]
    fn a_deadlock_is_told() {
        VirtualClock::default().run(std::future::pending::<()>());
    }
}
