"""tools/stages.py: the stages that the tutorials go through before they train."""

import importlib
import json
import re
import shutil
import signal

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
    PATHS,
    SCRIPTS,
    cells,
    data_of,
    grid_point,
    prepare,
    run,
)

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
    stages.main([str(PATHS[name]), stage, "--out", "shown", *map(str, flags)])


def as_drawn(images):
    """Return images (..., channels) in [0, 1] as a grid shows them: grey ones inverted."""
    return images if images.shape[-1] == 3 else np.repeat(1 - images, 3, axis=-1)


def initial_generator(script):
    """Build the generator that a run with seed 1 begins with."""
    keras.utils.set_random_seed(1)
    latent_dim = script.DEFAULTS["latent_dim"]
    if script.__name__ == "infogan_mnist":
        script.define_discriminator(10, 2)
        return script.define_generator(latent_dim + 10 + 2)
    script.define_discriminator()
    return script.define_generator(latent_dim)


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_and_untrained_grids(name, tmp_path, capsys):
    script = importlib.import_module(name)
    height, width, channels = script.IMAGE_SHAPE
    side = 7 if channels == 3 else 5
    show(name, "data", "--data", data_of(name))
    shown = cells("shown/data_plot.png", height, width)
    with np.load(data_of(name)) as file:
        images = file["x_train"][: side * side].reshape(side, side, height, width, channels)
    np.testing.assert_allclose(shown, as_drawn(images / 255), atol=0.01)

    show(name, "untrained")
    shown = cells("shown/untrained_plot.png", height, width)
    side = 7 if name == "cifar10_gan" else 10
    assert shown.shape[:2] == (side, side)
    # it shows the latent points of the later grids, drawn by a G with its initial weights
    g_model = initial_generator(script)
    low, high = script.PIXEL_RANGE
    image = (g_model.predict(grid_point(name, 2, 4), verbose=0)[0] - low) / (high - low)
    np.testing.assert_allclose(shown[2, 4], as_drawn(image), atol=0.01)

    # nothing else is written, in the current folder neither, or said
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]
    pictures = ["data_plot.png", "untrained_plot.png"]
    assert sorted(path.name for path in (tmp_path / "shown").iterdir()) == pictures
    said = capsys.readouterr()
    assert said.out == "".join(f"shown/{picture}\n" for picture in pictures) and said.err == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_summaries_and_diagrams(name, capsys):
    if not shutil.which("dot"):
        pytest.fail("Graphviz is not installed: apt-get install graphviz")
    show(name, "models")
    out, err = capsys.readouterr()
    counts = r"Total params: ([\d,]+).*\n Trainable params: ([\d,]+)"
    counts = [[int(n.replace(",", "")) for n in pair] for pair in re.findall(counts, out)]
    (d, d_trainable), (g, g_trainable), (gan, gan_trainable) = counts
    assert (d, g, gan, gan_trainable) == COUNTS[name] and err == ""
    # all but BatchNormalization's running averages
    assert 0.99 * d < d_trainable <= d and 0.99 * g < g_trainable <= g
    for model in ("discriminator", "generator", "gan"):
        picture = matplotlib.image.imread(f"shown/{model}_plot.png")
        assert min(picture.shape[:2]) > 100 and picture[..., :3].std() > 0.1
        assert f"shown/{model}_plot.png\n" in out


def test_without_graphviz_the_summaries_come_with_a_line_of_advice(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    show("mnist_gan", "models", "--latent-dim", 7)
    out, err = capsys.readouterr()
    assert out.count("Total params") == 3 and f"{(7 + 1) * 6272:,}" in out  # G's first layer
    assert err.count("\n") == 1 and "apt-get install graphviz" in err


@pytest.mark.parametrize("name", SCRIPTS)
def test_discriminator_alone_soon_tells_random_pixels(name, monkeypatch, capsys):
    """As the tutorials report it: near 100% within 50 batches of digits, 20 of photographs."""
    within = 20 if name in COLOUR else 50
    monkeypatch.setattr(stages, "N_BATCHES", within)
    flags = [] if name in ("mnist_gan", "cifar10_gan") else ["--batch-size", 32]
    if name == "ebgan_mnist":
        flags += ["--margin", 30]  # above what random pixels begin with
    show(name, "discriminator", "--data", data_of(name), *flags)
    lines = capsys.readouterr().out.splitlines()
    number = r"([\d.]+)" if name == "ebgan_mnist" else r"(\d+)%"
    found = [re.fullmatch(rf">(\d+) real={number} fake={number}", line) for line in lines]
    assert [int(m[1]) for m in found] == list(range(1, within + 1))
    rates = np.array([[float(m[2]), float(m[3])] for m in found])
    if name == "ebgan_mnist":  # energies
        (before_real, before_fake), (real, fake) = rates[0], rates[-1]
        assert real < 0.8 * before_real and fake > 1.2 * before_fake
    else:
        assert rates[-5:].mean() > 95
        assert rates[0].min() < 90  # it had to learn


def listen(monkeypatch, layer):
    """Return a list that will hold what the layer is called with, as arrays."""
    heard = []
    call = layer.call

    def listening(x):
        heard.append(x.numpy())
        return call(x)

    monkeypatch.setattr(layer, "call", listening)
    return heard


def test_discriminator_sees_real_images_as_in_a_run_and_random_pixels(monkeypatch):
    script, given = prepare("mlp_gan", "--batch-size", 32)
    draw = script.generate_real_samples
    drawn = []

    def generate_real_samples(*args):
        drawn.append(draw(*args))
        return drawn[-1]

    monkeypatch.setattr(script, "generate_real_samples", generate_real_samples)
    monkeypatch.setattr(stages, "N_BATCHES", 2)
    seen = listen(monkeypatch, given["d_model"].layers[0])
    stages.train_discriminator(script, None, given)
    assert len(drawn) == len(seen) == 2
    for (images, _), both in zip(drawn, seen, strict=True):
        real, random = np.split(both, 2)
        assert len(real) == 16
        np.testing.assert_array_equal(real, images)
        assert -1 <= random.min() < -0.99 and 0.99 < random.max() <= 1
        assert abs(random.mean()) < 0.02


def test_random_pixels_come_with_the_labels_of_real_images(monkeypatch):
    script, given = prepare("cgan_mnist", "--batch-size", 64)
    monkeypatch.setattr(stages, "N_BATCHES", 1)
    embeddings = [x for x in given["d_model"].layers if isinstance(x, keras.layers.Embedding)]
    seen = listen(monkeypatch, embeddings[0])
    stages.train_discriminator(script, None, given)
    of_real, of_random = np.split(seen[0], 2)
    assert len(set(of_real.ravel())) > 5
    np.testing.assert_array_equal(of_real, of_random)


def test_ctrl_c_ends_a_stage_at_once(monkeypatch):
    """In a run it asks for a checkpoint first."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    during = []

    def look(*args):
        during.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    monkeypatch.setitem(stages.STAGES, "data", look)
    show("mlp_gan", "data", "--data", DIGITS)
    assert during == [before]


def test_a_script_elsewhere(tmp_path):
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
    done = run(tmp_path, TOOL, "elsewhere/my_gan.py", "data", *flags)
    assert done.stdout == "runs/my_gan/data_plot.png\n"
    assert (tmp_path / "runs/my_gan/data_plot.png").exists()


def test_own_data(tmp_path):
    """A column a class; as large a square of images as there is."""
    images, labels = np.zeros((12, 28, 28), np.uint8), [*"abc"] * 4
    np.savez("letters.npz", x_train=images, y_train=labels)
    show("cgan_mnist", "untrained", "--data", "letters.npz")
    assert cells("shown/untrained_plot.png", 28, 28).shape[:2] == (10, 3)
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
