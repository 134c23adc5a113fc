"""The scripts stand alone, what they repeat is one text, their stories are short, not packed."""

import ast
import re
import shutil
import sys
import tomllib

import copies
import pytest
from conftest import ROOT
from helpers import PATHS

OURS = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts} | {
    "tools",
    "sampling",
}


@pytest.fixture
def clone(tmp_path):
    """Copy all training scripts into an empty folder, laid out as here."""
    (tmp_path / "variants").mkdir()
    for path in PATHS.values():
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_copies_equal_their_originals_and_limits_hold(capsys):
    assert copies.main([]) == 0, capsys.readouterr().out


def found(clone, capsys):
    """Return what copies.py says of a clone, in which something is wrong."""
    assert copies.main(["--root", str(clone)]) == 1
    return capsys.readouterr().out


def test_a_changed_run_is_found_and_refreshed(clone, capsys):
    """The original is that of mnist_gan.py, wherever the change was made."""
    edit(clone / "mnist_gan.py", "os.fsync(file.fileno())", "file.flush()")
    edit(clone / "variants/mlp_gan.py", "60  # seconds", "6  # seconds")
    assert "mlp_gan.py: the run differs" in found(clone, capsys)
    assert copies.main(["--root", str(clone), "--fix"]) == 0
    for path in PATHS.values():
        text = (clone / path.relative_to(ROOT)).read_text()
        assert "file.flush()" in text and "60  # seconds" in text


def test_a_changed_copy_in_a_story_is_found_and_refreshed(clone, capsys):
    edit(clone / "mnist_gan.py", "# a frame around each", "# a frame")
    assert "mlp_gan.py: generate_latent_points to summarize_perfor" in found(clone, capsys)
    assert copies.main(["--root", str(clone), "--fix"]) == 0
    assert "# a frame\n" in (clone / "variants/mlp_gan.py").read_text()


def test_all_scripts_set_up_tensorflow_in_one_way():
    heads = {
        re.search(r"^import os\n.*?(?=^from matplotlib)", p.read_text(), re.S | re.M)[0]
        for p in PATHS.values()
    }
    assert len(heads) == 1, heads


def test_a_copy_without_its_mark_is_found(clone, capsys):
    edit(clone / "acgan_mnist.py", "# Copied from cgan_mnist.py\ndef save_plot", "def save_plot")
    assert "save_plot is the same as in" in found(clone, capsys)


def test_a_long_story_is_found(clone, capsys):
    edit(clone / "mnist_gan.py", "\ndef main", "# more\n" * 40 + "\ndef main")
    assert re.search(r"mnist_gan.py +\d+!", found(clone, capsys))


def test_packed_code_is_found(clone, capsys):
    packed = "    a, b = 1, 2\n" * 3
    edit(clone / "mnist_gan.py", "    half_batch = ", packed + "    half_batch = ")
    assert re.search(r"mnist_gan.py +\d+ +4!", found(clone, capsys))


def imports(path):
    """Return the top-level names of what a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("name", PATHS)
def test_scripts_import_nothing_of_this_repository(name):
    assert not imports(PATHS[name]) & OURS


@pytest.mark.parametrize("path", [*PATHS.values(), ROOT / "generate.py"], ids=lambda p: p.stem)
def test_inline_metadata_names_what_is_imported_as_requirements_do(path):
    """PEP 723: `uv run mnist_gan.py` installs what the block names."""
    block = re.match(r"# /// script\n((?:# .*\n)+?)# ///\n", path.read_text())
    metadata = tomllib.loads(re.sub(r"^# ", "", block[1], flags=re.M))
    required = (ROOT / "requirements.txt").read_text().split()
    assert set(metadata["dependencies"]) <= set(required)
    named = {re.match(r"\w+", line)[0] for line in metadata["dependencies"]}
    packages = {"PIL": "pillow"} | {name: name for name in named}
    used = imports(path) - sys.stdlib_module_names - OURS
    assert used <= packages.keys() and {packages[name] for name in used} <= named
    assert metadata["requires-python"] == ">=3.11"
