"""The scripts stand alone, and what they repeat is one text."""

import ast
import shutil

import copies
from conftest import ROOT

SCRIPTS = sorted({*ROOT.glob("*_gan.py"), *ROOT.glob("*_mnist.py")})


def test_copies_equal_their_originals(capsys):
    assert copies.main([]) == 0, capsys.readouterr().out


def test_a_changed_copy_is_found_and_refreshed(tmp_path, capsys):
    for script in SCRIPTS:
        shutil.copy(script, tmp_path)
    original = tmp_path / "mnist_gan.py"
    original.write_text(original.read_text().replace("os.fsync(file.fileno())", "pass"))
    assert copies.main(["--root", str(tmp_path)]) == 1
    found = capsys.readouterr().out
    assert all(f"{s.name}: written_beside" in found for s in SCRIPTS if s.name != "mnist_gan.py")
    copies.main(["--root", str(tmp_path), "--fix"])
    assert copies.main(["--root", str(tmp_path)]) == 0
    assert "os.fsync" not in (tmp_path / "cgan_mnist.py").read_text()


def test_every_repeated_function_is_marked():
    """Two scripts with the same function: one of the two says that it is a copy."""
    first = {}
    for script in SCRIPTS:
        text = script.read_text()
        lines = text.splitlines()
        for name, (start, end) in copies.functions(text).items():
            body = "\n".join(lines[start:end])
            marked = bool(copies.MARK.match(lines[start - 1]))
            twin, twin_marked = first.setdefault((name, body), (script.name, marked))
            assert twin == script.name or marked or twin_marked, (name, twin, script.name)


def test_scripts_import_nothing_of_this_repository():
    ours = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    for script in [*SCRIPTS, ROOT / "generate.py"]:
        for node in ast.walk(ast.parse(script.read_text())):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not {name.split(".")[0] for name in names} & ours, (script.name, names)
