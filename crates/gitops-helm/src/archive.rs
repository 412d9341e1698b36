//! Packed charts: `.tgz`.

use std::io::{self, Read};
use std::sync::Arc;

use crate::Error;
use crate::load::ChartFile;

/// The files of one archive, unpacked, may not exceed this.
const MAX_TOTAL: u64 = 100 << 20;
/// An archive of more than this is not unpacked at once, so that memory stays bounded.
const MAX_AT_ONCE: usize = 16 << 20;
/// One file of a chart may not exceed this.
pub(crate) const MAX_FILE: u64 = 5 << 20;

/// Unpacks a packed chart (`.tgz`) into its files, with paths relative to the chart.
///
/// Helm's rules hold: 100 MiB in all and 5 MiB a file, unpacked; no path may be absolute or lead out of the chart.
/// Links are files without content. A byte order mark is taken off.
///
/// # Errors
/// [`Error::Archive`] where the bytes are no archive, are too much, or a path breaks the rules.
pub fn unpack(bytes: &[u8]) -> Result<Vec<ChartFile>, Error> {
    let archive = |message: String| Error::Archive { message };
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(archive("gzip: invalid header".to_owned()));
    }
    let too_large = || {
        archive(format!(
            "decompressed chart is larger than the maximum file size {MAX_TOTAL}"
        ))
    };
    let inflated = inflate(bytes);
    // The bound on what the decoder gives covers the headers of the archive too.
    let decoder: Box<dyn Read> = match &inflated {
        Some(inflated) => Box::new(inflated.as_slice()),
        None => Box::new(flate2::bufread::MultiGzDecoder::new(bytes).take(2 * MAX_TOTAL)),
    };
    let mut tar = tar::Archive::new(decoder);
    let mut files = Vec::new();
    let mut remaining = MAX_TOTAL;
    let entries = tar.entries().map_err(|error| archive(error.to_string()))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| archive(error.to_string()))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let full = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if full.ends_with('/') {
            continue;
        }
        let name = chart_path(&full)?;
        let size = entry.size();
        if size > remaining {
            return Err(too_large());
        }
        if size > MAX_FILE {
            return Err(archive(format!(
                "decompressed chart file {full:?} is larger than the maximum file size {MAX_FILE}"
            )));
        }
        let (data, filled) =
            read_file(&mut entry, size as usize).map_err(|error| archive(error.to_string()))?;
        remaining -= filled as u64;
        if (filled as u64) < size || remaining == 0 {
            return Err(too_large());
        }
        files.push(ChartFile::new(name, data));
    }
    if files.is_empty() {
        return Err(archive("no files in chart archive".to_owned()));
    }
    Ok(files)
}

/// Inflates at once what is one sound gzip member of moderate size, as charts are. It is faster than piece by piece;
/// nothing else is decided here: what is not such a member is left to the decoder of streams.
fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, trailer) = bytes.split_last_chunk::<8>()?;
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
    let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    // Deflate packs at most some 1,032 bytes into one: a greater size is made up.
    if size > MAX_AT_ONCE || size / 1_100 > head.len() {
        return None;
    }
    let member = flate2::bufread::GzDecoder::new(head);
    member.header()?;
    let body = member.into_inner();
    let mut inflated = Vec::with_capacity(size);
    let mut state = flate2::Decompress::new(false);
    let status = state.decompress_vec(body, &mut inflated, flate2::FlushDecompress::Finish);
    let whole = matches!(status, Ok(flate2::Status::StreamEnd))
        && state.total_in() == body.len() as u64
        && inflated.len() == size
        && crc32fast::hash(&inflated) == checksum;
    whole.then_some(inflated)
}

/// Reads a file of so many bytes to where it stays, and tells how many there were.
fn read_file(entry: &mut impl Read, size: usize) -> io::Result<(Arc<[u8]>, usize)> {
    let mut data: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let mut filled = 0;
    if let Some(buffer) = Arc::get_mut(&mut data) {
        while filled < size {
            match entry.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok((data, filled))
}

/// Takes the name of the chart's folder off a path of an archive and cleans the rest.
fn chart_path(full: &str) -> Result<String, Error> {
    let illegal = |message: &str| Error::Archive {
        message: message.to_owned(),
    };
    // An archive made on Windows may separate by backslashes.
    let separator = if full.contains('\\') { '\\' } else { '/' };
    let (folder, rest) = full.split_once(separator).unwrap_or((full, ""));
    let rest = rest.replace(separator, "/");
    if rest.starts_with('/') {
        return Err(illegal("chart illegally contains absolute paths"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(illegal("chart illegally references parent directory"));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(Error::Archive {
            message: format!(
                "chart illegally contains content outside the base directory: {full:?}"
            ),
        });
    }
    // Helm compares the beginning of the path, not its first part.
    if parts[0].starts_with("..") {
        return Err(illegal("chart illegally references parent directory"));
    }
    let drive = parts[0].as_bytes();
    if parts.len() > 1 && drive.len() == 2 && drive[0].is_ascii_alphabetic() && drive[1] == b':' {
        return Err(illegal("chart contains illegally named files"));
    }
    if folder == "Chart.yaml" {
        return Err(illegal("chart yaml not in base directory"));
    }
    Ok(parts.join("/"))
}

impl ChartFile {
    /// Keeps a file without the byte order mark that it may begin with.
    pub(crate) fn new(name: impl Into<String>, data: Arc<[u8]>) -> Self {
        let data = match data.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => Arc::from(rest),
            None => data,
        };
        Self {
            name: name.into(),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            // Written past the builder's own check of the path, which refuses what is tested here.
            header.as_gnu_mut().expect("a GNU header").name[..path.len()]
                .copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, *data).expect("written to memory");
        }
        tar.into_inner()
            .and_then(flate2::write::GzEncoder::finish)
            .expect("written to memory")
    }

    #[test]
    fn paths_lose_their_folder() {
        let files = unpack(&pack(&[
            ("web/Chart.yaml", b"\xef\xbb\xbfname: web"),
            ("web/templates/./a.yaml", b"x"),
            ("web\\templates\\b.yaml", b"y"),
        ]))
        .expect("a proper archive");
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            ["Chart.yaml", "templates/a.yaml", "templates/b.yaml"]
        );
        assert_eq!(&*files[0].data, b"name: web");
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for (path, want) in [
            ("web/../../x", "parent directory"),
            ("web//etc/passwd", "absolute"),
            ("web", "outside the base directory"),
            ("Chart.yaml/x", "not in base directory"),
            ("web/c:/x", "illegally named"),
            ("web/a/../../x", "parent directory"),
        ] {
            let result = unpack(&pack(&[(path, b"x")]));
            let error = result.expect_err(path).to_string();
            assert!(error.contains(want), "{path}: {error}");
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        assert!(unpack(b"no gzip").is_err());
        assert!(unpack(&pack(&[])).is_err());
        let whole = pack(&[("web/Chart.yaml", b"name: web")]);
        for cut in 0..whole.len() {
            let _ = unpack(&whole[..cut]);
        }
    }
}
