"""A local web page that shows a photo beside its concealed picture (extra [page]).

Photos stay in memory: an upload is read, removed at once from gradio's folder, and kept as the encoder's square input
for as long as the page is open. Results go to the browser inside the page. A content security policy keeps the
browser from fetching anything from, and sending anything to, another host.
"""

import contextlib
import dataclasses
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from conceal_jax.attributes import Attribute, AttributeSet, Categorical
from conceal_jax.data.pictures import BadPictureError
from conceal_jax.release.concealer import Concealer
from conceal_jax.release.page.parts import STYLE, notice, shown
from conceal_jax.release.page.readers import Readers
from conceal_jax.release.photos import Crop, read_photo
from conceal_jax.runtime.interrupt import StopRequest

LOOPBACK = "127.0.0.1"
MAX_UPLOAD_BYTES = 20 * 2**20
NEUTRAL = "neutral"

_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'self'; object-src 'none'"
)
_LEFTOVER_SECONDS = 60
"""Age after which an upload that was not read is removed."""

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Desk:
    """What the page works with.

    Attributes:
        concealer: of the run.
        crop: how photos become squares.
        readers: attackers, where there are people to learn from.
        without_readers: why there are none.
        key: of the noise: a photo has one code for as long as the page is served.
    """

    concealer: Concealer
    crop: Crop
    readers: Readers | None
    without_readers: str = ""
    key: bytes = dataclasses.field(default_factory=secrets.token_bytes)

    def show(self, photo: np.ndarray | None, *values: Any) -> str:
        """The result for a photo, uint8 [S, S, 3], under the values of the controls (the last is the strength)."""
        if photo is None:
            return notice("Drop a photo of a face.")
        *requested, strength = values
        codes = self.concealer.encode(photo[None], self.key)
        pictures = self.concealer.decode(codes, requested_vector(self.concealer.attributes, requested, strength))
        readings = {}
        if self.readers:
            inputs = {"originals": photo[None], "codes": codes, "pictures": pictures}
            readings = {source: reader.read(inputs[source]) for source, reader in self.readers.by_source.items()}
        return shown(photo, pictures[0], self.readers, readings, self.without_readers)


def requested_vector(attributes: AttributeSet, requested: list[Any], strength: float) -> np.ndarray:
    """The label vector between the neutral one (strength 0) and the requested one (strength 1), float32 [width].

    Args:
        attributes: of the run.
        requested: for each categorical attribute a class or "neutral", for each continuous one whether it is requested,
            and the value.
        strength: from 0 to 1.
    """
    values = iter(requested)
    pairs = []
    for spec in attributes.concealed:
        first = next(values)
        if isinstance(spec, Categorical):
            pairs += [f"{spec.name}={first}"] if first != NEUTRAL else []
        else:
            value = next(values)
            pairs += [f"{spec.name}={value}"] if first else []
    neutral = attributes.neutral_vector()
    return neutral + np.float32(strength) * (attributes.parse(",".join(pairs)) - neutral)


def serve(desk: Desk, port: int) -> None:
    """Serves the page on this machine's loopback address until it is interrupted.

    Raises:
        ValueError: the extra [page] is not installed.
    """
    # Where there is memory that looks like a folder, uploads never reach a disk.
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    # uvicorn passes on the signal that ends it, which would end the process before the folder is removed.
    with StopRequest(), tempfile.TemporaryDirectory(prefix="conceal_page_", dir=place) as uploads:
        os.environ |= {"GRADIO_TEMP_DIR": uploads, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        app = create_app(desk)
        threading.Thread(target=_sweep, args=(Path(uploads),), daemon=True).start()
        import_module("uvicorn").run(app, host=LOOPBACK, port=port, log_level="warning")


def remove_leftovers(uploads: Path, age: float) -> None:
    """Removes files older than `age` seconds: uploads that were interrupted, or refused for their size."""
    for path in uploads.rglob("*"):
        if path.is_file() and time.time() - path.stat().st_mtime >= age:
            path.unlink(missing_ok=True)


def _sweep(uploads: Path) -> None:
    while uploads.exists():
        # Another thread may remove it meanwhile.
        with contextlib.suppress(FileNotFoundError):
            remove_leftovers(uploads, _LEFTOVER_SECONDS)
        time.sleep(_LEFTOVER_SECONDS / 4)


def require_page() -> Any:
    """The library gradio.

    Raises:
        ValueError: the extra [page] is not installed.
    """
    try:
        return import_module("gradio")
    except ImportError as error:
        raise ValueError(f"the page needs the extra [page] ({error}): pip install 'conceal_jax[page]'") from error


def create_app(desk: Desk) -> Any:
    """The page as an ASGI application that answers under loopback names only."""
    gradio = require_page()
    app = import_module("fastapi").FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_SealedPage)
    hosts = import_module("starlette.middleware.trustedhost").TrustedHostMiddleware
    # Against DNS rebinding: a page of another host could otherwise read this one.
    app.add_middleware(hosts, allowed_hosts=[LOOPBACK, "localhost"])
    return gradio.mount_gradio_app(
        app,
        _page(desk, gradio),
        path="/",
        server_name=LOOPBACK,
        footer_links=[],
        run_history=False,
        max_file_size=MAX_UPLOAD_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        css=STYLE,
    )


def _page(desk: Desk, gradio: Any) -> Any:
    attributes = desk.concealer.attributes
    with gradio.Blocks(title="conceal", analytics_enabled=False) as page:
        photo = gradio.State(None)
        with gradio.Row():
            with gradio.Column(scale=1):
                upload = gradio.File(label="a photo of a face", file_types=["image"], height=140)
                controls = [part for spec in attributes.concealed for part in _controls(spec, gradio)]
                controls.append(gradio.Slider(0, 1, 1, step=0.05, label="strength", info="0: neutral, 1: as requested"))
            with gradio.Column(scale=2):
                result = gradio.HTML(desk.show(None))
        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        upload.upload(partial(_take, desk), [upload, *controls], [upload, photo, result], **quiet)
        for control in controls:
            control.change(desk.show, [photo, *controls], result, trigger_mode="always_last", **quiet)
    return page


def _controls(spec: Attribute, gradio: Any) -> list[Any]:
    if isinstance(spec, Categorical):
        return [gradio.Radio([NEUTRAL, *spec.classes], value=NEUTRAL, label=spec.name)]
    middle = (spec.low + spec.high) / 2
    requested = gradio.Checkbox(False, label=f"request {spec.name}")
    value = gradio.Slider(spec.low, spec.high, middle, label=f"{spec.name} ({spec.unit})" if spec.unit else spec.name)
    value.input(lambda: True, None, requested, show_progress="hidden", api_visibility="private")
    return [requested, value]


def _take(desk: Desk, path: str, *values: Any) -> tuple[None, np.ndarray | None, str]:
    """Reads an upload and removes it; the page's file, photo and result."""
    file = Path(path)
    try:
        photo = read_photo(file.read_bytes(), desk.concealer.image_size, desk.crop)
    except BadPictureError as error:
        return None, None, notice(f"This photo cannot be used: {error}.")
    finally:
        # The folder and the file are named after the photo.
        shutil.rmtree(file.parent)
    return None, photo, desk.show(photo, *values)


class _SealedPage:
    """Adds headers to every response: no requests to other hosts, and no referrer."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        async def sealed(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self._app(scope, receive, sealed)
