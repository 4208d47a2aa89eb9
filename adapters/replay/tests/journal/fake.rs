//! A queue in memory, and a clock that moves when somebody waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_replay::journal::{By, Capture, CaptureError, Captured, Entry, EntryNumber, Journal, OpenError, Source};
use taskwatch_sqs_message::{
    CallError, DeadLetter, Hide, Outgoing, Poll, PolledQueue, QueueCalls, Received, SendingQueue, SqsRecord,
};

pub(crate) const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:dead";
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub(crate) fn by() -> By {
    By { who: "tests".to_owned(), reason: Some("because".to_owned()) }
}

pub(crate) fn of_queue() -> Source {
    Source::Queue(ARN.to_owned())
}

pub(crate) async fn journal(folder: &Path) -> Journal {
    open(&folder.join("j"), &of_queue(), NOW).await.unwrap()
}

/// Once its lock is back: whoever starts a process hands it on to that for a moment, as other tests do.
pub(crate) async fn open(path: &Path, source: &Source, now: Timestamp) -> Result<Journal, OpenError> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match Journal::open(path, source, &by(), now).await {
            Err(OpenError::InUse { .. }) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            opened => return opened,
        }
    }
}

pub(crate) async fn all(journal: &Journal) -> Vec<Entry> {
    journal.entries(None, usize::MAX).await.unwrap()
}

pub(crate) fn body(entry: &Entry) -> String {
    match &entry.content {
        taskwatch_replay::journal::Content::Message(message) => message.record.body.clone().unwrap(),
        broken => panic!("{broken:?}"),
    }
}

pub(crate) fn numbers(entries: &[Entry]) -> Vec<EntryNumber> {
    entries.iter().map(|entry| entry.number).collect()
}

pub(crate) struct Time(AtomicI64);

impl Time {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(NOW.as_micros()))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
        tokio::task::yield_now().await;
    }
}

struct Held {
    message: Received,
    visible_at: Timestamp,
    receives: u32,
}

impl Held {
    /// Of its last receive.
    fn handle(&self) -> String {
        format!("{} {}", self.message.record.message_id.as_deref().unwrap(), self.receives)
    }
}

/// One queue, standard. What is deleted or hidden with a handle of an earlier receive stays, and nobody is told.
#[derive(Default)]
pub(crate) struct Fake {
    held: Mutex<Vec<Held>>,
    sent: AtomicUsize,
    pub(crate) polls: AtomicUsize,
    /// So many deletions are not made.
    pub(crate) undeletable: AtomicUsize,
    /// So many are not hidden or shown when they are told to be.
    pub(crate) unhidable: AtomicUsize,
    /// So many receives fail after they have hidden what they would have brought.
    pub(crate) lost: AtomicUsize,
    /// So many receives are refused, and bring and hide nothing.
    pub(crate) refused: AtomicUsize,
    /// What a send answers, where it is not made (`false`) or made (`true`) all the same.
    pub(crate) trouble: Mutex<Option<(CallError, bool)>>,
}

pub(crate) struct At<'a>(pub(crate) &'a Fake, pub(crate) &'a Time);

pub(crate) fn unavailable() -> CallError {
    CallError::Unavailable { queue: ARN.to_owned(), why: "no answer".to_owned() }
}

fn one_of(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)).is_ok()
}

impl Fake {
    pub(crate) fn with(count: usize) -> Self {
        let this = Self::default();
        (0..count).for_each(|n| this.put(&format!("body {n}"), BTreeMap::new()));
        this
    }

    pub(crate) fn put(&self, body: &str, attributes: BTreeMap<String, taskwatch_sqs_message::Attribute>) {
        let id = format!("id-{}", self.sent.fetch_add(1, Ordering::SeqCst));
        let record = SqsRecord { message_id: Some(id), body: Some(body.to_owned()), ..SqsRecord::default() };
        let message = Received { record, attributes };
        self.held.lock().unwrap().push(Held { message, visible_at: Timestamp::EPOCH, receives: 0 });
    }

    pub(crate) fn len(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    /// How many can be received.
    pub(crate) fn visible(&self, time: &Time) -> usize {
        self.held.lock().unwrap().iter().filter(|held| held.visible_at <= time.now()).count()
    }
}

#[async_trait]
impl QueueCalls for At<'_> {
    async fn hide(&self, _: &str, messages: &[Hide], _: Duration) -> Vec<Result<(), CallError>> {
        let Self(fake, time) = self;
        let hide = |one: &Hide| {
            if one_of(&fake.unhidable) {
                return Err(unavailable());
            }
            let mut held = fake.held.lock().unwrap();
            for held in held.iter_mut().filter(|held| held.handle() == one.receipt_handle) {
                held.visible_at = time.now() + one.hidden_for;
            }
            Ok(())
        };
        messages.iter().map(hide).collect()
    }

    async fn send_dead(&self, _: &str, letters: &[DeadLetter], _: Duration) -> Vec<Result<(), CallError>> {
        vec![Err(unavailable()); letters.len()]
    }
}

#[async_trait]
impl PolledQueue for At<'_> {
    async fn receive(&self, _: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
        let Self(fake, time) = self;
        fake.polls.fetch_add(1, Ordering::SeqCst);
        if one_of(&fake.refused) {
            return Err(CallError::Refused { queue: ARN.to_owned(), why: "not now".to_owned() });
        }
        let mut batch = Vec::new();
        let now = time.now();
        for held in fake.held.lock().unwrap().iter_mut().filter(|held| held.visible_at <= now).take(poll.max) {
            held.visible_at = now + poll.hidden_for;
            held.receives += 1;
            let mut message = held.message.clone();
            message.record.receipt_handle = Some(held.handle());
            message.record.attributes.insert("ApproximateReceiveCount".to_owned(), held.receives.to_string());
            batch.push(message);
        }
        if batch.is_empty() {
            time.pass(poll.wait);
        }
        tokio::task::yield_now().await;
        if !batch.is_empty() && one_of(&fake.lost) { Err(unavailable()) } else { Ok(batch) }
    }

    async fn delete(&self, _: &str, handles: &[&str], _: Duration) -> Vec<Result<(), CallError>> {
        let Self(fake, _) = self;
        let delete = |handle: &&str| {
            if one_of(&fake.undeletable) {
                return Err(unavailable());
            }
            fake.held.lock().unwrap().retain(|held| held.handle() != **handle);
            Ok(())
        };
        handles.iter().map(delete).collect()
    }
}

#[async_trait]
impl SendingQueue for At<'_> {
    async fn send(&self, queue: &str, messages: &[Outgoing], _: Duration) -> Vec<Result<(), CallError>> {
        let send = |one: &Outgoing| {
            let trouble = self.0.trouble.lock().unwrap().take();
            if queue == ARN && trouble.as_ref().is_none_or(|(_, made)| *made) {
                self.0.put(&one.original.body, one.original.attributes.clone());
            }
            trouble.map_or(Ok(()), |(error, _)| Err(error))
        };
        messages.iter().map(send).collect()
    }
}

pub(crate) async fn capture(journal: &Journal, queue: &At<'_>, how: &Capture) -> Result<Captured, CaptureError> {
    journal.capture(how, queue, queue.1, &Stop::never(), &|_| {}).await
}
