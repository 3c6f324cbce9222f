"""What a recipient gets: the same model, from files that nobody changed, in runtimes that know nothing of it."""

import dataclasses
import importlib.util
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from conceal_jax import Concealer
from conceal_jax.audit.report.schema import write_report
from conceal_jax.commands.exit_codes import ExitCode
from conceal_jax.commands.main import main
from conceal_jax.data.synthetic.factors import draw_factors, render_faces
from conceal_jax.release.export import export, programs
from conceal_jax.release.noise import photo_noise
from conceal_jax.release.photos import read_photo
from tests.audit.cards import make_audit, make_report

KEY = b"a secret of sixteen bytes"
FILES = ("README.md", "attributes.json", "config.json", "decoder.onnx", "decoder.stablehlo", "encoder.onnx")
FILES += ("encoder.stablehlo", "parameters.safetensors", "preprocessing.json", "report.json")
needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("jax2onnx", "onnxruntime"))), reason="the extra [export] is not installed"
)


@pytest.fixture(scope="module")
def pictures():
    return render_faces(draw_factors(256, seed=0), seed=0, size=32)


@pytest.fixture(scope="module")
def concealer(tiny_run):
    return Concealer.load(tiny_run)


@pytest.fixture(scope="module")
def report():
    return make_report(make_audit())


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory, report):
    """An export; ONNX is tested where the libraries are."""
    path = tiny_run / "report" / "report.json"
    path.parent.mkdir()
    write_report(report, path)
    out = tmp_path_factory.mktemp("exported") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "require_onnx", lambda: None)
        patch.setattr(export, "to_onnx", lambda program: program.name.encode())
        assert main(["export", str(tiny_run), str(out)]) == ExitCode.DONE
    path.unlink()
    path.parent.rmdir()
    return out


def test_an_exported_run_is_the_run(exported, tiny_run, concealer, pictures):
    assert {path.name for path in exported.iterdir()} == {*FILES, "manifest.json"}
    loaded = Concealer.load(exported)
    assert (loaded.model_hash, loaded.attributes, loaded.run.step) == (concealer.model_hash, concealer.attributes, 2)
    codes = concealer.encode(pictures[:9], KEY)
    np.testing.assert_array_equal(loaded.encode(pictures[:9], KEY), codes)
    np.testing.assert_array_equal(loaded.decode(codes, "age=40"), concealer.decode(codes, "age=40"))
    with pytest.warns(UserWarning, match=r"reads from them gender at [\d.]+.% \(chance 50\.0.%\)"):
        loaded.encode(pictures[:1], mean=True)


def test_where_the_pictures_lay_stays_behind(tiny_run, concealer, tmp_path):
    data = {"path": "/home/alice/faces.zip", "extra": "/home/alice/extra.csv", "labels": "/home/alice/labels.csv"}
    config = concealer.run.config
    secretive = dataclasses.replace(config, data=dataclasses.replace(config.data, **data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "programs_of", lambda run: ())
        export._write_files(dataclasses.replace(concealer.run, config=secretive), None, tmp_path)
    assert not [path for path in tmp_path.iterdir() if b"/home/" in path.read_bytes()]


@pytest.mark.parametrize("name", FILES)
def test_a_changed_or_missing_file_is_refused(exported, name):
    path = exported / name
    content = path.read_bytes()
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b" ", None):
        path.unlink()
        if changed is not None:
            path.write_bytes(changed)
        try:
            with pytest.raises(ValueError, match=rf"{name} is missing or was changed"):
                Concealer.load(exported)
        finally:
            path.write_bytes(content)


def test_codes_are_not_taken_for_a_model(tmp_path):
    (tmp_path / "manifest.json").write_text('{"kind": "codes"}')
    with pytest.raises(ValueError, match="holds codes, not a model"):
        Concealer.load(tmp_path)


def test_a_manifest_without_checksums_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text('{"kind": "model", "files": {}}')
    with pytest.raises(ValueError, match="it has no checksum of attributes"):
        export.load_export(tmp_path)


def test_an_export_is_there_whole_or_not_at_all(tiny_run, tmp_path, monkeypatch, exported):
    def fail(program):
        raise ValueError("no ONNX today")

    monkeypatch.setattr(export, "require_onnx", lambda: None)
    monkeypatch.setattr(export, "to_onnx", fail)
    with pytest.raises(ValueError, match="no ONNX today"):
        export.export_run(tiny_run, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="exists; choose another output"):
        export.export_run(tiny_run, exported)
    with pytest.raises(ValueError, match="exported folder already"):
        export.export_run(exported, tmp_path / "out")


def test_stablehlo_needs_jax_alone(exported, concealer, pictures):
    modules, codes, decoded = run_card(exported, pictures, concealer.latent_dim, "StableHLO")
    assert "jax" in modules
    assert not {"flax", "conceal_jax", "optax"} & modules
    assert_as_jax(concealer, pictures, codes, decoded)


def test_stablehlo_is_for_all_platforms(exported):
    for name in ("encoder", "decoder"):
        program = jax.export.deserialize((exported / f"{name}.stablehlo").read_bytes())
        assert program.platforms == ("cpu", "cuda", "tpu")


@needs_onnx
def test_onnx_needs_no_jax_and_another_function_is_refused(exported, concealer, pictures):
    encoder, decoder = programs.programs_of(concealer.run)
    contents = {program.name: programs.to_onnx(program) for program in (encoder, decoder)}
    for name, content in contents.items():
        (exported / f"{name}.onnx").write_bytes(content)
    modules, codes, decoded = run_card(exported, pictures, concealer.latent_dim, "ONNX")
    for name in contents:
        (exported / f"{name}.onnx").write_bytes(name.encode())
    assert not {"jax", "jaxlib", "flax", "conceal_jax"} & modules
    assert_as_jax(concealer, pictures, codes, decoded)
    other = dataclasses.replace(encoder, function=lambda *inputs: encoder.function(*inputs) * 1.01)
    assert programs.share_that_differs(encoder, contents["encoder"]) == 0
    assert programs.share_that_differs(other, contents["encoder"]) > 0.5


def test_the_card_tells_what_was_audited(exported, report, tiny_run, capsys):
    card = (exported / "README.md").read_text()
    gender = report.concealed["gender"].readings["codes"].best
    assert f"{gender.value:.3f} [{gender.ci95[0]:.3f}, {gender.ci95[1]:.3f}]" in card
    assert "on 600 held-out people" in card
    assert "PSNR in dB 20.1, SSIM –." in card
    assert "**Certificate.** No attacker on" in card
    assert "**No certificate for age**: sigma varies." in card
    assert f"**Warning.** {report.warnings[0]}" in card
    assert "$" not in card
    assert main(["card", str(exported)]) == ExitCode.DONE
    assert capsys.readouterr().out == card
    assert main(["card", str(tiny_run)]) == ExitCode.DONE
    assert "This run was never audited" in capsys.readouterr().out


def test_the_card_prepares_photos_and_labels_as_the_package_does(exported, concealer, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(noise).save(tmp_path / "photo.jpg", exif=exif)
    monkeypatch.chdir(exported)
    names: dict = {}
    exec(card_code(exported)[0], names)
    expected = read_photo((tmp_path / "photo.jpg").read_bytes(), 32, "center")
    np.testing.assert_array_equal(names["read_photo"](tmp_path / "photo.jpg"), expected)
    for request in ({}, {"gender": "female", "age": 37.5}, {"ethnicity": concealer.attributes.concealed[1].classes[1]}):
        text = ",".join(f"{name}={value}" for name, value in request.items())
        np.testing.assert_allclose(names["label_vector"](request), concealer.attributes.parse(text), atol=1e-7)


def card_code(folder):
    """The code of the card: preparation, ONNX, StableHLO."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


def run_card(folder, pictures, latent_dim, runtime):
    """Runs the card's code on the pictures, without noise of its own, in a fresh process.

    Returns the modules that were loaded, the codes, and the decoded pictures in [0, 1].
    """
    preparation, onnx, stablehlo = card_code(folder)
    inputs = folder.parent / "inputs.npz"
    np.savez(inputs, photos=pictures, noise=photo_noise(pictures, KEY, latent_dim))
    given = f"photos, noise = (np.load({str(inputs)!r})[name] for name in ('photos', 'noise'))\n"
    # The lines that draw noise, read one photo and write one picture make way for those above and below.
    lines = [line for line in onnx.splitlines() if not line.startswith(("photos =", "noise =", "Image."))]
    if runtime == "StableHLO":
        lines = ["labels = np.tile(label_vector({}), (len(photos), 1))", *stablehlo.splitlines()]
    outputs = folder.parent / "outputs.npz"
    saved = f"\nnp.savez({str(outputs)!r}, codes=codes, pictures=pictures)\nimport sys\nprint(*sys.modules)"
    code = preparation + given + "\n".join(lines) + saved
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as arrays:
        return set(done.stdout.split()), arrays["codes"], arrays["pictures"]


def assert_as_jax(concealer, pictures, codes, decoded):
    expected = concealer.encode(pictures, KEY)
    np.testing.assert_allclose(codes, expected, rtol=0, atol=1e-4)
    labels = np.tile(concealer.attributes.neutral_vector(), (len(codes), 1))
    run = concealer.run
    as_jax = jax.jit(lambda *inputs: run.model.apply({"params": run.params}, *inputs, method="decode"))
    np.testing.assert_allclose(decoded, as_jax(expected, labels), rtol=0, atol=1e-4)
    assert np.ptp(decoded) > 0.1
