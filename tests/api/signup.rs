//! `POST /api/auth/signup`.

use crate::bag::{Bag, USERS};

#[tokio::test]
async fn a_new_user_gets_an_id() {
    let bag = Bag::start().await;
    let response = bag.sign_up("ann@example.com").await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!((bag.count(USERS, "user#"), bag.count(USERS, "email#")), (1, 1));
}
