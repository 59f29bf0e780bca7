//! A model with some of its nodes replaced by cheaper ones; all else is byte for byte what it was.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message;

use super::graph::Index;
use super::wire::{ATTRIBUTE_FLOAT, ATTRIBUTE_INTEGER, Attribute, Field, GRAPH, NODE, Node, OPERATOR_SET, OperatorSet};
use super::{OnnxError, convolution, damaged, graph, lrn, pooling, wire};
use crate::operator::DOMAIN;

/// What the runtime that is to run a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Operations of ONNX only.
    Operations,
    /// Operators of our own as well.
    Operators {
        /// That of [`crate::operator::convolution`], too.
        convolution: bool,
    },
}

/// The model in another form.
pub(crate) fn rewrite(model: &[u8], form: Form) -> Result<Vec<u8>, OnnxError> {
    let graph = graph(model)?;
    let index = Index::of(graph)?;
    // Most of a model is weights: pieces are borrowed, and copied once.
    let mut pieces = Vec::new();
    let mut made = HashSet::new();
    let mut has_operators = false;
    for field in wire::fields(graph) {
        let Field { number, whole, payload, .. } = field?;
        if number != NODE {
            pieces.push(Cow::Borrowed(whole));
            continue;
        }
        let node = Node::decode(payload).map_err(damaged)?;
        if node.outputs.first().is_some_and(|output| made.contains(output)) {
            continue;
        }
        let Some(nodes) = replacement(&node, form, &index) else {
            pieces.push(Cow::Borrowed(whole));
            continue;
        };
        let mut bytes = Vec::new();
        for node in nodes {
            wire::put(&mut bytes, NODE, &[node.encode_to_vec()]);
            has_operators |= node.domain == DOMAIN;
            made.extend(node.outputs);
        }
        pieces.push(Cow::Owned(bytes));
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
    if has_operators {
        let set = OperatorSet { domain: DOMAIN.to_owned(), version: 1 };
        wire::put(&mut result, OPERATOR_SET, &[set.encode_to_vec()]);
    }
    Ok(result)
}

/// The nodes that take a node's place, and perhaps that of the one behind it: none where another does without it. `None` where it stays.
fn replacement(node: &Node, form: Form, index: &Index) -> Option<Vec<Node>> {
    match form {
        Form::Operations if node.is("LRN") => lrn::as_operations(node, index),
        Form::Operators { .. } if node.is("LRN") => lrn::as_operator(node).map(|node| vec![node]),
        Form::Operators { convolution: true } if node.is("Conv") => {
            convolution::as_operator(node, index).map(|node| vec![node])
        }
        Form::Operators { .. } if node.is("MaxPool") => pooling::as_operator(node, index),
        Form::Operators { .. } if node.is("DequantizeLinear") => pooling::is_passed_over(node, index).then(Vec::new),
        Form::Operations | Form::Operators { .. } => None,
    }
}

impl Node {
    /// Whether it is this operation of ONNX's own.
    pub(super) fn is(&self, operation: &str) -> bool {
        self.operation == operation && self.domain.is_empty()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

pub(super) fn float(name: &str, float: f32) -> Attribute {
    Attribute { name: name.to_owned(), float, kind: ATTRIBUTE_FLOAT, ..Attribute::default() }
}

pub(super) fn integer(name: &str, integer: i64) -> Attribute {
    Attribute { name: name.to_owned(), integer, kind: ATTRIBUTE_INTEGER, ..Attribute::default() }
}
