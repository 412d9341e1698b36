//! Edits of any kustomization: the result is one again.
#![no_main]

use gitops_kustomize::edit::{
    GeneratorEdit, GeneratorKind, ImageEdit, KustomizationFile, LabelEdit,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut file) = KustomizationFile::parse(text) else {
        return;
    };
    let _ = file.add_resource("x.yaml");
    let _ = file.set_namespace("n");
    if let Ok(image) = ImageEdit::parse("a=b:c") {
        let _ = file.set_image(&image);
    }
    let _ = file.add_label("k", "v", &LabelEdit::default());
    let _ = file.set_label("k", "w");
    let _ = file.set_annotation("k", "v");
    let _ = file.set_replicas("a", 3);
    let mut generator = GeneratorEdit::default();
    generator.name = "a".to_owned();
    generator.literals = vec!["k=v".to_owned()];
    let _ = file.add_generator(GeneratorKind::ConfigMap, &generator);
    let _ = file.set_generator(GeneratorKind::ConfigMap, "a", "", &["k=w"], "n");
    let _ = file.fix(|_| true);
    assert!(KustomizationFile::parse(file.as_str()).is_ok());
});
