"""generate.py: what ends in one line, as soon as it is known, and what is not there when copied."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import matplotlib.image
import numpy as np
import pytest
from conftest import ROOT
from generators import account_of, draw, glass, in_tmp_path, write_account  # noqa: F401
from keras2_files import small_file

PACKAGE = ROOT / "sampling"
MISTAKES = {
    "none.h5": "cannot read none.h5 (No such file or directory)",
    "folder": "folder holds no snapshot",
    "picture.h5": "picture.h5 is ",
    "truncated.h5": "damaged or incomplete",
    "weights.h5": "only weights",
    "notjson.h5": "damaged or incomplete",
    "notext.h5": "damaged or incomplete",
    "g.h5 --grid 0x5": "'0x5' is not ROWSxCOLUMNS",
    "g.h5 --labels 3-": "'3-' is no list of classes",
    "g.h5 --labels=": "'' is no list of classes",
    "named.h5 --labels dog": "no class 'dog': classes 0 to 1 are '3', '7'",
    "named.h5 --text 38": "no class '8'",
    "newer.h5": "newer version of the scripts (format 7)",
    "newer_weights.h5": "newer version of the scripts (format 7)",
    "g.h5 --vector none.npy": "'none.npy' is neither a number nor a .npy file",
    "g.h5 --vector picture.h5": "'picture.h5' is neither a number nor a .npy file",
    "g.h5 --vector cube.npy": "holds no finite points",
    "g.h5 --vector": "expected one argument",
    "g.h5 --seed -1": "'-1' is no number from 0",
    "g.h5 --count 0 --npz a.npz": "'0' is no number from 1",
    "g.h5 --seeds 3-1": "names 0 seeds",
    "g.h5 --cell 3x7": "not ROW,COLUMN",
    "g.h5 --interpolate 3": "needs two seeds",
    "g.h5 --interpolate 3,4 --steps 0": "no number from 1",
    "g.h5 --arithmetic 0+": "adds and takes away no seeds",
    "g.h5 --arithmetic 0+1 --seeds 3": "not allowed with argument",
    "g.h5 --truncate 1.5": "no number from 0 to 1",
    "g.h5 --range 1,0": "'1,0' is not LOW,HIGH",
    "g.h5 --latent noise": "is no list of parts such as",
    "named.h5 --latent noise:8": "says itself what its latent input is made of",
    "g.h5 --out walk.gif": "an animation needs --interpolate",
    "info.h5 --code1 2:1": "neither a number nor FROM:TO:COUNT",
    "info.h5 --code1 -1:1:3 --count 9 --npz a.npz": "takes one value of a code",
    "g.h5 --count 9": "--count needs --images DIR or --npz",
    "g.h5 --images new": "--images needs --count",
    "g.h5 --count 9 --images picture.h5": "not an empty folder",
    "g.h5 --count 9 --images none/new": "cannot write to the folder none",
    "g.h5 --count 9 --npz a.npz --vector 0": "not allowed with argument",
    "g.h5 --out none/a.png": "cannot write to the folder none",
    "g.h5 --out g.h5": "must end in .png",
    "g.h5 --npz g.h5": "must end in .npz",
    "g.h5 --out dir.png": "is a folder",
    "": "required: MODEL|RUN",
    "g.h5 g.h5": "unrecognized arguments: g.h5",
}
GIVE_ALL = """if True:
    import contextlib, io, json, sys
    import generate, sampling.checks
    sampling.checks.check_readable = lambda path, changed: None
    said = {}
    for command in sys.argv[1:]:
        with contextlib.redirect_stderr(io.StringIO()) as error:
            try:
                generate.main(command.split())
                status = 0
            except SystemExit as end:
                status = end.code
        said[command] = status, error.getvalue()
    print(json.dumps([said, sorted({"keras", "tensorflow", "matplotlib"} & set(sys.modules))]))
"""


def python(*command, **variables):
    """Run Python in the current folder; `variables` are of its environment."""
    env = os.environ | variables
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env)


def write_files():
    """Write the files of MISTAKES."""
    small_file()
    for name in ("weights", "notjson", "notext", "named", "newer"):
        shutil.copy("g.h5", f"{name}.h5")
    with h5py.File("weights.h5", "r+") as file:
        del file.attrs["model_config"]
    with h5py.File("notjson.h5", "r+") as file:
        file.attrs["model_config"] = "{"
    with h5py.File("notext.h5", "r+") as file:
        file.attrs["gan"] = 1.0
    shutil.copy("weights.h5", "newer_weights.h5")
    two = account_of(8, 2) | {"class_names": ["3", "7"]}
    write_account("named.h5", two)
    write_account("newer.h5", two | {"format": 7})
    write_account("newer_weights.h5", two | {"format": 7})
    Path("truncated.h5").write_bytes(Path("g.h5").read_bytes()[:3000])
    np.save("cube.npy", np.zeros((2, 2, 8)))
    matplotlib.image.imsave("picture.h5", np.zeros((8, 8)), format="png")
    Path("folder").mkdir()
    Path("dir.png").mkdir()


def test_mistakes():
    """Each ends in one line, and before TensorFlow starts: a mistyped name costs no seconds."""
    write_files()
    before = sorted(os.listdir())
    done = python("-c", GIVE_ALL, *MISTAKES, "--help", PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    help, _, found = done.stdout.rstrip().rpartition("\n")
    said, heavy = json.loads(found)
    assert heavy == []
    assert said.pop("--help") == [0, ""] and help.startswith("usage: generate.py")
    assert said.keys() == MISTAKES.keys()
    for command, (status, line) in said.items():
        assert status == 2, command
        assert line.startswith("generate.py: error: ") and line.count("\n") == 1, command
        assert MISTAKES[command] in line, command
    assert sorted(os.listdir()) == before


def test_flags_without_effect(capsys):
    """Each gets one line, and the images are drawn."""
    glass(4)
    for flag in (["--labels", "3"], ["--text", "3"], ["--category", "3"], ["--code1", "1"]):
        draw("g.h5", *flag, "--vector", 0)
        error = capsys.readouterr().err
        assert error.startswith(f"generate.py: warning: {flag[0]} is ignored: ")
        assert error.count("\n") == 1
    draw("g.h5", "--steps", 3, "--vector", 0)
    expected = "generate.py: warning: --steps is ignored: there is no --interpolate\n"
    assert capsys.readouterr().err == expected


# ---- copied to another place ---------------------------------------------------------------------


@pytest.fixture
def copied():
    """Copy generate.py and the package that it stands on here; nothing else is in reach."""
    shutil.copy(ROOT / "generate.py", ".")
    shutil.copytree(PACKAGE, "sampling", ignore=shutil.ignore_patterns("__pycache__"))


def test_program(copied):
    """Both are enough. As a program it is quiet but for one line."""
    small_file()
    done = python("generate.py", "g.h5", "--latent", "noise:8", PYTHONPATH="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "25 images in g_seed1.png\n"


RUN_ALL = """if True:
    import contextlib, importlib, io, json, os, runpy, shutil, sys
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.getcwd())

    def give(command):
        for name in [x for x in sys.modules if x.partition(".")[0] == "sampling"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        sys.argv = ["generate.py", *command]
        printed = contextlib.redirect_stdout(io.StringIO())
        with printed, contextlib.redirect_stderr(io.StringIO()) as error:
            try:
                runpy.run_path("generate.py", run_name="__main__")
                status = 0
            except SystemExit as end:
                status = end.code
        return status, error.getvalue()

    names = sys.argv[1:]
    said = {"whole": give(["--help"])}
    for name in names:
        os.rename(f"sampling/{name}", "kept")
        said[f"without {name}"] = give(["--help"])
        if name not in ("draw.py", "sheets.py"):  # which are needed only after TensorFlow's start
            open(f"sampling/{name}", "w").write("# an older one")
            said[f"older {name}"] = give(["g.h5", "--labels", "3"])
        os.replace("kept", f"sampling/{name}")
    shutil.rmtree("sampling")
    said["nothing"] = give(["--help"])
    print(json.dumps(said))
"""


def test_copied_without_what_it_needs(copied):
    """One line says so, whatever of the package is missing, or lacks what is new."""
    small_file()
    names = sorted(path.name for path in PACKAGE.glob("*.py"))
    needed = [x for x in names if x not in ("__init__.py", "probe.py", "window.py")]
    done = python("-c", RUN_ALL, *needed, PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.pop("whole") == [0, ""]
    assert len(said) == 2 * len(needed) - 1
    for case, (status, line) in said.items():
        assert status == 2, (case, line)
        assert line.startswith("generate.py: error: the folder sampling/ is missing"), case
        assert line.count("\n") == 1, case


def imported(path):
    """Return the top-level names of what a file imports, inside functions, too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    return names


def test_inline_metadata():
    """It begins with what `uv run` and `pipx run` install for it and the package (PEP 723)."""
    lines = (ROOT / "generate.py").read_text().splitlines()
    assert lines[0] == "# /// script"
    block = lines[1 : lines.index("# ///")]
    assert all(line.startswith("# ") for line in block)
    metadata = tomllib.loads("\n".join(line[2:] for line in block))
    assert metadata["requires-python"] == ">=3.11"
    named = {re.match(r"[a-z0-9]+", requirement)[0] for requirement in metadata["dependencies"]}
    used = set.union(*map(imported, [ROOT / "generate.py", *PACKAGE.glob("*.py")]))
    used = used - sys.stdlib_module_names - {"sampling"}
    assert named == {{"PIL": "pillow"}.get(name, name) for name in used}
