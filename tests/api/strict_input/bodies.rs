//! Bodies: their size, their JSON and the types of their fields.

use serde_json::{Value, json};

use super::{BodyCase, StrictInputTest};
use crate::expect::expect_faults;

const CAP: usize = 64 * 1024;

/// Returns texts that are not one JSON object, made from a valid body.
fn malformed_texts(case: &BodyCase) -> Vec<String> {
    let (good, field) = (case.body.to_string(), case.text_field());
    let inside = good.strip_prefix('{').expect("an object");
    let with_value = |value: &str| format!("{{\"{field}\":{value}}}");
    let mut texts: Vec<String> = [
        "",
        " ",
        "\n",
        "null",
        "true",
        "7",
        "-0.0",
        "\"text\"",
        "[]",
        "{",
        "}",
        "{}}",
        "[",
        "{]",
        "{,}",
        "\0",
        "\u{feff}{}",
        "{'a':1}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{}{}",
        "{} 1",
        "NaN",
        "undefined",
        "<xml/>",
        "a=1&b=2",
        "%7B%7D",
        "{\"a\":tru}",
        "{\"a\":1 /* b */}",
        "// a\n{}",
        "{\"a\\ud800\":1}",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([
        format!("[{good}]"),
        good[..good.len() - 1].to_owned(),
        format!("{good}x"),
        format!("{good},"),
        format!("{good}{good}"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        json!(good).to_string(),
        // The same key twice: at the top level, with an escape, nested, and in an unknown field.
        format!("{{\"{field}\":\"x\",{inside}"),
        format!("{{\"\\u{:04x}{}\":\"x\",{inside}", u32::from(field.as_bytes()[0]), &field[1..]),
        format!("{{\"other\":1,\"other\":1,{inside}"),
        format!("{{\"other\":{{\"a\":1,\"a\":1}},{inside}"),
        format!("{{\"other\":[0,{{\"a\":{{\"b\":[{{\"c\":1,\"c\":2}}]}}}}],{inside}"),
        format!("{{\"\":1,\"\":2,{inside}"),
    ]);
    for value in [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_000",
        "1e",
        "--1",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud83c\"",
        "\"\\u12\"",
        "\"\\x41\"",
        "\"\\u{41}\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"a\0b\"",
        "\"a",
        "'a'",
        "True",
        "nul",
    ] {
        texts.push(with_value(value));
    }
    for deep in [128, 10_000] {
        texts.push(with_value(&format!("{}{}", "[".repeat(deep), "]".repeat(deep))));
        texts.push(with_value(&"[".repeat(deep)));
        texts.push(format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep)));
        texts.push("[".repeat(deep));
    }
    texts
}

#[tokio::test]
async fn a_body_that_is_not_one_json_object_is_malformed_everywhere() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
        for text in malformed_texts(&case) {
            test.assert_refused(&case, case.with_body(text.clone()), 400, "malformed_json").await;
            test.assert_refused(&case, case.with_body(text).base64(), 400, "malformed_json").await;
        }
        test.assert_accepted(case.with_body(case.body.to_string())).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_malformed() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
        let (good, field) = (case.body.to_string(), case.text_field());
        let bad: [&[u8]; 8] = [
            b"\xff",
            b"\xc0\x80",
            b"\xc1\xbf",
            b"\xed\xa0\x80",
            b"\xed\xa0\xbd\xed\xb8\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
            b"caf\xe9",
        ];
        for bytes in bad {
            let value = [b"{\"", field.as_bytes(), b"\":\"", bytes, b"\"}"].concat();
            let key = [b"{\"", bytes, b"\":1}"].concat();
            let after = [good.as_bytes(), bytes].concat();
            for body in [value, key, after, bytes.to_vec()] {
                test.assert_refused(&case, case.with_body(body), 400, "malformed_json").await;
            }
        }
        let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
        test.assert_refused(&case, case.with_body(utf_16).base64(), 400, "malformed_json").await;
        test.assert_accepted(case.with_body(good).base64()).await;
    }
}

#[tokio::test]
async fn a_body_of_64_kib_is_accepted_and_one_byte_more_is_not() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
        let good = case.body.to_string();
        let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
        for length in [CAP + 1, CAP + 4, 2 * CAP, 4_000_000] {
            test.assert_refused(&case, case.with_body(padded(length)), 413, "payload_too_large").await;
            test.assert_refused(&case, case.with_body(padded(length)).base64(), 413, "payload_too_large")
                .await;
        }
        // The limit is in bytes, not characters. A body that is too large is not parsed.
        let wide = format!("{{\"{}\":\"{}\"}}", case.text_field(), "é".repeat(CAP / 2));
        test.assert_refused(&case, case.with_body(wide), 413, "payload_too_large").await;
        test.assert_refused(&case, case.with_body(vec![0xff; CAP + 1]), 413, "payload_too_large").await;
        test.assert_refused(&case, case.with_body("[".repeat(CAP)), 400, "malformed_json").await;
        // The limit applies to the body itself, not to its base64 form.
        test.assert_accepted(case.with_body(padded(CAP)).base64()).await;
    }
    for case in test.body_cases().into_iter().filter(|case| case.operation.name == "update-movie") {
        let good = case.body.to_string();
        test.assert_accepted(case.with_body(format!("{}{good}", " ".repeat(CAP - good.len())))).await;
    }
}

#[tokio::test]
async fn values_of_other_types_are_reported_by_field() {
    let test = StrictInputTest::start_for_bodies().await;
    for case in test.body_cases() {
        for (field, good) in case.body.as_object().expect("an object") {
            let message = if good.is_array() { "must be an array of strings" } else { "must be a string" };
            let nested = (0..100).fold(json!(1), |inside, _| json!({"a": inside}));
            let mut others =
                vec![json!(null), json!(true), json!(0), json!(-7), json!(1e300), json!({}), nested];
            others.push(if good.is_array() { json!("text") } else { json!(["text"]) });
            for other in others {
                let mut body = case.body.clone();
                body[field] = other;
                let request = case.with_body(body.to_string());
                let response = test.assert_refused(&case, request, 400, "validation_failed").await;
                expect_faults(&response, &[(field, message)]);
            }
        }
    }
}

#[tokio::test]
async fn unknown_fields_are_reported_by_name() {
    let test = StrictInputTest::start_for_bodies().await;
    let (long, shortened) = ("é".repeat(30_000), "é".repeat(100));
    for case in test.body_cases() {
        for (field, told) in [
            ("", ""),
            (" ", " "),
            ("id", "id"),
            ("Email", "Email"),
            ("NAME", "NAME"),
            ("$ref", "$ref"),
            ("a\"b\\c", "a\"b\\c"),
            ("\0", "\0"),
            ("\u{202e}🎬", "\u{202e}🎬"),
            ("casts[0]", "casts[0]"),
            (&long, &shortened),
        ] {
            let mut body = case.body.clone();
            body[field] = Value::Null;
            let request = case.with_body(body.to_string());
            let response = test.assert_refused(&case, request, 400, "validation_failed").await;
            expect_faults(&response, &[(told, "is not a known field")]);
        }
    }
}

/// The maximum size of a problem document in bytes, according to `openapi.yaml`.
const PROBLEM_BYTES: usize = 16 * 1024;

#[tokio::test]
async fn no_body_makes_a_problem_document_large() {
    let test = StrictInputTest::start_for_bodies().await;
    // Bodies of up to 64 KiB with as many unknown fields as fit: short names, long ones, and names whose characters
    // each take six bytes in JSON.
    let many = |count: usize, name: &dyn Fn(usize) -> String| {
        let fields = (0..count).map(|number| (name(number), json!(1)));
        fields.collect::<serde_json::Map<_, _>>()
    };
    let bodies = [
        many(7_000, &|number| number.to_string()),
        many(300, &|number| format!("{number:0>200}")),
        many(90, &|number| format!("{}{number}", "\u{1}".repeat(98))),
        many(50, &|number| format!("{}{number}", "🎬".repeat(98))),
    ];
    for case in test.body_cases() {
        for body in &bodies {
            let body = Value::Object(body.clone()).to_string();
            assert!(body.len() <= CAP, "{} bytes", body.len());
            let response = test.assert_refused(&case, case.with_body(body), 400, "validation_failed").await;
            let size = response.body.len();
            assert!(size <= PROBLEM_BYTES, "{}: a problem document of {size} bytes", case.operation.name);
            let faults = response.json()["errors"].as_array().map_or(0, Vec::len);
            assert!((20..=50).contains(&faults), "{}: {faults} faults", case.operation.name);
        }
    }
}
