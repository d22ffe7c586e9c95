//! tract, from the ONNX files that `compare.py` writes.

use std::path::Path;
use std::sync::Arc;

use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use crate::network::Network;
use crate::{Peer, Result, Step};

type Plan = Arc<TypedRunnableModel>;

pub struct Tract {
    network: Network,
    /// The last plan with its batch size and its batches of images.
    plan: Option<(usize, Plan, Vec<TValue>)>,
}

impl Tract {
    pub fn load(network: Network, threads: usize) -> Self {
        if threads > 1 {
            set_default_executor(Executor::multithread(threads));
        }
        Self {
            network,
            plan: None,
        }
    }

    fn plan(&self, batch: usize) -> Result<(usize, Plan, Vec<TValue>)> {
        let path = self.network.folder.join(format!("batch-{batch}.onnx"));
        let plan = tract_onnx::onnx()
            .model_for_path(path)?
            .into_optimized()?
            .into_runnable()?;
        let size = batch * self.network.shape.iter().product::<usize>();
        let images = self.network.images.chunks_exact(size);
        let batches = images
            .map(|images| Ok(Tensor::from_shape(&self.network.batch_shape(batch), images)?.into()))
            .collect::<Result<Vec<TValue>>>()?;
        Ok((batch, plan, batches))
    }
}

impl Peer for Tract {
    fn version(&self) -> &'static str {
        "0.23.9"
    }

    fn infer(&mut self, batch: usize) -> Result<Step<'_>> {
        if self.plan.as_ref().is_none_or(|(size, ..)| *size != batch) {
            self.plan = Some(self.plan(batch)?);
        }
        let (_, plan, batches) = self.plan.as_ref().expect("it was made");
        Ok(Box::new(move |i| {
            let outputs = plan.run(tvec!(batches[i].clone()))?;
            Ok(outputs[0]
                .to_plain_array_view::<f32>()?
                .iter()
                .copied()
                .collect())
        }))
    }

    fn train(&mut self, _: usize, _: &str) -> Result<Option<Step<'_>>> {
        Ok(None)
    }

    fn save(&self, _: &Path) -> Result<()> {
        Err("nothing was trained".into())
    }
}
