//! Promises of [`super`], on graphs made here.

use prost::Message;

use super::wire::{Attribute, Dimension, GRAPH_NAME, Node, TensorShape, TensorType, ValueInfo, ValueType, put};
use super::*;
use crate::operator::{DOMAIN, normalisation};

fn value(name: &str, element: i32, sizes: &[Option<i64>]) -> Vec<u8> {
    let sizes = sizes.iter().map(|&value| Dimension { value }).collect();
    let tensor = TensorType { element, shape: Some(TensorShape { sizes }) };
    ValueInfo { name: name.to_owned(), kind: Some(ValueType { tensor: Some(tensor) }) }.encode_to_vec()
}

fn node(operation: &str, inputs: &[&str], output: &str, attributes: Vec<Attribute>) -> Vec<u8> {
    let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
    let (outputs, operation) = (vec![output.to_owned()], operation.to_owned());
    Node { inputs, outputs, operation, attributes, ..Node::default() }.encode_to_vec()
}

fn lrn_attributes(alpha: f32, beta: f32, bias: f32, size: i64) -> Vec<Attribute> {
    let float = |name: &str, float| Attribute { name: name.to_owned(), float, kind: 1, ..Attribute::default() };
    let size = Attribute { name: "size".to_owned(), integer: size, kind: 2, ..Attribute::default() };
    vec![float("alpha", alpha), float("beta", beta), float("bias", bias), size]
}

/// One operation that takes a picture of any size and gives what the file does not say.
pub(crate) fn network_of_unknown_output(operation: &str) -> Vec<u8> {
    model(&[
        (NODE, node(operation, &["x"], "y", Vec::new())),
        (INPUT, value("x", wire::FLOAT, &[None, Some(3), None, None])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ])
}

fn model(graph: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut message = Vec::new();
    graph.iter().for_each(|(number, payload)| put(&mut message, *number, &[payload]));
    // IR version 8 and operator set 13, in front of and behind the graph.
    let mut model = vec![0x08, 8];
    put(&mut model, GRAPH, &[message]);
    put(&mut model, 8, &[[0x10, 13]]);
    model
}

fn lrn_model(channels: i64, attributes: Vec<Attribute>) -> Vec<u8> {
    let shape = [Some(1), Some(channels), Some(2), Some(2)];
    model(&[
        (GRAPH_NAME, b"one".to_vec()),
        (NODE, node("LRN", &["x"], "y", attributes)),
        (INPUT, value("x", wire::FLOAT, &shape)),
        (OUTPUT, value("y", wire::FLOAT, &shape)),
    ])
}

fn operations(model: &[u8]) -> Vec<String> {
    let nodes = wire::fields(graph(model).expect("a graph")).map(|field| field.expect("a field"));
    let nodes = nodes.filter(|field| field.number == NODE);
    nodes.map(|field| Node::decode(field.payload).expect("a node").operation).collect()
}

/// ONNX's definition, in 64-bit floats.
pub(crate) fn lrn_by_formula(x: &[f32], channels: usize, alpha: f64, beta: f64, bias: f64, size: usize) -> Vec<f64> {
    let plane = x.len() / channels;
    let square = |channel: usize, position: usize| f64::from(x[channel * plane + position]).powi(2);
    let mut y = Vec::with_capacity(x.len());
    for channel in 0..channels {
        let first = channel.saturating_sub((size - 1) / 2);
        let last = (channels - 1).min(channel + size / 2);
        for position in 0..plane {
            let sum: f64 = (first..=last).map(|neighbour| square(neighbour, position)).sum();
            let scale = bias + alpha / size as f64 * sum;
            y.push(f64::from(x[channel * plane + position]) / scale.powf(beta));
        }
    }
    y
}

/// The spelt-out graph run by rten, beside the formula, for numbers as large as GoogLeNet's activations get.
fn assert_exact(channels: usize, alpha: f32, bias: f32, size: i64) {
    let model = lrn_model(channels as i64, lrn_attributes(alpha, 0.75, bias, size));
    let rewritten = rewrite(&model, Form::Operations).expect("rewritten");
    let x: Vec<f32> = (0..channels * 4).map(|i| ((i * 37 % 101) as f32 - 50.0) * 9.0).collect();
    let loaded = rten::Model::load(rewritten).expect("rten knows every operation");
    let input = rten_tensor::NdTensorView::from_data([1, channels, 2, 2], x.as_slice());
    let output: rten_tensor::Tensor<f32> =
        loaded.run_one(input.into(), None).expect("it runs").try_into().expect("floats");
    let wanted = lrn_by_formula(&x, channels, alpha.into(), 0.75, bias.into(), size as usize);
    for (got, wanted) in output.into_data().into_iter().zip(wanted) {
        let error = (f64::from(got) - wanted).abs() / wanted.abs().max(1.0);
        assert!(error <= 1e-6, "{got} for {wanted}");
    }
}

#[test]
fn a_rewritten_lrn_gives_the_values_of_the_formula() {
    assert_exact(64, 1e-4, 1.0, 5);
    assert_exact(7, 0.5, 2.0, 3);
    assert_exact(3, 1e-3, 0.5, 9);
}

#[test]
fn an_even_window_reaches_one_further_up_than_down() {
    assert_exact(8, 0.1, 1.0, 4);
}

#[test]
fn for_a_runtime_that_takes_our_operator_it_is_one_node_and_its_domain_is_declared() {
    let attributes = || lrn_attributes(1e-4, 0.75, 2.0, 5);
    let unknown_channels = model(&[
        (NODE, node("Mystery", &["x"], "z", Vec::new())),
        (NODE, node("LRN", &["z"], "y", attributes())),
        (INPUT, value("x", wire::FLOAT, &[])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ]);
    let rewritten = rewrite(&unknown_channels, Form::Operators { convolution: false }).expect("rewritten");
    assert_eq!(operations(&rewritten), ["Mystery", normalisation::OPERATOR]);
    let sets = wire::fields(&rewritten).map(|field| field.expect("a field"));
    let sets = sets.filter(|field| field.number == wire::OPERATOR_SET);
    let sets: Vec<_> = sets.map(|field| OperatorSet::decode(field.payload).expect("a set").domain).collect();
    assert_eq!(sets, ["", DOMAIN]);

    let another_beta = lrn_model(4, lrn_attributes(1e-4, 0.5, 1.0, 5));
    assert_eq!(
        rewrite(&another_beta, Form::Operators { convolution: false }),
        Ok(another_beta),
        "nothing is declared that is not used"
    );
}

#[test]
fn all_but_the_lrn_is_passed_on_byte_for_byte() {
    let model = model(&[
        (GRAPH_NAME, b"kept".to_vec()),
        (NODE, node("Relu", &["x"], "y", Vec::new())),
        (INPUT, value("x", wire::FLOAT, &[Some(1)])),
        (OUTPUT, value("y", wire::FLOAT, &[Some(1)])),
        (99, b"a field from the future".to_vec()),
    ]);
    assert_eq!(rewrite(&model, Form::Operations), Ok(model));
}

#[test]
fn an_lrn_of_another_beta_or_of_unknown_channels_is_left_to_the_runtime() {
    assert_eq!(
        operations(&rewrite(&lrn_model(4, lrn_attributes(1e-4, 0.75, 1.0, 5)), Form::Operations).expect("well formed"))
            .len(),
        8
    );
    assert_eq!(
        operations(&rewrite(&lrn_model(4, lrn_attributes(1e-4, 0.5, 1.0, 5)), Form::Operations).expect("well formed")),
        ["LRN"]
    );
    let unknown = model(&[
        (NODE, node("Mystery", &["x"], "z", Vec::new())),
        (NODE, node("LRN", &["z"], "y", lrn_attributes(1e-4, 0.75, 1.0, 5))),
        (INPUT, value("x", wire::FLOAT, &[Some(1), Some(4), None, None])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ]);
    assert_eq!(operations(&rewrite(&unknown, Form::Operations).expect("well formed")), ["Mystery", "LRN"]);
}

#[test]
fn the_interface_is_read_without_a_runtime_and_constants_among_the_inputs_are_not_inputs() {
    let weight = TensorHead { sizes: vec![8, 3, 1, 1], element: wire::FLOAT, name: "w".to_owned() };
    let model = model(&[
        (NODE, node("Conv", &["data", "w"], "prob", Vec::new())),
        (INITIALIZER, weight.encode_to_vec()),
        (INPUT, value("data", wire::FLOAT, &[None, Some(3), Some(224), Some(224)])),
        (INPUT, value("w", wire::FLOAT, &[Some(8), Some(3), Some(1), Some(1)])),
        (OUTPUT, value("prob", wire::FLOAT, &[None, Some(1000)])),
    ]);
    let found = interface(&model).expect("well formed");
    assert_eq!((found.input.as_str(), found.output.as_str()), ("data", "prob"));
    assert_eq!(found.input_shape.to_string(), "[?, 3, 224, 224]");
    assert_eq!(found.output_shape, Shape(vec![None, Some(1000)]));
}

#[test]
fn what_is_no_network_is_said_to_be_none() {
    let fault = |bytes: &[u8]| interface(bytes).expect_err("no network").to_string();
    assert_eq!(fault(b""), "not an ONNX model: it has no graph");
    assert_eq!(fault(b"this is a text file, not a network\n"), "not an ONNX model");
    let mut cut = lrn_model(4, lrn_attributes(1e-4, 0.75, 1.0, 5));
    cut.truncate(cut.len() / 2);
    assert_eq!(fault(&cut), "not an ONNX model");
    let two = model(&[
        (NODE, node("Add", &["a", "b"], "y", Vec::new())),
        (INPUT, value("a", wire::FLOAT, &[])),
        (INPUT, value("b", wire::FLOAT, &[])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ]);
    assert_eq!(fault(&two), "it takes 2 inputs, one image is needed");
    let integers = model(&[
        (NODE, node("Relu", &["x"], "y", Vec::new())),
        (INPUT, value("x", 7, &[])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ]);
    assert_eq!(fault(&integers), "`x` is not a tensor of 32-bit floats");
}

const WITH_CONVOLUTION: Form = Form::Operators { convolution: true };

fn integers(name: &str, integers: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), integers: integers.to_vec(), kind: 7, ..Attribute::default() }
}

/// The attributes of a convolution that our operator does.
fn bordered() -> Vec<Attribute> {
    vec![integers("kernel_shape", &[3, 3]), integers("pads", &[1, 1, 1, 1])]
}

/// `x`, 32 channels, convolved to 64 by weights `w` of this size: `c`, and whatever nodes are behind it.
fn convolution_model(weights: [i64; 4], attributes: Vec<Attribute>, behind: &[(&str, &str, &str)]) -> Vec<u8> {
    let weight = |name: &str, sizes: &[i64]| {
        TensorHead { sizes: sizes.to_vec(), element: wire::FLOAT, name: name.to_owned() }.encode_to_vec()
    };
    let mut graph = vec![
        (INITIALIZER, weight("w", &weights)),
        (INITIALIZER, weight("b", &[weights[0]])),
        (NODE, node("Conv", &["x", "w", "b"], "c", attributes)),
    ];
    graph.extend(behind.iter().map(|(operation, input, output)| (NODE, node(operation, &[input], output, Vec::new()))));
    graph.push((INPUT, value("x", wire::FLOAT, &[Some(1), Some(weights[1]), Some(28), Some(28)])));
    graph.push((OUTPUT, value("y", wire::FLOAT, &[])));
    model(&graph)
}

#[test]
fn a_convolution_of_3_by_3_and_the_relu_behind_it_are_one_node_of_ours() {
    let model = convolution_model([64, 32, 3, 3], bordered(), &[("Relu", "c", "r"), ("Softmax", "r", "y")]);
    let rewritten = rewrite(&model, WITH_CONVOLUTION).expect("rewritten");
    assert_eq!(operations(&rewritten), [crate::operator::convolution::OPERATOR, "Softmax"]);
    let nodes = wire::fields(graph(&rewritten).expect("a graph")).map(|field| field.expect("a field"));
    let mut nodes = nodes.filter(|field| field.number == NODE);
    let ours = Node::decode(nodes.next().expect("a node").payload).expect("a node");
    assert_eq!((ours.inputs, ours.outputs), (vec!["x".into(), "w".into(), "b".into()], vec!["r".into()]));
    assert_eq!(ours.attributes[0].integer, 1);
    assert_eq!(rewrite(&model, Form::Operators { convolution: false }), Ok(model), "only where it is wanted");
}

#[test]
fn a_relu_stays_where_the_convolution_is_seen_by_others_as_well() {
    let ours = crate::operator::convolution::OPERATOR;
    let rewritten = |behind: &[(&str, &str, &str)]| {
        operations(
            &rewrite(&convolution_model([64, 32, 3, 3], bordered(), behind), WITH_CONVOLUTION).expect("rewritten"),
        )
    };
    assert_eq!(rewritten(&[("Relu", "c", "r"), ("Sigmoid", "c", "y")]), [ours, "Relu", "Sigmoid"]);
    assert_eq!(rewritten(&[("Sigmoid", "c", "y")]), [ours, "Sigmoid"]);
    // A node with a graph of its own may use any value in there.
    assert_eq!(rewritten(&[("Relu", "c", "r"), ("If", "r", "y")]), [ours, "Relu", "If"]);
    // The graph's output is seen by whoever runs it.
    let weights = TensorHead { sizes: vec![64, 32, 3, 3], element: wire::FLOAT, name: "w".to_owned() };
    let two_outputs = model(&[
        (INITIALIZER, weights.encode_to_vec()),
        (NODE, node("Conv", &["x", "w"], "c", bordered())),
        (NODE, node("Relu", &["c"], "y", Vec::new())),
        (OUTPUT, value("c", wire::FLOAT, &[])),
        (OUTPUT, value("y", wire::FLOAT, &[])),
    ]);
    assert_eq!(operations(&rewrite(&two_outputs, WITH_CONVOLUTION).expect("rewritten")), [ours, "Relu"]);
}

#[test]
fn a_convolution_of_another_kind_stays() {
    let with = |attribute| bordered().into_iter().chain([attribute]).collect();
    let group = Attribute { name: "group".to_owned(), integer: 2, kind: 2, ..Attribute::default() };
    let auto = Attribute { name: "auto_pad".to_owned(), kind: 3, ..Attribute::default() };
    let others: [([i64; 4], Vec<Attribute>); 10] = [
        ([64, 32, 5, 5], bordered()),
        ([64, 32, 3, 1], bordered()),
        ([64, 16, 3, 3], bordered()),
        ([16, 64, 3, 3], bordered()),
        ([64, 32, 3, 3], vec![integers("kernel_shape", &[3, 3])]),
        ([64, 32, 3, 3], vec![integers("kernel_shape", &[3, 3]), integers("pads", &[])]),
        ([64, 32, 3, 3], with(integers("strides", &[2, 2]))),
        ([64, 32, 3, 3], with(integers("dilations", &[1, 2]))),
        ([64, 32, 3, 3], with(group)),
        ([64, 32, 3, 3], with(auto)),
    ];
    for (weights, attributes) in others {
        let model = convolution_model(weights, attributes.clone(), &[("Softmax", "c", "y")]);
        assert_eq!(rewrite(&model, WITH_CONVOLUTION), Ok(model), "{weights:?} {attributes:?}");
    }
    let halves = model(&[
        (INITIALIZER, TensorHead { sizes: vec![64, 32, 3, 3], element: 10, name: "w".to_owned() }.encode_to_vec()),
        (NODE, node("Conv", &["x", "w"], "y", bordered())),
    ]);
    assert_eq!(rewrite(&halves, WITH_CONVOLUTION), Ok(halves), "weights of 16 bits");
    let unknown = model(&[(NODE, node("Conv", &["x", "w"], "y", bordered()))]);
    assert_eq!(rewrite(&unknown, WITH_CONVOLUTION), Ok(unknown), "weights that are no constant");
}

const OPERATORS: Form = Form::Operators { convolution: false };

/// `x` is made bytes, floats again, pooled, and made bytes: by which scale at either end.
fn pooling_model(before: &str, after: &str, attributes: Vec<Attribute>) -> Vec<u8> {
    let shape = [Some(1), Some(2), Some(7), Some(7)];
    let zero = TensorHead { name: "zero".to_owned(), element: wire::BYTE, sizes: Vec::new() };
    model(&[
        (NODE, node("QuantizeLinear", &["x", before, "zero"], "bytes", Vec::new())),
        (NODE, node("DequantizeLinear", &["bytes", before, "zero"], "floats", Vec::new())),
        (NODE, node("MaxPool", &["floats"], "pooled", attributes)),
        (NODE, node("QuantizeLinear", &["pooled", after, "zero"], "y", Vec::new())),
        (INITIALIZER, zero.encode_to_vec()),
        (INPUT, value("x", wire::FLOAT, &shape)),
        (OUTPUT, value("y", wire::BYTE, &shape)),
    ])
}

fn three_by_three() -> Vec<Attribute> {
    vec![integers("kernel_shape", &[3, 3]), integers("strides", &[2, 2]), integers("pads", &[0, 0, 1, 1])]
}

#[test]
fn bytes_are_pooled_without_the_detour_over_floats() {
    let rewritten = rewrite(&pooling_model("scale", "scale", three_by_three()), OPERATORS).expect("rewritten");
    assert_eq!(operations(&rewritten), ["QuantizeLinear", "MaxPoolOfBytes"]);
}

/// The largest of floats is made the same byte as is the largest of their bytes.
#[test]
fn floats_are_made_bytes_before_they_are_pooled() {
    let rewritten = rewrite(&pooling_model("one", "another", three_by_three()), OPERATORS).expect("rewritten");
    let as_it_is = ["QuantizeLinear", "DequantizeLinear"];
    assert_eq!(operations(&rewritten), [&as_it_is[..], &["QuantizeLinear", "MaxPoolOfBytes"]].concat());
}

#[test]
fn a_pooling_of_another_kind_is_left_to_the_runtime() {
    let with = |attribute: Attribute| {
        let mut attributes = three_by_three();
        attributes.retain(|kept| kept.name != attribute.name);
        attributes.push(attribute);
        attributes
    };
    let integer = |name: &str, integer| Attribute { name: name.to_owned(), integer, kind: 2, ..Attribute::default() };
    let others = [
        integers("kernel_shape", &[3, 2]),
        integers("strides", &[2, 1]),
        integers("pads", &[1, 0, 1, 1]),
        integers("pads", &[3, 3, 0, 0]),
        integers("dilations", &[2, 2]),
        integer("ceil_mode", 1),
    ];
    for other in others {
        let model = pooling_model("scale", "scale", with(other.clone()));
        let rewritten = rewrite(&model, OPERATORS).expect("rewritten");
        assert!(operations(&rewritten).contains(&"MaxPool".to_owned()), "{other:?}");
    }
    let operations_only =
        rewrite(&pooling_model("scale", "scale", three_by_three()), Form::Operations).expect("rewritten");
    assert!(operations(&operations_only).contains(&"MaxPool".to_owned()));
}
