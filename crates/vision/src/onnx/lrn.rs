//! Local response normalisation in cheaper forms.
//!
//! The operator is `y = x / (bias + alpha / size * sum of x^2 over neighbouring channels) ^ beta` (ONNX, `LRN`).
//! GoogLeNet has two, over 64 and 192 channels of 56x56. ONNX Runtime computes the power for each element, half as long
//! as all the rest of the network takes; rten has no such operator at all. With beta = 3/4 the power is
//! `sqrt(s) * sqrt(sqrt(s))`, and there are two forms: [`Form::Operations`], which any runtime does, where the windowed
//! sum is a 1x1 convolution of `x * x` with a banded matrix; and [`Form::Operator`], one of our own for a runtime that
//! takes one ([`crate::normalisation`] computes it). The values agree with the formula within the rounding of 32-bit
//! floats; `docs/engines.md` has the times.
//!
//! An LRN with another beta, or whose convolution would be over a number of channels that the graph does not tell, is
//! left to the runtime.

use std::borrow::Cow;
use std::collections::HashMap;

use prost::Message;

use super::wire::{
    ATTRIBUTE_FLOAT, ATTRIBUTE_INTEGER, ATTRIBUTE_INTEGERS, ATTRIBUTE_TENSOR, Attribute, FLOAT, Field, GRAPH,
    INITIALIZER, INPUT, NODE, Node, OPERATOR_SET, OperatorSet, Tensor, TensorHead, ValueInfo,
};
use super::{OnnxError, damaged, graph, wire};
use crate::normalisation;

/// The exponent that two square roots make.
const BETA: f32 = 0.75;

/// How far up the graph the number of channels is looked for: deeper than any run of nodes that keep it.
const CHANNELS_SEARCH_DEPTH: usize = 32;

/// What takes an LRN's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Eight operations of ONNX.
    Operations,
    /// One operator, [`normalisation::OPERATOR`] of [`normalisation::DOMAIN`].
    Operator,
}

/// The model with each LRN replaced where that is possible; all else is byte for byte what it was.
pub(crate) fn rewrite_lrn(model: &[u8], form: Form) -> Result<Vec<u8>, OnnxError> {
    let graph = graph(model)?;
    let shapes = Shapes::of(graph)?;
    // Most of a model is weights: pieces are borrowed, and copied once.
    let mut pieces = Vec::new();
    let mut is_rewritten = false;
    for field in wire::fields(graph) {
        let Field { number, whole, payload, .. } = field?;
        let replacement = if number == NODE { replacement(payload, form, &shapes)? } else { None };
        match replacement {
            Some(nodes) => {
                let mut bytes = Vec::new();
                nodes.iter().for_each(|node| wire::put(&mut bytes, NODE, &[node.encode_to_vec()]));
                pieces.push(Cow::Owned(bytes));
                is_rewritten = true;
            }
            None => pieces.push(Cow::Borrowed(whole)),
        }
    }
    let rewritten: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut result = Vec::with_capacity(rewritten + (model.len() - graph.len()) + wire::HEAD_BYTES_MAX);
    for field in wire::fields(model) {
        let field = field?;
        match field.number {
            GRAPH => wire::put(&mut result, GRAPH, &pieces),
            _ => result.extend_from_slice(field.whole),
        }
    }
    if is_rewritten && form == Form::Operator {
        let set = OperatorSet { domain: normalisation::DOMAIN.to_owned(), version: 1 };
        wire::put(&mut result, OPERATOR_SET, &[set.encode_to_vec()]);
    }
    Ok(result)
}

/// The nodes that do what an LRN node does; `None` for any other node, and for an LRN that has to stay.
fn replacement(node: &[u8], form: Form, shapes: &Shapes) -> Result<Option<Vec<Node>>, OnnxError> {
    let node = Node::decode(node).map_err(damaged)?;
    if node.operation != "LRN" || !node.domain.is_empty() {
        return Ok(None);
    }
    let ([input], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
        return Ok(None);
    };
    let lrn = Lrn::of(&node);
    if lrn.beta != BETA || lrn.size == 0 {
        return Ok(None);
    }
    Ok(match form {
        Form::Operator => Some(vec![lrn.operator(input, output)]),
        Form::Operations => {
            let channels = shapes.channels(input, CHANNELS_SEARCH_DEPTH);
            channels.map(|channels| lrn.spell_out(input, output, channels))
        }
    })
}

/// The operator's attributes, with ONNX's defaults.
#[derive(Debug, PartialEq)]
struct Lrn {
    alpha: f32,
    beta: f32,
    bias: f32,
    size: usize,
}

impl Lrn {
    fn of(node: &Node) -> Self {
        let attribute = |name: &str| node.attributes.iter().find(|attribute| attribute.name == name);
        let float = |name: &str, default: f32| attribute(name).map_or(default, |attribute| attribute.float);
        Self {
            alpha: float("alpha", 1e-4),
            beta: float("beta", 0.75),
            bias: float("bias", 1.0),
            size: attribute("size").and_then(|size| usize::try_from(size.integer).ok()).unwrap_or_default(),
        }
    }

    fn operator(&self, input: &str, output: &str) -> Node {
        let float = |name: &str, float| Attribute {
            name: name.to_owned(),
            float,
            kind: ATTRIBUTE_FLOAT,
            ..Attribute::default()
        };
        let size = Attribute {
            name: normalisation::SIZE.to_owned(),
            integer: self.size as i64,
            kind: ATTRIBUTE_INTEGER,
            ..Attribute::default()
        };
        Node {
            attributes: vec![float(normalisation::ALPHA, self.alpha), float(normalisation::BIAS, self.bias), size],
            domain: normalisation::DOMAIN.to_owned(),
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

/// What is known of the shapes in a graph without running it.
struct Shapes {
    /// Which node makes a value: its operation and inputs.
    made_by: HashMap<String, (String, Vec<String>)>,
    constants: HashMap<String, Vec<i64>>,
    inputs: HashMap<String, Option<i64>>,
}

impl Shapes {
    fn of(graph: &[u8]) -> Result<Self, OnnxError> {
        let mut shapes = Self { made_by: HashMap::new(), constants: HashMap::new(), inputs: HashMap::new() };
        for field in wire::fields(graph) {
            let Field { number, payload, .. } = field?;
            match number {
                NODE => {
                    let node = Node::decode(payload).map_err(damaged)?;
                    if let Some(output) = node.outputs.into_iter().next() {
                        shapes.made_by.insert(output, (node.operation, node.inputs));
                    }
                }
                INITIALIZER => {
                    let tensor = TensorHead::decode(payload).map_err(damaged)?;
                    shapes.constants.insert(tensor.name, tensor.sizes);
                }
                INPUT => {
                    let input = ValueInfo::decode(payload).map_err(damaged)?;
                    let shape = input.kind.and_then(|kind| kind.tensor).and_then(|tensor| tensor.shape);
                    let channels = shape.and_then(|shape| shape.sizes.get(1).and_then(|size| size.value));
                    shapes.inputs.insert(input.name, channels);
                }
                _ => {}
            }
        }
        Ok(shapes)
    }

    /// The number of channels of a value: what the nearest convolution above it makes.
    fn channels(&self, value: &str, depth: usize) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        let Some((operation, inputs)) = self.made_by.get(value) else {
            return usize::try_from(self.inputs.get(value).copied()??).ok();
        };
        match operation.as_str() {
            "Conv" => self.rows(inputs.get(1)?, depth),
            "QLinearConv" => self.rows(inputs.get(3)?, depth),
            "AveragePool" | "BatchNormalization" | "Clip" | "DequantizeLinear" | "Div" | "Dropout" | "Identity"
            | "LeakyRelu" | "LRN" | "MaxPool" | "QuantizeLinear" | "Relu" => self.channels(inputs.first()?, depth),
            "Concat" => inputs.iter().map(|input| self.channels(input, depth)).sum(),
            _ => None,
        }
    }

    /// The first size of a constant, also of one that is kept quantised.
    fn rows(&self, value: &str, depth: usize) -> Option<usize> {
        if let Some(sizes) = self.constants.get(value) {
            return usize::try_from(*sizes.first()?).ok();
        }
        match self.made_by.get(value)? {
            (operation, inputs) if operation == "DequantizeLinear" => self.rows(inputs.first()?, depth.checked_sub(1)?),
            _ => None,
        }
    }
}
