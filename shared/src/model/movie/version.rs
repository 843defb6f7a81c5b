//! The versions of a movie that a client knows.

use uuid::Uuid;

/// The most versions in a set. DynamoDB compares an attribute with at most 100 values at once.
const MAX_VERSIONS: usize = 50;

/// Up to 50 versions, in the order of the client's list. A write with such a set succeeds only if the movie has one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSet(Vec<Uuid>);

impl VersionSet {
    /// Returns whether the set contains a version.
    #[must_use]
    pub fn contains(&self, version: Uuid) -> bool {
        self.0.contains(&version)
    }

    /// Returns the versions.
    pub fn iter(&self) -> impl Iterator<Item = Uuid> {
        self.0.iter().copied()
    }
}

/// Keeps the first 50 versions: a set that is too small can only refuse a write.
impl FromIterator<Uuid> for VersionSet {
    fn from_iter<I: IntoIterator<Item = Uuid>>(versions: I) -> Self {
        Self(versions.into_iter().take(MAX_VERSIONS).collect())
    }
}
