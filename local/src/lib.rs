//! The whole movie bag on one machine: an embedded DynamoDB with the tables of `template.yaml`, API Gateway's HTTP API,
//! the functions in a Lambda Runtime API, triggered by streams and schedules as deployed, and Amazon SES. For tests it also
//! has a fault proxy in front of the database.
//!
//! The modules are listed in layers: each uses only modules above it. Inside a folder, a parent uses its children, and a
//! child uses only its siblings listed before it, never the parent.

// Leaves, which use no other module.
mod clock;
mod connections;
mod loopback;
mod observed;
mod open_files;
pub mod yaml;

// Holds requests of a fault proxy or of the mail service.
mod gate;

// What is deployed.
pub mod template;

#[cfg(test)]
mod fixture;

// DynamoDB.
pub mod database;
pub mod fault_proxy;
pub mod streams;

// Amazon SES.
pub mod mail_service;

// Lambda and API Gateway.
pub mod environment;
pub mod runtime_api;

pub mod gateway;

// The command.
pub mod watch;
