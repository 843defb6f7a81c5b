//! The content type of a body, and the precedence of errors.

use super::StrictInputTest;

#[tokio::test]
async fn only_json_is_accepted() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
        let good = case.body.to_string();
        test.assert_refused(&case, case.request().body(good.clone()), 415, "unsupported_media_type").await;
        test.assert_refused(&case, case.request(), 415, "unsupported_media_type").await;
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
            for request in [case.request().body(good.clone()), case.request().body(good.clone()).base64()] {
                let request = request.header("content-type", other);
                test.assert_refused(&case, request, 415, "unsupported_media_type").await;
            }
        }
    }
}

#[tokio::test]
async fn json_is_accepted_in_every_spelling() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
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
            let request = case.request().header("Content-Type", content_type);
            // This body is refused only for its fields, so each operation can be called again.
            test.assert_refused(&case, request.body("{\"other\":1}"), 400, "validation_failed").await;
        }
        let request = case.request().header("content-type", "APPLICATION/JSON; charset=utf-8");
        test.assert_accepted(request.body(case.body.to_string())).await;
    }
}

/// 401, 415, 413, 400: each request would also cause all later errors.
#[tokio::test]
async fn errors_take_precedence_in_the_documented_order() {
    let test = StrictInputTest::start_for_bodies().await;
    for mut case in test.body_cases() {
        let large = vec![0xff_u8; 70_000];
        let plain = case.request().header("content-type", "text/plain").body(large.clone());
        test.assert_refused(&case, plain, 415, "unsupported_media_type").await;
        test.assert_refused(&case, case.with_body(large.clone()), 413, "payload_too_large").await;
        test.assert_refused(&case, case.with_body("{\"other\":1,"), 400, "malformed_json").await;
        test.assert_refused(&case, case.with_body("{\"other\":1}"), 400, "validation_failed").await;
        if case.token.take().is_some() {
            let plain = case.request().header("content-type", "text/plain").body(large.clone());
            test.assert_refused(&case, plain.clone(), 401, "missing_token").await;
            test.assert_refused(&case, plain.bearer("x"), 401, "invalid_token").await;
            for body in [large, b"{".to_vec(), b"{}".to_vec(), case.body.to_string().into()] {
                test.assert_refused(&case, case.with_body(body), 401, "missing_token").await;
            }
        }
    }
}
