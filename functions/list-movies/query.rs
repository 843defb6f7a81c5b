//! The query parameters of the list.

use shared::{
    http::{ApiError, Faults, Request, RequestExt},
    model::Invalid,
    store::Cursor,
};

/// The number of movies per page: the default, and the most that a client can request.
const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 500;

/// The page of the list that a client requests.
pub struct Query {
    /// The most movies of the page, 1 to 500.
    pub limit: u16,
    /// The position where the page begins; `None` for the first page.
    pub cursor: Option<Cursor>,
}

impl Query {
    /// Reads the parameters. The error lists all invalid ones together.
    pub fn read(request: &Request) -> Result<Self, ApiError> {
        let (mut limits, mut cursors, mut faults) = (Vec::new(), Vec::new(), Faults::default());
        let mut fault = |field: &str, message: &'static str| faults.add(field, Invalid::new(message));
        for (name, value) in request.query_string_parameters_ref().into_iter().flat_map(|query| query.iter())
        {
            match name {
                "limit" => limits.push(value),
                "cursor" => cursors.push(value),
                unknown => fault(unknown, "is not a known parameter"),
            }
        }
        for (name, values) in [("limit", &limits), ("cursor", &cursors)] {
            if values.len() > 1 {
                fault(name, "must be given once");
            }
        }
        let limit = limits.first().map_or(Some(DEFAULT_LIMIT), |text| parse_limit(text));
        if limit.is_none() {
            fault("limit", "must be a number from 1 to 500");
        }
        match limit {
            Some(limit) if faults.is_empty() => {
                let cursor = cursors.first().map(|text| Cursor::decode(text).ok_or(ApiError::InvalidCursor));
                Ok(Self { limit, cursor: cursor.transpose()? })
            }
            _ => Err(ApiError::ValidationFailed(faults)),
        }
    }
}

fn parse_limit(text: &str) -> Option<u16> {
    // Digits only: the number parser also accepts a leading plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit))
}
