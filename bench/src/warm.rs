//! Warm invocations: one process for each subject, which has responded before.

use anyhow::Result;
use serde_json::Value;

use crate::{
    fixtures::Fixtures,
    process::Instance,
    results::{Measured, Warm},
    subject::Subject,
};

/// Invokes every subject this many times, or a tenth or a hundredth of it where an event or a response is expensive.
/// Subjects take turns in small batches, so that a disturbance affects all of them alike.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    invocations: usize,
    measured: &mut [Measured],
) -> Result<()> {
    let mut instances = Vec::new();
    for subject in subjects {
        let mut instance = fixtures.launch(subject).await?;
        // The first invocations set things up and are discarded.
        batch(fixtures, subject, &mut instance, pace(subject).1).await?;
        instances.push(instance);
    }
    let mut is_pending = true;
    while std::mem::take(&mut is_pending) {
        for (number, subject) in subjects.iter().enumerate() {
            let (divisor, size) = pace(subject);
            let size = size.min((invocations / divisor).max(1) - measured[number].warm.len());
            if size > 0 {
                let warm = batch(fixtures, subject, &mut instances[number], size).await?;
                measured[number].warm.extend(warm);
                is_pending = true;
            }
        }
    }
    for (instance, measured) in instances.into_iter().zip(measured) {
        measured.warm_peak_bytes = Some(instance.peak_memory()?);
        instance.stop().await?;
    }
    Ok(())
}

/// Invokes a process this many times. All events are made first, so that only the measured process runs in between.
async fn batch(
    fixtures: &mut Fixtures,
    subject: &Subject,
    instance: &mut Instance,
    size: usize,
) -> Result<Vec<Warm>> {
    let mut events = Vec::with_capacity(size);
    for _ in 0..size {
        events.push(fixtures.event(subject).await?);
    }
    let mut measured = Vec::with_capacity(size);
    for event in &events {
        measured.push(invocation(instance, event).await?);
    }
    Ok(measured)
}

/// Measures one invocation of a process, from its request for this event to its request for the next one.
pub async fn invocation(instance: &mut Instance, event: &Value) -> Result<Warm> {
    let before = instance.ready().await?;
    let invocation = instance.invoke(event).await?;
    Ok(Warm::new(before, &invocation, instance.ready().await?))
}

/// Returns by what the number of invocations is divided, and the size of a batch.
fn pace(subject: &Subject) -> (usize, usize) {
    match subject.hashes() {
        0 if subject.ends_session() => (10, 10),
        0 => (1, 25),
        _ => (100, 2),
    }
}
