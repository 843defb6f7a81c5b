//! The log: a line for each request and for each run of a function that a trigger started, and the lines of the function
//! beneath it. Its module `function_line` reads the lines of functions.

mod function_line;

use std::fmt::{self, Display, Formatter};

use anstyle::{AnsiColor, Style};
use time::OffsetDateTime;

use crate::clock;
pub use function_line::FunctionLine;
use function_line::visible;

/// The columns of the line, in characters. The capacity units take at most 19 more.
const METHOD: usize = 8;
const PATH: usize = 33;
const OPERATION: usize = 15;

/// A segment of a path that is longer than this is shortened.
const SEGMENT: usize = 19;

const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();

/// A request, or a run of a function that a trigger started.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it ended, as `hh:mm:ss`.
    pub time: String,
    /// The method of a request, or the kind of the trigger.
    pub method: String,
    /// The path of a request, or how many records of a stream the function got.
    pub path: String,
    /// The function, or why none was invoked.
    pub operation: String,
    /// The result.
    pub status: Status,
    /// How long it took.
    pub milliseconds: i128,
    /// Why the function has not responded, if it has not.
    pub failure: Option<String>,
    /// The lines of the function.
    pub lines: Vec<FunctionLine>,
}

/// How a request or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A response with this HTTP status.
    Http(u16),
    /// A run of a function, and whether it succeeded.
    Run { is_success: bool },
}

impl Entry {
    /// Returns an entry without a failure and lines that ends now and began at `started`.
    pub fn ending_now(
        started: OffsetDateTime,
        method: &str,
        path: &str,
        operation: &str,
        status: Status,
    ) -> Self {
        let now = clock::now();
        Self {
            time: clock::local_time_of_day(now),
            method: method.to_owned(),
            path: path.to_owned(),
            operation: operation.to_owned(),
            status,
            milliseconds: (now - started).whole_milliseconds(),
            failure: None,
            lines: Vec::new(),
        }
    }

    /// Returns whether a scheduled run did something: most find nothing to do.
    pub fn is_notable(&self) -> bool {
        self.status != (Status::Run { is_success: true }) || self.lines.iter().any(FunctionLine::is_notable)
    }

    fn write_columns(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { time, milliseconds, status, .. } = self;
        let (method, path) = (shortened(&self.method, METHOD), shortened_path(&visible(&self.path)));
        let (operation, style) = (shortened(&self.operation, OPERATION), status.style());
        write!(f, "{DIM}{time}{DIM:#} {method:METHOD$} {path:PATH$} {operation:OPERATION$} ")?;
        match status {
            Status::Http(status) => write!(f, "{style}{status:3}{style:#}")?,
            Status::Run { is_success: true } => write!(f, "{style}ok {style:#}")?,
            Status::Run { is_success: false } => write!(f, "{style}err{style:#}")?,
        }
        write!(f, " {milliseconds:5} ms")
    }
}

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_columns(f)?;
        let (mut beneath, mut end) = (Vec::new(), self.failure.clone());
        for line in &self.lines {
            match line {
                FunctionLine::Completion { read_units, write_units, error } => {
                    let units = [(read_units, "RCU"), (write_units, "WCU")].into_iter();
                    let units = units.filter_map(|(units, name)| Some(format!(" {} {name}", (*units)?)));
                    let units: String = units.collect();
                    if !units.is_empty() {
                        write!(f, " {DIM}{units}{DIM:#}")?;
                    }
                    end = end.or_else(|| error.clone());
                }
                FunctionLine::Event { level, text } => {
                    let style = level_style(level);
                    beneath.push(format!("{style}{level}{style:#} {text}"));
                }
                FunctionLine::Text(text) => beneath.push(text.clone()),
            }
        }
        if let Some(end) = end {
            let style = self.status.style();
            beneath.push(format!("{style}{end}{style:#}"));
        }
        // They begin where the method does.
        beneath.iter().flat_map(|text| text.lines()).try_for_each(|line| write!(f, "\n         {line}"))
    }
}

impl Status {
    fn style(self) -> Style {
        match self {
            Self::Http(500..) | Self::Run { is_success: false } => RED,
            Self::Http(400..) => YELLOW,
            Self::Http(300..) => CYAN,
            Self::Http(_) | Self::Run { is_success: true } => GREEN,
        }
    }
}

fn level_style(level: &str) -> Style {
    match level {
        "ERROR" => RED,
        "WARN" => YELLOW,
        _ => DIM,
    }
}

/// Returns a path in which long segments, such as ids, are shortened, and which fits into its column.
fn shortened_path(path: &str) -> String {
    let segments: Vec<_> = path.split('/').map(|segment| shortened(segment, SEGMENT)).collect();
    shortened(&segments.join("/"), PATH)
}

/// Returns a text with at most so many characters: of a longer one, the beginning and the end.
fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let end = (most - 1) / 2;
    let begin = most - 1 - end;
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(length - end)).collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::{Value, json};

    use super::*;

    fn entry(method: &str, path: &str, operation: &str, status: u16) -> Entry {
        let status = Status::Http(status);
        let (time, path, operation) = ("21:04:05".to_owned(), path.to_owned(), operation.to_owned());
        let method = method.to_owned();
        Entry { time, method, path, operation, status, milliseconds: 12, failure: None, lines: Vec::new() }
    }

    /// Returns the text of an entry with the lines that a function has written, without colors.
    fn text(entry: &Entry, lines: &[&str]) -> String {
        let entry = Entry { lines: FunctionLine::read_all(lines), ..entry.clone() };
        strip_str(&entry.to_string()).to_string()
    }

    fn completion(members: &Value) -> String {
        // The time comes first.
        let start =
            r#"{"timestamp":"…","level":"INFO","message":"request completed","operation":"get-movie","#;
        format!("{start}{}", &members.to_string()[1..])
    }

    const MOVIE: &str = "/api/movies/01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_request_is_one_line_with_its_units() {
        let units = completion(&json!({"ReadCapacityUnits": 0.5, "WriteCapacityUnits": 8.0}));
        assert_eq!(
            text(&entry("GET", MOVIE, "get-movie", 200), &[&units]),
            "21:04:05 GET      /api/movies/01890a5d-…2099a8057   get-movie       200    12 ms  0.5 RCU 8 WCU"
        );
        assert_eq!(
            text(&entry("OPTIONS", "/", "preflight", 204), &[]),
            "21:04:05 OPTIONS  /                                 preflight       204    12 ms"
        );
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        let units = completion(&json!({"ReadCapacityUnits": 12.5, "WriteCapacityUnits": 1234.0}));
        let path = format!("{MOVIE}/ü{}/cast/members/of/a/very/long/path", "x".repeat(200));
        let entry =
            Entry { milliseconds: 29_000, ..entry("PROPFIND-ALL", &path, "a-long-operation-name", 207) };
        let line = text(&entry, &[&units]);
        assert_eq!(
            line,
            "21:04:05 PROP…ALL /api/movies/0189…a/very/long/path a-long-…on-name 207 29000 ms  12.5 RCU 1234 WCU"
        );
        assert!(line.chars().count() <= 100);
    }

    #[test]
    fn the_lines_of_the_function_and_its_error_are_beneath() {
        let warning = r#"{"timestamp":"…","level":"WARN","message":"slow","target":"shared","span":{"route":"x"},"after":"3 s"}"#;
        let end = completion(&json!({"status": 500, "code": "internal", "cause": "the handler panicked"}));
        let lines = ["[functions/get-movie/main.rs:24:5] id = 7", warning, &end];
        let expected = "\
21:04:05 GET      /api/movies                       list-movies     500    12 ms
         [functions/get-movie/main.rs:24:5] id = 7
         WARN slow after=\"3 s\"
         internal: the handler panicked";
        assert_eq!(text(&entry("GET", "/api/movies", "list-movies", 500), &lines), expected);
    }

    #[test]
    fn a_failure_is_beneath_with_each_of_its_lines() {
        let failure = Some("ended at start (exit status: 1): no film\nno projector".to_owned());
        let expected = "\
21:04:05 GET      /api/movies                       list-movies     502    12 ms
         ended at start (exit status: 1): no film
         no projector";
        assert_eq!(
            text(&Entry { failure, ..entry("GET", "/api/movies", "list-movies", 502) }, &[]),
            expected
        );
    }

    #[test]
    fn the_color_of_the_status_tells_its_class() {
        for (status, color) in [(204, GREEN), (304, CYAN), (404, YELLOW), (503, RED)] {
            let line = entry("GET", "/", "get-movie", status).to_string();
            assert!(line.contains(&format!("{color}{status}{color:#}")), "{line:?}");
        }
        let run = Entry { status: Status::Run { is_success: false }, ..entry("stream", "", "send-mail", 0) };
        assert!(run.to_string().contains(&format!("{RED}err{RED:#}")));
    }
}
