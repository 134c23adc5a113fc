"""evaluate.py: a judge that sees what it should, the ranking, the page, and who uses it then."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import DIGITS, OBJECTS, ROOT
from keras import layers
from PIL import Image

import evaluate
import generate
from evaluation import data, judge, scores
from sampling.files import read_description

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def jury(tmp_path_factory):
    """Return the digits, a judge of them, and a folder in which evaluate.py finds that judge."""
    home = tmp_path_factory.mktemp("keras")
    digits = data.load_real_images(DIGITS, (28, 28, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        # a quarter of them is enough for these digits
        patch.setattr(judge, "EPOCHS", {1: 1})
        patch.setattr(judge, "LEAST_STEPS", 1)
        network, accuracy = judge.find_judge(digits)
        assert accuracy > 0.98
        again, _ = judge.find_judge(digits)  # from the folder, and the same
        images = digits.x_test[:50] / np.float32(255)
        np.testing.assert_array_equal(judge.ask(network, images)[1], judge.ask(again, images)[1])
        yield digits, network, home


@pytest.fixture(scope="module")
def scorer(jury):
    digits, network, _ = jury
    return scores.Scorer(digits, network, 1000, seed=1)


# ---- the judge and its figures -------------------------------------------------------------------


def test_noise_is_seen_by_every_figure_and_in_order(jury, scorer):
    images = jury[0].x_test / np.float32(255)
    noise = np.random.default_rng(1).random(images.shape, np.float32)
    found = [scorer.floor]
    for share in (0.1, 0.3, 1.0):
        found.append(scorer.score((1 - share) * images + share * noise)[0])
    for name, sign in (("frechet", 1), ("kernel", 1), ("precision", -1), ("coverage", -1)):
        values = [sign * row[name] for row in found]
        assert values == sorted(values) and values[-1] > values[0], (name, values)
    assert found[-1]["frechet"] > 100 * found[0]["frechet"]
    assert found[0]["precision"] > 0.9 and found[0]["recall"] > 0.9 and found[0]["missing"] == 0
    assert abs(found[0]["kernel"]) < 3 * found[0]["kernel_se"] + 0.01


def test_a_class_left_out_is_missed(jury, scorer):
    images, labels = jury[0].x_test / np.float32(255), jury[0].y_test
    row, details = scorer.score(images[labels != 3])
    assert details["missing"] == [3] and row["missing"] == 1
    assert row["entropy"] < scorer.floor["entropy"] - 0.1
    assert row["frechet"] > 3 * scorer.floor["frechet"]
    assert row["coverage"] < scorer.floor["coverage"] - 0.03


def test_repeated_images_are_seen(jury, scorer):
    images = np.tile(jury[0].x_test[:50] / np.float32(255), (10, 1, 1, 1))
    row, _ = scorer.score(images)
    assert row["repetition"] < 0.001 < scorer.floor["repetition"] / 10
    assert row["recall"] < scorer.floor["recall"] / 2
    assert row["coverage"] < scorer.floor["coverage"] / 2


def test_copies_of_training_images_are_counted(jury, scorer):
    images = jury[0].x_test / np.float32(255)
    copies = len(images) // 10
    images[1 : 1 + copies] = jury[0].x_train[100 : 100 + copies] / np.float32(255)
    row, details = scorer.score(images)
    assert scorer.floor["near_copies"] == pytest.approx(0.01, abs=0.003)  # that is what near means
    assert row["near_copies"] - scorer.floor["near_copies"] == pytest.approx(0.1, abs=0.02)
    # shows each sample above its nearest training image
    sheet = scorer.show_neighbours(list(images[:10]), details["nearest"])
    samples, neighbours = sheet[2:170], sheet[172:340]
    np.testing.assert_allclose(samples[:, 172:], neighbours[:, 172:], atol=1e-6)
    enlarged = images[0].repeat(6, axis=0).repeat(6, axis=1)
    np.testing.assert_array_equal(samples[:, 2:170], enlarged)
    assert np.abs(samples - neighbours)[:, 2:170].max() > 0.1


def test_wrong_labels_are_counted(jury, scorer):
    images, labels = jury[0].x_test / np.float32(255), jury[0].y_test.copy()
    labels[:25] = (labels[:25] + 1) % 10  # of 500
    row, details = scorer.score(images, labels)
    assert scorer.floor["agreement"] - row["agreement"] == pytest.approx(0.05, abs=0.005)
    assert np.trace(details["confusion"]) == round(row["agreement"] * 500)


def test_data_without_labels_and_without_a_test_part(tmp_path, monkeypatch):
    """Of a quarter of the pixels, by a narrower judge: that of photographs trains for a minute."""
    assert judge.define_judge((32, 32, 3), 4, False).output_shape == [(None, 4), (None, 192)]
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(judge, "EPOCHS", {3: 1})
    monkeypatch.setattr(judge, "LEAST_STEPS", 1)
    monkeypatch.setattr(judge, "WIDTHS", {3: (4, 8, 16, 16)})
    with np.load(OBJECTS) as file:
        np.savez(tmp_path / "x.npz", x_train=file["x_train"][:3000, ::2, ::2])
    real = data.load_real_images(tmp_path / "x.npz", (16, 16, 3))
    assert (len(real.x_train), len(real.x_test), real.y_train, real.names) == (2700, 300, None, [])
    network, accuracy = judge.find_judge(real)
    assert network.output_shape[0] == (None, 4)  # the quarter turns
    again, same = judge.train_judge(real)
    assert accuracy == same  # bit for bit, whenever it is trained
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    row, details = scores.Scorer(real, network, 200, seed=1).score(real.x_test / np.float32(255))
    assert row["frechet"] >= 0 and "entropy" not in row and "histogram" not in details


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(jury, tmp_path, monkeypatch):
    """Return the folder of a run with three snapshots of an InfoGAN that is known to the end.

    Category k draws the first digit MEANING[k], a little changed by the noise, in one snapshot
    clearly, in one hardly.
    """
    monkeypatch.setenv("KERAS_HOME", str(jury[2]))
    monkeypatch.chdir(tmp_path)
    digits, _, _ = jury
    x = digits.x_train.reshape(-1, 784) / np.float32(255)
    firsts = np.stack([x[digits.y_train == k][0] for k in range(10)]).clip(0.02, 0.98)
    (tmp_path / "run").mkdir()
    for epoch, contrast in ((1, 0.02), (2, 1.0), (10, 0.7)):
        model = keras.Sequential([keras.Input((13,)), layers.Dense(784, activation="sigmoid")])
        model.add(layers.Reshape((28, 28, 1)))
        weights = np.zeros((13, 784), np.float32)
        weights[2:12] = contrast * np.log(firsts / (1 - firsts))[MEANING]
        weights[:2] = np.random.default_rng(1).normal(0, 0.2, (2, 784))
        model.layers[0].set_weights([weights, np.zeros(784)])
        path = f"run/generator_model_{epoch:03d}.h5"
        model.save(path)
        sizes = {"noise": (2, "normal"), "category": (10, "one-hot"), "codes": (1, "uniform")}
        latent = [{"name": k, "size": n, "distribution": d} for k, (n, d) in sizes.items()]
        about = {"format": 1, "kind": "infogan", "latent": latent, "classes": 10}
        about |= {"class_names": [], "pixel_range": [0, 1], "script": "<b>my\x1b[2J script"}
        with h5py.File(path, "a") as file:
            file.attrs["gan"] = json.dumps(about)
    return tmp_path / "run"


MEANING = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
SMALL = ["--data", str(DIGITS), "--samples", "300"]


def test_a_run_is_ranked_and_its_best_snapshot_used(run, jury, capsys):
    (run / "generator_model_003.h5").write_bytes(
        (run / "generator_model_002.h5").read_bytes()[:9999]
    )
    evaluate.main(["run", *SMALL, "--export", "best.h5"])
    out, err = capsys.readouterr()
    assert "left out" in err and "generator_model_003.h5" in err
    lines = out.splitlines()
    ranked = [line.split()[1] for line in lines if re.match(r"\d+ +generator", line)]
    assert ranked[0] == "generator_model_002.h5" and ranked[2] == "generator_model_001.h5"
    assert lines[-1] == "python generate.py best.h5"

    rows = (run / "scores.csv").read_text().splitlines()
    assert rows[0].startswith("file,epoch,frechet,frechet_se,kernel,kernel_se,")
    assert [row.split(",")[:2] for row in rows[1:]] == [
        [f"generator_model_{k:03d}.h5", str(k)] for k in (1, 2, 10)
    ]
    best = json.loads((run / "best.json").read_text())
    assert best["file"] == "generator_model_002.h5" and best["map"] == MEANING
    assert best["scores"]["agreement"] > 0.9 and sum(best["histogram"]) == pytest.approx(1)
    film = Image.open(run / "timeline.gif")
    assert film.n_frames == 3 and Image.open(run / "scores.png").size > (300, 100)

    # files of two runs can be told apart
    shutil.copytree("run", "twin", ignore=lambda *_: ["generator_model_003.h5"])
    evaluate.main(["run/generator_model_010.h5", "twin", *SMALL, "--out", "both"])
    rows = Path("both/scores.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [
        "run/generator_model_010.h5",
        *(f"twin/generator_model_{k:03d}.h5" for k in (1, 2, 10)),
    ]
    capsys.readouterr()

    # what the categories mean is known now: of the run, and of the exported file
    snapshot = run / "generator_model_002.h5"
    exported = read_description("best.h5")
    assert exported["map"] == MEANING and "frechet" in exported["scores"]
    weights = [keras.models.load_model(path).get_weights() for path in ("best.h5", snapshot)]
    assert all(map(np.array_equal, *weights))
    with h5py.File("best.h5") as file:
        arrays = []
        file.visititems(lambda _, item: arrays.append(item) if hasattr(item, "shape") else None)
        assert arrays and {array.compression for array in arrays if array.shape} == {"gzip"}
    for model in ("run", "best.h5", snapshot):
        generate.main(
            [str(model), "--labels", "7,4", "--grid", "1x2", "--out", "a.png", "--npz", "a.npz"]
        )
        with np.load("a.npz") as file:
            assert file["labels"].tolist() == [7, 4]
            images = file["images"]
        model = keras.models.load_model(snapshot)
        points = np.eye(13)[[2 + MEANING.index(7), 2 + MEANING.index(4)]]
        assert np.abs(images - model.predict(points, verbose=0)).mean() < 0.1
    out, err = capsys.readouterr()
    assert "Sampling generator_model_002.h5, the best snapshot" in out and err == ""
    generate.main(["best.h5", "--text", "31415", "--out", "a.png", "--npz", "a.npz"])
    with np.load("a.npz") as file:  # the judge reads the number
        assert judge.ask(jury[1], file["images"])[0].tolist() == [3, 1, 4, 1, 5]
    generate.main(["run/generator_model_010.h5", "--labels", "7", "--out", "a.png"])
    assert "categories" in capsys.readouterr().err


def test_best_json_may_name_files_of_its_own_folder_only(run, capsys):
    generate.main(["run", "--out", "a.png"])
    assert "generator_model_010.h5, the last snapshot" in capsys.readouterr().out
    for text in ('{"file": "../other.h5"}', '{"file": 3}', "{", "[]", '{"other": 1}'):
        (run / "best.json").write_text(text)
        with pytest.raises(SystemExit):
            generate.main(["run", "--out", "a.png"])
        error = capsys.readouterr().err
        assert "best.json" in error and error.count("\n") == 1
        generate.main(["run/generator_model_010.h5", "--out", "a.png"])  # that file is not its own
        capsys.readouterr()
    (run / "best.json").write_text('{"file": "generator_model_001.h5", "map": [1, 1]}')
    with pytest.raises(SystemExit):
        generate.main(["run", "--out", "a.png"])
    assert capsys.readouterr().err.count("\n") == 1


def test_the_page_in_a_browser(run, tmp_path, capsys):
    """The slider moves and the picture changes; texts stay texts; nothing is asked of the net."""
    if not CHROMIUM:
        pytest.fail("Chromium is not installed: apt-get install chromium")
    digits = dict(np.load(DIGITS))
    # in the order of the digits, for whose labels there is a judge
    names = np.array([*"012345678", '</script><script>document.title="hacked"</script>'])
    digits |= {key: names[digits[key]] for key in ("y_train", "y_test")}
    np.savez("named.npz", **digits)
    evaluate.main(["run", "--data", "named.npz", "--samples", "300"])
    assert "Training a judge" not in capsys.readouterr().out
    page = (run / "report.html").read_text()
    addresses = re.findall(r"https?:[^\"]*", page)
    assert "default-src 'none'" in page and addresses == ["http://www.w3.org/2000/svg"]  # a name
    drive = """<script>
      const seen = [], slider = document.getElementById("epoch");
      for (const k of [0, 1, 2]) {
        slider.value = k; slider.dispatchEvent(new Event("input"));
        seen.push(document.getElementById("grid").src.length
          + " " + document.getElementById("title").textContent.split(",")[0]);
      }
      document.querySelector("#ranking tbody button").click();
      document.body.dataset.seen = JSON.stringify([...seen, document.title, slider.value,
        document.getElementById("confusion").rows.length, document.scripts.length]);
    </script></body>"""
    (tmp_path / "driven.html").write_text(page.replace("</body>", drive))
    log, driven = tmp_path / "net.json", (tmp_path / "driven.html").as_uri()
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--log-net-log={log}"]
    done = subprocess.run(
        [*command, "--dump-dom", driven], capture_output=True, text=True, timeout=100
    )
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    requests = {event["url"]: event["initiator"] for event in events if "initiator" in event}
    own = [
        url for url, origin in requests.items() if origin != "not an origin"
    ]  # Chromium's others
    assert not own
    seen = re.search(r'data-seen="(.*?)"', done.stdout)
    *epochs, title, slider, rows, scripts = json.loads(seen[1].replace("&quot;", '"'))
    assert [text.split(" ", 1)[1] for text in epochs] == ["epoch 1", "epoch 2", "epoch 10"]
    assert len({text.split()[0] for text in epochs}) == 3
    assert (title, slider, rows, scripts) == ("Which snapshot is the good one?", "1", 11, 3)


# ---- the trained generators ----------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "pretrained").glob("*.h5")), ids=lambda p: p.stem)
def test_a_trained_generator_is_sampled_and_described(path, tmp_path):
    generate.main([str(path), "--out", str(tmp_path / "a.png"), "--npz", str(tmp_path / "a.npz")])
    with np.load(tmp_path / "a.npz") as arrays:
        light = arrays["images"].mean((1, 2, 3))
        brightest = 0.6 if arrays["images"].shape[3] == 1 else 0.97  # strokes on black; on white
        assert arrays["images"].std() > 0.2 and 0.03 < light.min() and light.max() < brightest
    about, card = read_description(path), (path.parent / "README.md").read_text()
    assert about["script"] == f"{path.stem}.py" and f"## `{path.name}`" in card
    assert f"Fréchet distance {about['scores']['frechet']:.3f}" in card
