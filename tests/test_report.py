"""evaluation/report.py and ranking.py: tables, pictures and page of scores that are made up."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evaluation import ranking, report

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
from browser import running

FLOOR = {"frechet": 0.5, "precision": 0.9, "recall": 0.9, "coverage": 0.9}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("profile"))


def made_up(file, epoch, frechet, shade):
    """Return the Result of a file whose images are all of one shade."""
    row = {"file": file, "epoch": epoch, "frechet": frechet, "frechet_se": 0.1}
    row |= {"precision": 0.5, "recall": 0.4, "coverage": 0.3}
    sheet = np.full((30, 30, 1), shade, np.float32)
    details = {"grid": sheet, "neighbours": sheet, "confusion": [[3, 1], [0, 4]], "map": None}
    return ranking.Result(file, row, details)


def save(folder, results, losses="none.png"):
    """Write the report of results into a folder, ranked; return them, best first."""
    ranked = ranking.rank(results)
    facts = {"file": ranked[0].row["file"], "epoch": ranked[0].row["epoch"], "floor": FLOOR}
    facts |= {"class_names": ["a", "b"], "samples": 8, "seed": 1, "data": "x", "script": ""}
    report.save_report(folder, ranked, facts | {"judge_accuracy": 0.99}, folder / losses)
    return ranked


def shades(path):
    """Return the shade, 0 to 1, in the lower half of each frame of a film of grey sheets."""
    found = []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            pixels = np.asarray(film.convert("L"))
            found.append(1 - np.median(pixels[-15:]) / 255)  # drawn dark on white
    return found


@pytest.fixture
def mixed(tmp_path):
    """Return the results of files with and without an epoch, and the folder of their report."""
    results = [
        made_up("run/generator_model_1010.h5", 1010, 3.0, 0.9),
        made_up("run/generator_model_505.h5", 505, 4.0, 0.7),
        made_up("strange$1$ é.h5", None, 2.0, 0.5),
        made_up("a_10.h5", None, 5.0, 0.3),
        made_up("a_9.h5", None, 6.0, 0.1),
    ]
    return save(tmp_path, results), tmp_path


def test_the_table_goes_by_name_its_numbers_counted(mixed):
    results, folder = mixed
    with open(folder / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["epoch"]) for row in rows] == [
        ("a_9.h5", ""),
        ("a_10.h5", ""),
        ("run/generator_model_505.h5", "505"),
        ("run/generator_model_1010.h5", "1010"),
        ("strange$1$ é.h5", ""),
    ]
    best = json.loads((folder / "best.json").read_text())
    assert (best["file"], best["epoch"]) == ("strange$1$ é.h5", None)


def test_the_film_goes_by_epoch_files_without_one_first(mixed):
    _, folder = mixed
    np.testing.assert_allclose(
        shades(folder / "timeline.gif"), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.02
    )


def test_the_film_names_each_frame(mixed, monkeypatch):
    results, folder = mixed
    written = []
    monkeypatch.setattr(report, "save_animation", lambda path, frames, ms: written.extend(frames))
    save(folder, results)
    titles = [title for _, title in written]
    assert titles == ["a_9", "a_10", "strange?1? ?", "epoch 505", "epoch 1010"]


def test_the_curves_go_by_epoch_and_name_files_without_one(mixed, monkeypatch, tmp_path):
    results, folder = mixed
    drawn = []

    def figure(**options):
        drawn.append(Figure(**options))
        return drawn[-1]

    monkeypatch.setattr(report, "Figure", figure)
    rows = [result.row for result in sorted(results, key=lambda x: report.epoch_order(x.row))]
    report.save_curves(tmp_path / "again.png", rows, FLOOR)
    assert (tmp_path / "again.png").read_bytes() == (folder / "scores.png").read_bytes()
    left, right = drawn[0].axes
    for part in (left, right):
        named = [text.get_text() for text in part.get_xticklabels()]
        assert named == ["a_9", "a_10", "strange?1? ?", "505", "1010"]
    np.testing.assert_allclose(left.lines[0].get_ydata(orig=False), [6, 5, 2, 4, 3])
    shown = [line.get_label() for line in right.lines]
    assert shown == ["precision", "recall", "coverage"]  # there is no agreement


def test_the_page_goes_by_epoch_and_leaves_what_is_unknown_empty(mixed, browser):
    _, folder = mixed
    browser.open(folder / "report.html")
    titles = browser.run(
        """(() => {
          const seen = [], slider = document.getElementById("epoch");
          for (let k = 0; k <= Number(slider.max); k++) {
            slider.value = k; slider.dispatchEvent(new Event("input"));
            seen.push(document.getElementById("title").textContent.split(":")[0]);
          }
          return seen;
        })()"""
    )
    assert titles == [
        "a_9.h5",
        "a_10.h5",
        "strange$1$ é.h5",
        "epoch 505, run/generator_model_505.h5",
        "epoch 1010, run/generator_model_1010.h5",
    ]
    cells = browser.run(
        "[...document.querySelectorAll('#ranking tr')].map(row => row.cells[2].textContent)"
    )
    assert cells == ["epoch", "", "1010", "505", "", "", ""]  # the last: test images
    shares = browser.run(
        "[...document.querySelectorAll('#confusion td')].map(cell => cell.textContent)"
    )
    assert shares == ["75", "25", "", "100"]
    assert [url[:5] for url in browser.requests() if url[:5] != "data:"] == ["file:"]  # itself


def test_a_picture_of_the_losses_is_shown_where_there_is_one(mixed, tmp_path, browser):
    results, folder = mixed
    browser.open(folder / "report.html")
    count = "document.querySelectorAll('#curves img').length"
    assert browser.run(count) == 1
    Image.new("L", (9, 9)).save(tmp_path / "losses.png")
    save(tmp_path, results, "losses.png")
    browser.open(folder / "report.html")
    assert browser.run(count) == 2


def test_a_wide_sheet_is_shown_as_wide_as_the_page(tmp_path, browser):
    width_of = "document.getElementById('grid').width"
    width_of_page = "document.getElementById('curves').offsetWidth"
    shown = {}
    for width in (30, 2000):
        result = made_up("a.h5", 1, 1.0, 0.5)
        result.details["grid"] = np.zeros((30, width, 1), np.float32)
        save(tmp_path, [result])
        browser.open(tmp_path / "report.html")
        shown[width] = browser.run(width_of) / browser.run(width_of_page)
    assert shown[30] < 0.8 and shown[2000] > 0.95


@pytest.mark.parametrize(
    "name,said,epoch",
    [
        ("cgan_mnist.h5", 150, 150),
        ("generator_model_010.h5", 150, 150),
        ("generator_model_010.h5", None, 10),
        ("generator_model_010.h5", 0, 0),
        ("model_93700.h5", "7", 93700),
        ("model_5.h5", True, 5),
        ("model_5.h5", -1, 5),
        ("model_5.h5", 10**300, 5),
        ("model_5.h5", [7], 5),
        ("cgan_mnist.h5", 7.0, None),
        ("cgan_mnist.h5", None, None),
        ("model_1234567890123.h5", None, None),
        ("model_5_best.h5", None, None),
    ],
)
def test_an_epoch_is_what_the_file_says_or_else_its_name(name, said, epoch):
    assert ranking.find_epoch(Path(name), {"epoch": said}) == epoch
    if said is None:
        assert ranking.find_epoch(Path(name), {}) == epoch


def test_ranks_within_one_standard_error_of_the_best_are_equal():
    distances = [3.0, 1.0, 1.1, 1.2]
    results = [made_up("x", 1, distance, 0.5) for distance in distances]
    ranked = ranking.rank(results)
    assert [(result.row["frechet"], result.row["rank"]) for result in ranked] == [
        (1.0, 1),
        (1.1, 1),
        (1.2, 3),
        (3.0, 4),
    ]
