//! Letters by way of a queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::Status;
use taskwatch_replay::Edit;
use taskwatch_replay::journal::{Journal, Outcome, State};
use taskwatch_replay::run::{Destinations, Fate, Plan, QueueRunError, Rules, Sending};
use taskwatch_sqs_message::{CallError, Outgoing, SendingQueue};

use crate::bench::{Bench, DROPPED, How, KEPT, entries, states};
use crate::letters::{FIFO, STANDARD, about, from, grouped, saying};
use crate::store::{Fault, Faulty};
use crate::work::Heard;

const SENDING: (State, Option<Outcome>) = (State::Sending, None);
const SENT: (State, Option<Outcome>) = (State::Sent, None);

/// What a queue answers.
#[derive(Clone, Copy)]
enum Mood {
    Unavailable,
    NotSent,
    Refused,
}

#[derive(Default)]
struct Queue {
    got: Mutex<Vec<(String, Outgoing)>>,
    /// To the first of those that come; it takes all others.
    moods: Mutex<VecDeque<Mood>>,
}

impl Queue {
    fn in_the_mood(mood: Mood) -> Self {
        Self { moods: Mutex::new([mood].into()), ..Self::default() }
    }

    /// Deduplication id and body of each, also of those that it has not answered for.
    fn bodies(&self) -> Vec<(String, String)> {
        let got = self.got.lock().unwrap();
        got.iter().map(|(_, one)| (one.deduplication_id.clone(), one.original.body.clone())).collect()
    }
}

#[async_trait]
impl SendingQueue for Queue {
    async fn send(&self, queue: &str, messages: &[Outgoing], _within: Duration) -> Vec<Result<(), CallError>> {
        let answer = |one: &Outgoing| {
            let (queue, why) = (queue.to_owned(), "no".to_owned());
            let mood = self.moods.lock().unwrap().pop_front();
            if !matches!(mood, Some(Mood::NotSent | Mood::Refused)) {
                self.got.lock().unwrap().push((queue.clone(), one.clone()));
            }
            match mood {
                None => Ok(()),
                Some(Mood::Unavailable) => Err(CallError::Unavailable { queue, why }),
                Some(Mood::NotSent) => Err(CallError::NotSent { queue, why }),
                Some(Mood::Refused) => Err(CallError::Refused { queue, why }),
            }
        };
        messages.iter().map(answer).collect()
    }
}

struct Sent {
    fates: BTreeMap<i64, Fate>,
    result: Result<(), QueueRunError>,
    heard: Heard,
}

impl Sent {
    fn names(&self) -> Vec<&'static str> {
        self.fates.values().map(Fate::name).collect()
    }
}

async fn send(bench: &Bench, journal: &Journal, queue: &Queue, destinations: &Destinations, how: How) -> Sent {
    let heard = Heard::default();
    let rules = Rules { to_queue: true, ..how.rules.clone() };
    let plan = Plan::new(journal, &how.filter, how.edit.as_ref(), &rules, how.limit);
    let records: &Faulty = &bench.store;
    let sending = Sending {
        journal,
        engine: &bench.engine,
        records,
        sender: queue,
        destinations,
        why: how.why.clone(),
        pace: how.pace(),
        listener: &heard,
    };
    let sent = tokio::time::timeout(Duration::from_secs(60), sending.run(plan, &how.stop)).await;
    let result = sent.expect("the run ends");
    Sent { fates: heard.fates(), result, heard }
}

fn to_tasks() -> Destinations {
    Destinations { fixed: Some(STANDARD.to_owned()), sources: Vec::new() }
}

#[tokio::test]
async fn letters_go_where_they_came_from_and_their_tasks_are_put_back() {
    let bench = Bench::new();
    let (failed, done, fresh, odd, far) =
        (bench.failed().await, bench.task().await, bench.task().await, bench.task().await, bench.task().await);
    bench.deliver(done).await;
    let letters = [
        from(grouped(failed, "g"), FIFO),
        about(done),
        from(about(fresh), STANDARD),
        about(odd),
        from(about(far), "arn:aws:sqs:eu-west-1:000000000000:gone"),
        from(about(failed), FIFO),
        saying("nothing"),
    ];
    let journal = bench.journal(&letters).await;
    // Named otherwise, and the same.
    let fifo = "https://sqs.eu-west-1.amazonaws.com/000000000000/tasks.fifo".to_owned();
    let destinations = Destinations { fixed: None, sources: vec![fifo.clone(), STANDARD.to_owned()] };
    let queue = Queue::default();
    let sent = send(&bench, &journal, &queue, &destinations, How::default()).await;
    sent.result.as_ref().unwrap();
    assert_eq!(sent.names(), ["sent", "dropped", "sent", "left", "left", "dropped", "left"], "{:?}", sent.fates);
    assert_eq!(states(&journal).await, [SENT, DROPPED, SENT, KEPT, KEPT, DROPPED, KEPT]);
    let got = queue.got.lock().unwrap().clone();
    let heads: Vec<_> = got.iter().map(|(queue, one)| (queue.as_str(), one.original.group.as_deref())).collect();
    assert_eq!(heads, [(fifo.as_str(), Some("g")), (STANDARD, None)]);
    assert_eq!(got[0].1.original.body, format!(r#"{{"task_id":{failed}}}"#));
    assert_ne!(got[0].1.deduplication_id, got[1].1.deduplication_id);
    assert_eq!(bench.status(failed).await, Some(Status::Pending));
    assert_eq!(bench.replays(failed).await, [format!("tests: because [{}/1.0]", journal.id())]);
    assert_eq!((bench.replays(fresh).await.len(), bench.script.ran().len()), (0, 0));
    bench.assert_balanced();
}

#[tokio::test]
async fn what_may_have_arrived_is_sent_there_once_more_as_it_was() {
    let bench = Bench::new();
    let (task, other) = (bench.failed().await, bench.failed().await);
    let journal = bench.journal(&[about(task)]).await;
    let queue = Queue::in_the_mood(Mood::Unavailable);
    let edit = Some(Edit::parse(r#"{"priority": 1}"#).unwrap());
    let sent = send(&bench, &journal, &queue, &to_tasks(), How { edit, ..How::default() }).await;
    assert!(matches!(sent.result, Err(QueueRunError::Queue { .. })), "{:?}", sent.result);
    assert_eq!((sent.names(), states(&journal).await), (vec!["later"], vec![SENDING]));
    // An engine leaves it alone, and so does another destination or another edit.
    assert_eq!(bench.run(&journal, How::default()).await.names(), [(1, "left")]);
    let elsewhere = Destinations { fixed: Some(FIFO.to_owned()), sources: Vec::new() };
    let edit = Some(Edit::parse(&format!(r#"{{"task_id": {other}}}"#)).unwrap());
    let sent = send(&bench, &journal, &queue, &elsewhere, How { edit, ..How::default() }).await;
    sent.result.as_ref().unwrap();
    assert_eq!(sent.fates[&1], Fate::Sent(STANDARD.to_owned()));
    let bodies = queue.bodies();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
    assert!(bodies[0].1.contains("priority"), "{bodies:?}");
    assert_eq!((states(&journal).await, bench.replays(task).await.len()), (vec![SENT], 1));
    assert_eq!(bench.replays(other).await.len(), 0);
}

/// It has arrived, and a worker was faster.
#[tokio::test]
async fn what_has_come_about_meanwhile_is_not_sent_again() {
    let bench = Bench::new();
    let task = bench.failed().await;
    let journal = bench.journal(&[about(task)]).await;
    let queue = Queue::in_the_mood(Mood::Unavailable);
    send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
    bench.deliver(task).await;
    let sent = send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
    assert_eq!((sent.names(), states(&journal).await), (vec!["completed"], vec![SENT]));
    assert_eq!(queue.bodies().len(), 1);
}

#[tokio::test]
async fn what_certainly_was_not_sent_is_free_again() {
    for (mood, ends, second) in [(Mood::NotSent, false, SENT), (Mood::Refused, true, SENT)] {
        let bench = Bench::new();
        let tasks = [bench.failed().await, bench.task().await];
        let journal = bench.journal(&tasks.map(about)).await;
        let queue = Queue::in_the_mood(mood);
        let sent = send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
        assert_eq!(sent.result.is_ok(), ends, "{:?}", sent.result);
        assert_eq!((sent.names(), states(&journal).await), (vec!["later", "sent"], vec![KEPT, second]));
        assert!(entries(&journal).await[0].destination.is_none());
        let sent = send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
        sent.result.as_ref().unwrap();
        assert_eq!((states(&journal).await, bench.replays(tasks[0]).await.len()), (vec![SENT, SENT], 1));
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_and_nothing_is_sent_without_it() {
    // The look fails, and ends the run; the putting back is tried again.
    for (calls, is_sent) in [(0..1, false), (1..4, true), (1..usize::MAX, false)] {
        let bench = Bench::slow();
        let task = bench.failed().await;
        let journal = bench.journal(&[about(task)]).await;
        bench.store.fail(calls.clone(), Fault::Away);
        let queue = Queue::default();
        let sent = send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
        assert_eq!((sent.result.is_ok(), queue.bodies().len()), (is_sent, usize::from(is_sent)), "{calls:?}");
        assert_eq!(sent.heard.troubles.lock().unwrap().len(), usize::from(calls.start == 1), "{calls:?}");
        bench.store.fail(0..0, Fault::Away);
        let sent = send(&bench, &journal, &queue, &to_tasks(), How::default()).await;
        sent.result.as_ref().unwrap();
        assert_eq!((states(&journal).await, queue.bodies().len()), (vec![SENT], 1), "{calls:?}");
        assert_eq!(bench.replays(task).await.len(), 1);
    }
}

#[tokio::test]
async fn a_limit_holds_and_whoever_waits_for_the_rate_hears_of_a_stop() {
    let bench = Bench::draining();
    let letters: Vec<_> = bench.tasks(4).await.into_iter().map(about).collect();
    let journal = bench.journal(&letters).await;
    let queue = Queue::default();
    let sent = send(&bench, &journal, &queue, &to_tasks(), How { limit: Some(1), ..How::default() }).await;
    assert_eq!(sent.names(), ["sent"]);
    let clock = bench.clock;
    let stop = Stop::when(async move { taskwatch_core::ports::Clock::sleep(&clock, Duration::from_secs(1)).await });
    let how = How { pace: Some("1/h"), stop, ..How::default() };
    let sent = tokio::time::timeout(Duration::from_secs(20), send(&bench, &journal, &queue, &to_tasks(), how)).await;
    let sent = sent.expect("it hears of the stop");
    assert_eq!(sent.names(), ["sent"]);
    assert_eq!(states(&journal).await, [SENT, SENT, KEPT, KEPT]);
}
