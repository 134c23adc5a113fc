"""Write a trained generator as one web page, which draws with it in the reader's browser.

    python tools/page.py pretrained/cgan_mnist.h5 --out cgan.html
    python tools/page.py runs/mnist_gan                             # the best snapshot of a run

The page is page.html, beside this file, with the generator put in: what it is and the steps it
takes, as JSON, and their weights, as base64. A layer becomes a step; one that only changes shapes,
or acts in training alone, becomes none, for all numbers keep their places. Weights are float16,
those of each channel divided by the largest, which is kept as float32: so they lose a 2,000th at
most. A BatchNormalization right behind a matrix changes that factor and the bias alone.
"""

import argparse
import base64
import functools
import json
import math
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import generate
import generator_files
from generator_files import GeneratorFileError, plain
from latent import generate_latent_points

fail = functools.partial(generate.fail, program="page.py")

# Layers that keep all numbers in their places while a generator draws.
KEEPING = "Reshape Flatten Dropout SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise"
# Settings of which the page knows one value.
USUAL = {"groups": 1, "dilation_rate": 1, "data_format": "channels_last", "max_value": None}
USUAL |= {"interpolation": "nearest", "threshold": 0, "quantization_mode": None}


def refuse(layer, why=""):
    name = plain(type(layer).__name__) + why
    raise GeneratorFileError(f"a page cannot draw with the layer {name} ({plain(layer.name)})")


def add_activation(steps, layer, activation, source):
    """Add the step of an activation, a function or a layer; return the number of its result."""
    name = getattr(activation, "__name__", type(activation).__name__)
    slope = getattr(activation, "negative_slope", {"relu": 0, "leaky_relu": 0.2}.get(name))
    if name == "linear":
        return source
    if slope is None and name not in ("tanh", "sigmoid"):
        refuse(layer, f" with the activation {plain(name)}")
    steps.append({"kind": name if slope is None else "leaky", "from": [source], "slope": slope})
    return len(steps) - 1


def add_layer(steps, layer, sources, shapes, shape):
    """Add the steps of a Keras layer to a list; return the number of the one with its result.

    `sources` are the steps whose results it takes, `shapes` and `shape` those of inputs and output.
    """
    name = type(layer).__name__
    activation = layer if name in ("LeakyReLU", "ReLU") else getattr(layer, "activation", None)
    for part in (layer, activation):
        for key, usual in USUAL.items():
            if {*np.ravel(getattr(part, key, usual)).tolist()} != {usual}:
                refuse(layer, f" with {key} {plain(getattr(part, key))}")
    if None in sum(shapes, shape) or name == "Multiply" and {*shapes} != {shape}:
        refuse(layer, f" of shapes {shapes}")
    if name in KEEPING.split():
        return sources[0]
    step = {"kind": name, "from": sources}
    if name in ("Dense", "Embedding", "Conv2D", "Conv2DTranspose"):
        kernel = (layer.embeddings if name == "Embedding" else layer.kernel).numpy()
        if kernel.ndim == 4:  # (height, width, in, out) or (..., out, in) -> (in, ..., out)
            kernel = np.moveaxis(kernel, 3 if name == "Conv2DTranspose" else 2, 0)
        scale = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
        scale[scale == 0] = 1
        bias = layer.bias.numpy() if getattr(layer, "use_bias", False) else np.zeros(len(scale))
        matrix = (kernel / scale).reshape(len(kernel), -1)  # a row for each channel that comes in
        step |= {"matrix": matrix, "scale": scale, "bias": bias, "pads": (0, 0)}
        step["strides"] = getattr(layer, "strides", (1, 1))
        n = math.prod(shape) // len(scale)  # pixels, that Dense works on one by one
        step |= {"input": (1, n, len(kernel)), "shape": (1, n, len(scale)), "kernel": (1, 1)}
    if name.startswith("Conv2D"):
        step |= {"input": shapes[0], "shape": shape, "kernel": layer.kernel_size}
        if layer.padding == "same":
            sides = zip(*sorted((shapes[0], shape)), layer.kernel_size, layer.strides)  # noqa: B905
            step["pads"] = [max((n - 1) * s + k - m, 0) // 2 for n, m, k, s in sides]
    elif name == "BatchNormalization":
        if layer.axis not in (-1, len(shape)):
            refuse(layer, f" with axis {layer.axis}")
        scale = layer.gamma.numpy() if layer.scale else 1
        scale = scale / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
        bias = (layer.beta.numpy() if layer.center else 0) - layer.moving_mean.numpy() * scale
        step |= {"scale": scale, "bias": bias}
    elif name == "UpSampling2D":
        step |= {"input": shapes[0], "size": layer.size}
    elif name == "Concatenate":
        axis = layer.axis % (len(shape) + 1) - 1  # not counting the batch
        step |= {"runs": [math.prod(part[axis:]) for part in shapes]}  # that stay in one piece
    elif name not in ("Dense", "Embedding", "Multiply", "Activation") and activation is not layer:
        refuse(layer)
    if name != "Activation" and activation is not layer:
        steps.append(step)
        sources = [len(steps) - 1]
    return add_activation(steps, layer, activation, sources[0]) if activation else sources[0]


def trace(tensor, known, steps):
    """Return the step that gives a symbolic tensor, of those `known` by id or after adding it."""
    if id(tensor) not in known:
        layer, call, position = tensor._keras_history
        inputs = layer._inbound_nodes[call].input_tensors
        sources = [trace(x, known, steps) for x in inputs]
        if hasattr(layer, "layers"):  # a model inside the model
            inner = {id(x): k for x, k in zip(layer.inputs, sources, strict=True)}
            known[id(tensor)] = trace(layer.outputs[position], inner, steps)
        else:
            shapes = [tuple(x.shape[1:]) for x in (*inputs, tensor)]
            known[id(tensor)] = add_layer(steps, layer, sources, shapes[:-1], shapes[-1])
    return known[id(tensor)]


def fold(steps):
    """Put each BatchNormalization into the matrix right before it, if nothing else uses that."""
    uses = [k for step in steps for k in step["from"]]
    for step in (x for x in steps if x["kind"] == "BatchNormalization"):
        before = steps[step["from"][0]]
        # A Reshape may stand between: channels come last, so each has every n-th column.
        n, rest = divmod(len(before["bias"]) if "matrix" in before else 0, len(step["bias"]))
        if n and not rest and uses.count(step["from"][0]) == 1:
            scale, bias = (np.tile(step.pop(key), n) for key in ("scale", "bias"))
            before["scale"], before["bias"] = before["scale"] * scale, before["bias"] * scale + bias
            step["kind"] = "Same"


def describe(model, about):
    """Return what the page is to know of a generator, a dict for JSON, and the weights as bytes."""
    inputs, kinds = generator_files.find_inputs(model), ("normal", "uniform", "one-hot")
    steps, singles, halves = [{"kind": kind, "from": []} for kind in ("Latent", "Label")], {}, {}
    sys.setrecursionlimit(20_000)  # trace() goes as deep as the model
    known = {id(model.inputs[k]): n for n, k in enumerate(inputs) if k is not None}
    content = {"last": trace(model.outputs[0], known, steps), "steps": steps}
    fold(steps)
    for step in steps:
        step["columns"] = len(step.get("bias", []))
        for key in [key for key in ("matrix", "scale", "bias") if key in step]:
            pool, kind = (halves, "<f2") if key == "matrix" else (singles, "<f4")
            data = step[key].astype(kind).tobytes()  # equal ones are stored once
            step[key] = pool.setdefault(data, sum(map(len, pool)) // int(kind[2]))
    classes, scores = about["classes"], about.get("scores")
    names = "frechet precision recall coverage agreement".split() * isinstance(scores, dict)
    scores = {k: x for k in names if type(x := scores.get(k)) is float and math.isfinite(x)}
    if about["pixel_range"] is None:  # as generate.py guesses it
        points = generate_latent_points(about["latent"], range(1, 26))
        images = generate.run_model(model, points, np.arange(25) % max(classes, 1), *inputs)
        about["pixel_range"] = low, _ = (-1 if images.min() < -0.2 else 0), 1
        generate.warn(f"the range of the pixels is guessed: {low} to 1", "page.py")
    content |= {"singles": sum(map(len, singles)) // 4, "scores": scores, "kind": about["kind"]}
    content |= {"shape": generator_files.image_shape(model.output_shape), "classes": classes}
    content |= {"range": about["pixel_range"], "names": [plain(x) for x in about["class_names"]]}
    content |= {key: plain(about.get(key, "")) for key in ("script", "epoch")}
    tutorials = json.loads(Path(__file__).with_name("tutorials.json").read_text())
    content["tutorial"] = tutorials.get(content["script"])  # its name and, where known, its address
    content |= {x: generator_files.part_columns(about["latent"], x) for x in kinds}
    order = np.argsort(about.get("map") or range(classes))  # the category of each class
    content |= {"order": order.tolist(), "codes": generator_files.code_columns(about)}
    return content | {"parameters": model.count_params()}, b"".join([*singles, *halves])


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    parser = argparse.ArgumentParser("page.py", description=__doc__.splitlines()[0])
    parser.error = fail
    add = parser.add_argument
    add("model", metavar="MODEL.h5|RUN", type=Path, help="generator, or a run: its best, or last")
    add("--out", metavar="FILE.html", type=Path, help="the page (default: beside the generator)")
    args = parser.parse_args(argv)
    try:
        path, meaning = generate.choose_snapshot(args.model)
        out = args.out or path.with_suffix(".html")
        if out.suffix.lower() != ".html" or not os.access(out.absolute().parent, os.W_OK):
            fail(f"cannot write {out}: give a name that ends in .html, in a folder to write to")
        model, about = generator_files.open_generator(path)
        about = generator_files.check_description(path, about | meaning)
        content, weights = describe(model, about)
        text = json.dumps(content | {"file": plain(path.name)}).replace("<", "\\u003c")
        page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        page = page.replace("{{weights}}", base64.b64encode(weights).decode())
        with generator_files.replacing(out) as part:
            part.write_text(page.replace("{{content}}", text), encoding="utf-8")
    except GeneratorFileError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror or error}")
    print(f"{out}, {out.stat().st_size / 2**20:.1f} MB: open it in a browser")


if __name__ == "__main__":
    main()
