//! The largest of a window, of 8-bit integers, by an operator of our own ([`pooling`]).
//!
//! A quantised network makes floats of its bytes, pools those, and makes bytes of them again: runtimes leave the detour out, and so does this.

use super::graph::Index;
use super::rewrite::integer;
use super::wire::{BYTE, Node};
use crate::operator::{DOMAIN, pooling};

/// Our operator in the place of this node, a `MaxPool`, and of the `QuantizeLinear` behind it; `None` where it has to stay.
///
/// Where what is pooled was not made of bytes by the same scale, it is made bytes first, and not after: bytes are in the order of the floats that
/// they were made of, so that the largest is the same one.
pub(super) fn as_operator(node: &Node, index: &Index) -> Option<Vec<Node>> {
    let ([input], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
        return None;
    };
    let to_bytes = index.only_user(output).filter(|node| node.is("QuantizeLinear"))?;
    let [_, scale, zero] = to_bytes.inputs.as_slice() else {
        return None;
    };
    if index.constants.get(zero).is_none_or(|zero| zero.element != BYTE) {
        return None;
    }
    let [side, stride, before, after] = square(node)?;
    let pooled = to_bytes.outputs.first()?;
    let pooling = |bytes: &str| Node {
        name: pooled.clone(),
        inputs: vec![bytes.to_owned()],
        outputs: vec![pooled.clone()],
        operation: pooling::OPERATOR.to_owned(),
        domain: DOMAIN.to_owned(),
        attributes: vec![
            integer(pooling::SIDE, side),
            integer(pooling::STRIDE, stride),
            integer(pooling::BEFORE, before),
            integer(pooling::AFTER, after),
        ],
    };
    match index.made_by.get(input).filter(|node| node.is("DequantizeLinear")) {
        Some(to_floats) if to_floats.inputs.get(1..) == to_bytes.inputs.get(1..) => {
            Some(vec![pooling(to_floats.inputs.first()?)])
        }
        _ => {
            let bytes = format!("{pooled}/pooling/bytes");
            let earlier = Node {
                name: bytes.clone(),
                inputs: vec![input.clone(), scale.clone(), zero.clone()],
                outputs: vec![bytes.clone()],
                ..to_bytes.clone()
            };
            Some(vec![earlier, pooling(&bytes)])
        }
    }
}

/// Whether this node, a `DequantizeLinear`, is there for nobody but a pooling that takes its bytes.
pub(super) fn is_passed_over(node: &Node, index: &Index) -> bool {
    let user = node.outputs.first().and_then(|output| index.only_user(output)).filter(|user| user.is("MaxPool"));
    let instead = user.and_then(|user| as_operator(user, index)).unwrap_or_default();
    matches!(instead.as_slice(), [pooling] if pooling.inputs.first() == node.inputs.first())
}

/// Side, stride, and border before and after: `None` where they are not the same for height and width, or something else is wanted.
fn square(node: &Node) -> Option<[i64; 4]> {
    let numbers = |name: &str| node.attribute(name).map(|attribute| attribute.integers.as_slice());
    let same = |numbers: &[i64]| match *numbers {
        [height, width] if height == width => Some(height),
        _ => None,
    };
    let side = same(numbers("kernel_shape")?)?;
    let stride = numbers("strides").map_or(Some(1), same)?;
    let (before, after) = match numbers("pads") {
        None => (0, 0),
        Some(&[top, left, bottom, right]) if top == left && bottom == right => (top, bottom),
        Some(_) => return None,
    };
    let is_plain = numbers("dilations").is_none_or(|dilations| dilations.iter().all(|&dilation| dilation == 1))
        && node.attribute("ceil_mode").is_none_or(|ceil| ceil.integer == 0)
        && node.attribute("storage_order").is_none_or(|order| order.integer == 0)
        && node.attribute("auto_pad").is_none();
    let is_pooling = side > 0 && stride > 0 && (0..side).contains(&before) && (0..side).contains(&after);
    (is_plain && is_pooling).then_some([side, stride, before, after])
}
