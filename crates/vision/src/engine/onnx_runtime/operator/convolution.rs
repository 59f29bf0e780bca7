//! [`Convolution`] as a node of ONNX Runtime's graph.

use std::sync::{Arc, Mutex, PoisonError};

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{TensorElementType, TensorValueType, ValueType};

use crate::operator::convolution::{self, Convolution, Workspace};

/// All nodes of a session work in the same memory, since they run one after another.
#[derive(Default)]
pub(super) struct MinimalConvolution {
    workspace: Arc<Mutex<Workspace>>,
}

/// One node. It is made ready at its first run, which tells the size of its input.
pub(super) struct Node {
    relu: bool,
    ready: Option<Convolution>,
    workspace: Arc<Mutex<Workspace>>,
}

impl Operator for MinimalConvolution {
    type Kernel<'attr> = Node;

    fn name(&self) -> &str {
        convolution::OPERATOR
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        [OperatorInput::required(float), OperatorInput::required(float), OperatorInput::optional(float)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<Node> {
        // What is made ready once is right as long as the weights are.
        for constant in 1..node.inputs()?.len() {
            node.constant_input::<TensorValueType<f32>>(constant)?;
        }
        let relu: i64 =
            node.get(convolution::RELU).ok_or_else(|| ort::Error::new("an attribute of the convolution is missing"))?;
        Ok(Node { relu: relu != 0, ready: None, workspace: Arc::clone(&self.workspace) })
    }

    fn infer_shape(&self, shapes: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = shapes.inputs();
        let [input, weights, ..] = inputs.as_slice() else {
            return Ok(());
        };
        let mut output = input.clone();
        if let (ValueType::Tensor { shape, .. }, Some(weights)) = (&mut output, weights.tensor_shape())
            && let (Some(channels), Some(outputs)) = (shape.get_mut(1), weights.first())
        {
            *channels = *outputs;
        }
        shapes.set_output(0, &output)
    }
}

impl Kernel for Node {
    fn compute(&mut self, node: &ComputeContext) -> ort::Result<()> {
        let missing = || ort::Error::new("the convolution lacks an input or an output");
        let input = node.input(0)?.ok_or_else(missing)?;
        let (shape, x) = input.try_extract_tensor::<f32>()?;
        let weights = node.input(1)?.ok_or_else(missing)?;
        let (weights_shape, weights) = weights.try_extract_tensor::<f32>()?;
        let (&[images, channels, height, width], &[outputs, inputs, 3, 3]) = (&shape[..], &weights_shape[..]) else {
            return Err(ort::Error::new("the convolution takes [N, C, H, W] and weights of [O, C, 3, 3]"));
        };
        if channels != inputs {
            return Err(ort::Error::new("the convolution's input has another number of channels than its weights"));
        }
        let mut output = node.output(0, [images, outputs, height, width])?.ok_or_else(missing)?;
        let (_, y) = output.try_extract_tensor_mut::<f32>()?;
        if y.is_empty() || x.is_empty() {
            return Ok(());
        }
        let [outputs, inputs, height, width] = [outputs, inputs, height, width].map(|size| size as usize);
        if self.ready.as_ref().is_none_or(|ready| ready.size() != [height, width]) {
            let biases = match node.input(2)? {
                Some(biases) => biases.try_extract_tensor::<f32>()?.1.to_vec(),
                None => vec![0.0; outputs],
            };
            if biases.len() != outputs {
                return Err(ort::Error::new("the convolution has not one bias for each output"));
            }
            self.ready = Some(Convolution::new(weights, &biases, [outputs, inputs], [height, width], self.relu));
        }
        let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let area = height * width;
        for (x, y) in x.chunks_exact(inputs * area).zip(y.chunks_exact_mut(outputs * area)) {
            self.ready.as_ref().ok_or_else(missing)?.apply(x, y, &mut workspace);
        }
        Ok(())
    }
}
