//! The files in `fixtures/`: weights, a batch, and PyTorch's values for them.

use safetensors::SafeTensors;
use std::collections::HashMap;
use std::path::Path;

/// One file.
pub struct Fixture {
    /// The network in our language.
    pub description: String,
    /// Examples in the batch.
    pub batch: usize,
    /// Steps of each optimizer.
    pub steps: usize,
    /// Names of optimizers and how our language writes them.
    pub optimizers: Vec<(String, String)>,
    tensors: HashMap<String, Vec<f32>>,
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        let mut optimizers: Vec<_> = metadata
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("optimizer.")?.to_owned(), value.clone()))
            })
            .collect();
        optimizers.sort();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let floats = |bytes: &[u8]| {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect()
        };
        Self {
            description: metadata["description"].clone(),
            batch: metadata["batch"].parse().unwrap(),
            steps: metadata["steps"].parse().unwrap(),
            optimizers,
            tensors: tensors
                .iter()
                .map(|(name, view)| (name.to_owned(), floats(view.data())))
                .collect(),
        }
    }

    /// The values of a tensor.
    pub fn tensor(&self, name: &str) -> &[f32] {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("the fixture holds no `{name}`"))
    }

    /// The values of a tensor, in double precision.
    pub fn expected(&self, name: &str) -> Vec<f64> {
        self.tensor(name).iter().map(|&v| f64::from(v)).collect()
    }
}
