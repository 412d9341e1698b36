//! Packed charts: `.tgz`.

use std::io::{self, Read};
use std::sync::Arc;

use crate::Error;
use crate::data::FileData;
use crate::load::ChartFile;
use crate::tar::{self, Input, Kind};

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
    let inflated = inflate(bytes).map(Arc::new);
    // The bound on what the decoder gives covers the headers of the archive too.
    let mut tar = tar::Reader::new(match &inflated {
        Some(inflated) => Input::Whole(inflated, 0),
        None => Input::Stream(Box::new(
            flate2::bufread::MultiGzDecoder::new(bytes).take(2 * MAX_TOTAL),
        )),
    });
    let failed = |error: io::Error| archive(go_message(&error));
    let mut files = Vec::new();
    let mut remaining = MAX_TOTAL;
    while let Some(entry) = tar.next().map_err(failed)? {
        if entry.kind != Kind::File {
            continue;
        }
        let full = String::from_utf8_lossy(&entry.name);
        let name = chart_path(&full)?;
        if entry.size > remaining {
            return Err(too_large());
        }
        if entry.size > MAX_FILE {
            return Err(archive(format!(
                "decompressed chart file {full:?} is larger than the maximum file size {MAX_FILE}"
            )));
        }
        let data = tar.content().map_err(failed)?;
        let filled = data.len() as u64;
        remaining -= filled;
        if filled < entry.size || remaining == 0 {
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

/// Says what is wrong with an archive in Go's words where there are such.
fn go_message(error: &io::Error) -> String {
    let message = error.to_string();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        "unexpected EOF".to_owned()
    } else if message.contains("checksum") {
        "gzip: invalid checksum".to_owned()
    } else if message.contains("gzip header") {
        "gzip: invalid header".to_owned()
    } else {
        message
    }
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
    pub(crate) fn new(name: impl Into<String>, data: impl Into<FileData>) -> Self {
        let mut data = data.into();
        if data.starts_with(b"\xef\xbb\xbf") {
            data = data.skip(3);
        }
        Self {
            name: name.into(),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tar::{Builder, EntryType, Header};

    fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, data) in entries {
            let mut header = Header::new_gnu();
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

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).expect("written to memory");
        encoder.finish().expect("written to memory")
    }

    /// The parts of an archive: a header, a block of content, and so on, and two blocks of zeros.
    fn blocks() -> Vec<u8> {
        let packed = pack(&[("c/Chart.yaml", b"name: c\n"), ("c/a.yaml", b"kind: X\n")]);
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut bytes)
            .expect("read from memory");
        assert_eq!(bytes.len(), 6 * 512);
        bytes
    }

    fn outcome(packed: &[u8]) -> String {
        match unpack(packed) {
            Ok(files) => files.iter().map(|file| format!("{} ", file.name)).collect(),
            Err(error) => error.to_string(),
        }
    }

    /// What Helm 3.22 said of each.
    #[test]
    fn archives_are_read_as_go_reads_them() {
        const BOTH: &str = "Chart.yaml a.yaml ";
        const BAD: &str = "archive/tar: invalid tar header";
        let bytes = blocks();
        let zero = [0; 512];
        let mut bad_sum = bytes.clone();
        bad_sum[148..156].copy_from_slice(b"7777777\0");
        let cases: [(&str, &[u8], &str); 9] = [
            ("whole", &bytes, BOTH),
            ("content cut short", &bytes[..516], "unexpected EOF"),
            ("no padding at the end", &bytes[..1536 + 8], BOTH),
            ("no padding in between", &bytes[..700], "Chart.yaml "),
            ("header cut short", &bytes[..1224], "unexpected EOF"),
            ("no end", &bytes[..2048], BOTH),
            (
                "zeros in between",
                &[&bytes[..1024], &zero, &bytes[1024..]].concat(),
                BAD,
            ),
            ("a wrong sum", &bad_sum, BAD),
            ("no archive", &[b'x'; 600], BAD),
        ];
        for (what, bytes, want) in cases {
            let packed = gzip(bytes);
            assert_eq!(outcome(&packed), want, "{what}");
            // Two members are not unpacked at once.
            let (one, two) = bytes.split_at(bytes.len() / 2);
            let members = [gzip(one), gzip(two)].concat();
            assert_eq!(outcome(&members), want, "{what}, piece by piece");
        }
        // What stands behind the end of the archive is not looked at, the checksum among it.
        let packed = gzip(&bytes);
        let mut wrong = packed.clone();
        let crc = wrong.len() - 8;
        wrong[crc] ^= 1;
        assert_eq!(outcome(&wrong), BOTH);
        assert_eq!(outcome(&packed[..packed.len() - 4]), BOTH);
        assert_eq!(outcome(&packed[..packed.len() - 20]), "unexpected EOF");
        assert_eq!(outcome(&packed[..8]), "unexpected EOF");
        let mut endless = gzip(&bytes[..2048]);
        let crc = endless.len() - 8;
        endless[crc] ^= 1;
        assert_eq!(outcome(&endless), "gzip: invalid checksum");
    }

    #[test]
    fn long_names_are_read_however_they_are_written() {
        let long = format!("c/{}/{}.yaml", "d".repeat(90), "e".repeat(60));
        let header = |kind: EntryType, name: &str, size: usize| {
            let mut header = Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(size as u64);
            header.set_path(name).expect("a path that fits");
            header.set_cksum();
            header
        };
        let archive = |entries: &[(Header, &[u8])]| {
            let mut builder = Builder::new(Vec::new());
            for (header, data) in entries {
                builder.append(header, *data).expect("written to memory");
            }
            gzip(&builder.into_inner().expect("written to memory"))
        };
        let want = format!("{} ", &long[2..]);
        let ustar = header(EntryType::Regular, &long, 1);
        assert_eq!(outcome(&archive(&[(ustar, b"x")])), want);

        let short = || header(EntryType::Regular, "c/short", 1);
        let gnu = header(EntryType::GNULongName, "././@LongLink", long.len() + 1);
        let name = format!("{long}\0");
        assert_eq!(
            outcome(&archive(&[(gnu, name.as_bytes()), (short(), b"x")])),
            want
        );

        let record = format!("{} path={long}\n20 size=00000000003\n", long.len() + 10);
        let pax = header(EntryType::XHeader, "c/pax", record.len());
        let packed = archive(&[(pax, record.as_bytes()), (short(), b"abc")]);
        assert_eq!(outcome(&packed), want);
        assert_eq!(&*unpack(&packed).expect("an archive")[0].data, b"abc");

        for record in [
            "x",
            "9999 path=x\n",
            "8 path=x",
            "3 \n",
            "11 size=-1\n",
            "8 path\0x\n",
        ] {
            let pax = header(EntryType::XHeader, "c/pax", record.len());
            let packed = archive(&[(pax, record.as_bytes()), (short(), b"x")]);
            assert_eq!(
                outcome(&packed),
                "archive/tar: invalid tar header",
                "{record:?}"
            );
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
