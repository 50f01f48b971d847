"""A plain WSGI application: POST {"images": [[64 numbers from 0 to 16], ...]} answers {"digits": [...]}.

The model is read once, when the server imports this module.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np

PIXELS: Final = 64
MAX_IMAGES: Final = 1000
MODEL: Final = joblib.load(Path(__file__).with_name("model.pkl"))

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def predict_wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request; GET says whether the model is loaded."""
    if environ["REQUEST_METHOD"] == "GET":
        return answer(start_response, "200 OK", {"model": type(MODEL).__name__, "pixels": PIXELS})
    if environ["REQUEST_METHOD"] != "POST":
        return answer(start_response, "405 Method Not Allowed", {"error": "use GET or POST"})
    try:
        digits = [int(digit) for digit in MODEL.predict(read_images(environ))]
    except (TypeError, ValueError) as error:
        return answer(start_response, "400 Bad Request", {"error": str(error)})
    return answer(start_response, "200 OK", {"digits": digits})


def read_images(environ: Environ) -> np.ndarray:
    """Return the images of the request as rows.

    Raises:
        TypeError: the body is no mapping with a list.
        ValueError: the body is no JSON, or the images have another shape.
    """
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    document = json.loads(body)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise TypeError('the body must be {"images": [...]}')
    images = np.asarray(document["images"], dtype=float)
    if images.shape[1:] != (PIXELS,) or not 1 <= len(images) <= MAX_IMAGES:
        raise ValueError(f"`images` must hold 1 to {MAX_IMAGES} lists of {PIXELS} numbers")
    return images


def answer(start_response: StartResponse, status: str, document: dict[str, object]) -> list[bytes]:
    """Send a JSON document."""
    body = json.dumps(document).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
