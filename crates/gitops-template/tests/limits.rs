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

#[test]
fn nothing_of_the_process_is_seen() {
    for text in [
        r#"{{ env "HOME" }}"#,
        r#"{{ expandenv "$HOME" }}"#,
        r#"{{ getHostByName "a" }}"#,
    ] {
        let error = render(text, |_| {}).unwrap_err();
        assert!(error.text.ends_with("not defined"), "{}", error.text);
    }
}

#[test]
fn maps_have_an_order() {
    let text = r#"{{ $d := dict "b" 1 "c" 2 "a" 3 }}{{ keys $d }} {{ values $d }}"#;
    assert_eq!(render(text, |_| {}).unwrap(), "[a b c] [3 1 2]");
}

#[test]
fn maps_that_hold_themselves_are_freed() {
    let held = Map::new();
    let weak = held.downgrade();
    {
        let mut templates = Templates::new(Functions::sprig());
        let text =
            r#"{{ $d := dict "l" (list .) }}{{ $_ := set . "d" $d }}{{ $_ := set . "s" . }}"#;
        templates.parse("t", text).unwrap();
        let mut render = Render::default();
        templates.render("t", held.into(), &mut render).unwrap();
        assert!(weak.upgrade().is_some());
    }
    assert!(weak.upgrade().is_none());
}

#[test]
fn addresses_are_constant() {
    let text = r#"{{ printf "%p %p" (list 1) (dict "a" 1) }}"#;
    assert_eq!(render(text, |_| {}).unwrap(), "0xc000008000 0xc000008000");
}

#[test]
fn slices_end_where_they_end() {
    let text = r#"{{ $l := append (list 1 2) 3 }}{{ slice $l 0 4 }}"#;
    assert!(
        render(text, |_| {})
            .unwrap_err()
            .text
            .ends_with("slice index out of bounds")
    );
    let text = r#"{{ $l := splitList "," "c,b,a" }}{{ $_ := sortAlpha (slice $l 0 2) }}{{ $l }}"#;
    assert_eq!(render(text, |_| {}).unwrap(), "[c b a]");
}

#[test]
fn expressions_match_characters() {
    let text = r#"{{ regexReplaceAll "." "a\xffb" "x" | printf "%q" }}"#;
    assert_eq!(render(text, |_| {}).unwrap(), r#""x\xffx""#);
}
