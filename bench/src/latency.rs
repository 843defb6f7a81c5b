//! Warm invocations behind a database at several distances.

use anyhow::Result;

use crate::{
    fixtures::Fixtures,
    process::Instance,
    results::{DISTANCES, Latency, Warm},
    subject::{BOUND, EMPTY, STOCK, Subject, UPDATE_LISTS, UPDATE_NAME},
    warm,
};

/// Invokes the functions and `minimal` behind a database at each distance: a fifth of this many times, and less often
/// where an event or a response is expensive. Subjects and distances take turns in small batches, so that a disturbance
/// affects all of them alike.
pub async fn measure(
    fixtures: &mut Fixtures,
    subjects: &[Subject],
    invocations: usize,
) -> Result<Vec<Latency>> {
    let mut rows: Vec<Latency> = rows(subjects).into_iter().map(Latency::new).collect();
    let mut instances = Vec::new();
    for row in &mut rows {
        let mut instance = fixtures.launch(&row.subject).await?;
        // The first invocations are discarded. At the longest distance they open as many connections as any later one
        // uses.
        batch(fixtures, row, &mut instance, DISTANCES[DISTANCES.len() - 1], pace(&row.subject).1).await?;
        instances.push(instance);
        row.requests.clear();
    }
    let mut is_pending = true;
    while std::mem::take(&mut is_pending) {
        for distance in DISTANCES {
            for (row, instance) in rows.iter_mut().zip(&mut instances) {
                let (divisor, size) = pace(&row.subject);
                let done = row.warm.get(&distance).map_or(0, Vec::len);
                let size = size.min((invocations / divisor).max(1) - done);
                if size > 0 {
                    let warm = batch(fixtures, row, instance, distance, size).await?;
                    row.warm.entry(distance).or_default().extend(warm);
                    is_pending = true;
                }
            }
        }
    }
    Ok(rows)
}

/// Returns what is measured of these subjects: those that make requests, at the lowest cost where they hash, and both
/// kinds of updates.
fn rows(subjects: &[Subject]) -> Vec<Subject> {
    let cheapest = |subject: &&Subject| {
        let same = subjects.iter().filter(|other| other.program == subject.program);
        same.map(|other| other.cost).min() == Some(subject.cost)
    };
    let requesting = |subject: &&Subject| ![EMPTY, STOCK, BOUND].contains(&subject.program.as_str());
    let mut rows = Vec::new();
    for subject in subjects.iter().filter(requesting).filter(cheapest) {
        let row = |request: &str| Subject { request: request.to_owned(), ..subject.clone() }.called(request);
        if subject.request == UPDATE_NAME {
            rows.extend([row(UPDATE_NAME), row(UPDATE_LISTS)]);
        } else {
            rows.push(subject.clone().called(&subject.program));
        }
    }
    rows
}

/// Invokes a process this many times. The database is near while the events are made.
async fn batch(
    fixtures: &mut Fixtures,
    row: &mut Latency,
    instance: &mut Instance,
    distance: u32,
    size: usize,
) -> Result<Vec<Warm>> {
    let mut events = Vec::with_capacity(size);
    for _ in 0..size {
        events.push(fixtures.event(&row.subject).await?);
    }
    let system = &fixtures.system;
    system.set_distance(distance);
    let mut measured = Vec::with_capacity(size);
    for event in &events {
        let before = system.requests();
        measured.push(warm::invocation(instance, event).await?);
        row.requests.insert(system.requests() - before);
    }
    system.set_distance(0);
    Ok(measured)
}

/// Returns by what the number of invocations is divided, and the size of a batch.
fn pace(subject: &Subject) -> (usize, usize) {
    match subject.hashes() {
        0 if subject.ends_session() => (20, 5),
        0 => (5, 10),
        _ => (50, 2),
    }
}
