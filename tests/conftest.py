import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in (".", "variants", "tests")]
sys.path.append(str(ROOT / "tools"))  # last: tensorboard.py has the name of a package
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the scripts do, whatever imports it first
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # likewise
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads wait for each other at work


@pytest.fixture(autouse=True)
def temporary_files(tmp_path_factory, monkeypatch):
    """Let what a test leaves in the folder for temporary files, runs above all, end with it."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    shutil.rmtree(folder)


@pytest.fixture
def eagerly():
    """Run what tf.function would compile as plain Python, which is quicker for a few batches."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Return a function that runs a script's main in an empty folder; it returns the script."""
    monkeypatch.chdir(tmp_path)

    def train(name, *flags):
        script = importlib.import_module(name)
        script.main(list(map(str, flags)))
        return script

    return train
