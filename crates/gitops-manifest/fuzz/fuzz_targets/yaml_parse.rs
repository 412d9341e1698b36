//! Any text is read or refused, by both profiles and as nodes, and nodes mean what the text means.
#![no_main]

use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for profile in [Profile::Sigs, Profile::Kyaml] {
        let options = ParseOptions::new(profile);
        let values = yaml::parse(text, &options);
        if let Err(error) = &values {
            let _ = (error.excerpt(), error.upstream_message(profile));
        }
        let read = yaml::documents(text, &options).count();
        match (&values, yaml::parse_nodes(text, &options)) {
            (Ok(values), Ok(nodes)) => {
                assert_eq!(read, values.len());
                for (value, node) in values.iter().zip(&nodes) {
                    assert_eq!(node.to_value(&options).as_ref(), Ok(value));
                    let _ = yaml::emit_node(node, &EmitOptions::new(profile));
                }
            }
            (Ok(_), Err(error)) => panic!("values but no nodes: {error}"),
            (Err(_), _) => {}
        }
        let _ = yaml::locate(text, 0, "/a/0/b");
    }
});
