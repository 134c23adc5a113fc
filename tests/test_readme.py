"""The README's commands run as written; the first two blocks are run by .ci/run."""

import importlib
import re
import shlex
import shutil

import pytest
from conftest import ROOT

import generate

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S)
# every other command: indented, or in backticks
COMMANDS = re.findall(
    r"(?:^    |`)python (\w+)\.py([^`\n]*)", re.sub(r"```sh.*?```", "", README, flags=re.S), re.M
)
TRAINING = [(script, arguments) for script, arguments in COMMANDS if script != "generate"]
SAMPLING = [arguments for script, arguments in COMMANDS if script == "generate"]


def test_the_readme_has_the_commands_that_ci_runs():
    assert len(BLOCKS) == 2
    assert "requirements.txt" in BLOCKS[0] and "generate.py" in BLOCKS[0]
    assert BLOCKS[1].splitlines()[-1].startswith("python -m pytest tests")
    assert len(TRAINING) >= 8 and len(SAMPLING) >= 6


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "docs/overview.png" in targets
    for target in targets:
        assert (ROOT / target).is_file(), target
    for name in re.findall(r"`([\w/]+\.(?:py|txt|md|npz))`", README):
        assert (ROOT / name).exists() or name.startswith("digits"), name


def test_commands_run_as_written(tmp_path, monkeypatch, capsys):
    """In order, in one folder; shortened, and with the samples where no data set is named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    for script, arguments in TRAINING:
        arguments = shlex.split(arguments)
        module = importlib.import_module(script)
        if "--help" in arguments:
            with pytest.raises(SystemExit) as caught:
                module.main(arguments)
            assert caught.value.code == 0
            continue
        if "--resume" not in arguments:
            if "--data" not in arguments:
                data = "objects" if script == "cifar10_gan" else "digits"
                arguments += ["--data", f"samples/{data}.npz"]
            shutil.rmtree(f"runs/{script}", ignore_errors=True)
            arguments += ["--batch-size", "8", "--steps-per-epoch", "1", "--epochs", "1"]
        else:
            arguments += ["--epochs", "2"]
        module.main(arguments)
    for arguments in SAMPLING:
        arguments = shlex.split(arguments)
        model = tmp_path / arguments[0]
        if not model.exists():  # a run of full length would have made it
            shutil.copy(model.parent / "generator_model_001.h5", model)
        capsys.readouterr()
        generate.main(arguments)
        assert capsys.readouterr().err == ""
