"""The variants of mlp_gan.py and infogan_mnist.py, as whole runs."""

import json
import os
import re
import shutil

import h5py
import keras
import matplotlib.image
import numpy as np
import pytest
from test_exercises import trial
from test_models import build_mlp
from test_runs import DIGITS, OBJECTS, cells, refused

import generate

COLOUR = ["--batch-norm", "--data", OBJECTS, "--batch-size", 8, "--steps-per-epoch", 2]


def losses(folder):
    return np.genfromtxt(f"{folder}/losses.csv", delimiter=",", names=True)


@pytest.fixture
def mlp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import mlp_gan

    def run(*arguments):
        mlp_gan.main([str(argument) for argument in arguments])
        return mlp_gan

    yield run
    mlp_gan.IMAGE_SHAPE, mlp_gan.XLA_ON_CPU = (28, 28, 1), False


def test_mlp_draws_colour_pictures(mlp, capsys):
    script = mlp(*COLOUR, "--epochs", 2, "--optimizer", "sgd", "--out", "run")
    assert {"generated_plot_e001.png", "generated_plot_e002.png"} <= set(os.listdir("run"))
    settings = json.loads(open("run/settings.json").read())
    assert (settings["optimizer"], settings["label_smoothing"]) == ("sgd", 1.0)
    grid = cells("run/generated_plot_e002.png", 32, 32, margin=1, zoom=2)
    assert grid.shape[:2] == (10, 10) and np.ptp(grid, axis=-1).max() > 0.05  # not grey
    generate.main(["run/generator_model_002.h5", "--npz", "images.npz"])
    with np.load("images.npz") as file:
        assert file["images"].shape == (25, 32, 32, 3)
    assert "--data" in refused(script, capsys, "--batch-norm", "--out", "other")


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "SGD"])
def test_both_networks_learn_with_the_optimizer_asked_for(name):
    _, _, d_model, gan_model = build_mlp(optimizer=name.lower())
    assert type(d_model.optimizer).__name__ == type(gan_model.optimizer).__name__ == name
    assert d_model.optimizer is not gan_model.optimizer


def test_mlp_shows_the_first_epoch_and_every_twentieth(mlp):
    data = ["--data", DIGITS, "--batch-size", 8, "--steps-per-epoch", 1]
    mlp(*data, "--epochs", 21, "--out", "run")
    grids = sorted(name for name in os.listdir("run") if name.startswith("generated"))
    assert grids == [f"generated_plot_e{epoch:03d}.png" for epoch in (1, 20, 21)]


def test_comparison_of_optimizers(mlp, capsys):
    compare = [*COLOUR, "--epochs", 1, "--compare-optimizers", "--out", "run"]
    script = mlp(*compare)
    runs = {name: losses(f"run/{name}") for name in ("adam", "rmsprop", "sgd")}
    for rows in runs.values():
        assert len(rows) == 2
        # the same weights, images and noise to begin with; then each its own way
        assert rows["d_real"][0] == runs["adam"]["d_real"][0]
    seconds = [rows["d_real"][1] for rows in runs.values()]
    assert len(set(seconds)) == 3
    picture = matplotlib.image.imread("run/optimizers.png")
    thirds = np.array_split(picture[..., :3], 3, axis=1)
    assert all(third.std() > 0.05 for third in thirds)

    capsys.readouterr()
    assert "run" in refused(script, capsys, *compare)
    shutil.rmtree("run/sgd")  # as if it had been stopped there
    before = open("run/adam/losses.csv").read()
    mlp("--resume", "--out", "run")
    assert open("run/adam/losses.csv").read() == before
    np.testing.assert_array_equal(losses("run/sgd"), runs["sgd"])


def test_labelled_infogan_draws_its_two_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script = trial("infogan_mnist", "--labelled", "--without-cr", "--epochs", 1)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r">Class accuracy test: [\d.]+%, fake: \d+%", lines[2]), lines
    sheet = cells("run/generated_plot_e001_codes.png", 28, 28, margin=1, zoom=2)
    assert sheet.shape[:2] == (10, 10)
    # a column is a label, and the codes change downwards while the noise stays
    model = keras.models.load_model("run/generator_model_001.h5")
    with h5py.File("run/generator_model_001.h5") as file:
        latent = json.loads(file.attrs["gan"])["latent"]
    assert [part["size"] for part in latent] == [38, 10, 2]
    noise, _, _ = script.generate_latent_points(38, 10, (1, -2))
    for row, column in ((0, 3), (9, 7)):
        codes = np.full((1, 2), -1 + 2 * row / 9)
        point = np.concatenate([noise[:1], np.eye(10)[[column]], codes], axis=1)
        image = 1 - model.predict(point, verbose=0)[0]
        np.testing.assert_allclose(sheet[row, column], np.repeat(image, 3, axis=-1), atol=0.01)
    assert matplotlib.image.imread("run/generated_plot_e001_labels.png")[..., :3].std() > 0.05
    assert "--labelled" in refused(script, capsys, "--without-cf", "--data", DIGITS, "--out", "b")


def test_unsupervised_infogan_never_reads_labels(tmp_path):
    import infogan_mnist

    with np.load(DIGITS) as file:
        np.savez(tmp_path / "unlabelled.npz", x_train=file["x_train"][:50])
    images, labels = infogan_mnist.load_real_samples(tmp_path / "unlabelled.npz")
    assert len(images) == 50 and set(labels) == {-1}
    _, labels = infogan_mnist.load_real_samples(DIGITS, labelled=True)
    assert set(labels) == set(range(10))
