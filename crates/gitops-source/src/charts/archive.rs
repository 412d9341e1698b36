//! Archives as file trees.

use std::io::Read;

use gitops_manifest::MemoryTree;

use super::oci::LayerKind;

/// What one archive holds, unpacked, may not exceed this.
const MAX_TOTAL: u64 = 100 << 20;

/// Unpacks an archive into a tree.
///
/// Paths that lead out of the archive are errors, links and devices are left out, and what unpacks to more than
/// 100 MiB is refused before it is held.
pub(super) fn unpack(bytes: &[u8], kind: LayerKind) -> Result<MemoryTree, String> {
    match kind {
        LayerKind::Chart => chart(bytes),
        LayerKind::Tar => files(bytes),
        LayerKind::TarGzip => files(flate2::read::MultiGzDecoder::new(bytes)),
    }
}

/// Unpacks a packed chart, without the folder of its name.
fn chart(bytes: &[u8]) -> Result<MemoryTree, String> {
    let files = gitops_helm::unpack(bytes).map_err(|error| error.to_string())?;
    let mut tree = MemoryTree::new();
    for file in files {
        tree.insert(&file.name, file.data)
            .map_err(|error| error.to_string())?;
    }
    Ok(tree)
}

fn files(reader: impl Read) -> Result<MemoryTree, String> {
    let mut tree = MemoryTree::new();
    let mut archive = tar::Archive::new(reader.take(2 * MAX_TOTAL));
    let mut remaining = MAX_TOTAL;
    let failed = |error: std::io::Error| format!("the archive cannot be read: {error}");
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = entry.size();
        if size > remaining {
            return Err(format!(
                "the archive unpacks to more than {MAX_TOTAL} bytes"
            ));
        }
        remaining -= size;
        let mut data = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut data).map_err(failed)?;
        if (data.len() as u64) < size {
            return Err(format!("the archive ends within {path:?}"));
        }
        tree.insert(&path, data)
            .map_err(|error| error.to_string())?;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use gitops_manifest::FileTree as _;

    use super::*;

    fn pack(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, kind, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_entry_type(*kind);
            header.as_gnu_mut().expect("a GNU header").name[..path.len()]
                .copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, *data).expect("written to memory");
        }
        tar.into_inner().expect("written to memory")
    }

    #[test]
    fn files_stay_within_the_tree() {
        let file = tar::EntryType::Regular;
        let bytes = pack(&[
            ("a/b.yaml", file, b"x"),
            ("./c.yaml", file, b"y"),
            ("link", tar::EntryType::Symlink, b""),
        ]);
        let tree = unpack(&bytes, LayerKind::Tar).expect("it unpacks");
        assert_eq!(&*tree.read("a/b.yaml").expect("read"), b"x");
        assert_eq!(&*tree.read("c.yaml").expect("read"), b"y");
        assert_eq!(tree.kind("link").expect("asked"), None);
        for path in ["../x", "/etc/passwd", "a/../../x"] {
            assert!(
                unpack(&pack(&[(path, file, b"x")]), LayerKind::Tar).is_err(),
                "{path}"
            );
        }
        for cut in 0..bytes.len() {
            let _ = unpack(&bytes[..cut], LayerKind::Tar);
            let _ = unpack(&bytes[..cut], LayerKind::TarGzip);
            let _ = unpack(&bytes[..cut], LayerKind::Chart);
        }
    }
}
