//! Copies the programs of the operations that take a body to where `targets/bodies.rs` includes them, because the types of
//! their requests are private.

use std::{env, fs, io, path::PathBuf};

const OPERATIONS: [&str; 7] = [
    "signup",
    "login",
    "change-password",
    "forgot-password",
    "reset-password",
    "create-movie",
    "update-movie",
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    for operation in OPERATIONS {
        let source = format!("../../functions/{operation}/main.rs");
        println!("cargo::rerun-if-changed={source}");
        // `include!` does not accept inner doc comments.
        let program = fs::read_to_string(source)?;
        let items: Vec<&str> = program.lines().filter(|line| !line.starts_with("//!")).collect();
        fs::write(out.join(format!("{operation}.rs")), items.join("\n"))?;
    }
    Ok(())
}
