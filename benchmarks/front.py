"""Leakage against picture quality: what each penalty takes out, and what it costs.

    python train.py --config=configs/utkface.py --config.data.path=utkface.zip --config.data.selection=True \
        --config.censor.steps=0 --workdir=runs/seen
    python -m benchmarks.front --seen=runs/seen --out=runs/front --settings bare adversary hsic

All settings censor the codes of one first stage. They are judged on a tenth of the training people that neither stage
learned from; nobody among the validation people is looked at. "neutral" is what the same attackers read of the first
codes that the censor decodes under the neutral label, "floor" what the kept labels alone tell. Prints a line of JSON
for each setting; `benchmarks.front_figure` draws them.
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score

from conceal_jax.attributes.appearance import appearance
from conceal_jax.audit.attackers.suite import quick_suite
from conceal_jax.audit.examples import Examples
from conceal_jax.audit.floors import floor_attackers, floor_of, kept_features
from conceal_jax.audit.protocol import attack
from conceal_jax.audit.targets import Target
from conceal_jax.config import Config
from conceal_jax.config import files as config_files
from conceal_jax.data.resident import Resident, load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.release.encode import encode_pictures
from conceal_jax.release.trained import Run, load_run
from conceal_jax.runs import run_directory
from conceal_jax.runtime.memory import keep_freed_memory
from conceal_jax.runtime.parallel import create_mesh
from conceal_jax.training.evaluator import Evaluator
from conceal_jax.training.loop import train

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "bare": {"censor.beta": "4", "censor.kept": "0", "censor.brightness": "0"},
    "beta 20": {"censor.beta": "20", "censor.kept": "0", "censor.brightness": "0"},
    "beta 60": {"censor.beta": "60", "censor.kept": "0", "censor.brightness": "0"},
    "adversary 1000": {"penalty.adversary": "1000"},
    "adversary": {"penalty.adversary": "3000"},
    "adversary 6000": {"penalty.adversary": "6000"},
    "adversary, confusion": {"penalty.adversary": "3000", "adversary.loss": "confusion"},
    "adversary, restarts": {"penalty.adversary": "3000", "adversary.restart_every": "200"},
    "adversary, target": {"penalty.adversary": "1000", "penalty.target": "0.05"},
    "adversary, learning rate .003": {"penalty.adversary": "3000", "adversary.learning_rate": "3e-3"},
    "adversary, learning rate .01": {"penalty.adversary": "3000", "adversary.learning_rate": "1e-2"},
    "adversary, narrow": {"penalty.adversary": "3000", "censor.width": "128"},
    "hsic": {"penalty.hsic": "3000"},
    "hsic 30000": {"penalty.hsic": "30000"},
    "moments": {"penalty.moments": "1000"},
    "moments 10000": {"penalty.moments": "10000"},
    "contrastive": {"penalty.contrastive": "1000"},
    "contrastive 10000": {"penalty.contrastive": "10000"},
    "marginal_kl": {"penalty.marginal_kl": "8"},
    "marginal_kl 80": {"penalty.marginal_kl": "80"},
    "adversary and hsic": {"penalty.adversary": "3000", "penalty.hsic": "1000"},
    "adversary and moments": {"penalty.adversary": "3000", "penalty.moments": "300"},
}
"""By name, what is changed of the configuration of the first stage's run."""


def configured(seen: Config, overrides: Mapping[str, str], steps: int) -> Config:
    """The configuration of a setting, without a refit: it costs all settings the same."""
    bare = {"penalty.adversary": "0", "censor.steps": str(steps), "censor.refit_steps": "0"}
    return config_files.override(seen, {**bare, **overrides})


def measured(workdir: Path, config: Config) -> dict[str, Any]:
    """Picture quality, and what attackers read of codes and of what is decoded from them."""
    run = load_run(workdir)
    collection = open_collection(config.data, config.attributes, config.seed)
    train_set, test_set = (
        load_resident(collection.subset(split), config.data.image_size, config.data.crop)
        for split in ("train", "validation")
    )
    figures = Evaluator(run.model, run.attributes, test_set, config, create_mesh()).figures(run.params)
    learn, judged = (_examples(run, part, jax.random.key(index)) for index, part in enumerate((train_set, test_set)))
    attackers = quick_suite(0)
    floors = attack(learn["kept"], judged["kept"], floor_attackers(0))
    return {
        "psnr_db": figures["psnr_db"],
        "rate_nats": figures["rate"],
        **{
            view: {
                name: reading.highest.value for name, reading in attack(learn[view], judged[view], attackers).items()
            }
            for view in ("codes", "neutral")
        },
        "floor": {name: floor_of(reading).floor.value for name, reading in floors.items()},
        **_kept(learn["neutral"].inputs, judged["neutral"].inputs, train_set, test_set),
    }


def _examples(run: Run, part: Resident, key: jax.Array) -> dict[str, Examples]:
    targets = {
        spec.name: Target(spec.groups(part.labels[spec.name]), len(spec.group_names))
        for spec in run.attributes.concealed
    }
    codes = encode_pictures(run.model, run.params, part.images, key)
    neutral = np.broadcast_to(run.attributes.neutral_vector(), (len(codes), run.attributes.width))
    assert run.model.censor is not None
    decoded = run.model.censor.apply({"params": run.params["censor"]}, codes, neutral, method="decode")
    inputs = {
        "codes": codes,
        "neutral": np.asarray(decoded),
        "kept": kept_features(run.attributes.kept, part.labels),
    }
    return {view: Examples(values, targets) for view, values in inputs.items()}


def _kept(learn: np.ndarray, judged: np.ndarray, train_set: Resident, test_set: Resident) -> dict[str, float]:
    """AUC of a linear reader of the smile, and R2 of one of the brightness, of concealed codes."""
    targets = [part.labels["smile"] for part in (train_set, test_set)]
    known = [values >= 0 for values in targets]
    reader = LogisticRegression(max_iter=1000).fit(learn[known[0]], targets[0][known[0]])
    luminance = [appearance(part.images)["luminance"] for part in (train_set, test_set)]
    return {
        "smile_auc": float(roc_auc_score(targets[1][known[1]], reader.decision_function(judged[known[1]]))),
        "luminance_r2": float(LinearRegression().fit(learn, luminance[0]).score(judged, luminance[1])),
    }


def main() -> None:
    """Trains, measures and prints the settings that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seen", type=Path, required=True, help="run directory of a first stage")
    parser.add_argument("--out", type=Path, required=True, help="directory of the settings' runs")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--steps", type=int, default=1000, help="of the censor")
    options = parser.parse_args()
    seen = config_files.load(options.seen / run_directory.CONFIG)
    keep_freed_memory()
    for name in options.settings:
        workdir = options.out / name.replace(" ", "_")
        shutil.copytree(options.seen / run_directory.CHECKPOINTS, workdir / run_directory.CHECKPOINTS)
        config = configured(seen, SETTINGS[name], options.steps)
        start = time.perf_counter()
        train(config, workdir)
        seconds = time.perf_counter() - start
        print(json.dumps({"setting": name, "train_seconds": round(seconds), **measured(workdir, config)}), flush=True)


if __name__ == "__main__":
    main()
