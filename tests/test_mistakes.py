"""tools/mistakes.py: each mistake does what it says, and the script is its own otherwise."""

import importlib

import mistakes
import numpy as np
import pytest
import stages
from helpers import DIGITS, losses_of, moved, values

SHORT = ["--data", str(DIGITS), "--batch-size", "8", "--steps-per-epoch", "3", "--epochs", "1"]


@pytest.fixture
def train(monkeypatch, tmp_path, eagerly):
    """Return a function that trains with a mistake and returns what the script gave to `train`."""

    def train(name, mistake):
        script, given = importlib.import_module(name), []
        for part in ("make_train_step", "load_real_samples", "generate_real_samples"):
            monkeypatch.setattr(script, part, getattr(script, part))  # put back after the test
        original = script.train

        def watched(g_model, d_model, *others):
            given.extend([g_model, d_model, *map(values, (g_model.weights, d_model.weights))])
            given.extend(others)
            original(g_model, d_model, *others)

        monkeypatch.setattr(script, "train", watched)
        monkeypatch.setattr(stages, "import_script", lambda path: script)
        mistakes.main([f"{name}.py", mistake, *SHORT])
        assert len(losses_of(f"runs/{name}_{mistake}")) == 3
        return script, *given

    monkeypatch.chdir(tmp_path)
    return train


def test_frozen_moves_g_alone(train):
    _, g_model, d_model, g_before, d_before, *_ = train("mnist_gan", "frozen")
    assert all(moved(g_before, g_model.weights)) and not any(moved(d_before, d_model.weights))


def test_rate_is_ten_times_as_high_for_d(train):
    _, _, d_model, _, d_before, gan_model, *_ = train("mnist_gan", "rate")
    rates = [float(model.optimizer.learning_rate) for model in (d_model, gan_model)]
    np.testing.assert_allclose(rates, [0.002, 0.0002], rtol=1e-6)
    assert all(moved(d_before, d_model.weights))


@pytest.mark.parametrize("name", ["mnist_gan", "cgan_mnist"])  # [0, 1] and [-1, 1]
def test_range_leaves_pixels_as_they_are(train, name):
    script, *_, dataset, settings = train(name, "range")
    X, _ = script.generate_real_samples(dataset, 500, (1, 2))
    pixels = np.array(X[0] if isinstance(X, list) else X)
    assert pixels.min() == 0 and pixels.max() == pytest.approx(255)


def test_labels_are_those_of_other_images(train):
    *_, (images, labels), _ = train("cgan_mnist", "labels")
    with np.load(DIGITS) as file:
        np.testing.assert_array_equal(images[..., 0], file["x_train"])
        assert 0.05 < np.mean(labels == file["y_train"]) < 0.2  # by chance a tenth
        np.testing.assert_array_equal(np.bincount(labels), np.bincount(file["y_train"]))


def test_without_labels_none_can_be_mixed_up(train, capsys):
    with pytest.raises(SystemExit) as end:
        train("mnist_gan", "labels")
    assert end.value.code == 2 and "reads no labels" in capsys.readouterr().err.splitlines()[-1]
