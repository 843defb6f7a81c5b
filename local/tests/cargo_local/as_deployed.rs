//! The behavior of API Gateway between a client and a function, the guard of the database, and mails.

use std::io::Read as _;

use flate2::read::GzDecoder;
use hyper::{StatusCode, body::Bytes};
use serde_json::{Value, json};

use super::site::{Response, Site};

const PAGE: (&str, &str) = ("origin", "http://page.example");
const MOVIE: &str = "/api/movies/01890a5d-ac96-774b-bcce-b302099a8057";

pub async fn pages_may_do_what_the_template_allows(site: &Site) {
    let preflight_of = |method, headers| {
        [PAGE, ("access-control-request-method", method), ("access-control-request-headers", headers)]
    };
    for (method, headers) in
        [("PUT", "authorization,content-type,if-match,if-none-match"), ("PATCH", "x-amz-target")]
    {
        let preflight = site.request("OPTIONS", MOVIE, &preflight_of(method, headers), Bytes::new()).await;
        assert_eq!(preflight.status, StatusCode::NO_CONTENT);
        // Neither PATCH nor another header is allowed, whatever a page requests.
        let allowed = [
            ("access-control-allow-headers", "authorization,content-type,if-match,if-none-match"),
            ("access-control-allow-methods", "GET,POST,PUT,DELETE"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "etag,link,location,retry-after"),
            ("access-control-max-age", "3600"),
        ];
        assert_eq!(preflight.cors(), allowed, "{method}");
    }
    let readable = [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "etag,link,location,retry-after"),
    ];
    for (method, path, status) in [("GET", "/api/movies", 200), ("GET", MOVIE, 404), ("PATCH", MOVIE, 404)] {
        let response = site.request(method, path, &[PAGE], Bytes::new()).await;
        assert_eq!(
            (response.status.as_u16(), response.cors()),
            (status, readable.to_vec()),
            "{method} {path}"
        );
    }
    let no_page = site.request("GET", "/api/movies", &[], Bytes::new()).await;
    assert_eq!(no_page.cors(), []);
}

pub async fn requests_without_a_route_reach_no_function(site: &Site) {
    for (method, path) in
        [("PATCH", MOVIE), ("OPTIONS", MOVIE), ("HEAD", "/api/movies"), ("GET", "/api/nothing"), ("GET", "/")]
    {
        let response = site.request(method, path, &[], Bytes::new()).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{method} {path}");
        if method != "HEAD" {
            assert_eq!(response.body, r#"{"message":"Not Found"}"#, "{method} {path}");
        }
    }
    let largest = Bytes::from(vec![b' '; 10 * 1024 * 1024 + 1]);
    let json = [("content-type", "application/json")];
    let refused = site.request("POST", "/api/auth/login", &json, largest).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

pub async fn any_bytes_reach_the_function(site: &Site) {
    let json = [("content-type", "application/json")];
    let refused =
        site.request("POST", "/api/auth/login", &json, Bytes::from_static(b"{\"email\": \"\xff\"}")).await;
    assert_problem(&refused, 400, "malformed_json");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let refused = site.request("POST", "/api/auth/login", &form, Bytes::from_static(b"a=\xff")).await;
    assert_problem(&refused, 415, "unsupported_media_type");
}

fn assert_problem(response: &Response, status: u16, code: &str) {
    assert_eq!((response.status.as_u16(), &response.json()["code"]), (status, &json!(code)), "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
}

pub async fn a_compressed_page_arrives_intact(site: &Site) {
    let (account, _) = site.sign_up("dan@example.com").await;
    let token = site.log_in(&account).await;
    for name in ["Ran", "Ikiru", "Kagemusha"] {
        let casts: Vec<_> = (0..20).map(|number| format!("Samurai {number} of {name}")).collect();
        let movie = json!({"name": name, "casts": casts, "genres": ["Drama"]});
        let (status, created) = site.send("POST", "/api/movies", Some(&token), &movie).await;
        assert_eq!(status, StatusCode::OK, "create-movie: {created}");
    }
    let list = async |headers: &[_]| site.request("GET", "/api/movies", headers, Bytes::new()).await;
    let plain = list(&[]).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    let page = list(&[PAGE, ("accept-encoding", "br"), ("accept-encoding", "gzip;q=0.5")]).await;
    assert_eq!(
        (page.header("content-encoding"), page.header("vary")),
        (Some("gzip"), Some("accept-encoding"))
    );
    assert_eq!(page.header("access-control-allow-origin"), Some("*"));
    assert_eq!(page.header("content-length"), Some(page.body.len().to_string().as_str()));
    let mut text = Vec::new();
    GzDecoder::new(&page.body[..]).read_to_end(&mut text).expect("a body that is compressed with gzip");
    assert_eq!(text, plain.body);
}

pub async fn repeated_headers_are_joined(site: &Site, token: &str) {
    let authorization = format!("Bearer {token}");
    let once = ("authorization", authorization.as_str());
    let account = site.request("GET", "/api/auth/account", &[once], Bytes::new()).await;
    assert_eq!(account.status, StatusCode::OK);
    let refused = site.request("GET", "/api/auth/account", &[once, once], Bytes::new()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "two tokens are none: {refused:?}");
}

pub async fn many_requests_at_once_are_all_served(site: &Site, account: &Value) {
    let body = account.to_string();
    let json = [("content-type", "application/json")];
    let login = || site.request("POST", "/api/auth/login", &json, body.clone().into());
    let responses: [Response; 6] = tokio::join!(login(), login(), login(), login(), login(), login()).into();
    for response in responses {
        assert_eq!(response.status, StatusCode::OK, "{response:?}");
    }
}

pub async fn the_database_serves_no_page(site: &Site) {
    let database = site.database();
    let foreign = ("host", "evil.example");
    for (method, header) in [("GET", PAGE), ("POST", PAGE), ("OPTIONS", PAGE), ("GET", foreign)] {
        let refused = site.request_to(&database, method, "/", &[header], Bytes::new()).await;
        assert_eq!((refused.status, refused.cors()), (StatusCode::FORBIDDEN, vec![]), "{method} {header:?}");
    }
    let health = site.request_to(&database, "GET", "/", &[], Bytes::new()).await;
    assert_eq!(health.status, StatusCode::OK);
}

pub async fn a_mail_is_shown_and_kept(site: &Site) {
    let link = format!("https://movies.example/#reset_token={}", "a".repeat(43));
    let text = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
    let body = json!({"Text": text(&format!("Open {link}.")), "Html": text("<p>Grüße</p>")});
    let mail = json!({
        "FromEmailAddress": "movie-bag@example.com",
        "Destination": {"ToAddresses": ["dan@example.com"]},
        "Content": {"Simple": {"Subject": text("Your password"), "Body": body}},
    });
    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/ses/aws4_request, Signature=0",
    );
    let (service, path) = (site.mail_service(), "/v2/email/outbound-emails");
    let sent = site.request_to(&service, "POST", path, &[signed], mail.to_string().into()).await;
    assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
    let (shown, file) = site.mail_to("dan@example.com").await;
    assert_eq!(shown, ["Mail to dan@example.com: Your password".to_owned(), format!("  {link}")]);
    assert!(file.contains("To: <dan@example.com>") && file.contains("multipart/alternative"), "{file}");
}

pub async fn the_page_about_the_api_is_announced_and_served(site: &Site) {
    let address = format!("{}/api/docs", site.address);
    assert!(site.log().iter().any(|line| line.contains(&format!("open {address}"))), "{:#?}", site.log());
    let page = site.request("GET", "/api/docs", &[], Bytes::new()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.starts_with(b"<!doctype html>"));
    // The largest file, which is not text, arrives as it was sent.
    let page = String::from_utf8(page.body.to_vec()).expect("UTF-8");
    let (_, script) = page.split_once("<script src=\"").expect("a script");
    let (script, _) = script.split_once('"').expect("its address");
    let script = format!("/api/{script}");
    let plain = site.request("GET", &script, &[], Bytes::new()).await;
    let gzip = site.request("GET", &script, &[("accept-encoding", "gzip")], Bytes::new()).await;
    let mut text = Vec::new();
    GzDecoder::new(&gzip.body[..]).read_to_end(&mut text).expect("gzip");
    assert_eq!(plain.status, StatusCode::OK);
    assert!(plain.body == text, "both are the same script");
}
