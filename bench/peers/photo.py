"""Pictures as they are posted, one at a time: for the first answer and for the check of answers, not for load."""

import json
import urllib.parse
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

BOUNDARY = "----------------------------7d1f0c9a5b3e4682"
PATIENCE_S = 60


class Refused(Exception):
    """An answer that is none."""


@dataclass(frozen=True)
class Photo:
    name: str
    data: bytes

    @classmethod
    def read(cls, path: Path) -> "Photo":
        return cls(path.name, path.read_bytes())


def post(url: str, part: str | None, photo: Photo) -> list[tuple[int, float]]:
    """The answered classes, the most probable first: index and probability. Raises `OSError` or `Refused`."""
    body, kind = photo.data, "application/octet-stream"
    if part is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part}"; filename="{photo.name}"\r\n'
        body = f"{head}Content-Type: {kind}\r\n\r\n".encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
    place = urllib.parse.urlsplit(url)
    connection = HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    try:
        connection.request("POST", place._replace(scheme="", netloc="").geturl(), body, {"Content-Type": kind})
        response = connection.getresponse()
        text = response.read()
    except HTTPException as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Refused(f"status {response.status}: {text[:200].decode(errors='replace')}")
    try:
        labels = json.loads(text)["labels"]
        return [(label["index"], label["probability"]) for label in labels]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"not an answer: {text[:200].decode(errors='replace')}") from error
