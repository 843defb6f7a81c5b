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
    // One round for nothing: the first start of a program reads it from disk.
    for round in 0..=rounds {
        // Before the first of them starts: to make one can take a login, and what that leaves in the processor's caches
        // would count against the one that needs it.
        let events = events(fixtures, subjects).await?;
        for number in turns::of_round(round, subjects.len()) {
            let (cold, _) = start(fixtures, &subjects[number], &events[number], None).await?;
            if round > 0 {
                measured[number].cold.push(cold);
            }
        }
    }
    Ok(())
}

async fn events(fixtures: &mut Fixtures, subjects: impl IntoIterator<Item = &Subject>) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for subject in subjects {
        let event = fixtures.event(subject).await;
        events.push(event.with_context(|| format!("no event for {}", subject.name))?);
    }
    Ok(events)
}

/// Starts processes that have the share of a core of a function with so much memory.
pub async fn measure_limited(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    megabytes: u32,
    group: &Group,
    measured: &mut [Measured],
) -> Result<()> {
    let light = |number: &usize| subjects[*number].effort() != Effort::Hashing;
    let chosen: Vec<usize> = (0..subjects.len()).filter(light).collect();
    for round in 0..ROUNDS_WITH_LIMIT {
        // Of those alone that will get theirs: a change of a password that is never made would lock its user out.
        let events = events(fixtures, chosen.iter().map(|number| &subjects[*number])).await?;
        for place in turns::of_round(round, chosen.len()) {
            let number = chosen[place];
            let (_, wall) = start(fixtures, &subjects[number], &events[place], Some(group)).await?;
            measured[number].limited.entry(megabytes).or_default().push(wall);
        }
    }
    Ok(())
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
