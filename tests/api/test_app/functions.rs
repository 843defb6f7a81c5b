//! The executables and the environment of functions under test.

use std::path::{Path, PathBuf};

use local::template::MAIL_FROM;

use super::{ACCOUNT_DELETIONS, MOVIES, OUTBOX, PASSWORD_ATTEMPTS, PASSWORD_RESETS, TOKEN_KEY, USERS};

/// Returns the value of an environment variable in tests.
pub fn usual_value(name: &str) -> &'static str {
    match name {
        "JWT_SECRET_KEY" => TOKEN_KEY,
        "USERS_TABLE" => USERS,
        "MOVIES_TABLE" => MOVIES,
        "ACCOUNT_DELETIONS_TABLE" => ACCOUNT_DELETIONS,
        "PASSWORD_ATTEMPTS_TABLE" => PASSWORD_ATTEMPTS,
        "OUTBOX_TABLE" => OUTBOX,
        "PASSWORD_RESETS_TABLE" => PASSWORD_RESETS,
        "MAIL_FROM" => MAIL_FROM,
        "BCRYPT_COST_CEILING"
        | "JWT_PREVIOUS_SECRET_KEY"
        | "MOVIES_PER_USER"
        | "PASSWORD_RESET_URL"
        | "RELEASE" => "",
        "BCRYPT_COST" => "4",
        "STAGE" => "local",
        other => panic!(
            "template.yaml gives a function {other}: add its value to `usual_value` in tests/api/test_app/functions.rs"
        ),
    }
}

/// Returns the path of an operation's executable. Cargo builds every binary of the package into one folder.
pub fn binary(operation: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_signup")).with_file_name(operation);
    assert!(binary.exists(), "Cargo built no {operation}: add its [[bin]] to Cargo.toml");
    binary
}
