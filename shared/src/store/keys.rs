//! The keys of items, and the names of key attributes and indexes. Outside this module, these names appear only as fields
//! of the structs of items.

use uuid::Uuid;

use crate::model::CanonicalEmail;

/// The partition key of `Users`, `Movies` and `PasswordAttempts`.
pub(super) const PARTITION: &str = "pk";

/// The partition key of `AccountDeletions`, the only attribute in its stream.
pub(super) const USER_ID: &str = "user_id";

/// The partition key of `Outbox`, the only attribute in its stream.
pub(super) const ID: &str = "id";

/// The partition key of `PasswordResets`.
pub(super) const TOKEN_HASH: &str = "token_hash";

/// The index of all movies by canonical name: partition key [`CATALOG`], sort key [`NAME_KEY`].
pub(super) const CATALOG_INDEX: &str = "catalog";

/// The index of all movies by the user who added them and by canonical name: partition key [`ADDED_BY`], sort key
/// [`NAME_KEY`].
pub(super) const OWNER_INDEX: &str = "owner";

/// The partition key of the index `catalog`. Claims have no such attribute, so the index does not contain them.
pub(super) const CATALOG: &str = "catalog";

/// The value of [`CATALOG`] of every movie.
pub(super) const ALL_MOVIES: &str = "movies";

/// The sort key of both indexes: a movie's canonical name.
pub(super) const NAME_KEY: &str = "name_key";

/// The partition key of the index `owner`: the id of the user who added a movie.
pub(super) const ADDED_BY: &str = "added_by";

/// The attribute with a movie's version.
pub(super) const VERSION: &str = "version";

/// Returns the key of a user, in `Users`.
pub(super) fn user(id: Uuid) -> String {
    format!("user#{id}")
}

/// Returns the key of the claim that makes an email unique, in `Users`.
pub(super) fn email(email: &CanonicalEmail) -> String {
    format!("email#{}", email.as_str())
}

/// Returns a key as the log may show it: without an email.
pub(super) fn without_email(key: &str) -> &str {
    if key.starts_with("email#") { "email#(hidden)" } else { key }
}

/// Returns the key of a counter of one hour, in `PasswordAttempts`.
pub(super) fn window(name: &str, hour: i64) -> String {
    format!("{name}#{hour}")
}

/// Returns the key of a movie, in `Movies`.
pub(super) fn movie(id: Uuid) -> String {
    format!("movie#{id}")
}

/// Returns the key of the claim that makes a name unique, in `Movies`.
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
        fn no_name_collides_with_the_key_of_another_kind(name_key in "\\PC{1,100}", id: u128) {
            let id = Uuid::from_u128(id);
            prop_assert_ne!(name(&name_key), movie(id));
            prop_assert_ne!(movie(id), user(id));
        }
    }
}
