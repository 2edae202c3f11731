//! docs/SEMANTICS.md: every statement names tests, and they exist.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

/// The tests that a piece of text names, as `file::test`: file and test.
fn named(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let tests = quoted.filter_map(|quoted| quoted.rsplit_once("::"));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
    };
    let tests = tests.filter(|(file, test)| is_name(test) && (file.ends_with(".rs") || is_name(file)));
    tests.map(|(file, test)| (file.to_owned(), test.to_owned())).collect()
}

fn exists(file: &str, test: &str) -> bool {
    let path = if file.ends_with(".rs") { file.to_owned() } else { format!("tests/{file}.rs") };
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    source
        .split("#[test]")
        .skip(1)
        .any(|after| after.split_once("fn ").is_some_and(|(_, name)| name.split('(').next() == Some(test)))
}

#[test]
fn every_statement_names_a_test() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SEMANTICS.md")).unwrap();
    let mut statements = 0;
    for section in text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap();
        let bullets: Vec<&str> = body.split("\n- ").skip(1).collect();
        assert!(!bullets.is_empty(), "{heading} says nothing");
        for bullet in bullets {
            // `link::link_count_max` and the like are of others' suites.
            let tests: Vec<_> = named(bullet).into_iter().filter(|(file, _)| file != "link").collect();
            assert!(!tests.is_empty(), "{heading}: no test is named: {bullet}");
            for (file, test) in tests {
                assert!(exists(&file, &test), "{heading}: there is no test {file}::{test}");
            }
            statements += 1;
        }
    }
    assert!(statements > 30, "only {statements} statements were found");
    // (`file::test` is how they are named.)
    for (file, test) in
        named(text.split("\n## ").next().unwrap()).into_iter().filter(|(file, _)| file != "file")
    {
        assert!(exists(&file, &test), "there is no test {file}::{test}");
    }
}
