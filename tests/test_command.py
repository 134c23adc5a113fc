"""generate.py: from a command line to files; test_mistakes.py has what ends in one line.

Which points are drawn, and where, test_plan.py tests without a generator.
"""

import os
import sys
import weakref
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from generators import (  # noqa: F401
    INFOGAN,
    draw,
    error_of,
    glass,
    in_tmp_path,
    inputs_of,
    pixels,
)
from keras2_files import (
    cifar_generator,
    fill,
    keras2_cifar,
    keras2_file,
    keras2_sequential,
    mnist_generator,
    weights_of,
)
from PIL import Image

import generate
import sampling.draw
from sampling import program

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr

ANIMALS = ["cat", "polar bear", "0-1", "t-shirt", "1"]


# ---- what the generator is fed, and --npz --------------------------------------------------------


def test_unconditional():
    model = glass(100)
    arrays = draw("g.h5")
    assert [*arrays] == ["images", "latent", "seeds"]
    assert arrays["images"].shape == (25, 28, 28, 1) and arrays["images"].dtype == np.float32
    assert arrays["seeds"].tolist() == [*range(1, 26)]
    np.testing.assert_allclose(inputs_of(arrays["images"])[:, :100], arrays["latent"], atol=1e-5)
    expected = (model(arrays["latent"]).numpy() + 16) / 32
    np.testing.assert_allclose(arrays["images"], expected, atol=1e-5)


def test_conditional():
    glass(100, 10)
    arrays = draw("g.h5")
    assert [*arrays] == ["images", "latent", "seeds", "labels"]
    shown = inputs_of(arrays["images"])
    assert arrays["labels"].tolist() == [*range(10)] * 10
    np.testing.assert_allclose(shown[:, :100], arrays["latent"], atol=1e-5)
    np.testing.assert_allclose(shown[:, 100], arrays["labels"], atol=1e-4)


def test_infogan():
    glass(74, map=[9, *range(9)], **INFOGAN)
    arrays = draw("g.h5", "--labels", "9,0", "--code1", "-1:1:3", "--seeds", 5)
    assert [*arrays] == ["images", "latent", "seeds", "labels", "codes"]
    shown = inputs_of(arrays["images"])[:, :74]
    np.testing.assert_allclose(shown, arrays["latent"], atol=1e-5)
    assert arrays["labels"].tolist() == [9, 9, 9, 0, 0, 0]
    expected = np.eye(10)[[0, 0, 0, 1, 1, 1]]  # the categories that mean 9 and 0
    np.testing.assert_allclose(shown[:, 62:72], expected, atol=1e-5)
    np.testing.assert_array_equal(arrays["codes"], arrays["latent"][:, 72:])
    np.testing.assert_allclose(arrays["codes"][:, 0], [-1, 0, 1] * 2, atol=1e-6)
    assert arrays["codes"].dtype == np.float32


def test_vectors():
    """They have no seeds; uniform noise is no code."""
    uniform = [{"name": "noise", "size": 100, "distribution": "uniform"}]
    glass(100, latent=uniform)
    arrays = draw("g.h5", "--vector", "-0.5")
    assert [*arrays] == ["images", "latent"] and Path("g_vector.png").exists()
    assert arrays["images"].shape == (1, 28, 28, 1)
    expected = np.r_[np.full(100, -0.5), np.zeros(684)]
    np.testing.assert_allclose(inputs_of(arrays["images"])[0], expected, atol=1e-5)


def test_an_evaluated_run(capsys):
    """What its best.json says of the categories holds for the file that it names."""
    names = [f"digit {k}" for k in range(10)]
    Path("run").mkdir()
    glass(74, name="run/generator_model_001.h5", **INFOGAN)
    meaning = f'"map": [9, 0, 1, 2, 3, 4, 5, 6, 7, 8], "class_names": {names}'.replace("'", '"')
    Path("run/best.json").write_text(f'{{"file": "generator_model_001.h5", {meaning}}}')
    arrays = draw("run", "--labels", "digit 9", "--seeds", 1)
    captured = capsys.readouterr()
    assert captured.out.startswith("Sampling generator_model_001.h5, the best snapshot of run\n")
    assert captured.err == ""
    assert arrays["labels"].tolist() == [9] and arrays["class_names"].tolist() == names
    assert inputs_of(arrays["images"])[0, 62] == pytest.approx(1, abs=1e-4)  # category 0


# ---- pictures, folders, films --------------------------------------------------------------------


def test_seeds():
    """A seed's image is the same alone, in a sheet, in a folder and whatever else is drawn."""
    fill(mnist_generator()).save("g.h5")
    flags = ["--latent", "noise:100"]
    sheet = draw("g.h5", *flags, "--seeds", "40-44,7,3", "--grid", "2x4", "--out", "sheet.png")
    alone = draw("g.h5", *flags, "--seeds", "7")
    np.testing.assert_array_equal(alone["latent"][0], sheet["latent"][5])
    np.testing.assert_allclose(alone["images"][0], sheet["images"][5], atol=1e-6)
    whole, text = pixels("sheet.png")
    assert text["Seeds"] == "40-44,7,3" and len(text["Model SHA-256"]) == 64
    one, _ = pixels("g_seeds7.png")
    cell = whole[284:564:10, 284:564:10]
    np.testing.assert_array_equal(cell, one[2:282:10, 2:282:10])
    counted = draw("g.h5", *flags, "--seed", "5", "--count", "3", "--images", "data")
    np.testing.assert_allclose(counted["images"][2], sheet["images"][5], atol=1e-6)
    image, text = pixels("data/image_00002.png")
    np.testing.assert_array_equal(image, 255 - cell)
    assert text["Seeds"] == "7" and text["Software"] == "generate.py"
    assert text["Command"].startswith("python generate.py g.h5 --latent noise:100 --seed 5")


def test_a_seed_is_named_once_in_a_picture():
    glass(4, 10)
    draw("g.h5", "--labels", "3,1,4,1,5", "--grid", "2x5")
    assert pixels("g_seed1_3,1,4,1,5.png")[1]["Seeds"] == "1-2"  # of ten images


def test_colour():
    """A file of Keras 2, its pictures and its folder."""
    described = keras2_sequential("2.4.0", keras2_cifar("2.4.0"))
    keras2_file("g.h5", "2.4.0", described, weights_of(fill(cifar_generator())))
    Path("data").mkdir()  # an empty folder may be there
    flags = ["--latent", "noise:100", "--range", "-1,1"]
    arrays = draw("g.h5", *flags, "--count", 3, "--images", "data")
    expected = np.rint(arrays["images"] * 255)
    np.testing.assert_array_equal(pixels("data/image_00002.png")[0], expected[2])
    picture, _ = pixels("g_seed1.png")  # 3 images in a row of 5 places
    assert picture.shape == (324, 5 * 322 + 2, 3)
    np.testing.assert_array_equal(picture[2:322:10, 646:966:10], expected[2])


def test_folders_of_classes(capsys):
    """Files lie by class, hold the generator's values, and are counted for the user."""
    glass(4, 12)
    flags = ["--count", 27, "--images", "data", "--labels", "0-2,11", "--grid", "3x3"]
    arrays = draw("g.h5", *flags)
    expected = "9 images in g_seed1_0-2,11.png, 27 images in data, 27 images in run.npz\n"
    assert capsys.readouterr().out == expected
    names = sorted(str(path.relative_to("data")) for path in Path("data").rglob("*.png"))
    counts = {"00": 7, "01": 7, "02": 7, "11": 6}
    assert names == [f"{k}/image_{i:05d}.png" for k, n in counts.items() for i in range(n)]
    image, text = pixels("data/11/image_00001.png")
    np.testing.assert_array_equal(image, np.rint(arrays["images"][7, :, :, 0] * 255))
    assert text["Seeds"] == "8"
    assert "not an empty folder" in error_of(capsys, "g.h5", "--count", 3, "--images", "data")
    draw("g.h5", "--seeds", "3", "--labels", "11", "--images", "one")
    assert [str(path) for path in Path("one").rglob("*.png")] == ["one/11/image_00000.png"]


def test_class_names():
    """They choose columns, name the folders, and stand in the .npz file."""
    glass(4, 5, class_names=ANIMALS)
    arrays = draw("g.h5", "--labels", "t-shirt,0,1", "--count", 4, "--images", "data")
    assert arrays["labels"].tolist() == [3, 0, 4, 3]
    assert np.issubdtype(arrays["labels"].dtype, np.integer)
    np.testing.assert_allclose(inputs_of(arrays["images"])[:, 4], [3, 0, 4, 3], atol=1e-4)
    assert arrays["class_names"].tolist() == ANIMALS and arrays["class_names"].dtype.kind == "U"
    names = sorted(str(path.relative_to("data")) for path in Path("data").rglob("*.png"))
    files = ["1/image_00000", "cat/image_00000", "t-shirt/image_00000", "t-shirt/image_00001"]
    assert names == [f"{file}.png" for file in files]
    assert len(draw("g.h5", "--text", "11")["images"]) == 2


def test_an_animation():
    glass(4, 10)
    arrays = draw("g.h5", "--interpolate", "3,7", "--steps", 5, "--out", "walk.gif")
    assert "seeds" not in arrays
    sheets = 1 - arrays["images"].reshape(10, 10, 28, 28)
    with Image.open("walk.gif") as film:
        assert film.n_frames == 10 and film.info["loop"] == 0
        assert film.info["duration"] == generate.FRAME
        for frame in (0, 3, 9):
            film.seek(frame)
            shown = np.asarray(film.convert("L"), float) / 255
            cells = shown[2:, 2:].reshape(-1, 10, shown.shape[1] // 10)
            scale = cells.shape[2] // 28
            cut = cells[: 28 * scale : scale, :, : 28 * scale : scale].swapaxes(0, 1)
            assert np.abs(cut - sheets[frame]).max() < 0.01


def test_show(monkeypatch, capsys):
    glass(4)
    shown = []
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gca().images[0].get_array().shape))
    generate.main(["g.h5", "--show"])
    plt.close("all")
    assert shown == [plt.imread("g_seed1.png").shape]
    capsys.readouterr()
    monkeypatch.setattr(plt, "get_backend", lambda: "agg")
    with pytest.raises(SystemExit, match="2"):
        generate.main(["g.h5", "--show"])
    assert "no window can be opened here" in capsys.readouterr().err


# ---- disks, memory, standard output --------------------------------------------------------------


def test_a_failed_run_keeps_the_files_before(monkeypatch, capsys):
    glass(4)
    before = {"g_seed1.png": "the picture before", "run.npz": "the arrays before"}
    for name, text in before.items():
        Path(name).write_text(text)

    def full_disk(path, data):
        path.write_text("half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert "No space left" in error_of(capsys, "g.h5", "--npz", "run.npz")
    assert {name: Path(name).read_text() for name in before} == before
    assert sorted(os.listdir()) == ["g.h5", *before]


def test_memory_does_not_grow(monkeypatch):
    """Of 2,000 images three batches are there at once: the first is shown, the others written."""
    glass(4, 10)
    batches = []
    alive = []
    draw_images = sampling.draw.draw_images

    def watched(*args):
        for batch in draw_images(*args):
            batches.append(weakref.ref(batch))
            yield batch
            alive.append(sum(batch() is not None for batch in batches))

    monkeypatch.setattr(sampling.draw, "draw_images", watched)
    arrays = draw("g.h5", "--count", 2000)
    assert len(alive) == 8 and max(alive) <= 3
    assert arrays["images"].shape == (2000, 28, 28, 1)
    assert arrays["labels"].tolist() == [*range(10)] * 200
    shown = inputs_of(arrays["images"])
    np.testing.assert_allclose(shown[:, :4], arrays["latent"], atol=1e-5)
    np.testing.assert_allclose(shown[:, 4], arrays["labels"], atol=1e-4)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has such a device")
@pytest.mark.parametrize("where", ["full", "closed"])
def test_nobody_takes_what_is_printed(monkeypatch, capsys, where):
    """As in `> /dev/full` and `| head -0`: one line and status 1; the picture is there."""
    glass(4)
    if where == "full":
        output = open("/dev/full", "w")
    else:
        reader, writer = os.pipe()
        os.close(reader)
        output = open(writer, "w")
    with output, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            program.run("generate.py", lambda: generate.main(["g.h5"]))
    assert end.value.code == 1
    reason = {"full": "No space left on device", "closed": "Broken pipe"}[where]
    assert capsys.readouterr().err == f"generate.py: error: cannot print: {reason}\n"
    assert pixels("g_seed1.png")[0].shape == (852, 852)
