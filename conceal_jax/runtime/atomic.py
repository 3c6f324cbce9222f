"""Files that are there whole or not at all, whenever the process is killed or the disk fills up."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Writes a text file in place of the one that is there, if any.

    A reader sees the old text or the new one; after a failure the old one stays.

    Raises:
        OSError: it cannot be written.
    """
    if path.exists() and not path.is_file():
        # A device such as /dev/null is written to, not replaced.
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Otherwise a power cut may leave the new name with no content.
        os.fsync(file.fileno())
    part.replace(path)
