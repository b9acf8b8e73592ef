"""A stand-in for the Hugging Face Hub on 127.0.0.1 that serves a folder tree, and fails on demand.

`{root}/datasets/{owner}/{name}/` and `{root}/models/{owner}/{name}/` are the repositories, each with
one commit, which is also its branch `main`; `{root}/converted/{owner}/{name}/` is the branch
refs/convert/parquet of a data set. Example:

    with Hub(root) as hub:
        hub.faults.append(Fault("status", "resolve", times=2, status=503))
        subprocess.run(command, env=os.environ | hub.environment(cache))
        assert hub.requests == [...]
"""

import hashlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub import close_session, constants

LARGE = (".parquet", ".safetensors", ".bin")  # suffixes kept in LFS, listed with their SHA-256
PIECE = 1 << 16  # bytes sent at a time
KINDS = {"datasets": "dataset", "models": "model"}


@dataclass
class Fault:
    """What to do wrong with the next `times` requests whose path contains `where`."""

    # "status", "reset", "stall", "flip" (a byte), "truncate" (close after half of the body), "halt"
    # (stall there), "short" (half of the body, announced as all)
    kind: str
    where: str = ""
    times: int = 1
    method: str = "GET"
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


class Hub:
    """The server; `requests` are (method, path) in order, `faults` are taken from the front."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.gated: set[str] = set()  # names whose files need a token
        self.private: set[str] = set()  # names that do not exist without a token
        self.page = 1000  # entries in a page of a listing
        self.cdn = False  # redirect large files to another host, as the Hub does
        self.pace = 0.0  # seconds between 64 KiB of a body
        self.starts: list[int] = []  # first byte that each GET of a large file asked for
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def environment(self, cache: Path, **more: str) -> dict[str, str]:
        """Variables that make a process use this Hub and a cache of its own."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", **more}

    def take(self, method: str, path: str) -> Fault | None:
        """Note a request; the fault that is meant for it, if any."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and fault.where in path:
                    fault.times -= 1
                    return fault
        return None

    def commit(self, folder: Path) -> str:
        """A made-up commit of a repository: 40 digits that depend on its name."""
        name = folder.relative_to(self.root).as_posix()
        return hashlib.sha1(name.encode()).hexdigest()


def listing(folder: Path, path: Path) -> dict[str, Any]:
    """An entry of a repository's tree as the Hub writes it."""
    name = path.relative_to(folder).as_posix()
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
    size, changed = path.stat().st_size, path.stat().st_mtime_ns
    oid, digest = digests(path, size, changed)
    entry = {"type": "file", "path": name, "oid": oid, "size": size}
    if name.endswith(LARGE):
        entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 134}
    return entry


@cache
def digests(path: Path, size: int, _changed: int) -> tuple[str, str]:
    """Git's blob id and the SHA-256 of a file."""
    data = path.read_bytes()
    blob_id = hashlib.sha1(b"blob %d\0" % size + data).hexdigest()
    return blob_id, hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The endpoints that huggingface_hub asks for."""

    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer's body waits 40 ms behind its headers

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        fault = self.hub.take(self.command, path)
        if fault and fault.kind == "status":
            return self.send(fault.status, fault.body, fault.headers)
        if fault and fault.kind == "stall":
            self.hub.stopping.wait(60)
        if fault and fault.kind in ("reset", "stall"):
            return self.reset()
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[0] == "api":
            return self.api(parts[1], "/".join(parts[2:4]), parts[4:], parse_qs(url.query))
        if on_cdn := parts[0] == "cdn":
            parts.pop(0)
            if "Authorization" in self.headers:  # a token is for the Hub alone
                return self.refuse(400, "TokenLeaked")
        kind = parts.pop(0) if parts[0] == "datasets" else "models"
        return self.resolve(kind, "/".join(parts[:2]), parts[3:], fault, on_cdn)

    def api(self, kind: str, name: str, rest: list[str], query: dict[str, list[str]]) -> None:
        folder = self.repository(kind, name, rest[1] if len(rest) > 1 else "main")
        if folder is None:
            return
        headers = {"Content-Type": "application/json"}
        if rest and rest[0] == "tree":
            top = folder.joinpath(*rest[2:])
            if not top.is_dir():
                return self.refuse(404, "EntryNotFound")
            recursive = query.get("recursive") == ["True"] or query.get("recursive") == ["true"]
            paths = sorted(top.rglob("*") if recursive else top.iterdir())
            start = int(query.get("cursor", ["0"])[0])
            if start + self.hub.page < len(paths):
                more = f"?recursive={recursive}&cursor={start + self.hub.page}"
                here = self.hub.url + urlsplit(self.path).path
                headers["Link"] = f'<{here}{more}>; rel="next"'
            paths = paths[start : start + self.hub.page]
            answer: Any = [listing(folder, path) for path in paths]
        else:
            sha, private = self.hub.commit(folder), name in self.hub.private
            answer = {"id": name, "sha": sha, "private": private, "siblings": []}
        self.send(200, json.dumps(answer).encode(), headers)

    def resolve(
        self, kind: str, name: str, rest: list[str], fault: Fault | None, on_cdn: bool
    ) -> None:
        # the links to the CDN are signed: it asks for no token
        folder = self.repository(kind, name, rest[0], on_cdn)
        if folder is None:
            return
        if name in self.hub.gated and "Authorization" not in self.headers and not on_cdn:
            return self.refuse(401, "GatedRepo")
        commit = {"X-Repo-Commit": self.hub.commit(folder)}
        file = folder.joinpath(*rest[1:])
        if not file.is_file():
            return self.refuse(404, "EntryNotFound", commit)
        entry, data = listing(folder, file), file.read_bytes()
        headers = commit | {"ETag": f'"{entry.get("lfs", entry)["oid"]}"', "Accept-Ranges": "bytes"}
        if self.hub.cdn and "lfs" in entry and not on_cdn:
            place = f"http://localhost:{self.server.server_port}/cdn{urlsplit(self.path).path}"
            linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": headers.pop("ETag")}
            return self.send(302, b"", headers | linked | {"Location": place})
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if self.command == "GET" and "lfs" in entry:
            self.hub.starts.append(start)
        if fault and fault.kind == "short":
            data = data[: len(data) // 2]
        if start and start >= len(data):
            return self.refuse(416, "RangeNotSatisfiable", commit)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if fault and fault.kind == "flip":
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        cut = len(data) // 2 if fault and fault.kind in ("truncate", "halt") else None
        self.send(206 if start else 200, data[start:], headers, cut)
        if fault and fault.kind == "halt":
            self.hub.stopping.wait(60)

    def repository(self, kind: str, name: str, revision: str, signed: bool = False) -> Path | None:
        """The repository's folder, or None after a refusal."""
        folder = self.hub.root / kind / name
        hidden = name in self.hub.private and "Authorization" not in self.headers and not signed
        if kind not in KINDS or not folder.is_dir() or hidden:
            self.refuse(401, "RepoNotFound")  # as the Hub answers without a token
            return None
        converted = self.hub.root / "converted" / name
        for branch, place in (("main", folder), ("refs/convert/parquet", converted)):
            if revision in (branch, self.hub.commit(place)) and place.is_dir():
                return place
        self.refuse(404, "RevisionNotFound")
        return None

    def refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self.send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def send(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(body[:cut]), PIECE):
                piece = body[:cut][start : start + PIECE]
                self.wfile.write(piece)
                if self.hub.pace:
                    time.sleep(self.hub.pace)
        if cut is not None:
            self.close_connection = True

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True
        self.wfile = open("/dev/null", "wb")  # noqa: PTH123, SIM115 - what the base class flushes


def use(monkeypatch, endpoint: str, cache: Path) -> None:
    """Point huggingface_hub, which reads the environment on import, to an endpoint and a cache."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
    close_session()
