//! File trees: in memory, on disk, and recorded.

use gitops_manifest::tree::{self, ReadKind};
use gitops_manifest::{DirTree, EntryKind, FileTree, MemoryTree, RecordingTree, TreeError};

const FILES: [(&str, &str); 4] = [
    ("base/a.yaml", "kind: A\n"),
    ("base/b.yaml", "kind: B\n"),
    ("base/nested/c.yaml", "kind: C\n"),
    ("top.yaml", "kind: T\n"),
];

fn memory() -> MemoryTree {
    MemoryTree::from_iter(FILES)
}

fn on_disk() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (path, text) in FILES {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    folder
}

#[test]
fn the_same_files_are_the_same_tree() {
    let (folder, memory) = (on_disk(), memory());
    let disk = DirTree::open(folder.path()).expect("it is a folder");
    for path in ["", "base", "base/nested", "base/a.yaml", "top.yaml"] {
        assert_eq!(
            disk.id(path).expect("there"),
            memory.id(path).expect("there"),
            "{path:?}"
        );
        assert_eq!(
            disk.kind(path).expect("asked"),
            memory.kind(path).expect("asked")
        );
    }
    for path in ["", "base", "base/nested"] {
        assert_eq!(
            disk.list(path).expect("there"),
            memory.list(path).expect("there")
        );
    }
    assert_eq!(
        disk.read("base/a.yaml").expect("there"),
        memory.read("base/a.yaml").expect("there")
    );
    assert_ne!(
        memory.id("base/a.yaml").expect("there"),
        memory.id("base/b.yaml").expect("there")
    );
}

#[test]
fn what_is_wrong_is_told_the_same_way() {
    let (folder, memory) = (on_disk(), memory());
    let disk = DirTree::open(folder.path()).expect("it is a folder");
    for tree in [&disk as &dyn FileTree, &memory] {
        assert!(matches!(tree.read("nope"), Err(TreeError::NotFound { .. })));
        assert!(matches!(
            tree.read("top.yaml/x"),
            Err(TreeError::NotFound { .. })
        ));
        assert!(matches!(
            tree.read("base"),
            Err(TreeError::WrongKind {
                wanted: EntryKind::File,
                found: EntryKind::Folder,
                ..
            })
        ));
        assert!(matches!(
            tree.list("top.yaml"),
            Err(TreeError::WrongKind {
                wanted: EntryKind::Folder,
                found: EntryKind::File,
                ..
            })
        ));
        assert!(matches!(tree.read("../x"), Err(TreeError::Escapes { .. })));
        assert!(matches!(
            tree.read("/etc/passwd"),
            Err(TreeError::Escapes { .. })
        ));
        assert_eq!(tree.kind("nope").expect("asked"), None);
        assert_eq!(
            tree.read("./base/../top.yaml").expect("there").as_ref(),
            b"kind: T\n"
        );
    }
}

#[cfg(unix)]
#[test]
fn links_stay_within_the_root() {
    let folder = on_disk();
    let outside = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(outside.path().join("secret"), "s").expect("written");
    std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).expect("linked");
    std::os::unix::fs::symlink("base/a.yaml", folder.path().join("in.yaml")).expect("linked");
    let tree = DirTree::open(folder.path()).expect("it is a folder");
    assert!(matches!(
        tree.read("out/secret"),
        Err(TreeError::Escapes { .. })
    ));
    assert_eq!(tree.read("in.yaml").expect("there").as_ref(), b"kind: A\n");
    let names: Vec<_> = tree
        .list("")
        .expect("there")
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    // What leads out is no secret: whoever takes all files finds that one cannot be read.
    assert_eq!(names, ["base", "in.yaml", "out", "top.yaml"]);
    assert!(matches!(tree.read("out"), Err(TreeError::Escapes { .. })));
}

#[test]
fn a_record_holds_as_long_as_what_was_read_is_the_same() {
    let memory = memory();
    let recording = RecordingTree::new(&memory);
    recording.read("base/a.yaml").expect("there");
    recording.list("base").expect("there");
    recording.kind("base/kustomization.yaml").expect("asked");
    recording.read("absent").expect_err("it is not there");
    let reads = recording.into_reads();
    let paths: Vec<_> = reads.paths().collect();
    assert_eq!(
        paths,
        [
            ("absent", ReadKind::Content),
            ("base", ReadKind::Names),
            ("base/a.yaml", ReadKind::Content),
            ("base/kustomization.yaml", ReadKind::Kind),
        ]
    );
    assert!(reads.hold_on(&memory));
    let changed = |path: &str, text: &str| {
        let mut tree = memory.clone();
        tree.insert(path, text.as_bytes()).expect("it fits");
        reads.hold_on(&tree)
    };
    assert!(
        changed("base/b.yaml", "kind: other\n"),
        "only its name was looked at"
    );
    assert!(changed("top.yaml", "x"));
    assert!(!changed("base/a.yaml", "kind: other\n"));
    assert!(!changed("base/d.yaml", "x"));
    assert!(!changed("absent", "x"));
}

#[test]
fn paths_are_joined_within_the_root() {
    for (folder, relative, want) in [
        ("", "a", Some("a")),
        ("a/b", "../c", Some("a/c")),
        ("a/b", "../../c", Some("c")),
        ("a/b", "../../../c", None),
        ("a", ".", Some("a")),
        ("a", "./b//c/", Some("a/b/c")),
        ("a", "/b", None),
        ("a", "", Some("a")),
    ] {
        assert_eq!(
            tree::join(folder, relative).ok().as_deref(),
            want,
            "{folder} {relative}"
        );
    }
    assert_eq!(tree::parent("a/b/c"), "a/b");
    assert_eq!(tree::parent("a"), "");
}
