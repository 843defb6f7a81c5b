//! The limit of the files, pipes and connections that this process has open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The highest limit that macOS accepts (`OPEN_MAX`).
const HIGHEST: u64 = 10_240;

/// Raises the limit as far as the system allows. Each process of a function takes about six, and macOS allows 256 unless
/// a program asks for more.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let highest = limit.maximum.map_or(HIGHEST, |maximum| maximum.min(HIGHEST));
    if limit.current.is_some_and(|current| current < highest) {
        // If it fails, the limit stays, and the error of a file that cannot be opened names it.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(highest), ..limit });
    }
}
