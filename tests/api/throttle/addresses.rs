//! Whose failures they are: the address is the one that API Gateway saw.

use super::{ACCOUNT_LIMIT, DOORS, Door, House, OWNER, SOURCE_LIMIT, STRANGER, now};
use crate::{bag::PASSWORD, consistency::assert_consistent};

const OTHERS: [&str; 4] = ["198.51.100.67", "2001:db8:0:1::66", "2001:db8:0:2::66", "10.0.0.1"];

#[tokio::test]
async fn every_address_has_waits_of_its_own_and_the_owner_gets_in_during_an_attack() {
    for door in DOORS {
        let mut house = House::new(door).await;
        house.fail_times(8, STRANGER).await;
        house.block_until(now() + 60_000);
        house.blocked(house.guess(STRANGER)).await;
        for address in OTHERS {
            house.fail(address).await;
        }
        let before = house.strict();
        house.succeed(OWNER).await;
        // What others have failed at is not forgiven because the owner knows the password.
        assert_eq!(house.strict(), before, "{door:?}");
        house.blocked(house.attempt(PASSWORD, STRANGER)).await;
        let first_login = usize::from(door == Door::Login);
        assert_eq!(
            house.windows(SOURCE_LIMIT).len(),
            1 + OTHERS.len() + 1 + first_login,
            "{door:?}: the stranger, others, the owner, and the first login"
        );
        assert_consistent(&house.bag);
    }
}

#[tokio::test]
async fn ipv6_addresses_of_one_network_share_their_waits() {
    for door in DOORS {
        let house = House::new(door).await;
        for host in 1..=5 {
            house.fail(&format!("2001:db8:0:7:{host:x}::{host:x}")).await;
        }
        assert_eq!(house.strict_failures(), 5, "{door:?}");
        house.block_until(now() + 60_000);
        house.blocked(house.guess("2001:db8:0:7:ffff:ffff:ffff:ffff")).await;
        house.fail("2001:db8:0:8::1").await;
        assert_eq!(house.strict().len(), 2, "{door:?}: the next network has waits of its own");
    }
}

#[tokio::test]
async fn an_ipv4_address_is_one_source_in_either_form() {
    for door in DOORS {
        let house = House::new(door).await;
        house.fail(STRANGER).await;
        house.fail(&format!("::ffff:{STRANGER}")).await;
        assert_eq!(house.strict_failures(), 2, "{door:?}");
        // Other IPv4 addresses are others in that form, too: they are not hosts of one IPv6 network.
        house.fail("::ffff:198.51.100.99").await;
        assert_eq!(house.strict().len(), 2, "{door:?}");
    }
}

#[tokio::test]
async fn what_a_client_says_of_its_address_changes_nothing() {
    let headers = [
        ("x-forwarded-for", OWNER),
        ("x-forwarded-for", "203.0.113.1, 203.0.113.2"),
        ("x-real-ip", OWNER),
        ("forwarded", "for=192.0.2.7"),
        ("client-ip", OWNER),
        ("true-client-ip", OWNER),
        ("cf-connecting-ip", OWNER),
    ];
    for door in DOORS {
        let mut house = House::new(door).await;
        for (name, value) in headers {
            let response = house.bag.send(house.guess(STRANGER).header(name, value)).await;
            assert_eq!(response.status, door.refusal(), "{door:?} {name}");
            house.let_waits_pass();
        }
        assert_eq!(house.strict_failures(), headers.len() as u64, "{door:?}: another address was believed");
        // Nobody can get out of a wait by a header, nor put others into one.
        house.block_until(now() + 60_000);
        for (name, value) in headers {
            house.blocked(house.attempt(PASSWORD, STRANGER).header(name, value)).await;
        }
        house.succeed(OWNER).await;
        assert_eq!(house.window_failures(ACCOUNT_LIMIT), headers.len() as u64 + door.kept(1), "{door:?}");
        assert_consistent(&house.bag);
    }
}
