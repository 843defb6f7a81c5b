//! The git-ignored `.env`: the functions' environment variables on this machine, in lines that
//! `cargo lambda watch --env-file .env` reads, too.

use std::{
    collections::BTreeMap, fs::Permissions, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::template::{MAIL_FROM, REGION, Template};

const INTRODUCTION: &str =
    "# Written by `cargo local`, which refreshes the tables and the endpoints and keeps the rest.\n";

/// Only the owner may read the signing key.
const MODE: u32 = 0o600;

/// Creates or refreshes the file at `path`. The names of the tables and the addresses of the database and the mail service
/// are always set; a signing key is generated if there is none; everything else stays as it is.
pub fn refresh(path: &Path, template: &Template, database: &str, mail_service: &str) -> Result<()> {
    let place = path.display();
    let before = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {place}")),
    };
    let mut text = before.clone().unwrap_or_else(|| INTRODUCTION.to_owned());
    for (name, value) in table_variables(template) {
        set(&mut text, &name, &value);
    }
    set(&mut text, "AWS_ENDPOINT_URL_DYNAMODB", database);
    set(&mut text, "AWS_ENDPOINT_URL_SESV2", mail_service);
    let region = value(&text, "AWS_REGION").filter(|region| !region.is_empty()).unwrap_or(REGION).to_owned();
    for (name, default) in [
        ("AWS_REGION", REGION),
        // The AWS CLI reads only this one.
        ("AWS_DEFAULT_REGION", &region),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("MAIL_FROM", MAIL_FROM),
    ] {
        if value(&text, name).is_none_or(str::is_empty) {
            set(&mut text, name, default);
        }
    }
    if value(&text, "JWT_SECRET_KEY").is_none_or(str::is_empty) {
        set(&mut text, "JWT_SECRET_KEY", &random_key()?);
    }
    let private = path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o777 == MODE);
    if before.as_ref() != Some(&text) || !private {
        write(path, &text).with_context(|| format!("cannot write {place}"))?;
    }
    Ok(())
}

/// Reads the variables in the file at `path`.
pub fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(variable).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Returns the variables whose value in the template is a table, with the table's name.
fn table_variables(template: &Template) -> BTreeMap<String, String> {
    let variables = template.functions().iter().flat_map(|function| &function.environment);
    let tables = variables.filter_map(|(name, value)| {
        let table = template.tables().iter().find(|table| value["Ref"] == *table.logical_id);
        Some((name.clone(), table?.name.clone()))
    });
    tables.collect()
}

/// Splits a line into name and value, without the quotes around a value.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))?;
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some((name.trim(), unquoted.unwrap_or(value)))
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(variable).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Replaces the line of `name`, or adds one.
fn set(text: &mut String, name: &str, new: &str) {
    let is_it = |line: &str| variable(line).is_some_and(|(found, _)| found == name);
    if value(text, name) == Some(new) {
        return;
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match lines.iter_mut().find(|line| is_it(line)) {
        Some(line) => *line = format!("{name}={new}"),
        None => lines.push(format!("{name}={new}")),
    }
    *text = lines.join("\n") + "\n";
}

fn random_key() -> Result<String> {
    let mut key = [0; 48];
    getrandom::fill(&mut key).context("the system gives no randomness")?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(key))
}

/// Replaces the file at once, so that a program that reads it sees the old or the new text, never half of it.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("the path names no file")?;
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::template;

    /// Refreshes a file that has this text, if any, and returns its new text.
    fn refreshed(before: Option<&str>, database: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        if let Some(before) = before {
            std::fs::write(&path, before).expect("a file");
        }
        refresh(&path, &template(), database, "http://127.0.0.1:4/secret").expect("a refresh");
        assert_eq!(path.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
        std::fs::read_to_string(&path).expect("the file")
    }

    #[test]
    fn the_first_file_is_complete_and_private() {
        let text = refreshed(None, "http://127.0.0.1:8000");
        let value = |name| value(&text, name);
        let tables = template().tables().len();
        assert_eq!(text.lines().filter(|line| line.contains("_TABLE=")).count(), tables, "{text}");
        assert_eq!(value("MOVIES_TABLE"), Some("MoviesTable"));
        assert_eq!(value("AWS_ENDPOINT_URL_DYNAMODB"), Some("http://127.0.0.1:8000"));
        assert_eq!(value("AWS_ENDPOINT_URL_SESV2"), Some("http://127.0.0.1:4/secret"));
        assert_eq!((value("AWS_REGION"), value("BCRYPT_COST")), (Some("eu-west-1"), None));
        assert_eq!(value("AWS_DEFAULT_REGION"), Some("eu-west-1"));
        assert_eq!(value("MAIL_FROM"), Some("movie-bag@example.com"));
        assert_eq!(value("JWT_SECRET_KEY").expect("a key").len(), 64);
        assert_eq!(text.lines().filter_map(variable).count(), tables + 8);
        assert_ne!(text, refreshed(None, "http://127.0.0.1:8000"), "each file has a key of its own");
    }

    #[test]
    fn a_refresh_keeps_the_key_and_what_a_person_wrote() {
        let kept = "# mine\nBCRYPT_COST=4\nJWT_SECRET_KEY='my own key'\nAWS_REGION=us-east-1\n";
        let first = refreshed(Some(&format!("{kept}AWS_ENDPOINT_URL_DYNAMODB=x")), "http://127.0.0.1:1");
        let endpoint = "AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1\n";
        assert!(first.starts_with(&format!("{kept}{endpoint}")), "{first}");
        assert_eq!(value(&first, "AWS_DEFAULT_REGION"), Some("us-east-1"));
        let second = refreshed(Some(&first), "http://127.0.0.1:2");
        assert_eq!(second, first.replace("127.0.0.1:1", "127.0.0.1:2"));
    }
}
