//! What a function under test is started with.

use super::{ACCOUNT_DELETIONS, MOVIES, PASSWORD_ATTEMPTS, TOKEN_KEY, USERS};

/// The value that a function's variable has in tests.
pub fn usual_value(name: &str) -> &'static str {
    match name {
        "JWT_SECRET_KEY" => TOKEN_KEY,
        "USERS_TABLE" => USERS,
        "MOVIES_TABLE" => MOVIES,
        "ACCOUNT_DELETIONS_TABLE" => ACCOUNT_DELETIONS,
        "PASSWORD_ATTEMPTS_TABLE" => PASSWORD_ATTEMPTS,
        "BCRYPT_COST_CEILING" | "JWT_PREVIOUS_SECRET_KEY" | "MOVIES_PER_USER" | "RELEASE" => "",
        "BCRYPT_COST" => "4",
        "STAGE" => "local",
        other => panic!("template.yaml gives a function {other}, which the tests do not know"),
    }
}

/// The executable of an operation.
pub fn binary(operation: &str) -> &'static str {
    match operation {
        "signup" => env!("CARGO_BIN_EXE_signup"),
        "login" => env!("CARGO_BIN_EXE_login"),
        "list-movies" => env!("CARGO_BIN_EXE_list-movies"),
        "get-movie" => env!("CARGO_BIN_EXE_get-movie"),
        "create-movie" => env!("CARGO_BIN_EXE_create-movie"),
        "update-movie" => env!("CARGO_BIN_EXE_update-movie"),
        "delete-movie" => env!("CARGO_BIN_EXE_delete-movie"),
        "get-account" => env!("CARGO_BIN_EXE_get-account"),
        "change-password" => env!("CARGO_BIN_EXE_change-password"),
        "logout" => env!("CARGO_BIN_EXE_logout"),
        "delete-account" => env!("CARGO_BIN_EXE_delete-account"),
        "purge-account" => env!("CARGO_BIN_EXE_purge-account"),
        other => panic!("{other} has no binary"),
    }
}
