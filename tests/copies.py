"""Keep what the training scripts repeat one text, their stories short and their code plain.

    python tests/copies.py          names what is wrong; prints the counts, `!` if over a limit
    python tests/copies.py --fix    first writes the originals over the copies

The training scripts stand alone, so they repeat on purpose. From the line `# ---- The run` to the
end all have the text of mnist_gan.py. Above it, in the story, a copy is a top-level function or
class right below a line `# Copied from FILE`, or all from there on, `# Copied from FILE, down to
NAME`; it must equal that part of FILE. Two stories must not have the same one without a mark.
"""

import argparse
import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^# Copied from (\S+\.py)(?:, down to (\w+))?$")
RUN = "\n# ---- The run"  # begins the block that all scripts share
ORIGINAL = "mnist_gan.py"  # of the block
LIMITS = {"story": 260, "tuples": 3}
LONGER = {f"{name}.py": 340 for name in ("infogan_mnist", "infogan_labelled", "faces_gan")}


@functools.cache
def parts(text):
    """Return {name: (first, last)}, the line numbers of top-level functions and classes, from 0."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            found[node.name] = first, node.end_lineno
    return found


def training_scripts(root=ROOT):
    """Return the paths of the scripts that train: those that define a function `train`."""
    paths = [*sorted(root.glob("*.py")), *sorted(root.glob("variants/*.py"))]
    return [path for path in paths if "train" in parts(path.read_text())]


def split(script, text):
    """Return the story and the run of a script; a script without a run ends the program."""
    story, mark, run = text.partition(RUN)
    if not mark:
        raise SystemExit(f"{script} has no line {RUN.strip()}")
    return story, mark + run


def copies(script, story):
    """Return (file, first, last) of each mark: where the original stands, and the parts' names.

    A mark that leads nowhere ends the program.
    """
    spans = parts(story)
    starts = {start: name for name, (start, _) in spans.items()}
    found = []
    for number, line in enumerate(story.splitlines(), 1):
        mark = MARK.match(line)
        if mark:
            file, last = mark.groups()
            first = starts.get(number)
            if last is None:
                last = first
            if first is None or last not in spans or spans[last] < spans[first]:
                raise SystemExit(f"{script}:{number}: what this mark names is not below it")
            found.append((file, first, last))
    return found


def refresh(script, stories):
    """Return the story of a script with fresh copies, and the names of the stale ones.

    `stories` are those of all scripts by name; marks within an original are not copied.
    """
    story = stories[script]
    lines = story.splitlines()
    stale = []
    for file, first, last in reversed(copies(script, story)):  # so that line numbers stay right
        source = stories.get(file, "")
        spans = parts(source)
        if not {first, last} <= spans.keys():
            raise SystemExit(f"{script}: {file} has no {first} or {last}")
        original = source.splitlines()[spans[first][0] : spans[last][1]]
        original = [line for line in original if not MARK.match(line)]
        place = slice(parts(story)[first][0], parts(story)[last][1])
        if lines[place] != original:
            stale.append(first if first == last else f"{first} to {last}")
            lines[place] = original
    return "\n".join(lines) + "\n", stale


def unmarked(stories):
    """Return (name, script, twin): parts of one text of which neither is marked as a copy."""
    seen = {}
    found = []
    for script, story in stories.items():
        spans = parts(story)
        lines = story.splitlines()
        marked = [(spans[first], spans[last]) for _, first, last in copies(script, story)]
        for name, span in spans.items():
            if any(first <= span <= last for first, last in marked):
                continue
            text = "\n".join(lines[slice(*span)])
            twin = seen.setdefault((name, text), script)
            if twin != script:
                found.append((name, script, twin))
    return found


def counts(text, story):
    """Return the figures of a script by the names of LIMITS.

    The story's lines are counted from its docstring on; the tuples are those that are assigned to
    tuples, in the whole script: `a, b = 1, 2` says two things at once.
    """
    start = ast.parse(story).body[0].lineno
    assignments = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assign)]
    tuples = [
        node
        for node in assignments
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
    ]
    return {"story": len(story.rstrip().splitlines()) - start + 1, "tuples": len(tuples)}


def check(texts):
    """Print what is wrong with the scripts' texts, and their counts; return if all is right."""
    stories = {script: split(script, text)[0] for script, text in texts.items()}
    runs = {script: split(script, text)[1] for script, text in texts.items()}
    wrong = []
    for script in texts:
        if runs[script] != runs[ORIGINAL]:
            wrong.append(f"{script}: the run differs from that of {ORIGINAL}")
        for name in refresh(script, stories)[1]:
            wrong.append(f"{script}: {name} differs from its original")
    for name, script, twin in unmarked(stories):
        wrong.append(f"{script}: {name} is the same as in {twin}, and neither is marked as a copy")
    for line in wrong:
        print(line)
    print(f"{'':24}" + "".join(f"{name:>10}" for name in LIMITS))
    within = True
    for script, text in texts.items():
        limits = LIMITS | {"story": LONGER.get(script, LIMITS["story"])}
        row = f"{script:24}"
        for name, figure in counts(text, stories[script]).items():
            over = figure > limits[name]
            row += f"{figure:>9}{'!' if over else ' '}"
            within = within and not over
        print(row)
    return within and not wrong


def fix(texts):
    """Return the scripts' texts with fresh copies and the one run."""
    runs = split(ORIGINAL, texts[ORIGINAL])[1]
    stories = {script: split(script, text)[0] for script, text in texts.items()}
    for _ in stories:  # a copy may be the original of another
        for script in stories:
            stories[script] = refresh(script, stories)[0]
    return {script: story + runs for script, story in stories.items()}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="write the originals over the copies")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the scripts")
    args = parser.parse_args(argv)
    paths = {path.name: path for path in training_scripts(args.root)}
    texts = {script: path.read_text() for script, path in paths.items()}
    if args.fix:
        texts = fix(texts)
        for script, path in paths.items():
            path.write_text(texts[script])
    return 0 if check(texts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
