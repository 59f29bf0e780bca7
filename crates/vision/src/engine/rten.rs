//! rten, the pure-Rust runtime. It has no LRN, so it runs networks only after [`onnx::rewrite`].

use std::sync::Arc;

use rten::{NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensorView;

use super::{Engine, Network};
use crate::onnx::{self, Form};

/// Its name in messages; the version is the one in the lock file's 0.27 series.
pub(super) const NAME: &str = "rten 0.27 (pure Rust)";

pub(super) struct Session {
    model: rten::Model,
    input: NodeId,
    output: NodeId,
    side: usize,
    threads: Arc<ThreadPool>,
}

impl Session {
    pub(super) fn open(network: Network<'_>, threads: usize) -> Result<Self, String> {
        let onnx = onnx::rewrite(&network.onnx, Form::Operations).map_err(|error| error.to_string())?;
        drop(network.onnx);
        let model = rten::Model::load(onnx).map_err(|error| error.to_string())?;
        let node = |name: &str| model.node_id(name).map_err(|error| error.to_string());
        let (input, output) = (node(&network.interface.input)?, node(&network.interface.output)?);
        let threads = Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Self { model, input, output, side: network.crop, threads })
    }
}

impl Engine for Session {
    fn name(&self) -> &str {
        NAME
    }

    fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, String> {
        let input = NdTensorView::from_data([1, 3, self.side, self.side], input);
        let mut options = RunOptions::default();
        options.thread_pool = Some(Arc::clone(&self.threads));
        let outputs = self.model.run(vec![(self.input, input.into())], &[self.output], Some(options));
        let output = outputs.map_err(|error| error.to_string())?.into_iter().next();
        let output: rten_tensor::Tensor<f32> =
            output.ok_or("no output")?.try_into().map_err(|_| "the output is not of 32-bit floats".to_owned())?;
        Ok(output.into_data())
    }
}
