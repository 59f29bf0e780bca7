//! [`Convolution`] as a node of ONNX Runtime's graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{TensorElementType, TensorValueType, ValueType};

use crate::operator::convolution::{self, Convolution, Workspace};

/// Convolutions that are ready, of all sessions of this process: those of one model share them, as each holds four times the bytes of
/// its weights.
#[derive(Default)]
pub(in super::super) struct Ready(Mutex<HashMap<Key, Weak<Convolution>>>);

/// The model's digest, the node's name, and height and width of its input.
type Key = ([u8; 32], String, [usize; 2]);

impl Ready {
    /// The one of this key. Whoever asks for another meanwhile waits: sessions of one model would make all of them at once.
    fn get(&self, key: Key, make: impl FnOnce() -> Convolution) -> Arc<Convolution> {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = ready.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        let made = Arc::new(make());
        ready.retain(|_, held| held.strong_count() > 0);
        ready.insert(key, Arc::downgrade(&made));
        made
    }
}

/// The operator of one session. All its nodes work in the same memory, since they run one after another.
pub(super) struct MinimalConvolution {
    model: [u8; 32],
    ready: Arc<Ready>,
    workspace: Arc<Mutex<Workspace>>,
}

impl MinimalConvolution {
    pub(super) fn new(model: [u8; 32], ready: Arc<Ready>) -> Self {
        Self { model, ready, workspace: Arc::default() }
    }
}

/// One node. It is made ready at its first run, which tells the size of its input.
pub(super) struct Node {
    name: String,
    relu: bool,
    convolution: Option<Arc<Convolution>>,
    model: [u8; 32],
    ready: Arc<Ready>,
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
        Ok(Node {
            name: node.node_name()?,
            relu: relu != 0,
            convolution: None,
            model: self.model,
            ready: Arc::clone(&self.ready),
            workspace: Arc::clone(&self.workspace),
        })
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
        let size = [height, width];
        let convolution = match self.convolution.take().filter(|convolution| convolution.size() == size) {
            Some(convolution) => convolution,
            None => {
                let biases = match node.input(2)? {
                    Some(biases) => biases.try_extract_tensor::<f32>()?.1.to_vec(),
                    None => vec![0.0; outputs],
                };
                if biases.len() != outputs {
                    return Err(ort::Error::new("the convolution has not one bias for each output"));
                }
                let key = (self.model, self.name.clone(), size);
                self.ready.get(key, || Convolution::new(weights, &biases, [outputs, inputs], size, self.relu))
            }
        };
        let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let area = height * width;
        for (x, y) in x.chunks_exact(inputs * area).zip(y.chunks_exact_mut(outputs * area)) {
            convolution.apply(x, y, &mut workspace);
        }
        self.convolution = Some(convolution);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convolution() -> Convolution {
        Convolution::new(&[0.0; 9], &[0.0], [1, 1], [8, 8], false)
    }

    #[test]
    fn sessions_of_one_model_share_their_convolutions_and_those_of_another_do_not() {
        let ready = Ready::default();
        let key = |model, name: &str, side| ([model; 32], name.to_owned(), [side, side]);
        let first = ready.get(key(1, "a", 8), convolution);
        assert!(Arc::ptr_eq(&first, &ready.get(key(1, "a", 8), || panic!("it is there"))));
        for other in [key(2, "a", 8), key(1, "b", 8), key(1, "a", 9)] {
            assert!(!Arc::ptr_eq(&first, &ready.get(other, convolution)));
        }
        drop(first);
        let mut made = 0;
        ready.get(key(1, "a", 8), || {
            made += 1;
            convolution()
        });
        assert_eq!(made, 1, "what nobody holds is not kept");
        assert_eq!(ready.0.lock().expect("no panic").len(), 1);
    }
}
