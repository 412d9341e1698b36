use std::fs;

use gitops_core::{Source, SourceError, SourceRef};
use gitops_manifest::{EntryKind, FileTree};
use gitops_source::{GitOptions, GitSource};

use crate::repository::TestRepository;

struct Setup {
    folder: tempfile::TempDir,
    repository: TestRepository,
    source: GitSource,
}

fn setup() -> Setup {
    let folder = tempfile::tempdir().expect("a folder");
    let repository = TestRepository::init(&folder.path().join("shop"));
    let mut options = GitOptions::default();
    options.fresh_for = std::time::Duration::ZERO;
    let source = GitSource::with_options(folder.path().join("mirrors"), options);
    Setup {
        folder,
        repository,
        source,
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

async fn resolve(setup: &Setup, revision: &str) -> Result<String, SourceError> {
    let wanted = SourceRef::git(setup.repository.url(), revision);
    Ok(setup.source.resolve(&wanted).await?.id.to_string())
}

#[test]
fn revisions_resolve_by_branch_tag_commit_head_and_range() {
    let setup = setup();
    let first = setup
        .repository
        .commit("main", &[("a.yaml", Some("one"))], "first");
    let second = setup
        .repository
        .commit("main", &[("a.yaml", Some("two"))], "second");
    let side = setup
        .repository
        .commit("side/branch", &[("b.yaml", Some("x"))], "side");
    setup.repository.tag("v1.2.0", &first);
    setup.repository.tag("v1.10.0", &second);
    setup.repository.tag("v2.0.0-rc.1", &side);
    block(async {
        for (revision, expected) in [
            ("main", &second),
            ("", &second),
            ("HEAD", &second),
            ("side/branch", &side),
            ("refs/heads/main", &second),
            ("v1.2.0", &first),
            ("refs/tags/v1.10.0", &second),
            (first.as_str(), &first),
            (&first[..8], &first),
            ("1.*", &second),
            (">=1.0.0 <1.5.0", &first),
            (">=2.0.0-0", &side),
            ("^1", &second),
        ] {
            assert_eq!(
                &resolve(&setup, revision).await.expect(revision),
                expected,
                "{revision}"
            );
        }
        match resolve(&setup, "mian").await {
            Err(SourceError::NoSuchRevision { nearest, .. }) => assert_eq!(nearest[0], "main"),
            other => panic!("{other:?}"),
        }
        let third = setup
            .repository
            .commit("main", &[("a.yaml", Some("three"))], "third");
        assert_eq!(resolve(&setup, "main").await.expect("main"), third);
        let file = SourceRef::git(format!("file://{}", setup.repository.url()), "main");
        assert_eq!(setup.source.resolve(&file).await.expect("file").id, *third);
    });
}

#[test]
fn trees_are_read_from_the_object_database() {
    let setup = setup();
    let link = |target: &str| Some((target.as_bytes().to_vec(), 0o120_000));
    let file = |text: &str| Some((text.as_bytes().to_vec(), 0o100_644));
    setup.repository.commit_entries(
        "main",
        &[
            ("base/a.yaml", file("kind: A")),
            ("app/x.yaml", file("kind: X")),
            ("app/linked", link("../base")),
            ("app/file", link("x.yaml")),
            ("app/out", link("../../etc")),
            ("app/loop", link("loop")),
        ],
        "links",
    );
    block(async {
        let wanted = SourceRef::git(setup.repository.url(), "main");
        let revision = setup.source.resolve(&wanted).await.expect("main");
        let tree = setup.source.tree(&revision).await.expect("a tree");
        let names: Vec<String> = tree
            .list("app")
            .expect("app")
            .iter()
            .map(|entry| entry.name.to_string())
            .collect();
        // What leads out, or round and round, fails for whoever reads it.
        assert_eq!(names, ["file", "linked", "loop", "out", "x.yaml"]);
        assert_eq!(
            &*tree.read("app/linked/a.yaml").expect("through a link"),
            b"kind: A"
        );
        assert_eq!(
            tree.kind("app/linked").expect("a link"),
            Some(EntryKind::Folder)
        );
        assert_eq!(&*tree.read("app/file").expect("a link"), b"kind: X");
        assert_eq!(
            tree.id("app/linked").expect("id"),
            tree.id("base").expect("id")
        );
        assert!(tree.read("app/out/passwd").is_err());
        assert!(tree.read("app/loop").is_err());
        assert_eq!(tree.kind("nothing").expect("kind"), None);
        assert_eq!(tree.kind("").expect("root"), Some(EntryKind::Folder));
        assert!(tree.read("../x").is_err());
        let info = setup
            .source
            .describe(&revision)
            .await
            .expect("a description");
        assert_eq!(info.author, "Ada <ada@example.com>");
        assert_eq!(info.message, "links");
        assert_eq!(info.date.map(|date| date.as_secs()), Some(1_700_000_000));
    });
}

#[test]
fn submodules_are_part_of_the_tree() {
    let setup = setup();
    let module = TestRepository::init(&setup.folder.path().join("module"));
    let pinned = module.commit("main", &[("m.yaml", Some("kind: M"))], "module");
    module.commit("main", &[("m.yaml", Some("kind: Later"))], "later");
    let modules = "[submodule \"m\"]\n\tpath = deps/m\n\turl = ../module\n";
    setup.repository.commit_entries(
        "main",
        &[
            (
                ".gitmodules",
                Some((modules.as_bytes().to_vec(), 0o100_644)),
            ),
            ("deps/m", Some((pinned.into_bytes(), 0o160_000))),
        ],
        "with a submodule",
    );
    block(async {
        let wanted = SourceRef::git(setup.repository.url(), "main");
        let revision = setup.source.resolve(&wanted).await.expect("main");
        let tree = setup.source.tree(&revision).await.expect("a tree");
        assert_eq!(
            &*tree.read("deps/m/m.yaml").expect("of the submodule"),
            b"kind: M"
        );
        assert_eq!(tree.list("deps").expect("deps").len(), 1);
    });
}

#[test]
fn a_damaged_mirror_is_noticed_and_made_anew() {
    let setup = setup();
    let first = setup
        .repository
        .commit("main", &[("a.yaml", Some("one"))], "first");
    block(async {
        assert_eq!(resolve(&setup, "main").await.expect("main"), first);
        let mirrors = setup.folder.path().join("mirrors");
        let mirror = fs::read_dir(mirrors)
            .expect("mirrors")
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.is_dir())
            .expect("a mirror");
        for damage in ["objects", "HEAD"] {
            let path = mirror.join(damage);
            if path.is_dir() {
                fs::remove_dir_all(&path).expect("removed");
                fs::create_dir(&path).expect("made");
            } else {
                fs::write(&path, "garbage").expect("written");
            }
            assert_eq!(resolve(&setup, "main").await.expect(damage), first);
            let wanted = SourceRef::git(setup.repository.url(), "main");
            let revision = setup.source.resolve(&wanted).await.expect("main");
            let fresh = GitSource::new(setup.folder.path().join("mirrors"));
            let tree = fresh.tree(&revision).await.expect("a tree");
            assert_eq!(&*tree.read("a.yaml").expect("a file"), b"one");
        }
    });
}

#[test]
fn a_repository_that_is_not_there_is_unreachable() {
    let setup = setup();
    block(async {
        let wanted = SourceRef::git("/nowhere/at/all", "main");
        match setup.source.resolve(&wanted).await {
            Err(error @ SourceError::Unreachable { .. }) => assert!(error.is_transient()),
            other => panic!("{other:?}"),
        }
        for bad in [
            "",
            "ftp://example.com/x",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/y",
        ] {
            let wanted = SourceRef::git(bad, "main");
            let refused = setup.source.resolve(&wanted).await;
            assert!(
                matches!(refused, Err(SourceError::BadAddress { .. })),
                "{bad}: {refused:?}"
            );
        }
    });
}

#[test]
fn folders_of_many_entries_are_read_like_others() {
    let setup = setup();
    let names: Vec<String> = (0..300).map(|n| format!("app-{n}/a.yaml")).collect();
    let files: Vec<(&str, Option<&str>)> = names.iter().map(|n| (&**n, Some(&**n))).collect();
    setup.repository.commit("main", &files, "many");
    block(async {
        let wanted = SourceRef::git(setup.repository.url(), "main");
        let revision = setup.source.resolve(&wanted).await.unwrap();
        let tree = setup.source.tree(&revision).await.unwrap();
        for _ in 0..2 {
            for name in &names {
                assert_eq!(&*tree.read(name).unwrap(), name.as_bytes());
            }
            assert_eq!(tree.kind("app-300").unwrap(), None);
            assert_eq!(tree.kind("app-299").unwrap(), Some(EntryKind::Folder));
            assert_eq!(tree.list("").unwrap().len(), 300);
        }
    });
}
