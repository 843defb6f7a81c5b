//! The names and the windows of counters.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::token::WeakKey;
use crate::model::Timestamp;

/// The length of a window.
const WINDOW: Duration = Duration::from_hours(1);

/// The bits of an IPv6 address that identify a network: a customer gets at least a /64 and chooses the other bits
/// (RFC 6177, RFC 4291 section 2.5.1).
const IPV6_NETWORK_BITS: u32 = 64;

/// Derives the names of counters, so that their table contains neither emails nor addresses.
#[derive(Clone)]
pub struct CounterKey(Hmac<Sha256>);

impl fmt::Debug for CounterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CounterKey")
    }
}

impl CounterKey {
    /// Creates a key of a secret, unless the secret can be guessed.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of every length")]
    pub fn new(secret: &str) -> Result<Self, WeakKey> {
        WeakKey::check(secret)?;
        Ok(Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length")))
    }

    /// Returns the name of a counter, which does not reveal its parts.
    pub(super) fn name(&self, parts: &[&str]) -> String {
        let mut mac = self.0.clone();
        for part in parts {
            // The length prefix separates the parts unambiguously.
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
    }
}

/// Returns the form of a source address that identifies its counters: of an IPv6 address the network, of an IPv4-mapped
/// address the IPv4 address, and a text that is not an address itself.
pub(super) fn network(source: &str) -> Cow<'_, str> {
    match source.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string().into(),
        Ok(IpAddr::V6(address)) => {
            let network = address.to_bits() & (u128::MAX << (Ipv6Addr::BITS - IPV6_NETWORK_BITS));
            format!("{}/{IPV6_NETWORK_BITS}", Ipv6Addr::from_bits(network)).into()
        }
        Err(_) => source.into(),
    }
}

/// Returns the hour of a time, since 1970.
pub(super) fn hour(time: Timestamp) -> i64 {
    time.unix_seconds().div_euclid(WINDOW.as_secs().cast_signed())
}

/// Returns how many seconds of the hour of a time are left, at least 1.
pub(super) fn seconds_left_in_hour(now: Timestamp) -> i64 {
    (hour(now) + 1) * WINDOW.as_secs().cast_signed() - now.unix_seconds()
}

/// Returns the time at which the window of this hour expires, which is after its end.
pub(super) fn window_expiry(now: Timestamp) -> Timestamp {
    now + WINDOW * 2
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CounterKey, hour, network, seconds_left_in_hour, window_expiry};
    use crate::model::Timestamp;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_milliseconds(seconds * 1000).expect("a time")
    }

    fn key(secret: &str) -> CounterKey {
        CounterKey::new(secret).expect("a good key")
    }

    #[test]
    fn a_window_is_an_hour_and_expires_after_its_end() {
        for (seconds, in_hour, left) in
            [(0, 0, 3600), (3599, 0, 1), (3600, 1, 3600), (9001, 2, 1799), (-1, -1, 1)]
        {
            assert_eq!((hour(at(seconds)), seconds_left_in_hour(at(seconds))), (in_hour, left), "{seconds}");
        }
        assert_eq!(window_expiry(at(9001)), at(9001) + Duration::from_hours(2));
    }

    #[test]
    fn a_name_depends_on_the_key_and_on_each_part() {
        let secret = key("a key of tests that is long enough");
        let names = [
            secret.name(&["ab", "c"]),
            secret.name(&["a", "bc"]),
            secret.name(&["abc"]),
            secret.name(&["abc", ""]),
            key("another key of tests, long enough").name(&["ab", "c"]),
        ];
        for (i, name) in names.iter().enumerate() {
            // 128 bits in base64url.
            assert_eq!(name.len(), 22, "{name}");
            assert!(!names[..i].contains(name), "{i}");
        }
        assert_eq!(names[0], secret.clone().name(&["ab", "c"]));
    }

    #[test]
    fn a_counter_key_is_not_shown() {
        assert_eq!(format!("{:?}", key("a key of tests that is long enough")), "CounterKey");
    }

    #[test]
    fn ipv6_addresses_of_one_64_network_are_one_source() {
        for (source, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::66", "2001:db8::/64"),
            ("2001:0DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("2001:db8:0:8000:1:2:3:4", "2001:db8:0:8000::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:c000:207", "192.0.2.7"),
            ("::1", "::/64"),
            ("", ""),
            ("unknown", "unknown"),
            ("192.0.2.07", "192.0.2.07"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("2001:db8::1%eth0", "2001:db8::1%eth0"),
        ] {
            assert_eq!(network(source), expected, "{source}");
        }
    }
}
