//! Tests of the crate, with a server that says what a test wants it to say, and with a real one.

mod aggregation;
mod connect;
mod discovery;
mod fake;
mod login;
mod real;
mod requests;
mod watch;
mod writes;

#[test]
fn no_file_of_tests_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(here).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "{name} is not part of the tests"
        );
    }
}
