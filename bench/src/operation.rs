//! The operations that are measured with large catalogs.

/// How many movies a page has, and how many it can have.
pub const PAGE: usize = 100;
pub const LARGEST_PAGE: usize = 500;

/// How many movies a page of found movies has: all movies of a user, or as many of those that a prefix finds.
pub const FOUND_PAGE: usize = 50;

/// What a client asks of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    FirstPage,
    MiddlePage,
    FindByPrefix,
    FindByUser,
    Get,
    Create,
    Rename,
}

impl Operation {
    /// All operations in the order of tables, which is also that of the variants.
    pub const ALL: [Self; 7] = [
        Self::FirstPage,
        Self::MiddlePage,
        Self::FindByPrefix,
        Self::FindByUser,
        Self::Get,
        Self::Create,
        Self::Rename,
    ];

    /// The operations that read a page of a list.
    pub const PAGES: [Self; 4] = [Self::FirstPage, Self::MiddlePage, Self::FindByPrefix, Self::FindByUser];

    /// Returns its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstPage => "list, first page",
            Self::MiddlePage => "list, page in the middle",
            Self::FindByPrefix => "list, prefix of the name",
            Self::FindByUser => "list, movies of a user",
            Self::Get => "get",
            Self::Create => "create",
            Self::Rename => "rename",
        }
    }

    /// Returns the function that serves it.
    pub fn program(self) -> &'static str {
        match self {
            Self::FirstPage | Self::MiddlePage | Self::FindByPrefix | Self::FindByUser => "list-movies",
            Self::Get => "get-movie",
            Self::Create => "create-movie",
            Self::Rename => "update-movie",
        }
    }
}
