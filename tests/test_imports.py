"""No program is imported by another, sampling/ stands alone, and knows no script by its name."""

import ast

import pytest
from conftest import ROOT
from helpers import PATHS

FOLDERS = ("", "benchmarks", "evaluation", "pretrained", "sampling", "samples", "tools", "variants")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]


def is_program(path):
    """Return whether a file is run from the command line: its text asks whether it is."""
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in ast.parse(path.read_text()).body
    )


PROGRAMS = {path.stem for path in FILES if is_program(path)}
# The training scripts are modules by design: evaluation/data.py reads images with those of one.
ALLOWED = {"mnist_gan": {""}}


def imports(path):
    """Yield (module, name) of all that a file imports; the name is "" for a module as a whole."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_programs_are_found():
    assert {"generate", "evaluate", "page", "stages", "exercise", "probe", *PATHS} <= PROGRAMS
    assert not {"draw", "files", "plan", "points", "scores"} & PROGRAMS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_program_is_imported(path):
    for module, name in imports(path):
        *_, last = module.split(".")
        assert last not in PROGRAMS or name in ALLOWED.get(last, ()), (module, name)
        assert name not in PROGRAMS, (module, name)


@pytest.mark.parametrize("path", sorted((ROOT / "sampling").glob("*.py")), ids=lambda p: p.stem)
def test_sampling_stands_alone(path):
    """Copied with generate.py it is enough; and it knows no script but those of older files."""
    ours = {other.stem for other in FILES} | {"benchmarks", "evaluation", "tools", "variants"}
    for module, _ in imports(path):
        assert module.partition(".")[0] not in ours - {"sampling"}, module
    tree = ast.parse(path.read_text())
    if path.name == "points.py":
        tables = [x for x in tree.body if isinstance(x, ast.Assign)]
        [table] = [x for x in tables if ast.unparse(x.targets[0]) == "OLDER_LAYOUTS"]
        tree.body.remove(table)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named = {name for name in PATHS for text in texts if name in str(text)}
    assert not named
