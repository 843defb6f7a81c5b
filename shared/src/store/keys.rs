//! The keys of the tables: the only place that spells them.

use uuid::Uuid;

use crate::model::email::CanonicalEmail;

/// The attribute that is the partition key of `Users`, `Movies` and `PasswordAttempts`.
pub(super) const PARTITION: &str = "pk";

/// The attribute that is the partition key of `AccountDeletions`, and all that its stream carries.
pub(super) const USER_ID: &str = "user_id";

/// The index of all movies by canonical name.
pub(super) const CATALOG_INDEX: &str = "catalog";

/// The index of all movies by the user who added them.
pub(super) const OWNER_INDEX: &str = "owner";

/// The value of the `catalog` attribute, and so the index's partition key, of every listed movie.
pub(super) const CATALOG: &str = "movies";

/// A user, in the users' table.
pub(super) fn user(id: Uuid) -> String {
    format!("user#{id}")
}

/// The claim that makes an email unique, in the users' table.
pub(super) fn email(email: &CanonicalEmail) -> String {
    format!("email#{}", email.as_str())
}

/// A key as the log may show it: an email stays out of it.
pub(super) fn without_email(key: &str) -> &str {
    if key.starts_with("email#") { "email#(hidden)" } else { key }
}

/// A movie, in the movies' table.
pub(super) fn movie(id: Uuid) -> String {
    format!("movie#{id}")
}

/// The claim that makes a name unique, in the movies' table.
pub(super) fn name(name_key: &str) -> String {
    format!("name#{name_key}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{movie, name, user};

    proptest! {
        #[test]
        fn no_name_makes_the_key_of_something_else(name_key in "\\PC{1,100}", id: u128) {
            let id = Uuid::from_u128(id);
            prop_assert_ne!(name(&name_key), movie(id));
            prop_assert_ne!(movie(id), user(id));
        }
    }
}
