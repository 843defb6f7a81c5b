//! A Lambda function for the tests of the Runtime API. It does what its event says, and uses no runtime crate.

#![expect(clippy::disallowed_methods, reason = "a stand-in for a function reads its environment itself")]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::exit,
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

fn main() {
    if let Ok(message) = env::var("FAIL_AT_START") {
        log(&message);
        exit(3);
    }
    loop {
        let (id, event) = request("GET", "next", "");
        log(&format!("event {event}"));
        let event: Value = serde_json::from_str(&event).unwrap_or_default();
        match event["do"].as_str() {
            Some("error") => {
                let report = json!({"errorType": "Refusal", "errorMessage": "I would rather not"});
                request("POST", &format!("{id}/error"), &report.to_string());
                continue;
            }
            Some("exit") => exit(7),
            Some("sleep") => sleep(Duration::from_mins(10)),
            Some("write") => {
                // More lines than a pipe holds, alternately to the output and the error.
                for number in 0..5_000 {
                    let line = format!("{} {number}", event["name"]);
                    if number % 2 == 0 { print(&line) } else { log(&line) }
                }
            }
            Some("pause") => sleep(Duration::from_millis(300)),
            Some("nonsense") => {
                request("POST", &format!("{id}/response"), "{");
                continue;
            }
            _ => {}
        }
        let response = json!({"event": event, "process": std::process::id(), "runtime_api": runtime_api()});
        request("POST", &format!("{id}/response"), &response.to_string());
    }
}

fn runtime_api() -> String {
    env::var("AWS_LAMBDA_RUNTIME_API").expect("the address of the Runtime API")
}

/// Makes one request to the Runtime API. Returns the invocation's id and the body of the response.
fn request(method: &str, path: &str, body: &str) -> (String, String) {
    let api = runtime_api();
    let (host, base) = api["http://".len()..].split_once('/').expect("an address with a path");
    let mut stream = TcpStream::connect(host).expect("the Runtime API");
    let path = format!("/{base}/2018-06-01/runtime/invocation/{path}");
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).expect("a request");
    let mut response = BufReader::new(stream);
    let mut id = String::new();
    loop {
        let mut line = String::new();
        response.read_line(&mut line).expect("a header");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") => {
                value.clone_into(&mut id);
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut content = String::new();
    response.read_to_string(&mut content).expect("a body");
    (id, content)
}

#[expect(clippy::print_stderr, reason = "a function's log is its standard error")]
fn log(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "a function's log is its standard output, too")]
fn print(line: &str) {
    println!("{line}");
}
