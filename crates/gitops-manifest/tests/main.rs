//! The tests of `gitops-manifest`, one module per area.

mod laws;
mod objects;
mod trees;
mod yaml_differences;
mod yaml_golden;
mod yaml_read;
mod yaml_write;

#[test]
fn every_file_of_tests_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this file") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(
                listed.contains(&format!("mod {module};")),
                "{name} is not listed"
            );
        }
    }
}
