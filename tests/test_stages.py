"""tools/stages.py: the stages that the tutorials go through before they train."""

import importlib
import json
import re
import shutil
import signal
import sys

import keras
import matplotlib.image
import numpy as np
import pytest
import stages
from conftest import ROOT
from helpers import (
    COLOUR,
    COUNTS,
    DIGITS,
    LABELLED,
    PATHS,
    SCRIPTS,
    SMALLEST,
    cells,
    data_of,
    learned,
    moved,
    prepare,
    run,
    shape_of,
    values,
)
from training_scripts import draw_points

TOOL = ROOT / "tools/stages.py"


@pytest.fixture(autouse=True)
def in_an_empty_folder_without_internet(tmp_path, monkeypatch):
    def load_data():
        raise OSError("this stage needs no data")

    monkeypatch.chdir(tmp_path)
    for dataset in (keras.datasets.mnist, keras.datasets.cifar10):
        monkeypatch.setattr(dataset, "load_data", load_data)


def show(name, stage, *flags):
    """Show a stage of a script, its pictures in the folder `shown`."""
    flags = [*SMALLEST.get(name, []), *flags]
    stages.main([str(PATHS[name]), stage, "--out", "shown", *map(str, flags)])


def as_drawn(images):
    """Return images (..., channels) in [0, 1] as a grid shows them: grey ones inverted."""
    return images if images.shape[-1] == 3 else np.repeat(1 - images, 3, axis=-1)


def initial_images(script, n):
    """Return n images, in [0, 1], of the generator that a run by default begins with."""
    name = script.__name__
    seed = script.DEFAULTS.get("seed", 1)
    keras.utils.set_random_seed(seed)
    latent_dim = script.DEFAULTS["latent_dim"]
    if script.__name__ == "infogan_mnist":
        script.define_discriminator(10, 2)
        g_model = script.define_generator(latent_dim + 10 + 2)
        points, _, _ = script.generate_latent_points(latent_dim, 10, 2, n, (seed, -1))
    else:
        script.define_discriminator()
        g_model = script.define_generator(latent_dim, *([32] if name in SMALLEST else []))
        points = script.generate_latent_points(latent_dim, n, seed=(seed, -1))
    if script.__name__ == "infogan_labelled":
        points = np.concatenate(points, axis=1)
    low, high = script.PIXEL_RANGE
    return (g_model.predict(points, verbose=0) - low) / (high - low)


@pytest.mark.parametrize("name", SCRIPTS)
def test_shapes_data_and_untrained_images(name, tmp_path, capsys):
    script = importlib.import_module(name)
    height, width, channels = shape_of(script)
    side = {1: 5, 3: 7}[channels]
    square = side, side, height, width, channels
    show(name, "data", "--data", data_of(name))
    shown = cells("shown/data_plot.png", height, width)
    with np.load(data_of(name)) as file:
        images = file["x_train"][: side * side].reshape(square)
        shapes = [file[part].shape for part in ("x_train", "y_train", "x_test", "y_test")]
        counts = np.bincount(file["y_train"])
        n_copies = len(file["x_train"]) - len(np.unique(file["x_train"], axis=0))
    np.testing.assert_allclose(shown, as_drawn(images / 255), atol=0.01)

    show(name, "untrained")
    shown = cells("shown/untrained_plot.png", height, width)
    images = initial_images(script, side * side)
    if channels == 1:  # each on its own scale: noise, and not flat grey
        least, most = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
        images = (images.T - least) / (most - least)
        images = images.T
        assert (shown.min(axis=(2, 3, 4)) == 0).all() and (shown.max(axis=(2, 3, 4)) == 1).all()
    np.testing.assert_allclose(shown, as_drawn(images.reshape(square)), atol=0.01)

    # nothing else is written, in the current folder neither, or said
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]
    pictures = ["data_plot.png", "untrained_plot.png"]
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == pictures
    said = capsys.readouterr()
    lines = [f"Train {shapes[0]} {shapes[1]}", f"Test {shapes[2]} {shapes[3]}"]
    if name in LABELLED:
        each = ", ".join(f"{label} {count}" for label, count in enumerate(counts))
        lines.append(f"Of each class: {each}")
    if n_copies:
        lines.append(f"Exact copies of others: {n_copies}")
    assert said.out.splitlines() == [*lines, *(f"shown/{picture}" for picture in pictures)]
    assert said.err == ""


def test_the_look_before_the_training_says_what_was_done_and_warns_of_few(tmp_path, capsys):
    """Of a folder of own pictures, one of them a copy; the shipped data are not few."""
    for folder, level in (("cat", 10), ("cat", 20), ("dog", 20)):
        path = tmp_path / "own" / folder / f"{level}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, np.full((40, 60, 3), level, np.uint8), scale=False)
    show("cgan_mnist", "data", "--data", tmp_path / "own")
    lines = capsys.readouterr().out.splitlines()
    said = "3 pictures, 60 pixels wide: cropped to squares, resized to 28x28"
    assert lines[:2] == [said, "Classes: 0 is cat, 1 is dog"]
    assert lines[2:5] == [
        "Train (3, 28, 28, 1) (3,)",
        "Of each class: cat 2, dog 1",
        "Exact copies of others: 1",
    ]
    assert lines[5].startswith("Fewer than 1,000 images")


def shapes_said(capsys):
    """Return the lines on standard output that say shapes."""
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith(("Train ", "Test "))]


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan"])
def test_shapes_of_keras_datasets(name, monkeypatch, capsys):
    """As they are loaded: the script itself never sees labels, or images to test."""
    dataset, *shapes = {
        "mnist_gan": (keras.datasets.mnist, (60, 28, 28), (60,), (10, 28, 28), (10,)),
        "cifar10_gan": (keras.datasets.cifar10, (50, 32, 32, 3), (50, 1), (9, 32, 32, 3), (9, 1)),
    }[name]
    x_train, y_train, x_test, y_test = [np.zeros(shape, np.uint8) for shape in shapes]
    monkeypatch.setattr(dataset, "load_data", lambda: ((x_train, y_train), (x_test, y_test)))
    show(name, "data")
    lines = [f"Train {shapes[0]} {shapes[1]}", f"Test {shapes[2]} {shapes[3]}"]
    assert shapes_said(capsys) == lines


def test_shapes_of_what_there_is(tmp_path, capsys):
    """Images without labels, or without any to test; a folder, with labels where they are read."""
    images = np.zeros((12, 28, 28), np.uint8)
    np.savez("images.npz", x_train=images)
    np.savez("letters.npz", x_train=images, y_train=[*"abc"] * 4, x_test=images[:7])
    for number in range(4):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        matplotlib.image.imsave(path, images[number], cmap="gray")
    show("mnist_gan", "data", "--data", "images.npz")
    show("mnist_gan", "data", "--data", "letters.npz")
    show("mnist_gan", "data", "--data", "pictures")
    show("cgan_mnist", "data", "--data", "pictures")
    assert shapes_said(capsys) == [
        "Train (12, 28, 28)",
        "Train (12, 28, 28) (12,)",
        "Test (7, 28, 28)",
        "Train (4, 28, 28, 1)",
        "Train (4, 28, 28, 1) (4,)",
    ]


def all_layers(model):
    """Return the layers of a model, and of the models in it, with nothing for these themselves."""
    found = []
    for layer in model.layers:
        found += all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_summaries_and_diagrams(name, monkeypatch, capsys):
    if not shutil.which("dot"):
        pytest.fail("Graphviz is not installed: apt-get install graphviz")
    plot_model = keras.utils.plot_model
    plotted = {}

    def plot_small(model, path, **options):
        plot_model(model, path, **options, dpi=20)  # of 200, for time
        dot = keras.utils.model_to_dot(model, **options)
        plotted[model.name] = model, dot.to_string()

    monkeypatch.setattr(keras.utils, "plot_model", plot_small)
    show(name, "models")
    out, err = capsys.readouterr()
    counts = r"Total params: ([\d,]+).*\n Trainable params: ([\d,]+)"
    counts = [[int(n.replace(",", "")) for n in pair] for pair in re.findall(counts, out)]
    (d, d_trainable), (g, g_trainable), (gan, gan_trainable) = counts
    assert (d, g, gan, gan_trainable) == COUNTS[name] and err == ""
    # all but BatchNormalization's running averages
    assert 0.99 * d < d_trainable <= d and 0.99 * g < g_trainable <= g
    assert [*plotted] == ["discriminator", "generator", "gan"]
    for model, source in plotted.values():
        picture = matplotlib.image.imread(f"shown/{model.name}_plot.png")
        assert min(picture.shape[:2]) > 100 and picture[..., :3].std() > 0.1
        assert f"shown/{model.name}_plot.png\n" in out
        inside = [layer for layer in all_layers(model) if not is_input(layer)]
        assert len(inside) >= 3
        for layer in inside:
            assert f"<b>{layer.name}</b> ({type(layer).__name__})" in source
            assert f"Output shape: <b>{layer.output.shape}</b>" in source
    d_model, g_model, gan_model = [model for model, _ in plotted.values()]
    assert {*all_layers(d_model), *all_layers(g_model)} <= {*all_layers(gan_model)}


def is_input(layer):
    return isinstance(layer, keras.layers.InputLayer)


def test_without_graphviz_the_summaries_come_with_a_line_of_advice(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    show("mnist_gan", "models", "--latent-dim", 7)
    out, err = capsys.readouterr()
    assert out.count("Total params") == 3 and f"{(7 + 1) * 6272:,}" in out  # G's first layer
    assert err.count("\n") == 1 and "apt-get install graphviz" in err


def set_batches(monkeypatch, n):
    """Let D, or G, train alone for n batches."""
    monkeypatch.setattr(stages, "D_BATCHES", {1: n, 3: n})
    monkeypatch.setattr(stages, "G_BATCHES", {1: n, 3: n})


def rates_of(lines, name):
    """Return the two numbers in D's lines (n, 2): rates from 0 to 100, or the EBGAN's energies."""
    number = r"(\d+\.\d{3})" if name == "ebgan_mnist" else r"(\d+)%"
    found = [re.fullmatch(rf">(\d+) real={number} fake={number}", line) for line in lines]
    assert [int(m[1]) for m in found] == list(range(1, len(lines) + 1))
    return np.array([[float(m[2]), float(m[3])] for m in found])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_line_per_batch_of_d_alone(name, monkeypatch, capsys, eagerly):
    set_batches(monkeypatch, 2)
    show(name, "discriminator", "--data", data_of(name), "--batch-size", 8)
    assert rates_of(capsys.readouterr().out.splitlines(), name).shape == (2, 2)


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan", "ebgan_mnist"])
def test_discriminator_alone_soon_tells_random_pixels(name, monkeypatch, capsys):
    """As the tutorials report it: near 100% within 50 batches of digits, 20 of photographs."""
    set_batches(monkeypatch, 20 if name in COLOUR else 50)
    flags = ["--margin", 30] if name == "ebgan_mnist" else []  # random pixels begin with 17
    show(name, "discriminator", "--data", data_of(name), "--batch-size", 32, *flags)
    rates = rates_of(capsys.readouterr().out.splitlines(), name)
    if name == "ebgan_mnist":
        (before_real, before_fake), (real, fake) = rates[0], rates[-1]
        assert real < 0.8 * before_real and fake > 1.2 * before_fake
    else:
        assert rates[-5:].mean() > 95
        assert rates[0].min() < 90  # it had to learn


def test_d_alone_is_the_tutorials_plain_loop(monkeypatch, capsys, eagerly):
    """Two updates by train_on_batch, which gives the accuracy before each of them."""
    set_batches(monkeypatch, 3)
    script, given = prepare("mlp_gan", "--batch-size", 32)
    stages.train_discriminator(script, None, given)
    weights = given["d_model"].get_weights()
    lines = capsys.readouterr().out.splitlines()

    script, given = prepare("mlp_gan", "--batch-size", 32)
    d_model = given["d_model"]
    d_model.jit_compile = False
    plain = []
    for i in range(3):
        seeds = script.tf.random.split((3, i), 2)
        X_real, y_real = script.generate_real_samples(given["dataset"], 16, seeds[0])
        _, real = d_model.train_on_batch(X_real, y_real)
        X_fake = script.tf.random.stateless_uniform((16, 28, 28, 1), seeds[1], -1.0, 1.0)
        _, fake = d_model.train_on_batch(X_fake, np.zeros((16, 1)))
        plain.append(f">{i + 1} real={real:.0%} fake={fake:.0%}")
    assert [line for line in lines if line.startswith(">")] == plain
    for one, other in zip(weights, d_model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_g_alone_is_the_tutorials_plain_loop(tmp_path, monkeypatch, capsys, eagerly):
    set_batches(monkeypatch, 3)
    script, given = prepare("mlp_gan", "--batch-size", 32)
    stages.train_generator(script, tmp_path, given)
    weights = given["g_model"].get_weights()
    lines = capsys.readouterr().out.splitlines()

    script, given = prepare("mlp_gan", "--batch-size", 32)
    gan_model = given["gan_model"]
    gan_model.jit_compile = False
    plain = []
    for i in range(3):
        X_gan = script.generate_latent_points(100, 32, (3, i))
        plain.append(f">{i + 1} g={gan_model.train_on_batch(X_gan, np.ones((32, 1))):.3f}")
    assert [line for line in lines if line.startswith(">")] == plain
    for one, other in zip(weights, given["g_model"].get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.fixture
def updates(monkeypatch):
    """Keep what a stage's updates are called with, (X, y), instead of training."""
    calls = []

    def make_update(script, model, optimizer, weights, loss):
        def update(X, y):
            calls.append((X, y))
            return script.tf.constant(0.0), y

        return update

    monkeypatch.setattr(stages, "make_update", make_update)
    return calls


@pytest.mark.parametrize(
    "name, n_d, n_g, n_batch", [("mnist_gan", 100, 100, 256), ("cifar10_gan", 20, 200, 128)]
)
def test_batches_are_the_tutorials(name, n_d, n_g, n_batch, tmp_path, monkeypatch, updates):
    """D: so many batches, half real images and then half random pixels. G: so many whole ones."""
    script, given = prepare(name)
    draw = script.generate_real_samples
    drawn = []

    def generate_real_samples(*args):
        drawn.append(draw(*args))
        return drawn[-1]

    monkeypatch.setattr(script, "generate_real_samples", generate_real_samples)
    stages.train_discriminator(script, tmp_path, given)
    assert len(drawn) == n_d and len(updates) == 2 * n_d
    low, high = script.PIXEL_RANGE
    for (images, _), of_real, of_random in zip(drawn, updates[::2], updates[1::2], strict=True):
        [real], y_real = of_real
        [random], y_random = of_random
        assert real.shape == random.shape == (n_batch // 2, *shape_of(script))
        np.testing.assert_array_equal(real, images)
        assert np.all(y_real == 1) and np.all(y_random == 0)
        assert low <= np.min(random) < low + 0.01 and high - 0.01 < np.max(random) <= high
        assert abs(np.mean(random) - (low + high) / 2) < 0.02

    updates.clear()
    stages.train_generator(script, tmp_path, given)
    assert [points.shape for points, _ in updates] == n_g * [(n_batch, 100)]
    assert len(np.unique([points[0] for points, _ in updates], axis=0)) == n_g
    assert all(np.all(y == 1) for _, y in updates)


def test_random_pixels_come_with_the_labels_of_real_images(monkeypatch, updates):
    script, given = prepare("cgan_mnist", "--batch-size", 64)
    set_batches(monkeypatch, 1)
    stages.train_discriminator(script, None, given)
    ([_, of_real], _), ([_, of_random], _) = updates
    assert len(of_real) == 32 and len({*np.ravel(of_real)}) > 5
    np.testing.assert_array_equal(of_real, of_random)


@pytest.mark.parametrize("name", SCRIPTS)
def test_generator_alone_moves_and_nothing_else(name, tmp_path, monkeypatch, capsys, eagerly):
    set_batches(monkeypatch, 3)
    script, given = prepare(name, "--batch-size", 16)
    capsys.readouterr()
    g_model = given["g_model"]
    g_before = values(learned(g_model))
    in_g = {id(weight) for weight in g_model.weights}
    others = [weight for weight in learned(given["gan_model"]) if id(weight) not in in_g]
    before = values(others)
    stages.train_generator(script, tmp_path, given)
    assert all(moved(g_before, learned(g_model)))
    assert len(others) >= 4 and not any(moved(before, others))

    *lines, last, picture = capsys.readouterr().out.splitlines()
    losses = [re.fullmatch(r">(\d+) g=(\d+\.\d{3})", line) for line in lines]
    assert [int(m[1]) for m in losses] == [1, 2, 3]
    if name in ("ebgan_mnist", "mlp_gan"):  # the others need more batches
        assert float(losses[-1][2]) < 0.8 * float(losses[0][2])
    assert last == "D is as it was initialised"
    assert picture == str(tmp_path / "generator_alone_plot.png")
    height, width, channels = shape_of(script)
    side = {1: 5, 3: 7}[channels]
    assert cells(picture, height, width).shape[:2] == (side, side)


def test_a_composite_that_trains_d_is_found_out(tmp_path, monkeypatch, capsys, eagerly):
    set_batches(monkeypatch, 1)
    script, given = prepare("mlp_gan", "--batch-size", 16)
    given["gan_model"] = keras.Sequential([given["g_model"], given["d_model"]])
    given["gan_model"].compile(loss="binary_crossentropy", optimizer="adam")
    stages.train_generator(script, tmp_path, given)
    assert "D has moved" in capsys.readouterr().out


def test_ctrl_c_ends_a_stage_at_once(monkeypatch):
    """In a run it asks for a checkpoint first."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    during = []

    def look(*args):
        during.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    monkeypatch.setitem(stages.STAGES, "data", look)
    show("mlp_gan", "data", "--data", DIGITS)
    assert during == [before]


def test_a_script_elsewhere(tmp_path, monkeypatch, capsys):
    """One that somebody adds, which imports a file beside it; from the command line."""
    (tmp_path / "elsewhere").mkdir()
    text = PATHS["cgan_mnist"].read_text()
    text = text.replace("import argparse\n", "import argparse\nimport beside\n")
    (tmp_path / "elsewhere/my_gan.py").write_text(text)
    (tmp_path / "elsewhere/beside.py").write_text("")
    flags = "--data", DIGITS, "--batch-size", 16
    done = run(tmp_path, TOOL, "elsewhere/my_gan.py", "discriminator", *flags)
    first, *_, last = lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, "", 100)
    assert first.startswith(">1 real=") and last == ">100 real=100% fake=100%"
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which the folder of the script is added
    stages.main(["elsewhere/my_gan.py", "data", "--data", str(DIGITS)])
    assert capsys.readouterr().out.endswith("\nruns/my_gan/data_plot.png\n")
    assert (tmp_path / "runs/my_gan/data_plot.png").exists()


def test_own_data(monkeypatch):
    """Labels are those of the data; as large a square of images as there is."""
    images, labels = np.zeros((12, 28, 28), np.uint8), [*"abc"] * 4
    np.savez("letters.npz", x_train=images, y_train=labels)
    script, given = prepare("cgan_mnist")
    given["dataset"] = [images, np.arange(12) % 3, [*"abc"]]
    _, drawn = draw_points(script, given, 200, (1, 2))
    assert {*drawn.numpy().ravel()} == {0, 1, 2}
    show("cgan_mnist", "untrained", "--data", "letters.npz")
    assert cells("shown/untrained_plot.png", 28, 28).shape[:2] == (5, 5)
    show("cgan_mnist", "data", "--data", "letters.npz")
    assert cells("shown/data_plot.png", 28, 28).shape[:2] == (3, 3)


def test_a_run_is_not_touched_by_a_stage(tmp_path):
    """It does not hinder the stage either; with --resume its settings are taken."""
    script, given = prepare("cgan_mnist", "--seed", 5)
    settings = vars(given["run"].settings) | {"data": str(DIGITS), "dataset": {"sha256": "any"}}
    settings |= {"run_format": script.RUN_FORMAT, "script": "cgan_mnist.py"}
    out = tmp_path / "shown"
    out.mkdir()
    stood = json.dumps(settings, default=str)
    (out / "settings.json").write_text(stood)
    drawn = []
    for flags in (), ("--seed", 5), ("--resume",):
        show("cgan_mnist", "untrained", *flags)
        drawn.append((out / "untrained_plot.png").read_bytes())
    assert drawn[0] != drawn[1] == drawn[2]
    assert (out / "settings.json").read_text() == stood
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize(
    "command, line",
    [
        ("nothing.py data", r"stages\.py: error: nothing\.py .*No such file.*"),
        (f"{ROOT} data", r"stages\.py: error: .* is no Python file: .*"),
        (f"{ROOT}/README.md data", r"stages\.py: error: .*README\.md is no Python file: .*"),
        (
            f"{ROOT}/generate.py data",
            r"stages\.py: error: .*generate\.py is no training script: .*train",
        ),
        ("SCRIPT nothing", r"stages\.py: error: .*nothing.*data.*discriminator.*"),
        ("SCRIPT", r"stages\.py: error: .*stage"),
        ("SCRIPT models --batch-size 1", r"cgan_mnist\.py: error: .*--batch-size.*"),
        ("SCRIPT models --nothing", r"cgan_mnist\.py: error: .*--nothing"),
        ("SCRIPT data --data none.npz", r"cgan_mnist\.py: error: .*none\.npz.*"),
        ("SCRIPT untrained --out file/shown", r"cgan_mnist\.py: error: .*file/shown'"),
        ("SCRIPT data --resume", r"cgan_mnist\.py: error: no run .*runs/cgan_mnist.*--out"),
    ],
)
def test_a_mistake_ends_in_one_line(command, line, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as end:
        stages.main(command.replace("SCRIPT", str(PATHS["cgan_mnist"])).split())
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == "" and re.fullmatch(line + "\n", err)
    assert not (tmp_path / "runs").exists()
