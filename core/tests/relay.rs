//! The relay: nothing is lost between a store and a broker that may be down.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::{Announcement, Announcer, Outbox, Relay, Swept};
use taskwatch_core::ports::{Clock as _, Inserted, Store as _, StoreError};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::{CountingObserver, MemoryStore, VirtualClock};

const HIDDEN: Duration = Duration::from_secs(60);

/// What the broker does with one batch.
enum Does {
    /// Publishes all of it.
    Takes,
    /// Is down.
    IsDown,
    /// Publishes all but the tasks with these titles.
    Refuses(&'static [&'static str]),
    /// Takes for ever.
    Hangs,
    /// Publishes all, and speaks of so many only.
    Answers(usize),
}

/// Does what it was told to, batch by batch, and takes everything after that.
#[derive(Default)]
struct Broker {
    script: Mutex<VecDeque<Does>>,
    published: Mutex<Vec<TaskId>>,
    batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Announcer for Broker {
    async fn announce(&self, announcements: &[Announcement]) -> Vec<Result<(), String>> {
        self.batches.lock().unwrap().push(announcements.len());
        let does = self.script.lock().unwrap().pop_front().unwrap_or(Does::Takes);
        if matches!(does, Does::Hangs) {
            std::future::pending::<()>().await;
        }
        let mut answers: Vec<Result<(), String>> = announcements
            .iter()
            .map(|one| match &does {
                Does::IsDown => Err("the broker is down".to_owned()),
                Does::Refuses(titles) if titles.contains(&one.task.title.as_str()) => {
                    Err(format!("{} is too big", one.task.title))
                }
                _ => {
                    self.published.lock().unwrap().push(one.task.id);
                    Ok(())
                }
            })
            .collect();
        if let Does::Answers(count) = does {
            answers.resize(count, Ok(()));
        }
        answers
    }
}

struct Scene {
    store: MemoryStore,
    clock: VirtualClock,
    broker: Arc<Broker>,
    told: Arc<CountingObserver>,
    relay: Relay,
}

impl Scene {
    fn new(script: impl IntoIterator<Item = Does>) -> Self {
        let store = MemoryStore::new().announcing();
        Self::with(store.clone(), Arc::new(store), script)
    }

    fn with(store: MemoryStore, outbox: Arc<dyn Outbox>, script: impl IntoIterator<Item = Does>) -> Self {
        let clock = VirtualClock::new(Timestamp::from_micros(1_800_000_000_000_000));
        let broker = Arc::new(Broker { script: Mutex::new(script.into_iter().collect()), ..Broker::default() });
        let relay = Relay::new(outbox, Arc::clone(&broker) as _, Arc::new(clock.clone()), HIDDEN);
        let told = Arc::new(CountingObserver::new());
        let relay = relay.telling(told.clone());
        Self { store, clock, broker, told, relay }
    }

    /// Tasks titled «0», «1», ...
    fn add(&self, count: usize) -> Vec<TaskId> {
        let tasks: Vec<NewTask> = (0..count).map(|n| NewTask::titled(n.to_string())).collect();
        let origin = Origin::new(Source::Local, "test");
        let inserted = self.clock.run(self.store.insert(&tasks, &origin, self.clock.now())).unwrap();
        inserted.iter().map(Inserted::task).collect()
    }

    fn sweep(&self) -> Swept {
        self.clock.run(self.relay.sweep()).unwrap()
    }

    /// What has been published since the last call.
    fn published(&self) -> Vec<TaskId> {
        std::mem::take(&mut self.broker.published.lock().unwrap())
    }
}

fn swept(published: usize) -> Swept {
    Swept { published, failed: 0, why: None }
}

#[test]
fn all_that_is_due_is_published_batch_by_batch_and_once() {
    let scene = Scene::new([]);
    let tasks = scene.add(250);
    assert_eq!(scene.sweep(), swept(250));
    assert_eq!(scene.published(), tasks);
    assert_eq!(*scene.broker.batches.lock().unwrap(), [100, 100, 50]);
    scene.clock.advance(HIDDEN * 2);
    assert_eq!(scene.sweep(), swept(0));
    assert_eq!(scene.broker.batches.lock().unwrap().len(), 3, "the broker is not asked about nothing");
}

#[test]
fn a_broker_that_is_down_delays_and_loses_nothing() {
    let scene = Scene::new([Does::IsDown, Does::IsDown]);
    let tasks = scene.add(250);
    let down = Swept { published: 0, failed: 100, why: Some("the broker is down".to_owned()) };
    assert_eq!(scene.sweep(), down, "the first batch fails, and the others are not tried");
    assert_eq!(scene.sweep(), down, "the next batch has not been tried before");
    assert_eq!(scene.sweep(), swept(50), "what failed is hidden for a while");
    assert_eq!(scene.published(), tasks[200..]);
    scene.clock.advance(HIDDEN - Duration::from_micros(1));
    assert_eq!(scene.sweep(), swept(0));
    scene.clock.advance(Duration::from_micros(1));
    assert_eq!(scene.sweep(), swept(200), "and then it comes again");
    assert_eq!(scene.published(), tasks[..200]);
}

#[test]
fn what_the_broker_refuses_comes_again_alone() {
    let scene = Scene::new([Does::Refuses(&["1", "3"]), Does::Refuses(&["3"])]);
    let tasks = scene.add(5);
    let why = Some("1 is too big".to_owned());
    assert_eq!(scene.sweep(), Swept { published: 3, failed: 2, why }, "the reason is the first one's");
    assert_eq!(scene.published(), [tasks[0], tasks[2], tasks[4]]);
    scene.clock.advance(HIDDEN);
    assert_eq!(scene.sweep(), Swept { published: 1, failed: 1, why: Some("3 is too big".to_owned()) });
    scene.clock.advance(HIDDEN);
    assert_eq!(scene.sweep(), swept(1));
    assert_eq!(scene.published(), [tasks[1], tasks[3]]);
}

#[test]
fn what_the_broker_does_not_speak_of_counts_as_failed() {
    let scene = Scene::new([Does::Answers(2), Does::Answers(0), Does::Answers(9)]);
    let tasks = scene.add(3);
    let silent = Some("the announcer did not say".to_owned());
    assert_eq!(scene.sweep(), Swept { published: 2, failed: 1, why: silent.clone() });
    scene.clock.advance(HIDDEN);
    assert_eq!(scene.sweep(), Swept { published: 0, failed: 1, why: silent });
    scene.clock.advance(HIDDEN);
    assert_eq!(scene.sweep(), swept(1), "more answers than questions do no harm");
    assert_eq!(scene.published(), [tasks[0], tasks[1], tasks[2], tasks[2], tasks[2]], "twice rather than never");
}

#[test]
fn nothing_is_published_before_it_is_due() {
    let scene = Scene::new([]);
    let later = scene.clock.now() + Duration::from_secs(10);
    let task = [NewTask { not_before: Some(later), ..NewTask::titled("later") }];
    scene.clock.run(scene.store.insert(&task, &Origin::new(Source::Local, "test"), scene.clock.now())).unwrap();
    assert_eq!(scene.sweep(), swept(0));
    scene.clock.advance(Duration::from_secs(10));
    assert_eq!(scene.sweep(), swept(1));
}

#[test]
fn two_relays_publish_each_announcement_once() {
    let scene = Scene::new([]);
    let other = Relay::new(
        Arc::new(scene.store.clone()),
        Arc::clone(&scene.broker) as _,
        Arc::new(scene.clock.clone()),
        HIDDEN,
    );
    let tasks = scene.add(450);
    let (one, two) = scene.clock.run(async { futures_util::join!(scene.relay.sweep(), other.sweep()) });
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.published + two.published, 450);
    assert!(one.published > 0 && two.published > 0, "{one:?} {two:?}");
    let mut published = scene.published();
    published.sort_unstable();
    assert_eq!(published, tasks);
}

/// An outbox that takes no note of the first publication.
struct Forgetful(MemoryStore, Mutex<bool>);

#[async_trait]
impl Outbox for Forgetful {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        self.0.take(limit, now, again).await
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        if std::mem::replace(&mut self.1.lock().unwrap(), true) {
            return self.0.published(numbers).await;
        }
        Err(StoreError::Unavailable("gone".to_owned()))
    }
}

#[test]
fn what_was_published_and_could_not_be_struck_off_comes_again() {
    let store = MemoryStore::new().announcing();
    let scene = Scene::with(store.clone(), Arc::new(Forgetful(store, Mutex::new(false))), []);
    let tasks = scene.add(1);
    let failed = scene.clock.run(scene.relay.sweep());
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    scene.clock.advance(HIDDEN);
    assert_eq!(scene.sweep(), swept(1));
    assert_eq!(scene.published(), [tasks[0], tasks[0]]);
}

#[test]
fn it_is_told_once_that_announcements_stay_behind_and_once_that_they_do_not() {
    let scene = Scene::new([Does::IsDown, Does::IsDown, Does::Takes, Does::IsDown]);
    let Scene { relay, told, .. } = &scene;
    scene.add(3);
    for (troubles, recoveries) in [(1, 0), (1, 0), (1, 1), (1, 1)] {
        scene.clock.run(relay.sweep()).unwrap();
        // Until it comes again there is nothing to announce, which is no recovery.
        assert_eq!(scene.sweep(), swept(0));
        scene.clock.advance(HIDDEN);
        assert_eq!((told.troubles().len(), told.recoveries().len()), (troubles, recoveries));
    }
    assert!(told.troubles()[0].contains("the broker is down"), "{:?}", told.troubles());
    scene.add(1);
    scene.clock.run(relay.sweep()).unwrap();
    assert_eq!(told.troubles().len(), 2, "it is another time");
}

#[test]
fn whoever_must_not_wait_does_not() {
    let scene = Scene::new([Does::Hangs]);
    let Scene { relay, told, .. } = &scene;
    let tasks = scene.add(1);
    let (begun, limit) = (scene.clock.now(), Duration::from_millis(300));
    scene.clock.run(relay.sweep_within(limit));
    assert_eq!(scene.clock.now(), begun + limit);
    assert!(told.troubles()[0].contains("it took more than 300ms"), "{:?}", told.troubles());
    scene.clock.advance(HIDDEN);
    scene.clock.run(relay.sweep_within(limit));
    assert_eq!(std::mem::take(&mut *scene.broker.published.lock().unwrap()), tasks, "it comes again");
    assert_eq!(told.recoveries().len(), 1);
}

#[test]
fn what_is_left_behind_is_swept_until_told_to_stop() {
    let scene = Scene::new([Does::IsDown]);
    let tasks = scene.add(2);
    let every = Duration::from_secs(7);
    let (begun, end) = (scene.clock.now(), Duration::from_secs(600));
    let clock = scene.clock.clone();
    let stop = Stop::when(async move { clock.sleep(end).await });
    let late = async {
        scene.clock.sleep(HIDDEN * 2).await;
        scene.store.insert(&[NewTask::titled("late")], &Origin::new(Source::Local, "test"), scene.clock.now()).await
    };
    let sweeping = async { futures_util::join!(scene.relay.keep_sweeping(every, &stop), late) };
    let ((), late) = scene.clock.run(sweeping);
    assert_eq!(scene.clock.now(), begun + end, "it ends when it is told to, and not before");
    let published = scene.published();
    assert_eq!(published[..2], tasks);
    assert_eq!(published[2..], [late.unwrap()[0].task()]);
}
