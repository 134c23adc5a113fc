"""The pages in docs/: links hold, every script has its page, and the commands are understood."""

import ast
import json
import re
import sys
from pathlib import Path

import copies
import distribute
import exercise
import look
import page as page_tool
import pytest
import stages
import test_tutorials
import watch
from conftest import ROOT
from documents import PAGES, anchors, commands, links
from helpers import PATHS
from test_notebook import notebooks

import evaluate
import generate
from sampling import checks, files


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_hold(page):
    for target in links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target


def test_every_picture_and_page_in_docs_is_shown_somewhere():
    shown = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
    }
    pictures = {
        *ROOT.glob("docs/*.png"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/results/**/*.*"),
    }
    assert pictures and not {path.name for path in pictures - shown}


@pytest.mark.parametrize("name", PATHS)
def test_script_and_page_name_each_other(name):
    page = ROOT / f"docs/{name}.md"
    text = page.read_text()
    docstring = ast.get_docstring(ast.parse(PATHS[name].read_text()))
    assert f"docs/{name}.md" in docstring
    assert f"../{PATHS[name].relative_to(ROOT)}" in links(page)
    assert f"docs/{name}.md" in links(ROOT / "README.md")
    # the same papers, and the tutorials by the same names
    papers = set(re.findall(r"arXiv:(\d{4}\.\d{4,5})", docstring))
    assert papers and papers <= set(re.findall(r"arxiv.org/abs/(\d{4}\.\d{4,5})", text))
    for tutorial in re.findall(r'Tutorials?: "([^"]+)"', docstring):
        assert " ".join(tutorial.split()) in " ".join(text.split())
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.M))
    headings = ["The model", "Deviations", "Its losses", "Healthy and failing", "What to try"]
    assert list(sections) == headings
    assert "```mermaid\n" in sections["The model"]
    # the runs are shown, and their losses are there
    runs = sections["Healthy and failing"]
    assert f"](results/losses/{name}.csv.gz)" in runs and "![" in runs


def test_commands_are_found():
    counts = {page.name: len(commands(page)) for page in PAGES}
    assert all(counts[f"{name}.md"] >= 2 for name in PATHS), counts
    assert counts["README.md"] >= 18 and counts["training.md"] >= 6 and counts["speed.md"] >= 2


class UnderstoodError(Exception):
    """A command came so far that it would build its networks or read its data."""


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_of_the_pages_are_understood(page, tmp_path, monkeypatch, capsys):
    """Every program is there, and takes its flags: it is stopped before it builds or loads."""
    monkeypatch.chdir(tmp_path)  # where no run stands in the way
    Path("runs").mkdir()
    Path("samples").symlink_to(ROOT / "samples")
    monkeypatch.setattr(sys, "path", [*sys.path])  # the tools add the folder of the script
    for path in PATHS.values():
        link = tmp_path / path.relative_to(ROOT)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    import_script = stages.import_script

    def understood(*given, **named):
        raise UnderstoodError

    def imported(path):
        script = import_script(path)
        script.define_discriminator = script.load_real_samples = understood
        return script

    tools = {"stages": stages, "distribute": distribute, "exercise": exercise, "page": page_tool}
    tools |= {"look": look, "watch": watch}
    for tool in (stages, distribute, exercise):
        monkeypatch.setattr(tool, "import_script", imported)
    programs = {path.relative_to(ROOT).as_posix(): path for path in PATHS.values()}
    for program, arguments in commands(page):
        assert (ROOT / program).is_file(), program
        arguments = [word for word in arguments if word != "--resume"]
        if program == "generate.py":
            generate.parse_args(arguments)
        elif program == "evaluate.py":
            evaluate.parse_args(arguments)
        elif program in programs:
            if "--help" not in arguments:
                with pytest.raises(UnderstoodError):
                    imported(programs[program]).main(arguments)
        elif program == "tools/exercise.py" and len(arguments) == 1:  # lists those of a script
            exercise.main(arguments)
        elif program == "tools/notebook.py":
            notebooks.main(arguments)
        elif program.startswith("tools/"):
            with monkeypatch.context() as patch, pytest.raises(UnderstoodError):
                patch.setattr(files, "choose_snapshot", understood)  # of tools/page.py
                patch.setattr(look, "find_script", understood)
                patch.setattr(watch, "look_at_all", understood)
                tools[Path(program).stem].main(arguments)
        else:
            assert program.startswith(("benchmarks/", "tests/")), program


def section(page, heading):
    """Return the text below a heading of the third level."""
    _, _, text = page.read_text().partition(f"\n### {heading}\n")
    return text.partition("\n### ")[0]


def test_the_table_of_calls_is_that_of_the_scripts():
    """Every function stands there once for every script, with its arguments and their defaults."""
    text = section(ROOT / "CONTRIBUTING.md", "With what the functions are called")
    rows = re.findall(r"^\| `(\w+)(\(.*?\))`.* \| (.*) \|$", text, re.M)
    listed = {}
    for function, arguments, where in rows:
        named = re.findall(r"`(\w+)\.py`", where)
        if not named:
            assert where in ("all", "all others"), where
            named = [name for name in PATHS if (function, name) not in listed]
        for name in named:
            assert (function, name) not in listed, (function, name)
            listed[function, name] = ast.parse(f"def f{arguments}: pass").body[0].args
    functions = {function for function, _, _ in rows}
    assert {"make_train_batch", *test_tutorials.N_ARGUMENTS} == functions
    assert len(listed) == len(functions) * len(PATHS)
    scripts = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}
    for (function, name), expected in listed.items():
        found = next(x.args for x in scripts[name].body if getattr(x, "name", "") == function)
        for k, default in enumerate(expected.defaults):
            if ast.unparse(default) == "...":
                expected.defaults[k] = found.defaults[k]
        assert ast.unparse(found) == ast.unparse(expected), (function, name)


def constants(text):
    """Return the names of the constants that a script assigns."""
    assigned = [node.targets[0] for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {target.id for target in assigned if isinstance(target, ast.Name)}


def test_the_tables_of_constants_are_those_of_the_scripts():
    text = section(ROOT / "CONTRIBUTING.md", "The constants")
    for part, table in enumerate(text.split("In the block")):
        cells = re.findall(r"^\| (`.*?`) \|", table, re.M)
        named = set(re.findall(r"`(\w+)`", " ".join(cells)))
        rooms = [copies.split(path.name, path.read_text())[part] for path in PATHS.values()]
        assert named == set.union(*map(constants, rooms))


def test_the_citation_names_the_newest_version():
    newest = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert f'\nversion: "{newest}"\n' in (ROOT / "CITATION.cff").read_text()


def test_the_page_on_snapshots_describes_what_generate_reads():
    """Its example is a sound description, and has every member that the tables name.

    Without one of those that programs may rely on it is none; two have a default.
    """
    text = (ROOT / "docs/snapshots.md").read_text()
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.S)[1])
    named = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert sorted(named) == sorted(example)
    assert checks.check_description("a.h5", example) == example
    for member in {*named[:6]} - {"format", "class_names"}:
        rest = {key: value for key, value in example.items() if key != member}
        with pytest.raises(checks.GeneratorFileError):
            checks.check_description("a.h5", rest)
