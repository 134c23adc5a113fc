"""sampling/sheets.py: sheets, films, folders and arrays of images. Needs no TensorFlow."""

import collections
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sampling import sheets


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def random_images(*shape):
    """Return images (n, h, w, c) of 256 levels in [0, 1]."""
    levels = np.random.default_rng(1).integers(0, 256, shape)
    return (levels / 255).astype(np.float32)


def read(path):
    """Return the pixels of a picture, uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def draw(images, rows, cols):
    """Write a sheet as a picture and return its pixels."""
    sheets.save_picture(Path("a.png"), sheets.tile(images, rows, cols), {})
    return read("a.png")


def cells(picture, size, rows, cols):
    """Cut a picture into its cells (rows * cols, size, size, ...), without what is between them."""
    step = size + 2
    cut = picture[2:, 2:].reshape(rows, step, cols, step, *picture.shape[2:]).swapaxes(1, 2)
    return cut.reshape(rows * cols, step, step, *picture.shape[2:])[:, :size, :size]


def test_a_grey_sheet():
    """Digits are dark on white, as in the tutorials, and ten times as large, with sharp edges."""
    images = random_images(6, 28, 28, 1)
    picture = draw(images, 2, 3)
    assert picture.shape == (2 * 282 + 2, 3 * 282 + 2) and picture.dtype == np.uint8
    shown = cells(picture, 280, 2, 3)
    expected = 255 - np.rint(images[..., 0] * 255)
    np.testing.assert_array_equal(shown, expected.repeat(10, axis=1).repeat(10, axis=2))
    assert (picture[:2] == 255).all() and (picture[:, :2] == 255).all()
    assert (picture[282:284] == 255).all() and (picture[:, 282:284] == 255).all()


def test_a_colour_sheet():
    """Three images in a row of five places."""
    images = random_images(3, 32, 32, 3)
    picture = draw(images, 1, 5)
    assert picture.shape == (324, 5 * 322 + 2, 3)
    shown = cells(picture, 320, 1, 5)
    expected = np.rint(images * 255)
    np.testing.assert_array_equal(shown[:3, ::10, ::10], expected)
    assert (shown[3:] == 255).all() and (picture[:2] == 255).all()


@pytest.mark.parametrize("rows,cols,size", [(1, 1, 280), (10, 10, 84), (2, 26, 56), (100, 5, 28)])
def test_a_sheet_fits_a_screen(rows, cols, size):
    picture = draw(random_images(rows * cols, 28, 28, 1), rows, cols)
    assert picture.shape == (rows * (size + 2) + 2, cols * (size + 2) + 2)


def test_a_picture_says_what_it_is():
    sheet = sheets.tile(random_images(1, 28, 28, 1), 1, 1)
    sheets.save_picture(Path("a.png"), sheet, {"Seeds": "40-44,7,3", "Command": "é"})
    with Image.open("a.png") as picture:
        assert picture.text == {"Seeds": "40-44,7,3", "Command": "é"}
    assert os.listdir() == ["a.png"]
    assert sheets.as_png(sheet, {"Seeds": "40-44,7,3", "Command": "é"}) == (
        Path("a.png").read_bytes()
    )


def test_a_title_stands_above():
    sheet = sheets.tile(random_images(1, 28, 28, 1), 1, 1)
    plain = np.asarray(sheets.picture(sheet))
    titled = np.asarray(sheets.picture(sheet, "epoch 7"))
    np.testing.assert_array_equal(titled[20:], plain)
    assert (titled[:20] == 255).mean() > 0.5 and titled[:20].min() < 100


def test_an_animation():
    images = random_images(3, 28, 28, 1)
    frames = [(sheets.tile(image[None], 1, 1), "") for image in images]
    sheets.save_animation(Path("a.gif"), frames, 80)
    with Image.open("a.gif") as film:
        assert (film.n_frames, film.info["loop"], film.info["duration"]) == (3, 0, 80)
        for frame, (sheet, _) in enumerate(frames):
            film.seek(frame)
            shown = np.asarray(film.convert("L"), float) / 255
            assert np.abs(shown - (1 - sheet[..., 0])).max() < 0.01
    assert os.listdir() == ["a.gif"]


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_files_of_images(shape):
    """They hold the generator's pixels, white on black, lie by class and are counted there."""
    images = random_images(5, *shape)
    counts = collections.Counter()
    texts = [{"Seeds": str(seed)} for seed in range(7, 12)]
    sheets.save_images(Path("data"), images[:3], ["00", "11", "00"], counts, texts[:3])
    sheets.save_images(Path("data"), images[3:], ["00", "11"], counts, texts[3:])
    order = {"00/image_00000": 0, "11/image_00000": 1, "00/image_00001": 2}
    order |= {"00/image_00002": 3, "11/image_00001": 4}
    assert {str(path) for path in Path("data").rglob("*.png")} == {f"data/{x}.png" for x in order}
    for name, k in order.items():
        with Image.open(f"data/{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), np.rint(images[k] * 255).squeeze())
            assert picture.text == {"Seeds": str(7 + k)}


@pytest.mark.parametrize(
    "names,folders",
    [
        (["../x", "cat"], ["0__x", "1_cat"]),
        (["a/b", "a\\b"], ["0_a_b", "1_a_b"]),
        (["/dev/null/x", ".."], ["0__dev_null_x", "1_"]),
        ([".", "cat"], ["0_", "1_cat"]),
        (["", "cat"], ["0_", "1_cat"]),
        (["Cat", "cat"], ["0_Cat", "1_cat"]),  # one folder on many file systems
        (["\0", "x" * 300], ["0__", "1_" + "x" * 60]),
        (["vélo", "v1.5 (b)"], ["vélo", "v1.5 (b)"]),
    ],
)
def test_names_stay_in_the_folder(names, folders):
    """Names are data of a file from anywhere: none may lead to another place, nor to one place."""
    assert sheets.class_folders(2, names) == folders
    images = random_images(2, 8, 8, 1)
    Path("deep").mkdir()
    sheets.save_images(Path("deep/data"), images, folders, collections.Counter(), [{}, {}])
    written = {str(path) for path in Path().rglob("*.png")}
    assert written == {f"deep/data/{folder}/image_00000.png" for folder in folders}


def test_folders_of_classes_without_names():
    """Numbers of one length, so that sorting them sorts the classes."""
    assert sheets.class_folders(0, []) == ["."]
    assert sheets.class_folders(10, []) == [str(k) for k in range(10)]
    assert sheets.class_folders(12, [])[:3] == ["00", "01", "02"]


def test_arrays():
    """They are written in parts, and read by np.load as if np.savez had written them."""
    images = random_images(5, 28, 28, 1)
    arrays = {"labels": np.arange(5)}
    with sheets.npz_writer(Path("a.npz"), images.shape, arrays) as file:
        file.write(images[:3])
        file.write(images[3:])
        arrays["seeds"] = np.arange(5, 10)  # known only now
    with np.load("a.npz") as read:
        assert read.files == ["images", "labels", "seeds"]
        np.testing.assert_array_equal(read["images"], images)
        assert read["images"].dtype == np.float32 and read["seeds"].tolist() == [5, 6, 7, 8, 9]


def test_a_failure_leaves_the_file_before():
    Path("a.npz").write_text("the arrays before")
    with pytest.raises(RuntimeError):
        with sheets.npz_writer(Path("a.npz"), (1, 8, 8, 1), {}):
            raise RuntimeError
    assert Path("a.npz").read_text() == "the arrays before" and os.listdir() == ["a.npz"]
