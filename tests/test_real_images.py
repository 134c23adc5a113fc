"""evaluation/data.py: the real images that an evaluation goes by, of any size and from anywhere.

They are read by a training script's functions, which tests/test_pictures.py tries: here it is only
seen that each of them is asked.
"""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from helpers import DIGITS, OBJECTS

import mnist_gan
from evaluation import data

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(1).integers(0, 256, (140, 28, 28), dtype=np.uint8)
LABELS = np.arange(140, dtype=np.uint8) // 7 % 4  # each of them among every tenth
TRAIN, TEST = slice(0, 100), slice(100, 140)
TENTH = np.arange(100) % 10 == 9


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def load(shape=SHAPE, **arrays):
    """Return the RealImages of an .npz file that holds these arrays."""
    np.savez("x.npz", **arrays)
    return data.load_real_images("x.npz", shape)


def save_picture(path, pixels):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path)


# ---- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, shape", [(DIGITS, SHAPE), (OBJECTS, (32, 32, 3))])
def test_the_shipped_data_are_what_their_arrays_hold(path, shape, capsys):
    real = data.load_real_images(path, shape)
    with np.load(path) as file:
        for name in ("x_train", "x_test"):
            np.testing.assert_array_equal(getattr(real, name), file[name].reshape(-1, *shape))
        for name in ("y_train", "y_test"):
            labels = getattr(real, name)
            assert labels.dtype == np.int64  # of which judges that are kept have their names
            np.testing.assert_array_equal(labels, file[name].ravel())
    assert real.names == [str(k) for k in range(10)] and real.notes == []
    assert real.pictures is real.x_train and capsys.readouterr().out == ""


def test_without_a_test_part_every_tenth_image_is_held_out():
    real = load(x_train=IMAGES[TRAIN, ..., None], y_train=np.array([*"dbca"])[LABELS[TRAIN]])
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[TRAIN][TENTH])
    np.testing.assert_array_equal(real.x_train[..., 0], IMAGES[TRAIN][~TENTH])
    assert (real.names, real.name) == ([*"abcd"], "x.npz")
    assert [real.names[k] for k in real.y_test] == ["dbca"[k] for k in LABELS[TRAIN][TENTH]]
    assert [real.names[k] for k in real.y_train] == ["dbca"[k] for k in LABELS[TRAIN][~TENTH]]


ARRAYS = {
    "floats": {"x_train": IMAGES / 255},
    "floats from -1": {"images": IMAGES / 127.5 - 1},
    "channels first": {"X": IMAGES[:, None]},
    "the only one": {"anything": IMAGES},
    "more colours": {"arr_0": IMAGES[..., None].repeat(3, axis=3)},
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_strangers(kind):
    real = load(**ARRAYS[kind])
    every_tenth = np.arange(140) % 10 == 9
    np.testing.assert_array_equal(real.x_train[..., 0], IMAGES[~every_tenth])
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[every_tenth])
    assert (real.y_train, real.y_test, real.names, real.notes) == (None, None, [], [])
    np.save("x.npy", IMAGES)
    np.testing.assert_array_equal(data.load_real_images("x.npy", SHAPE).x_train, real.x_train)


@pytest.mark.parametrize("shape", ["flat", "column", "one-hot", "texts"])
@pytest.mark.parametrize("tested", [False, True], ids=["held out", "test part"])
def test_labels_of_all_shapes(shape, tested):
    shapes = {"flat": LABELS, "column": LABELS[:, None], "one-hot": np.eye(4)[LABELS]}
    shapes["texts"] = np.array(["1", "2", "10", "11"])[LABELS]
    y = shapes[shape]
    if tested:
        test_part = {"x_test": IMAGES[TEST] / 255, "y_test": y[TEST]}  # scaled as in training
        real = load(images=IMAGES[TRAIN] / 255, labels=y[TRAIN], **test_part)
        np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[TEST])
        np.testing.assert_array_equal(real.y_train, LABELS[TRAIN])
        np.testing.assert_array_equal(real.y_test, LABELS[TEST])
    else:
        real = load(x_train=IMAGES[TRAIN], y=y[TRAIN])
        np.testing.assert_array_equal(real.y_train, LABELS[TRAIN][~TENTH])
        np.testing.assert_array_equal(real.y_test, LABELS[TRAIN][TENTH])
    assert real.names == (["1", "2", "10", "11"] if shape == "texts" else [*"0123"])
    assert real.y_train.dtype == real.y_test.dtype == np.int64 and real.notes == []


LEFT_OUT = {  # labels, and what is said of them
    "all the same": (np.zeros(100, int), None),
    "a number": (np.array(3), None),
    "too few": (LABELS[:99], "x.npz: 100 images have 99 labels"),
    "landmarks": (IMAGES[TRAIN, 0], "labels of shape (100, 28) that are not one-hot"),
    "objects": (np.array([{}] * 100), "the array y_train holds no numbers"),
    "one of each": (np.arange(100), "too few classes have a second image"),
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_labels_that_cannot_be_used_are_left_out(kind):
    y_train, said = LEFT_OUT[kind]
    real = load(x_train=IMAGES[TRAIN], y_train=y_train)
    assert (real.y_train, real.y_test, real.names) == (None, None, [])
    assert (len(real.x_train), len(real.x_test)) == (90, 10)
    if said is None:
        assert real.notes == []
    else:
        [note] = real.notes
        assert note.startswith("the labels are left out: ") and said in note and "\n" not in note


@pytest.mark.parametrize(
    "y_test, said",
    [
        (LABELS[TEST] + 1, "test labels that no training image has: 4"),
        (LABELS[101:140], "40 test images have 39 labels"),
        (np.array(3), "40 test images have 1 labels"),
        (None, "no array y_test"),
    ],
    ids=["unknown", "too few", "a number", "none"],
)
def test_a_test_part_whose_labels_do_not_fit_is_left_out(y_test, said):
    arrays = {"x_train": IMAGES[TRAIN], "y_train": LABELS[TRAIN], "x_test": IMAGES[TEST]}
    if y_test is not None:
        arrays["y_test"] = y_test
    real = load(**arrays)
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[TRAIN][TENTH])
    np.testing.assert_array_equal(real.y_test, LABELS[TRAIN][TENTH])
    [note] = real.notes
    assert note.startswith("the test part is left out: ") and said in note


@pytest.mark.parametrize("x_test", [IMAGES[TEST][:9], np.uint8(3)], ids=["nine", "a number"])
def test_a_test_part_of_too_few_is_left_out(x_test):
    real = load(x_train=IMAGES[TRAIN], x_test=x_test)
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[TRAIN][TENTH])
    assert real.notes == ["the test part is left out: it has fewer than 10 images"]
    assert len(load(x_train=IMAGES[:90], x_test=IMAGES[TEST][:10]).x_train) == 90


def test_of_no_class_the_only_image_is_held_out():
    """It would be judged by a class that was never seen, or not at all."""
    labels = LABELS[TRAIN].astype(int)
    labels[9] = 7  # one of those held out
    labels[[19, 29]] = 8
    real = load(x_train=IMAGES[TRAIN], y_train=labels, x_test=IMAGES[TEST], y_test=LABELS[TEST])
    assert (len(real.x_train), real.names) == (100, [*"012378"])
    # also where there are just enough images
    small = load(x_train=IMAGES[TRAIN], y_train=labels)
    assert len(small.x_test) == 7 and small.names == [*"012378"] and small.notes == []
    extended = {"x_train": IMAGES, "y_train": np.concatenate([labels, LABELS[TEST]])}
    real = load(**extended)
    held = np.arange(140) % 10 == 9
    held[[9, 19, 29]] = False
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[held])
    assert real.names == [*"012378"] and {4, 5} <= set(real.y_train) and real.notes == []


# ---- pictures ------------------------------------------------------------------------------------


def test_pictures_in_a_folder_are_read_as_a_script_reads_them(capsys):
    """Cropped, resized, laid on white; their folders are classes, in the order of the numbers."""
    rng = np.random.default_rng(1)
    for k in range(100):
        pixels = rng.integers(0, 256, (30, 40, 4), dtype=np.uint8)
        save_picture(f"own/{(2, 10)[k % 2]}/{k:02d}.png", pixels)
    Path("own/notes.txt").write_text("no picture")
    real = data.load_real_images("own", (24, 24, 3))
    said = "100 pictures, 40 pixels wide: with transparency laid on white, cropped to squares, "
    assert capsys.readouterr().out == said + "resized to 24x24; 1 other file left out\n"
    images = mnist_gan.read_images("own", (24, 24, 3))
    np.testing.assert_array_equal(real.x_train, images[~TENTH])
    np.testing.assert_array_equal(real.x_test, images[TENTH])
    assert (real.name, real.names) == ("own", ["2", "10"])
    np.testing.assert_array_equal(real.y_train, (np.arange(100) < 50)[~TENTH])  # 10 comes first
    assert real.notes == []


def test_pictures_without_folders_have_no_labels():
    for k in range(100):
        save_picture(f"own/{k}.png", IMAGES[k])
    real = data.load_real_images("own", SHAPE)
    assert (real.y_train, real.names, real.notes) == (None, [], [])
    assert real.x_train.shape == (90, 28, 28, 1)


def test_large_images_are_judged_small_and_shown_large():
    """Averaged, so that what is finer than a pixel does not turn into stripes."""
    fine = np.zeros((100, 64, 128, 3), np.uint8)
    fine[:, :, ::2] = 200
    fine[:50, 32:] = 10
    real = load((64, 128, 3), x_train=fine)
    assert real.pictures.shape == (90, 64, 128, 3)
    assert real.x_train.shape == (90, 32, 32, 3) and real.x_test.shape == (10, 32, 32, 3)
    assert real.x_train.dtype == np.uint8
    np.testing.assert_array_equal(real.x_train[0, :16], np.full((16, 32, 3), 100))
    np.testing.assert_array_equal(real.x_train[0, 16:], np.full((16, 32, 3), 10))


# ---- what cannot be had --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x_train, said",
    [
        (IMAGES[:99], "^x.npz: 99 images, 90 of them .*: give --data at least 100$"),
        (IMAGES[:1], "^x.npz: 1 images, 1 of them .* are too few"),
        (IMAGES * 1.0, "neither bytes nor floats in .0, 1. or .-1, 1.: give --data"),
        (IMAGES[..., None, None], "^x.npz: images of shape .140, 28, 28, 1, 1., not .*--data"),
        (np.uint8(3), "^x.npz: images of shape .*give --data"),
        (IMAGES[:0], "^x.npz: images of shape .*give --data"),
    ],
    ids=["99", "1", "floats", "5 axes", "a number", "none"],
)
def test_images_that_do_not_fit_are_refused(x_train, said):
    with pytest.raises(ValueError, match=said):
        load(x_train=x_train)
    with pytest.raises(ValueError, match="give --data"):  # nor may they be the test part
        load(x_train=IMAGES[:89], x_test=x_train)


def test_what_cannot_be_read_is_named():
    np.savez("other.npz", a=IMAGES, b=IMAGES)
    Path("empty").mkdir()
    Path("text.npz").write_text("no arrays")
    for path in ("other.npz", "missing.npz", "empty", "text.npz"):
        with pytest.raises(ValueError, match=f"^{path}: .*give --data"):
            data.load_real_images(path, SHAPE)


class Dataset:
    """Stands in for a data set of Keras."""

    __name__ = "keras.datasets.stand_in"

    def __init__(self, y):
        self.y = y

    def load_data(self):
        return (IMAGES[TRAIN], self.y[TRAIN]), (IMAGES[TEST], self.y[TEST])


def test_data_sets_of_keras(monkeypatch):
    for y in (LABELS, LABELS[:, None]):  # as MNIST and CIFAR-10 have them
        monkeypatch.setattr(data, "DATASETS", {SHAPE: Dataset(y)})
        real = data.load_real_images(None, SHAPE)
        np.testing.assert_array_equal(real.x_train[..., 0], IMAGES[TRAIN])
        np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[TEST])
        np.testing.assert_array_equal(real.y_train, LABELS[TRAIN])
        np.testing.assert_array_equal(real.y_test, LABELS[TEST])
        assert (real.name, real.names) == ("keras.datasets", [*"0123"])
    monkeypatch.setattr(data, "DATASETS", {SHAPE: None})
    with pytest.raises(ValueError, match="^keras.datasets: no images of 64x48x3: give --data"):
        data.load_real_images(None, (48, 64, 3))
