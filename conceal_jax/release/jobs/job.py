"""Jobs on a collection that can be killed at any time and resumed, and shared by several processes.

A job has two folders. OUT is the release: pictures or shards of codes, and a manifest. Beside it, OUT.private holds
what must not be released: the file behind each name, and which shards are done. Everything appears under its
final name when it is complete, and a shard is done when its record is there.
"""

import csv
import dataclasses
import glob
import hashlib
import hmac
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conceal_jax.runtime.json_files import read_object

MANIFEST = "manifest.json"
MAPPING = "mapping.csv"
SKIPPED = "skipped.csv"

_JOB = "job.json"
_DONE = "done"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a collection: the name it has in the release, and where it is in the collection."""

    name: str
    source: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A collection, cut into shards.

    Attributes:
        out: folder of the release.
        private: folder of what is not released.
        settings: what the result depends on besides the photos and the secret; part of the manifest.
        shards: the entries of each shard.
    """

    out: Path
    private: Path
    settings: Mapping[str, Any]
    shards: tuple[tuple[Entry, ...], ...]

    def remaining(self, part: int = 1, parts: int = 1) -> list[int]:
        """The shards that are not done, of those that are the part's share (parts count from 1)."""
        return [shard for shard in range(part - 1, len(self.shards), parts) if not self._record(shard).exists()]

    def complete_shard(self, shard: int, skipped: Mapping[str, str]) -> None:
        """Records that a shard's results are in place, and the reason by name of what has none."""
        write_atomically(self._record(shard), json.dumps({"skipped": skipped}).encode())

    def write_manifest(self, results: Mapping[int, str]) -> dict[str, Any]:
        """Writes the manifest, also of a job that is not complete, and the list of skipped files.

        Args:
            results: of a shard, the name of its file in `out`; shards that have no file of their own are left out.

        Returns:
            The manifest.
        """
        while True:
            done = self._done()
            manifest = self._manifest(done, results)
            if manifest["complete"]:
                self._clean()
            write_atomically(self.out / MANIFEST, json.dumps(manifest, indent=1).encode())
            skipped = manifest["skipped"]
            sources = {entry.name: entry.source for shard in done for entry in self.shards[shard]}
            rows = ((sources[name], reason) for name, reason in skipped.items())
            _write_table(self.private / SKIPPED, ("source", "reason"), rows)
            # Meanwhile another process may have finished more shards.
            if len(self._done()) == len(done):
                return manifest

    def _done(self) -> list[int]:
        return [shard for shard in range(len(self.shards)) if self._record(shard).exists()]

    def _manifest(self, done: Sequence[int], results: Mapping[int, str]) -> dict[str, Any]:
        skipped: dict[str, str] = {}
        for shard in done:
            skipped |= json.loads(self._record(shard).read_text())["skipped"]
        return {
            **self.settings,
            "complete": len(done) == len(self.shards),
            "found": sum(len(entries) for entries in self.shards),
            "count": sum(len(self.shards[shard]) for shard in done) - len(skipped),
            "skipped": skipped,
            "shards": [
                {"file": results[shard], "sha256": checksum(self.out / results[shard])}
                for shard in done
                if shard in results
            ],
        }

    def skipped(self) -> list[tuple[str, str]]:
        """Source and reason of every file that was skipped, as of the last manifest."""
        return [(row["source"], row["reason"]) for row in _read_table(self.private / SKIPPED)]

    def _record(self, shard: int) -> Path:
        return self.private / _DONE / f"{shard:06d}.json"

    def _clean(self) -> None:
        """Removes partial files of killed processes."""
        for path in (*self.out.rglob(".*.partial"), *self.private.rglob(".*.partial")):
            path.unlink(missing_ok=True)
        for path in self.private.parent.glob(f".{glob.escape(self.private.name)}.*"):
            shutil.rmtree(path, ignore_errors=True)


def open_job(
    out: Path,
    sources: Sequence[str],
    settings: Mapping[str, Any],
    *,
    shard_size: int,
    key: bytes | None = None,
    keep_names: bool = False,
) -> Job:
    """Begins a job, or resumes the one that was begun in `out`.

    Neutral names, and the order, are a function of the key and of the path in the collection, or random without a key:
    neither a name nor a position reveals the original name.

    Args:
        out: folder of the release; must be empty, absent, or of this very job.
        sources: paths in the collection.
        settings: JSON-ready; see `Job`.
        shard_size: entries a shard.
        key: the secret.
        keep_names: entries keep the names of their sources.

    Raises:
        ValueError: `out` holds something else, or the job there was begun with other settings, files or key.
    """
    out = out.absolute()
    private = out.with_name(f"{out.name}.private")
    naming = key or secrets.token_bytes()
    check = hmac.digest(key, b"check", "sha256").hex() if key else None
    full = {**settings, "shard_size": shard_size, "names": "kept" if keep_names else "neutral"}
    description = json.loads(json.dumps({**full, "key": check}))
    if not private.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(
                f"{out} is not empty, and no {private.name} beside it says what was begun in it; choose another output"
            )
        _begin(private, name_entries(sources, naming, keep_names), description)
    out.mkdir(parents=True, exist_ok=True)
    entries = _resume(private, sources, description)
    shards = tuple(entries[start : start + shard_size] for start in range(0, len(entries), shard_size))
    return Job(out, private, full, shards)


def name_entries(sources: Sequence[str], key: bytes, keep_names: bool) -> tuple[Entry, ...]:
    """Entries in the order of their neutral names.

    Raises:
        ValueError: a kept name would leave the output folder.
    """
    ordered = sorted((_neutral_name(source, key), source) for source in sources)
    if not keep_names:
        return tuple(Entry(name, source) for name, source in ordered)
    for source in sources:
        if leads_outside(source):
            raise ValueError(f"{source!r} names a place outside of the output folder; do not keep the names")
    return tuple(Entry(source, source) for _, source in ordered)


def leads_outside(name: str) -> bool:
    """Whether a file of this name may lie outside of the folder it is meant for."""
    return name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    while True:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            # Or a power failure could leave the record of a shard that never reached the disk.
            os.fsync(file.fileno())
        try:
            partial.replace(path)
            return
        except FileNotFoundError:
            continue  # another process completed the job and removed partial files


def _neutral_name(source: str, key: bytes) -> str:
    return hmac.digest(key, b"name" + os.fsencode(source), "sha256")[:16].hex()


def _begin(private: Path, entries: Sequence[Entry], description: Mapping[str, Any]) -> None:
    """Creates the private folder atomically; of several processes that try, one succeeds."""
    private.parent.mkdir(parents=True, exist_ok=True)
    # Readable by its owner alone.
    fresh = Path(tempfile.mkdtemp(prefix=f".{private.name}.", dir=private.parent))
    (fresh / _DONE).mkdir()
    _write_table(fresh / MAPPING, ("name", "source"), ((entry.name, entry.source) for entry in entries))
    (fresh / _JOB).write_text(json.dumps(description, indent=1))
    try:
        fresh.rename(private)
    except OSError:
        shutil.rmtree(fresh)
        if not private.is_dir():
            raise


def _resume(private: Path, sources: Sequence[str], description: Mapping[str, Any]) -> tuple[Entry, ...]:
    begun = read_object(private / _JOB)
    differing = [name for name in description if begun.get(name) != description[name]]
    if differing:
        raise ValueError(
            f"{private} says that this output was begun with another {', '.join(differing)}; "
            "give what was given then, or choose another output"
        )
    entries = tuple(Entry(row["name"], row["source"]) for row in _read_table(private / MAPPING))
    changed = {entry.source for entry in entries} ^ set(sources)
    if changed:
        raise ValueError(
            f"{len(changed)} files were added to or taken from the collection since this output was begun, such as "
            f"{min(changed)!r}; choose another output"
        )
    return entries


def _write_table(path: Path, header: Sequence[str], rows: Iterator[tuple[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    # File names need not be UTF-8; Python's stand-ins for such bytes become these bytes again.
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", errors="surrogateescape", encoding="utf-8") as file:
        return list(csv.DictReader(file))
