//! What the movie bag's functions share: DynamoDB access, password hashing, token checks and HTTP.
//!
//! The way in is [`app::App`]: a function asks it for the parts it needs, and only those read their environment
//! variables. From there on everything takes values, so that it can be tested without a clock or an environment.

pub mod app;
pub mod audit;
pub mod auth;
pub mod error;
pub mod http;
pub mod model;
pub mod store;
pub mod telemetry;
