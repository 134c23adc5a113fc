"""Programs that a notebook starts: their environment names a backend that may be missing here."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT
from helpers import DIGITS

MISSING = "module://a_package_that_is_missing.backend_inline"
G = str(ROOT / "pretrained/mnist_gan.h5")
UNTRAINED = """
import evaluate
from evaluation import judge
network = judge.define_judge((28, 28, 1), 10, mirror=False)
judge.find_judge = lambda real: (network, 0.5)
evaluate.main()
"""
EVALUATE = ["-c", "from sampling.files import start_tensorflow; start_tensorflow()" + UNTRAINED]
PROGRAMS = {
    "generate.py": ["generate.py", G, "--out", "{out}/a.png"],
    "evaluate.py": [*EVALUATE, G, "--data", str(DIGITS), "--samples", "100", "--out", "{out}"],
    "page.py": ["tools/page.py", G, "--out", "{out}/a.html"],
}


def start(command, folder):
    """Run a command in the root of the repository, its environment that of such a notebook."""
    command = [word.replace("{out}", str(folder)) for word in command]
    env = os.environ | {"MPLBACKEND": MISSING, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_backend_that_is_missing_is_not_asked_for(name, tmp_path):
    done = start(PROGRAMS[name], tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert list(tmp_path.iterdir())


def test_where_a_window_is_asked_for_one_line_says_that_there_is_none(tmp_path):
    done = start(["generate.py", G, "--out", "{out}/a.png", "--show"], tmp_path)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and "no window can be opened" in lines[0]
