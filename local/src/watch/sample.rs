//! `cargo local --sample`: a hundred well-known movies of two sample users, added through the API.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{output::print, progress::Progress};

/// Requests to create the movies, in the order of the list.
const MOVIES: &str = include_str!("sample/movies.json");

/// The emails of the users, who add the movies in turn.
const PEOPLE: [&str; 2] = ["mia@example.com", "noah@example.com"];

/// The password of both.
const PASSWORD: &str = "a bag full of samples";

/// How long a request may take: longer than `cargo local` lets it wait for a function.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Adds the movies to an empty bag through the API at `address`, and prints how to look at them. Adds nothing to a bag
/// that has movies.
///
/// An error is printed, but does not stop `cargo local`: the API works without the sample, and its log shows the cause.
pub async fn add(address: &str) {
    let api = Api { address: address.to_owned(), client: Client::builder(TokioExecutor::new()).build_http() };
    if let Err(error) = api.add_sample().await {
        print(format!("The sample is incomplete: {error:#}. To try again, delete the folder .local first."));
    }
}

struct Api {
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    async fn add_sample(&self) -> Result<()> {
        if self.succeed("GET", "/api/movies?limit=1", None, &Value::Null).await? != json!([]) {
            print(
                "The bag has movies already, so no sample is added. For an empty bag, stop with Ctrl-C and delete the \
                 folder .local, or use --in-memory.",
            );
            return Ok(());
        }
        let movies: Vec<Value> = serde_json::from_str(MOVIES)?;
        let progress = Progress::new("Adding sample movies", movies.len());
        let tokens = [self.log_in(PEOPLE[0]).await?, self.log_in(PEOPLE[1]).await?];
        let mut added_by = Value::Null;
        for (movie, token) in movies.iter().zip(tokens.iter().cycle()) {
            let created = self.succeed("POST", "/api/movies", Some(token), movie).await;
            let created = created.with_context(|| format!("{} cannot be added", movie["name"]))?;
            added_by = created["added_by"].clone();
            if let Some(line) = progress.advance() {
                print(line);
            }
        }
        drop(progress);
        self.explain(added_by.as_str().unwrap_or_default());
        Ok(())
    }

    /// Returns the token of a new session. The account may exist, in a bag whose movies were deleted.
    async fn log_in(&self, email: &str) -> Result<String> {
        let account = json!({"email": email, "password": PASSWORD});
        let (status, body) = self.send("POST", "/api/auth/signup", None, &account).await?;
        if ![StatusCode::OK, StatusCode::CONFLICT].contains(&status) {
            bail!("{email} cannot sign up: {status} {body}");
        }
        let session = self.succeed("POST", "/api/auth/login", None, &account).await?;
        Ok(session["token"].as_str().context("login responds without a token")?.to_owned())
    }

    /// Prints how to look at the sample; `added_by` is the id of the second user.
    fn explain(&self, added_by: &str) {
        let Self { address, .. } = self;
        let [first, second] = PEOPLE;
        print(format!(
            "The bag has a hundred movies: half added by {first}, half by {second}. To see them:\n  \
             curl '{address}/api/movies?limit=10'\n  \
             curl '{address}/api/movies?name_prefix=the'\n  \
             curl '{address}/api/movies?added_by={added_by}'\n\
             The password of both is {PASSWORD:?}. Log in as one of them:\n  \
             curl {address}/api/auth/login -H 'content-type: application/json' \
             -d '{{\"email\": \"{first}\", \"password\": \"{PASSWORD}\"}}'"
        ));
    }

    /// Sends a request. Returns the body of the response; a response that is not 200 is an error.
    async fn succeed(&self, method: &str, target: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        match self.send(method, target, token, body).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, body) => bail!("the response to {method} {target} is {status} {body}"),
        }
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<(StatusCode, Value)> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let exchange = async {
            let (head, body) = self.client.request(request.body(body.into())?).await?.into_parts();
            anyhow::Ok((head.status, body.collect().await?.to_bytes()))
        };
        let (status, body) = timeout(LONGEST_WAIT, exchange)
            .await
            .map_err(anyhow::Error::from)
            .flatten()
            .with_context(|| format!("{method} {target} has no response"))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Movie {
        name: String,
        casts: Vec<String>,
        genres: Vec<String>,
    }

    #[test]
    fn the_sample_is_a_hundred_complete_different_movies() {
        let movies: Vec<Movie> = serde_json::from_str(MOVIES).expect("movies");
        let names: BTreeSet<String> = movies.iter().map(|movie| movie.name.to_lowercase()).collect();
        assert_eq!((movies.len(), names.len(), MOVIES.lines().count()), (100, 100, 102));
        for Movie { name, casts, genres } in &movies {
            assert!(!casts.is_empty() && !genres.is_empty(), "{name}");
            for texts in [&vec![name.clone()], casts, genres] {
                let different: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
                assert_eq!(different.len(), texts.len(), "{name}: {texts:?}");
                assert!(
                    texts.iter().all(|text| !text.is_empty() && text.trim() == text),
                    "{name}: {texts:?}"
                );
            }
        }
        for name in ["Amélie", "Léon", "Сталкер", "七人の侍"] {
            assert!(movies.iter().any(|movie| movie.name == name), "{name}");
        }
    }
}
