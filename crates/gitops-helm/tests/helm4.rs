//! What Helm 4.3.2 prints where it differs from Helm 3.22.

use gitops_helm::{Chart, HelmVersion, KubeVersion, RenderOptions, Values, render};
use gitops_manifest::MemoryTree;

const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");

/// Renders a chart with values files and returns what is printed, or the error.
fn helm(
    version: HelmVersion,
    files: &[(&str, &str)],
    values_files: &[&str],
    set: &[&str],
) -> Result<String, String> {
    let text = |error: gitops_helm::Error| error.text_of(version);
    let tree = MemoryTree::from_iter([CHART].iter().chain(files).copied());
    let chart = Chart::load(&tree, "").map_err(text)?;
    let mut values = Values::of(version);
    for file in values_files {
        values.merge_yaml("v.yaml", file).map_err(text)?;
    }
    for assignment in set {
        values.set(assignment).map_err(text)?;
    }
    let mut options = RenderOptions::of(version);
    options.capabilities.kube_version = KubeVersion::parse("1.31.4-gke.5").map_err(text)?;
    let rendered = render(&chart, &values, &options).map_err(text)?;
    Ok(rendered.to_yaml())
}

/// Renders one template with Helm 4 and returns it without what Helm puts before it.
fn template(text: &str) -> Result<String, String> {
    let output = helm(HelmVersion::V4, &[("templates/a.yaml", text)], &[], &[])?;
    let head = "---\n# Source: web/templates/a.yaml\n";
    Ok(output.strip_prefix(head).unwrap_or(&output).to_owned())
}

#[test]
fn durations_are_known() {
    let text = r#"a: {{ mustToDuration "1h30m" }} {{ mustToDuration 90 }} {{ mustToDuration "2.5" }} {{ mustToDuration 1.5 }}
b: {{ durationSeconds "1m" }} {{ durationMilliseconds "1.5s" }} {{ durationMicroseconds 2 }} {{ durationNanoseconds "3us" }}
c: {{ durationMinutes "90s" }} {{ durationHours "90m" }} {{ durationDays "36h" }} {{ durationWeeks "84h" }} {{ durationSeconds "x" }}
d: {{ durationRoundTo "2h13m" "30m" }} {{ durationTruncateTo "2h43m" "30m" }} {{ durationRoundTo "1h" "x" }} {{ durationRoundTo "x" "1h" }}
e: {{ typeOf (mustToDuration "1s") }} {{ kindOf (mustToDuration "1s") }} {{ (mustToDuration "90m").Hours }} {{ printf "%v %d %s" (mustToDuration "1s") (mustToDuration "1s") (mustToDuration "1s") }} {{ toJson (mustToDuration "1s") }} {{ mustToDuration "1s" | toYaml }}
f: {{ (mustToDuration "-90m").Abs }} {{ add 1 (mustToDuration "1ns") }} {{ durationSeconds (mustToDuration "90m") }} {{ typeOf (durationSeconds 1) }} {{ typeOf (durationMilliseconds 1) }} {{ durationRoundTo "-2h15m" "30m" }}
"#;
    let want = "\
a: 1h30m0s 1m30s 2.5s 1.5s
b: 60 1500 2000000 3000
c: 1.5 1.5 1.5 0.5 0
d: 2h0m0s 2h30m0s 1h0m0s 0s
e: time.Duration int64 1.5 1s 1000000000 1s 1000000000 1000000000
f: 1h30m0s 1 5400 float64 int64 -2h30m0s
";
    assert_eq!(template(text).as_deref(), Ok(want));
    let error = helm(HelmVersion::V3, &[("templates/a.yaml", text)], &[], &[]);
    let unknown =
        "parse error at (web/templates/a.yaml:1): function \"mustToDuration\" not defined";
    assert_eq!(error, Err(unknown.to_owned()));
}

#[test]
fn functions_that_must_succeed_fail_with_the_reason() {
    for (call, want) in [
        (r#"mustToDuration "x""#, r#"could not parse duration "x""#),
        (r#"mustToDuration """#, "empty duration"),
        ("mustToDuration nil", "invalid duration"),
        (
            "mustToDuration (list 1)",
            "unsupported duration type []interface {}",
        ),
        (
            "mustToDuration 99999999999",
            "duration seconds overflow: 99999999999",
        ),
        ("mustToDuration 1e20", "duration seconds overflow: 1e+20"),
        (r#"mustToDuration "inf""#, "invalid duration seconds: +Inf"),
        ("mustToDuration true", "unsupported duration type bool"),
        (
            r#"mustToYaml (dict "a" (float64 "NaN"))"#,
            "error marshaling into JSON: json: unsupported value: NaN",
        ),
        (
            r#"mustToJson (float64 "NaN")"#,
            "json: unsupported value: NaN",
        ),
        (
            "mustToToml nil",
            "reflect: call of reflect.Value.Type on zero Value",
        ),
    ] {
        let function = call.split(' ').next().unwrap_or_default();
        let want = format!(
            "template: web/templates/a.yaml:1:6: executing \"web/templates/a.yaml\" at <{call}>: error calling \
             {function}: {want}"
        );
        assert_eq!(template(&format!("a: {{{{ {call} }}}}\n")), Err(want));
    }
    for (call, want) in [
        (
            r#"mustToToml (dict "a" (list 1 "b"))"#,
            "a: a = [1, \"b\"]\n",
        ),
        ("mustToToml 5", "a: 5\n"),
        (r#"mustToYaml (list "b")"#, "a: - b\n"),
    ] {
        let got = template(&format!("# {{{{ {call} }}}}\n"));
        let want = want.replacen("a:", "#", 1);
        assert_eq!(
            got.map(|text| text.trim_end().to_owned()),
            Ok(want.trim_end().to_owned())
        );
    }
}

#[test]
fn nulls_of_defaults_are_gone() {
    let files = [
        (
            "values.yaml",
            "a: null\nb: {c: null, d: 1, e: [null, {f: null}]}\nsub: {x: null, y: {z: null}}\n",
        ),
        ("charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0\n"),
        ("charts/sub/values.yaml", "y: {w: null, v: 1}\nu: null\n"),
        ("templates/a.yaml", "a: {{ toJson .Values }}\n"),
    ];
    let set = ["b.g=null,h=null"];
    let head = "---\n# Source: web/templates/a.yaml\na: ";
    for (version, want) in [
        (
            HelmVersion::V4,
            r#"{"b":{"d":1,"e":[null,{"f":null}],"g":null},"h":null,"sub":{"global":{},"true":{"v":1}}}"#,
        ),
        (
            HelmVersion::V3,
            r#"{"a":null,"b":{"c":null,"d":1,"e":[null,{"f":null}],"g":null},"h":null,"sub":{"global":{},"true":{"v":1,"w":null,"z":null},"u":null,"x":null}}"#,
        ),
    ] {
        let got = helm(version, &files, &[], &set);
        assert_eq!(got, Ok(format!("{head}{want}\n")));
    }
}

#[test]
fn all_documents_of_values_are_merged() {
    let files = [
        ("values.yaml", "a: 1\nb: {c: 1}\n---\na: 2\nb: {d: 2}\n"),
        ("templates/a.yaml", "a: {{ toJson .Values }}\n"),
    ];
    let file = "# x\n---\ne: 1\n---\n# y\n--- # z\ne: 2\nf: 3";
    let got = |version| helm(version, &files, &[file], &[]);
    let head = "---\n# Source: web/templates/a.yaml\n";
    let want = r#"a: {"a":2,"b":{"c":1,"d":2},"e":2,"f":3}"#;
    assert_eq!(got(HelmVersion::V4), Ok(format!("{head}{want}\n")));
    let want = r#"a: {"a":1,"b":{"c":1},"e":1}"#;
    assert_eq!(got(HelmVersion::V3), Ok(format!("{head}{want}\n")));

    let error = helm(HelmVersion::V4, &[], &["e: 1\n--- x\ne: 2\n"], &[]);
    let want =
        "failed to parse v.yaml: error reading yaml document: invalid Yaml document separator: x";
    assert_eq!(error, Err(want.to_owned()));
    let files = [("values.yaml", "a: 1\n---\n- b\n")];
    let error = helm(HelmVersion::V4, &files, &[], &[]);
    let want = "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding \
                JSON: json: cannot unmarshal array into Go value of type map[string]interface {}";
    assert_eq!(error, Err(want.to_owned()));
    assert_eq!(helm(HelmVersion::V3, &files, &[], &[]), Ok("\n".to_owned()));
}

#[test]
fn set_json_takes_an_object() {
    let object = " {\"a\": {\"b\": 1}, \"c\": [1]}";
    let mut values = Values::of(HelmVersion::V4);
    values.set_json(object).expect("an object");
    values.set_json("a.d=2").expect("an assignment");
    let want = serde_json::json!({"a": {"b": 1, "d": 2}, "c": [1]});
    assert_eq!(values.to_value(), want.into());
    let error = values.set_json("{\"a\"").expect_err("no JSON");
    assert_eq!(
        error.text_of(HelmVersion::V4),
        "failed parsing --set-json data JSON: {\"a\""
    );
    let error = Values::new().set_json(object).expect_err("no assignment");
    assert_eq!(
        error.helm_text(),
        format!("failed parsing --set-json data {object}")
    );
}

#[test]
fn a_chart_is_a_map() {
    let maintained =
        "apiVersion: v2\nname: web\nversion: 1.0.0\nmaintainers: [{name: A, email: a@b}]\n";
    let files = [
        ("Chart.yaml", maintained),
        (
            "templates/a.yaml",
            "a: {{ typeOf .Chart }} [{{ .Chart.None }}] {{ typeOf .Chart.Maintainers }} {{ typeOf .Chart.Annotations }} \
             {{ (index .Chart.Maintainers 0).Name }} {{ typeOf .Values }} {{ typeOf .Capabilities }}\n\
             b: {{ toJson .Chart.Maintainers }}\n",
        ),
    ];
    let want = "---\n# Source: web/templates/a.yaml\n\
                a: map[string]interface {} [] []interface {} map[string]string A common.Values *common.Capabilities\n\
                b: [{\"Email\":\"a@b\",\"Name\":\"A\",\"URL\":\"\"}]\n";
    assert_eq!(helm(HelmVersion::V4, &files, &[], &[]), Ok(want.to_owned()));
}

#[test]
fn the_version_of_kubernetes_keeps_what_follows_its_numbers() {
    let text = "a: {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Version }} \
                {{ .Capabilities.KubeVersion.String }} {{ .Capabilities.KubeVersion.GitVersion }} \
                {{ printf \"%v\" .Capabilities.KubeVersion }} {{ toJson .Capabilities.KubeVersion }}\n";
    let want = "a: v1.31.4 v1.31.4-gke.5 v1.31.4 v1.31.4-gke.5 {v1.31.4-gke.5 v1.31.4 1 31} \
                {\"Version\":\"v1.31.4-gke.5\",\"Major\":\"1\",\"Minor\":\"31\"}\n";
    assert_eq!(template(text).as_deref(), Ok(want));
    // The methods of the version need its address, which a copy of it does not have.
    let copies = r#"a: |
  {{ $v := .Capabilities.KubeVersion }}{{ $v }} {{ with $v }}{{ . }}{{ end }} {{ print $v }} {{ toString $v }} {{ quote $v }}
  {{ $v | squote }} {{ cat $v }} {{ html $v }} {{ default "a" $v }} {{ join "," (list $v) }} {{ dict "a" $v }}
  {{ printf "%+v %s %q %#v" $v $v $v $v }}
  {{ printf "%v" .Capabilities | trunc 34 }}
"#;
    let want = r#"a: |
  v1.31.4 v1.31.4 {v1.31.4-gke.5 v1.31.4 1 31} {v1.31.4-gke.5 v1.31.4 1 31} "{v1.31.4-gke.5 v1.31.4 1 31}"
  '{v1.31.4-gke.5 v1.31.4 1 31}' {v1.31.4-gke.5 v1.31.4 1 31} {v1.31.4-gke.5 v1.31.4 1 31} {v1.31.4-gke.5 v1.31.4 1 31} {v1.31.4-gke.5 v1.31.4 1 31} map[a:{v1.31.4-gke.5 v1.31.4 1 31}]
  {Version:v1.31.4-gke.5 normalizedVersion:v1.31.4 Major:1 Minor:31} {v1.31.4-gke.5 v1.31.4 1 31} {"v1.31.4-gke.5" "v1.31.4" "1" "31"} common.KubeVersion{Version:"v1.31.4-gke.5", normalizedVersion:"v1.31.4", Major:"1", Minor:"31"}
  &{{v1.31.4-gke.5 v1.31.4 1 31} [v1
"#;
    assert_eq!(template(copies).as_deref(), Ok(want));
    let picky = "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: \">=1.40.0\"\n";
    let error = helm(HelmVersion::V4, &[("Chart.yaml", picky)], &[], &[]);
    let want =
        "chart requires kubeVersion: >=1.40.0 which is incompatible with Kubernetes v1.31.4-gke.5";
    assert_eq!(error, Err(want.to_owned()));
}

#[test]
fn only_two_forms_of_charts_are_rendered() {
    for (version, want) in [
        ("v9", "unsupported chart version"),
        ("v3", "invalid chart apiVersion"),
    ] {
        let chart = format!("apiVersion: {version}\nname: web\nversion: 1.0.0\n");
        let files = [("Chart.yaml", chart.as_str())];
        let got = helm(HelmVersion::V4, &files, &[], &[]);
        assert_eq!(got, Err(want.to_owned()));
        assert!(helm(HelmVersion::V3, &files, &[], &[]).is_ok());
    }
}

#[test]
fn errors_are_shown_over_several_lines() {
    let helpers =
        "{{ define \"a\" }}{{ include \"b\" . }}{{ end }}{{ define \"b\" }}{{ .x.y.z }}{{ end }}";
    let files = [
        ("templates/_h.tpl", helpers),
        ("templates/a.yaml", "a: {{ include \"a\" . }}\n"),
    ];
    let want = "web/templates/a.yaml:1:6
  executing \"web/templates/a.yaml\" at <include \"a\" .>:
    error calling include:
web/templates/_h.tpl:1:19
  executing \"a\" at <include \"b\" .>:
    error calling include:
web/templates/_h.tpl:1:65
  executing \"b\" at <.x.y.z>:
    nil pointer evaluating interface {}.y";
    assert_eq!(
        helm(HelmVersion::V4, &files, &[], &[]),
        Err(want.to_owned())
    );
    // What Go does not say in one form stays on one line.
    let want = "template: web/templates/a.yaml:1:6: executing \"web/templates/a.yaml\" at <tpl \"{{ .x.y.z }}\" .>: error \
                calling tpl: error during tpl function execution for \"{{ .x.y.z }}\": template: gotpl:1:5: executing \
                \"gotpl\" at <.x.y.z>: nil pointer evaluating interface {}.y";
    let got = template("a: {{ tpl \"{{ .x.y.z }}\" . }}\n");
    assert_eq!(got, Err(want.to_owned()));
    let got = template("a: {{ required \"need it\" .Values.q }}\n");
    let want = "execution error at (web/templates/a.yaml:1:6): need it";
    assert_eq!(got, Err(want.to_owned()));
    let got = template("a: {{ include \"nope\" . }}\n");
    let want = "web/templates/a.yaml:1:6
  executing \"web/templates/a.yaml\" at <include \"nope\" .>:
    error calling include:
template: no template \"nope\" associated with template \"gotpl\"";
    assert_eq!(got, Err(want.to_owned()));
}

#[test]
fn what_goes_wrong_before_rendering_is_told_as_helm_4_tells_it() {
    let depending =
        "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: sub, version: 1.0.0}]\n";
    let mut files = vec![("Chart.yaml", depending)];
    let want = "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
                fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: sub";
    assert_eq!(
        helm(HelmVersion::V4, &files, &[], &[]),
        Err(want.to_owned())
    );
    files.push((
        "charts/sub/Chart.yaml",
        "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
    ));
    files.push(("values.yaml", "sub: text\n"));
    let want = "chart dependencies processing failed: type mismatch on sub: %!t(string=text)";
    assert_eq!(
        helm(HelmVersion::V4, &files, &[], &[]),
        Err(want.to_owned())
    );
    let want = "type mismatch on sub: %!t(string=text)";
    assert_eq!(
        helm(HelmVersion::V3, &files, &[], &[]),
        Err(want.to_owned())
    );
}

#[test]
fn dashes_behind_space_begin_a_document() {
    let got = template("  ---\na: 1\n--- \nb: 1\n---c: 2\nd: |\n  x\n");
    let source = "\n---\n# Source: web/templates/a.yaml\n";
    assert_eq!(
        got,
        Ok(format!("a: 1\n{source}b: 1\n{source}c: 2\nd: |\n  x\n"))
    );
}
