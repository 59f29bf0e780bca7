//! Local response normalisation in cheaper forms.
//!
//! The operator is `y = x / (bias + alpha / size * sum of x^2 over neighbouring channels) ^ beta` (ONNX, `LRN`).
//! GoogLeNet has two, over 64 and 192 channels of 56x56. ONNX Runtime computes the power for each element, half as long
//! as all the rest of the network takes; rten has no such operator at all. With beta = 3/4 the power is
//! `sqrt(s) * sqrt(sqrt(s))`, and there are two forms: eight operations that any runtime knows, where the windowed
//! sum is a 1x1 convolution of `x * x` with a banded matrix; and one operator of our own ([`normalisation`] computes
//! it). The values agree with the formula within the rounding of 32-bit floats; `docs/engines.md` has the times.
//!
//! An LRN with another beta, or whose convolution would be over a number of channels that the graph does not tell, is
//! left to the runtime.

use super::graph::Index;
use super::rewrite::{float, integer};
use super::wire::{ATTRIBUTE_INTEGERS, ATTRIBUTE_TENSOR, Attribute, FLOAT, Node, Tensor};
use crate::operator::{DOMAIN, normalisation};

/// The exponent that two square roots make.
const BETA: f32 = 0.75;

/// How far up the graph the number of channels is looked for: deeper than any run of nodes that keep it.
const CHANNELS_SEARCH_DEPTH: usize = 32;

/// The most channels of an LRN that is spelt out: its matrix is 64 MiB then, and no network has so many. A file that claimed a million had its
/// reader ask for terabytes (found by the fuzzer).
const CHANNELS_MAX: usize = 4096;

/// The nodes of ONNX that do what this one, an LRN, does; `None` where it has to stay.
pub(super) fn as_operations(node: &Node, index: &Index) -> Option<Vec<Node>> {
    let ([input], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
        return None;
    };
    let channels = channels(index, input, CHANNELS_SEARCH_DEPTH).filter(|&channels| channels <= CHANNELS_MAX)?;
    Some(Lrn::of(node)?.spell_out(input, output, channels))
}

/// Our operator in the place of this node, an LRN; `None` where it has to stay.
pub(super) fn as_operator(node: &Node) -> Option<Node> {
    let ([input], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
        return None;
    };
    Some(Lrn::of(node)?.operator(input, output))
}

/// The operator's attributes, with ONNX's defaults.
struct Lrn {
    alpha: f32,
    bias: f32,
    size: usize,
}

impl Lrn {
    /// `None` for another beta, or a window of nothing.
    fn of(node: &Node) -> Option<Self> {
        let number = |name: &str, default: f32| node.attribute(name).map_or(default, |attribute| attribute.float);
        let size = node.attribute("size").and_then(|size| usize::try_from(size.integer).ok()).unwrap_or_default();
        let lrn = Self { alpha: number("alpha", 1e-4), bias: number("bias", 1.0), size };
        (number("beta", BETA) == BETA && size > 0).then_some(lrn)
    }

    fn operator(&self, input: &str, output: &str) -> Node {
        Node {
            attributes: vec![
                float(normalisation::ALPHA, self.alpha),
                float(normalisation::BIAS, self.bias),
                integer(normalisation::SIZE, self.size as i64),
            ],
            domain: DOMAIN.to_owned(),
            ..node(normalisation::OPERATOR, &[input], output)
        }
    }

    fn spell_out(&self, input: &str, output: &str, channels: usize) -> Vec<Node> {
        // An output's name is unique in its graph, so these are as well.
        let name = |part: &str| format!("{output}/lrn/{part}");
        let (band, bias) = (name("band"), name("bias"));
        let (square, scale) = (name("square"), name("scale"));
        let (root, fourth_root, power) = (name("root"), name("fourth_root"), name("power"));
        vec![
            constant(&band, &[channels, channels, 1, 1], self.band(channels)),
            constant(&bias, &[channels], std::iter::repeat_n(self.bias, channels)),
            node("Mul", &[input, input], &square),
            Node {
                attributes: vec![ones("kernel_shape"), ones("strides"), ones("dilations")],
                ..node("Conv", &[&square, &band, &bias], &scale)
            },
            node("Sqrt", &[&scale], &root),
            node("Sqrt", &[&root], &fourth_root),
            node("Mul", &[&root, &fourth_root], &power),
            node("Div", &[input, &power], output),
        ]
    }

    /// Row `c` holds `alpha / size` for the channels in the window around `c`, which for an even size reaches one
    /// further up than down.
    fn band(&self, channels: usize) -> impl Iterator<Item = f32> {
        let (below, above) = ((self.size - 1) / 2, self.size / 2);
        let weight = self.alpha / self.size as f32;
        (0..channels * channels).map(move |position| {
            let (row, column) = (position / channels, position % channels);
            if column + below >= row && column <= row + above { weight } else { 0.0 }
        })
    }
}

fn node(operation: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        outputs: vec![output.to_owned()],
        name: output.to_owned(),
        operation: operation.to_owned(),
        ..Node::default()
    }
}

/// An attribute of one for height and width each. These are ONNX's defaults; rten wants them written.
fn ones(name: &str) -> Attribute {
    Attribute { name: name.to_owned(), integers: vec![1, 1], kind: ATTRIBUTE_INTEGERS, ..Attribute::default() }
}

/// A constant as a node rather than an initializer: files of older versions list initializers among the inputs too.
fn constant(name: &str, sizes: &[usize], numbers: impl Iterator<Item = f32>) -> Node {
    let tensor = Tensor {
        sizes: sizes.iter().map(|&size| size as i64).collect(),
        element: FLOAT,
        raw: numbers.flat_map(f32::to_le_bytes).collect(),
    };
    let value =
        Attribute { name: "value".to_owned(), tensor: Some(tensor), kind: ATTRIBUTE_TENSOR, ..Attribute::default() };
    Node { attributes: vec![value], ..node("Constant", &[], name) }
}

/// The number of channels of a value: what the nearest convolution above it makes.
fn channels(index: &Index, value: &str, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let Some(node) = index.made_by.get(value) else {
        return usize::try_from(index.inputs.get(value).copied()??).ok();
    };
    match node.operation.as_str() {
        "Conv" => rows(index, node.inputs.get(1)?, depth),
        "QLinearConv" => rows(index, node.inputs.get(3)?, depth),
        "AveragePool" | "BatchNormalization" | "Clip" | "DequantizeLinear" | "Div" | "Dropout" | "Identity"
        | "LeakyRelu" | "LRN" | "MaxPool" | "QuantizeLinear" | "Relu" => channels(index, node.inputs.first()?, depth),
        "Concat" => node.inputs.iter().map(|input| channels(index, input, depth)).sum(),
        _ => None,
    }
}

/// The first size of a constant, also of one that is kept quantised.
fn rows(index: &Index, value: &str, depth: usize) -> Option<usize> {
    if let Some(constant) = index.constants.get(value) {
        return usize::try_from(*constant.sizes.first()?).ok();
    }
    match index.made_by.get(value)? {
        node if node.operation == "DequantizeLinear" => rows(index, node.inputs.first()?, depth.checked_sub(1)?),
        _ => None,
    }
}
