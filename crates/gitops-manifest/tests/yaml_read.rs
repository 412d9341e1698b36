use gitops_manifest::yaml::{self, Duplicates, ErrorKind, ParseOptions, Profile};

fn sigs(text: &str) -> String {
    yaml::parse_one(text, &ParseOptions::default()).map_or_else(|e| e.to_string(), |v| v.to_json())
}

fn kyaml(text: &str) -> String {
    yaml::parse_one(text, &ParseOptions::new(Profile::Kyaml))
        .map_or_else(|e| e.to_string(), |v| v.to_json())
}

#[test]
fn the_two_profiles_read_words_and_times_apart() {
    assert_eq!(sigs("on: [yes, 2001-1-2]"), r#"{"true":[true,"2001-1-2"]}"#);
    assert_eq!(
        kyaml("on: [yes, 2001-1-2]"),
        r#"{"on":["yes","2001-01-02T00:00:00Z"]}"#
    );
}

#[test]
fn a_merge_in_v2_overwrites_what_stands_before_it() {
    let text = "a: &x {k: 1}\nb: {k: 2, <<: *x}\n";
    assert_eq!(sigs(text), r#"{"a":{"k":1},"b":{"k":1}}"#);
    assert_eq!(kyaml(text), r#"{"a":{"k":1},"b":{"k":2}}"#);
}

#[test]
fn equal_keys_are_an_error_where_asked_for() {
    let options = ParseOptions::default().duplicates(Duplicates::Error);
    let error = yaml::parse_one("a: 1\nb: 2\na: 3\n", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateKey);
    assert_eq!((error.line(), error.column()), (3, 1));
    assert_eq!(sigs("a: 1\nb: 2\na: 3\n"), r#"{"a":3,"b":2}"#);
}

#[test]
fn aliases_do_not_multiply_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let previous = format!("*a{}", i - 1);
        let list = vec![previous; 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    let error = yaml::parse_one(&text, &ParseOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(error.message(), "document contains excessive aliasing");
}

#[test]
fn depth_is_limited() {
    for open in ["[", "{a: ", "- "] {
        let text = open.repeat(100_000);
        let error = yaml::parse_one(&text, &ParseOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{open}");
    }
}

#[test]
fn documents_go_on_behind_a_bad_one() {
    let text = "a: 1\n---\nb: [\n# x\n---\n- c\n d: x\n---\ne: 1\n";
    let documents: Vec<_> = yaml::documents(text, &ParseOptions::default())
        .map(|document| (document.line, document.value.map_err(|error| error.line())))
        .collect();
    let lines: Vec<_> = documents
        .iter()
        .map(|(line, value)| (*line, value.as_ref().err().copied()))
        .collect();
    assert_eq!(lines, [(1, None), (2, Some(5)), (5, Some(7)), (8, None)]);
}

#[test]
fn a_bad_document_ends_at_the_next_mark() {
    // The mark on the line of the mistake is the bad document's own, the one that the mistake is at is not.
    let options = ParseOptions::default();
    let outcomes = |text: &str| -> Vec<bool> {
        yaml::documents(text, &options)
            .map(|document| document.value.is_ok())
            .collect()
    };
    assert_eq!(outcomes("# c\n--- ]\n---\na: 1\n"), [false, true]);
    assert_eq!(outcomes("a: [\n---\nb: 1\n"), [false, true]);
    assert_eq!(outcomes("a: 'x\n---\nb: 1\n--- c\n"), [false, true, true]);
    assert_eq!(
        outcomes("a: 1\n--- ]\n--- ]\n---\n"),
        [true, false, false, true]
    );
    assert_eq!(
        outcomes("a: \u{85}\u{85}\u{85}]\n---\nb\n---\nc\n"),
        [false, true, true]
    );
    assert_eq!(outcomes("a\x01\n---\nb\n"), [false, true]);
    assert_eq!(outcomes(""), [false; 0]);
    assert_eq!(outcomes("# nothing\n"), [false; 0]);
    assert_eq!(outcomes("---\n---\n"), [true, true]);
}

#[test]
fn places_are_found() {
    let text = "# c\n---\na: [\n---\nsp\u{e9}c: {x: &a [1,\n  {on: 2}], y: *a}\nz:\n  <<: {b: 1}\n";
    let at =
        |pointer| yaml::locate(text, 1, pointer).map(|position| (position.line, position.column));
    assert_eq!(at(""), Some((5, 1)));
    assert_eq!(at("/sp\u{e9}c"), Some((5, 1)));
    assert_eq!(at("/sp\u{e9}c/x"), Some((5, 8)));
    assert_eq!(at("/sp\u{e9}c/x/1/true"), Some((6, 4)));
    assert_eq!(at("/sp\u{e9}c/y"), Some((6, 13)));
    assert_eq!(at("/sp\u{e9}c/y/0"), Some((6, 13)));
    assert_eq!(at("/z/b"), Some((8, 3)));
    assert_eq!(at("/z/b/c"), Some((8, 3)));
    assert_eq!(at("/nope"), None);
    assert_eq!(yaml::locate(text, 2, ""), None);
    // What stands before the mistake of a bad document is found too.
    assert!(yaml::locate(text, 0, "/a").is_some());
}

#[test]
fn errors_show_the_line() {
    let error = yaml::parse_one("a: 1\n\tb: é: c\n", &ParseOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 1: found a tab character that violates indentation"
    );
    assert_eq!(error.excerpt(), "  |\n2 | \tb: é: c\n  | ^");
    let long = format!("a: {}: b", "é".repeat(500));
    let error = yaml::parse_one(&long, &ParseOptions::default()).unwrap_err();
    assert_eq!(error.column(), 504);
    assert!(error.excerpt().len() < 700);
}

#[test]
fn limits_are_limits() {
    let mut options = ParseOptions::default();
    options.max_bytes = 10;
    let error = yaml::parse("a: 1\nb: 2\nc: 3\n", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    options.max_bytes = 1000;
    options.max_depth = 2;
    assert!(yaml::parse_one("a: [1]", &options).is_ok());
    assert!(yaml::parse_one("a: [[1]]", &options).is_err());
    // What an alias brings counts where it is brought to.
    assert!(yaml::parse_one("- &a [x]\n- [*a]", &options).is_err());
    assert!(yaml::parse_nodes("a: [[1]]", &options).is_err());
}
