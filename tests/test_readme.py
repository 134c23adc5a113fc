"""The README's commands, and those of docs/training.md, run as written; CI runs three blocks."""

import importlib
import re
import shutil
import sys

import matplotlib.pyplot as plt
import mistakes
import page
import pytest
import stages
import tensorflow as tf
from conftest import ROOT
from helpers import DIGITS, PATHS, data_of
from test_docs import commands

import evaluate
import generate
from evaluation import judge

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^<!-- CI runs this block -->\n```sh\n(.*?)^```$", README, re.M | re.S)
COMMANDS = commands(ROOT / "README.md") + commands(ROOT / "docs/training.md")
SHORT = ["--batch-size", "8", "--steps-per-epoch", "1", "--epochs", "1"]


def test_the_readme_has_the_commands_that_ci_runs():
    install, train, test = BLOCKS
    assert "requirements.txt" in install and "generate.py" in install and "generate.py" in train
    assert test.splitlines()[-1].startswith("python -m pytest tests")
    programs = {program for program, _ in COMMANDS}
    assert {path.relative_to(ROOT).as_posix() for path in PATHS.values()} < programs
    assert {"evaluate.py", "generate.py", "tools/stages.py"} < programs


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "docs/overview.png" in targets
    for target in targets:
        assert (ROOT / target).is_file(), target
    for name in re.findall(r"`([\w/]+\.(?:py|txt|md|npz))`", README):
        assert (ROOT / name).exists() or (ROOT / "variants" / name).exists(), name


def test_flags_are_those_that_every_script_has(capsys):
    listed = re.search(r"Every script takes `([^`]+)`", README)[1].split()
    for name in PATHS:
        with pytest.raises(SystemExit):
            importlib.import_module(name).main(["--help"])
        taken = re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.M)
        assert set(listed) <= set(taken), name
        if name == "cgan_mnist":  # it has no flags of its own
            assert set(listed) == set(taken)


def test_troubleshooting_quotes_what_is_printed():
    """Each text up to the dots stands in a program; URL fetch failure is Keras' own."""
    table = (ROOT / "docs/training.md").read_text().partition("## Troubleshooting")[2]
    cells = re.findall(r"^\| (.*?) \|", table, re.M)
    quoted = [text for cell in cells for text in cell.split("`")[1::2]]
    sources = [
        ROOT / name
        for name in ("cgan_mnist.py", "generate.py", "generator_files.py", "latent.py", "sheets.py")
    ]
    source = " ".join(path.read_text() for path in sources)
    source = re.sub(r'"\s+f?"', "", source)  # texts over two lines
    source = re.sub(r"\{[^{}]*\}", "...", source)
    for text in quoted:
        if text.startswith(("URL fetch failure", "No matching", "--", "generate.py")):
            continue
        for part in re.split(r"\.\.\.|GPU 0|\('n', 28, 28, 1\)", text):
            assert part.strip() in source, part


def shorten(program, arguments):
    """Return the arguments of a training with one short epoch, on the samples if on no data."""
    if "--resume" in arguments:
        return [*arguments, "--epochs", "2"]
    data = data_of(program)
    data = [] if "--data" in arguments else ["--data", str(data)]
    return [*arguments, *data, *SHORT]


def test_commands_run_as_written(tmp_path, monkeypatch, capsys):
    """In order, in one folder; shortened, and with the samples where no data set is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "N_BATCHES", 2)
    monkeypatch.setattr(sys, "path", [*sys.path])  # the tools add the folder of the script
    for name in ("samples", "variants", *(path.name for path in ROOT.glob("*_*.py"))):
        (tmp_path / name).symlink_to(ROOT / name)
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
            if name == "page":
                page.main(arguments)
                assert (tmp_path / arguments[-1]).stat().st_size > 2**20
                continue
            script, part = arguments[0].removesuffix(".py"), arguments[1]
            {"stages": stages, "mistakes": mistakes}[name].main(shorten(script, arguments))
            if part in ("data", "untrained"):
                assert (tmp_path / f"runs/{script}/{part}_plot.png").exists()
            if name == "mistakes":
                assert (tmp_path / f"runs/{script}_{part}/generator_model_001.h5").exists()
            continue
        if program == "evaluate.py":
            monkeypatch.setenv("KERAS_HOME", str(tmp_path))
            monkeypatch.setattr(judge, "EPOCHS", {1: 1})
            evaluate.main([*arguments, "--data", str(DIGITS), "--samples", "100"])
            assert (tmp_path / arguments[0] / "report.html").exists()
            continue
        script = importlib.import_module(name)
        if "--help" in arguments:
            with pytest.raises(SystemExit) as caught:
                script.main(arguments)
            assert caught.value.code == 0
            continue
        if "--resume" not in arguments:
            shutil.rmtree(f"runs/{name}", ignore_errors=True)
        tf.config.run_functions_eagerly(True)  # compiling takes longer than a batch
        script.main(shorten(name, arguments))
        tf.config.run_functions_eagerly(False)
