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
pub enum Activation {
    Linear,
    Relu,
    Tanh,
}

#[derive(Clone)]
pub enum Kind {
    /// `pads` are the rows, then the columns, that are added before and after.
    Conv {
        strides: usize,
        pads: [[usize; 2]; 2],
        activation: Activation,
    },
    MaxPool {
        size: usize,
    },
    AvgPool {
        size: usize,
    },
    GlobalAvgPool,
    /// In the order height, width, channels.
    Flatten,
    Dense {
        activation: Activation,
    },
    /// One that candle is not given, by its name in `../networks.py`.
    Other(String),
}

pub struct Network {
    pub folder: PathBuf,
    pub layers: Vec<Layer>,
    /// Of one image, channels first.
    pub shape: Vec<usize>,
    /// `[N, channels, height, width]`.
    pub images: Vec<f32>,
    /// The class of each image, if those are the targets.
    pub labels: Option<Vec<u32>>,
}

impl Network {
    pub fn read(folder: &Path) -> Result<Self> {
        let description: Value = serde_json::from_slice(&fs::read(folder.join("network.json"))?)?;
        let layers = description["layers"].as_array().ok_or("no layers")?;
        let layers = layers.iter().map(layer).collect::<Result<Vec<Layer>>>()?;
        let labels = match description["targets"] == "labels" {
            true => Some(fs::read(folder.join("labels.u8"))?),
            false => None,
        };
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
            labels: labels.map(|labels| labels.into_iter().map(u32::from).collect()),
        })
    }

    /// How many images there are.
    pub fn count(&self) -> usize {
        self.images.len() / self.shape.iter().product::<usize>()
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
    let activation = || match value["activation"].as_str() {
        None => Ok(Activation::Linear),
        Some("relu") => Ok(Activation::Relu),
        Some("tanh") => Ok(Activation::Tanh),
        Some(other) => Err(format!("no activation `{other}`")),
    };
    let kind = match value["kind"].as_str().ok_or("no `kind`")? {
        "Conv" => Kind::Conv {
            strides: number("strides")?,
            pads: serde_json::from_value(value["pads"].clone())?,
            activation: activation()?,
        },
        "MaxPool" => Kind::MaxPool {
            size: number("size")?,
        },
        "AvgPool" => Kind::AvgPool {
            size: number("size")?,
        },
        "GlobalAvgPool" => Kind::GlobalAvgPool,
        "Flatten" => Kind::Flatten,
        "Dense" => Kind::Dense {
            activation: activation()?,
        },
        other => Kind::Other(other.to_string()),
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
