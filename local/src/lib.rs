//! The whole movie bag on one machine: an embedded DynamoDB with the tables of `template.yaml`, API Gateway's HTTP API,
//! and the functions that `cargo lambda watch` builds and runs, woken by streams and schedules as deployed. For tests and
//! benchmarks it also holds a Lambda Runtime API and a fault proxy in front of the database.

mod clock;
mod loopback;
mod observed;
mod processes;

pub mod cargo_lambda;
pub mod database;
pub mod environment;
pub mod fault_proxy;
pub mod gateway;
pub mod runtime_api;
pub mod streams;
pub mod template;
pub mod watch;
pub mod yaml;
