//! [`Normalisation`] as a node of ONNX Runtime's graph.

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::TensorElementType;

use crate::operator::normalisation::{self, Normalisation};

pub(super) struct LocalResponseNormalisation;

impl Operator for LocalResponseNormalisation {
    type Kernel<'attr> = Normalisation;

    fn name(&self) -> &str {
        normalisation::OPERATOR
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<Normalisation> {
        let missing = || ort::Error::new("an attribute of the normalisation is missing");
        let size: i64 = node.get(normalisation::SIZE).ok_or_else(missing)?;
        Ok(Normalisation {
            alpha: node.get(normalisation::ALPHA).ok_or_else(missing)?,
            bias: node.get(normalisation::BIAS).ok_or_else(missing)?,
            size: usize::try_from(size).ok().filter(|&size| size > 0).ok_or_else(missing)?,
        })
    }

    fn infer_shape(&self, shapes: &mut ShapeInferenceContext) -> ort::Result<()> {
        let inputs = shapes.inputs();
        // A shape that is not known would be told as that of a single number.
        let known = inputs.first().filter(|input| input.tensor_shape().is_some_and(|shape| !shape.is_empty()));
        known.map_or(Ok(()), |input| shapes.set_output(0, input))
    }
}

impl Kernel for Normalisation {
    fn compute(&mut self, node: &ComputeContext) -> ort::Result<()> {
        let missing = || ort::Error::new("the normalisation lacks an input or an output");
        let input = node.input(0)?.ok_or_else(missing)?;
        let (shape, x) = input.try_extract_tensor::<f32>()?;
        let sizes: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or_default()).collect();
        let &[_, channels, ..] = sizes.as_slice() else {
            return Err(ort::Error::new("the normalisation takes [N, C, ...]"));
        };
        let mut output = node.output(0, shape.to_vec())?.ok_or_else(missing)?;
        let (_, y) = output.try_extract_tensor_mut::<f32>()?;
        let image: usize = sizes[1..].iter().product();
        for (x, y) in x.chunks_exact(image.max(1)).zip(y.chunks_exact_mut(image.max(1))) {
            self.apply(channels, x, y);
        }
        Ok(())
    }
}
