import dataclasses

import pytest

from conceal_jax import Concealer
from conceal_jax.commands import serve


@pytest.mark.parametrize("source", ["celeb_a", "tfds:celeb_a", "utkface"])
def test_pictures_of_an_exported_model_are_not_fetched_from_elsewhere(loaded, monkeypatch, source):
    monkeypatch.setattr(serve, "draw_training", lambda *_: pytest.fail("pictures were looked for"))
    run = loaded.run
    data = dataclasses.replace(run.config.data, source=source, path="")
    exported = Concealer(dataclasses.replace(run, config=dataclasses.replace(run.config, data=data)))
    readers, reason = serve._fit(exported, exported=True)
    assert readers is None
    assert "does not say where they are" in reason
