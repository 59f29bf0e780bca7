//! [`Pooling`] as a node of ONNX Runtime's graph.

use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use crate::operator::pooling::{self, Pooling};

pub(super) struct MaxPoolOfBytes;

impl Operator for MaxPoolOfBytes {
    type Kernel<'attr> = Pooling;

    fn name(&self) -> &str {
        pooling::OPERATOR
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::required(TensorElementType::Uint8)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Uint8)]
    }

    fn create_kernel<'attr>(&self, node: &KernelContext<'attr>) -> ort::Result<Pooling> {
        of_attributes(|name| node.get(name))
    }
}

fn of_attributes(number: impl Fn(&str) -> Option<i64>) -> ort::Result<Pooling> {
    let number = |name| number(name).and_then(|number| usize::try_from(number).ok());
    let [side, stride, before, after] = [pooling::SIDE, pooling::STRIDE, pooling::BEFORE, pooling::AFTER].map(number);
    let made = side.zip(stride).zip(before.zip(after));
    made.and_then(|((side, stride), (before, after))| Pooling::new(side, stride, before, after))
        .ok_or_else(|| ort::Error::new("an attribute of the pooling is missing, or makes no sense"))
}

impl Kernel for Pooling {
    fn compute(&mut self, node: &ComputeContext) -> ort::Result<()> {
        let missing = || ort::Error::new("the pooling lacks an input or an output");
        let input = node.input(0)?.ok_or_else(missing)?;
        let (shape, x) = input.try_extract_tensor::<u8>()?;
        let &[images, channels, height, width] = &shape[..] else {
            return Err(ort::Error::new("the pooling takes [N, C, H, W]"));
        };
        let [high, wide] = [height, width].map(|length| usize::try_from(length).unwrap_or_default());
        let none = || ort::Error::new("the pooling's windows are larger than its input");
        let (rows, columns) = (self.windows(high).ok_or_else(none)?, self.windows(wide).ok_or_else(none)?);
        let mut output = node.output(0, [images, channels, rows as i64, columns as i64])?.ok_or_else(missing)?;
        let (_, y) = output.try_extract_tensor_mut::<u8>()?;
        if high * wide == 0 {
            return Err(none());
        }
        for (x, y) in x.chunks_exact(high * wide).zip(y.chunks_exact_mut(rows * columns)) {
            self.apply(x, wide, y);
        }
        Ok(())
    }
}
