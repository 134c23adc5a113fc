"""What generate.py, evaluate.py and tools/page.py stand on.

From a file to a model:
    files.py        choose a run's snapshot, build a generator's model and open it
    formats.py      what kind of file it is: .h5, .keras, .json with weights beside it
    checks.py       what is refused of a file, and why
    probe.py        reads a file in a process of its own, which a damaged one may crash
    keras2.py       the dialect in which Keras 2 described a model
    weights.py      where weights lie in a file, and how they come into the model
    describe.py     how a model is fed, and what another tutorial's file does not say of it
From a seed to a point, from a point to an image, from an image to a file:
    points.py       latent points: seeds, walks, arithmetic, codes, the cells of a run's grids
    draw.py         images from points
    find.py         the point whose image is nearest to a picture
    sheets.py       grids, animations, folders and arrays of images
    window.py       the window with sliders
The command line:
    arguments.py    what its texts mean
    classes.py      the classes and codes that it asks for
    plan.py         which images it asks for, and in which order
    program.py      how a program speaks to its user
"""
