"""tools/page.py: its pages draw what generate.py draws. Chromium is started once."""

import copy
import importlib
import inspect
import json
import math
import re

import keras
import numpy as np
import page
import page_steps
import pytest
from conftest import ROOT
from generators import INFOGAN, in_tmp_path, write_account  # noqa: F401
from helpers import COLOUR, INFOGANS, PATHS
from keras import layers
from keras2_files import (
    acgan_generator,
    cifar_generator,
    keras2_acgan,
    keras2_cifar,
    keras2_file,
    keras2_mnist,
    keras2_sequential,
    mnist_generator,
    weights_of,
)
from pages import SEEDS, drawn, engine, expected, in_square, make, same

from sampling import points
from sampling.describe import describe, leaf_layers

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
import browser as chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium.running(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def bench(browser, tmp_path):
    """An empty page that has the engine, and no generator."""
    (tmp_path / "blank.html").write_text("<p>")
    browser.open(tmp_path / "blank.html")
    browser.run(f"{engine()}; 0")
    return browser


def disturb(model):
    """Give a generator statistics that are not the identity, and images that have contrast."""
    rng = np.random.default_rng(5)
    found = leaf_layers(model)
    for variable in (v for layer in found for v in layer.variables):
        numbers = rng.normal(0, 0.3, variable.shape)
        if re.search("variance|gamma", variable.path):
            variable.assign(np.abs(1 + numbers) + 0.05)
        elif not re.search("kernel|embeddings", variable.path):
            variable.assign(numbers)
    feed = [rng.normal(size=(8, *x.shape[1:])) for x in model.inputs]
    feed = [np.arange(8)[:, None] if x.shape == (8, 1) else x for x in feed]
    limits = (keras.activations.tanh, keras.activations.sigmoid)
    end = [layer for layer in found if getattr(layer, "activation", None) in limits][-1]
    activation = end.activation
    end.activation = keras.activations.linear
    values = model(feed if len(feed) > 1 else feed[0]).numpy()
    end.activation = activation
    last = [layer for layer in found if hasattr(layer, "kernel")][-1]
    factor = 1.5 / values.std()
    middle = values.mean() - last.bias.numpy().mean()
    last.kernel.assign(last.kernel * factor)
    last.bias.assign(np.full(last.bias.shape, -factor * middle))
    return model


# ---- points --------------------------------------------------------------------------------------


PLACES = [[0, 0], [1, 0], [0, 1], [1, 1], [0.25, 0.75], [0.5, 0.5], [0.9, 0.2]]


def test_seeds_are_those_of_numpy(bench):
    """Points of seeds, and between two and four, to the last bit but for the sines between them."""
    parts = [{"size": 3, "distribution": "uniform"}, {"size": 4, "distribution": "one-hot"}]
    parts += [{"size": 101, "distribution": "normal"}, {"size": 2, "distribution": "uniform"}]
    parts += [{"size": 700, "distribution": "normal"}]
    kinds = ("normal", "uniform", "one-hot")
    columns = {kind: points.part_columns(parts, kind) for kind in kinds}
    seeds = [*SEEDS, 12_345, 2**32 - 1, *range(100, 130)]
    found, way, square = bench.run(
        f"""content = {json.dumps(columns)};
        [{seeds}.map(seed => [...latentPoint(seed)]),
         [0, 0.3, 1].map(t => [...pointAt([3, 7], [t, 0])]),
         {PLACES}.map(place => [...pointAt([3, 7, 8, 2], place)])]"""
    )
    np.testing.assert_array_equal(np.float32(found), points.generate_latent_points(parts, seeds))
    ends = points.generate_latent_points(parts, [3, 7])
    wanted = [points.between(*ends, t, parts) for t in (0, 0.3, 1)]
    np.testing.assert_allclose(way, wanted, rtol=0, atol=1e-6)
    corners = points.generate_latent_points(parts, [3, 7, 8, 2])
    wanted = [in_square(corners, place, parts) for place in PLACES]
    np.testing.assert_allclose(square, wanted, rtol=0, atol=1e-6)


# ---- whole generators ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PATHS)
def test_generators_of_the_scripts(name, browser, tmp_path):
    script = importlib.import_module(name)
    path = tmp_path / "g.h5"
    size = script.DEFAULTS["latent_dim"]
    if name == "infogan_mnist":
        size += 12  # with the codes
    model = disturb(script.define_generator(size))
    about = describe(model) | {"script": f"{name}.py", "epoch": 1}
    about["pixel_range"] = about["pixel_range"] or (-1, 1)
    if name in INFOGANS:  # as evaluate.py leaves it
        about |= copy.deepcopy(INFOGAN)
        about |= {"map": [3, 1, 4, 0, 5, 9, 2, 6, 8, 7], "class_names": [*"abcdefghij"]}
        about["latent"][0]["size"] = model.inputs[0].shape[1] - 12
    model.save(path)
    write_account(path, about)
    same(browser, path, [k % max(about["classes"], 1) for k in range(len(SEEDS))])
    assert page.Path("page.html").stat().st_size <= 1.4 * 2 * model.count_params() + 100_000
    assert browser.run("find('facts').textContent").startswith(f"fileg.h5script{name}.pyepoch1")
    assert browser.run("codes.length") == (2 if name in INFOGANS else 0)
    assert browser.run("channels") == (3 if name in COLOUR else 1)


@pytest.mark.parametrize("name", ["mnist", "cifar", "acgan"])
def test_files_of_keras2(name, browser, tmp_path):
    build, version, described = {
        "mnist": (mnist_generator, "2.2.2", lambda v: keras2_sequential(v, keras2_mnist(v))),
        "cifar": (cifar_generator, "2.12.0", lambda v: keras2_sequential(v, keras2_cifar(v))),
        "acgan": (acgan_generator, "2.2.4-tf", lambda v: keras2_acgan(v, ["input_1", "input_2"])),
    }[name]
    model = disturb(build())
    path = tmp_path / "old.h5"
    keras2_file(path, version, described(version), weights_of(model))
    same(browser, path, [0, 3, 9, 5] if name == "acgan" else [0] * 4)
    assert browser.run("title") == "old.h5"


def odd_model():
    """Build a generator with what the scripts do without: odd kernels, strides, shapes, models."""
    noise = keras.Input((12,))
    label = keras.Input((1,))
    inner = keras.Sequential([layers.Input((12,)), layers.Dense(12), layers.BatchNormalization()])
    x = layers.Dense(12, activation="relu")(layers.Flatten()(layers.Embedding(10, 12)(label)))
    x = layers.Multiply()([inner(inner(noise)), x])
    x = layers.Reshape((3, 4, 1))(layers.Dropout(0.5)(x))
    a = layers.Conv2DTranspose(5, (5, 2), (2, 3), "same")(x)  # 6x12x5
    b = layers.BatchNormalization(scale=False)(layers.ReLU(negative_slope=0.1)(a))
    a = layers.BatchNormalization(center=False)(a)  # not the only use of that convolution
    a = layers.Concatenate(axis=1)([a, b, a])  # 18x12x5
    a = layers.Conv2D(6, (4, 3), (2, 1), "same", use_bias=False)(a)  # 9x12x6
    a = layers.LeakyReLU(0.3)(layers.BatchNormalization()(layers.Reshape((9, 24, 3))(a)))
    a = layers.Conv2DTranspose(3, 2, (3, 1), activation="leaky_relu")(a)  # 27x25x3
    b = layers.Conv2D(2, (5, 4), activation="sigmoid")(layers.UpSampling2D((3, 2))(x))  # 5x5x2
    b = layers.Conv2DTranspose(2, (3, 5), 5)(b)  # 25x25x2
    a = layers.Concatenate()([layers.Conv2D(3, (3, 1), padding="valid")(a), b])  # 25x25x5
    a = layers.Dense(3, activation="tanh")(a)
    return keras.Model([label, noise], layers.Activation("tanh")(layers.Conv2D(1, 1)(a)))


def test_a_model_of_odd_layers(browser, tmp_path):
    path = tmp_path / "odd.h5"
    disturb(odd_model()).save(path)
    same(browser, path, [0, 3, 9, 5])
    kinds = browser.run("content.steps.map(step => step.kind)")
    assert kinds.count("Same") == 3 and kinds.count("BatchNormalization") == 2


def test_the_square_between_four_seeds(browser):
    path = ROOT / "pretrained/cgan_mnist.h5"
    browser.open(make(path))
    found = browser.run(
        f"""(async () => {{
          small.surface = small.sheet = [];
          const images = [];
          for (const place of {PLACES}) {{
            const image = await ask({{ seeds: cornersFrom(1), place, label: 5, codes }});
            images.push([...image.pixels]);
          }}
          return images;
        }})()"""
    )
    wanted = [expected(path, [1, 2, 3, 4], [5], place=place)[0] for place in PLACES]
    assert np.abs(np.array(found) - np.rint(wanted)).max() <= 1
    assert np.std(wanted, axis=0).max() > 50  # no two are alike


# ---- activations ---------------------------------------------------------------------------------

FUNCTIONS = [*page_steps.FUNCTION_SLOPES, *page_steps.POINTWISE, "elu", "linear"]
SLOPES = keras.initializers.RandomUniform(0.1, 0.9, seed=1)
WITH_SETTINGS = {
    "ELU": layers.ELU(0.7),
    "LeakyReLU": layers.LeakyReLU(0.3),
    "ReLU": layers.ReLU(),
    "ReLU with a slope": layers.ReLU(negative_slope=0.2),
    "ReLU with a top": layers.ReLU(max_value=0.8),
    "ReLU with a threshold": layers.ReLU(threshold=0.4),
    "ReLU with all": layers.ReLU(max_value=1.5, negative_slope=0.3, threshold=0.5),
    "ReLU with a low top": layers.ReLU(max_value=0.2, negative_slope=0.3, threshold=0.5),
    "PReLU": layers.PReLU(SLOPES),
    "PReLU of each channel": layers.PReLU(SLOPES, shared_axes=[1, 2]),
    "PReLU of each row": layers.PReLU(SLOPES, shared_axes=[2, 3]),
    "PReLU of all": layers.PReLU(SLOPES, shared_axes=[1, 2, 3]),
    "a layer in a layer": layers.Conv2D(2, 1, activation=layers.ELU(0.4)),
}


def test_the_functions_of_the_activations(bench):
    """Those without settings, of numbers small and large, as Keras calculates them."""
    values = np.float32([*np.linspace(-12, 12, 1201), -1000, -100, -1e-3, 1e-3, 70])
    found = bench.run(
        f"""{json.dumps(page_steps.POINTWISE)}.map(kind =>
          [...Float32Array.from({values.tolist()}, v => ACTIVATIONS[kind](v))])"""
    )
    for name, numbers in zip(page_steps.POINTWISE, found, strict=True):
        wanted = keras.activations.get(name)(values).numpy()
        np.testing.assert_allclose(np.float32(numbers), wanted, 2e-6, 1e-5, err_msg=name)


def test_no_activation_is_missing():
    """Keras has no others that work on each number alone, and that a file can name."""
    of_several = {"glu", "log_softmax", "softmax", "sparsemax"}
    never_stored = {"threshold"}  # it needs settings, of which a file has none
    about_them = {"deserialize", "get", "serialize"}
    named = {x.__name__ for x in vars(keras.activations).values() if inspect.isfunction(x)}
    assert named == {*FUNCTIONS, *of_several, *never_stored, *about_them}


def test_images_of_the_activations(browser):
    """An image of 72 pixels for each, behind one another."""
    branches = {name: layers.Activation(name) for name in FUNCTIONS} | WITH_SETTINGS
    noise = keras.Input((20,))
    dense = layers.Dense(72)
    image = layers.Reshape((6, 6, 2))(dense(noise))
    # Exact in 16 bits: no rounding must move a number over a threshold.
    kernel = np.random.default_rng(3).integers(-8, 9, (20, 72)) / 8
    kernel[0] = 1
    dense.set_weights([kernel, np.zeros(72)])
    parts = [layers.Flatten()(branch(image)) for branch in branches.values()]
    side = math.isqrt(72 * len(parts)) + 1
    parts.append(layers.Dense(side**2 - 72 * len(parts))(noise))
    keras.Model(noise, layers.Concatenate()(parts)).save("g.h5")
    browser.open(make("g.h5", "--range", "-3,5"))
    images = drawn(browser, SEEDS, [0] * 4)
    wanted = expected("g.h5", SEEDS, [0] * 4, pixel_range=(-3, 5))
    differences = np.abs(images - np.rint(wanted)).max(axis=0)
    for k, name in enumerate(branches):
        part = slice(72 * k, 72 * (k + 1))
        assert wanted[:, part].std() > 5, name
        assert differences[part].max() <= 1, name


# ---- how fast ------------------------------------------------------------------------------------

PLAIN_LOOP = """
onmessage = ({ data: n }) => {
  const a = new Float32Array(4096).fill(1);
  const b = new Float32Array(4096).fill(2);
  const begin = performance.now();
  let sum = 0;
  for (let k = 0; k < n; k++) sum += a[k & 4095] * b[k & 4095];
  postMessage({ milliseconds: performance.now() - begin, sum });
};"""


def test_an_image_takes_little_more_than_its_multiplications(browser):
    """Against a plain loop of as many: other work on the machine slows both down."""
    browser.open(make(ROOT / "pretrained/mnist_gan.h5"))
    image, loop = browser.run(
        f"""(async () => {{
          small.surface = small.sheet = [];
          const blob = new Blob([{json.dumps(PLAIN_LOOP)}]);
          const other = new Worker(URL.createObjectURL(blob));
          const timeLoop = n => new Promise(done => {{
            other.onmessage = ({{ data }}) => done(data.milliseconds);
            other.postMessage(n);
          }});
          let n = 0;
          for (const {{ input, kernel, columns }} of content.steps) {{
            if (kernel) n += input[0] * input[1] * input[2] * kernel[0] * kernel[1] * columns;
          }}
          const images = [];
          const loops = [];
          for (let k = 0; k < 8; k++) {{
            const image = await ask({{ seeds: [k, k], place: [0, 0], label: 0, codes }});
            images.push(image.milliseconds);
            loops.push(await timeLoop(n));
          }}
          return [Math.min(...images), Math.min(...loops)];
        }})()"""
    )
    assert image < 1.5 * loop  # 0.4 to 0.7 times
