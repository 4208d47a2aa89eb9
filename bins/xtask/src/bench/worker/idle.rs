//! What one costs that has nothing to do: its queue is empty, and long polls wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::place::Place;
use super::subject::{Crew, Subject, Who};

/// Whatever a start does is done by then.
const SETTLED: Duration = Duration::from_secs(3);

/// All of them at the same time, for so long: percent of one core each.
pub(super) fn run(place: &Place<'_>, subjects: &[Subject], time: Duration) -> Result<Vec<(Who, f64)>> {
    let tasks = place.tasks.anew()?;
    let mut crews = Vec::new();
    for subject in subjects {
        let (queue, polls) = (place.queue()?, place.polls()?);
        let mut crew = Crew::start(subject, 1, &tasks, place.stand_in, &queue)?;
        place.until_polled(&mut crew, polls)?;
        // The queue is to be there for as long as the crew is.
        crews.push((subject.who, crew, queue));
    }
    thread::sleep(SETTLED);
    let begun = Instant::now();
    let before = crews.iter().map(|(_, crew, _)| crew.cpu()).collect::<Result<Vec<_>>>()?;
    thread::sleep(time);
    let took = begun.elapsed().as_secs_f64();
    let mut shares = Vec::new();
    for ((who, crew, _), before) in crews.iter_mut().zip(before) {
        crew.insist_on_life()?;
        shares.push((*who, (crew.cpu()? - before).as_secs_f64() * 100.0 / took));
    }
    drop(crews);
    tasks.remove()?;
    Ok(shares)
}
