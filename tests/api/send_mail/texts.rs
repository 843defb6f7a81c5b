//! What the mails say.

use local::{mail_service::Mail, template::MAIL_FROM};

use super::{change_password, request_reset};
use crate::test_app::{NEW_PASSWORD, TestApp, TestUser};

/// Returns a reset mail of a deployment with this page.
async fn reset_mail(page: &str) -> (TestApp, TestUser, Mail) {
    let app = TestApp::start_with(1, &[("PASSWORD_RESET_URL", page)]).await;
    let ann = app.create_user("ann").await;
    request_reset(&app, &ann.email).await;
    app.send_mails().await;
    let mail = app.mails_to(&ann.email).pop().expect("a mail");
    (app, ann, mail)
}

/// Panics if a placeholder is left, or if a part does not fit into common mail clients.
fn assert_well_formed(mail: &Mail) {
    for part in [&mail.subject, &mail.text, &mail.html] {
        assert!(!part.contains("{{") && !part.contains("}}"), "{part}");
    }
    assert!(mail.text.is_ascii() && !mail.text.starts_with('\n'), "{}", mail.text);
    assert!(mail.html.starts_with("<!doctype html>"), "{}", mail.html);
    // Nothing is loaded from elsewhere, which would tell that the mail was read.
    for remote in ["<img", "<link", "<script", "url(", "@import"] {
        assert!(!mail.html.contains(remote), "{remote}");
    }
    assert_eq!(mail.from, MAIL_FROM);
}

#[tokio::test]
async fn a_reset_mail_has_the_token_or_a_link_with_it() {
    let (app, ann, mail) = reset_mail("").await;
    assert_well_formed(&mail);
    assert_eq!(mail.subject, "Set a new password for your movie bag");
    let token = mail.reset_token().expect("a token").to_owned();
    assert!(mail.html.contains(&token) && !mail.html.contains("href"), "{}", mail.html);
    assert!(mail.text.contains("30 minutes") && mail.html.contains("30 minutes"));
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
    assert_eq!(mail.to, [ann.email]);

    let (app, _, mail) = reset_mail("https://movies.example/reset?lang=en").await;
    assert_well_formed(&mail);
    let token = mail.reset_token().expect("a token").to_owned();
    let link = format!("https://movies.example/reset?lang=en#reset_token={token}");
    assert_eq!(mail.reset_link(), Some(&*link));
    // The button, and the text for those who cannot use it.
    assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
    assert_eq!(mail.html.matches(&link).count(), 2, "{}", mail.html);
    assert_eq!(app.reset_password(&token, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_link_is_escaped_in_html() {
    let (_app, _, mail) = reset_mail("https://movies.example/?a=1&b='2'").await;
    assert!(mail.text.contains("https://movies.example/?a=1&b='2'#reset_token="), "{}", mail.text);
    assert!(
        mail.html.contains("href=\"https://movies.example/?a=1&amp;b=&#39;2&#39;#reset_token="),
        "{}",
        mail.html
    );
}

#[tokio::test]
async fn a_notice_says_when_the_password_was_changed() {
    let app = TestApp::start().await;
    let ann = app.create_user("ann").await;
    change_password(&app, &ann).await;
    let created_at = app.outbox()[0]["created_at"]["S"].as_str().expect("a time").to_owned();
    app.send_mails().await;
    let mail = app.mails_to(&ann.email).pop().expect("a mail");
    assert_well_formed(&mail);
    assert_eq!(mail.subject, "The password of your movie bag was changed");
    let time = format!("{} {} UTC", &created_at[..10], &created_at[11..16]);
    assert!(mail.text.contains(&time) && mail.html.contains(&time), "{time}: {}", mail.text);
    assert_eq!((mail.reset_token(), mail.reset_link()), (None, None));
}
