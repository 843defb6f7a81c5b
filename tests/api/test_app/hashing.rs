//! The work that bcrypt does behind a response.

use std::time::Duration;

use local::gateway::HttpResponse;

use super::TestApp;

/// What makes the functions tell of every hash that they compare with, in their log.
pub const LOG_HASHES: (&str, &str) = ("AWS_LAMBDA_LOG_LEVEL", "DEBUG");

impl TestApp {
    /// The rounds of all hashes that a refused request took, in a system started with [`LOG_HASHES`].
    pub async fn hash_rounds(&self, refused: &HttpResponse) -> u64 {
        let request_id = refused.json()["request_id"].as_str().expect("an id of the request").to_owned();
        let lines = || self.logs().into_iter().filter(|line| line.contains(&request_id)).collect::<Vec<_>>();
        // Nothing is logged of a request after its completion.
        let completion = async {
            while !lines().iter().any(|line| line.contains("request completed")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), completion).await.expect("the request completes");
        let told = lines();
        let rounds = told.iter().filter_map(|line| line.split_once("bcrypt rounds="));
        rounds.map(|(_, rounds)| rounds.trim().parse::<u64>().expect("a number")).sum()
    }
}
