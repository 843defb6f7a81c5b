//! The work of bcrypt for a response.

use std::time::Duration;

use local::gateway::HttpResponse;

use super::TestApp;

/// Makes the functions log every hash that they compare with.
pub const LOG_HASHES: (&str, &str) = ("AWS_LAMBDA_LOG_LEVEL", "DEBUG");

impl TestApp {
    /// Returns the rounds of all hashes that a refused request took, in a system started with [`LOG_HASHES`].
    pub async fn hash_rounds(&self, refused: &HttpResponse) -> u64 {
        let request_id = refused.json()["request_id"].as_str().expect("an id of the request").to_owned();
        let lines = || self.logs().into_iter().filter(|line| line.contains(&request_id)).collect::<Vec<_>>();
        // The completion line is the last line of a request.
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
