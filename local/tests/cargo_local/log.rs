//! The log on the standard output, and what a second instance says.

use hyper::body::Bytes;
use serde_json::json;

use super::site::Site;

const MOVIE: &str = "/api/movies/01890a5d-ac96-774b-bcce-b302099a8057";

pub async fn each_request_has_a_line_with_its_result(site: &Site) {
    let preflight = [("origin", "http://page.example"), ("access-control-request-method", "GET")];
    site.request("GET", MOVIE, &[], Bytes::new()).await;
    site.request("OPTIONS", "/api/log", &preflight, Bytes::new()).await;
    site.request("GET", "/api/unknown?token=secret", &[], Bytes::new()).await;
    for (start, end) in [
        ("GET      /api/movies/01890a5d-…2099a8057   get-movie       404 ", " ms  1 RCU"),
        ("OPTIONS  /api/log                          preflight       204 ", " ms"),
        ("GET      /api/unknown                      no route        404 ", " ms"),
    ] {
        let line = site.until_logged(start).await;
        let (time, rest) = line.split_at(9);
        assert!(time.chars().enumerate().all(|(index, char)| match index {
            2 | 5 => char == ':',
            8 => char == ' ',
            _ => char.is_ascii_digit(),
        }));
        let milliseconds = rest.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        assert!(milliseconds.is_some_and(|number| number.trim().parse::<u32>().is_ok()), "{line:?}");
    }
    assert_eq!(site.beneath("get-movie       404").await, ["movie_not_found"]);
}

pub async fn functions_and_their_units_are_logged_with_their_own_lines(site: &Site) {
    let (account, _) = site.sign_up("log@example.com").await;
    site.log_in(&account).await;
    let wrong = json!({"email": "log@example.com", "password": "not this password"});
    site.send("POST", "/api/auth/login", None, &wrong).await;
    let line = site.until_logged("login           401").await;
    assert!(line.ends_with(" WCU") && line.contains(" RCU "), "{line:?}");
    let beneath = site.beneath("login           401").await;
    assert_eq!(beneath, ["INFO login_failed", "invalid_credentials"]);
}

/// After the tests above, in which accounts were deleted.
pub fn runs_of_triggers_are_logged_if_they_did_something(site: &Site) {
    let log = site.log();
    let of = |trigger: &'static str| {
        log.iter().filter(move |line| line.get(9..).is_some_and(|line| line.starts_with(trigger)))
    };
    assert!(of("stream   1 record ").any(|line| line.contains("purge-account   ok ")), "{log:#?}");
    assert_eq!(of("schedule").count(), 0, "the scheduled runs at the start found nothing: {log:#?}");
}

/// Other programs of this test write longer lines, such as the compiler.
pub fn every_line_fits_a_terminal_and_has_no_colors(site: &Site) {
    let entries = site.log().into_iter().filter(|line| line.contains(" ms"));
    let mut count = 0;
    for line in entries {
        assert!(line.chars().count() <= 100 && !line.contains('\u{1b}'), "{line:?}");
        count += 1;
    }
    assert!(count > 50, "{count} requests are logged");
}

pub async fn a_second_instance_lists_everything_that_is_taken(site: &Site) {
    let environment = site.environment();
    let before = std::fs::read_to_string(environment).expect("the environment file");
    let (port, database) = (site.port().to_string(), site.database());
    let (_, database_port) = database.rsplit_once(':').expect("a port");
    let mut second = tokio::process::Command::new(env!("CARGO_BIN_EXE_local"));
    second
        .args(["--in-memory", "--port", &port, "--database-port", database_port, "--env-file"])
        .arg(environment);
    let output = second.current_dir("..").output().await.expect("it ends");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    for text in [
        "cargo local: cannot start:\n".to_owned(),
        format!("- the API cannot listen on 127.0.0.1:{port}: "),
        "  choose another port with --port\n".to_owned(),
        format!("- the database cannot listen on 127.0.0.1:{database_port}: "),
        "  choose another port with --database-port; 0 chooses a free one\n".to_owned(),
        format!("- {} is in use by another `cargo local`:\n", environment.display()),
        "  choose another file with --env-file\n".to_owned(),
    ] {
        assert!(shown.contains(&text), "{text:?} is in {shown}");
    }
    assert_eq!(std::fs::read_to_string(environment).expect("the environment file"), before);
}
