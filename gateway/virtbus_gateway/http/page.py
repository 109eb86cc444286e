"""The console page: a folder of plain files, served at `/` and `/page/...` to whoever asks.

The files hold nothing secret: what they show, they ask of the API with the reader's token. They are read and compressed
once, when the app is made. A browser asks again each time and is mostly told that nothing has changed, so a new
gateway's page is there at once.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import Response

INDEX = "index.html"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""The kinds of files that are served; a file of another kind is none of the page."""
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
"""Content-Security-Policy: nothing from elsewhere, nothing inline, no text that becomes code or HTML. Pictures of
screens come through the API with the token, so they are shown from memory (blob:)."""
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a file is sent."""

    content: bytes
    etag: str
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page, as it is and compressed."""

    media: str
    plain: Form
    packed: Form

    def form(self, accepted: str) -> Form:
        """What a browser that sends this Accept-Encoding gets."""
        words = {word.strip().replace(" ", "") for word in accepted.split(",")}
        return self.packed if words & {"gzip", "gzip;q=1", "gzip;q=1.0"} else self.plain


def read_files() -> dict[str, File]:
    """All files of the page, by name."""
    found = {}
    for entry in files("virtbus_gateway").joinpath("page").iterdir():
        media = MEDIA.get(entry.name.rpartition(".")[2])
        if media is not None:
            content = entry.read_bytes()
            digest = sha256(content).hexdigest()[:32]
            packed = Form(gzip.compress(content, mtime=0), f'"{digest}-gz"', "gzip")
            found[entry.name] = File(media, Form(content, f'"{digest}"'), packed)
    return found


def respond(file: File, request: Request) -> Response:
    """A file, or 304 where the browser has it."""
    form = file.form(request.headers.get("accept-encoding", ""))
    headers = HEADERS | {"ETag": form.etag}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or form.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    if form.encoding is not None:
        headers["Content-Encoding"] = form.encoding
    # The length stays that of the content, as RFC 9110 wants it of HEAD; the server leaves the content out there.
    return Response(form.content, headers=headers | {"Content-Type": file.media})


def install(app: FastAPI) -> None:
    """Give the app the page's addresses."""
    for name, file in read_files().items():

        async def endpoint(request: Request, file: File = file) -> Response:
            return respond(file, request)

        for path in [f"/page/{name}", *(["/"] if name == INDEX else [])]:
            app.router.add_route(path, endpoint, methods=["GET"], name=f"page {path}", include_in_schema=False)
