//! A line that a function has written.

use serde_json::{Map, Value};

/// The beginning of the lines that functions log as JSON.
const JSON: &str = "{\"timestamp\":";

/// The messages of the lines that report how an invocation ended.
const COMPLETIONS: [&str; 2] = ["request completed", "invocation completed"];

/// The members of a logged line that are not shown as `name=value`.
const HIDDEN: [&str; 6] = ["timestamp", "level", "message", "security_event", "target", "span"];

/// A line that a function has written.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionLine {
    /// The report of how an invocation ended.
    Completion {
        /// The read units that DynamoDB charged, if any.
        read_units: Option<f64>,
        /// The write units that DynamoDB charged, if any.
        write_units: Option<f64>,
        /// The code of the error that the client got, and its cause.
        error: Option<String>,
    },
    /// A logged event.
    Event { level: String, text: String },
    /// Any other line, such as a developer's `println!` or `dbg!`.
    Text(String),
}

impl FunctionLine {
    /// Reads lines.
    pub fn read_all<Line: AsRef<str>>(lines: impl IntoIterator<Item = Line>) -> Vec<Self> {
        lines.into_iter().flat_map(|line| Self::read(line.as_ref())).collect()
    }

    /// Reads a line. It is two if the function has printed text without a line break before it logged something.
    fn read(line: &str) -> impl Iterator<Item = Self> + use<> {
        let start = line.find(JSON).unwrap_or(line.len());
        let (text, json) = line.split_at(start);
        let logged = serde_json::from_str(json).ok().and_then(|members| Self::logged(&members));
        let text = if logged.is_some() { text } else { line };
        let is_text = logged.is_none() || !text.is_empty();
        is_text.then(|| Self::Text(text.to_owned())).into_iter().chain(logged)
    }

    /// Returns whether the line shows that a scheduled run did something: most runs find nothing to do.
    pub fn is_notable(&self) -> bool {
        match self {
            Self::Completion { write_units, error, .. } => write_units.is_some() || error.is_some(),
            Self::Event { level, .. } => level == "ERROR" || level == "WARN",
            Self::Text(_) => true,
        }
    }

    fn logged(members: &Map<String, Value>) -> Option<Self> {
        let text = |name| members.get(name).and_then(Value::as_str);
        // An event of the security log has no message.
        let (level, message) = (text("level")?, text("message").or_else(|| text("security_event"))?);
        if COMPLETIONS.contains(&message) && members.contains_key("operation") {
            let number = |name| members.get(name).and_then(Value::as_f64);
            let error: Vec<String> = ["code", "cause"].into_iter().filter_map(text).map(visible).collect();
            return Some(Self::Completion {
                read_units: number("ReadCapacityUnits"),
                write_units: number("WriteCapacityUnits"),
                error: (!error.is_empty()).then(|| error.join(": ")),
            });
        }
        let text = match (text("place"), text("panic")) {
            (Some(place), Some(panic)) => format!("panicked at {place}: {panic}"),
            _ => event_text(message, members),
        };
        Some(Self::Event { level: level.to_owned(), text: visible(&text) })
    }
}

/// The line as one that belongs to no request is shown.
impl std::fmt::Display for FunctionLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completion { error, .. } => f.write_str(error.as_deref().unwrap_or("completed")),
            Self::Event { level, text } => write!(f, "{level} {text}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Returns the message and the other members, as `name=value`.
fn event_text(message: &str, members: &Map<String, Value>) -> String {
    let shown = members.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str()));
    let shown = shown.map(|(name, value)| match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains([' ', '"', '\n']) => format!(" {name}={text}"),
        _ => format!(" {name}={value}"),
    });
    std::iter::once(message.to_owned()).chain(shown).collect()
}

/// Replaces control characters, which could change the terminal, except for line breaks.
pub fn visible(text: &str) -> String {
    text.chars().map(|char| if char.is_control() && char != '\n' { '\u{fffd}' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(line: &str) -> Vec<FunctionLine> {
        FunctionLine::read(line).collect()
    }

    fn event(level: &str, text: &str) -> FunctionLine {
        FunctionLine::Event { level: level.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_completion_has_its_units_and_its_error() {
        let line = r#"{"timestamp":"…","level":"WARN","message":"request completed","operation":"login","code":"unavailable","cause":"out of time","ReadCapacityUnits":1.5}"#;
        let error = Some("unavailable: out of time".to_owned());
        let expected = FunctionLine::Completion { read_units: Some(1.5), write_units: None, error };
        assert_eq!(read(line), [expected]);
        let line = r#"{"timestamp":"…","level":"INFO","message":"invocation completed","operation":"send-mail","WriteCapacityUnits":2.0}"#;
        let expected = FunctionLine::Completion { read_units: None, write_units: Some(2.0), error: None };
        assert_eq!(read(line), [expected]);
    }

    #[test]
    fn an_event_has_its_level_its_message_and_its_fields() {
        let line = r#"{"timestamp":"…","level":"ERROR","message":"a record failed","cause":"no \"id\"","number":7,"target":"shared","span":{"name":"invocation"}}"#;
        assert_eq!(read(line), [event("ERROR", r#"a record failed cause="no \"id\"" number=7"#)]);
        let line = r#"{"timestamp":"…","level":"INFO","message":"login failed","reason":"password"}"#;
        assert_eq!(read(line), [event("INFO", "login failed reason=password")]);
        let line = r#"{"timestamp":"…","level":"INFO","security_event":"logged_in","target":"shared"}"#;
        assert_eq!(read(line), [event("INFO", "logged_in")]);
    }

    #[test]
    fn a_panic_has_its_place_and_message() {
        let line = r#"{"timestamp":"…","level":"ERROR","message":"panic","place":"a.rs:1:2","panic":"left\n  right\u001b[2J"}"#;
        assert_eq!(read(line), [event("ERROR", "panicked at a.rs:1:2: left\n  right\u{fffd}[2J")]);
    }

    #[test]
    fn other_lines_are_shown_as_they_are() {
        for line in ["[main.rs:5] id = 7", "", "{\"timestamp\":1}", "{\"timestamp\":", "{\"level\":\"INFO\"}"]
        {
            assert_eq!(read(line), [FunctionLine::Text(line.to_owned())]);
        }
        let line = r#"working… {"timestamp":"…","level":"INFO","message":"done"}"#;
        assert_eq!(read(line), [FunctionLine::Text("working… ".to_owned()), event("INFO", "done")]);
    }

    #[test]
    fn a_run_is_notable_if_it_wrote_or_warned_or_printed() {
        let line = |members: serde_json::Value| {
            let mut line = json!({"timestamp": "…", "level": "INFO", "message": "pending mails"});
            line.as_object_mut().expect("an object").extend(members.as_object().expect("members").clone());
            // `serde_json` sorts the members; functions write the time first.
            format!("{{\"timestamp\":\"…\",{}", &line.to_string()[1..])
        };
        let end = json!({"message": "invocation completed", "operation": "send-mail"});
        let wrote = json!({
            "message": "invocation completed", "operation": "send-mail", "WriteCapacityUnits": 1.0,
        });
        let (quiet, warns) = (json!({"pending": 0}), json!({"level": "WARN"}));
        for (members, expected) in [(quiet, false), (warns, true), (end, false), (wrote, true)] {
            let found = FunctionLine::read_all([line(members.clone())]).iter().any(FunctionLine::is_notable);
            assert_eq!(found, expected, "{members}");
        }
        assert!(read("a developer's line")[0].is_notable());
    }
}
