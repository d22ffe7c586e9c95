//! `.npz` archives: ZIP files whose entries are `.npy` files.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};

use super::{NpyArray, NpyError};
use crate::data::bounded::LIKELY_RATIO;
use crate::error::Error;

/// An `.npz` archive of named arrays, as `np.savez` and `np.savez_compressed` write it.
///
/// An array is read, and its checksum compared, when it is asked for. Nothing is ever written to the disk.
///
/// ```no_run
/// use cnn::Examples;
/// use cnn::data::npy::Npz;
///
/// let mnist = Npz::open("mnist.npz")?; // as Keras has it: x_train, y_train, x_test, y_test
/// let images = mnist.array("x_train")?.expand_dims(); // uint8, [60000, 28, 28, 1]
/// let labels = mnist.array("y_train")?.to_integers()?;
/// let examples = Examples::labelled(images, labels)?.scaled(1.0 / 255.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Npz {
    archive: ZipArchive<Source>,
    /// In the order of the archive.
    entries: Vec<Entry>,
    /// Of the archive, in bytes.
    length: u64,
    path: Option<PathBuf>,
}

/// Where the bytes of an archive are.
enum Source {
    File(rawzip::FileReader),
    Bytes(Cursor<Vec<u8>>),
}

impl ReaderAt for Source {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buffer, offset),
            Self::Bytes(bytes) => bytes.read_at(buffer, offset),
        }
    }
}

/// An array of the archive.
struct Entry {
    /// Without `.npy`.
    name: String,
    is_compressed: Option<bool>,
    place: ZipArchiveEntryWayfinder,
}

impl Npz {
    /// Opens an archive and reads its list of arrays.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be opened, else [`Error::Npy`]; both name the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io_error = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(io_error)?;
        let length = file.metadata().map_err(io_error)?.len();
        let source = Source::File(file.into());
        Self::new(source, length, Some(path.to_path_buf())).map_err(|source| source.in_file(path))
    }

    /// Reads the list of arrays of an archive in memory.
    ///
    /// # Errors
    ///
    /// See [`NpyError`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, NpyError> {
        let length = bytes.len() as u64;
        Self::new(Source::Bytes(Cursor::new(bytes)), length, None)
    }

    fn new(source: Source, length: u64, path: Option<PathBuf>) -> Result<Self, NpyError> {
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let archive = rawzip::ZipLocator::new().locate_in_reader(source, &mut buffer, length);
        let archive = archive.map_err(|(_, error)| error)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut names = HashSet::new();
        let mut records = archive.entries(&mut buffer);
        while let Some(record) = records.next_entry()? {
            let raw = record.file_path();
            let written = String::from_utf8_lossy(raw.as_ref()).into_owned();
            let name = written.strip_suffix(".npy").unwrap_or(&written);
            let is_safe = raw
                .try_normalize()
                .is_ok_and(|path| path.as_ref() == written);
            let is_double = !names.insert(name.to_owned());
            if !is_safe || is_double || record.is_dir() {
                return Err(NpyError::Name { found: written });
            }
            let is_compressed = match record.compression_method() {
                CompressionMethod::STORE => Some(false),
                CompressionMethod::DEFLATE => Some(true),
                _ => None,
            };
            entries.push(Entry {
                name: name.to_owned(),
                is_compressed: is_compressed.filter(|_| !record.flags().is_encrypted()),
                place: record.wayfinder(),
            });
        }
        Ok(Self {
            archive,
            entries,
            length,
            path,
        })
    }

    /// The names of the arrays, in the order of the archive.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Reads an array.
    ///
    /// # Errors
    ///
    /// [`Error::Npy`], which names the file and the array: of [`NpyError::Missing`], or of [`NpyError::Entry`].
    pub fn array(&self, name: &str) -> Result<NpyArray, Error> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let array = match entry {
            Some(entry) => self.read(entry).map_err(|source| NpyError::Entry {
                name: name.to_owned(),
                source: Box::new(source),
            }),
            None => Err(NpyError::Missing {
                name: name.to_owned(),
                names: self.names().map(str::to_owned).collect(),
            }),
        };
        let path = self.path.as_deref().unwrap_or(Path::new("archive"));
        array.map_err(|source| source.in_file(path))
    }

    fn read(&self, entry: &Entry) -> Result<NpyArray, NpyError> {
        let is_compressed = entry.is_compressed.ok_or(NpyError::Compression)?;
        let found = self.archive.get_entry(entry.place)?;
        let (start, end) = found.compressed_data_range();
        // The archive may announce more than it has.
        let length = end.saturating_sub(start).min(self.length);
        let reader = BufReader::new(found.reader());
        match is_compressed {
            true => {
                let reader = found.verifying_reader(DeflateDecoder::new(reader));
                NpyArray::decode(reader, length.saturating_mul(LIKELY_RATIO))
            }
            false => NpyArray::decode(found.verifying_reader(reader), length),
        }
    }
}

impl From<rawzip::Error> for NpyError {
    fn from(source: rawzip::Error) -> Self {
        NpyError::Archive(Box::new(source))
    }
}

/// Says the names, not the megabytes.
impl fmt::Debug for Npz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Npz")
            .field("names", &self.names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
