//! The environment variables that a function needs to start, and the message if it cannot use one.

use std::{collections::BTreeSet, path::Path};

use local::{
    runtime_api::{Function, FunctionOptions, Outcome},
    template::Template,
};
use serde_json::json;

use crate::{
    operations,
    test_app::{TOKEN_KEY, TestApp, USERS, binary, usual_value},
};

/// The variables that a function starts without.
const OPTIONAL: [&str; 7] = [
    "BCRYPT_COST",
    "BCRYPT_COST_CEILING",
    "JWT_PREVIOUS_SECRET_KEY",
    "MOVIES_PER_USER",
    "PASSWORD_RESET_URL",
    "RELEASE",
    "STAGE",
];

/// Returns whether a function starts without a variable. Without an outbox, `change-password` sends no notices.
fn is_optional(operation: &str, name: &str) -> bool {
    OPTIONAL.contains(&name) || (operation, name) == ("change-password", "OUTBOX_TABLE")
}

fn template() -> Template {
    Template::load("template.yaml").expect("template.yaml is readable")
}

/// Returns the names of the variables that the template gives a function.
fn variables(template: &Template, operation: &str) -> Vec<String> {
    template.function(operation).expect("a function").environment.keys().cloned().collect()
}

/// Starts a function with the template's variables, one of them with another value, or left out if `value` is `None`.
/// Returns its output if it exits at once, and `None` if it runs.
async fn refusal_to_start(
    template: &Template,
    operation: &str,
    name: &str,
    value: Option<&str>,
) -> Option<String> {
    refusal_of(&binary(operation), template, operation, name, value).await
}

/// Does the same as [`refusal_to_start`] with another executable.
async fn refusal_of(
    binary: &Path,
    template: &Template,
    operation: &str,
    name: &str,
    value: Option<&str>,
) -> Option<String> {
    let mut environment: Vec<(String, String)> = variables(template, operation)
        .into_iter()
        .filter(|variable| variable != name)
        .map(|variable| (variable.clone(), usual_value(&variable).to_owned()))
        .collect();
    environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let options = FunctionOptions { environment, ..FunctionOptions::new(operation, binary) };
    let function = Function::start(options).await.expect("a process");
    // An invalid event shows as well as a valid one whether the process runs.
    match function.invoke(&json!("are you there?")).await {
        Outcome::Crashed { status, logs } => {
            assert_eq!(status, "exit status: 1", "{operation}: {logs}");
            Some(logs)
        }
        Outcome::Response(_) | Outcome::Error { .. } => {
            assert!(function.is_alive(), "{operation} responded, and then its process ended");
            None
        }
        Outcome::TimedOut => panic!("{operation} does not respond"),
    }
}

#[tokio::test]
async fn every_function_starts_with_the_variables_of_the_template() {
    let template = template();
    assert!(!template.functions().is_empty());
    for function in template.functions() {
        let refusal = refusal_to_start(&template, &function.operation, "", None).await;
        assert_eq!(refusal, None, "{}", function.operation);
    }
}

#[tokio::test]
async fn a_function_that_lacks_a_variable_names_it_and_exits() {
    let template = template();
    for function in template.functions() {
        let names = variables(&template, &function.operation);
        for name in names.iter().filter(|name| !is_optional(&function.operation, name)) {
            for value in [None, Some("")] {
                let refusal = refusal_to_start(&template, &function.operation, name, value).await;
                let expected = format!("Error: cannot start: set the environment variable {name}");
                assert_eq!(refusal, Some(expected), "{} {value:?}", function.operation);
            }
        }
    }
}

#[tokio::test]
async fn a_function_starts_without_a_variable_that_is_optional() {
    let template = template();
    for name in OPTIONAL.into_iter().chain(["OUTBOX_TABLE"]) {
        let with_it = template.functions().iter().filter(|function| {
            function.environment.contains_key(name) && is_optional(&function.operation, name)
        });
        let operations: Vec<&str> = with_it.map(|function| function.operation.as_str()).collect();
        assert!(!operations.is_empty(), "no function has {name}");
        for operation in operations {
            for value in [None, Some("")] {
                assert_eq!(
                    refusal_to_start(&template, operation, name, value).await,
                    None,
                    "{operation} {name}"
                );
            }
        }
    }
}

/// The functions of password resets accept no tokens. They only derive the names of counters from the key.
#[test]
fn functions_that_accept_tokens_have_both_keys() {
    for function in template().functions() {
        let has = |name| function.environment.contains_key(name);
        let derives_names = ["forgot-password", "reset-password"].contains(&function.operation.as_str());
        let expected = has("JWT_SECRET_KEY") && !derives_names;
        assert_eq!(has("JWT_PREVIOUS_SECRET_KEY"), expected, "{}", function.operation);
    }
}

#[tokio::test]
async fn a_weak_token_key_is_refused_and_never_shown() {
    let template = template();
    let users: Vec<&str> = template
        .functions()
        .iter()
        .filter(|function| function.environment.contains_key("JWT_SECRET_KEY"))
        .map(|function| function.operation.as_str())
        .collect();
    assert!(users.contains(&"login") && users.contains(&"delete-account"), "{users:?}");
    for (operation, name) in users
        .iter()
        .flat_map(|operation| [(operation, "JWT_SECRET_KEY"), (operation, "JWT_PREVIOUS_SECRET_KEY")])
        .filter(|(operation, name)| variables(&template, operation).iter().any(|variable| variable == name))
    {
        let short = "has fewer than 32 bytes";
        let published = "is the key that the Flask tutorial prints";
        for (key, expected) in
            [("weakling", short), (&TOKEN_KEY[..31], short), ("t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss", published)]
        {
            let refusal = refusal_to_start(&template, operation, name, Some(key)).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{operation} starts with the key {key}"));
            let expected = format!("Error: cannot start: the environment variable {name} {expected}");
            assert!(refusal.starts_with(&expected), "{refusal}");
            assert!(refusal.ends_with("set at least 32 random bytes, as text"), "{refusal}");
            assert!(!refusal.contains(key) && !refusal.contains(&key[..8]), "{refusal}");
            assert_eq!(refusal.lines().count(), 1, "{refusal}");
        }
        let long_enough = refusal_to_start(&template, operation, name, Some(&TOKEN_KEY[..32])).await;
        assert_eq!(long_enough, None, "{operation}");
    }
}

#[tokio::test]
async fn a_bcrypt_cost_outside_its_bounds_is_refused() {
    let template = template();
    // Test builds accept costs from 4. A release is tested below.
    let lowest = 4;
    let expected = cost_refused("BCRYPT_COST", lowest);
    for operation in ["signup", "login", "change-password"] {
        for value in ["0", "3", "16", "31", "-4", "4.5", " 12", "x", "4294967300"] {
            let refusal = refusal_to_start(&template, operation, "BCRYPT_COST", Some(value)).await;
            assert_eq!(refusal.as_ref(), Some(&expected), "{operation} {value:?}");
        }
    }
    for value in [lowest, 9, 10, 15] {
        let refusal = refusal_to_start(&template, "signup", "BCRYPT_COST", Some(&value.to_string())).await;
        assert_eq!(refusal, None, "{value}");
    }
    assert_eq!(refusal_to_start(&template, "signup", "BCRYPT_COST", None).await, None);
}

fn cost_refused(name: &str, lowest: u32) -> String {
    format!("Error: cannot start: the environment variable {name} must be a number from {lowest} to 15")
}

/// The executables that are deployed, in the folders where `cargo lambda build --release` puts them.
#[tokio::test]
#[ignore = "asks release builds, which .ci/run makes first"]
async fn a_release_refuses_to_hash_at_less_than_10() {
    let template = template();
    let hashing = template.functions().iter().filter(|it| it.environment.contains_key("BCRYPT_COST"));
    let operations: Vec<&str> = hashing.map(|function| function.operation.as_str()).collect();
    assert_eq!(BTreeSet::from_iter(operations.clone()), operations::hashing());
    for operation in operations {
        let release = format!("target/lambda/{operation}/bootstrap");
        let refusal = async |cost: &str| {
            refusal_of(Path::new(&release), &template, operation, "BCRYPT_COST", Some(cost)).await
        };
        for cost in ["0", "4", "5", "6", "7", "8", "9", "16"] {
            assert_eq!(refusal(cost).await, Some(cost_refused("BCRYPT_COST", 10)), "{operation} at {cost}");
        }
        for cost in ["10", "12", "15"] {
            assert_eq!(refusal(cost).await, None, "{operation} at {cost}");
        }
    }
}

#[tokio::test]
async fn a_bcrypt_cost_ceiling_outside_its_bounds_is_refused() {
    let template = template();
    // The cost that tests use.
    let expected = cost_refused("BCRYPT_COST_CEILING", 4);
    for operation in ["login", "change-password"] {
        for value in ["3", "16", "-1", "x", " 4", "00"] {
            let refusal = refusal_to_start(&template, operation, "BCRYPT_COST_CEILING", Some(value)).await;
            assert_eq!(refusal.as_ref(), Some(&expected), "{operation} {value:?}");
        }
        for value in ["0", "4", "15"] {
            let refusal = refusal_to_start(&template, operation, "BCRYPT_COST_CEILING", Some(value)).await;
            assert_eq!(refusal, None, "{operation} {value:?}");
        }
    }
    let mut app = TestApp::start_with(1, &[("BCRYPT_COST", "7"), ("BCRYPT_COST_CEILING", "6")]).await;
    match app.function("login").await.ready().await {
        Err(Outcome::Crashed { logs, .. }) => assert_eq!(logs, cost_refused("BCRYPT_COST_CEILING", 7)),
        other => panic!("a ceiling below the cost is taken: {other:?}"),
    }
    app.redeploy(&["login"], &[("BCRYPT_COST", "7"), ("BCRYPT_COST_CEILING", "7")]).await;
    assert_eq!(app.function("login").await.ready().await, Ok(()));
}

#[tokio::test]
async fn a_movie_limit_outside_its_bounds_is_refused() {
    let template = template();
    let problem = "MOVIES_PER_USER must be a number from 1 to 1000000";
    let expected = format!("Error: cannot start: the environment variable {problem}");
    for operation in ["create-movie", "get-account"] {
        for value in ["0", "1000001", "-1", "1.5", " 7", "x"] {
            let refusal = refusal_to_start(&template, operation, "MOVIES_PER_USER", Some(value)).await;
            assert_eq!(refusal.as_ref(), Some(&expected), "{operation} {value:?}");
        }
        for value in ["1", "1000000"] {
            let refusal = refusal_to_start(&template, operation, "MOVIES_PER_USER", Some(value)).await;
            assert_eq!(refusal, None, "{operation} {value:?}");
        }
    }
}

#[tokio::test]
async fn an_unusable_sender_or_link_of_mails_is_refused() {
    let template = template();
    for (name, problem, unusable, usable) in [
        (
            "MAIL_FROM",
            "must be one email address, such as bag@example.com",
            &["bag", "bag@example", "Bag <bag@example.com>", "a@example.com,b@example.com"][..],
            &["bag@example.com"][..],
        ),
        (
            "PASSWORD_RESET_URL",
            "must be an https URL without a fragment",
            &[
                "example.com",
                "javascript:x",
                "http://example.com/",
                "http://127.0.0.1.example.com/",
                "https://example.com/#a",
                "https://example.com/\"",
                "https://a b",
            ],
            &["https://example.com/reset", "http://127.0.0.1:5500/", "https://example.com/?a=b&c='d'"],
        ),
    ] {
        for value in unusable {
            let refusal = refusal_to_start(&template, "send-mail", name, Some(value)).await;
            let expected = format!("Error: cannot start: the environment variable {name} {problem}");
            assert_eq!(refusal, Some(expected), "{value}");
        }
        for value in usable {
            assert_eq!(refusal_to_start(&template, "send-mail", name, Some(value)).await, None, "{value}");
        }
    }
}

#[tokio::test]
async fn without_a_bcrypt_cost_passwords_are_hashed_at_12() {
    let app = TestApp::start_with(1, &[("BCRYPT_COST", "")]).await;
    assert_eq!(app.sign_up("ann@example.com").await.status, 200);
    let user = app.items(USERS, "user#").remove(0);
    assert_eq!(&user["password_hash"]["S"].as_str().expect("a hash")[..7], "$2b$12$");
}
