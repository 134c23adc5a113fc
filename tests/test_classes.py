"""sampling/classes.py: classes by number and by name, flags that fit. Needs no TensorFlow."""

import types

import numpy as np
import pytest
from descriptions import CATEGORY, CODES, INFOGAN, LABELLED, NOISE, PLAIN

from sampling import classes
from sampling.points import PointError

ANIMALS = ["cat", "polar bear", "0-1", "t-shirt", "1"]
COUNTED = [str(k) for k in range(1, 27)]
AS_TEXTS = ["0", "1", "10", "11", "2"]  # as a script of an earlier version sorted them


@pytest.mark.parametrize(
    "text,names,found",
    [
        ("cat", ANIMALS, [0]),
        ("t-shirt, polar bear,cat", ANIMALS, [3, 1, 0]),
        ("0-1", ANIMALS, [2]),  # the name, not the two numbers
        ("1", ANIMALS, [4]),
        ("0,2-4,cat", ANIMALS, [0, 2, 3, 4, 0]),
        ("3", ["3", "7"], [0]),
        ("7,0-1", ["3", "7"], [1, 0, 1]),
        (" x", ["x", " x"], [1]),
        ("0,2-4", [], [0, 2, 3, 4]),
        ("1-3", COUNTED, [0, 1, 2]),  # from name to name, as 1 and 3 are names
        ("26,24-26", COUNTED, [25, 23, 24, 25]),
        ("0-2", AS_TEXTS, [0, 1, 4]),
        ("2-10", AS_TEXTS, [4, 2]),
        ("2-2", AS_TEXTS, [4]),
        ("cat-t-shirt", ANIMALS, [0, 1, 2, 3]),
        ("t-shirt-1", ANIMALS, [3, 4]),
        (" polar bear - 0-1 ", ANIMALS, [1, 2]),
        ("1-9", ["9", "x", "1"], [2, 0]),
        ("0-1", ["1" * 5000, "2"], [0, 1]),
        ("2-" + "1" * 5000, ["2", "1" * 5000], [0, 1]),
    ],
)
def test_names_and_numbers(text, names, found):
    assert classes.find_classes(text, names, "labels") == found


@pytest.mark.parametrize(
    "text,names,part",
    [
        (
            "dog",
            ANIMALS,
            "no class 'dog': classes 0 to 4 are 'cat', 'polar bear', '0-1', 't-shirt', '1'",
        ),
        ("cat,5", ANIMALS, "no class '5'"),
        ("3-5", ANIMALS, "no class '3-5'"),
        ("cat,", ANIMALS, "no class ''"),
        ("4-2", ANIMALS, "no class '4-2'"),
        ("t-shirt-cat", ANIMALS, "no class 't-shirt-cat'"),
        ("10-2", AS_TEXTS, "no class '10-2'"),
        ("0-3", COUNTED, "no class '0-3'"),  # 3 is a name, 0 none
        ("25-27", COUNTED, "no class '25-27'"),
        ("5", ["3", "7"], "no class '5': classes 0 to 1 are '3', '7'"),
        ("dog", [f"class {k}" for k in range(345)], "'class 19' and 325 more"),
        ("dog", ["\x1b[2J", "x" * 999], f"'\\x1b[2J', '{'x' * 40}'"),
        ("x" * 999, ANIMALS, f"no class '{'x' * 40}'"),
        ("x" * 999, [], f"'{'x' * 40}' is no list"),
        ("dog", [], "'dog' is no list of classes such as 3 or 0,2,5-7"),
        ("3-", [], "'3-' is no list of classes"),
        ("9-0", [], "'9-0' is no list of classes"),
        ("", [], "'' is no list of classes"),
    ],
)
def test_unknown_names(text, names, part):
    with pytest.raises(PointError) as error:
        classes.find_classes(text, names, "labels")
    line = str(error.value)
    assert line.startswith("--labels: ") and part in line and len(line) < 500


def asked(**flags):
    """Return a command line with these flags of classes and codes."""
    flags = dict.fromkeys(("labels", "text", "category", "code1", "code2", "vector")) | flags
    return types.SimpleNamespace(latent=None, **flags)


def test_texts_become_classes():
    """A letter of --text is a class; categories have numbers only."""
    args = asked(labels="cat,3", text="1", category="0-2")
    classes.read_classes(args, ANIMALS)
    assert (args.labels, args.text, args.category) == ([0, 3], [4], [0, 1, 2])
    args = asked(text="bac2")
    classes.read_classes(args, ["c", "a", "b"])
    assert args.text == [2, 1, 0, 2] and args.labels is None and args.category is None
    for flag, text in (("text", "38"), ("category", "cat")):
        with pytest.raises(PointError, match=f"--{flag}: "):
            classes.read_classes(asked(**{flag: text}), ["3", "7"])


@pytest.mark.parametrize("flag", ["labels", "text", "category", "code1", "code2"])
def test_a_flag_without_effect_is_forgotten(flag):
    """One line says so of a generator that describes itself."""
    args = asked(**{flag: [0]})
    [line] = classes.fit_flags(args, PLAIN, foreign=False)
    assert line.startswith(f"--{flag} is ignored: this generator ")
    assert getattr(args, flag) is None


@pytest.mark.parametrize("flag", ["labels", "text", "category", "code1", "code2"])
def test_a_stranger_is_not_said_to_lack_it(flag):
    """One unexplained input may have classes and codes: the error says how to say so."""
    with pytest.raises(PointError) as error:
        classes.fit_flags(asked(**{flag: [0]}), PLAIN, foreign=True)
    assert str(error.value).startswith(f"--{flag}: ")
    assert "--latent noise:62,category:10,codes:2" in str(error.value)
    assert "InfoGAN" not in str(error.value)
    args = asked(**{flag: [0]})
    args.latent = [NOISE]  # once that is said, the answer is known
    assert len(classes.fit_flags(args, PLAIN, foreign=True)) == 1


@pytest.mark.parametrize("flag", ["category", "code1", "code2"])
def test_a_stranger_with_an_input_for_the_class(flag):
    """Its other input is noise: to say what that is made of would lead to the next error."""
    [line] = classes.fit_flags(asked(**{flag: [0]}), LABELLED, foreign=True)
    assert line.startswith(f"--{flag} is ignored: this generator is no InfoGAN")


def test_flags_that_fit():
    args = asked(labels=[9])
    assert classes.fit_flags(args, LABELLED, foreign=False) == [] and args.labels == [9]
    args = asked(category=[9], code1=[0.0], code2=[1.0])
    assert classes.fit_flags(args, INFOGAN, foreign=False) == []
    assert (args.category, args.code1, args.code2) == ([9], [0.0], [1.0])
    args = asked(code1=[0.0], code2=[1.0])
    one_code = [NOISE, CATEGORY, CODES | {"size": 1}]
    [line] = classes.fit_flags(args, INFOGAN | {"latent": one_code}, foreign=False)
    assert "--code2 is ignored" in line and args.code1 == [0.0] and args.code2 is None


@pytest.mark.parametrize("flag", ["labels", "text", "category"])
def test_classes_that_are_not_there(flag):
    with pytest.raises(PointError, match=f"--{flag}: the classes of this generator are 0 to 9"):
        classes.fit_flags(asked(**{flag: [3, 10]}), INFOGAN, foreign=False)


def test_labels_of_an_infogan():
    """They count categories where nobody knows what these mean; points of a file have their own."""
    for known in ({"map": [9, *range(9)]}, {"class_names": [str(k) for k in range(10)]}):
        assert classes.fit_flags(asked(labels=[3]), INFOGAN | known, foreign=False) == []
    [line] = classes.fit_flags(asked(text=[3]), INFOGAN, foreign=False)
    assert line.startswith("--text counts categories")
    args = asked(labels=[3], vector=np.zeros((2, 74)))
    [line] = classes.fit_flags(args, INFOGAN, foreign=False)
    assert line.startswith("--labels is ignored")
    for vector in (np.zeros((2, 62)), np.float32(0)):
        args = asked(labels=[3], vector=vector)
        known = INFOGAN | {"map": [*range(10)]}
        assert classes.fit_flags(args, known, foreign=False) == []
