//! What a graph says of its values, found in one walk.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::wire::{self, Field, INITIALIZER, INPUT, NODE, Node, OUTPUT, TensorHead, ValueInfo};
use super::{OnnxError, damaged};

/// Who makes and who uses each value of a graph.
#[derive(Default)]
pub(super) struct Index {
    /// Which node makes a value.
    pub(super) made_by: HashMap<String, Node>,
    /// The outputs of the nodes that use a value.
    used_by: HashMap<String, Vec<String>>,
    pub(super) constants: HashMap<String, TensorHead>,
    /// The second size of each input, its channels.
    pub(super) inputs: HashMap<String, Option<i64>>,
    outputs: HashSet<String>,
    /// Whether a node has a graph of its own, which may use any value.
    has_inner_graphs: bool,
}

impl Index {
    pub(super) fn of(graph: &[u8]) -> Result<Self, OnnxError> {
        let mut index = Self::default();
        for field in wire::fields(graph) {
            let Field { number, payload, .. } = field?;
            match number {
                NODE => index.add(Node::decode(payload).map_err(damaged)?),
                INITIALIZER => {
                    let tensor = TensorHead::decode(payload).map_err(damaged)?;
                    index.constants.insert(tensor.name.clone(), tensor);
                }
                INPUT => {
                    let input = ValueInfo::decode(payload).map_err(damaged)?;
                    let shape = input.kind.and_then(|kind| kind.tensor).and_then(|tensor| tensor.shape);
                    let channels = shape.and_then(|shape| shape.sizes.get(1).and_then(|size| size.value));
                    index.inputs.insert(input.name, channels);
                }
                OUTPUT => {
                    index.outputs.insert(ValueInfo::decode(payload).map_err(damaged)?.name);
                }
                _ => {}
            }
        }
        Ok(index)
    }

    fn add(&mut self, node: Node) {
        self.has_inner_graphs |= matches!(node.operation.as_str(), "If" | "Loop" | "Scan");
        if let Some(output) = node.outputs.first().cloned() {
            for input in &node.inputs {
                self.used_by.entry(input.clone()).or_default().push(output.clone());
            }
            self.made_by.insert(output, node);
        }
    }

    /// The one node that uses a value; `None` where others may see it as well.
    pub(super) fn only_user(&self, value: &str) -> Option<&Node> {
        match self.used_by.get(value)?.as_slice() {
            [user] if !self.outputs.contains(value) && !self.has_inner_graphs => self.made_by.get(user),
            _ => None,
        }
    }
}
