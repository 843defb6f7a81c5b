//! The library that all functions of the movie bag share.
//!
//! The modules form layers; each uses only those below it, and `tests/layers.rs` checks that:
//!
//! | layer | module | content |
//! |---|---|---|
//! | 6 | [`http`] | requests, responses, the loop around every handler, and [`http::ApiError`] |
//! | 5 | [`runtime`] | environment, clock, randomness, logging, the DynamoDB client, and [`runtime::App`], which wires the parts |
//! | 4 | [`auth`] | password hashing and checks, tokens, sessions |
//! | 3 | [`store`] | DynamoDB: keys, items, one function per access pattern |
//! | 2 | [`telemetry`] | log lines, metrics, the security log |
//! | 1 | [`model`] | values that validate when they are made |
//!
//! A function starts with [`runtime::App`] and hands the parts that it needs to its handler, which [`http::serve`] runs.

pub mod auth;
pub mod http;
pub mod model;
pub mod runtime;
pub mod store;
pub mod telemetry;
