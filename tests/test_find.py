"""generate.py --find and sampling/find.py: the latent point whose image is nearest to a picture."""

import collections

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT
from generators import INFOGAN, draw, error_of, glass, in_tmp_path, pixels  # noqa: F401

import generate
import mnist_gan
from sampling import find
from sampling.draw import draw_images
from sampling.points import generate_latent_points, part_columns, set_classes

CGAN = str(ROOT / "pretrained/cgan_mnist.h5")


def save(name, image):
    """Save an image (h, w, 1) in [0, 1] as a picture; return its name."""
    PIL.Image.fromarray(np.rint(image[..., 0] * 255).astype(np.uint8)).save(name)
    return name


@pytest.mark.parametrize("dark_on_white", [False, True])
def test_a_digit_of_the_generator_is_found_with_its_class(dark_on_white, capsys):
    """Of all ten; its point draws it again, and the sheet shows the two side by side."""
    digit = draw(CGAN, "--seeds", "777", "--labels", "7")["images"][0]
    name = save("digit.png", 1 - digit if dark_on_white else digit)
    capsys.readouterr()
    generate.main([CGAN, "--find", name, "--out", "found.png"])
    lines = capsys.readouterr().out.splitlines()
    assert dark_on_white == lines[0].startswith("The picture was inverted")
    assert float(lines[-3].split()[1]) < 0.01 and lines[-3].endswith(", class 7")
    assert lines[-2] == "Draw it again with --vector found.npy --labels 7"
    again = draw(CGAN, "--vector", "found.npy", "--labels", "7")["images"][0]
    np.testing.assert_allclose(again, digit, atol=0.05)
    sheet, _ = pixels("found.png")
    left, right = np.array_split(np.asarray(sheet, float), 2, axis=1)
    assert np.abs(left - right).mean() < 3 < left.std()  # of 255


def test_what_the_generator_cannot_draw_stays_far(capsys):
    """And only classes that are asked for are tried."""
    checks = np.indices((28, 28)).sum(axis=0)[..., None] // 4 % 2
    generate.main([CGAN, "--find", save("checks.png", checks), "--labels", "3", "--out", "far.png"])
    line = capsys.readouterr().out.splitlines()[-3]
    assert float(line.split()[1]) > 0.2 and line.endswith(", class 3")


def test_points_stay_where_a_generator_was_trained():
    """Noise as long as it is drawn, codes in [-1, 1], one whole category; their image is found."""
    about = INFOGAN | {"classes": 10, "pixel_range": [-16, 16]}
    parts = about["latent"]
    model = glass(sum(part["size"] for part in parts))
    point = generate_latent_points(parts, [5])
    set_classes(point, np.array([4]), about)
    point[0, part_columns(parts, "uniform")] = [0.5, 2]  # no code is that far out
    [image] = next(draw_images(model, about, point, np.zeros(1, int)))
    found = find.find_point(model, about, image, [*range(10)], 1)
    assert found.label == 4 and found.distance < 0.01
    category = part_columns(parts, "one-hot")
    np.testing.assert_array_equal(found.point[category], point[0, category])
    noise = part_columns(parts, "normal")
    assert np.isclose(np.linalg.norm(found.point[noise]), np.sqrt(len(noise)), atol=1e-3)
    assert (np.abs(found.point[part_columns(parts, "uniform")]) <= 1).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16", "CMYK", "turned"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_a_picture_is_read_as_the_scripts_read_it(mode, shape):
    rng = np.random.default_rng(1)
    picture = PIL.Image.fromarray(rng.integers(0, 256, (40, 50, 4), dtype=np.uint8), "RGBA")
    name = "picture.tif" if mode == "CMYK" else "picture.png"
    exif = PIL.Image.Exif()
    if mode == "turned":
        exif[0x0112] = 6
        picture = picture.convert("RGB")
    elif mode == "I;16":
        picture = PIL.Image.fromarray(rng.integers(0, 65536, (40, 50), dtype=np.uint16))
    else:
        picture = picture.convert("RGB" if mode in ("P", "CMYK") else mode).convert(mode)
    picture.save(name, exif=exif)
    with PIL.Image.open(name) as file:
        upright = PIL.ImageOps.exif_transpose(file)
        expected = mnist_gan.fit_picture(upright, shape, collections.Counter()) / 255
    np.testing.assert_allclose(find.read_picture(name, shape), expected, atol=1e-6)


@pytest.mark.parametrize("pixels, why", [(70_000, "more than 16 bits"), (0.5, "are floats")])
def test_pixels_of_an_unknown_range_are_refused(pixels, why):
    dtype = np.int32 if isinstance(pixels, int) else np.float32
    PIL.Image.fromarray(np.full((30, 30), pixels, dtype)).save("p.tif")
    with pytest.raises(find.PictureError, match=why):
        find.read_picture("p.tif", (28, 28, 1))


def test_large_images_are_searched_from_fewer_points():
    about = {"latent": [{"name": "noise", "size": 3, "distribution": "normal"}], "classes": 0}
    for side, n in ((28, 80), (64, 80), (128, 20), (256, 8)):
        points, labels = find.begin(about, (side, side, 3), [], 1)
        assert len(points) == len(labels) == n
    _, labels = find.begin(about, (256, 256, 3), [*range(10)], 1)
    assert sorted(labels) == [*range(10)]


@pytest.mark.parametrize(
    "flags, line",
    [
        (["nothing.png"], "--find: there is no file nothing.png"),
        (["text.png"], "text.png is no picture that can be read"),
        (["text.png", "--npz", "a.npz"], "--find goes with none of --images, --npz"),
        (["text.png", "--seeds", "3"], "not allowed with argument"),
    ],
)
def test_mistakes(capsys, tmp_path, flags, line):
    (tmp_path / "text.png").write_text("no picture")
    assert line in error_of(capsys, CGAN, "--find", *flags)
    assert [path.name for path in tmp_path.iterdir()] == ["text.png"]
