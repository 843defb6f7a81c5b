//! The git-ignored `.env`: what the functions need to run on this machine, in lines that
//! `cargo lambda watch --env-file .env` reads.

use std::{fs::Permissions, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::template::{REGION, Template};

const INTRODUCTION: &str =
    "# Written by `cargo local`, which refreshes the tables and the endpoint and keeps the rest.\n";

/// Only the owner may read the signing key.
const MODE: u32 = 0o600;

/// Makes or refreshes the file at `path`, and gives the variables it then holds. The names of the tables and the
/// database's address always become right; a signing key is made once; whatever else is there stays as it is.
pub fn refresh(path: &Path, template: &Template, endpoint: &str) -> Result<Vec<(String, String)>> {
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
    set(&mut text, "AWS_ENDPOINT_URL_DYNAMODB", endpoint);
    for (name, default) in
        [("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")]
    {
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
    let variables = text.lines().filter_map(variable);
    Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The variables by which functions find their tables: those whose value in the template is a table.
fn table_variables(template: &Template) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (name, value) in template.functions().iter().flat_map(|function| &function.environment) {
        let table = template.tables().iter().find(|table| value["Ref"] == *table.logical_id);
        if let Some(table) = table {
            variables.push((name.clone(), table.name.clone()));
        }
    }
    variables.sort();
    variables.dedup();
    variables
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

/// Whoever reads the file sees the old or the new one, never half of it.
fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template::parse(
            "
Resources:
  MoviesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  GetMovieFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/get-movie/
      Environment: {Variables: {MOVIES_TABLE: !Ref MoviesTable, BCRYPT_COST: !Ref BcryptCost}}
",
        )
        .expect("a valid template")
    }

    #[test]
    fn the_first_file_is_complete_and_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        let variables = refresh(&path, &template(), "http://127.0.0.1:8000").expect("a file");
        let text = std::fs::read_to_string(&path).expect("the file");
        let value = |name| value(&text, name);
        assert_eq!(value("MOVIES_TABLE"), Some("MoviesTable"));
        assert_eq!(value("AWS_ENDPOINT_URL_DYNAMODB"), Some("http://127.0.0.1:8000"));
        assert_eq!((value("AWS_REGION"), value("BCRYPT_COST")), (Some("eu-west-1"), None));
        assert_eq!(value("JWT_SECRET_KEY").expect("a key").len(), 64);
        assert_eq!(variables.len(), 6);
        let mode = path.metadata().expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_refresh_keeps_the_key_and_what_a_person_wrote() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        let written = "# mine\nBCRYPT_COST=4\nJWT_SECRET_KEY='my own key'\nAWS_REGION=us-east-1\nAWS_ENDPOINT_URL_DYNAMODB=x";
        std::fs::write(&path, written).expect("a file");
        refresh(&path, &template(), "http://127.0.0.1:1").expect("a refresh");
        let first = std::fs::read_to_string(&path).expect("the file");
        let kept = "# mine\nBCRYPT_COST=4\nJWT_SECRET_KEY='my own key'\nAWS_REGION=us-east-1\n";
        assert!(
            first.starts_with(&format!("{kept}AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:1\n")),
            "{first}"
        );
        assert_eq!(path.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
        refresh(&path, &template(), "http://127.0.0.1:2").expect("a refresh");
        let second = std::fs::read_to_string(&path).expect("the file");
        assert_eq!(second, first.replace("127.0.0.1:1", "127.0.0.1:2"));
    }

    #[test]
    fn every_first_file_has_a_key_of_its_own() {
        assert_ne!(random_key().expect("a key"), random_key().expect("a key"));
    }
}
