//! Warm invocations: one process per subject, which has answered before.

use anyhow::Result;
use serde_json::Value;

use crate::{
    fixtures::{Fixtures, PEOPLE},
    process::Instance,
    results::{Measured, Warm},
    subject::{Effort, Subject},
};

/// Invokes every subject so many times, or a tenth or a hundredth of it where an event or an answer is dear. Subjects
/// take turns in small batches, so that whatever the machine does meanwhile hits all alike. All events of a batch are
/// made before its first one goes out, so that only the measured process runs in between.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    invocations: usize,
    measured: &mut [Measured],
) -> Result<()> {
    let mut instances = Vec::new();
    for subject in subjects {
        let mut instance = fixtures.launch(subject, None).await?;
        // What the first invocations set up is not there to be measured.
        batch(fixtures, subject, &mut instance, batch_size(subject)).await?;
        instances.push(instance);
    }
    loop {
        let mut all_done = true;
        for (number, subject) in subjects.iter().enumerate() {
            let wanted = (invocations / divisor(subject)).max(1);
            let size = batch_size(subject).min(wanted - measured[number].warm.len());
            if size > 0 {
                let warm = batch(fixtures, subject, &mut instances[number], size).await?;
                measured[number].warm.extend(warm);
                all_done = false;
            }
        }
        if all_done {
            break;
        }
    }
    for (instance, measured) in instances.into_iter().zip(measured) {
        measured.warm_peak_bytes = Some(instance.peak_memory()?);
        instance.stop().await?;
    }
    Ok(())
}

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

/// One invocation of a process, from its request for this event to that for the next one.
pub async fn invocation(instance: &mut Instance, event: &Value) -> Result<Warm> {
    let before = instance.ready().await?;
    let invocation = instance.invoke(event).await?;
    Ok(Warm::new(before, &invocation, instance.ready().await?))
}

fn divisor(subject: &Subject) -> usize {
    match subject.effort() {
        Effort::Light => 1,
        Effort::Session => 10,
        Effort::Hashing => 100,
    }
}

/// People take turns in some events, so a batch must not have more of these than there are people.
fn batch_size(subject: &Subject) -> usize {
    match subject.effort() {
        Effort::Light => 25,
        Effort::Session => PEOPLE,
        Effort::Hashing => 2,
    }
}
