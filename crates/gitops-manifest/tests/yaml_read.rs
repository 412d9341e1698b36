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
