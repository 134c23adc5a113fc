"""tools/page.py: its command line, what it refuses, and the workflow that publishes its pages.

Without a browser: test_page_numbers.py and test_page_browser.py have one.
"""

import base64
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import page
import pytest
from conftest import ROOT
from generators import INFOGAN, glass, in_tmp_path, stranger  # noqa: F401
from keras import layers
from pages import make, refused


def content_of(path):
    """Return what a page says of its generator, a dict."""
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="content".*?>(.*?)</script>', text, re.S)[1])


def test_the_parts_of_a_page():
    """Template and engine have no line that must be scrolled, and no place is left open."""
    glass(4)
    assert "{{" not in make("g.h5").read_text(encoding="utf-8")
    for part in (page.TEMPLATE, page.ENGINE):
        lines = part.read_text(encoding="utf-8").splitlines()
        assert max(len(line) for line in lines) <= 100


def test_weights_stand_in_pieces(tmp_path):
    """WebKit takes up to 20 s to read one script of 17 MB."""
    model = glass(1000)
    text = make("g.h5").read_text(encoding="utf-8")
    pieces = re.findall(r'<script class="weights" type="text/plain">(.*?)</script>', text)
    assert len(pieces) == math.ceil(2 * model.count_params() / 45_000)
    assert max(len(piece) for piece in pieces) <= 60_000
    weights = b"".join(base64.b64decode(piece) for piece in pieces)
    _, halves = page.page_steps.pack_weights(page.page_steps.make_steps(model)[0])
    assert weights.endswith(halves)


SUBJECTS = [
    ({"data": {"name": "mnist.npz"}}, "digits"),
    ({"data": {"name": "fashion_mnist"}, "class_names": [*"0123456789"]}, "clothes"),
    ({"data": {"name": "cifar10.npz"}}, "small photographs"),
    ({"data": {"name": "Emoji"}}, "emoji"),
    ({"data": {"name": "mine"}, "class_names": [*"0123456789"]}, "digits"),
    ({"class_names": [*"abcdefghij"]}, "characters"),
    ({"class_names": ["cat", *"bcdefghij"]}, "pictures"),
    ({"data": {"name": ["mnist"] * 2}}, "digits"),
    ({"data": "mnist"}, "pictures"),
    ({"data": {}}, "pictures"),
    ({}, "pictures"),
]


@pytest.mark.parametrize(("said", "subject"), SUBJECTS)
def test_what_is_drawn(said, subject):
    glass(4, 10 if "class_names" in said else 0, **said)
    assert content_of(make("g.h5"))["subject"] == subject


def test_codes_are_called_by_what_they_do():
    """By the larger of the rank correlations that evaluate.py measured, from 0.3 on."""
    scores = {"code1_slant": 0.69, "code1_stroke": 0.17, "code2_slant": 0.43, "code2_stroke": -0.59}
    glass(74, scores=scores, **INFOGAN)
    assert content_of(make("g.h5"))["meanings"] == ["slant", "stroke width"]
    scores = {"code1_slant": -0.29, "code1_stroke": float("nan"), "code2_slant": "0.9"}
    glass(74, scores=scores, **INFOGAN)
    assert content_of(make("g.h5"))["meanings"] == ["", ""]
    glass(74, scores=[1], **INFOGAN)
    assert content_of(make("g.h5"))["meanings"] == ["", ""]
    glass(4)
    assert content_of(make("g.h5"))["meanings"] == []


# ---- files that do not describe themselves -------------------------------------------------------


def warnings_of(capsys):
    """Return what page.py has warned of since the last call."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("page.py: warning: ") for line in lines), lines
    return [line.removeprefix("page.py: warning: ") for line in lines]


def test_a_strangers_range_is_decided_as_generate_decides_it(capsys):
    for scale, low in ((1.0, -1), (0.1, 0)):
        stranger(100, activation="tanh", scale=scale)
        capsys.readouterr()
        found = content_of(make("g.h5"))
        noise, pixels = warnings_of(capsys)
        assert noise.startswith("all 100 numbers of the input are taken for noise")
        assert pixels.startswith(f"the pixels are taken to range from {low} to 1")
        assert found["range"] == [low, 1]


def test_a_range_that_is_said(capsys):
    stranger(4)
    assert content_of(make("g.h5", "--range", "-2,3"))["range"] == [-2, 3]
    assert len(warnings_of(capsys)) == 1  # of the noise
    glass(4)
    assert content_of(make("g.h5", "--range", "-2,3"))["range"] == [-2, 3]
    assert warnings_of(capsys) == []
    assert "is not LOW,HIGH" in refused(capsys, "g.h5", "--range", "3,-2")


def test_parts_that_are_said(capsys):
    stranger(16)
    flags = ("--range", "0,1", "--latent")
    found = content_of(make("g.h5", *flags, "noise:4,category:10,codes:2"))
    assert warnings_of(capsys) == []
    assert found["kind"] == "infogan" and found["classes"] == 10
    assert found["normal"] == [0, 1, 2, 3]
    assert found["one-hot"] == [*range(4, 14)]
    assert found["uniform"] == found["codes"] == [14, 15]
    assert "have 4 numbers" in refused(capsys, "g.h5", *flags, "noise:4")
    assert "no list of parts" in refused(capsys, "g.h5", *flags, "noise")
    glass(16)
    assert "leave it out" in refused(capsys, "g.h5", *flags, "noise:16")


# ---- what is refused -----------------------------------------------------------------------------

REFUSED = {
    "GroupNormalization": layers.GroupNormalization(2),
    "Permute": layers.Permute((2, 1, 3)),
    "Softmax": layers.Softmax(),
    "with dilation_rate": layers.Conv2D(4, 3, padding="same", dilation_rate=2),
    "with groups": layers.Conv2D(4, 3, padding="same", groups=2),
    "with interpolation": layers.UpSampling2D(2, interpolation="bilinear"),
    "with the activation softmax": layers.Conv2D(4, 3, padding="same", activation="softmax"),
    "with axis 1": layers.BatchNormalization(axis=1),
}


@pytest.mark.parametrize("part", REFUSED)
def test_other_layers_are_refused_by_name(part, capsys):
    model = keras.Sequential([layers.Input((16,)), layers.Dense(256), layers.Reshape((8, 8, 4))])
    model.add(REFUSED[part])
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="sigmoid", name="last"))
    model.save("g.h5")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        page.main(["g.h5"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("page.py: error: a page cannot draw with the layer ")
    assert part in line and f"({REFUSED[part].name})" in line
    assert not Path("g.html").exists()


def test_a_product_that_stretches_is_refused(capsys):
    noise = keras.Input((64,))
    label = keras.Input((1,))
    keras.Model([noise, label], layers.Multiply()([noise, label])).save("g.h5")
    assert "Multiply of shapes" in refused(capsys, "g.h5", "--range", "0,1")


def test_mistakes(tmp_path, capsys):
    glass(4)
    (tmp_path / "empty").mkdir()
    assert refused(capsys, "empty").startswith("page.py: error: empty holds no snapshot")
    for command in (["none.h5"], ["g.h5", "--out", "a.txt"], ["g.h5", "--out", "no/a.html"], []):
        assert refused(capsys, *command).startswith("page.py: error: ")
    assert "in a folder to write to" in refused(capsys, "g.h5", "--out", "no/a.html")
    (tmp_path / "a.html").mkdir()
    assert "cannot write a.html" in refused(capsys, "g.h5", "--out", "a.html")
    assert not list(tmp_path.glob(".*"))


# ---- what is made --------------------------------------------------------------------------------


def test_a_run_gives_its_best_snapshot(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for epoch in (10, 20):
        glass(4, name=run / f"generator_model_{epoch:03d}.h5", epoch=epoch)
    for epoch, place in (("020", "last"), ("010", "best")):
        if place == "best":
            (run / "best.json").write_text(f'{{"file": "generator_model_{epoch}.h5"}}')
        page.main([str(run)])
        first, second = capsys.readouterr().out.splitlines()
        assert first == f"Sampling generator_model_{epoch}.h5, the {place} snapshot of {run}"
        html = run / f"generator_model_{epoch}.html"
        assert second.startswith(f"{html}, 0.0 MB: ")
        assert content_of(html)["epoch"] == str(int(epoch))


def test_a_program_of_its_own(tmp_path):
    """Where what it prints goes nowhere it ends in one line and status 1, the page written."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    glass(4)
    command = [sys.executable, str(ROOT / "tools/page.py"), "g.h5"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.stderr == "page.py: error: cannot print: No space left on device\n"
    assert done.returncode == 1
    assert (tmp_path / "g.html").is_file()


def test_the_workflow_makes_the_pages_that_it_names(tmp_path):
    """The commands of pages.yml, as they stand there: all that the index leads to is there."""
    text = (ROOT / ".github/workflows/pages.yml").read_text()
    commands = re.search(r"^      - run: \|\n((?: {10}.*\n)+)", text, re.M)[1]
    for folder in ("pretrained", "sampling", "tools"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = re.sub("^ {10}", "", commands, flags=re.M)
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], check=True, env={"PATH": path})
    site = tmp_path / "site"
    linked = re.findall(r'href="(.*?)"', (site / "index.html").read_text())
    made = {path.name for path in site.iterdir()}
    assert made == {"index.html", *linked}
    assert len(linked) == 2
    upload = re.search(r"upload-pages-artifact@v\d+\n +with:\n +path: (\w+)\n", text)
    assert upload[1] == site.name
