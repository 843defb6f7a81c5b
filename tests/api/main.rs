//! End-to-end tests: every operation through its real binary, behind the gateway and the tables of `template.yaml`.

mod bag;
mod contract;

mod configuration;
mod login;
mod secrets;
mod signup;
mod tokens;
