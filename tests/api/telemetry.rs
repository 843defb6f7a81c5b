//! Telemetry: one completion line per invocation, which is also a document of metrics.

mod broken_output;
mod capacity;
mod line;
mod outcomes;
mod settings;

use local::gateway::HttpResponse;

/// Returns a text member of a response's JSON.
fn text(response: &HttpResponse, name: &str) -> String {
    response.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", response.body)).to_owned()
}
