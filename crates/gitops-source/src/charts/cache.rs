//! What was received, on disk: by the hash of its content.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::address::is_hash;

/// A folder of received content, shared by processes.
///
/// `blobs/` holds content under its SHA-256; whoever reads it checks that. `notes/` holds small texts under the hash
/// of a name: what an address answered last. `locks/` holds what keeps two from fetching the same at once.
pub(super) struct Cache {
    folder: PathBuf,
}

/// Keeps others out until it is dropped.
pub(super) struct Locked(#[allow(dead_code, reason = "the lock goes with the file")] File);

/// Returns the SHA-256 of bytes in lower-case digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(&hash[..2]).join(hash)
    }

    fn note(&self, name: &str) -> PathBuf {
        self.folder.join("notes").join(hash(name.as_bytes()))
    }

    /// Waits until nobody else works on `name`, in this process or another.
    pub(super) fn lock(&self, name: &str) -> io::Result<Locked> {
        let folder = self.folder.join("locks");
        fs::create_dir_all(&folder)?;
        // A few locks for all names: what is never removed must not grow with what was ever asked for.
        let file = File::create(folder.join(&hash(name.as_bytes())[..2]))?;
        file.lock()?;
        Ok(Locked(file))
    }

    /// Returns the content of a hash. What is there and has another hash is removed, and counts as absent.
    pub(super) fn get(&self, wanted: &str) -> io::Result<Option<Vec<u8>>> {
        if !is_hash(wanted) {
            return Ok(None);
        }
        let path = self.blob(wanted);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if hash(&bytes) == wanted {
            return Ok(Some(bytes));
        }
        tracing::warn!(entry = %path.display(), "an entry of the chart cache is damaged and is fetched again");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    /// Keeps content under its hash, which is returned.
    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let hash = hash(bytes);
        write(&self.blob(&hash), bytes)?;
        Ok(hash)
    }

    /// Removes content.
    pub(super) fn remove(&self, hash: &str) {
        if is_hash(hash) {
            // What stays is only room that is lost.
            let _ = fs::remove_file(self.blob(hash));
        }
    }

    /// Returns what was last noted under a name. The note holds its name, so that a damaged one is none.
    pub(super) fn read_note(&self, name: &str) -> Option<Note> {
        let bytes = fs::read(self.note(name)).ok()?;
        let value = gitops_manifest::Value::from_json(&bytes).ok()?;
        let text = |field: &str| value.get(field).and_then(|v| v.as_str()).map(str::to_owned);
        (text("name")? == name).then(|| Note {
            hash: text("hash").unwrap_or_default(),
            etag: text("etag"),
            modified: text("modified"),
            text: text("text").unwrap_or_default(),
        })
    }

    /// Notes something under a name.
    pub(super) fn write_note(&self, name: &str, note: &Note) -> io::Result<()> {
        let mut map = gitops_manifest::Map::new();
        map.insert("name", name);
        map.insert("hash", note.hash.as_str());
        map.insert("text", note.text.as_str());
        if let Some(etag) = &note.etag {
            map.insert("etag", etag.as_str());
        }
        if let Some(modified) = &note.modified {
            map.insert("modified", modified.as_str());
        }
        let value = gitops_manifest::Value::from(map);
        write(&self.note(name), value.to_json().as_bytes())
    }
}

/// What an address answered last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The hash of the content.
    pub(super) hash: String,
    /// The validators that the server gave with it.
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
    /// What else is to be known.
    pub(super) text: String,
}

/// Writes a file so that others see all of it or nothing.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Of one name one writes at a time, but for content, where all write the same.
    let temporary = folder.join(format!(".{name}.{}.{}", std::process::id(), serial()));
    let outcome = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if outcome.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

/// Tells the writers of one process apart.
fn serial() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_content_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let hash = cache.put(b"chart").expect("written");
        assert_eq!(
            cache.get(&hash).expect("read").as_deref(),
            Some(&b"chart"[..])
        );
        fs::write(cache.blob(&hash), b"chXrt").expect("written");
        assert_eq!(cache.get(&hash).expect("read"), None);
        assert!(!cache.blob(&hash).exists());
        assert_eq!(cache.get("../../etc/passwd").expect("read"), None);
    }

    #[test]
    fn notes_are_kept_under_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let note = Note {
            hash: "x".into(),
            etag: Some("\"1\"".into()),
            modified: None,
            text: "y".into(),
        };
        cache.write_note("a", &note).expect("written");
        assert_eq!(cache.read_note("a"), Some(note));
        assert_eq!(cache.read_note("b"), None);
        fs::copy(cache.note("a"), cache.note("b")).expect("copied");
        assert_eq!(cache.read_note("b"), None, "it is the note of another name");
        fs::write(cache.note("a"), b"{").expect("written");
        assert_eq!(cache.read_note("a"), None);
    }

    #[test]
    fn one_works_on_a_name_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().to_owned());
        let first = cache.lock("a").expect("locked");
        let (sent, received) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let second = cache.lock("a").expect("locked");
                sent.send(()).expect("heard");
                drop(second);
            });
            assert!(received.try_recv().is_err());
            drop(first);
            received.recv().expect("the second came in");
        });
    }
}
