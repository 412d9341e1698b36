use std::fs;
use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::Path;

/// Returns the seed that a file keeps for what charts draw at random; where there is none yet, it keeps a new one.
///
/// As long as the file is there a chart draws the same passwords and certificates for an application. Whoever knows the
/// seed knows them too: the file is for its owner alone, and what `new` returns must not be guessable.
///
/// # Errors
/// Where the file cannot be read or written, or holds something else: a new seed would change every password.
pub fn kept_seed(file: &Path, new: impl FnOnce() -> u64) -> Result<u64> {
    let about = |error: &dyn std::fmt::Display| format!("the seed in {}: {error}", file.display());
    match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let reason = "it is no number; restore it, or remove it to have all drawn anew";
            Error::new(ErrorKind::InvalidData, about(&reason))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let seed = new();
            write(file, seed).map_err(|error| Error::new(error.kind(), about(&error)))?;
            Ok(seed)
        }
        Err(error) => Err(Error::new(error.kind(), about(&error))),
    }
}

/// Writes it as a whole or not at all.
fn write(file: &Path, seed: u64) -> Result<()> {
    let part = file.with_extension("part");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = options.open(&part)?;
    writeln!(writer, "{seed}")?;
    writer.sync_all()?;
    fs::rename(&part, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_drawn_once_and_never_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seed");
        assert_eq!(kept_seed(&file, || 7).unwrap(), 7);
        assert_eq!(kept_seed(&file, || 8).unwrap(), 7);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&file, "").unwrap();
        let error = kept_seed(&file, || 9).unwrap_err().to_string();
        assert!(
            error.contains("seed") && error.contains("remove it"),
            "{error}"
        );
        let nowhere = folder.path().join("missing/seed");
        assert!(kept_seed(&nowhere, || 9).is_err());
    }
}
