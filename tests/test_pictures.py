"""What the scripts make of a user's pictures and arrays, seen in their pixels.

All scripts have the same text for it, which tests/copies.py keeps so: it is tried in two of them,
grey and in colour, 28 and 32 pixels wide.
"""

import importlib
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (200, 30, 30)


@pytest.fixture
def grey():
    return importlib.import_module("mnist_gan")


@pytest.fixture
def colour():
    return importlib.import_module("cifar10_gan")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def halves(size, left, right, mode="RGB"):
    """Return a picture whose two halves have two colours."""
    picture = PIL.Image.new(mode, (size, size), left)
    picture.paste(right, (size // 2, 0, size, size))
    return picture


def assert_halves(image, left, right):
    """Check that an image (height, width, channels) shows two colours side by side."""
    half = image.shape[1] // 2
    np.testing.assert_array_equal(image[:, :half], np.broadcast_to(left, image[:, :half].shape))
    np.testing.assert_array_equal(image[:, half:], np.broadcast_to(right, image[:, half:].shape))


TRANSPARENT = {
    "RGBA": halves(32, (*BLACK, 0), (*RED, 255), "RGBA"),
    "LA": halves(32, (0, 0), (90, 255), "LA"),
    "palette": halves(32, (*BLACK, 0), (*RED, 255), "RGBA").quantize(4),
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparency_is_laid_on_white(kind, colour, tmp_path, capsys):
    """Not trained on with the colours that lie under it: a ball would become a square."""
    TRANSPARENT[kind].save(tmp_path / "a.png")
    halves(32, WHITE, RED).save(tmp_path / "b.png")
    images = colour.read_images(tmp_path, (32, 32, 3))
    right = (90, 90, 90) if kind == "LA" else RED
    assert_halves(images[0], WHITE, right)
    assert_halves(images[1], WHITE, RED)
    line = "2 pictures, 32 pixels wide: 1 with transparency laid on white\n"
    assert capsys.readouterr().out == line


def test_half_transparent_is_half_white(colour, tmp_path):
    PIL.Image.new("RGBA", (32, 32), (0, 0, 0, 51)).save(tmp_path / "a.png")
    assert (colour.read_images(tmp_path, (32, 32, 3)) == 204).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_to_eight(name, grey, colour, tmp_path):
    """They neither wrap around to stripes nor are clipped to white."""
    levels = np.linspace(0, 65535, 32 * 32).round().astype(np.uint16).reshape(32, 32)
    PIL.Image.fromarray(levels).save(tmp_path / name)
    expected = np.rint(levels / 257)
    for script, channels in ((grey, 1), (colour, 3)):
        (image,) = script.read_images(tmp_path, (32, 32, channels))
        for k in range(channels):
            np.testing.assert_array_equal(image[..., k], expected)


def test_inks_become_colours(colour, tmp_path):
    halves(32, (0, 0, 0, 0), (0, 255, 255, 0), "CMYK").save(tmp_path / "a.tif")
    (image,) = colour.read_images(tmp_path, (32, 32, 3))
    assert_halves(image, WHITE, (255, 0, 0))


def test_of_a_film_the_first_picture_is_read(colour, tmp_path):
    first, second = PIL.Image.new("RGB", (32, 32), RED), PIL.Image.new("RGB", (32, 32), WHITE)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    (image,) = colour.read_images(tmp_path, (32, 32, 3))
    assert_halves(image, RED, RED)


@pytest.mark.parametrize("ending", ["jfif", "tif", "webp", "tga", "PNG"])
def test_pictures_of_all_kinds_are_read(ending, colour, tmp_path):
    PIL.Image.init()
    kind = PIL.Image.registered_extensions()["." + ending.lower()]
    halves(32, BLACK, WHITE).save(tmp_path / f"a.{ending}", format=kind)
    (image,) = colour.read_images(tmp_path, (32, 32, 3))
    assert image[:, :14].max() < 20 and image[:, 18:].min() > 235


def test_turned_cropped_and_resized_is_said(grey, tmp_path, capsys):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    upright = np.zeros((56, 56), np.uint8)
    upright[:28] = 255  # light above, dark below
    PIL.Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=exif)
    PIL.Image.new("L", (100, 50)).save(tmp_path / "b.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    turned, _ = grey.read_images(tmp_path, (28, 28, 1))
    assert turned[:13].min() > 250 and turned[15:].max() < 5
    said = "2 pictures, 56 to 100 pixels wide: 1 turned as their EXIF says, resized to 28x28, 1 "
    assert capsys.readouterr().out == said + "cropped to squares; 1 other file left out\n"


def test_what_is_passed_over(grey, tmp_path):
    """Hidden files, Windows' files and a run's own pictures are no data; links are followed."""
    for place in ("cat", ".cache", "run", "elsewhere"):
        (tmp_path / "data" / place).mkdir(parents=True)
        PIL.Image.new("L", (28, 28)).save(tmp_path / "data" / place / "a.png")
    data = tmp_path / "data"
    for name in ("settings.json", "losses.csv"):
        (data / "run" / name).write_text("")
    (data / "cat/.hidden.png").write_bytes((data / "cat/a.png").read_bytes())
    (data / "cat/Thumbs.db").write_bytes(b"")
    (data / "elsewhere").rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", data / "dog")
    os.symlink(data, data / "dog/round")  # a circle
    pictures, n_others = grey.list_pictures(data)
    assert [path.relative_to(data).as_posix() for path in pictures] == ["cat/a.png", "dog/a.png"]
    assert n_others == 0


def test_folders_whose_names_are_numbers_are_sorted_as_numbers(tmp_path, capsys):
    script = importlib.import_module("cgan_mnist")
    for name in ("0", "1", "10", "2"):
        (tmp_path / name).mkdir()
        PIL.Image.new("L", (28, 28), int(name)).save(tmp_path / name / "a.png")
    images, labels, names = script.load_real_samples(tmp_path)
    assert names == ["0", "1", "2", "10"]
    assert [int(names[label]) for label in labels] == images[:, 0, 0, 0].tolist()


X = np.arange(6 * 28 * 28).reshape(6, 28, 28) % 256
ARRAYS = {
    "bytes in wider numbers": (X.astype(np.int64), ""),
    "floats from 0 to 1": ((X / 255).astype(np.float32), "pixels taken to range from 0 to 1"),
    "floats from -1 to 1": (X / 127.5 - 1, "pixels taken to range from -1 to 1"),
    "16 bits": ((X * 257).astype(np.uint16), "pixels taken to range from 0 to 65535"),
    "channels last": (X[..., None].astype(np.uint8), ""),
    "channels first": (X[:, None].astype(np.uint8), "channels put last"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(kind, grey, capsys):
    array, said = ARRAYS[kind]
    np.savez("a.npz", x_train=array)
    images = grey.read_images("a.npz", (28, 28, 1))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[..., 0], X)
    assert said in capsys.readouterr().out


def test_channels_that_come_first_are_colours(colour):
    """Put last, not read as rows of pixels."""
    red = np.zeros((6, 3, 32, 32), np.uint8)
    red[:, 0] = 200
    np.savez("a.npz", x_train=red)
    images = colour.read_images("a.npz", (32, 32, 3))
    np.testing.assert_array_equal(images, np.broadcast_to((200, 0, 0), images.shape))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_zeros_and_ones_are_black_and_white(dtype, grey):
    """As bytes from 0 to 255 they would all be black."""
    np.savez("a.npz", x_train=(X > 99).astype(dtype))
    images = grey.read_images("a.npz", (28, 28, 1))
    np.testing.assert_array_equal(images[..., 0], np.where(X > 99, 255, 0))


@pytest.mark.parametrize("name", ["images", "X", "arr_0", "anything"])
def test_names_of_arrays(name, grey):
    np.savez("a.npz", **{name: X.astype(np.uint8)})
    np.save("a.npy", X.astype(np.uint8))
    for file in ("a.npz", "a.npy"):
        np.testing.assert_array_equal(grey.read_images(file, (28, 28, 1))[..., 0], X)


def test_arrays_of_another_size_and_in_colour_are_fitted(grey, colour, capsys):
    """As pictures are: cropped in the centre, resized, made grey or coloured."""
    wide = np.zeros((3, 64, 128, 3), np.uint8)
    wide[:, :, 32:96] = (200, 100, 50)
    np.savez("a.npz", x_train=wide)
    images = colour.read_images("a.npz", (32, 32, 3))
    np.testing.assert_allclose(images[:, :, 4:-4], np.broadcast_to((200, 100, 50), (3, 32, 24, 3)))
    said = "3 images of 128x64: cropped to squares, resized to 32x32\n"
    assert capsys.readouterr().out == said
    in_grey = grey.read_images("a.npz", (28, 28, 1))
    np.testing.assert_allclose(in_grey[:, :, 4:-4], 124, atol=1)  # what Pillow makes of the colour
    np.savez("a.npz", x_train=X.astype(np.uint8))
    images = colour.read_images("a.npz", (28, 28, 3))
    np.testing.assert_array_equal(images, np.repeat(X[..., None], 3, axis=3))


@pytest.mark.parametrize("name", ["y_train", "labels", "y"])
@pytest.mark.parametrize("shape", ["flat", "column", "one-hot", "floats", "texts"])
def test_labels(name, shape, tmp_path):
    script = importlib.import_module("cgan_mnist")
    y = np.array([2, 0, 1, 1, 2, 0])
    shapes = {"flat": y, "column": y[:, None], "one-hot": np.eye(3)[y], "floats": y / 1.0}
    shapes["texts"] = np.array(["a", "b", "c"])[y]
    np.savez("a.npz", x_train=X.astype(np.uint8), **{name: shapes[shape]})
    _, labels, names = script.load_real_samples("a.npz")
    assert labels.tolist() == y.tolist() and labels.dtype == np.int32
    assert names == (["a", "b", "c"] if shape == "texts" else ["0", "1", "2"])


REFUSED = {  # what is in the file, and what has to be said of it
    "floats up to 255": (dict(x_train=X / 1.0), "neither bytes nor floats in [0, 1] or [-1, 1]"),
    "no number": (dict(x_train=np.full((6, 28, 28), np.nan)), "neither bytes nor floats"),
    "flat": (dict(x_train=X.reshape(6, -1).astype(np.uint8)), "images of shape (6, 784)"),
    "empty": (dict(x_train=X[:0].astype(np.uint8)), "images of shape (0, 28, 28, 1)"),
    "objects": (dict(x_train=np.array([{}], object)), "the array x_train holds no numbers"),
    "others": (dict(a=X, b=X), "no array x_train, but a, b"),
    "label per pixel": (dict(x_train=X.astype(np.uint8), y_train=X[:, 0]), "not one-hot"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_understood_is_refused(kind):
    script = importlib.import_module("cgan_mnist")
    arrays, said = REFUSED[kind]
    np.savez("a.npz", **arrays)
    with pytest.raises(script.Refusal) as error:
        script.load_real_samples("a.npz")
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["a.csv", "train-images-idx3-ubyte", "a.mat", "a.pkl", "a.npz"])
def test_other_files_are_not_to_be_unpickled(name, grey):
    """NumPy's own advice for such a file is to read it in a way that runs code out of it."""
    import pickle

    content = pickle.dumps([1]) if name == "a.pkl" else b"1,2,3\n" * 99
    with open(name, "wb") as file:
        file.write(content)
    with pytest.raises(grey.Refusal) as error:
        grey.read_images(name, (28, 28, 1))
    assert "NumPy" in str(error.value) and "pickle" not in str(error.value)


def test_a_picture_of_floats_is_named(grey, tmp_path):
    PIL.Image.fromarray(np.zeros((28, 28), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(grey.Refusal, match="a.tif: pixels that are floats"):
        grey.read_images(tmp_path, (28, 28, 1))


def test_names_that_the_terminal_has_no_letters_for(tmp_path):
    for name in ("犬 dog", "chat"):
        (tmp_path / name).mkdir()
        PIL.Image.new("L", (28, 28)).save(tmp_path / name / "a.png")
    command = [
        sys.executable,
        ROOT / "cgan_mnist.py",
        "--data",
        tmp_path,
        "--out",
        tmp_path / "run",
    ]
    command += ["--batch-size", "2", "--epochs", "1"]
    env = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=env)
    assert done.returncode == 0, done.stderr
    assert b"Classes: 0 is chat, 1 is ? dog" in done.stdout
