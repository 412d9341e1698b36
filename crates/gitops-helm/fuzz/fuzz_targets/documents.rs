//! Rendered text on its way to manifests: split, skimmed, sorted.
#![no_main]

use std::sync::OnceLock;

use gitops_helm::{Chart, ChartFile, HelmVersion, RenderOptions, Values, render};
use libfuzzer_sys::fuzz_target;

/// A chart whose only template prints a value.
fn chart() -> &'static Chart {
    static CHART: OnceLock<Chart> = OnceLock::new();
    CHART.get_or_init(|| {
        let file = |name: &str, text: &str| ChartFile {
            name: name.to_owned(),
            data: text.into(),
        };
        Chart::from_files(vec![
            file("Chart.yaml", "apiVersion: v2\nname: fuzz\nversion: 1.0.0\n"),
            file("templates/all.yaml", "{{ .Values.text }}"),
        ])
        .expect("a chart")
    })
}

fuzz_target!(|text: &str| {
    let mut values = Values::new();
    values.set_literal(&format!("text={text}")).expect("an assignment");
    for helm_version in [HelmVersion::V3, HelmVersion::V4] {
        let mut options = RenderOptions::default();
        options.helm_version = helm_version;
        if let Ok(rendered) = render(chart(), &values, &options) {
            let _ = rendered.to_yaml();
            let _ = rendered.objects();
        }
    }
});
