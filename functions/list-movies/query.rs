//! The query parameters of the list.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use shared::{
    http::{self, ApiError, Faults, Request, RequestExt},
    model::{Invalid, MovieFilter, NamePrefix},
    store::Cursor,
};
use uuid::Uuid;

/// The number of movies per page: the default, and the most that a client can request.
const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 500;

const PARAMETERS: [&str; 4] = ["name_prefix", "added_by", "limit", "cursor"];

/// The page of a list that a client requests.
pub struct Query {
    /// The movies of the list.
    pub filter: MovieFilter,
    /// The most movies of the page, 1 to 500.
    pub limit: u16,
    /// The position where the page begins; `None` for the first page.
    pub cursor: Option<Cursor>,
}

impl Query {
    /// Reads the parameters. The error lists all invalid ones together.
    pub fn read(request: &Request) -> Result<Self, ApiError> {
        let (mut values, mut faults) = (PARAMETERS.map(|_| Vec::new()), Faults::default());
        for (name, value) in request.query_string_parameters_ref().into_iter().flat_map(|query| query.iter())
        {
            match PARAMETERS.iter().position(|known| *known == name) {
                Some(parameter) => values[parameter].push(value),
                None => faults.add(name, Invalid::new("is not a known parameter")),
            }
        }
        for (name, values) in PARAMETERS.into_iter().zip(&values) {
            if values.len() > 1 {
                faults.add(name, Invalid::new("must be given once"));
            }
        }
        let [name_prefix, added_by, limit, cursor] = values.map(|values| values.first().copied());
        let name_prefix = read("name_prefix", name_prefix, &mut faults, parse_prefix);
        let added_by = read("added_by", added_by, &mut faults, parse_user);
        let limit = read("limit", limit, &mut faults, parse_limit).unwrap_or(DEFAULT_LIMIT);
        if !faults.is_empty() {
            return Err(ApiError::ValidationFailed(faults));
        }
        let filter = MovieFilter { name_prefix, added_by };
        let cursor = cursor.map(|text| Cursor::decode(text, &filter).ok_or(ApiError::InvalidCursor));
        Ok(Self { limit, cursor: cursor.transpose()?, filter })
    }

    /// Returns the value of the header `Link` (RFC 8288) for the next page of the same list.
    pub fn link_to(&self, next: &Cursor) -> String {
        let prefix = self
            .filter
            .name_prefix
            .as_ref()
            .map(|prefix| format!("name_prefix={}&", utf8_percent_encode(prefix.as_str(), RESERVED)));
        let user = self.filter.added_by.map(|user| format!("added_by={user}&"));
        let (prefix, user) = (prefix.unwrap_or_default(), user.unwrap_or_default());
        let (limit, cursor) = (self.limit, next.encode(&self.filter));
        format!("</api/movies?{prefix}{user}limit={limit}&cursor={cursor}>; rel=\"next\"")
    }
}

/// The characters that are percent-encoded in a link: all but the unreserved ones (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads the value of a parameter, if it is given, or adds its fault.
fn read<T>(
    name: &str,
    value: Option<&str>,
    faults: &mut Faults,
    parse: fn(&str) -> Result<T, Invalid>,
) -> Option<T> {
    parse(value?).map_err(|invalid| faults.add(name, invalid)).ok()
}

fn parse_prefix(text: &str) -> Result<NamePrefix, Invalid> {
    NamePrefix::try_from(text.to_owned())
}

fn parse_user(text: &str) -> Result<Uuid, Invalid> {
    http::parse_id(text).ok_or(Invalid::fixed("must be an id: a version 7 UUID in lower case with hyphens"))
}

fn parse_limit(text: &str) -> Result<u16, Invalid> {
    // Digits only: the number parser also accepts a leading plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit));
    limit.ok_or(Invalid::fixed("must be a number from 1 to 500"))
}
