//! Cold starts: a new process each time, until its first response.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    fixtures::Fixtures,
    quota::Group,
    results::{Cold, Measured},
    subject::{Effort, Subject},
    turns,
};

/// With a share of a core each start takes long, and what is to be seen is an order of magnitude.
const ROUNDS_WITH_LIMIT: usize = 15;

/// Starts one process of each subject in turn, again and again, so that whatever the machine does meanwhile hits all
/// alike.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    rounds: usize,
    measured: &mut [Measured],
) -> Result<()> {
    let all: Vec<&Subject> = subjects.iter().collect();
    // One round for nothing: the first start of a program reads it from disk.
    for number in 0..=rounds {
        for (place, cold, _) in round(fixtures, &all, number, None).await? {
            if number > 0 {
                measured[place].cold.push(cold);
            }
        }
    }
    Ok(())
}

/// Starts processes that have the share of a core of a function with so much memory.
pub async fn measure_limited(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    megabytes: u32,
    group: &Group,
    measured: &mut [Measured],
) -> Result<()> {
    let (light, mut measured): (Vec<&Subject>, Vec<&mut Measured>) =
        subjects.iter().zip(measured).filter(|(subject, _)| subject.effort() != Effort::Hashing).unzip();
    for number in 0..ROUNDS_WITH_LIMIT {
        for (place, _, wall) in round(fixtures, &light, number, Some(group)).await? {
            measured[place].limited.entry(megabytes).or_default().push(wall);
        }
    }
    Ok(())
}

/// One cold start of each of these subjects, with its place among them and its milliseconds from spawn to first response.
async fn round(
    fixtures: &mut Fixtures,
    subjects: &[&Subject],
    number: usize,
    group: Option<&Group>,
) -> Result<Vec<(usize, Cold, f64)>> {
    // Before the first of them starts: to make an event can take a login, and what that leaves in the processor's caches
    // would count against the one that needs it. And of these alone, because a change of a password that is never made
    // would lock its user out.
    let mut events = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let event = fixtures.event(subject).await;
        events.push(event.with_context(|| format!("no event for {}", subject.name))?);
    }
    let mut started = Vec::with_capacity(subjects.len());
    for place in turns::of_round(number, subjects.len()) {
        let (cold, wall) = start(fixtures, subjects[place], &events[place], group).await?;
        started.push((place, cold, wall));
    }
    Ok(started)
}

/// One cold start, and the milliseconds from spawn to first response. The event goes out as soon as it is asked for, as
/// it does when a request is why Lambda starts an instance.
async fn start(
    fixtures: &mut Fixtures,
    subject: &Subject,
    event: &Value,
    group: Option<&Group>,
) -> Result<(Cold, f64)> {
    let mut instance = fixtures.launch(subject, group).await?;
    let ready = instance.ready().await?;
    let first = instance.invoke(event).await?;
    let peak = instance.peak_memory()?;
    instance.stop().await?;
    Ok((Cold::new(ready, &first, peak), first.answered.wall.as_secs_f64() * 1e3))
}
