//! End-to-end tests: every operation through its real binary, behind the gateway and the tables of `template.yaml`.

mod bag;
mod consistency;
mod contract;
mod emitted;
mod expect;

mod change_password;
mod concurrency;
mod configuration;
mod coverage;
mod create_movie;
mod delete_account;
mod delete_movie;
mod documents;
mod events;
mod faults;
mod get_account;
mod get_movie;
mod list_movies;
mod list_walk;
mod login;
mod logout;
mod movie_ids;
mod policies;
mod purge_account;
mod requests;
mod revocation;
mod rotation;
mod secrets;
mod security_log;
mod signup;
mod strict_input;
mod telemetry;
mod throttle;
mod tokens;
mod update_movie;
