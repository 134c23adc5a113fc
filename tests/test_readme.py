"""The README's commands, and those of docs/training.md, run as written; CI runs three blocks."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import exercise
import keras
import look
import matplotlib.pyplot as plt
import numpy as np
import page
import pytest
import stages
import watch
from conftest import ROOT
from documents import blocks_of_ci, code_spans, commands, commands_in
from helpers import DIGITS, PATHS, SMALLEST, data_of, learned, moved, values
from test_notebook import notebooks

import evaluate
import generate
from evaluation import judge
from sampling import find

README = ROOT / "README.md"
TRAINING = (ROOT / "docs/training.md").read_text()
BLOCKS = blocks_of_ci(README)
COMMANDS = commands(README) + commands(ROOT / "docs/training.md")
SAMPLED = re.findall(r"runs/(\w+)/generator_model", README.read_text())  # later commands need them
SHORT = ["--batch-size", "8", "--steps-per-epoch", "1", "--epochs", "1"]


def test_the_readme_has_the_commands_that_ci_runs():
    install, train, test = BLOCKS
    for block in BLOCKS:
        for name in re.findall(r"pip install -r (\S+)", block):
            assert (ROOT / name).is_file(), name
    [(program, arguments)] = commands_in(install)
    assert program == "generate.py" and (ROOT / arguments[0]).is_file()
    assert [program for program, _ in commands_in(train)] == ["cgan_mnist.py", "generate.py"]
    assert test.splitlines()[-1].startswith("python -m pytest tests")
    programs = {program for program, _ in COMMANDS}
    assert {path.relative_to(ROOT).as_posix() for path in PATHS.values()} < programs
    assert {"evaluate.py", "generate.py", "tools/notebook.py", "tools/stages.py"} < programs


def test_files_that_are_named_exist():
    for name in code_spans(README):
        if re.fullmatch(r"[\w/]+\.(py|txt|md|npz)", name):
            assert (ROOT / name).exists() or (ROOT / "variants" / name).exists(), name


def test_a_list_of_flags_is_that_of_every_script(capsys):
    """Each has those; cgan_mnist.py has none of its own."""
    lists = [span.split() for span in code_spans(README)]
    [listed] = [words for words in lists if len(words) > 1 and all(w[:2] == "--" for w in words)]
    for name in PATHS:
        with pytest.raises(SystemExit):
            importlib.import_module(name).main(["--help"])
        taken = re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.M)
        assert set(listed) <= set(taken), name
        if name == "cgan_mnist":
            assert set(listed) == set(taken)


def shorten(program, arguments):
    """Return the arguments of a training with one short epoch, on the samples if on no data."""
    if "--resume" in arguments:
        return [*arguments, "--epochs", "2"]
    data = [] if "--data" in arguments else ["--data", "FOLDER"]
    arguments = [*arguments, *data, *SMALLEST.get(program, []), *SHORT]
    return [str(data_of(program)) if word == "FOLDER" else word for word in arguments]


def run_tool(name, arguments):
    """Run a command of tools/, which are named in README and docs/training.md."""
    if name == "page":
        before = set(Path().rglob("*.html"))
        page.main(arguments)
        [written] = set(Path().rglob("*.html")) - before
        assert written.stat().st_size > 2**20
        return
    if name == "notebook":
        before = set(Path().glob("*.ipynb"))
        notebooks.main(arguments)
        assert set(Path().glob("*.ipynb")) > before
        return
    if name == "look":
        look.main(arguments)
        assert Path(arguments[0], "look.png").exists()
        return
    if name == "watch":
        watch.main(arguments)
        assert Path(arguments[0], "watch.html").exists()
        return
    if name == "exercise" and len(arguments) == 1:  # lists those of a script
        exercise.main(arguments)
        return
    script = arguments[0].removesuffix(".py")
    part = arguments[1]
    if os.path.exists(f"runs/{script}_{part}"):  # another line has trained that exercise
        return
    {"stages": stages, "exercise": exercise}[name].main(shorten(script, arguments))
    if part in ("data", "untrained"):
        assert os.path.exists(f"runs/{script}/{part}_plot.png")
    if name == "exercise":
        assert os.path.exists(f"runs/{script}_{part}/generator_model_001.h5")


def untrained_judge(data):
    """Stand in for the training of the judge, which test_evaluate.py tests."""
    return judge.define_judge(data.x_train.shape[1:], len(data.names), mirror=False), 0.1


def is_tested_elsewhere(name, arguments):
    """Say whether another test trains a script so, and no later command needs the run.

    test_runs.py trains each script without flags, and test_exercises.py compares the optimizers.
    """
    if arguments:
        return arguments == ["--compare-optimizers"]
    return name not in SAMPLED or os.path.exists(f"runs/{name}")


def test_commands_run_as_written(tmp_path, monkeypatch, capsys, eagerly):
    """In order, in one folder; shortened, and with the samples where no data set is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "D_BATCHES", {1: 2})
    monkeypatch.setattr(stages, "G_BATCHES", {1: 2})
    monkeypatch.setattr(find, "ROUNDS", ((2, 20), (2, 1)))
    monkeypatch.setattr("signal.signal", lambda number, handler: None)  # Ctrl-C ends the tests
    monkeypatch.setattr(sys, "path", [*sys.path])  # the tools add the folder of the script
    for name in ("samples", "variants", *(path.name for path in ROOT.glob("*_*.py"))):
        (tmp_path / name).symlink_to(ROOT / name)
    trained = shutil.ignore_patterns("*.html", "*.md")
    shutil.copytree(ROOT / "pretrained", tmp_path / "pretrained", ignore=trained)
    for program, arguments in COMMANDS:
        name = program.removesuffix(".py").rpartition("/")[2]
        if program == "generate.py":
            model = tmp_path / arguments[0]
            if not model.exists():  # a run of full length would have made it
                shutil.copy(model.parent / "generator_model_001.h5", model)
            capsys.readouterr()
            with monkeypatch.context() as patch:  # a window that is closed at once
                patch.setattr(plt, "get_backend", lambda: "TkAgg")
                patch.setattr(plt, "show", lambda: plt.close("all"))
                generate.main(arguments)
            assert capsys.readouterr().err == ""
            continue
        if program.startswith("tools/"):
            run_tool(name, arguments)
            continue
        if program == "evaluate.py":
            monkeypatch.setenv("KERAS_HOME", str(tmp_path))
            monkeypatch.setattr(judge, "train_judge", untrained_judge)
            evaluate.main([*arguments, "--data", str(DIGITS), "--samples", "100"])
            assert (tmp_path / arguments[0] / "report.html").exists()
            continue
        script = importlib.import_module(name)
        if "--help" in arguments:
            with pytest.raises(SystemExit) as caught:
                script.main(arguments)
            assert caught.value.code == 0
            continue
        if is_tested_elsewhere(name, arguments):
            continue
        if "--resume" not in arguments:
            shutil.rmtree(f"runs/{name}", ignore_errors=True)
        script.main(shorten(name, arguments))


FAKE_PYTHON = """#!/bin/sh
echo "$@" >> calls
n=$(wc -l < calls)
set -- $STATUSES
shift $((n - 1))
exit $1
"""
SMALL = {"n_epochs = 100\n": "n_epochs = 10\n", "n_batch = 256\n": "n_batch = 8\n"}  # of the loop


def shell_loop():
    """Return the loop over seeds in docs/training.md."""
    [loop] = re.findall(r"^```sh\n(for seed .*?)^```$", TRAINING, re.M | re.S)
    return loop


@pytest.mark.parametrize(
    "statuses, n_runs", [([0], 1), ([3, 3, 0], 3), ([3, 2], 2), ([130], 1), ([3] * 5, 5)]
)
def test_the_loop_over_seeds_ends_at_the_first_success_and_at_other_errors(
    statuses, n_runs, tmp_path
):
    """In the place of Python a program notes what it was called with, and fails as it is told."""
    fake = tmp_path / "python"
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    statuses = " ".join(map(str, statuses))
    subprocess.run(
        ["sh", "-c", shell_loop()],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "STATUSES": statuses},
        timeout=60,
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == n_runs
    for seed, call in enumerate(calls, 1):
        program, *arguments = call.split()
        settings = importlib.import_module(program.removesuffix(".py")).make_parser()
        settings = settings.parse_args(arguments)
        assert (settings.on_collapse, settings.seed) == ("stop", seed)
    assert len({call.partition("--out")[2] for call in calls}) == n_runs


def test_the_lines_of_python_train(tmp_path, monkeypatch, eagerly):
    """The tutorial's last lines, and its loop in the place of the last of them, on few images."""
    monkeypatch.chdir(tmp_path)
    script = importlib.import_module("mnist_gan")
    with np.load(DIGITS) as file:
        few = file["x_train"][:8]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((few, None), (few, None)))
    monkeypatch.setattr(script.train, "__defaults__", (1, 8, None))
    _, _, text = TRAINING.partition("\n## Called as the tutorial calls it\n")
    lines, loop, *_ = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    for old, new in SMALL.items():
        assert old in loop
        loop = loop.replace(old, new)
    *before, last = lines.splitlines()
    defined = {}
    exec("\n".join(before), defined)
    saved = {last: "runs/mnist_gan/generator_model_001.h5", loop: "generator_model_010.h5"}
    for code, path in saved.items():
        weights = learned(defined["gan_model"])
        was = values(weights)
        exec(code, defined)
        assert all(moved(was, weights)), code
        assert os.path.getsize(path) > 0
