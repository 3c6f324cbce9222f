from types import SimpleNamespace

import pytest

from conceal_jax.commands import serve


@pytest.mark.parametrize("source", ["celeb_a", "tfds:celeb_a", "utkface"])
def test_pictures_of_an_exported_model_are_not_fetched_from_elsewhere(monkeypatch, source):
    monkeypatch.setattr(serve, "released_people", lambda *_: pytest.fail("pictures were looked for"))
    concealer = SimpleNamespace(run=SimpleNamespace(config=SimpleNamespace(data=SimpleNamespace(source=source))))
    readers, reason = serve._fit(concealer, exported=True)
    assert readers is None
    assert "does not say where they are" in reason
