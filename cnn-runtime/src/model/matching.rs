//! Parameters of another network: those tensors of a file whose names and shapes match are copied.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;

use super::Model;
use super::checkpoint::header::{Header, PREFIX};
use super::checkpoint::{self, HEADER_ALLOWANCE, RECORD_ALLOWANCE, copy_tensor};
use super::parameters::Buffer;
use crate::error::{Error, Shape};
use crate::file;

/// What [`Model::load_matching`] has copied, and what it has not. `Display` writes a line for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The tensors that were copied, in the order of the network.
    pub matched: Vec<&'static str>,
    /// Tensors that only the file has, in the order of their names.
    pub only_in_file: Vec<String>,
    /// Tensors that only the network has, in its order.
    pub only_in_network: Vec<&'static str>,
    /// Tensors of the same name and another shape, in the order of the network.
    pub other_shape: Vec<OtherShape>,
    /// Tensors of the same name whose elements are not `F32`, with their type as safetensors calls it, in the order of
    /// the network.
    pub other_type: Vec<(&'static str, String)>,
}

/// A tensor that a file has in another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherShape {
    /// Its name.
    pub name: &'static str,
    /// The network's shape.
    pub expected: Vec<usize>,
    /// The file's.
    pub found: Vec<usize>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |other: &OtherShape| {
            let (found, expected) = (Shape(&other.found), Shape(&other.expected));
            format!("{} ({found}, not {expected})", other.name)
        };
        let element_type = |(name, found): &(&str, String)| format!("{name} ({found}, not F32)");
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let kinds: [(&str, Vec<String>); 5] = [
            ("copied", owned(&self.matched)),
            ("only in the file", self.only_in_file.clone()),
            ("only in the network", owned(&self.only_in_network)),
            (
                "of another shape",
                self.other_shape.iter().map(shape).collect(),
            ),
            (
                "of another type",
                self.other_type.iter().map(element_type).collect(),
            ),
        ];
        let mut separator = "";
        for (kind, names) in kinds {
            if !names.is_empty() || kind == "copied" {
                write!(f, "{separator}{kind}: {}", names.len())?;
                let mut before = ": ";
                for name in names {
                    write!(f, "{before}{name}")?;
                    before = ", ";
                }
                separator = "\n";
            }
        }
        Ok(())
    }
}

impl Model {
    /// Copies those tensors of a safetensors file whose names and shapes are the network's, and leaves the others as
    /// they are: for transfer learning, from a network that begins like this one. The state of training stays.
    ///
    /// The network of a program has it through [`Network::model_mut`](crate::Network::model_mut):
    ///
    /// ```
    /// use cnn::Network;
    ///
    /// # mod networks {
    /// cnn::network! {
    ///     pub network Four { input(2); dense(8, activation = relu); dense(4, activation = softmax); }
    /// }
    /// cnn::network! {
    ///     pub network Three { input(2); dense(8, activation = relu); dense(3, activation = softmax); }
    /// }
    /// # }
    /// # use networks::{Four, Three};
    ///
    /// # let path = std::env::temp_dir().join(format!("cnn-matching-{}.safetensors", std::process::id()));
    /// Four::new(0).save(&path)?;
    /// let mut net = Three::new(1);
    /// let report = net.model_mut().load_matching(&path)?;
    /// println!("{report}");
    /// assert_eq!(report.matched, ["dense_1.kernel", "dense_1.bias"]);
    /// assert_eq!(report.other_shape.len(), 2);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), cnn::Error>(())
    /// ```
    ///
    /// Of the file, the header is read, which may have 17 MiB, and then the tensors that match; so it may belong to a
    /// network that is much larger.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::NotAFile`]; [`Error::Checkpoint`] if the file is damaged or of a later version. The model
    /// is then as before.
    pub fn load_matching(&mut self, path: impl AsRef<Path>) -> Result<Report, Error> {
        let path = path.as_ref();
        let io_error = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let (mut file, size) = file::open(path)?;
        let mut prefix = Vec::new();
        let mut beginning = (&mut file).take(PREFIX as u64);
        beginning.read_to_end(&mut prefix).map_err(io_error)?;
        let length = Header::length(&prefix, size, HEADER_LIMIT);
        let length = length.map_err(|source| source.in_file(path))?;
        let mut json = vec![0; length];
        file.read_exact(&mut json).map_err(io_error)?;
        let data = (PREFIX + length) as u64;
        let header = Header::parse(&json, size - data).map_err(|source| source.in_file(path))?;
        self.copy_matching(&header, &mut file, data)
            .map_err(io_error)
    }

    /// Copies the tensors of a file that begin at its byte `data`.
    fn copy_matching(
        &mut self,
        header: &Header,
        file: &mut File,
        data: u64,
    ) -> Result<Report, io::Error> {
        let spec = self.spec();
        let mut report = Report::default();
        // The model stays as it is if the disk fails.
        let mut parameters = Buffer::zeros(spec.parameter_count);
        parameters.copy_from_slice(self.parameters());
        for parameter in spec.parameters {
            let name = parameter.name;
            let Some(tensor) = header.tensor(name) else {
                report.only_in_network.push(name);
                continue;
            };
            if tensor.shape != parameter.shape {
                report.other_shape.push(OtherShape {
                    name,
                    expected: parameter.shape.to_vec(),
                    found: tensor.shape.clone(),
                });
            } else if tensor.dtype != Dtype::F32 {
                report.other_type.push((name, tensor.dtype.to_string()));
            } else {
                let (start, end) = tensor.data_offsets;
                let mut bytes = vec![0; end - start];
                file.seek(SeekFrom::Start(data + start as u64))?;
                file.read_exact(&mut bytes)?;
                copy_tensor(&bytes, &mut parameters[parameter.range()]);
                report.matched.push(name);
            }
        }
        self.parameters_mut().copy_from_slice(&parameters);
        report.only_in_file = checkpoint::others(spec, header);
        Ok(report)
    }
}

/// The largest header of a file, of whatever network.
const HEADER_LIMIT: u64 = HEADER_ALLOWANCE + RECORD_ALLOWANCE;
