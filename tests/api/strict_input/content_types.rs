//! How a body is declared, and what is told first.

use super::Scene;

#[tokio::test]
async fn only_json_is_taken() {
    let scene = Scene::start().await;
    for taker in scene.takers() {
        let good = taker.body.to_string();
        scene.refused(&taker, taker.request().body(good.clone()), 415, "unsupported_media_type").await;
        scene.refused(&taker, taker.request(), 415, "unsupported_media_type").await;
        for other in [
            "",
            " ",
            ";",
            "text/plain",
            "text/json",
            "application/jsonx",
            "application/problem+json",
            "application/vnd.api+json",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application",
            "application/",
            "application /json",
            "application/json charset=utf-8",
            "application/json,application/json",
            "text/plain, application/json",
            "\"application/json\"",
            "*/*",
            "json",
            "application/json\u{e9}",
            "äpplication/json",
        ] {
            for request in [taker.request().body(good.clone()), taker.request().body(good.clone()).base64()] {
                let request = request.header("content-type", other);
                scene.refused(&taker, request, 415, "unsupported_media_type").await;
            }
        }
    }
}

#[tokio::test]
async fn json_is_taken_however_it_is_written() {
    let scene = Scene::start().await;
    for taker in scene.takers() {
        for content_type in [
            "application/json",
            "APPLICATION/JSON",
            "Application/Json",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"",
            "application/json;",
            " application/json ",
            "application/json; profile=\"a;b\"; charset=utf-8",
        ] {
            let request = taker.request().header("Content-Type", content_type);
            // A body that gets as far as its fields, so that each operation can be asked again.
            scene.refused(&taker, request.body("{\"other\":1}"), 400, "validation_failed").await;
        }
        let request = taker.request().header("content-type", "APPLICATION/JSON; charset=utf-8");
        scene.taken(request.body(taker.body.to_string())).await;
    }
}

/// 401, 415, 413, 400: each request has all that comes later wrong, too.
#[tokio::test]
async fn what_is_wrong_first_wins() {
    let scene = Scene::start().await;
    for mut taker in scene.takers() {
        let large = vec![0xff_u8; 70_000];
        let plain = taker.request().header("content-type", "text/plain").body(large.clone());
        scene.refused(&taker, plain, 415, "unsupported_media_type").await;
        scene.refused(&taker, taker.with_body(large.clone()), 413, "payload_too_large").await;
        scene.refused(&taker, taker.with_body("{\"other\":1,"), 400, "malformed_json").await;
        scene.refused(&taker, taker.with_body("{\"other\":1}"), 400, "validation_failed").await;
        if taker.token.take().is_some() {
            let plain = taker.request().header("content-type", "text/plain").body(large.clone());
            scene.refused(&taker, plain.clone(), 401, "missing_token").await;
            scene.refused(&taker, plain.bearer("x"), 401, "invalid_token").await;
            for body in [large, b"{".to_vec(), b"{}".to_vec(), taker.body.to_string().into()] {
                scene.refused(&taker, taker.with_body(body), 401, "missing_token").await;
            }
        }
    }
}
