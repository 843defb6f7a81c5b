//! Models of the protocols that the store and the functions follow. A model checker visits every state that they can reach
//! within bounds, in every order of the requests to DynamoDB and with the faults of [`system`]; `docs/MODELS.md` has the
//! bounds, the results and what is left out.
//!
//! Each variant of a model's `Step` is one request, and its documentation names the function that sends it. A `Flaw` breaks
//! the model on purpose, to show that the checker then finds a counterexample.

pub mod account_deletion;
pub mod password_attempts;
pub mod password_reset;
pub mod system;
