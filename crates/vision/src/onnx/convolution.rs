//! Convolutions that an operator of our own computes with fewer products ([`convolution`]).
//!
//! They are the ones of 3 by 3 in 32-bit floats at a stride of one with a border of one, of which the weights are constants.
//! A `Relu` that alone takes the result is computed with it.

use super::graph::Index;
use super::rewrite::integer;
use super::wire::{FLOAT, Node};
use crate::operator::{DOMAIN, convolution};

/// With fewer channels in or out, what is saved in products does not pay for the transforms before and after them.
const CHANNELS_MIN: i64 = 32;

/// Our operator in the place of this node, a `Conv`; `None` where it has to stay.
pub(super) fn as_operator(node: &Node, index: &Index) -> Option<Node> {
    let is_all = |name: &str, wanted: i64, default: bool| {
        let is_wanted = |sizes: &[i64]| !sizes.is_empty() && sizes.iter().all(|&size| size == wanted);
        node.attribute(name).map_or(default, |attribute| is_wanted(&attribute.integers))
    };
    let is_fit = is_all("kernel_shape", convolution::SIDE as i64, true)
        && is_all("strides", 1, true)
        && is_all("dilations", 1, true)
        && is_all("pads", 1, false)
        && node.attribute("group").is_none_or(|group| group.integer == 1)
        && node.attribute("auto_pad").is_none();
    let weights = index.constants.get(node.inputs.get(1)?)?;
    let &[outputs, inputs, height, width] = weights.sizes.as_slice() else {
        return None;
    };
    let is_large = outputs >= CHANNELS_MIN && inputs >= CHANNELS_MIN;
    let is_three = [height, width] == [convolution::SIDE as i64; 2];
    let has_biases = match node.inputs.get(2) {
        Some(biases) => index.constants.get(biases).is_some_and(|biases| biases.element == FLOAT),
        None => true,
    };
    if !(is_fit && is_large && is_three && has_biases && weights.element == FLOAT) {
        return None;
    }
    let relu = index.only_user(node.outputs.first()?).filter(|user| user.is("Relu"));
    let outputs = relu.unwrap_or(node).outputs.clone();
    Some(Node {
        // A file need not name its nodes, but its values; by the name it is told from the others.
        name: outputs.first()?.clone(),
        outputs,
        operation: convolution::OPERATOR.to_owned(),
        domain: DOMAIN.to_owned(),
        attributes: vec![integer(convolution::RELU, relu.is_some().into())],
        ..node.clone()
    })
}
