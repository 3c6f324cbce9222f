"""Feeds damaged files to everything that reads files: what they raise has to be a `ValueError` that says what is wrong.

    python -m benchmarks.fuzz --inputs=20000 [--only=csv,zip]

Good files are changed at random: bits, bytes, slices, numbers at their limits, pieces of other files. Prints a line for
each reader: inputs, how many were read and how many refused, the slowest, and how far memory grew; then every other
exception, once. Fails if there is one, or if an input took more than `SECONDS` of a processor.
"""

import argparse
import collections
import logging
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from benchmarks.fuzz_readers import Reader, readers

SECONDS = 10
TOKENS = [b'"', b",", b"\n", b"\r", b"\0", b"-1", b"nan", b"1e999", b"[" * 2000, b"9" * 5000, b"{}", b"\xef\xbb\xbf"]
TOKENS += [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xd8\xff\xda", b"../../x", "²".encode(), b"03-Sep"]
TOKENS += [b"true", b"null"]


class TooSlowError(Exception):
    """An input was not read in time."""


def changed(generator: np.random.Generator, seeds: tuple[bytes, ...]) -> bytes:
    """One of the seeds after one to six random changes."""
    data = bytearray(seeds[generator.integers(len(seeds))])
    for _ in range(generator.integers(1, 7)):
        at, end = sorted(generator.integers(0, len(data) + 1, 2).tolist())
        end = min(end, at + int(generator.integers(1, 64)))
        match generator.integers(7):
            case 0 if at < len(data):
                data[at] ^= 1 << int(generator.integers(8))
            case 1:
                data[at:end] = generator.bytes(end - at)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * int(generator.integers(1, 8))
            case 4:
                data[at : at + int(generator.integers(0, 5))] = TOKENS[generator.integers(len(TOKENS))]
            case 5:
                other = seeds[generator.integers(len(seeds))]
                data[at:end] = other[at:end]
            case 6 if generator.integers(4) == 0:
                del data[at:]
    return bytes(data)


def fuzz(name: str, reader: Reader, inputs: int, seed: int) -> collections.Counter[str]:
    """Tries a reader; returns how often each exception was raised that it must not raise."""
    generator = np.random.default_rng(seed)
    found: collections.Counter[str] = collections.Counter()
    for seed_input in reader.seeds:
        with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
            reader.read(seed_input, Path(folder))
    outcomes, slowest, before = collections.Counter[str](), 0.0, _memory_mib()
    for _ in range(inputs):
        data, begin = changed(generator, reader.seeds), time.process_time()
        with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
            try:
                with _time_limit():
                    reader.read(data, Path(folder))
                outcomes["read"] += 1
            except ValueError as error:
                outcomes["refused"] += 1
                if not str(error):
                    found[f"{name}: refused without a word"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                where = traceback.extract_tb(error.__traceback__)[-1]
                found[f"{name}: {type(error).__name__}: {str(error)[:120]} ({where.name})"] += 1
        slowest = max(slowest, time.process_time() - begin)
    grown = _memory_mib() - before
    print(f"{name}: {inputs} inputs, {dict(outcomes)}, slowest {slowest:.2f} s, memory +{grown:.0f} MiB", flush=True)
    return found


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {SECONDS} s")

    # Of the processor's time: others may keep it busy.
    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20000, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of readers, as NAME,NAME; all of them if empty")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="fuzz_seeds_") as folder:
        every = readers(Path(folder))
        chosen = options.only.split(",") if options.only else list(every)
        found = collections.Counter[str]()
        for name in chosen:
            found += fuzz(name, every[name], options.inputs, options.seed)
    for what, count in found.most_common():
        print(f"{count}x {what}")
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main()
