"""tools/watch.py: what it finds in a run's files, and the page that it makes of them."""

import importlib
import json
import os
import re
import time

import numpy as np
import pytest
import watch
from helpers import DIGITS, PATHS
from PIL import Image

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
from browser import running

SETTINGS = {"script": "mnist_gan.py", "epochs": 4, "batch_size": 10, "seed": 1}
SETTINGS |= {"steps_per_epoch": None, "on_collapse": "warn", "dataset": {"n_images": 309}}
FLAGS = "--batch-size 8 --epochs 3 --steps-per-epoch 2 --snapshot-every 1 --out run".split()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("profile"))


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    monkeypatch.setattr(watch, "SETTLED", -1)  # the pictures of these tests are whole


def write_run(run, losses, settings=SETTINGS, n_grids=0, age=0):
    """Make up a run whose losses (n, 2), of d and g, were last written `age` seconds ago."""
    run.mkdir(exist_ok=True)
    (run / "settings.json").write_text(json.dumps(settings))
    per_epoch = watch.batches_per_epoch(settings)
    rows = [
        f"{k // per_epoch + 1},{k % per_epoch + 1},{d},{g}\n" for k, (d, g) in enumerate(losses)
    ]
    (run / "losses.csv").write_text("epoch,batch,d,g\n" + "".join(rows))
    for epoch in range(1, n_grids + 1):
        Image.new("L", (20, 20), 10 * epoch).save(run / f"generated_plot_e{epoch:03d}.png")
    written = time.time() - age
    os.utime(run / "losses.csv", (written, written))
    return run


def content_of(page):
    """Return what a page holds."""
    text = re.search(r'type="application/json">(.*?)</script>', page.read_text(), re.S)[1]
    return json.loads(text)


def looked_at(run):
    """Return what the page shows of one run."""
    return watch.Watched(run).look()


# ---- how a run stands ----------------------------------------------------------------------------


LEVEL = [(0.7, 0.7)]


@pytest.mark.parametrize(
    "losses,changes,n_grids,age,state,says",
    [
        (LEVEL * 45, {}, 1, 2, "running", "epoch 2 of 4, batch 15 of 30"),
        (LEVEL * 45, {}, 1, 400, "silent", "epoch 2 of 4, batch 15 of 30"),
        (LEVEL * 120, {}, 4, 400, "complete", "4 of 4 epochs done"),
        (LEVEL * 120, {}, 3, 2, "running", "4 of 4 epochs done"),  # the last grid is to come
        ([*LEVEL * 44, (float("nan"), 1)], {}, 1, 2, "stopped", "epoch 2 of 4, batch 15 of 30"),
        ([(0.01, 5)] * 600, {"epochs": 40}, 1, 2, "running", "20 of 40 epochs done"),
        ([(0.01, 5)] * 600, {"epochs": 40, "on_collapse": "stop"}, 1, 2, "stopped", None),
        (LEVEL * 7, {"steps_per_epoch": 5}, 1, 2, "running", "epoch 2 of 4, batch 2 of 5"),
        (LEVEL * 2, {"batch_size": 1000}, 2, 2, "running", "2 of 4 epochs done"),
        ([], {}, 0, 2, "running", "0 of 4 epochs done"),
    ],
)
def test_the_state_of_a_run(losses, changes, n_grids, age, state, says, tmp_path):
    run = write_run(tmp_path / "run", losses, SETTINGS | changes, n_grids, age)
    found = looked_at(run)
    assert found["state"] == state
    assert says is None or found["says"] == says
    assert found["finite"] == np.isfinite(losses).all()
    assert (found["alarm"] is None) == (len(losses) < 500)


def test_the_time_left_is_that_of_the_run(tmp_path):
    """At the first look by the newest grid, then by the looks: two batches a second here."""
    run = write_run(tmp_path / "run", LEVEL * 40, n_grids=1, age=0)
    begun = time.time() - 5  # ten batches ago
    os.utime(run / "generated_plot_e001.png", (begun, begun))
    watched = watch.Watched(run)
    assert watched.look()["left"] == pytest.approx(40, abs=1)
    write_run(run, LEVEL * 60, n_grids=2, age=-5)  # twenty batches in five seconds: four a second
    assert watched.look()["left"] == pytest.approx(15, abs=1)


def test_a_line_that_is_being_written_is_left_for_later(tmp_path):
    run = write_run(tmp_path / "run", [(0.5, 0.9), (0.7, 0.8)])
    with open(run / "losses.csv", "a") as file:
        file.write("1,3,0.")
    losses = looked_at(run)["losses"]
    assert [line["y"] for line in losses["series"]] == [[0.5, 0.7], [0.9, 0.8]]


def test_the_losses_are_means_of_the_whole_run(tmp_path):
    values = np.random.default_rng(1).random((3000, 2)).round(6)
    run = write_run(tmp_path / "run", values, SETTINGS | {"epochs": 100})
    chart = looked_at(run)["losses"]
    assert [line["name"] for line in chart["series"]] == ["d", "g"]
    for line, column in zip(chart["series"], values.T, strict=True):
        np.testing.assert_allclose(line["y"], column.reshape(300, 10).mean(axis=1))
    np.testing.assert_allclose(chart["x"], np.arange(1, 301) / 3)  # in epochs of 30 batches


@pytest.mark.parametrize("name", PATHS)
def test_the_alarm_is_that_of_the_script(name):
    script = importlib.import_module(name)
    constants = [getattr(script, constant) for constant in watch.CONSTANTS]
    assert watch.alarm_constants(f"{name}.py") == constants
    assert watch.alarm_constants(f"{name}_an_exercise.py") == constants
    losses = np.full((1200, len(script.LOSSES)), 0.7)
    losses[300:, script.D_LOSSES] = 0.001
    means = [losses[k - 500 : k, script.D_LOSSES].mean() for k in range(500, 1201)]
    first = next(k for k, mean in enumerate(means, 500) if mean < script.D_HAS_WON)
    assert watch.find_alarm(f"{name}.py", losses) == first
    assert watch.find_alarm(f"{name}.py", losses[: first - 1]) is None
    assert watch.find_alarm("of_somebody_else.py", losses) is None


# ---- the page ------------------------------------------------------------------------------------

FILM = """(async () => {
  await new Promise(resolve => setTimeout(resolve, 300));
  const canvas = document.querySelector("canvas.grid"), box = canvas.getBoundingClientRect();
  const at = (part, whole) => (part + 0.5) / 10 * whole;
  canvas.dispatchEvent(new MouseEvent("click",
    { clientX: box.left + at(%d, box.width), clientY: box.top + at(%d, box.height) }));
  return [...document.querySelectorAll(".film canvas")].map(small => {
    const { width, height } = small;
    return [width, height, ...small.getContext("2d").getImageData(0, 0, width, height).data];
  });
})()"""


def test_a_click_on_an_image_shows_it_in_all_epochs(eagerly, train, tmp_path, browser):
    """Pixel for pixel, as the grids have it; where the place is kept when the page comes anew."""
    train("mlp_gan", "--data", DIGITS, *FLAGS)
    assert watch.main(["run"]) is None
    found = content_of(tmp_path / "run/watch.html")["runs"][0]
    assert (found["state"], found["cells"]) == ("complete", [10, 10])
    assert [grid["epoch"] for grid in found["grids"][""]] == [1, 2, 3]
    browser.open(tmp_path / "run/watch.html")
    film = browser.run(FILM % (3, 7))
    assert len(film) == 3
    for epoch, (width, height, *pixels) in enumerate(film, 1):
        grid = np.asarray(Image.open(f"run/generated_plot_e{epoch:03d}.png").convert("RGB"))
        expected = grid[::2, ::2][30 * 7 : 30 * 8, 30 * 3 : 30 * 4]
        drawn = np.reshape(pixels, (height, width, 4))[:, :, :3]
        np.testing.assert_array_equal(drawn, expected)
    slide = "(s => { s.value = %d; s.dispatchEvent(new Event('input')); })"
    browser.run(slide % 1 + "(document.querySelector('input[type=range]'))")
    browser.open(tmp_path / "run/watch.html")
    kept = (
        "[document.querySelector('.now').textContent, document.querySelectorAll('.film li').length]"
    )
    assert browser.run(kept) == ["epoch 2", 3]
    assert [url[:5] for url in browser.requests() if url[:5] != "data:"] == ["file:"]  # itself


def test_an_open_page_notices_that_it_was_written_anew(tmp_path, browser, monkeypatch):
    """The slider moves on with the run where it stood at the newest grid."""
    monkeypatch.setattr(watch, "PAUSE", 0.3)
    run = write_run(tmp_path / "run", LEVEL * 45, n_grids=1)
    looks = []

    def go_on(seconds):
        if not looks:
            browser.open(run / "watch.html")
            assert browser.run("document.querySelector('.now').textContent") == "epoch 1"
            write_run(run, LEVEL * 75, n_grids=2)
        elif len(looks) == 1:
            wait_for("epoch 2")
            write_run(run, LEVEL * 120, n_grids=4)
        looks.append(seconds)

    def wait_for(epoch):
        deadline = time.monotonic() + 20
        while browser.run("document.querySelector('.now')?.textContent") != epoch:
            assert time.monotonic() < deadline

    monkeypatch.setattr(watch.time, "sleep", go_on)
    watch.main([str(run), "--follow"])
    wait_for("epoch 4")
    assert looks == [0.3, 0.3]
    assert content_of(run / "watch.html")["follow"] is False
    assert content_of(run / "watch.html")["runs"][0]["state"] == "complete"


def test_runs_move_to_an_epoch_together(tmp_path, browser):
    runs = []
    for name, n_grids in (("<img src=x>", 4), ("two", 3)):
        runs.append(write_run(tmp_path / name, LEVEL * 120, n_grids=n_grids))
    watch.main([*map(str, runs), "--out", str(tmp_path / "both.html")])
    browser.open(tmp_path / "both.html")
    seen = browser.run(
        """(() => {
          const [first, second] = document.querySelectorAll("input[type=range]"), seen = [];
          const epochs = () => [...document.querySelectorAll("p.now")].map(p => p.textContent);
          function move(slider, k) {
            slider.value = k;
            slider.dispatchEvent(new Event("input"));
          }
          seen.push(epochs());
          move(first, 1); seen.push(epochs());
          document.getElementById("together").click();
          move(second, 0); seen.push(epochs());
          return [...seen, document.querySelector("h2").textContent];
        })()"""
    )
    at = [[f"epoch {one}", f"epoch {two}"] for one, two in ((4, 3), (2, 2), (2, 1))]
    assert seen == [*at, str(runs[0])]


# ---- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv,said",
    [
        ("none", "none is no run"),
        ("empty", "empty is no run"),
        ("file.txt --follow", "file.txt is a file"),
        ("run --out file.txt", "file.txt is not a page of watch.py"),
        ("run --out empty", "empty is a folder"),
        ("run --out nowhere/a.html", "nowhere is no folder"),
    ],
)
def test_mistakes_end_in_one_line(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run", LEVEL)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("mine")
    with pytest.raises(SystemExit) as end:
        watch.main(argv.split())
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1 and said in lines[0]
    assert (tmp_path / "file.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("settings.json", "{", "settings.json is damaged"),
        ("settings.json", '{"epochs": 3}', "settings.json is damaged"),
        ("losses.csv", "epoch,batch,d,g\n1,1,0.5\n", "a line has not the 4 columns"),
        ("losses.csv", "x\n", "is no losses.csv"),
    ],
)
def test_a_damaged_run_does_not_hide_the_others(name, text, said, tmp_path):
    runs = [write_run(tmp_path / name, LEVEL * 45, n_grids=1) for name in ("one", "two")]
    (runs[0] / name).write_text(text)
    watch.main([*map(str, runs), "--out", str(tmp_path / "both.html")])
    one, two = content_of(tmp_path / "both.html")["runs"]
    assert one["state"] == "stopped" and said in one["says"]
    assert two["says"] == "epoch 2 of 4, batch 15 of 30"
