"""Synthetic faces with known factors, as a source."""

import numpy as np

from conceal_jax.config import DataConfig
from conceal_jax.data.collection import Items, cell_text
from conceal_jax.data.report import DataReport
from conceal_jax.data.synthetic import factors as synthetic


def read_synthetic(config: DataConfig, seed: int) -> Items:
    """Draws the faces and their labels; the last ones are for validation."""
    count = config.synthetic_count
    correlation = {(each.kept, each.concealed): each.share for each in config.correlations}
    factors = synthetic.draw_factors(count, seed, correlation)
    pictures = synthetic.render_faces(factors, seed, config.image_size)
    levels = {**synthetic.CONCEALED, **synthetic.KEPT}
    columns = {name: _factor_cells(values, levels[name]) for name, values in factors.items()}
    validation = max(1, round(count * config.validation_fraction))
    columns["split"] = ["train"] * (count - validation) + ["validation"] * validation
    names = [f"synthetic_{index:06d}" for index in range(count)]
    return Items(names, columns, lambda index: pictures[index], DataReport("the synthetic faces", count))


def _factor_cells(values: np.ndarray, levels: synthetic.Levels) -> list[str]:
    return [cell_text(levels[value] if values.dtype == np.int32 else value) for value in values.tolist()]
