//! `vault unseal`.

use std::path::PathBuf;
use std::str::FromStr;

use super::beneath;
use crate::base::ids;
use crate::cli::Context;
use crate::cli::exit::{CliError, Exit};
use crate::cli::opening::{find_keys, pour, read_error};
use crate::config::units::Size;
use crate::vault::reader::{Expected, Reader};

/// Options of `vault unseal`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The .vge
    file: PathBuf,
    /// Where to; must not exist [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only so much of it, such as 1MiB:64KiB; reads no more than that from the disk
    #[arg(long, value_name = "OFFSET:LENGTH")]
    range: Option<Range>,
    /// Key file [default: as configured]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    offset_bytes: u64,
    len: u64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (offset, len) = text
            .split_once(':')
            .ok_or("give the first byte and the number of bytes, such as 1MiB:64KiB")?;
        let bytes = |text: &str| {
            let size: Size = text.parse().map_err(|error| format!("{text}: {error}"))?;
            Ok::<_, String>(size.bytes())
        };
        Ok(Self {
            offset_bytes: bytes(offset)?,
            len: bytes(len)?,
        })
    }
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let keys = find_keys(args.key_file.as_deref(), context)?;
    let (folder, name) = beneath(&args.file)?;
    let mut reader =
        Reader::open(&folder, &name, &keys, Expected::default()).map_err(read_error)?;
    let range = args.range.unwrap_or(Range {
        offset_bytes: 0,
        len: reader.plain_bytes(),
    });
    let Some(path) = &args.output else {
        let told = pour(&mut reader, range.offset_bytes, range.len, context.out);
        context.out.flush()?;
        return told.map(|_| ()).map_err(read_error);
    };
    let mut target = std::fs::File::create_new(path).map_err(|error| {
        CliError::new(Exit::CannotCreate, format!("{}: {error}", path.display()))
    })?;
    let poured = pour(&mut reader, range.offset_bytes, range.len, &mut target)
        .map_err(read_error)
        .and_then(|told| Ok(target.sync_all().map(|()| told)?));
    let (bytes, digest) = poured.inspect_err(|_| {
        // Half a recording would be taken for a whole one.
        let _ = std::fs::remove_file(path);
    })?;
    let verdict = if reader.is_verified() {
        "verified"
    } else {
        "not verified, as it has no sidecar: compare with the recordings table"
    };
    writeln!(
        context.messages,
        "{bytes} bytes, sha256 {}; {verdict}",
        ids::hex(&digest)
    )?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_an_offset_and_a_length_in_any_unit() {
        let range = |text: &str| text.parse::<Range>().map(|r| (r.offset_bytes, r.len));
        assert_eq!(range("0:1"), Ok((0, 1)));
        assert_eq!(range("1MiB:64KiB"), Ok((1 << 20, 64 << 10)));
        assert!(range("5").unwrap_err().contains("1MiB:64KiB"));
        assert!(range("5:x").is_err() && range("-1:5").is_err());
    }
}
