"""The classes and codes that a command line asks for, and those that a generator has."""

import re

from sampling.points import PointError, code_columns


def find_classes(text, names, flag):
    """Return the classes, a list of int, of a text such as 3, 0-9, 0,2,5-7 or cat,3.

    `names` are those of the classes, or [] where they have none. An item is taken for a name if it
    can be, and a range for one from name to name: with classes named "3" and "7", 3 is class 0 and
    3-7 both. Raises PointError, which names the `flag`, for any other text.
    """
    classes = []
    for item in text.split(","):
        if item not in names:
            item = item.strip()
        if item in names:
            classes.append(names.index(item))
            continue
        ends = split_range(item, names)
        if ends:
            found = range_of_names(*ends, names)
        else:
            found = range_of_numbers(item, names)
        if not found:
            raise PointError(unknown(item, text, names, flag))
        classes.extend(found)
    return classes


def split_range(item, names):
    """Return the two names of an item such as cat-dog, or None; names may have hyphens, too."""
    words = item.split("-")
    for k in range(1, len(words)):
        first = "-".join(words[:k]).strip()
        last = "-".join(words[k:]).strip()
        if first in names and last in names:
            return first, last
    return None


def range_of_names(first, last, names):
    """Return the classes from one name to another: by value where both are whole numbers.

    With classes named 1, 10 and 2 the range 1-2 is these two. Other names stand for their places.
    """
    values = {name: int(name) for name in names if re.fullmatch(r"\d{1,9}", name)}
    if first not in values or last not in values:
        return range(names.index(first), names.index(last) + 1)
    within = [name for name, value in values.items() if values[first] <= value <= values[last]]
    return [names.index(name) for name in sorted(within, key=values.get)]


def range_of_numbers(item, names):
    """Return the classes that an item such as 3 or 5-7 counts from 0; none for any other item.

    Where one end alone is the name of a class it is none either: is the other a number or a name?
    """
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", item)
    if not match:
        return range(0)
    first, last = match.groups()
    if first in names or last in names:
        return range(0)
    numbers = range(int(first), int(last or first) + 1)
    if names and numbers and numbers[-1] >= len(names):
        return range(0)
    return numbers


def unknown(item, text, names, flag):
    """Return the line for the user about an item of a text that is no class."""
    if not names:
        return f"--{flag}: {text[:40]!r} is no list of classes such as 3 or 0,2,5-7"
    listed = ", ".join(repr(name[:40]) for name in names[:20])
    if len(names) > 20:
        listed += f" and {len(names) - 20} more"
    return f"--{flag}: no class {item[:40]!r}: classes 0 to {len(names) - 1} are {listed}"


def read_classes(args, names):
    """Make lists of classes of the texts of --labels, --text and --category, by the `names`."""
    if args.labels is not None:
        args.labels = find_classes(args.labels, names, "labels")
    if args.text is not None:
        args.text = find_classes(",".join(args.text), names, "text")
    if args.category is not None:
        args.category = find_classes(args.category, [], "category")


def fit_flags(args, about, foreign):
    """Forget the flags that change nothing for this generator; raise PointError for wrong ones.

    `foreign` is whether the file does not describe itself. Returns lines for the user, which say
    what was forgotten, or means something else than one may think.
    """
    classes = about["classes"]
    infogan = about["kind"] == "infogan"
    n_codes = len(code_columns(about))
    unexplained = foreign and about["kind"] == "unconditional"  # its one input may be anything
    flags = {
        "labels": (classes > 0, "has no classes"),
        "text": (classes > 0, "has no classes"),
        "category": (infogan, "is no InfoGAN"),
        "code1": (n_codes > 0, "is no InfoGAN with codes"),
        "code2": (n_codes > 1, "is no InfoGAN with two codes"),
    }
    lines = []
    for flag, (matters, reason) in flags.items():
        if matters or getattr(args, flag) is None:
            continue
        if unexplained and not args.latent:
            raise PointError(
                f"--{flag}: the file does not say that this generator has such an input: say what "
                "its input is made of, as in --latent noise:62,category:10,codes:2"
            )
        lines.append(f"--{flag} is ignored: this generator {reason}")
        setattr(args, flag, None)
    for flag in ("labels", "text", "category"):
        if max(getattr(args, flag) or [0]) >= max(classes, 1):
            raise PointError(f"--{flag}: the classes of this generator are 0 to {classes - 1}")
    lines.extend(explain_labels(args, about))
    return lines


def explain_labels(args, about):
    """Return lines for the user where --labels or --text does not say which class is drawn."""
    flag = "text" if args.text else "labels"
    if not (args.labels or args.text):
        return []
    if args.vector is not None and args.vector.ndim == 2 and about["kind"] == "infogan":
        width = sum(part["size"] for part in about["latent"])
        if args.vector.shape[1] == width:
            return [f"--{flag} is ignored: the points of --vector hold their classes"]
    known = about.get("map") or about["class_names"]
    if about["kind"] == "infogan" and not known:
        return [f"--{flag} counts categories, whose meaning is unknown here: evaluate.py finds it"]
    return []
