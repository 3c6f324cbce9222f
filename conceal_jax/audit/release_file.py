"""A release read from an `.npz` file: codes or pictures with labels, and optionally persons and a split."""

import math
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.attributes import AGE_GROUPS, MISSING_CLASS, Attribute, AttributeSet, Categorical, Continuous
from conceal_jax.audit.examples import Posterior
from conceal_jax.audit.release import Release

INPUTS = ("codes", "pictures", "originals")
POSTERIOR = ("posterior_mean", "posterior_std")
PERSON, SPLIT = "person", "split"
TRAIN, TEST = "train", ("test", "validation")
MAX_CLASSES = 20
"""Whole numbers with more different values than this are amounts, not classes."""

MAX_BYTES = 16 * 2**30
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_FILE_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What numpy and zipfile raise on damaged files."""


def parse_release(
    arrays: Mapping[str, np.ndarray], origin: str, kept: Collection[str] = ()
) -> tuple[Release, AttributeSet, np.ndarray | None]:
    """Builds the release to audit from arrays.

    There are `codes` [N, L] or `pictures` uint8 [N, S, S, 3] (or both: then the pictures are what a decoder at
    hand makes of the codes), and one array [N] for each attribute: texts, or up to 20 different whole numbers, are
    classes (an empty text or -1 is a missing label); other numbers are values (NaN is missing), of which an attribute
    called "age" is read as the nine usual groups, any other as quarters of its range. Optional are `originals` like
    `pictures`, `posterior_mean` and `posterior_std` [N, L], `person` [N], and `split` [N]: "train", and "test" or
    "validation".

    Args:
        arrays: by name.
        origin: the file, for messages.
        kept: attributes that are kept; all others are concealed.

    Returns:
        The release, what is concealed and kept, and bool [N]: the people of the test part (None without a split).

    Raises:
        ValueError: a part is missing, malformed or of another length.
    """
    special = {*INPUTS, *POSTERIOR, PERSON, SPLIT}
    labels = {name: array for name, array in arrays.items() if name not in special}
    _require(labels, kept, origin)
    specs = {name: _specify(name, array) for name, array in labels.items()}
    attributes = AttributeSet(
        tuple(spec for name, spec in specs.items() if name not in kept),
        tuple(spec for name, spec in specs.items() if name in kept),
    )
    release = Release(
        {name: _labels(specs[name], array) for name, array in labels.items()},
        **{name: arrays.get(name) for name in INPUTS},
        posterior=_posterior(arrays),
        people=_people(arrays[PERSON]) if PERSON in arrays else None,
        persons_known=PERSON in arrays,
    )
    return release, attributes, _test_part(arrays, len(release))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        # Opened here, as numpy leaves files open that it cannot read. It never unpickles: objects are refused.
        with path.open("rb") as file:
            _require_moderate(file)
            arrays = np.load(file, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array without a name")
            return {name: arrays[name] for name in arrays.files}
    except _FILE_ERRORS as error:
        raise ValueError(f"{path} cannot be read ({error}); write it with numpy.savez, without objects") from error


def _require_moderate(file: Any) -> None:
    """Refuses files that unpack to more than memory holds, or than their headers say, before numpy allocates it."""
    if not zipfile.is_zipfile(file):
        raise ValueError("it is no .npz")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > MAX_BYTES:
            raise ValueError(f"it unpacks to {total:,} bytes; up to {MAX_BYTES:,} are read")
        for member in members:
            with archive.open(member) as stream:
                _require_honest(stream, member)
    file.seek(0)


def _require_honest(stream: Any, member: zipfile.ZipInfo) -> None:
    """The array in a member is as large as its header says."""
    read_header = _HEADERS.get(np.lib.format.read_magic(stream))
    if read_header is None:
        raise ValueError(f"{member.filename} is of a version that numpy.savez does not write here")
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects")
    if math.prod(shape) * dtype.itemsize > member.file_size or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} has the shape {shape} in {member.file_size} bytes")


def _require(labels: Mapping[str, np.ndarray], kept: Collection[str], origin: str) -> None:
    unknown = sorted(set(kept) - set(labels))
    if unknown:
        raise ValueError(f"kept attributes {unknown} are not in {origin}; it has {', '.join(labels) or 'no labels'}")
    if not set(labels) - set(kept):
        raise ValueError(f"{origin} has no concealed attribute; add an array of labels, one for each person")
    wrong = {name: array.shape for name, array in labels.items() if array.ndim != 1}
    if wrong:
        raise ValueError(f"{origin} has labels of shapes {wrong}; give one label for each person")


def _specify(name: str, array: np.ndarray) -> Attribute:
    if array.dtype.kind in "UbS":
        texts = sorted({str(text) for text in array.astype(str)} - {""})
        return Categorical(name, tuple(texts))
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} holds {array.dtype}; give texts or numbers")
    known = array[~np.isnan(array)] if array.dtype.kind == "f" else array[array != MISSING_CLASS]
    values = np.unique(known)
    whole = bool(np.all(values == np.round(values)))
    if whole and len(values) <= MAX_CLASSES:
        return Categorical(name, tuple(f"{value:.0f}" for value in values))
    low, high = (float(values[0]), float(values[-1])) if len(values) else (0.0, 1.0)
    if name == "age" and low >= 0 and high > AGE_GROUPS[-1]:
        return Continuous(name, 0.0, high, "years", edges=AGE_GROUPS)
    return Continuous(name, low, high)


def _labels(spec: Attribute, array: np.ndarray) -> np.ndarray:
    if isinstance(spec, Continuous):
        return np.where(array == MISSING_CLASS, np.nan, array).astype(np.float32) if array.dtype.kind in "iu" else array
    if array.dtype.kind in "if" or array.dtype.kind == "u":
        texts = np.array([f"{value:.0f}" for value in array.tolist()])
    else:
        texts = array.astype(str)
    index = {text: number for number, text in enumerate(spec.classes)}
    return np.array([index.get(text, MISSING_CLASS) for text in texts.tolist()], np.int32)


def _posterior(arrays: Mapping[str, np.ndarray]) -> Posterior | None:
    given = [name for name in POSTERIOR if name in arrays]
    if not given:
        return None
    shapes = {name: arrays[name].shape if name in arrays else None for name in ("codes", *POSTERIOR)}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"got shapes {shapes}; give the mean and the standard deviation of every code")
    return Posterior(*(arrays[name].astype(np.float32) for name in POSTERIOR))


def _people(persons: np.ndarray) -> np.ndarray:
    """int64 [N]: equal for one person's photos; an unknown person (an empty text or NaN) is a person of their own."""
    texts = np.char.strip(persons.astype(str))
    unknown = (texts == "") | (persons.dtype.kind == "f") & (texts == "nan")
    numbers = np.unique(texts, return_inverse=True)[1]
    return np.where(unknown, len(texts) + np.arange(len(texts)), numbers)


def _test_part(arrays: Mapping[str, np.ndarray], count: int) -> np.ndarray | None:
    if SPLIT not in arrays:
        return None
    split = arrays[SPLIT].astype(str)
    if split.shape != (count,):
        raise ValueError(f"split has the shape {split.shape} for {count} people; give one entry for each")
    unknown = sorted(set(split.tolist()) - {TRAIN, *TEST})
    if unknown:
        raise ValueError(f"split holds {unknown}; allowed are {', '.join((TRAIN, *TEST))}")
    return split != TRAIN
