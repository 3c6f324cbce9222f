"""UTKFace: faces whose file names hold age, gender and race (Zhang, Song, Qi 2017)."""

from conceal_jax.data.archive import PICTURE_SUFFIXES, Archive, short_names
from conceal_jax.data.collection import Items
from conceal_jax.data.report import DataReport
from conceal_jax.data.sources.folder import items_of_rows

GENDERS = ("male", "female")
ETHNICITIES = ("White", "Black", "Asian", "Indian", "Other")


def read_utkface(archive: Archive) -> Items:
    """Finds faces named AGE_GENDER_RACE_DATE.jpg; columns age, gender, ethnicity and race (the same).

    A name that lacks a field, or has a code that is not in use, is skipped with its reason. What follows the three
    labels does not matter: two names of the published collection have a typo there.
    """
    report = DataReport(f"the file names of {archive.origin}", found=len(archive.paths))
    paths, names, rows = [], [], []
    for path, name in zip(archive.paths, short_names(archive.paths), strict=True):
        try:
            rows.append(parse_name(path.rpartition("/")[2]))
        except ValueError as error:
            report.skip(name, str(error))
        else:
            paths.append(path)
            names.append(name)
    age, gender, ethnicity = ([row[field] for row in rows] for field in range(3))
    columns = {"age": age, "gender": gender, "ethnicity": ethnicity, "race": ethnicity}
    return items_of_rows(archive, paths, names, columns, report)


def parse_name(name: str) -> tuple[str, str, str]:
    """Age, gender and ethnicity as text from a file name without folders.

    Raises:
        ValueError: the name is not of the form AGE_GENDER_RACE_DATE.jpg, or a code is not in use.
    """
    if not name.lower().endswith(PICTURE_SUFFIXES):
        raise ValueError("the name is not that of a picture (.jpg)")
    fields = name.split("_")
    if len(fields) < 4:
        raise ValueError("the name lacks a field; expected AGE_GENDER_RACE_DATE.jpg")
    return fields[0], _decode("gender", fields[1], GENDERS), _decode("race", fields[2], ETHNICITIES)


def _decode(field: str, code: str, classes: tuple[str, ...]) -> str:
    if code not in map(str, range(len(classes))):
        raise ValueError(
            f"{field}: got {code!r} in the name; it is a number from 0 to {len(classes) - 1} ({', '.join(classes)})"
        )
    return classes[int(code)]
