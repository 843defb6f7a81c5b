//! Cold starts: a new process each time, until its first response.

use anyhow::{Context as _, Result};

use crate::{
    fixtures::Fixtures,
    quota::Group,
    results::{Cold, Measured},
    subject::Subject,
    turns,
};

/// Starts one process of each subject in turn, round after round, so that a disturbance affects all subjects alike.
/// With the share of a core of a memory size, measures only how long the first invocation of subjects that do not hash
/// takes.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    rounds: usize,
    group: Option<&Group>,
    measured: &mut [Measured],
) -> Result<()> {
    let pairs = subjects.iter().zip(measured).filter(|(subject, _)| group.is_none() || subject.hashes() == 0);
    let (subjects, mut measured): (Vec<&Subject>, Vec<&mut Measured>) = pairs.unzip();
    // Round 0 is discarded: the first start of a program reads it from disk.
    for number in 0..=rounds {
        for (place, cold) in round(fixtures, &subjects, number, group).await? {
            match group {
                _ if number == 0 => {}
                None => measured[place].cold.push(cold),
                Some(group) => measured[place].limited.entry(group.megabytes).or_default().push(cold.first),
            }
        }
    }
    Ok(())
}

/// Starts each of these subjects once, and returns the cold starts with the places of their subjects.
async fn round(
    fixtures: &mut Fixtures,
    subjects: &[&Subject],
    number: usize,
    group: Option<&Group>,
) -> Result<Vec<(usize, Cold)>> {
    // All events are made before the first start: some need a login, which changes the processor's caches and would
    // count against the subject that needs it.
    let mut events = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let event = fixtures.event(subject).await;
        events.push(event.with_context(|| format!("no event for {}", subject.name))?);
    }
    let mut started = Vec::with_capacity(subjects.len());
    for place in turns::of_round(number, subjects.len()) {
        // The event goes out as soon as the process asks for it, as when Lambda starts an instance for a request.
        let mut instance = fixtures.launch(subjects[place]).await?;
        let ready = instance.ready().await?;
        // Lambda limits only the invocation: the initialization has a whole core or more at any memory size.
        group.map_or(Ok(()), |group| instance.limit(group))?;
        let first = instance.invoke(&events[place]).await?;
        started.push((place, Cold::new(ready, &first, instance.peak_memory()?)));
        instance.stop().await?;
    }
    Ok(started)
}
