"""tools/look.py: what D of a run's checkpoint says of real and generated images, and why."""

import importlib
import json
import re

import keras
import look
import matplotlib.image
import numpy as np
import pytest
from helpers import COLOUR, DIGITS, OBJECTS

TINY = ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "4"]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch, eagerly):
    monkeypatch.chdir(tmp_path)


def train(name, *flags):
    """Train a script on the samples in the folder `run`."""
    data = OBJECTS if name in COLOUR else DIGITS
    importlib.import_module(name).main(["--data", str(data), "--out", "run", *flags])


def shares(text):
    """Return which share of real images, and of fakes, D takes for real."""
    return [int(share) / 100 for share in re.findall(r"D takes (\d+)% for real", text)]


KINDS = ["cgan_mnist", "acgan_mnist", "infogan_mnist", "ebgan_mnist", "faces_gan"]


@pytest.mark.parametrize("name", KINDS)
def test_a_run_of_each_kind_is_looked_at_and_not_touched(name, tmp_path, capsys):
    """A D of two inputs, of two outputs, one beside Q, one of energies, one that sees colours."""
    train(name, *TINY, *(["--size", "32"] if name == "faces_gan" else []))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    look.main(["run", "--out", "sheet.png"])
    real, fake, path = capsys.readouterr().out.splitlines()
    assert (real[:12], fake[:17], path) == ("Real images:", "Generated images:", "sheet.png")
    assert ("small is real" in real) == ("small is real" in fake) == (name == "ebgan_mnist")
    assert matplotlib.image.imread("sheet.png").std() > 0.1
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del after[tmp_path / "sheet.png"]
    assert after == before


def test_d_is_that_of_the_checkpoint(capsys):
    """Which can tell digits from what G draws after so few batches; D as initialised guesses."""
    train("mlp_gan", "--epochs", "1", "--steps-per-epoch", "40", "--batch-size", "64")
    capsys.readouterr()
    look.main(["run"])
    out = capsys.readouterr().out
    real, fake = shares(out)
    assert real > 0.8 and fake < 0.2
    assert out.splitlines()[-1].endswith("look.png")
    assert matplotlib.image.imread("run/look.png").shape[1] == 100 * look.N_SHOWN


def test_data_that_have_moved_can_be_named(tmp_path, capsys):
    data = tmp_path / "here.npz"
    data.write_bytes(DIGITS.read_bytes())
    script = importlib.import_module("mlp_gan")
    script.main(["--data", str(data), "--out", "run", *TINY])
    data.rename(tmp_path / "there.npz")
    capsys.readouterr()
    look.main(["run", "--data", "there.npz"])
    assert len(shares(capsys.readouterr().out)) == 2


def test_an_answer_hangs_on_the_pixels_that_d_looks_at():
    """Here on one, and on none of the other inputs; of two outputs the single number counts."""
    image = keras.Input((4, 4, 3))
    pixel = keras.layers.Flatten()(image)[:, 3 * 6 + 2 : 3 * 6 + 3]  # row 1, column 2, channel 2
    label = keras.layers.Dense(5)(keras.layers.Flatten()(image))
    d_model = keras.Model(image, [label, 3 * pixel])
    script = importlib.import_module("mnist_gan")
    images = script.tf.constant(np.random.default_rng(1).random((7, 4, 4, 3)), "float32")
    answers, saliency = look.ask(script, d_model, images)
    np.testing.assert_allclose(answers, 3 * images[:, 1, 2, 2], rtol=1e-6)
    expected = np.zeros((7, 4, 4))
    expected[:, 1, 2] = 3
    np.testing.assert_allclose(saliency, expected, rtol=1e-6)


def test_images_are_shown_from_the_realest_on():
    answers = np.random.default_rng(1).permutation(100) / 100
    for lowest_first in (False, True):
        shown = answers[look.choose(answers, lowest_first)]
        steps = np.linspace(0, 0.99, look.N_SHOWN)
        np.testing.assert_allclose(shown, steps if lowest_first else steps[::-1], atol=0.01)


@pytest.mark.parametrize("is_energy", [False, True])
def test_the_sheet_begins_with_what_d_takes_most_for_real(is_energy):
    """That is the highest probability, but the lowest energy. Here an image is as dark as that."""
    script = importlib.import_module("mnist_gan")
    answers = np.random.default_rng(1).permutation(100).astype("float32") / 100
    images = np.broadcast_to(answers[:, None, None, None], (100, 28, 28, 1))
    kinds = dict.fromkeys(("Real", "Generated"), (images, answers, images[..., 0]))
    look.draw_sheet(script, kinds, is_energy, "sheet.png")
    sheet = matplotlib.image.imread("sheet.png")[..., :3].mean(axis=2)
    middles = sheet[80:90, 45::100].mean(axis=0)  # of the first row's images
    assert len(middles) == look.N_SHOWN
    assert (np.diff(middles) * (-1 if is_energy else 1) > 0.05).all()


@pytest.mark.parametrize(
    "settings, flags, line",
    [
        (None, [], "run holds no run of these scripts"),
        ({"script": "mine.py"}, [], "run is of mine.py, which is not here"),
        ({"script": "mnist_gan.py"}, ["--out", "a.jpg"], "the name must end in .png"),
        ({"script": "mnist_gan.py"}, ["--script", "none.py"], "none.py is no Python file"),
        ({"script": "mnist_gan.py"}, [], "run"),
    ],
)
def test_mistakes_end_in_one_line(settings, flags, line, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    if settings:
        (tmp_path / "run/settings.json").write_text(json.dumps(settings))
    with pytest.raises(SystemExit) as end:
        look.main(["run", *flags])
    assert end.value.code == 2
    assert line in capsys.readouterr().err.splitlines()[-1]
