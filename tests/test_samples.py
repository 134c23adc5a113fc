"""The data sets in samples/ are what their program draws, and what it says of them is true."""

import importlib
import sys

import numpy as np
import pytest
from conftest import ROOT

SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def digits():
    with np.load(SAMPLES / "digits.npz") as file:
        return dict(file)


def draw_first(draw, n=200):
    """Let a function draw the first n images of an array; it returns the last one for the others.

    Each array has a generator of random numbers of its own, the last argument.
    """
    drawn = {}

    def draw_or_repeat(*args):
        images = drawn.setdefault(args[-1], [])
        if len(images) < n:
            images.append(draw(*args))
        return images[-1]

    return draw_or_repeat


def test_the_program_draws_the_shipped_files(tmp_path, monkeypatch):
    """All labels, and the first 200 images of each array: to draw 9,600 takes half a minute."""
    monkeypatch.syspath_prepend(SAMPLES)
    program = importlib.import_module("make_samples")
    for name in ("draw_digit", "draw_object"):
        monkeypatch.setattr(program, name, draw_first(getattr(program, name)))
    monkeypatch.setattr(sys, "argv", ["make_samples.py", "--out", str(tmp_path)])
    program.main()
    for name in ("digits.npz", "objects.npz"):
        with np.load(SAMPLES / name) as shipped, np.load(tmp_path / name) as drawn:
            assert shipped.files == drawn.files
            for key in shipped.files:
                before, now = shipped[key], drawn[key]
                assert before.shape == now.shape
                if key.startswith("x_"):  # another version of Matplotlib may round otherwise
                    difference = before[:200].astype(float) - now[:200]
                    assert np.abs(difference).mean() < 1
                elif key.startswith(("slant_", "stroke_")):
                    np.testing.assert_array_equal(before[:200], now[:200])
                else:
                    np.testing.assert_array_equal(before, now)


@pytest.mark.parametrize("name, shape", [("digits", (28, 28)), ("objects", (32, 32, 3))])
def test_sizes_shapes_and_classes(name, shape):
    path = SAMPLES / f"{name}.npz"
    assert path.stat().st_size <= 2_000_000
    with np.load(path) as file:
        for part in ("train", "test"):
            x, y = file[f"x_{part}"], file[f"y_{part}"]
            assert x.dtype == np.uint8 and x.shape == (len(y), *shape)
            assert len(set(np.bincount(y))) == 1 and set(y) == set(range(10))
        assert name != "digits" or len(file["x_train"]) >= 5000
        flat = np.concatenate([file["x_train"], file["x_test"]]).reshape(-1, np.prod(shape))
        assert len(np.unique(flat, axis=0)) == len(flat)  # no picture twice


def test_slant_and_stroke_are_what_the_pictures_show(digits):
    images, labels = digits["x_train"] / 255.0, digits["y_train"]
    y, x = np.mgrid[:28, :28]
    mass = images.sum((1, 2))
    mean_x, mean_y = ((images * axis).sum((1, 2)) / mass for axis in (x, y))
    dx, dy = x - mean_x[:, None, None], y - mean_y[:, None, None]
    shear = -(images * dx * dy).sum((1, 2)) / (images * dy**2).sum((1, 2))
    measured = np.degrees(np.arctan(shear))  # to the right of the vertical
    edge = np.abs(np.diff(images, axis=1)).sum((1, 2)) + np.abs(np.diff(images, axis=2)).sum((1, 2))
    for digit in range(10):
        own = labels == digit
        assert np.corrcoef(digits["slant_train"][own], measured[own])[0, 1] > 0.9
        assert np.corrcoef(digits["stroke_train"][own], (mass / edge)[own])[0, 1] > 0.9
