//! Tests that run in every weather.

#![expect(clippy::print_stdout, reason = "shows in which weather a test failed")]

use local::fault_proxy::Weather;

use crate::test_app::TestApp;

/// Runs a test with a calm database, and again with one that behaves as a heavily loaded DynamoDB: see
/// [`Weather`]. Each time, the test gets a system with this many instances of each function.
pub async fn in_every_weather(instances: usize, test: impl AsyncFn(TestApp)) {
    test(TestApp::start_with(instances, &[]).await).await;
    println!("now in a storm:");
    test(TestApp::start_in(Weather::STORM, instances).await).await;
}
