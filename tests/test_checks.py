"""sampling/checks.py: what is refused of a file, and why; test_hostile.py has the strangers."""

import shutil

import h5py
import numpy as np
import pytest
from generators import (  # noqa: F401
    INFOGAN,
    account_of,
    error_of,
    glass,
    in_tmp_path,
    write_account,
)
from keras2_files import set_of, small_file

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


def rename(class_name, **config):
    """Return a `change` for small_file that makes another class of its middle layer."""
    return lambda described: described[1].update(class_name=class_name, **config)


@pytest.mark.parametrize(
    "change,part",
    [
        (set_of(2, groups=2), "groups"),
        (set_of(2, activation="hard_sigmoid"), "hard_sigmoid"),
        (set_of(0, units=65), "lacks weights"),
        (rename("Lambda"), "has a Lambda layer"),
        (rename("PixelNorm"), "not known here, PixelNorm"),
        (rename("deserialize"), "not known here, deserialize"),
        (rename("LayerNormalization", config={"axis": [1, 2]}), "axes"),
    ],
)
def test_unusable_models(capsys, change, part):
    """Nothing that would change the images is dropped, and no code of a file is run."""
    small_file(change=change)
    assert part in error_of(capsys, "g.h5")


# ---- weights -------------------------------------------------------------------------------------


def remove(name):
    """Return an edit of an open .h5 file that removes something."""
    return lambda file: file.__delitem__(name)


def remove_names(file):
    """Remove the list of a layer's weights."""
    del file["model_weights/conv_1"].attrs["weight_names"]


def unwritten(file):
    """Leave room for a weight without writing it, as a save interrupted in between does."""
    del file["model_weights/dense_1/dense_1/kernel:0"]
    file["model_weights/dense_1/dense_1"].create_dataset("kernel:0", (8, 64), "f4")


@pytest.mark.parametrize(
    "edit,part",
    [
        (remove("model_weights"), "dense_1"),
        (remove("model_weights/conv_1"), "conv_1"),
        (remove("model_weights/dense_1/dense_1/bias:0"), "bias"),
        (remove_names, "layer conv_1"),
        (unwritten, "layer dense_1 were never written"),
    ],
)
def test_missing_weights(capsys, edit, part):
    small_file()
    with h5py.File("g.h5", "r+") as file:
        edit(file)
    line = error_of(capsys, "g.h5")
    assert "lacks weights" in line and part in line


def test_diverged(capsys):
    small_file()
    with h5py.File("g.h5", "r+") as file:
        file["model_weights/dense_1/dense_1/kernel:0"][3, 5] = np.nan
    assert "diverged" in error_of(capsys, "g.h5")


# ---- what a file says of itself ------------------------------------------------------------------

GRID = {"size": [5, 5], "noise": "cell"}


def latent(*sizes, distribution="normal", **about):
    """Return a description whose latent input has parts of these sizes and one distribution."""
    parts = [{"name": "noise", "distribution": distribution, "size": size} for size in sizes]
    return {"latent": parts} | about


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Return a function that puts a generator of 0 or 2 classes here, and a description into it."""
    folder = tmp_path_factory.mktemp("glass")
    for n_labels in (0, 2):
        glass(4, n_labels, name=folder / f"{n_labels}.h5")

    def put(n_labels, about):
        shutil.copy(folder / f"{n_labels}.h5", "g.h5")
        write_account("g.h5", account_of(4, n_labels) | about)

    return put


@pytest.mark.parametrize(
    "n_labels,about",
    [(0, x) for x in ({"kind": "other"}, {"latent": []}, {"classes": 10}, INFOGAN)]
    + [(0, {"latent": [{"size": 4}]}), (0, {"kind": "conditional", "classes": 10})]
    + [(0, latent(*sizes)) for sizes in ([4.0], [-4, 8], ["4"], [5])]
    + [(0, latent(4, distribution=x)) for x in ("one-hot", "poisson", ["normal"])]
    + [(0, latent(4, distribution="one-hot", kind="infogan", classes=3))]
    + [(0, {"pixel_range": x}) for x in ([1, 0], ["a", "b"], [0, float("inf")], [0])]
    + [(2, {"classes": x}) for x in (2.5, "2", 0, True)]
    + [(2, {"class_names": x}) for x in ("ab", ["a"], ["a", "a"], ["a", 1], list("abc"), None)]
    + [(2, {"class_names": {"a": 0, "b": 1}})]
    + [(0, {"grid": x}) for x in (None, [5, 5], {}, {"size": [5, 5]})]
    + [(0, {"grid": GRID | x}) for x in ({"size": [0, 5]}, {"size": [5]}, {"size": [5, 2.0]})]
    + [(0, {"grid": GRID | x}) for x in ({"noise": "column"}, {"codes": [1, 0]}, {"sheet": 5})],
)
def test_description_that_does_not_fit(capsys, described, n_labels, about):
    described(n_labels, about)
    assert "does not fit its model" in error_of(capsys, "g.h5")


@pytest.mark.parametrize("number", [7, 0, -1, "1", 1.0, True, None])
def test_other_formats(capsys, described, number):
    """The number comes before all else: what it stands for is not known here."""
    described(0, {"format": number, "kind": "diffusion"})
    line = error_of(capsys, "g.h5")
    assert f"g.h5 was written by a newer version of the scripts (format {number}): update" in line
