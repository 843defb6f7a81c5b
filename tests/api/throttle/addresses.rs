//! The address of an attempt is the one that API Gateway saw.

use super::{
    ACCOUNT_LIMIT, OWNER, PASSWORD_ENDPOINTS, PasswordEndpoint, SOURCE_LIMIT, STRANGER, ThrottleTest, now,
};
use crate::{consistency::assert_consistent, test_app::PASSWORD};

const OTHERS: [&str; 4] = ["198.51.100.67", "2001:db8:0:1::66", "2001:db8:0:2::66", "10.0.0.1"];

#[tokio::test]
async fn the_owner_can_log_in_during_an_attack() {
    for endpoint in PASSWORD_ENDPOINTS {
        let mut test = ThrottleTest::new(endpoint).await;
        test.fail_times(8, STRANGER).await;
        test.block_until(now() + 60_000);
        test.blocked(test.guess(STRANGER)).await;
        for address in OTHERS {
            test.fail(address).await;
        }
        let before = test.strict();
        test.succeed(OWNER).await;
        // The owner's correct password does not reset the failures of other addresses.
        assert_eq!(test.strict(), before, "{endpoint:?}");
        test.blocked(test.attempt(PASSWORD, STRANGER)).await;
        let owner = usize::from(endpoint == PasswordEndpoint::ChangePassword);
        assert_eq!(
            test.windows(SOURCE_LIMIT).len(),
            1 + OTHERS.len() + owner,
            "{endpoint:?}: the stranger, others, and the owner if correct passwords count"
        );
        assert_consistent(&test.app);
    }
}

#[tokio::test]
async fn ipv6_addresses_of_one_network_share_their_waits() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = ThrottleTest::new(endpoint).await;
        for host in 1..=5 {
            test.fail(&format!("2001:db8:0:7:{host:x}::{host:x}")).await;
        }
        assert_eq!(test.strict_failures(), 5, "{endpoint:?}");
        test.block_until(now() + 60_000);
        test.blocked(test.guess("2001:db8:0:7:ffff:ffff:ffff:ffff")).await;
        test.fail("2001:db8:0:8::1").await;
        assert_eq!(test.strict().len(), 2, "{endpoint:?}: the next network has its own waits");
    }
}

#[tokio::test]
async fn an_ipv4_address_is_one_source_in_either_form() {
    for endpoint in PASSWORD_ENDPOINTS {
        let test = ThrottleTest::new(endpoint).await;
        test.fail(STRANGER).await;
        test.fail(&format!("::ffff:{STRANGER}")).await;
        assert_eq!(test.strict_failures(), 2, "{endpoint:?}");
        // Different IPv4 addresses are different in that form, too: they are not hosts of one IPv6 network.
        test.fail("::ffff:198.51.100.99").await;
        assert_eq!(test.strict().len(), 2, "{endpoint:?}");
    }
}

#[tokio::test]
async fn address_headers_of_a_client_change_nothing() {
    let headers = [
        ("x-forwarded-for", OWNER),
        ("x-forwarded-for", "203.0.113.1, 203.0.113.2"),
        ("x-real-ip", OWNER),
        ("forwarded", "for=192.0.2.7"),
        ("client-ip", OWNER),
        ("true-client-ip", OWNER),
        ("cf-connecting-ip", OWNER),
    ];
    for endpoint in PASSWORD_ENDPOINTS {
        let mut test = ThrottleTest::new(endpoint).await;
        for (name, value) in headers {
            let response = test.app.send(test.guess(STRANGER).header(name, value)).await;
            assert_eq!(response.status, endpoint.refusal(), "{endpoint:?} {name}");
            test.let_waits_pass();
        }
        assert_eq!(
            test.strict_failures(),
            headers.len() as u64,
            "{endpoint:?}: the address of a header was used"
        );
        // A header neither ends a wait nor causes one for another address.
        test.block_until(now() + 60_000);
        for (name, value) in headers {
            test.blocked(test.attempt(PASSWORD, STRANGER).header(name, value)).await;
        }
        test.succeed(OWNER).await;
        assert_eq!(
            test.window_failures(ACCOUNT_LIMIT),
            headers.len() as u64 + endpoint.kept(1),
            "{endpoint:?}"
        );
        assert_consistent(&test.app);
    }
}
