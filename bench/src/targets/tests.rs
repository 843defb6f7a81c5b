use super::*;
use crate::{
    binaries::Size,
    machine::Machine,
    results::{Cold, Latency, Page, Warm},
    subject::Subject,
};

fn measured(program: &str, cost: u32, starts: &[(f64, Option<f64>)]) -> Measured {
    let cold = starts.iter().map(|&(first_cpu, hash_cpu)| Cold {
        ready: 2.0,
        ready_cpu: 1.0,
        first: 1.0,
        first_cpu,
        peak_bytes: 4_000_000,
        hash_cpu,
    });
    let subject = Subject::new(program, program, cost);
    let size = Size { binary_bytes: 4_000_000, zip_bytes: 2_000_000 };
    Measured { cold: cold.collect(), ..Measured::new(subject, size) }
}

fn results(measured: Vec<Measured>, scale: Vec<Scaled>) -> Results {
    let (libxcrypt, latency, pages) = (Vec::new(), Vec::new(), Vec::new());
    Results { machine: Machine::current(), cost: 12, libxcrypt, measured, latency, pages, scale }
}

fn warm(wall: f64, hash_cpu: Option<f64>) -> Warm {
    Warm { wall, cpu: 1.0, hash_cpu }
}

fn value(results: &Results, name: &str) -> (f64, bool) {
    let all = targets(results);
    let target = all.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("there is no {name}: {all:#?}"));
    (target.value, target.is_met())
}

#[test]
fn hashes_are_subtracted_by_a_bare_one_of_the_same_round() {
    let measured = vec![
        measured(EMPTY, 12, &[(2.0, None)]),
        measured("login", 12, &[(310.0, None)]),
        measured(BARE_BCRYPT, 12, &[(305.0, Some(300.0))]),
        measured("login", 10, &[(80.0, None), (97.0, None), (84.0, None)]),
        measured("change-password", 10, &[(156.0, None), (190.0, None), (163.0, None)]),
        measured(BARE_BCRYPT, 10, &[(76.0, Some(75.0)), (93.0, Some(92.0)), (80.0, Some(78.0))]),
    ];
    let results = results(measured, Vec::new());
    assert_eq!(results.first_cpu_without_hashes("login"), Some(5.0));
    assert_eq!(results.first_cpu_without_hashes("change-password"), Some(6.0));
    let name = "login: CPU until first response, apart from hashing / empty";
    assert_eq!(value(&results, name), (2.5, true));
    let name = "login: CPU until first response / bcrypt at cost 12";
    assert_eq!(value(&results, name), (310.0 / 300.0, false));
}

#[test]
fn each_function_has_its_own_limit_of_cpu_until_first_response() {
    let programs =
        ["get-movie", "list-movies", "purge-account", "signup", "login", "change-password"].into_iter();
    let functions = programs.clone().map(|program| measured(program, 12, &[(4.0, None)]));
    // Each hash takes no time.
    let others = [measured(EMPTY, 12, &[(2.0, None)]), measured(BARE_BCRYPT, 12, &[(2.0, Some(0.0))])];
    let all = targets(&results(others.into_iter().chain(functions).collect(), Vec::new()));
    let limits = programs.map(|program| {
        let is_it =
            |target: &&Target| target.name.starts_with(&format!("{program}: CPU until first response"));
        let target = all.iter().filter(is_it).find(|target| target.name.ends_with("/ empty"));
        target.map(|target| (target.value, target.most))
    });
    let expected = [1.9, 2.3, 2.3, 2.5, 3.2, 3.2].map(|most| Some((2.0, most)));
    assert_eq!(limits.collect::<Vec<_>>(), expected);
}

#[test]
fn writes_are_compared_with_one_request_at_the_same_distance() {
    let latency = |name: &str, program: &str, walls: &[(u32, f64)]| Latency {
        warm: walls.iter().map(|&(distance, wall)| (distance, vec![warm(wall, None)])).collect(),
        ..Latency::new(Subject::new(program, program, 10).called(name))
    };
    let latency = vec![
        latency(MINIMAL, MINIMAL, &[(1, 2.0), (5, 6.0), (10, 11.0)]),
        latency("create-movie", "create-movie", &[(1, 2.5), (5, 7.5), (10, 11.5)]),
        latency("delete-movie", "delete-movie", &[(1, 4.0), (5, 12.0), (10, 22.0)]),
        latency(UPDATE_NAME, "update-movie", &[(1, 4.5), (5, 18.0), (10, 31.5)]),
    ];
    let results = Results { latency, ..results(Vec::new(), Vec::new()) };
    let away = "p50 with the database 5 ms away / minimal";
    assert_eq!(value(&results, &format!("create-movie: {away}")), (1.25, true));
    assert_eq!(value(&results, &format!("delete-movie: {away}")), (2.0, true));
    assert_eq!(value(&results, &format!("update-movie, name: {away}")), (3.0, false));
    assert_eq!(targets(&results).len(), 3);
    let round_trips = [MINIMAL, "create-movie", "delete-movie", UPDATE_NAME, "logout"];
    let expected = [Some(1.0), Some(1.0), Some(2.0), Some(3.0), None];
    assert_eq!(round_trips.map(|name| results.round_trips(name)), expected);
}

#[test]
fn hashes_do_not_count_as_latency() {
    let latency = |program: &str, warm: Vec<Warm>| {
        let subject = Subject::new(program, program, 10);
        Latency { warm: [(5, warm)].into(), ..Latency::new(subject) }
    };
    let bare = [50.0, 60.0, 52.0].map(|hash_cpu| warm(hash_cpu + 1.0, Some(hash_cpu)));
    let changes = [120.0, 141.0, 123.0].map(|wall| warm(wall, None));
    let mut latency = vec![latency("change-password", changes.into()), latency(BARE_BCRYPT, bare.into())];
    let without = Results { latency: latency.drain(..1).collect(), ..results(Vec::new(), Vec::new()) };
    assert_eq!(without.latency("change-password", 5), None);
    latency.extend(without.latency);
    let with = Results { latency, ..results(Vec::new(), Vec::new()) };
    assert_eq!(with.latency("change-password", 5).map(|wall| wall.median), Some(20.0));
}

#[test]
fn a_page_with_gzip_is_compared_with_the_page_without() {
    let page = |takes_gzip, bytes| Page { takes_gzip, bytes, warm: Vec::new() };
    let name = "list-movies: bytes of a page with gzip / without";
    for (bytes, is_met) in [(7_500, true), (7_503, false)] {
        let pages = vec![page(false, 30_000), page(true, bytes)];
        let results = Results { pages, ..results(Vec::new(), Vec::new()) };
        assert_eq!(value(&results, name), (as_f64(bytes) / 30_000.0, is_met));
    }
}

#[test]
fn what_was_not_measured_has_no_target() {
    let results = results(vec![measured("get-movie", 12, &[(4.0, None)])], Vec::new());
    let targets = targets(&results).into_iter().map(|target| (target.name, target.most));
    assert_eq!(targets.collect::<Vec<_>>(), [("get-movie: ZIP file".to_owned(), 2.2)]);
}

#[test]
fn the_largest_catalog_is_compared_with_the_smallest() {
    let scaled = |movies, cpu, units: &[f64]| Scaled {
        operation: Operation::FirstPage,
        movies,
        warm: vec![Warm { cpu, ..warm(2.0, None) }],
        costs: units.iter().map(|&read_units| Cost { requests: 1, read_units, write_units: 0.0 }).collect(),
    };
    let scale =
        vec![scaled(1_000, 1.0, &[4.0]), scaled(5_000, 9.0, &[4.0]), scaled(10_000, 1.0625, &[4.0, 5.0])];
    let results = results(Vec::new(), scale);
    let sizes = "at 10,000 movies / at 1,000";
    assert_eq!(value(&results, &format!("list, first page: CPU {sizes}")), (1.0625, true));
    assert_eq!(value(&results, &format!("every operation: requests {sizes}")), (1.0, true));
    assert_eq!(value(&results, &format!("every operation: units {sizes}")), (1.25, false));
    assert_eq!(targets(&results).len(), 3);
}
