"""The data sets in samples/ are what their program draws, and what it says of them is true."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def digits():
    with np.load(SAMPLES / "digits.npz") as file:
        return dict(file)


def test_the_program_draws_the_shipped_files(tmp_path):
    subprocess.run([sys.executable, SAMPLES / "make_samples.py", "--out", tmp_path], check=True)
    for name in ("digits.npz", "objects.npz"):
        with np.load(SAMPLES / name) as shipped, np.load(tmp_path / name) as drawn:
            assert shipped.files == drawn.files
            for key in shipped.files:
                if key.startswith("x_"):  # another version of Matplotlib may round otherwise
                    difference = shipped[key].astype(float) - drawn[key]
                    assert np.abs(difference).mean() < 1
                else:
                    np.testing.assert_array_equal(shipped[key], drawn[key])


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
