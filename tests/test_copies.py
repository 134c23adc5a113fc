"""The scripts stand alone, what they repeat is one text, and they stay short."""

import ast
import re
import shutil
import tomllib

import copies
import pytest
from conftest import ROOT
from helpers import PATHS


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


def test_copies_equal_their_originals_and_lengths_hold(capsys):
    assert copies.main([]) == 0, capsys.readouterr().out


def test_a_changed_copy_is_found_and_refreshed(clone, capsys):
    edit(clone / "mnist_gan.py", "os.fsync(file.fileno())", "file.flush()")
    assert copies.main(["--root", str(clone)]) == 1
    found = capsys.readouterr().out
    assert "mlp_gan.py: average to parse_arguments differs" in found
    copies.main(["--root", str(clone), "--fix"])
    copies.main(["--root", str(clone)])
    assert "differs" not in capsys.readouterr().out.splitlines()[-1]
    for path in PATHS.values():  # the copies of copies, too
        assert "file.flush()" in (clone / path.relative_to(ROOT)).read_text()


def test_all_scripts_set_up_tensorflow_in_one_way():
    heads = {
        re.search(r"^os.environ .*?(?=^with)", p.read_text(), re.S | re.M)[0]
        for p in PATHS.values()
    }
    assert len(heads) == 1, heads


def test_a_copy_without_its_mark_is_found(clone, capsys):
    edit(clone / "infogan_mnist.py", "# Copied from mnist_gan.py\ndef save_plot", "def save_plot")
    assert copies.main(["--root", str(clone)]) == 1
    assert "save_plot is the same as in" in capsys.readouterr().out


def test_a_script_that_has_grown_is_found(clone, capsys):
    path = clone / "mnist_gan.py"
    path.write_text(path.read_text() + "# more\n" * 500)
    assert copies.main(["--root", str(clone)]) == 1
    assert re.search(r"mnist_gan.py +\d+!", capsys.readouterr().out)


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
    ours = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts} | {"tools"}
    assert not imports(PATHS[name]) & ours


@pytest.mark.parametrize("path", [*PATHS.values(), ROOT / "generate.py"], ids=lambda p: p.stem)
def test_inline_metadata_names_what_is_imported_as_requirements_do(path):
    """PEP 723: `uv run mnist_gan.py` installs what the block names."""
    block = re.match(r"# /// script\n((?:# .*\n)+?)# ///\n", path.read_text())
    metadata = tomllib.loads(re.sub(r"^# ", "", block[1], flags=re.M))
    required = (ROOT / "requirements.txt").read_text().split()
    assert set(metadata["dependencies"]) <= set(required)
    named = {re.match(r"\w+", line)[0] for line in metadata["dependencies"]}
    assert imports(path) & {"tensorflow", "keras", "numpy", "matplotlib", "h5py"} <= named
    assert metadata["requires-python"] == ">=3.11"
