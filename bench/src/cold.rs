//! Cold starts: a new process each time, until its first response.

use anyhow::{Context as _, Result};

use crate::{
    fixtures::Fixtures,
    quota::Group,
    results::{Cold, Measured},
    subject::{Effort, Subject},
};

/// With a share of a core each start takes long, and what is to be seen is an order of magnitude.
const ROUNDS_WITH_LIMIT: usize = 5;

/// Starts one process of each subject in turn, again and again, so that whatever the machine does meanwhile hits all
/// alike. Each round begins with another subject, so that none always follows the same one.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    rounds: usize,
    measured: &mut [Measured],
) -> Result<()> {
    // One round for nothing: the first start of a program reads it from disk.
    for subject in subjects {
        start(fixtures, subject, None).await?;
    }
    for round in 0..rounds {
        for position in 0..subjects.len() {
            let number = (position + round) % subjects.len();
            let (cold, _) = start(fixtures, &subjects[number], None).await?;
            measured[number].cold.push(cold);
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
    for _ in 0..ROUNDS_WITH_LIMIT {
        for (subject, measured) in subjects.iter().zip(&mut *measured) {
            if subject.effort() != Effort::Hashing {
                let (_, wall) = start(fixtures, subject, Some(group)).await?;
                measured.limited.entry(megabytes).or_default().push(wall);
            }
        }
    }
    Ok(())
}

/// One cold start, and the milliseconds from spawn to first response. The event goes out as soon as it is asked for, as
/// it does when a request is why Lambda starts an instance.
async fn start(fixtures: &mut Fixtures, subject: &Subject, group: Option<&Group>) -> Result<(Cold, f64)> {
    let event = fixtures.event(subject).await.with_context(|| format!("no event for {}", subject.name))?;
    let mut instance = fixtures.launch(subject, group).await?;
    let ready = instance.ready().await?;
    let first = instance.invoke(&event).await?;
    let peak = instance.peak_memory()?;
    instance.stop().await?;
    Ok((Cold::new(ready, &first, peak), first.answered.wall.as_secs_f64() * 1e3))
}
