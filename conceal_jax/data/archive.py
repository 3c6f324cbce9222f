"""Random access to the files of a folder or a zip, from any thread or process."""

import dataclasses
import functools
import os
import stat
import struct
import weakref
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

MAX_FILE_BYTES = 64 * 2**20
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_LOCAL_HEADER_BYTES = 30
_MEMBER = np.dtype(
    [("offset", "i8"), ("packed", "i8"), ("size", "i8"), ("crc", "u4"), ("method", "u2"), ("flags", "u2")]
)
"""What reading a member of a zip takes: a twentieth of the memory of a `zipfile.ZipInfo`."""
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    struct.error,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
)
"""What the zipfile module raises on damaged listings; RuntimeError includes NotImplementedError."""


class UnreadableFileError(ValueError):
    """A file of a collection cannot be read; the message is the reason."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """The files of a folder or zip.

    Attributes:
        origin: its path, for messages.
        paths: sorted, with forward slashes, relative to the folder or zip.
        read: the bytes of a path of `paths`; raises `UnreadableFileError`.
        fingerprint: a number that is equal for equal files.
    """

    origin: str
    paths: tuple[str, ...]
    read: Callable[[str], bytes]
    fingerprint: Callable[[str], int]

    @property
    def pictures(self) -> tuple[str, ...]:
        """The paths with the suffix of a picture."""
        return tuple(path for path in self.paths if path.lower().endswith(PICTURE_SUFFIXES))

    def find(self) -> Callable[[str], str]:
        """A function from a file name, or the end of a path, to the one path that ends so.

        It raises `UnreadableFileError` where no path, or more than one, does.
        """
        whole = {path: path for path in self.paths}

        @functools.cache
        def by_ending() -> dict[str, list[str]]:
            paths = defaultdict(list)
            for path in self.paths:
                for ending in _endings(path):
                    paths[ending].append(path)
            return paths

        def find(name: str) -> str:
            if name in whole:
                return whole[name]
            wanted = str(PurePosixPath(name.strip().replace("\\", "/"))).removeprefix("/")
            found = by_ending().get(wanted, [])
            if wanted in found or len(found) == 1:
                return wanted if wanted in found else found[0]
            several = f"several files have this name in {self.origin}: {', '.join(found[:3])}"
            raise UnreadableFileError(several if found else f"no such file in {self.origin}")

        return find


def open_archive(path: str) -> Archive:
    """Lists the files of a folder or a zip; hidden files are left out.

    Raises:
        ValueError: there is neither a folder nor a readable zip at `path`.
    """
    if os.path.isdir(path):
        return _open_folder(Path(path))
    if not os.path.isfile(path):
        raise ValueError(f"{path!r}: no such folder or zip; give the place of the pictures")
    try:
        return _open_zip(path)
    except _ZIP_ERRORS as error:
        raise ValueError(
            f"{path!r} is neither a folder nor a readable zip ({error}); download it again, or unpack it "
            "and give the folder"
        ) from error


def short_names(paths: Sequence[str]) -> list[str]:
    """The paths relative to the deepest folder that holds them all."""
    parents = [path.rpartition("/")[0] for path in paths]
    shared = os.path.commonpath(parents) if paths and all(parents) else ""
    return [path[len(shared) + 1 :] if shared else path for path in paths]


def _open_folder(root: Path) -> Archive:
    def refuse(error: OSError) -> None:
        raise ValueError(
            f"{error.filename!r} cannot be listed ({error.strerror}); give the right to read it"
        ) from error

    paths = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = filter(_is_visible, folders)
        paths += [(Path(place) / name).relative_to(root).as_posix() for name in filter(_is_visible, names)]

    def read(path: str) -> bytes:
        try:
            status = (root / path).stat()
            # To open a pipe waits for its other end, and a device never ends.
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFileError("is a pipe or a device, not a file")
            _require_moderate(status.st_size)
            with open(root / path, "rb") as file:
                return file.read(MAX_FILE_BYTES)
        except OSError as error:
            raise UnreadableFileError(f"cannot be read: {error.strerror}") from error

    def fingerprint(path: str) -> int:
        try:
            content = read(path)
        except UnreadableFileError:
            return -1 - zlib.crc32(os.fsencode(path))
        return zlib.crc32(content) << 32 | len(content)

    return Archive(str(root), tuple(sorted(paths)), read, fingerprint)


def _open_zip(path: str) -> Archive:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    members = np.asarray([_member(info) for info in infos], _MEMBER)
    names = "\0".join(info.filename for info in infos)
    # A million of them fill half a gigabyte. Names that lay scattered among them would keep that memory from being
    # given back, so that they are made anew.
    del archive, infos
    rows = {name: row for row, name in enumerate(names.split("\0"))} if len(members) else {}
    # pread moves no file position, so threads and forked processes may share the descriptor.
    descriptor = os.open(path, os.O_RDONLY)

    def read(name: str) -> bytes:
        return _read_member(descriptor, *members[rows[name]].tolist())

    def fingerprint(name: str) -> int:
        _, _, size, crc, _, _ = members[rows[name]].tolist()
        return crc << 32 | size

    weakref.finalize(read, os.close, descriptor)
    return Archive(path, tuple(sorted(filter(_is_visible, rows))), read, fingerprint)


def _member(info: zipfile.ZipInfo) -> tuple[int, ...]:
    return info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type, info.flag_bits


def _read_member(descriptor: int, offset: int, packed: int, size: int, crc: int, method: int, flags: int) -> bytes:
    """Reads one stored or deflated member (PKWARE APPNOTE 4.3.7: local file header) and checks its CRC."""
    _require_moderate(max(size, packed))
    if flags & 1:
        raise UnreadableFileError("is encrypted")
    try:
        header = os.pread(descriptor, _LOCAL_HEADER_BYTES, offset)
        name_length, extra_length = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        content = os.pread(descriptor, packed, offset + _LOCAL_HEADER_BYTES + name_length + extra_length)
        if method == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
        elif method != zipfile.ZIP_STORED:
            raise UnreadableFileError("is packed by a method other than deflate")
    except (zlib.error, OSError, OverflowError) as error:
        raise UnreadableFileError(f"is damaged in the zip, or the zip cannot be read ({error})") from error
    if len(content) != size or zlib.crc32(content) != crc:
        raise UnreadableFileError("is damaged in the zip (wrong size or checksum)")
    return content


def _require_moderate(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnreadableFileError(f"has {size} bytes; a picture may have up to {MAX_FILE_BYTES // 2**20} MiB")


def _endings(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _is_visible(path: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
