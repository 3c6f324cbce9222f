import dataclasses
import subprocess
import sys

import jax
import numpy as np
import pytest

from conceal_jax import Concealer
from conceal_jax.audit.report.schema import write_report
from conceal_jax.audit.vocabulary import percent
from conceal_jax.data.synthetic.factors import draw_factors, render_faces
from conceal_jax.runs.trained import load_run, model_hash
from conceal_jax.runtime.parallel import create_mesh
from tests.audit.cards import make_audit, make_report

PICTURES = render_faces(draw_factors(37, seed=0), seed=0, size=32)
KEY = b"a secret of sixteen bytes"


@pytest.fixture(scope="module")
def concealer(tiny_run):
    return Concealer.load(str(tiny_run), batch_size=16)


@pytest.fixture
def on_one_device(tiny_run, monkeypatch):
    """XLA:CPU rounds convolutions of one batch differently on some of several virtual devices."""
    monkeypatch.setattr("conceal_jax.release.concealer.create_mesh", lambda: create_mesh(jax.devices()[:1]))
    return Concealer.load(tiny_run)


def test_a_photo_has_one_code_whatever_it_is_encoded_with(on_one_device):
    codes = on_one_device.encode(PICTURES, KEY)
    assert codes.shape == (37, on_one_device.latent_dim)
    for rows in ([0], [36], [5, 5, 5], list(range(36, -1, -1))):
        np.testing.assert_array_equal(on_one_device.encode(PICTURES[rows], KEY), codes[rows])
    alone = np.concatenate([on_one_device.encode(PICTURES[[row]], KEY) for row in range(37)])
    np.testing.assert_array_equal(alone, codes)


def test_codes_are_bit_equal_one_at_a_time_and_256_at_once(on_one_device):
    many = np.resize(PICTURES, (256, 32, 32, 3))
    codes = on_one_device.encode(many, KEY)
    for row in (0, 100, 255):
        np.testing.assert_array_equal(on_one_device.encode(many[[row]], KEY)[0], codes[row])


def test_several_devices_make_the_same_codes_but_for_rounding(concealer, on_one_device):
    codes = on_one_device.encode(PICTURES, KEY)
    np.testing.assert_allclose(concealer.encode(PICTURES, KEY), codes, rtol=0, atol=1e-5)


def test_noise_is_fresh_without_a_key_and_another_with_another_key(concealer):
    one = concealer.encode(PICTURES, KEY)
    others = [concealer.encode(PICTURES), concealer.encode(PICTURES), concealer.encode(PICTURES, KEY[::-1])]
    assert all(np.abs(one - other).mean() > 0.1 for other in others)
    assert np.abs(others[0] - others[1]).mean() > 0.1


def test_concealing_is_encoding_then_decoding(concealer):
    codes = concealer.encode(PICTURES, KEY)
    concealed = concealer.conceal(PICTURES, key=KEY)
    assert (concealed.dtype, concealed.shape) == (np.uint8, PICTURES.shape)
    np.testing.assert_array_equal(concealed, concealer.decode(codes, "neutral"))
    np.testing.assert_array_equal(concealed, concealer.decode(codes, concealer.attributes.neutral_vector()))
    asked = concealer.attributes.parse("gender=female,age=40")
    expected = concealer.decode(codes, "gender=female, age=40")
    np.testing.assert_array_equal(concealer.decode(codes, np.tile(asked, (37, 1))), expected)


def test_no_pictures_give_no_codes(concealer):
    codes = concealer.encode(PICTURES[:0])
    assert codes.shape == (0, concealer.latent_dim)
    assert concealer.decode(codes).shape == (0, 32, 32, 3)


def test_mean_codes_have_no_noise_and_a_warning(concealer):
    with pytest.warns(UserWarning, match="this run was never audited"):
        mean = concealer.encode(PICTURES, mean=True)
    with pytest.warns(UserWarning, match="mean codes"):
        np.testing.assert_array_equal(concealer.encode(PICTURES, mean=True), mean)


def test_the_warning_has_the_figures_of_the_audit(tiny_run):
    report = make_report(make_audit())
    path = tiny_run / "report" / "report.json"
    path.parent.mkdir()
    write_report(report, path)
    audited = Concealer.load(tiny_run, batch_size=16)
    path.unlink()
    path.parent.rmdir()
    with pytest.warns(UserWarning, match="mean codes") as warnings:
        audited.encode(PICTURES[:1], mean=True)
    read = percent(report.repeats["mean"]["gender"].best.value)
    assert [f"gender at {read} (chance {percent(0.5)})" in str(warning.message) for warning in warnings] == [True]


@pytest.mark.parametrize(
    ("pictures", "got"),
    [
        (PICTURES[0], r"uint8 \(32, 32, 3\)"),
        (PICTURES / np.float32(255), "float32"),
        (PICTURES[:, ::2, ::2], r"\(37, 16, 16, 3\)"),
        (PICTURES[..., :1], r"\(37, 32, 32, 1\)"),
    ],
)
def test_what_are_no_pictures_of_this_run_is_refused(concealer, pictures, got):
    with pytest.raises(ValueError, match=got + r".*expected uint8 \[N, 32, 32, 3\]"):
        concealer.encode(pictures)


def test_bad_requests_are_refused(concealer):
    codes = concealer.encode(PICTURES[:2])
    with pytest.raises(ValueError, match="unknown attribute 'hair'"):
        concealer.decode(codes, "hair=red")
    with pytest.raises(ValueError, match="this run's are float32"):
        concealer.decode(codes[:, 1:])
    with pytest.raises(ValueError, match="NaN or infinity"):
        concealer.decode(codes * np.nan)
    with pytest.raises(ValueError, match=r"label vectors \(3, "):
        concealer.decode(codes, np.zeros((3, concealer.attributes.width), np.float32))
    with pytest.raises(ValueError, match="key of 5 bytes"):
        concealer.encode(PICTURES, b"short")
    with pytest.raises(ValueError, match="give a run directory"):
        Concealer.load("absent")


def test_models_have_hashes_of_their_own(tiny_run, concealer):
    run = load_run(tiny_run)
    assert model_hash(run) == concealer.model_hash
    on_accelerator = dataclasses.replace(run.config, model=dataclasses.replace(run.config.model, dtype="bfloat16"))
    assert model_hash(dataclasses.replace(run, config=on_accelerator)) == concealer.model_hash
    run.params["decoder"]["Dense_0"]["bias"] = run.params["decoder"]["Dense_0"]["bias"] + 1e-3
    assert model_hash(run) != concealer.model_hash


def test_the_package_loads_jax_only_when_a_concealer_is_asked_for():
    code = "import sys, conceal_jax; print('jax' in sys.modules); conceal_jax.Concealer; print('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
