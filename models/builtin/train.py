#!/usr/bin/env python3
"""Trains the built-in model: a small convolutional network for CIFAR-10's ten classes, and writes it as ONNX.

    cargo build --release -p manyeyes-picture --example squares
    pip install torch onnx numpy
    models/builtin/train.py --pictures FOLDER --work WORK

FOLDER holds `train/<class>/*.jpg` and `test/<class>/*.jpg`; any pictures and any class names will do. CIFAR-10 itself, as
numbers rather than as JPEG files, is at https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009).

Pixels are decoded by the project's own code, not by Python's: the two differ in how they enlarge a JPEG's halved colours,
and the network should see here what it will see later. WORK keeps the pixels and a checkpoint of each epoch; started
again, it goes on from the last one. It never runs in CI: README.md beside it says how long it takes and what came out.
"""

import argparse
import math
import pathlib
import subprocess
import time

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIDE = 32
PATCH = 2
WIDTHS = (64, 128, 184)
BATCH = 500
PEAK_LEARNING_RATE = 0.4
WARM_UP = 0.2
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1
SHIFT = 4
HOLE = 8
LOGIT_SCALE = 0.125
OPSET = 20

here = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=pathlib.Path, required=True, help="train/<class>/*.jpg and test/<class>/*.jpg")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="keeps pixels and checkpoints")
    parser.add_argument("--squares", type=pathlib.Path, default=here / "../../target/release/examples/squares")
    parser.add_argument("--onnx", type=pathlib.Path, default=here / "cifar10.onnx")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.work.mkdir(parents=True, exist_ok=True)

    classes = sorted(folder.name for folder in (arguments.pictures / "train").iterdir() if folder.is_dir())
    train, test = (load(arguments, part, classes) for part in ("train", "test"))
    mean, std = train[0].float().mean((0, 2, 3)), train[0].float().std((0, 2, 3))
    network = Network(len(classes)).to(memory_format=torch.channels_last)
    network.whiten(normalised(train[0][:5000], mean, std))
    fit(network, train, test, mean, std, arguments)

    predicted = predict(network, test[0], mean, std, mirrored_too=True)
    print(f"top-1 on {len(test[1])} test pictures, in Python: {(predicted == test[1]).float().mean():.2%}")
    model = to_onnx(network)
    arguments.onnx.write_bytes(model.SerializeToString())
    print(f"{arguments.onnx}: {arguments.onnx.stat().st_size} bytes, classes {', '.join(classes)}")
    print(f"mean {[round(value, 3) for value in mean.tolist()]}, std {[round(value, 3) for value in std.tolist()]}")


def load(arguments, part, classes):
    """The pictures of one part as `[N, 3, 32, 32] u8` and their classes as positions in `classes`, `[N] i64`."""
    paths, labels = [], []
    for position, name in enumerate(classes):
        found = sorted((arguments.pictures / part / name).iterdir())
        paths += found
        labels += [position] * len(found)
    kept = arguments.work / f"{part}.rgb"
    if not kept.exists():
        names = "".join(f"{path}\n" for path in paths)
        squares = subprocess.run([arguments.squares, str(SIDE)], input=names.encode(), stdout=subprocess.PIPE, check=True)
        kept.write_bytes(squares.stdout)
    pixels = np.fromfile(kept, dtype=np.uint8).reshape(len(paths), SIDE, SIDE, 3)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def normalised(pixels, mean, std):
    values = (pixels.float() - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    return values.contiguous(memory_format=torch.channels_last)


class Layer(nn.Module):
    """Convolution 3x3, pooled where asked, normalised over the batch, GELU."""

    def __init__(self, inputs, outputs, pooled):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.pooled = pooled

    def forward(self, values):
        values = self.convolution(values)
        if self.pooled:
            values = F.max_pool2d(values, 2)
        return F.gelu(self.norm(values))


class Network(nn.Module):
    """Whitened 2x2 patches, then stages that halve the sides, the first two with a residual layer; the largest value of
    each channel goes to the classes."""

    def __init__(self, classes):
        super().__init__()
        patches = 2 * 3 * PATCH * PATCH
        self.patches = nn.Conv2d(3, patches, PATCH)
        stages, inputs = [], patches
        for position, width in enumerate(WIDTHS):
            layers = [Layer(inputs, width, pooled=True), Layer(width, width, pooled=False)]
            if position < 2:
                layers.append(Layer(width, width, pooled=False))
            stages.append(nn.ModuleList(layers))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.classes = nn.Linear(inputs, classes, bias=False)

    def whiten(self, pictures):
        """Sets the first layer, for good, to the principal components of small patches, each scaled to variance one and
        in both signs (Page, "How to train your ResNet 8", 2019; Jordan, arXiv:2404.00498, 2024)."""
        patches = F.unfold(pictures, PATCH).permute(0, 2, 1).reshape(-1, 3 * PATCH * PATCH)
        values, vectors = torch.linalg.eigh(patches.T.cov())
        filters = (vectors / torch.sqrt(values + 5e-4)).T.reshape(-1, 3, PATCH, PATCH)
        with torch.no_grad():
            self.patches.weight.copy_(torch.cat((filters, -filters)))
            self.patches.bias.zero_()
        self.patches.weight.requires_grad_(False)

    def forward(self, pictures):
        values = F.gelu(self.patches(pictures))
        for layers in self.stages:
            values = layers[1](layers[0](values))
            if len(layers) == 3:
                values = values + layers[2](values)
        return self.classes(values.amax((2, 3))) * LOGIT_SCALE


def fit(network, train, test, mean, std, arguments):
    pixels, labels = train
    steps = arguments.epochs * (len(labels) // BATCH)
    decayed = [p for p in network.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=PEAK_LEARNING_RATE, momentum=MOMENTUM, nesterov=True)
    rise = WARM_UP * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / rise, max(0.0, (steps - step) / (steps - rise)))
    )
    first = 0
    checkpoint = arguments.work / "checkpoint.pt"
    if checkpoint.exists():
        kept = torch.load(checkpoint)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        first = kept["epoch"]
    # Half of the pictures are mirrored in one epoch, the other half in the next (Jordan 2024).
    mirrored_first = torch.rand(len(labels), generator=torch.Generator().manual_seed(arguments.seed)) < 0.5
    for epoch in range(first, arguments.epochs):
        generator = torch.Generator().manual_seed(arguments.seed * 10_000 + epoch)
        began, total = time.monotonic(), 0.0
        network.train()
        order = torch.randperm(len(labels), generator=generator)
        for chosen in order[: len(labels) // BATCH * BATCH].split(BATCH):
            batch = augmented(pixels[chosen], mirrored_first[chosen] ^ bool(epoch % 2), generator)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(normalised(batch, mean, std))
            loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=LABEL_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
        torch.save(state | {"epoch": epoch + 1}, checkpoint)
        right = (predict(network, test[0], mean, std) == test[1]).float().mean()
        took = time.monotonic() - began
        print(f"epoch {epoch + 1:3}  loss {total / len(labels):.4f}  test {right:.2%}  {took:.0f} s", flush=True)


def augmented(pixels, mirrored, generator):
    """Mirrored where asked, shifted by up to 4 pixels, with a square hole. `[N, 3, 32, 32] u8` in and out."""
    count = len(pixels)
    pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    padded = F.pad(pixels.float(), (SHIFT,) * 4, mode="reflect").to(torch.uint8)
    out = torch.empty_like(pixels)
    shifts = torch.randint(0, 2 * SHIFT + 1, (count, 2), generator=generator)
    for down in range(2 * SHIFT + 1):
        for right in range(2 * SHIFT + 1):
            chosen = (shifts[:, 0] == down) & (shifts[:, 1] == right)
            out[chosen] = padded[chosen][:, :, down : down + SIDE, right : right + SIDE]
    top, left = (torch.randint(0, SIDE - HOLE + 1, (count, 1), generator=generator) for _ in range(2))
    along = torch.arange(SIDE).view(1, -1)
    rows, columns = (along >= top) & (along < top + HOLE), (along >= left) & (along < left + HOLE)
    hole = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)
    return torch.where(hole, torch.full((), 120, dtype=torch.uint8), out)


@torch.no_grad()
def predict(network, pixels, mean, std, mirrored_too=False):
    """The class of each picture, `[N] i64`; by the sum over the picture and its mirror image, as the ONNX file has it."""
    network.eval()
    found = []
    for batch in pixels.split(1000):
        logits = network(normalised(batch, mean, std))
        if mirrored_too:
            logits += network(normalised(batch.flip(3), mean, std))
        found.append(logits.argmax(1))
    return torch.cat(found)


@torch.no_grad()
def to_onnx(network):
    """The network as ONNX, `[1, 3, 32, 32] f32` in, one logit a class out. Norms are folded where that is exact."""
    nodes, weights = [], []
    # Said in full, although ONNX has defaults: rten asks for them.
    plain = {"strides": [1, 1], "dilations": [1, 1]}
    same, alone = plain | {"pads": [1] * 4}, plain | {"pads": [0] * 4}

    def constant(name, tensor):
        weights.append(numpy_helper.from_array(tensor.contiguous().float().numpy(), name))
        return name

    def add(kind, name, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def layer(name, module, value):
        norm = module.norm
        if module.pooled:
            # Not folded: the largest of scaled values is the scaled largest only where the scale is not negative.
            value = add("Conv", f"{name}.conv", value, constant(f"{name}.weight", module.convolution.weight), **same)
            value = add("MaxPool", f"{name}.pool", value, kernel_shape=[2, 2], strides=[2, 2])
            numbers = {"scale": norm.weight, "shift": norm.bias, "mean": norm.running_mean, "variance": norm.running_var}
            numbers = [constant(f"{name}.{part}", tensor) for part, tensor in numbers.items()]
            value = add("BatchNormalization", f"{name}.norm", value, *numbers, epsilon=norm.eps)
        else:
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = constant(f"{name}.weight", module.convolution.weight * scale.view(-1, 1, 1, 1))
            bias = constant(f"{name}.bias", norm.bias - norm.running_mean * scale)
            value = add("Conv", f"{name}.conv", value, weight, bias, **same)
        return add("Gelu", f"{name}.gelu", value)

    # The picture and its mirror image pass as a batch of two, and the answer is the mean of theirs.
    weights.append(numpy_helper.from_array(np.arange(SIDE, dtype=np.int64)[::-1].copy(), "right-to-left"))
    value = add("Gather", "mirrored", "picture", "right-to-left", axis=3)
    value = add("Concat", "both", "picture", value, axis=0)
    filters = constant("patches.weight", network.patches.weight), constant("patches.bias", network.patches.bias)
    value = add("Conv", "patches.conv", value, *filters, **alone)
    value = add("Gelu", "patches.gelu", value)
    for position, layers in enumerate(network.stages):
        value = layer(f"stage{position}.0", layers[0], value)
        value = layer(f"stage{position}.1", layers[1], value)
        if len(layers) == 3:
            value = add("Add", f"stage{position}.sum", value, layer(f"stage{position}.2", layers[2], value))
    value = add("GlobalMaxPool", "largest", value)
    value = add("Flatten", "flat", value)
    value = add("Gemm", "logits-of-both", value, constant("classes.weight", network.classes.weight * LOGIT_SCALE), transB=1)
    weights.append(numpy_helper.from_array(np.array([0], dtype=np.int64), "batch"))
    add("ReduceMean", "logits", value, "batch", keepdims=1)

    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, network.classes.out_features])
    graph = helper.make_graph(nodes, "manyeyes-builtin", [picture], [logits], weights)
    # 9: what both engines read.
    model = helper.make_model(graph, producer_name="manyeyes", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
