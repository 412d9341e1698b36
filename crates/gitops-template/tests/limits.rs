//! Renders that go too far are stopped.

use gitops_template::{ErrorKind, Functions, Map, Render, RenderOptions, Str, Templates, Value};

fn render(text: &str, adjust: impl FnOnce(&mut RenderOptions)) -> Result<String, ErrorText> {
    let mut options = RenderOptions::default();
    adjust(&mut options);
    let mut templates = Templates::new(Functions::sprig());
    templates.parse("t", text).map_err(ErrorText::from)?;
    templates
        .render("t", Value::Map(Map::new()), &mut Render::new(options))
        .map_err(ErrorText::from)
}

#[derive(Debug)]
struct ErrorText {
    text: String,
    is_limit: bool,
}

impl From<gitops_template::Error> for ErrorText {
    fn from(error: gitops_template::Error) -> Self {
        let is_limit = matches!(error.kind(), ErrorKind::Limit { .. });
        Self {
            text: error.to_string(),
            is_limit,
        }
    }
}

#[test]
fn endless_recursion_ends() {
    let error = render(
        r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#,
        |_| {},
    )
    .unwrap_err();
    assert!(
        error
            .text
            .contains("exceeded maximum template depth (100000)"),
        "{}",
        error.text
    );
}

#[test]
fn endless_loops_end() {
    let error = render("{{ range 9223372036854775807 }}{{ end }}", |options| {
        options.limits.steps = 10_000;
    })
    .unwrap_err();
    assert!(error.is_limit, "{}", error.text);
}

#[test]
fn output_is_bounded() {
    let error = render(
        r#"{{ range 1000 }}{{ repeat 1000 "x" }}{{ end }}"#,
        |options| {
            options.limits.output = 10_000;
        },
    )
    .unwrap_err();
    assert!(error.is_limit, "{}", error.text);
    let error = render(r#"{{ $x := repeat 1000000000 "x" }}"#, |_| {}).unwrap_err();
    assert!(error.is_limit, "{}", error.text);
}

#[test]
fn a_value_that_holds_itself_is_an_error_to_print() {
    let error = render(
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}"#,
        |_| {},
    )
    .unwrap_err();
    assert!(error.is_limit, "{}", error.text);
    let error = render(
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ mustToJson $d }}"#,
        |_| {},
    )
    .unwrap_err();
    assert!(error.is_limit, "{}", error.text);
}

#[test]
fn a_value_that_doubles_is_bounded() {
    let text = r#"{{ $d := list "x" }}{{ range 64 }}{{ $d = list $d $d }}{{ end }}{{ $d }}"#;
    let error = render(text, |options| options.limits.output = 1_000_000).unwrap_err();
    assert!(error.is_limit, "{}", error.text);
}

#[test]
fn the_host_can_stop_a_render() {
    let mut questions = 0;
    let error = render("{{ range 9223372036854775807 }}{{ end }}", |options| {
        options.interrupt = Some(Box::new(move || {
            questions += 1;
            questions > 3
        }));
    })
    .unwrap_err();
    assert!(error.text.contains("interrupted"), "{}", error.text);
}

#[test]
fn deep_templates_are_parsed_and_dropped() {
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(9_000), ")".repeat(9_000));
    assert_eq!(render(&deep, |_| {}).unwrap(), "1");
    let deep = format!(
        "{}x{}",
        "{{ if 1 }}".repeat(9_000),
        "{{ end }}".repeat(9_000)
    );
    assert_eq!(render(&deep, |_| {}).unwrap(), "x");
    let deep = "{{ if 1 }}".repeat(20_000);
    assert!(
        render(&deep, |_| {})
            .unwrap_err()
            .text
            .contains("nested deeper")
    );
}

#[test]
fn seeds_repeat() {
    let text = r#"{{ randAlphaNum 20 }} {{ randInt 0 1000 }} {{ shuffle "abcdef" }}"#;
    let seeded = |seed| render(text, |options| options.seed = seed).unwrap();
    assert_eq!(seeded(7), seeded(7));
    assert_ne!(seeded(7), seeded(8));
}

#[test]
fn sets_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    let mut templates = Templates::new(Functions::sprig());
    templates.parse("t", "{{ .x | upper }}").unwrap();
    is_shared(&templates);
    let templates = std::sync::Arc::new(templates);
    let threads: Vec<_> = (0..4)
        .map(|at| {
            let templates = std::sync::Arc::clone(&templates);
            std::thread::spawn(move || {
                let data = Map::from_iter([(Str::new("x"), Value::from(format!("v{at}")))]);
                templates
                    .render("t", data.into(), &mut Render::default())
                    .unwrap()
            })
        })
        .collect();
    let texts: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(texts, ["V0", "V1", "V2", "V3"]);
}
