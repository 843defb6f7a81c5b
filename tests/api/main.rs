//! End-to-end tests: every operation through its real binary, behind the gateway and the tables of `template.yaml`.

mod bag;
mod consistency;
mod contract;
mod expect;

mod concurrency;
mod configuration;
mod coverage;
mod create_movie;
mod delete_movie;
mod events;
mod faults;
mod get_movie;
mod list_movies;
mod list_walk;
mod login;
mod movie_ids;
mod requests;
mod secrets;
mod signup;
mod strict_input;
mod tokens;
mod update_movie;
