//! Invoking a function.

use std::future::Future;

use anyhow::Result;
use serde_json::Value;

/// The functions, as triggers see them.
pub trait Invoke: Send + Sync + 'static {
    /// Hands an event to a function, and returns its response. A failure of the function is an error.
    fn invoke(&self, function: &str, event: &Value) -> impl Future<Output = Result<Value>> + Send;
}

#[cfg(test)]
pub mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use anyhow::anyhow;

    use super::*;

    /// Functions that record their invocations, and respond as they are told.
    #[derive(Default)]
    pub struct Recorder {
        pub invocations: Mutex<Vec<(String, Value)>>,
        /// The next responses, or messages of errors. Afterwards every response is `null`.
        pub responses: Mutex<VecDeque<Result<Value, &'static str>>>,
    }

    impl Invoke for Recorder {
        async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
            self.invocations.lock().expect("the invocations").push((function.to_owned(), event.clone()));
            let response = self.responses.lock().expect("the responses").pop_front();
            response.unwrap_or(Ok(Value::Null)).map_err(|message| anyhow!(message))
        }
    }
}
