//! What the measurements of the movie bag are made of.
//!
//! A function under test is its real release binary, started as Lambda starts it ([`process`]), talking TLS to the
//! embedded DynamoDB ([`tls`], [`system`]) about data that earlier requests have made ([`fixtures`]). [`cold`] and
//! [`warm`] measure it; [`reach`], [`report`] and [`charts`] tell what came of it.

pub mod binaries;
pub mod builds;
pub mod charts;
pub mod cold;
pub mod fixtures;
pub mod hashing;
pub mod machine;
pub mod output;
pub mod process;
pub mod quota;
pub mod reach;
pub mod report;
pub mod results;
pub mod runtime_api;
pub mod scale;
pub mod statistics;
pub mod subject;
pub mod system;
pub mod table;
pub mod tls;
pub mod trust;
pub mod turns;
pub mod warm;
