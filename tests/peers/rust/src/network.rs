//! What a folder of `compare.py` says: the layers, and images with their labels.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;

/// A layer of the row.
#[derive(Clone)]
pub struct Layer {
    /// Names its tensors: `conv2d_1.kernel`.
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub enum Kind {
    /// With relu. `pads` are the rows (and columns) added before and after.
    Conv {
        strides: usize,
        pads: [usize; 2],
    },
    MaxPool {
        size: usize,
    },
    AvgPool {
        size: usize,
    },
    /// In the order height, width, channels.
    Flatten,
    Dense {
        relu: bool,
    },
}

pub struct Network {
    pub folder: PathBuf,
    pub layers: Vec<Layer>,
    /// Of one image, channels first.
    pub shape: Vec<usize>,
    /// `[N, channels, height, width]`.
    pub images: Vec<f32>,
    pub labels: Vec<u32>,
}

impl Network {
    pub fn read(folder: &Path) -> Result<Self> {
        let description: Value = serde_json::from_slice(&fs::read(folder.join("network.json"))?)?;
        let layers = description["layers"].as_array().ok_or("no layers")?;
        let layers = layers.iter().map(layer).collect::<Result<Vec<Layer>>>()?;
        let labels = fs::read(folder.join("labels.u8"))?;
        let bytes = fs::read(folder.join("images.f32"))?;
        let (words, _) = bytes.as_chunks();
        let values: Vec<f32> = words.iter().copied().map(f32::from_le_bytes).collect();
        let shape: Vec<usize> = serde_json::from_value(description["input"].clone())?;
        let (shape, images) = match shape[..] {
            [height, width, channels] => (
                vec![channels, height, width],
                channels_first(&values, height * width, channels),
            ),
            _ => (shape, values),
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            layers,
            shape,
            images,
            labels: labels.into_iter().map(u32::from).collect(),
        })
    }

    /// `[count, …]`: the shape of so many images.
    pub fn batch_shape(&self, count: usize) -> Vec<usize> {
        [&[count], &self.shape[..]].concat()
    }
}

fn layer(value: &Value) -> Result<Layer> {
    let number = |key: &str| -> Result<usize> {
        let number = value[key].as_u64().ok_or(format!("no `{key}`"))?;
        Ok(number as usize)
    };
    let kind = match value["kind"].as_str() {
        Some("Conv") => Kind::Conv {
            strides: number("strides")?,
            pads: serde_json::from_value(value["pads"].clone())?,
        },
        Some("MaxPool") => Kind::MaxPool {
            size: number("size")?,
        },
        Some("AvgPool") => Kind::AvgPool {
            size: number("size")?,
        },
        Some("Flatten") => Kind::Flatten,
        Some("Dense") => Kind::Dense {
            relu: value["relu"] == true,
        },
        other => return Err(format!("no layer {other:?}").into()),
    };
    let name = value["name"].as_str().ok_or("no `name`")?.to_string();
    Ok(Layer { name, kind })
}

/// `[N, pixels, channels]` to `[N, channels, pixels]`.
fn channels_first(values: &[f32], pixels: usize, channels: usize) -> Vec<f32> {
    values
        .chunks_exact(pixels * channels)
        .flat_map(|image| {
            (0..channels)
                .flat_map(move |channel| image[channel..].iter().step_by(channels).copied())
        })
        .collect()
}
