//! The content of files.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The content of a file: bytes that clones share, alone or as a part of a whole archive.
///
/// ```
/// use gitops_helm::FileData;
///
/// let data = FileData::from("name: web\n");
/// assert_eq!(&data[..4], b"name");
/// ```
#[derive(Clone)]
pub struct FileData {
    whole: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl FileData {
    /// Makes a part of what several files share. The range has to lie within.
    pub(crate) fn part(whole: &Arc<Vec<u8>>, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= whole.len());
        let whole: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Vec<u8>>::clone(whole);
        Self { whole, range }
    }

    /// Leaves out the first bytes.
    pub(crate) fn skip(mut self, count: usize) -> Self {
        self.range.start = (self.range.start + count).min(self.range.end);
        self
    }
}

impl Deref for FileData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = (*self.whole).as_ref();
        &whole[self.range.clone()]
    }
}

impl AsRef<[u8]> for FileData {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for FileData {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            whole: Arc::new(bytes),
            range,
        }
    }
}

impl From<Arc<[u8]>> for FileData {
    fn from(bytes: Arc<[u8]>) -> Self {
        let range = 0..bytes.len();
        Self {
            whole: Arc::new(bytes),
            range,
        }
    }
}

impl From<&[u8]> for FileData {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<&str> for FileData {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<FileData> for Arc<[u8]> {
    fn from(data: FileData) -> Self {
        Self::from(&*data)
    }
}

impl PartialEq for FileData {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for FileData {}

impl fmt::Debug for FileData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
