//! candle on the CPU; its threads are those of rayon.
//!
//! The gradient of candle's own `max_pool2d` is a quarter of the true one where a window of 2x2 has one
//! largest value, so training takes the maximum over axes instead.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{D, Device, Tensor, Var, safetensors};
use candle_nn::{loss, ops};

use crate::network::{Activation, Kind, Layer, Network};
use crate::{Peer, Result, Step};

pub struct Candle {
    network: Network,
    /// As in the file.
    weights: HashMap<String, Tensor>,
    /// In candle's layout: kernels of convolutions `[out, in, height, width]`, of dense layers `[in, out]`.
    variables: HashMap<String, Var>,
    images: Tensor,
    /// The class of each image.
    labels: Tensor,
}

impl Candle {
    pub fn load(network: Network) -> Result<Self> {
        let device = Device::Cpu;
        let labels = network
            .labels
            .as_ref()
            .ok_or("targets that are no classes")?;
        let count = network.count();
        let weights = safetensors::load(network.folder.join("weights.safetensors"), &device)?;
        let variables = weights
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), Var::from_tensor(&outwards(tensor)?)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            images: Tensor::from_slice(&network.images, network.batch_shape(count), &device)?,
            labels: Tensor::from_slice(labels, count, &device)?,
            network,
            weights,
            variables,
        })
    }
}

/// From `[height, width, in, out]` to candle's `[out, in, height, width]`; others stay.
fn outwards(tensor: &Tensor) -> Result<Tensor> {
    Ok(match tensor.rank() {
        4 => tensor.permute((3, 2, 0, 1))?.contiguous()?,
        _ => tensor.clone(),
    })
}

/// Back from there.
fn inwards(tensor: &Tensor) -> Result<Tensor> {
    Ok(match tensor.rank() {
        4 => tensor.permute((2, 3, 1, 0))?.contiguous()?,
        _ => tensor.clone(),
    })
}

/// The logits. `tensor` gives the parameter of a name.
fn forward(
    layers: &[Layer],
    tensor: impl Fn(&str) -> Tensor,
    images: &Tensor,
    training: bool,
) -> Result<Tensor> {
    let mut x = images.clone();
    for layer in layers {
        let kernel = || tensor(&format!("{}.kernel", layer.name));
        let bias = || tensor(&format!("{}.bias", layer.name));
        x = match &layer.kind {
            &Kind::Conv {
                strides,
                pads,
                activation,
            } => {
                let mut padding = pads[0][0];
                if pads != [[padding; 2]; 2] {
                    padding = 0;
                    for (axis, [before, after]) in [2, 3].into_iter().zip(pads) {
                        x = x.pad_with_zeros(axis, before, after)?;
                    }
                }
                let bias = bias().reshape((1, (), 1, 1))?;
                let x = x.conv2d(&kernel(), padding, strides, 1, 1)?;
                activate(x.broadcast_add(&bias)?, activation)?
            }
            &Kind::MaxPool { size } if training => {
                let (n, c, height, width) = x.dims4()?;
                let (height, width) = (height / size, width / size);
                x.narrow(2, 0, height * size)?
                    .narrow(3, 0, width * size)?
                    .reshape((n * c, height, size, width, size))?
                    .max(4)?
                    .max(2)?
                    .reshape((n, c, height, width))?
            }
            &Kind::MaxPool { size } => x.max_pool2d(size)?,
            &Kind::AvgPool { size } => x.avg_pool2d(size)?,
            Kind::GlobalAvgPool => x.mean((2, 3))?,
            Kind::Flatten => x.permute((0, 2, 3, 1))?.flatten_from(1)?,
            &Kind::Dense { activation } => {
                activate(x.matmul(&kernel())?.broadcast_add(&bias())?, activation)?
            }
            Kind::Other(kind) => return Err(format!("{kind} is not written for it").into()),
        };
    }
    Ok(x)
}

fn activate(x: Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Linear => x,
        Activation::Relu => x.relu()?,
        Activation::Tanh => x.tanh()?,
    })
}

impl Peer for Candle {
    fn version(&self) -> &'static str {
        "0.11.1"
    }

    fn infer(&mut self, batch: usize) -> Result<Step<'_>> {
        let weights = self
            .weights
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), outwards(tensor)?)))
            .collect::<Result<HashMap<&str, Tensor>>>()?;
        let (layers, images) = (&self.network.layers, &self.images);
        Ok(Box::new(move |i| {
            let images = images.narrow(0, i * batch, batch)?;
            let logits = forward(layers, |name| weights[name].clone(), &images, false)?;
            let probabilities = ops::softmax(&logits, D::Minus1)?;
            Ok(probabilities.flatten_all()?.to_vec1()?)
        }))
    }

    fn train(&mut self, batch: usize, optimizer: &str) -> Result<Option<Step<'_>>> {
        for (name, variable) in &self.variables {
            variable.set(&outwards(&self.weights[name])?)?;
        }
        let mut squares = self
            .variables
            .iter()
            .map(|(name, variable)| Ok((name.as_str(), variable.zeros_like()?)))
            .collect::<Result<HashMap<&str, Tensor>>>()?;
        let rmsprop = optimizer == "rmsprop";
        let (layers, variables) = (&self.network.layers, &self.variables);
        let (images, labels) = (&self.images, &self.labels);
        Ok(Some(Box::new(move |i| {
            let images = images.narrow(0, i * batch, batch)?;
            let labels = labels.narrow(0, i * batch, batch)?;
            let tensor = |name: &str| variables[name].as_tensor().clone();
            let logits = forward(layers, tensor, &images, true)?;
            let loss = loss::cross_entropy(&logits, &labels)?;
            let gradients = loss.backward()?;
            for (name, variable) in variables {
                let gradient = gradients.get(variable).ok_or("a gradient is missing")?;
                let step = if rmsprop {
                    let square = squares.get_mut(name.as_str()).expect("one for each");
                    *square = ((&*square * 0.9)? + (gradient.sqr()? * 0.1)?)?;
                    (gradient.div(&(&*square + 1e-7)?.sqrt()?)? * 1e-3)?
                } else {
                    (gradient * 0.1)?
                };
                variable.set(&variable.as_detached_tensor().sub(&step)?)?;
            }
            Ok(vec![loss.to_scalar()?])
        })))
    }

    fn save(&self, file: &Path) -> Result<()> {
        let tensors = self
            .variables
            .iter()
            .map(|(name, variable)| Ok((name.clone(), inwards(variable)?)))
            .collect::<Result<HashMap<String, Tensor>>>()?;
        Ok(safetensors::save(&tensors, file)?)
    }
}
