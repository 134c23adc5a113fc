"""tools/page.py: pages that draw what generate.py draws, whose controls work, and what is refused.

Chromium is started once. Expected images come from generate.py, expected numbers from NumPy.
"""

import copy
import importlib
import json
import re
import time

import keras
import numpy as np
import page
import pytest
from conftest import ROOT
from helpers import COLOUR, INFOGANS, PATHS
from keras import layers
from PIL import Image
from test_generate import (
    INFOGAN,
    acgan_generator,
    cifar_generator,
    glass,
    keras2_acgan,
    keras2_cifar,
    keras2_file,
    keras2_mnist,
    keras2_sequential,
    mnist_generator,
    weights_of,
    write_account,
)

import generate
import generator_files
import latent

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
from browser import CHROMIUM, Browser

SEEDS = [0, 1, 42, 999_999_999]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM:
        pytest.fail("Chromium is not installed: apt-get install chromium")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    """Run each test in a folder of its own, without reading files in another process first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generator_files, "check_readable", lambda path, changed: None)


def make(model, *flags):
    """Write the page of a generator, a file or a run; return its path and its size."""
    page.main([str(model), "--out", "page.html", *flags])
    path = page.Path("page.html").absolute()
    return path, path.stat().st_size


def refused(capsys, *command):
    """Return the one line with which page.py refuses a command."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        page.main([str(word) for word in command])
    lines = capsys.readouterr().err.splitlines()
    assert error.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def drawn(browser, seeds, labels, codes="codes.map(() => null)"):
    """Return what the open page draws, (n, pixels) of 0 to 255, and the milliseconds (n,)."""
    answers = browser.run(
        f"""(async () => {{
          sheets++; // the sheet need not be finished
          const answers = [];
          for (const [seed, label] of {json.dumps([*zip(seeds, labels, strict=True)])}) {{
            const seeds = [seed, seed];
            const image = await ask({{ seeds, walk: 0, label, codes: {codes} }});
            answers.push([[...image.pixels], image.milliseconds]);
          }}
          return answers;
        }})()"""
    )
    return np.array([pixels for pixels, _ in answers], float), [times for _, times in answers]


def expected(path, seeds, labels, codes=()):
    """Return what generate.py draws of these seeds and classes, (n, pixels) of 0 to 255."""
    model, about = generator_files.open_generator(path)
    points, labels = latent.generate_latent_points(about["latent"], seeds), np.array(labels)
    latent.set_classes(points, labels, about["latent"], about.get("map"))
    for column, value in codes:
        points[:, column] = value
    inputs = generator_files.find_inputs(model)
    images = np.concatenate([*generate.draw_images(model, inputs, about, points, labels)])
    return images.reshape(len(seeds), -1) * 255


def disturb(model):
    """Give a generator statistics that are not the identity, and images that have contrast."""
    rng, layers_in = np.random.default_rng(5), generator_files.leaf_layers(model)
    for variable in (v for x in layers_in for v in x.variables):
        size = rng.normal(0, 0.3, variable.shape)
        if re.search("variance|gamma", variable.path):
            variable.assign(np.abs(1 + size) + 0.05)
        elif not re.search("kernel|embeddings", variable.path):
            variable.assign(size)
    points = [rng.normal(size=(8, *x.shape[1:])) for x in model.inputs]
    points = [np.arange(8)[:, None] if x.shape == (8, 1) else x for x in points]
    ends = (keras.activations.tanh, keras.activations.sigmoid)
    end = [x for x in layers_in if getattr(x, "activation", None) in ends][-1]
    activation, end.activation = end.activation, keras.activations.linear
    values = model(points if len(points) > 1 else points[0]).numpy()
    end.activation = activation
    last = [x for x in layers_in if hasattr(x, "kernel")][-1]
    factor, middle = 1.5 / values.std(), values.mean() - last.bias.numpy().mean()
    last.kernel.assign(last.kernel * factor)
    last.bias.assign(np.full(last.bias.shape, -factor * middle))
    return model


def same(browser, path, parameters, labels):
    """Assert that a page draws what generate.py draws, within its size; return milliseconds."""
    html, size = make(path)
    assert size <= 1.4 * 2 * parameters + 100_000
    browser.open(html)
    images, times = drawn(browser, SEEDS, labels)
    wanted = expected(path, SEEDS, labels)
    assert images.shape == wanted.shape and wanted.std() > 10
    assert np.abs(images - np.rint(wanted)).max() <= 2
    return min(times)


# ---- the same generator --------------------------------------------------------------------------


def test_seeds_are_those_of_numpy(browser, tmp_path):
    """Points of seeds, and on the way between two, to the last bit but for the walk's sines."""
    parts = [{"size": 3, "distribution": "uniform"}, {"size": 4, "distribution": "one-hot"}]
    parts += [{"size": 101, "distribution": "normal"}, {"size": 2, "distribution": "uniform"}]
    parts += [{"size": 700, "distribution": "normal"}]
    engine = re.search(r'<script id="engine".*?>(.*?)</script>', page_template(), re.S)[1]
    kinds = ("normal", "uniform", "one-hot")
    columns = {kind: generator_files.part_columns(parts, kind) for kind in kinds}
    seeds = [*SEEDS, 12_345, 2**32 - 1, *range(100, 130)]
    (tmp_path / "blank.html").write_text("<p>")
    browser.open(tmp_path / "blank.html")
    points, way = browser.run(
        f"""{engine}; content = {json.dumps(columns)};
        [{seeds}.map(seed => [...latentPoint(seed)]),
         [0, 0.3, 1].map(t => [...between(latentPoint(3), latentPoint(7), t)])]"""
    )
    np.testing.assert_array_equal(np.float32(points), latent.generate_latent_points(parts, seeds))
    ends = latent.generate_latent_points(parts, [3, 7])
    wanted = [latent.between(*ends, t, parts) for t in (0, 0.3, 1)]
    np.testing.assert_allclose(way, wanted, rtol=0, atol=1e-6)


def page_template():
    return (ROOT / "tools/page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PATHS)
def test_generators_of_the_scripts(name, browser, tmp_path):
    script, path = importlib.import_module(name), tmp_path / "g.h5"
    size = script.DEFAULTS["latent_dim"]
    if name == "infogan_mnist":
        size += 12  # with the codes
    model = disturb(script.define_generator(size))
    about = generator_files.describe(model) | {"script": f"{name}.py", "epoch": 1}
    if name in INFOGANS:  # as evaluate.py leaves it
        about |= copy.deepcopy(INFOGAN) | {
            "map": [3, 1, 4, 0, 5, 9, 2, 6, 8, 7],
            "class_names": [*"abcdefghij"],
        }
        about["latent"][0]["size"] = model.inputs[0].shape[1] - 12
    model.save(path)
    write_account(path, about)
    labels = [k % max(about["classes"], 1) for k in range(len(SEEDS))]
    milliseconds = same(browser, path, model.count_params(), labels)
    limit = {"mnist_gan": 200, "cgan_mnist": 10}.get(name, 1000)  # where one core is idle
    assert milliseconds < limit
    assert browser.run("find('facts').textContent").startswith(f"fileg.h5script{name}.pyepoch1")
    assert browser.run("codes.length") == (2 if name in INFOGANS else 0)
    assert browser.run("channels") == (3 if name in COLOUR else 1)


@pytest.mark.parametrize("name", ["mnist", "cifar", "acgan"])
def test_files_of_keras2(name, browser, tmp_path):
    build, version, described = {
        "mnist": (mnist_generator, "2.2.2", lambda v: keras2_sequential(v, keras2_mnist(v))),
        "cifar": (cifar_generator, "2.12.0", lambda v: keras2_sequential(v, keras2_cifar(v))),
        "acgan": (acgan_generator, "2.2.4-tf", lambda v: keras2_acgan(v, ["input_1", "input_2"])),
    }[name]
    model, path = disturb(build()), tmp_path / "old.h5"
    keras2_file(path, version, described(version), weights_of(model))
    same(browser, path, model.count_params(), [0, 3, 9, 5] if name == "acgan" else [0] * 4)
    assert browser.run("title") == "old.h5"


def odd_model():
    """Build a generator with what the scripts do without: odd kernels, strides, shapes, models."""
    noise, label = keras.Input((12,)), keras.Input((1,))
    inner = keras.Sequential([layers.Input((12,)), layers.Dense(12), layers.BatchNormalization()])
    x = layers.Dense(12, activation="relu")(layers.Flatten()(layers.Embedding(10, 12)(label)))
    x = layers.Multiply()([inner(inner(noise)), x])
    x = layers.Reshape((3, 4, 1))(layers.Dropout(0.5)(x))
    a = layers.Conv2DTranspose(5, (5, 2), (2, 3), "same")(x)  # 6x12x5
    b = layers.BatchNormalization(scale=False)(layers.ReLU(negative_slope=0.1)(a))
    a = layers.BatchNormalization(center=False)(a)  # not the only use of that convolution
    a = layers.Concatenate(axis=1)([a, b, a])  # 18x12x5
    a = layers.Conv2D(6, (4, 3), (2, 1), "same", use_bias=False)(a)  # 9x12x6
    a = layers.LeakyReLU(0.3)(layers.BatchNormalization()(layers.Reshape((9, 24, 3))(a)))
    a = layers.Conv2DTranspose(3, 2, (3, 1), activation="leaky_relu")(a)  # 27x25x3
    b = layers.Conv2D(2, (5, 4), activation="sigmoid")(layers.UpSampling2D((3, 2))(x))  # 5x5x2
    b = layers.Conv2DTranspose(2, (3, 5), 5)(b)  # 25x25x2
    a = layers.Concatenate()([layers.Conv2D(3, (3, 1), padding="valid")(a), b])  # 25x25x5
    a = layers.Dense(3, activation="tanh")(a)
    return keras.Model([label, noise], layers.Activation("tanh")(layers.Conv2D(1, 1)(a)))


def test_a_model_of_odd_layers(browser, tmp_path):
    model, path = disturb(odd_model()), tmp_path / "odd.h5"
    model.save(path)
    same(browser, path, model.count_params(), [0, 3, 9, 5])
    kinds = browser.run("content.steps.map(step => step.kind)")
    assert kinds.count("Same") == 3 and kinds.count("BatchNormalization") == 2


def test_a_guessed_range(browser, capsys):
    glass(4)
    write_account("g.h5", None)
    path, _ = make("g.h5")
    assert capsys.readouterr().err == (
        "page.py: warning: the range of the pixels is guessed: -1 to 1\n"
    )
    browser.open(path)
    assert browser.run("content.range") == [-1, 1]


# ---- the controls --------------------------------------------------------------------------------


def shown(browser):
    """Wait until large image and sheet are drawn; return caption, and a number for the image."""
    return browser.run(
        """new Promise(done => setTimeout(function look() {
          if (waiting.length || drawing) return setTimeout(look, 20);
          const { data } = find("large").getContext("2d").getImageData(0, 0, width, height);
          done([find("caption").textContent, data.reduce((sum, x, k) => (31 * sum + x) % 1e9, 7)]);
        }, 20))"""
    )


def test_controls_of_a_conditional_generator(browser):
    glass(30, 10, class_names=[*"abcdefghij"])
    browser.open(make("g.h5")[0])
    first = shown(browser)
    assert first[0] == "seed 1, class a"
    assert browser.run("cells.length") == 40
    browser.run("find('classes').children[3].click()")
    assert shown(browser)[0] == "seed 1, class d" and shown(browser)[1] != first[1]
    assert browser.run("document.querySelectorAll('[aria-pressed=true]').length") == 1
    browser.run("cells[27].click()")  # row 3, column 8
    clicked = shown(browser)
    assert clicked[0] == "seed 3, class h"
    assert browser.run("find('seed').value") == "3"
    assert browser.run("document.querySelector('#sheet [aria-current=true]') === cells[27]")
    small = "cells[27].firstChild.getContext('2d').getImageData(0, 0, width, height).data"
    large = "find('large').getContext('2d').getImageData(0, 0, width, height).data"
    assert browser.run(f"String({small}) === String({large})")
    # a seed, with its image as generate.py draws it, dark on white
    browser.run("find('seed').value = 42; find('seed').dispatchEvent(new Event('change'))")
    assert shown(browser)[0] == "seed 42, class h"
    pixels = np.array(browser.run(f"[...{large}]")).reshape(-1, 4)
    assert (pixels[:, 3] == 255).all() and (pixels[:, 0] == pixels[:, 2]).all()
    assert np.abs(255 - pixels[:, 0] - expected("g.h5", [42], [7])[0]).max() <= 1
    assert browser.run("cells[0].seed") == 42
    browser.run("find('again').click()")
    assert shown(browser)[0] != "seed 42, class h" and browser.run("cells[0].seed") != 42


def test_the_walk(browser):
    glass(30)
    browser.open(make("g.h5")[0])
    start = shown(browser)
    assert start[0] == "seed 1"
    browser.run("find('other').value = 9; find('other').dispatchEvent(new Event('change'))")
    browser.run("find('walk').value = 1; find('walk').dispatchEvent(new Event('input'))")
    end = shown(browser)
    assert end[0] == "seed 1, 100% of the way to seed 9" and end[1] != start[1]
    browser.run("find('seed').value = 9; find('seed').dispatchEvent(new Event('change'))")
    assert shown(browser) == ["seed 9", end[1]]
    browser.run("find('play').click()")
    seen = browser.run(
        """new Promise(done => {
          const seen = new Set();
          const look = setInterval(() => {
            seen.add(find("walk").value);
            if (seen.size > 8) done(clearInterval(look) ?? find("play").textContent);
          }, 20);
        })"""
    )
    assert seen == "stop" and browser.run("state.playing")
    browser.run("find('play').click()")
    place = shown(browser)
    time.sleep(0.2)
    assert shown(browser) == place and browser.run("find('play').textContent") == "play"


def test_codes_of_an_infogan(browser):
    glass(74, **INFOGAN)
    browser.open(make("g.h5")[0])
    own = latent.generate_latent_points(INFOGAN["latent"], [1])[0, -2:]
    assert shown(browser)[0] == "seed 1, category 0"
    values = "[find('code0').value, find('code1').value].map(Number)"
    np.testing.assert_allclose(browser.run(values), own, atol=0.006)
    browser.run("find('code1').value = -1.5; find('code1').dispatchEvent(new Event('input'))")
    browser.run("find('code1').dispatchEvent(new Event('change'))")
    assert shown(browser)[0] == "seed 1, category 0"
    images, _ = drawn(browser, [1], [0], codes="codes")
    wanted = expected("g.h5", [1], [0], codes=[(73, -1.5)])
    np.testing.assert_allclose(images, wanted, atol=1)
    browser.run("find('seed').dispatchEvent(new Event('change'))")  # its own codes again
    shown(browser)
    np.testing.assert_allclose(browser.run(values), own, atol=0.006)


def test_the_keyboard(browser):
    glass(30, 10)
    browser.open(make("g.h5")[0])
    shown(browser)
    assert browser.run("cells.map(cell => cell.tabIndex).join('')") == "0" + 39 * "-1"
    browser.run("cells[0].focus()")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert browser.run("document.activeElement === cells[11]")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outline) == "solid"
    browser.press("Enter")
    assert shown(browser)[0] == "seed 2, class 1"
    browser.run("find('play').focus()")
    for _ in range(2):
        browser.press("Tab")
    assert browser.run("document.activeElement.id") == "other"
    browser.press("Tab")
    assert browser.run("document.activeElement === cells[11]")  # the sheet is one stop
    unnamed = """[...document.querySelectorAll("button, input, [role]")].filter(x =>
      !(x.ariaLabel || x.labels?.length || x.textContent || x.getAttribute("aria-labelledby")))"""
    assert browser.run(f"{unnamed}.length") == 0


def test_save_png(browser, tmp_path):
    glass(30)
    browser.open(make("g.h5")[0])
    shown(browser)
    browser.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.run("find('save').click()")
    saved = tmp_path / "g.h5_seed_1.png"
    for _ in range(200):
        time.sleep(0 if saved.exists() else 0.02)
    with Image.open(saved) as image:
        assert image.size == (560, 560)
        pixels = np.asarray(image)[..., 0]
    sharp = pixels[::20, ::20].repeat(20, 0).repeat(20, 1)
    np.testing.assert_array_equal(pixels, sharp)
    pixels = pixels[::20, ::20]
    assert np.abs(255 - pixels.ravel() - expected("g.h5", [1], [0])[0]).max() <= 1


# ---- whose texts run nothing, and what is refused ------------------------------------------------


def test_a_hostile_file(browser):
    """Texts out of a file stay texts, and the page asks for nothing but itself and its worker."""
    script = '</script><script>document.title="hacked"</script>'
    names = [script, "{{weights}}", "<img src=x onerror=alert(1)>", "\u2028", "e" * 300]
    names += ["</script", "<!--<script>", "&lt;b>", "__proto__", "\\"]
    scores = {"frechet": float("nan"), "precision": script, "recall": 0.25, "__proto__": 1}
    glass(30, 10, class_names=names, script=script, epoch={"a": [script]}, scores=scores)
    path, size = make("g.h5")
    assert size < 200_000
    browser.open(path)
    assert shown(browser)[0] == f"seed 1, class {script[:40]}"
    facts = browser.run("[...find('facts').children].map(x => x.textContent)")
    assert script[:40] in facts and facts[facts.index("recall") + 1] == "0.250"
    assert "precision" not in facts and "Fréchet distance" not in facts
    assert "hacked" not in browser.run("document.title").replace(script[:40], "")
    assert browser.run("document.scripts.length") == 4
    assert browser.run("document.querySelectorAll('img').length") == 0
    buttons = browser.run("[...find('classes').children].map(x => x.textContent)")
    assert buttons == [generator_files.plain(name) for name in names]
    asked = browser.requests()
    assert asked[0] == path.as_uri() and all(url.startswith("blob:null/") for url in asked[1:])
    policy = browser.run("document.querySelector('meta[http-equiv]').content")
    assert policy.split(";")[0] == "default-src 'none'"
    assert browser.run("fetch('data:,x').then(() => 'loaded', () => 'refused')") == "refused"
    # on a telephone nothing sticks out
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.ask("Emulation.clearDeviceMetricsOverride")


REFUSED = {
    "GroupNormalization": layers.GroupNormalization(2),
    "Permute": layers.Permute((2, 1, 3)),
    "with dilation_rate": layers.Conv2D(4, 3, padding="same", dilation_rate=2),
    "with groups": layers.Conv2D(4, 3, padding="same", groups=2),
    "with interpolation": layers.UpSampling2D(2, interpolation="bilinear"),
    "with the activation elu": layers.Conv2D(4, 3, padding="same", activation="elu"),
    "with max_value": layers.ReLU(max_value=6),
    "with axis 1": layers.BatchNormalization(axis=1),
}


@pytest.mark.parametrize("part", REFUSED)
def test_other_layers_are_refused_by_name(part, capsys):
    model = keras.Sequential([layers.Input((16,)), layers.Dense(256), layers.Reshape((8, 8, 4))])
    model.add(REFUSED[part])
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="tanh", name="last"))
    model.save("g.h5")
    line = refused(capsys, "g.h5")
    assert line.startswith("page.py: error: a page cannot draw with the layer ")
    assert part in line and f"({REFUSED[part].name})" in line
    assert not page.Path("g.html").exists()


def test_a_product_that_stretches_is_refused(capsys):
    noise, label = keras.Input((64,)), keras.Input((1,))
    keras.Model([noise, label], layers.Multiply()([noise, label])).save("g.h5")
    assert "Multiply of shapes" in refused(capsys, "g.h5")


def test_a_run_gives_its_best_snapshot(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for epoch in (10, 20):
        glass(4, name=run / f"generator_model_{epoch:03d}.h5", epoch=epoch)
    page.main([str(run)])
    assert (run / "generator_model_020.html").is_file()
    (run / "best.json").write_text('{"file": "generator_model_010.h5"}')
    page.main([str(run)])
    text = (run / "generator_model_010.html").read_text()
    assert '"epoch": "10"' in text and "best snapshot" in capsys.readouterr().out


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


def test_the_page_in_the_repository_is_of_this_template(tmp_path):
    """A template or tool that changes asks for the page in pretrained/ to be made again."""
    page.main([str(ROOT / "pretrained/cgan_mnist.h5"), "--out", "page.html"])
    assert (ROOT / "pretrained/cgan_mnist.html").read_text() == page.Path("page.html").read_text()


def test_lengths():
    assert len((ROOT / "tools/page.py").read_text().splitlines()) <= 200
    lines = page_template().splitlines()
    assert len(lines) <= 400 and max(map(len, lines)) <= 100
