//! Reads tar archives as Go's `archive/tar` does: V7, ustar, pax and GNU headers, and Go's messages.

use std::io::{self, Read};
use std::sync::Arc;

use crate::data::FileData;

/// What headers and contents are made of.
const BLOCK: usize = 512;
/// The records of a pax header, or a long name, may not exceed this.
const MAX_SPECIAL: u64 = 1 << 20;

/// An entry of an archive: what its header says.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// How long the content is, according to the header; links and the like have none all the same.
    pub(crate) size: u64,
}

/// What kind of entry it is, as far as charts care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A header for all entries that follow.
    Global,
}

/// Where an archive is read from.
pub(crate) enum Input<'a> {
    /// An archive that is in memory, and how far it has been read. Contents stay parts of it.
    Whole(&'a Arc<Vec<u8>>, usize),
    /// An archive that comes piece by piece.
    Stream(Box<dyn Read + 'a>),
}

/// Reads the entries of an archive one after the other.
pub(crate) struct Reader<'a> {
    input: Input<'a>,
    /// What is left of the content of the current entry.
    left: u64,
    /// What fills the last block of the content.
    padding: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: Input<'a>) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
        }
    }

    /// Returns the next entry, whatever of the last one has not been read.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut pax = Pax::default();
        let mut long_name = None;
        loop {
            let mut block = [0; BLOCK];
            self.input.skip(self.left)?;
            self.left = 0;
            let padding = std::mem::take(&mut self.padding);
            if self.input.fill(&mut block[..padding])? < padding {
                return Ok(None);
            }
            let Some(header) = self.header(&mut block)? else {
                return Ok(None);
            };
            self.begin(header.kind, header.size)?;
            match header.kind {
                b'x' => pax = Pax::read(&self.special()?)?,
                b'g' => {
                    let records = Pax::read(&self.special()?)?;
                    drop(records);
                    return Ok(Some(Entry {
                        name: header.name,
                        kind: Kind::Global,
                        size: 0,
                    }));
                }
                b'L' => long_name = Some(text(&self.special()?).to_vec()),
                b'K' => {
                    self.special()?;
                }
                kind => {
                    let size = pax.size.unwrap_or(header.size);
                    let name = pax.path.unwrap_or(header.name);
                    let name = long_name.filter(|name| !name.is_empty()).unwrap_or(name);
                    if pax.sparse || kind == b'S' {
                        return Err(invalid("archive/tar: sparse files are not supported"));
                    }
                    let folder = kind == b'5'
                        || kind == 0 && name.ends_with(b"/")
                        || header.mode & 0o170_000 == 0o040_000;
                    self.begin(kind, size)?;
                    return Ok(Some(Entry {
                        name,
                        kind: if folder { Kind::Folder } else { Kind::File },
                        size,
                    }));
                }
            }
        }
    }

    /// Reads the content of the current entry to where it stays.
    pub(crate) fn content(&mut self) -> io::Result<FileData> {
        let size = std::mem::take(&mut self.left);
        self.input.take(size)
    }

    /// Notes what follows the header of an entry.
    fn begin(&mut self, kind: u8, size: u64) -> io::Result<()> {
        if size > i64::MAX as u64 {
            return Err(bad_header());
        }
        // Links, devices and folders have no content, whatever their headers say.
        self.left = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        self.padding = (BLOCK - self.left as usize % BLOCK) % BLOCK;
        Ok(())
    }

    /// Reads what tells more about the next entry.
    fn special(&mut self) -> io::Result<FileData> {
        if self.left > MAX_SPECIAL {
            return Err(invalid("archive/tar: header field too long"));
        }
        self.content()
    }

    /// Reads a header; there is none at the end of the archive.
    fn header(&mut self, block: &mut [u8; BLOCK]) -> io::Result<Option<Header>> {
        for zeros in 0..2 {
            match self.input.fill(block)? {
                0 => return Ok(None),
                BLOCK => {}
                _ => return Err(unexpected_end()),
            }
            if block.iter().any(|byte| *byte != 0) {
                return if zeros == 0 {
                    Header::read(block).map(Some)
                } else {
                    Err(bad_header())
                };
            }
        }
        Ok(None)
    }
}

impl Input<'_> {
    /// Fills a buffer as far as there is input, and tells how far.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Whole(bytes, at) => {
                let filled = (&bytes[*at..]).read(buffer)?;
                *at += filled;
                Ok(filled)
            }
            Self::Stream(stream) => {
                let mut filled = 0;
                while filled < buffer.len() {
                    match stream.read(&mut buffer[filled..]) {
                        Ok(0) => break,
                        Ok(count) => filled += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(filled)
            }
        }
    }

    /// Reads so many bytes to where they stay.
    fn take(&mut self, size: u64) -> io::Result<FileData> {
        match self {
            Self::Whole(bytes, at) => {
                let end = usize::try_from(size)
                    .ok()
                    .and_then(|size| at.checked_add(size))
                    .filter(|end| *end <= bytes.len())
                    .ok_or_else(unexpected_end)?;
                let data = FileData::part(bytes, *at..end);
                *at = end;
                Ok(data)
            }
            Self::Stream(stream) => {
                let mut data = Vec::new();
                stream.take(size).read_to_end(&mut data)?;
                if (data.len() as u64) < size {
                    return Err(unexpected_end());
                }
                Ok(data.into())
            }
        }
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        let skipped = match self {
            Self::Whole(bytes, at) => {
                let count = size.min((bytes.len() - *at) as u64);
                *at += count as usize;
                count
            }
            Self::Stream(stream) => io::copy(&mut stream.take(size), &mut io::sink())?,
        };
        if skipped < size {
            return Err(unexpected_end());
        }
        Ok(())
    }
}

struct Header {
    name: Vec<u8>,
    kind: u8,
    mode: u64,
    size: u64,
}

impl Header {
    fn read(block: &[u8; BLOCK]) -> io::Result<Self> {
        // The sum itself counts as blanks; some programs take bytes for signed.
        let sum = octal(&block[148..156]).ok();
        let of = |bytes: &[u8]| -> u64 { bytes.iter().map(|byte| u64::from(*byte)).sum() };
        let unsigned = of(&block[..148]) + 8 * u64::from(b' ') + of(&block[156..]);
        if sum != Some(unsigned) {
            let signs = block[..148].iter().chain(&block[156..]);
            let signs = signs.filter(|byte| **byte >= 0x80).count() as u64;
            if sum.is_none_or(|sum| sum.wrapping_add(256 * signs) != unsigned) {
                return Err(bad_header());
            }
        }
        let mut name = text(&block[..100]).to_vec();
        let prefix = if block[257..263] != *b"ustar\0" {
            &[]
        } else if block[508..512] == *b"tar\0" {
            text(&block[345..476])
        } else {
            text(&block[345..500])
        };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        Ok(Self {
            name,
            kind: block[156],
            mode: number(&block[100..108])?,
            size: number(&block[124..136])?,
        })
    }
}

/// What a pax header says about the next entry.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Pax {
    /// Reads records of the form `30 mtime=1350244992.023960108`, with a line break at the end of each, which the
    /// length covers too.
    fn read(mut records: &[u8]) -> io::Result<Self> {
        let mut pax = Self::default();
        while !records.is_empty() {
            let blank = records.iter().position(|byte| *byte == b' ');
            let blank = blank.filter(|blank| *blank < 20).ok_or_else(bad_header)?;
            let length = std::str::from_utf8(&records[..blank]).ok();
            let length: usize = length
                .and_then(|length| length.parse().ok())
                .ok_or_else(bad_header)?;
            let (record, rest) = records.split_at_checked(length).ok_or_else(bad_header)?;
            records = rest;
            let record = record
                .get(blank + 1..)
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or_else(bad_header)?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record.split_at(equals.ok_or_else(bad_header)?);
            let value = &value[1..];
            match key {
                b"path" if value.contains(&0) => return Err(bad_header()),
                // No value takes back what an earlier record said.
                b"path" => pax.path = Some(value.to_vec()).filter(|path| !path.is_empty()),
                b"size" if value.is_empty() => pax.size = None,
                b"size" => {
                    let size = std::str::from_utf8(value).ok();
                    let size = size.and_then(|size| size.parse::<i64>().ok());
                    let size = size.and_then(|size| u64::try_from(size).ok());
                    pax.size = Some(size.ok_or_else(bad_header)?);
                }
                key if key.starts_with(b"GNU.sparse.") => pax.sparse = true,
                _ => {}
            }
        }
        Ok(pax)
    }
}

/// Returns what stands before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    &field[..end]
}

/// Reads a number: octal digits, or binary where the first bit says so.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    // The sign is the second bit; no field of a chart is negative.
    if field[0] & 0x40 != 0 {
        return Err(bad_header());
    }
    let mut value: u64 = 0;
    for (at, byte) in field.iter().enumerate() {
        let byte = if at == 0 { byte & 0x7f } else { *byte };
        if value >> 56 != 0 {
            return Err(bad_header());
        }
        value = value << 8 | u64::from(byte);
    }
    Ok(value)
}

fn octal(field: &[u8]) -> io::Result<u64> {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !padding(byte)) else {
        return Ok(0);
    };
    let end = field
        .iter()
        .rposition(|byte| !padding(byte))
        .unwrap_or(start);
    let mut value: u64 = 0;
    for byte in text(&field[start..=end]) {
        if !matches!(byte, b'0'..=b'7') || value >> 61 != 0 {
            return Err(bad_header());
        }
        value = value << 3 | u64::from(byte - b'0');
    }
    Ok(value)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn bad_header() -> io::Error {
    invalid("archive/tar: invalid tar header")
}

fn unexpected_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF")
}
