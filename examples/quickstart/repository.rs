//! The Git repository that the demonstration works on.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

/// The address that the manifests of `examples/infrastructure` name.
const PUBLISHED: &str = "https://git.example.com/shop/infrastructure.git";

/// A Git repository made of a folder, with a work tree to edit.
pub(crate) struct DemoRepository {
    repository: Repository,
    folder: PathBuf,
}

impl DemoRepository {
    /// Makes a repository of a folder; its manifests name the new repository where they named the published one.
    pub(crate) fn create(from: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let url = folder.display().to_string();
        copy(from, folder, &url)?;
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let repository = Repository::init_opts(folder, &options)?;
        let repository = Self {
            repository,
            folder: folder.to_owned(),
        };
        repository.commit("Begin")?;
        Ok(repository)
    }

    /// Returns the text of a file.
    pub(crate) fn read(&self, path: &str) -> Result<String, Box<dyn Error>> {
        Ok(fs::read_to_string(self.folder.join(path))?)
    }

    /// Replaces text in a file and commits that.
    pub(crate) fn replace(
        &self,
        path: &str,
        from: &str,
        to: &str,
        message: &str,
    ) -> Result<String, Box<dyn Error>> {
        let text = self.read(path)?;
        if !text.contains(from) {
            return Err(format!("{path} does not hold {from:?}").into());
        }
        fs::write(self.folder.join(path), text.replace(from, to))?;
        self.commit(message)
    }

    /// Removes a file, and commits that with what else was changed.
    pub(crate) fn remove(&self, path: &str) -> Result<(), Box<dyn Error>> {
        Ok(fs::remove_file(self.folder.join(path))?)
    }

    /// Commits everything and returns the short hash.
    pub(crate) fn commit(&self, message: &str) -> Result<String, Box<dyn Error>> {
        let mut index = self.repository.index()?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
        index.update_all(["*"], None)?;
        index.write()?;
        let tree = self.repository.find_tree(index.write_tree()?)?;
        let who = Signature::now("Quickstart", "quickstart@example.com")?;
        let parent = self
            .repository
            .head()
            .ok()
            .and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let id = self
            .repository
            .commit(Some("HEAD"), &who, &who, message, &tree, &parents)?;
        Ok(id.to_string()[..7].to_owned())
    }
}

fn copy(from: &Path, to: &Path, url: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, url)?;
        } else {
            let text = fs::read_to_string(entry.path())?;
            fs::write(target, text.replace(PUBLISHED, url))?;
        }
    }
    Ok(())
}
