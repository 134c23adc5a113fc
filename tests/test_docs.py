"""The pages in docs/: links hold, every script has its page, and the commands are understood."""

import ast
import importlib
import json
import re
import shlex

import distribute
import h5py
import mistakes
import page as page_tool
import pytest
import stages
from conftest import ROOT
from helpers import PATHS

import evaluate
import generate
import generator_files

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def links(page):
    """Return the targets of a page's links and pictures that are not addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in found if not target.startswith("https://")]


def commands(page):
    """Return the commands of a page but for those that CI runs: (program, its arguments)."""
    text = re.sub(r"^<!-- CI runs .*?^```$", "", page.read_text(), flags=re.M | re.S)
    found = re.findall(r"(?:^ *|`)python ([\w/]+\.py)([^`\n]*)", text, re.M)
    # in a list of commands a description stands behind wide space
    return [(program, shlex.split(rest.split("    ")[0])) for program, rest in found]


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
    assert f"](results/losses/{name}.csv.gz)" in runs and "![" in runs and "fail" in runs.lower()


def test_commands_are_found():
    counts = {page.name: len(commands(page)) for page in PAGES}
    assert all(counts[f"{name}.md"] >= 2 for name in PATHS), counts
    assert counts["README.md"] >= 18 and counts["training.md"] >= 6 and counts["speed.md"] >= 2


class UnderstoodError(Exception):
    """A command came so far that it would read its data."""


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_of_the_pages_are_understood(page, tmp_path, monkeypatch, capsys):
    """Every program is there, and takes its flags: it is stopped when it loads the data."""
    monkeypatch.chdir(tmp_path)  # where no run stands in the way
    (tmp_path / "runs").mkdir()

    def understood(path=None):
        raise UnderstoodError

    def imported(path):
        assert (ROOT / path) in PATHS.values(), path
        script = importlib.import_module(path.stem)
        monkeypatch.setattr(script, "load_real_samples", understood)
        for name in ("print", "train", "make_train_step", "generate_real_samples"):
            # which the tools replace: put back after the test
            monkeypatch.setattr(script, name, getattr(script, name, print), raising=False)
        return script

    tools = {"stages": stages, "distribute": distribute, "mistakes": mistakes}
    for tool in (stages, distribute):
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
                    imported(programs[program].relative_to(ROOT)).main(arguments)
        elif program.startswith("tools/"):
            with monkeypatch.context() as patch, pytest.raises(UnderstoodError):
                patch.setattr(generate, "choose_snapshot", understood)
                (tools | {"page": page_tool})[program[6:-3]].main(arguments)
        else:
            assert program.startswith(("benchmarks/", "tests/")), program
        for path in (*tmp_path.glob("runs/*/*"), *tmp_path.glob("runs/*/")):
            path.rmdir() if path.is_dir() else path.unlink()


def test_the_page_on_snapshots_describes_what_generate_reads(tmp_path):
    """Its example is a sound description, and has every member that the tables name."""
    text = (ROOT / "docs/snapshots.md").read_text()
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.S)[1])
    named = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert sorted(named) == sorted(example)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["gan"] = json.dumps(example)
        file.attrs["model_config"] = '{"class_name": "Sequential", "config": []}'
        file.attrs["keras_version"] = example["versions"]["keras"]
    assert generator_files.read_description(tmp_path / "a.h5") == example
    for member in named[:6]:  # those that programs may rely on stand there as well
        assert re.search(rf"^    {member} ", generator_files.__doc__, re.M), member
