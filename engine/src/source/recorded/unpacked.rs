//! A recorded file as plain bytes that can be read anywhere: itself, or unpacked into a nameless temporary file.
//!
//! Promises: a temporary file is gone with the process, however that ends. What this module does not do: know what the
//! bytes mean.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::EngineError;

/// Plain bytes, and the name that they are known by.
#[derive(Debug)]
pub(super) struct Unpacked {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Unpacked {
    /// Opens a file; one that ends in `.zst` is unpacked into the folder for temporary files (`TMPDIR`), `bytes_max`
    /// bytes at most.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Self, EngineError> {
        let fault = |source| EngineError::File { action: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return EngineError::Setting(format!(
                    "{} does not exist: name a recorded OTLP file, or a folder of them",
                    path.display()
                ));
            }
            fault(error)
        })?;
        if path.extension().is_some_and(|ending| ending == "zst") {
            file = unpack(path, file, bytes_max)?;
        }
        let length = file.metadata().map_err(fault)?.len();
        Ok(Self { path: path.to_owned(), file, length })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// From the first byte on.
    pub(super) fn reader(&self) -> Result<BufReader<&File>, EngineError> {
        io::Seek::rewind(&mut &self.file).map_err(|source| self.fault(source))?;
        Ok(BufReader::with_capacity(1 << 20, &self.file))
    }

    /// These bytes.
    pub(super) fn at(&self, offset: u64, length: usize) -> Result<Bytes, EngineError> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).map_err(|source| self.fault(source))?;
        Ok(bytes.into())
    }

    pub(super) fn fault(&self, source: io::Error) -> EngineError {
        EngineError::File { action: "read", path: self.path.clone(), source }
    }
}

fn unpack(path: &Path, packed: File, bytes_max: u64) -> Result<File, EngineError> {
    let fault = |action, path: &Path| {
        let path = path.to_owned();
        move |source| EngineError::File { action, path, source }
    };
    let folder = std::env::temp_dir();
    let mut plain = tempfile::tempfile_in(&folder).map_err(fault("make a temporary file in", &folder))?;
    let mut bytes = zstd::Decoder::new(packed).map_err(fault("unpack", path))?.take(bytes_max + 1);
    let (mut piece, mut total) = (vec![0; 1 << 20], 0);
    loop {
        let length = bytes.read(&mut piece).map_err(fault("unpack", path))?;
        if length == 0 {
            return Ok(plain);
        }
        total += length as u64;
        if total > bytes_max {
            return Err(EngineError::Setting(format!(
                "{} does not fit: a recording may hold {} MiB, unpacked; replay shorter files",
                path.display(),
                bytes_max >> 20
            )));
        }
        plain.write_all(&piece[..length]).map_err(fault("unpack a recording into", &folder))?;
    }
}
