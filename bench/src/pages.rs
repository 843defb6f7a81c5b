//! A page of a hundred real films, for a client that takes gzip and for one that does not.

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use local::{
    database::Storage,
    gateway::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};

use crate::{
    catalog::Model,
    films::{self, Film},
    fixtures,
    operation::{Operation, PAGE},
    results::Page,
    subject::{LEAST_COST, Subject},
    system::System,
    warm,
};

/// The films are movies of a catalog of this size, of which each is so many movies after the one before: twenty users have
/// added them, over two days.
const SAMPLED: u64 = 1_000;
const STEP: u64 = 7_919;

/// How many invocations a page has in one turn.
const TURN: usize = 25;

/// Measures this many invocations for each client, which take turns.
pub async fn measure(system: &System, invocations: usize) -> Result<Vec<Page>> {
    let model = fixtures::model(system).await?;
    let system = system.beside(Storage::Memory).await?;
    let table = system.table("MoviesTable")?;
    for (number, film) in (0..).zip(films::all()) {
        for item in items(&model, number * STEP % SAMPLED, &film)? {
            system.database.put_item(table, item)?;
        }
    }
    let program = Operation::FirstPage.program();
    let subject = Subject::new(program, program, LEAST_COST);
    let plain = HttpRequest::new("GET", &format!("/api/movies?limit={PAGE}"));
    let (mut pages, mut clients, mut content) = (Vec::new(), Vec::new(), Value::Null);
    for (takes_gzip, request) in [(false, plain.clone()), (true, plain.header("accept-encoding", "gzip"))] {
        let event = system.event(&request)?;
        let mut instance = system.launch(&subject, &[]).await?;
        let (bytes, page) = received(&instance.invoke(&event).await?.response)?;
        ensure!(page.as_array().map(Vec::len) == Some(PAGE), "not a page of {PAGE}: {page}");
        ensure!(pages.is_empty() || page == content, "another page for a client that takes gzip: {page}");
        content = page;
        // The first invocations set things up and are discarded.
        for _ in 0..TURN {
            warm::invocation(&mut instance, &event).await?;
        }
        pages.push(Page { takes_gzip, bytes, warm: Vec::new() });
        clients.push((instance, event));
    }
    for begun in (0..invocations).step_by(TURN) {
        for (page, (instance, event)) in pages.iter_mut().zip(&mut clients) {
            for _ in 0..TURN.min(invocations - begun) {
                page.warm.push(warm::invocation(instance, event).await?);
            }
        }
    }
    Ok(pages)
}

/// Returns the number of bytes of the body that a client receives, and its content.
fn received(response: &Value) -> Result<(u64, Value)> {
    let response = HttpResponse::from_answer(response);
    let is_compressed = response.header("content-encoding") == Some("gzip");
    let body = response.into_bytes();
    let mut text = Vec::new();
    if is_compressed {
        GzDecoder::new(&body[..]).read_to_end(&mut text).context("a page is not gzip")?;
    }
    let text = if is_compressed { &text } else { &body };
    Ok((body.len() as u64, serde_json::from_slice(text).context("a page is not JSON")?))
}

/// Returns the items of a film that was created as this movie of a catalog.
fn items(model: &Model, number: u64, film: &Film) -> Result<Vec<Value>> {
    let list = |texts: &[&str]| json!({"L": texts.iter().map(|text| json!({"S": text})).collect::<Vec<_>>()});
    let mut items = model.json(number)?;
    let movie = items.iter_mut().find(|item| item.get("id").is_some()).context("there is no movie")?;
    movie["name"] = json!({"S": film.name});
    movie["name_key"] = json!({"S": film.name.to_lowercase()});
    movie["casts"] = list(&film.casts);
    movie["genres"] = list(&film.genres);
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_that_are_counted_are_those_of_the_compressed_body() {
        let page = json!([{"id": "1"}]);
        let response = json!({"statusCode": 200, "body": page.to_string()});
        assert_eq!(received(&response).expect("a page"), (12, page.clone()));
        let body = "H4sIAAAAAAACA4uuVspMUbJSMlSqjQUAK/AhvgwAAAA=";
        let headers = json!({"content-encoding": "gzip"});
        let mut response =
            json!({"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": true});
        assert_eq!(received(&response).expect("a page"), (32, page));
        response["headers"] = json!({});
        assert!(received(&response).is_err(), "gzip without its header");
    }

    #[test]
    fn a_film_is_stored_like_a_movie_of_the_catalog() {
        let film = films::all().last().expect("a film");
        let items = items(&crate::catalog::tests::model(), 7, &film).expect("items");
        let movie = items.iter().find(|item| item.get("id").is_some()).expect("a movie");
        assert_eq!(movie["name"]["S"], film.name);
        assert_eq!(movie["casts"]["L"][0]["S"], film.casts[0]);
        assert_eq!(movie["genres"]["L"][1]["S"], film.genres[1]);
        assert_eq!(movie["id"]["S"], crate::catalog::id(7));
    }
}
