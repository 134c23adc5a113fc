"""sampling/files.py: which file of a run is opened, what a file says of itself, and what is worked
out of the model of one that says nothing.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from generators import (  # noqa: F401
    account_of,
    draw,
    error_of,
    glass,
    in_tmp_path,
    stranger,
    write_account,
)
from keras import layers
from keras2_files import fill, set_of, small_file

from sampling import files
from sampling.checks import GeneratorFileError
from sampling.draw import run_model
from sampling.points import generate_latent_points

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr

# ---- the file of a run ---------------------------------------------------------------------------


def make_run(*epochs, folder="run"):
    """Make a folder with empty snapshots after these epochs."""
    Path(folder).mkdir()
    for epoch in epochs:
        Path(f"{folder}/generator_model_{epoch:03d}.h5").touch()
    for name in ("generator_model_9999.h5.part", "generator_model_.h5", "generator_model_9x.h5"):
        Path(folder, name).touch()
    return Path(folder)


def test_the_last_snapshot_is_that_of_the_highest_epoch():
    """Not the last by text, of which 505 is."""
    run = make_run(505, 1010, 5, 99)
    epochs = [path.stem.rpartition("_")[2] for path in files.list_snapshots(run)]
    assert epochs == ["005", "099", "505", "1010"]
    assert files.choose_snapshot(run) == (run / "generator_model_1010.h5", {}, "last")


def test_the_best_snapshot_comes_first(capsys):
    run = make_run(1, 505, 1010)
    names = [str(k) for k in range(10)]
    found = {"file": "generator_model_505.h5", "map": [9, *range(9)], "class_names": names}
    (run / "best.json").write_text(json.dumps(found | {"scores": 1}))
    meaning = {"map": [9, *range(9)], "class_names": names}
    best = run / "generator_model_505.h5"
    assert files.choose_snapshot(run) == (best, meaning, "best")
    assert files.choose_snapshot(best) == (best, meaning, "")
    other = run / "generator_model_001.h5"
    assert files.choose_snapshot(other) == (other, {}, "")
    (run / "best.json").write_text(json.dumps({"file": "generator_model_505.h5", "map": None}))
    assert files.choose_snapshot(run) == (best, {}, "best")


@pytest.mark.parametrize(
    "text,part",
    [
        ("{", "best.json is damaged: run evaluate.py again"),
        ("[]", "best.json is damaged"),
        ("{}", "best.json is damaged"),
        ('{"file": "../a.h5"}', "names no file of its own folder"),
        ('{"file": 1}', "names no file of its own folder"),
        ('{"file": "generator_model_002.h5"}', "holds no snapshot generator_model_002.h5"),
    ],
)
def test_a_damaged_best(text, part):
    """A single file beside it opens all the same."""
    run = make_run(1)
    (run / "best.json").write_text(text)
    with pytest.raises(GeneratorFileError, match=part):
        files.choose_snapshot(run)
    single = run / "generator_model_001.h5"
    assert files.choose_snapshot(single) == (single, {}, "")


def test_a_folder_without_snapshots():
    with pytest.raises(GeneratorFileError, match="run holds no snapshot generator_model_NNN.h5"):
        files.choose_snapshot(make_run())


def test_the_command_says_which_snapshot_it_takes(capsys):
    Path("run").mkdir()
    for epoch, width in (("505", 3), ("1010", 4)):
        glass(width, name=f"run/generator_model_{epoch}.h5")
    assert draw("run", "--vector", 1)["latent"].shape == (1, 4)
    out = capsys.readouterr().out
    assert out.startswith("Sampling generator_model_1010.h5, the last snapshot of run\n")


# ---- what a file says of itself ------------------------------------------------------------------


def test_open_generator():
    """What a file says of itself is returned whole, with the names that older files lack."""
    model = glass(4, 2)
    used = account_of(4, 2) | {"class_names": ["3", "7"]}
    told = {"format": 1, **used, "script": "cgan_mnist.py", "seed": 1}
    told |= {"epoch": 50, "averaged": False, "settings": {"batch_size": 64}, "versions": {}}
    told |= {"data": {"name": "digits.npz", "n_images": 9, "sha256": "0"}, "more": [1]}
    older = {key: value for key, value in told.items() if key not in ("format", "class_names")}
    for written, expected in ((told, told), (older, older | {"class_names": []})):
        write_account("g.h5", written)
        assert files.read_description("g.h5") == expected
        opened, about = files.open_generator(Path("g.h5"))
        assert about == expected
        points = np.ones((2, 4), "float32")
        labels = np.array([[0], [1]])
        np.testing.assert_array_equal(opened([points, labels]), model([points, labels]))
    write_account("g.h5", None)
    assert files.read_description("g.h5") is None
    expected = account_of(4, 2) | {"format": 1, "pixel_range": None}
    assert files.open_generator("g.h5")[1] == expected
    _, about = files.open_generator("g.h5", pixel_range=(-3, 3))
    assert about == expected | {"pixel_range": (-3, 3)}


def test_a_model_that_cannot_be_rebuilt():
    small_file("bad.h5", change=set_of(2, strides="many\nlines"))
    with pytest.raises(GeneratorFileError, match="cannot rebuild") as error:
        files.open_generator("bad.h5")
    assert "\n" not in str(error.value)


def test_generator_trained_in_bfloat16_is_sampled_in_float32():
    images = []
    for policy in ("float32", "mixed_bfloat16"):
        dense = layers.Dense(64, activation="sigmoid", dtype=policy)
        image = layers.Reshape((8, 8, 1), dtype=policy)
        fill(keras.Sequential([keras.Input((4,)), dense, image])).save("g.h5")
        model, about = files.open_generator("g.h5")
        images.append(run_model(model, generate_latent_points(about["latent"], [1, 2]), None))
    np.testing.assert_array_equal(*images)


# ---- what is worked out of a stranger's model ----------------------------------------------------


def shaped(*added, inputs=((100,),), dtypes=("float32",)):
    """Build a model of inputs, a Dense of 784 on all of them, and the layers `added`.

    These are pairs of a class of keras.layers and its arguments, or the layers of a model inside.
    """
    taken = [keras.Input(shape, dtype=d) for shape, d in zip(inputs, dtypes, strict=True)]
    flat = [layers.Flatten()(x) for x in taken]
    x = layers.Dense(784)(layers.Concatenate()(flat) if len(flat) > 1 else flat[0])
    for name, *arguments in added:
        if name == "Sequential":
            x = keras.Sequential([getattr(layers, inner)(*rest) for inner, *rest in arguments])(x)
        else:
            x = getattr(layers, name)(*arguments)(x)
    return keras.Model(taken, x)


IMAGE = ("Reshape", (28, 28, 1))
TANH = ("Activation", "tanh")
POINT_AND_LABEL = {"inputs": ((100,), ()), "dtypes": ("float32", "int64")}
LABEL_AND_POINT = {"inputs": ((1,), (100,)), "dtypes": ("float32", "float32")}


@pytest.mark.parametrize(
    "added,inputs,positions,classes,pixel_range,shape",
    [
        ([TANH, IMAGE], {}, (0, None), 0, None, (28, 28, 1)),  # of [-1, 1], or of [0, 1]
        ([("Activation", "sigmoid")], {}, (0, None), 0, (0, 1), (28, 28, 1)),
        ([("Dense", 3072, "sigmoid")], {}, (0, None), 0, (0, 1), (32, 32, 3)),
        ([("Dense", 1024, "relu")], {}, (0, None), 0, None, (32, 32, 1)),
        ([("Reshape", (28, 28))], {}, (0, None), 0, None, (28, 28, 1)),
        ([IMAGE], {"inputs": ((1, 1, 100),)}, (0, None), 0, None, (28, 28, 1)),
        (
            [("Sequential", ("Dense", 784, "sigmoid"), IMAGE)],
            {},
            (0, None),
            0,
            (0, 1),
            (28, 28, 1),
        ),
        ([], LABEL_AND_POINT, (1, 0), 10, None, (28, 28, 1)),
        ([], POINT_AND_LABEL, (0, 1), 10, None, (28, 28, 1)),
    ],
)
def test_foreign(added, inputs, positions, classes, pixel_range, shape):
    model = shaped(*added, **inputs)
    assert files.find_inputs(model) == positions
    about = files.describe(model)
    assert (about["classes"], about["pixel_range"]) == (classes, pixel_range)
    points = generate_latent_points(about["latent"], [1, 2])
    assert points.shape == (2, 100)
    assert run_model(model, points, np.array([0, 9])).shape == (2, *shape)
    model.save("g.h5")
    assert files.open_generator("g.h5")[1] == about


@pytest.mark.parametrize(
    "build",
    [
        [layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(1)],
        [layers.Input((32, 32, 3)), layers.Conv2D(3, 3, padding="same")],
        [layers.Input((100,)), layers.Dense(10)],
        [layers.Input((100,)), layers.Dense(49)],
        [layers.Input((None, 8)), layers.Dense(784)],
        {"inputs": ((100,), (10,)), "dtypes": ("float32",) * 2},
        {"inputs": ((1,), (1,)), "dtypes": ("float32",) * 2},
        {"inputs": ((9,), (1,), (1,)), "dtypes": ("float32",) * 3},
        {"inputs": ((9,),), "dtypes": ("int32",)},
    ],
)
def test_not_a_generator(capsys, build):
    model = shaped(**build) if isinstance(build, dict) else keras.Sequential(build)
    model.save("g.h5")
    assert "not a generator of images" in error_of(capsys, "g.h5")


def test_the_number_of_classes_is_that_of_the_embedding(capsys):
    assert files.describe(stranger(4, 7))["classes"] == 7
    assert "classes of this generator are 0 to 6" in error_of(capsys, "g.h5", "--labels", "5-7")
