"""The page: what it asks of the run, what it keeps, and that it works in a browser."""

import base64
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from conceal_jax import Concealer
from conceal_jax.release.page.page import LOOPBACK, NEUTRAL, Desk, _take, remove_leftovers, requested_vector
from tests.release.photographs import FACES, RUBBISH, saved

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium") or shutil.which("google-chrome")
"""None, where there is but the one that Playwright installs and finds itself. Without any, tests fail, not skip."""

missing = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
needs_browser = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")

ASKED = (NEUTRAL, NEUTRAL, False, 40)


@pytest.fixture(scope="module")
def desk(tiny_run):
    return Desk(Concealer.load(tiny_run, batch_size=1), "center", None, "this is a test")


@pytest.fixture
def upload(tmp_path):
    def write(content):
        (tmp_path / "made-from-its-hash").mkdir()
        path = tmp_path / "made-from-its-hash" / "31_1_0_2017.jpg"
        path.write_bytes(content)
        return str(path)

    return write


def pictures_of(html):
    """The photo and its concealed picture, as PNG files."""
    return [base64.b64decode(text) for text in re.findall(r'src="data:image/png;base64,([^"]*)"', html)]


def test_strength_leads_from_neutral_to_what_is_asked_for(desk):
    attributes = desk.concealer.attributes
    neutral, asked = attributes.neutral_vector(), attributes.parse("gender=female,age=40")
    for strength in (0.0, 0.25, 1.0):
        vector = requested_vector(attributes, ["female", NEUTRAL, True, 40], strength)
        np.testing.assert_allclose(vector, neutral + strength * (asked - neutral), atol=1e-6)
    np.testing.assert_array_equal(requested_vector(attributes, list(ASKED), 1.0), neutral)


def test_a_photo_is_shown_concealed_and_its_file_is_gone(desk, upload, tmp_path):
    cleared, photo, html = _take(desk, upload(saved(FACES[0])), *ASKED, 1.0)
    assert cleared is None
    assert not list(tmp_path.iterdir())
    original, concealed = pictures_of(html)
    assert photo.shape == (32, 32, 3)
    assert re.findall(rb"IHDR|IDAT|IEND|tEXt|iTXt|eXIf|iCCP|tIME", concealed) == [b"IHDR", b"IDAT", b"IEND"]
    assert "No attackers: this is a test" in html
    again, older = (desk.show(photo, *values, 1.0) for values in (ASKED, (*ASKED[:2], True, 90)))
    assert pictures_of(again) == [original, concealed]
    assert pictures_of(older)[1] != concealed


@pytest.mark.parametrize("name", ["text.jpg", "huge.png", "point.png"])
def test_what_is_no_photo_is_refused_and_gone_too(desk, upload, tmp_path, name):
    content, reason = RUBBISH[name]
    cleared, photo, html = _take(desk, upload(content), *ASKED, 1.0)
    assert (cleared, photo) == (None, None)
    assert reason in html
    assert not list(tmp_path.iterdir())


def test_what_lies_for_long_is_removed(tmp_path):
    (tmp_path / "folder").mkdir()
    old, new = tmp_path / "folder" / "old.jpg", tmp_path / "new.jpg"
    for path in (old, new):
        path.write_bytes(b"pixels")
    os.utime(old, (time.time() - 61, time.time() - 61))
    remove_leftovers(tmp_path, 60)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.fixture(scope="module")
def served(tiny_run):
    """Address of the page, and the folder of its uploads."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    folders = {Path("/dev/shm"), Path(tempfile.gettempdir())}
    before = {path for folder in folders for path in folder.glob("conceal_page_*")}
    command = ["-m", "conceal_jax.commands.main", "serve", str(tiny_run), f"--port={port}"]
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    address = f"http://{LOOPBACK}:{port}/"
    try:
        deadline = time.monotonic() + 300
        while not _answers(address):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.5)
        [uploads] = {path for folder in folders for path in folder.glob("conceal_page_*")} - before
        yield address, uploads
    finally:
        process.terminate()
        process.wait()
    assert not uploads.exists()


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=60):
            return True
    except OSError:
        return False


@needs_browser
def test_the_page_works_in_a_browser(served, tmp_path):
    from playwright.sync_api import sync_playwright

    address, uploads = served
    exif = Image.Exif()
    exif[0x010E] = "a description that must not be kept"
    (tmp_path / "31_1_0_2017.jpg").write_bytes(saved(FACES[0], exif=exif))
    (tmp_path / "large.jpg").write_bytes(saved(FACES[1]) + bytes(21 * 2**20))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(120_000)
        asked_for, errors = [], []
        page.on("request", lambda request: asked_for.append(request.url))
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(address)
        page.get_by_text("Drop a photo of a face.").wait_for()

        page.set_input_files("input[type=file]", tmp_path / "31_1_0_2017.jpg")
        concealed = page.locator("img[alt=concealed]")
        concealed.wait_for()
        neutral = concealed.get_attribute("src")
        assert page.get_by_text("concealed picture (").count() == 3  # the bars of gender, ethnicity and age

        age = page.get_by_label("number input for age").first
        age.fill("70")
        age.press("Enter")
        page.wait_for_function("before => document.querySelector('img[alt=concealed]').src != before", arg=neutral)
        assert page.get_by_label("request age").is_checked()
        page.get_by_label("female").check()
        page.mouse.move(0, 0)
        page.screenshot(path=tmp_path / "page.png")
        with page.expect_download() as download:
            page.locator("a.download").click()
        download.value.save_as(tmp_path / "concealed.png")

        assert not sum(path.stat().st_size for path in uploads.rglob("*") if path.is_file())

        page.set_input_files("input[type=file]", tmp_path / "large.jpg")
        page.get_by_text("exceed the maximum allowed size").wait_for()
        browser.close()
    with Image.open(tmp_path / "concealed.png") as picture:
        assert (picture.size, picture.info) == ((32, 32), {})
    assert {urlsplit(url).netloc for url in asked_for if not url.startswith(("data:", "blob:"))} == {
        urlsplit(address).netloc
    }
    assert not errors


@needs_browser
def test_the_page_answers_to_its_own_name_only_and_is_sealed(served):
    address, _ = served
    with urllib.request.urlopen(address, timeout=60) as answer:
        policy, html = answer.headers["content-security-policy"], answer.read().decode()
    assert policy.startswith("default-src 'self'")
    assert not re.findall(r"""(?:src|<link[^>]*href)=["']https?:""", html)
    assert '"enable_queue"' in html  # it is the page, not an error
    assert "fonts.g" not in html
    large = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' + bytes(21 * 2**20)
    heads = {"Content-Type": "multipart/form-data; boundary=x"}
    upload = urllib.request.Request(f"{address}gradio_api/upload", large + b"\r\n--x--\r\n", heads)
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(upload, timeout=60)
    stranger = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(stranger, timeout=60)
