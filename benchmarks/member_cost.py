"""What the members of a sweep cost side by side in one program, against one after the other in a program of their own.

    python -m benchmarks.member_cost [--sweep=configs/sweep_demo.py] [--members=8] [--steps=50]

Trains the first members of a sweep's first group, with its first seed, on one device in both ways, and prints a line of
JSON: floating point operations of an update side by side over so many single ones, as the compiler counts them; the
largest difference of a member's loss in any step, as a share of the loss; and seconds for all the steps.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.jax_workloads import xla_count
from conceal_jax.config import Config
from conceal_jax.data.resident import load_resident
from conceal_jax.data.sources.open import open_collection
from conceal_jax.research import Member, begin_member, member_of, stacked, update
from conceal_jax.research.sweep import groups, load_sweep
from conceal_jax.runtime.compiler import compiler_options
from conceal_jax.runtime.memory import keep_freed_memory


def first_members(path: str, overrides: Sequence[str], count: int) -> list[Config]:
    """Configurations of one shape, of different settings and the same seed."""
    sweep = load_sweep(path, dict(text.split("=", 1) for text in overrides))
    members = sweep.members()
    names = [name for name in groups(members)[0] if name.endswith(f"-seed{sweep.seeds[0]}")]
    if len(names) < count:
        raise SystemExit(f"got --members={count}; the first group of {path} has {len(names)} with one seed")
    return [members[name] for name in names[:count]]


def cost(configs: Sequence[Config], steps: int) -> dict[str, Any]:
    """Figures of both ways, by name."""
    config, members = configs[0], [member_of(each) for each in configs]
    collection = open_collection(config.data, config.attributes, config.seed)
    items = load_resident(collection.subset("train"), config.data.image_size, config.data.crop)
    attributes = config.attributes.with_neutral(items.labels)
    size = config.training.batch_size
    rows = [np.arange(step * size, (step + 1) * size) % len(items.valid) for step in range(steps)]
    everyone = {"image": items.images, "labels": items.labels, "mask": items.valid}
    batches = jax.device_put([jax.tree.map(lambda leaf, each=each: leaf[each], everyone) for each in rows])
    learn = partial(update, config=config, attributes=attributes)
    begin = partial(begin_member, config=config)
    one = _compiled(learn, begin, members[0], batches[0])
    many = _compiled(jax.vmap(learn, in_axes=(0, 0, None)), jax.vmap(begin), stacked(members), batches[0])
    flops = [xla_count(program, "flops") for program in (many, one)]
    in_turn = [_trained(one, jax.jit(begin), member, batches) for member in members]
    together, seconds = _trained(many, jax.jit(jax.vmap(begin)), stacked(members), batches)
    alone = np.stack([losses for losses, _ in in_turn], axis=1)
    return {
        "device": jax.devices()[0].device_kind,
        "members": len(members),
        "flops_over_single_ones": flops[0] / (len(members) * flops[1]),
        "largest_difference_of_losses": float(np.max(np.abs(together - alone) / np.abs(alone))),
        "seconds_in_turn": sum(each for _, each in in_turn),
        "seconds_together": seconds,
    }


def _compiled(learn: Callable[..., Any], begin: Callable[..., Any], member: Member, batch: Any) -> jax.stages.Compiled:
    state = jax.eval_shape(begin, member)
    return jax.jit(learn, donate_argnums=0, compiler_options=compiler_options()).lower(state, member, batch).compile()


def _trained(
    program: jax.stages.Compiled, begin: Callable[..., Any], member: Member, batches: Sequence[Any]
) -> tuple[np.ndarray, float]:
    """Losses of every step, and seconds that all of them took, once a first step has woken the device up."""
    member = jax.device_put(jax.tree.map(np.asarray, member))
    jax.block_until_ready(program(begin(member), member, batches[0]))
    state, sums = jax.block_until_ready(begin(member)), []
    start = time.perf_counter()
    for batch in batches:
        state, found = program(state, member, batch)
        sums.append((found.totals["loss"], found.count))
    jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    return np.array([total / count for total, count in jax.device_get(sums)]), seconds


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", default="configs/sweep_demo.py", help="(default: %(default)s)")
    parser.add_argument("--set", metavar="FIELD=VALUE", action="append", default=[], help="as for conceal sweep")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    keep_freed_memory()
    print(json.dumps(cost(first_members(options.sweep, options.set, options.members), options.steps)))


if __name__ == "__main__":
    main()
