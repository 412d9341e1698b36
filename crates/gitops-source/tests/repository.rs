//! A repository to test with.

use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions, Signature, Time};

/// A file to be committed: its path, and its content and mode; `None` removes it.
pub(crate) type Change<'a> = (&'a str, Option<(Vec<u8>, i32)>);

/// A repository with a work tree that is never used: commits are made in the object database.
pub(crate) struct TestRepository {
    pub(crate) repository: Repository,
    pub(crate) path: PathBuf,
}

impl TestRepository {
    pub(crate) fn init(path: &Path) -> Self {
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let repository = Repository::init_opts(path, &options).expect("a new repository");
        Self {
            repository,
            path: path.to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.path.display().to_string()
    }

    /// Commits changes to a branch: content and mode by path, `None` removes. Returns the hash.
    pub(crate) fn commit(
        &self,
        branch: &str,
        files: &[(&str, Option<&str>)],
        message: &str,
    ) -> String {
        let changes: Vec<Change<'_>> = files
            .iter()
            .map(|(path, text)| {
                (
                    *path,
                    text.map(|text| (text.as_bytes().to_vec(), 0o100_644)),
                )
            })
            .collect();
        self.commit_entries(branch, &changes, message)
    }

    pub(crate) fn commit_entries(
        &self,
        branch: &str,
        entries: &[Change<'_>],
        message: &str,
    ) -> String {
        let reference = format!("refs/heads/{branch}");
        let parent = self
            .repository
            .find_reference(&reference)
            .ok()
            .and_then(|reference| reference.peel_to_commit().ok());
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, entry) in entries {
            match entry {
                None => {
                    update.remove(*path);
                }
                Some((bytes, 0o160_000)) => {
                    let id = git2::Oid::from_str(std::str::from_utf8(bytes).expect("a hash"));
                    update.upsert(*path, id.expect("a hash"), git2::FileMode::Commit);
                }
                Some((bytes, mode)) => {
                    let id = self.repository.blob(bytes).expect("a blob");
                    let mode = if *mode == 0o120_000 {
                        git2::FileMode::Link
                    } else {
                        git2::FileMode::Blob
                    };
                    update.upsert(*path, id, mode);
                }
            }
        }
        let base = match &parent {
            Some(parent) => parent.tree().expect("a tree"),
            None => {
                let empty = self
                    .repository
                    .treebuilder(None)
                    .expect("a tree")
                    .write()
                    .expect("a tree");
                self.repository.find_tree(empty).expect("a tree")
            }
        };
        let tree = update
            .create_updated(&self.repository, &base)
            .expect("a tree");
        let tree = self.repository.find_tree(tree).expect("a tree");
        let who =
            Signature::new("Ada", "ada@example.com", &Time::new(1_700_000_000, 0)).expect("a name");
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        self.repository
            .commit(Some(&reference), &who, &who, message, &tree, &parents)
            .expect("a commit")
            .to_string()
    }

    pub(crate) fn tag(&self, name: &str, commit: &str) {
        let object = self.repository.revparse_single(commit).expect("a commit");
        self.repository
            .tag_lightweight(name, &object, true)
            .expect("a tag");
    }
}
