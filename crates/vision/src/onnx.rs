//! ONNX files: what a network takes and gives, read without any runtime, and rewrites of its graph.
//!
//! Only the few fields that are needed are declared; everything else is passed on as the bytes it was, so nothing of a
//! file is lost by looking at it. Field numbers are those of `onnx.proto`, <https://github.com/onnx/onnx>.

mod convolution;
mod graph;
mod lrn;
mod pooling;
mod rewrite;
mod wire;

use std::collections::HashSet;
use std::fmt;

use prost::Message;
use thiserror::Error;

pub(crate) use rewrite::{Form, rewrite};
use wire::{
    Dimension, Field, GRAPH, INITIALIZER, INPUT, NODE, Node, OUTPUT, OperatorSet, TensorHead, TensorShape, TensorType,
    ValueInfo, ValueType,
};

/// A network that gives one number as it takes it.
pub(crate) fn identity() -> Vec<u8> {
    let [input, output] = ["x", "y"].map(|name| {
        let shape = TensorShape { sizes: vec![Dimension { value: Some(1) }] };
        let tensor = TensorType { element: wire::FLOAT, shape: Some(shape) };
        ValueInfo { name: name.to_owned(), kind: Some(ValueType { tensor: Some(tensor) }) }
    });
    let node = Node {
        operation: "Identity".to_owned(),
        inputs: vec![input.name.clone()],
        outputs: vec![output.name.clone()],
        ..Node::default()
    };
    let mut graph = Vec::new();
    wire::put(&mut graph, NODE, &[node.encode_to_vec()]);
    wire::put(&mut graph, wire::GRAPH_NAME, &["identity"]);
    wire::put(&mut graph, INPUT, &[input.encode_to_vec()]);
    wire::put(&mut graph, OUTPUT, &[output.encode_to_vec()]);
    // IR version 8, of operator set 13.
    let mut model = vec![0x08, 8];
    wire::put(&mut model, GRAPH, &[graph]);
    let set = OperatorSet { domain: String::new(), version: 13 };
    wire::put(&mut model, wire::OPERATOR_SET, &[set.encode_to_vec()]);
    model
}

/// What is wrong with a file that should be a network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct OnnxError(String);

/// What a network takes and gives: one tensor each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) input: String,
    pub(crate) input_shape: Shape,
    pub(crate) output: String,
    pub(crate) output_shape: Shape,
}

/// The sizes of a tensor; `None` where any size will do, or the file does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) Vec<Option<u64>>);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> =
            self.0.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string())).collect();
        write!(f, "[{}]", sizes.join(", "))
    }
}

/// Reads the names and shapes of a network's one input and its first output.
pub(crate) fn interface(model: &[u8]) -> Result<Interface, OnnxError> {
    let graph = graph(model)?;
    let (mut inputs, mut outputs, mut constants, mut nodes) = (Vec::new(), Vec::new(), HashSet::new(), 0);
    for field in wire::fields(graph) {
        match field? {
            Field { number: NODE, .. } => nodes += 1,
            Field { number: INITIALIZER, payload, .. } => {
                constants.insert(TensorHead::decode(payload).map_err(damaged)?.name);
            }
            Field { number: INPUT, payload, .. } => inputs.push(ValueInfo::decode(payload).map_err(damaged)?),
            Field { number: OUTPUT, payload, .. } => outputs.push(ValueInfo::decode(payload).map_err(damaged)?),
            _ => {}
        }
    }
    if nodes == 0 {
        return Err(OnnxError("not an ONNX model: its graph is empty".to_owned()));
    }
    // Files of older versions list their constants among the inputs.
    inputs.retain(|input| !constants.contains(&input.name));
    let [input] = inputs.as_slice() else {
        return Err(OnnxError(format!("it takes {} inputs, one image is needed", inputs.len())));
    };
    let Some(output) = outputs.first() else {
        return Err(OnnxError("it has no output".to_owned()));
    };
    Ok(Interface {
        input: input.name.clone(),
        input_shape: float_shape(input)?,
        output: output.name.clone(),
        output_shape: float_shape(output)?,
    })
}

fn float_shape(value: &ValueInfo) -> Result<Shape, OnnxError> {
    let tensor = value.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let Some(tensor) = tensor.filter(|tensor| tensor.element == wire::FLOAT) else {
        return Err(OnnxError(format!("`{}` is not a tensor of 32-bit floats", value.name)));
    };
    let sizes = tensor.shape.as_ref().map(|shape| shape.sizes.as_slice()).unwrap_or_default();
    Ok(Shape(sizes.iter().map(|size| size.value.and_then(|value| u64::try_from(value).ok())).collect()))
}

/// The one graph of a model.
fn graph(model: &[u8]) -> Result<&[u8], OnnxError> {
    let mut graph = None;
    for field in wire::fields(model) {
        let field = field.map_err(|_| OnnxError("not an ONNX model".to_owned()))?;
        if field.number == GRAPH && field.is_message {
            graph = Some(field.payload);
        }
    }
    graph.ok_or_else(|| OnnxError("not an ONNX model: it has no graph".to_owned()))
}

fn damaged(error: prost::DecodeError) -> OnnxError {
    OnnxError(format!("damaged ONNX model: {error}"))
}

#[cfg(test)]
pub(crate) mod tests;
