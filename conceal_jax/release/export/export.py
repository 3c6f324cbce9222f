"""A trained run as a folder to hand on: parameters, programs for other runtimes, what is known of it, and checksums."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

from conceal_jax.audit.report.schema import Report, read_report, write_report
from conceal_jax.config import files as config_files
from conceal_jax.release.export.model_card import model_card, preprocessing
from conceal_jax.release.export.programs import programs_of, require_onnx, to_onnx, to_stablehlo
from conceal_jax.release.jobs.job import MANIFEST, checksum
from conceal_jax.runs import run_directory
from conceal_jax.runs.parameters import save_parameters
from conceal_jax.runs.trained import Run, load_run, model_hash
from conceal_jax.runtime.json_files import named_errors, read_object
from conceal_jax.version import __version__

KIND = "model"
PREPROCESSING = "preprocessing.json"
REPORT = "report.json"
CARD = "README.md"


def export_run(workdir: Path, out: Path) -> list[str]:
    """Writes a run to a new folder, which is there whole or not at all.

    Args:
        workdir: a trained run.
        out: must not exist.

    Returns:
        The names of the files.

    Raises:
        ValueError: there is no trained run but, say, an export, `out` exists, or the extra [export] is not installed.
    """
    if is_export(workdir):
        raise ValueError(f"{workdir} is an exported folder already; copy it, or give the run directory")
    if out.exists():
        raise ValueError(f"{out} exists; choose another output, or remove it")
    require_onnx()
    run = load_run(workdir)
    fresh = out.with_name(f".{out.name}.{os.getpid()}.partial")
    fresh.mkdir(parents=True)
    try:
        _write_files(run, read_report(workdir / run_directory.REPORT / REPORT), fresh)
        files = {path.name: checksum(path) for path in sorted(fresh.iterdir())}
        manifest = {"kind": KIND, "version": __version__, "model": model_hash(run), "step": run.step, "files": files}
        _write_json(fresh / MANIFEST, manifest)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return [*files, MANIFEST]


def is_export(path: Path) -> bool:
    """Whether a folder is one that `export_run` wrote, and not a run directory."""
    return (path / MANIFEST).is_file()


def load_export(folder: Path) -> Run:
    """Reads a run from a folder that `export_run` wrote, once every file's checksum is found to be right.

    Raises:
        ValueError: it is no such folder, or a file is missing or was changed.
    """
    manifest = _read_manifest(folder)
    with named_errors(folder / MANIFEST):
        files = dict(manifest["files"])
        unsealed = {run_directory.CONFIG, run_directory.ATTRIBUTES, run_directory.PARAMETERS} - files.keys()
        if unsealed:
            raise ValueError(f"it has no checksum of {', '.join(sorted(unsealed))}")
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or checksum(path) != digest:
            raise ValueError(f"{path} is missing or was changed since it was exported; export the run again")
    return load_run(folder)


def _write_files(run: Run, report: Report | None, folder: Path) -> None:
    # Where the pictures lay on this machine is nobody's business.
    data = dataclasses.replace(run.config.data, path="", labels="", extra="")
    config_files.save(dataclasses.replace(run.config, data=data), folder / run_directory.CONFIG)
    run.attributes.save(folder / run_directory.ATTRIBUTES)
    _write_json(folder / PREPROCESSING, preprocessing(run))
    if report is not None:
        write_report(report, folder / REPORT)
    (folder / CARD).write_text(model_card(run, report), encoding="utf-8")
    save_parameters(folder / run_directory.PARAMETERS, run.params, run.config, step=run.step, stage=run.stage)
    for program in programs_of(run):
        (folder / f"{program.name}.stablehlo").write_bytes(to_stablehlo(program))
        (folder / f"{program.name}.onnx").write_bytes(to_onnx(program))


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = read_object(folder / MANIFEST)
    if manifest.get("kind") != KIND:
        raise ValueError(f"{folder} holds {manifest.get('kind')}, not a model; give what `conceal export` wrote")
    return manifest


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, indent=1) + "\n")
