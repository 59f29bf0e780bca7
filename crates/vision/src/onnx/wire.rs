//! The protobuf of ONNX: a walk over the fields of a message that keeps their bytes, and the few messages that are read
//! or written.

use prost::encoding::{WireType, decode_key, decode_varint};

use super::OnnxError;

// Of ModelProto.
pub(super) const GRAPH: u32 = 7;
pub(super) const OPERATOR_SET: u32 = 8;
// Of GraphProto.
pub(super) const NODE: u32 = 1;
pub(super) const GRAPH_NAME: u32 = 2;
pub(super) const INITIALIZER: u32 = 5;
pub(super) const INPUT: u32 = 11;
pub(super) const OUTPUT: u32 = 12;

/// TensorProto.DataType.FLOAT.
pub(super) const FLOAT: i32 = 1;
/// TensorProto.DataType.UINT8.
pub(super) const BYTE: i32 = 2;

// AttributeProto.AttributeType.
pub(super) const ATTRIBUTE_FLOAT: i32 = 1;
pub(super) const ATTRIBUTE_INTEGER: i32 = 2;
pub(super) const ATTRIBUTE_TENSOR: i32 = 4;
pub(super) const ATTRIBUTE_INTEGERS: i32 = 7;

/// One field of a message.
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// Key, length and payload, as they stand in the message.
    pub(super) whole: &'a [u8],
    /// What is inside, for strings, bytes and messages; empty for numbers.
    pub(super) payload: &'a [u8],
    /// Whether `payload` is all of it.
    pub(super) is_message: bool,
}

/// Walks over the fields of a message.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, OnnxError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>, OnnxError> {
    let start = *rest;
    let (number, wire_type) = decode_key(rest).map_err(super::damaged)?;
    let length = match wire_type {
        WireType::Varint => {
            decode_varint(rest).map_err(super::damaged)?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => decode_varint(rest).map_err(super::damaged)?,
        WireType::StartGroup | WireType::EndGroup => {
            return Err(OnnxError("damaged ONNX model: a field of an unknown kind".to_owned()));
        }
    };
    let payload = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (payload, after) = payload.ok_or_else(|| OnnxError("damaged ONNX model: it ends too early".to_owned()))?;
    *rest = after;
    let whole = &start[..start.len() - after.len()];
    let is_message = wire_type == WireType::LengthDelimited;
    Ok(Field { number, whole, payload: if is_message { payload } else { &[] }, is_message })
}

/// The most that a field's key and length take.
pub(super) const HEAD_BYTES_MAX: usize = 20;

/// Appends a field that holds a string, bytes or a message, given in pieces.
pub(super) fn put(message: &mut Vec<u8>, number: u32, pieces: &[impl AsRef<[u8]>]) {
    let length: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
    prost::encoding::encode_key(number, WireType::LengthDelimited, message);
    prost::encoding::encode_varint(length as u64, message);
    pieces.iter().for_each(|piece| message.extend_from_slice(piece.as_ref()));
}

/// NodeProto: one operation.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(super) inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) operation: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(super) domain: String,
}

/// OperatorSetIdProto: a domain whose operations a model uses.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(int64, tag = "2")]
    pub(super) version: i64,
}

/// AttributeProto, as far as the nodes that are rewritten need it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Attribute {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(float, tag = "2")]
    pub(super) float: f32,
    #[prost(int64, tag = "3")]
    pub(super) integer: i64,
    #[prost(message, optional, tag = "5")]
    pub(super) tensor: Option<Tensor>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(super) integers: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub(super) kind: i32,
}

/// TensorProto. Sizes are written one by one, as the proto2 of ONNX has it; rten reads no other form.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) sizes: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) element: i32,
    /// Little-endian.
    #[prost(bytes = "vec", tag = "9")]
    pub(super) raw: Vec<u8>,
}

/// TensorProto without its numbers, which are most of a model and are passed over.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorHead {
    #[prost(int64, repeated, tag = "1")]
    pub(super) sizes: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(super) element: i32,
    #[prost(string, tag = "8")]
    pub(super) name: String,
}

/// ValueInfoProto: an input or an output.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) kind: Option<ValueType>,
}

/// TypeProto.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ValueType {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor: Option<TensorType>,
}

/// TypeProto.Tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(super) element: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShape>,
}

/// TensorShapeProto.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub(super) sizes: Vec<Dimension>,
}

/// TensorShapeProto.Dimension; a named dimension has no value.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) value: Option<i64>,
}
