use super::*;
use crate::{
    binaries::Size,
    machine::Machine,
    results::{Cold, Warm},
    subject::Subject,
};

fn measured(program: &str, cost: u32, starts: &[(f64, Option<f64>)]) -> Measured {
    let cold = starts.iter().map(|&(first_cpu, hash_cpu)| Cold {
        ready: 2.0,
        ready_cpu: 1.0,
        first: 1.0,
        first_cpu,
        total: 3.0,
        peak_bytes: 4_000_000,
        hash_cpu,
    });
    let subject = Subject::new(program, program, cost);
    let size = Size { binary_bytes: 4_000_000, zip_bytes: 2_000_000 };
    Measured { cold: cold.collect(), ..Measured::new(subject, size) }
}

fn results(measured: Vec<Measured>, scale: Vec<Scaled>) -> Results {
    Results { machine: Machine::current(), cost: 12, libxcrypt: Vec::new(), measured, scale }
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
fn what_was_not_measured_has_no_target() {
    let results = results(vec![measured("get-movie", 12, &[(4.0, None)])], Vec::new());
    let names: Vec<String> = targets(&results).into_iter().map(|target| target.name).collect();
    assert_eq!(names, ["get-movie: ZIP file"]);
}

#[test]
fn the_largest_catalog_is_compared_with_the_smallest() {
    let scaled = |movies, cpu, units: &[f64]| Scaled {
        operation: Operation::FirstPage,
        movies,
        warm: vec![Warm { wall: 2.0, cpu, hash_cpu: None }],
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
