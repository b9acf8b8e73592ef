"""The stand-in for the Hub, which also takes models in: creates them, and commits what is sent.

It answers what huggingface_hub's create_repo and create_commit ask where HF_HUB_DISABLE_XET is set:
small files come in the commit itself, large ones before it by git's LFS. What was committed is in
`{root}/models/{owner}/{name}/`, and can be downloaded as from any other stand-in. Example:

    with UploadHub(root) as hub:
        subprocess.run(command, env=os.environ | hub.environment(cache, HF_TOKEN=hub.token))
        assert hub.commits[-1].message == "..."
"""

import base64
import binascii
import hashlib
import json
import threading
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from tests.hub import LARGE, Handler, Hub, listing

WRONG_TOKEN = "Invalid credentials in Authorization header"
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE)


@dataclass
class Commit:
    """What one commit did."""

    message: str
    added: list[str]
    deleted: list[str]


class UploadHub(Hub):
    """The server; `commits` are those that were sent, and `token` is the one that may write."""

    def __init__(self, root: Path, token: str = "hf_writer") -> None:
        super().__init__(root)
        self.token = token
        self.owners = {"owner"}  # names under which the token may create and write
        self.branch = "main"  # the only one
        self.commits: list[Commit] = []
        self.writing = threading.Lock()
        handler = type("BoundUploads", (Uploads,), {"hub": self})
        self._server.RequestHandlerClass = handler

    def commit(self, folder: Path) -> str:
        """A made-up commit: 40 digits that depend on the repository and on what was sent."""
        return hashlib.sha1(f"{super().commit(folder)} {len(self.commits)}".encode()).hexdigest()

    def stored(self, oid: str) -> Path:
        """Where a large file is kept that was sent by LFS."""
        return self.root / "lfs" / oid

    def sent(self) -> list[str]:
        """Paths of requests that brought something, in order."""
        return [path for method, path in self.requests if method in ("POST", "PUT")]


class Uploads(Handler):
    """The endpoints of uploads, beside those of downloads."""

    hub: UploadHub

    def do_POST(self) -> None:
        self.take_in()

    def do_PUT(self) -> None:
        self.take_in()

    def answer(self) -> None:
        """Downloads need no token, but a wrong one is refused; there is no Xet."""
        if "/xet-write-token/" in self.path:
            self.hub.take(self.command, self.path)
            return self.refuse(404, "NotFound")
        if self.headers.get("Authorization") not in (None, f"Bearer {self.hub.token}"):
            self.hub.take(self.command, self.path)
            return self.refuse(401, "", {"X-Error-Message": WRONG_TOKEN})
        super().answer()

    def take_in(self) -> None:
        body, path = self.body(), unquote(urlsplit(self.path).path)
        fault = self.hub.take(self.command, path)
        if fault and fault.kind == "status":
            return self.send(fault.status, fault.body, fault.headers)
        if fault:
            return self.reset()
        if self.command == "PUT":
            return self.put(path.removeprefix("/lfs/"), body)
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self.refuse(401, "", {"X-Error-Message": WRONG_TOKEN})
        parts = path.strip("/").split("/")
        if parts == ["api", "validate-yaml"]:
            return self.validate(json.loads(body)["content"])
        if parts == ["api", "repos", "create"]:
            return self.create(json.loads(body))
        if parts[2:] == ["verify"]:
            return self.verify(json.loads(body))
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2]).removesuffix(".git")
        branch = (
            unquote(urlsplit(self.path).path.split("/")[-1])
            if parts[0] == "api"
            else self.hub.branch
        )
        folder = self.repository("models", name, branch)
        if folder is None:
            return
        if name.split("/")[0] not in self.hub.owners:
            return self.refuse(403, "Forbidden")
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(json.loads(body)["objects"])
        if parts[4] == "preupload":
            return self.preupload(folder, json.loads(body)["files"])
        with self.hub.writing:
            self.commit(folder, [json.loads(line) for line in body.splitlines()])

    def repository(self, kind: str, name: str, revision: str, signed: bool = False) -> Path | None:
        """As of the base class, with another branch instead of `main`."""
        if self.hub.branch != "main" and revision in ("main", self.hub.branch):
            revision = "main" if revision == self.hub.branch else "none"
        return super().repository(kind, name, revision, signed)

    def body(self) -> bytes:
        """What the client sent: of a length announced, or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def create(self, wanted: dict[str, Any]) -> None:
        """A repository as the Hub begins it: with .gitattributes."""
        name = f"{wanted['organization']}/{wanted['name']}"
        folder = self.hub.root / "models" / name
        if wanted["organization"] not in self.hub.owners:
            return self.refuse(403, "Forbidden")
        status = 409 if folder.is_dir() else 200
        if status == 200:
            folder.mkdir(parents=True)
            (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
            if wanted.get("visibility") == "private":
                self.hub.private.add(name)
        self.give({"url": f"{self.hub.url}/{name}"}, status)

    def validate(self, card: str) -> None:
        """The front matter of a model card: a mapping between two lines of dashes."""
        try:
            wrong = not isinstance(yaml.safe_load(card.split("---\n")[1]), dict)
        except (IndexError, yaml.YAMLError):
            wrong = True
        message = {"message": "the front matter is no mapping"}
        self.give({"errors": [message] * wrong, "warnings": []}, 400 if wrong else 200)

    def preupload(self, folder: Path, files: list[dict[str, Any]]) -> None:
        """How each file is to be sent, and the digest of the one of its name that is there."""
        ignore = folder / ".gitignore"
        ignored = ignore.read_text(encoding="utf-8").split() if ignore.is_file() else []
        answers = []
        for file in files:
            path, there = file["path"], folder / file["path"]
            entry = listing(folder, there) if there.is_file() else {}
            answers.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
                    "shouldIgnore": any(fnmatch(path, pattern) for pattern in ignored),
                    "oid": entry.get("lfs", entry).get("oid"),
                }
            )
        self.give({"files": answers})

    def batch(self, objects: list[dict[str, Any]]) -> None:
        """Where to send large files, each as a whole; nowhere if it is there."""
        for entry in objects:
            if not self.hub.stored(entry["oid"]).is_file():
                upload = {"href": f"{self.hub.url}/lfs/{entry['oid']}"}
                verify = {"href": f"{self.hub.url}/api/lfs/verify"}
                entry["actions"] = {"upload": upload, "verify": verify}
        self.give({"transfer": "basic", "objects": objects})

    def put(self, oid: str, body: bytes) -> None:
        """A large file; the link to send it to is signed, so the token is not for it."""
        if "Authorization" in self.headers:
            return self.refuse(400, "TokenLeaked")
        if hashlib.sha256(body).hexdigest() != oid:
            return self.refuse(400, "BadDigest")
        self.hub.stored(oid).parent.mkdir(exist_ok=True)
        self.hub.stored(oid).write_bytes(body)
        self.give({})

    def verify(self, wanted: dict[str, Any]) -> None:
        stored = self.hub.stored(wanted["oid"])
        there = stored.is_file() and stored.stat().st_size == wanted["size"]
        self.give({}, 200 if there else 404)

    def commit(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        """Do what a commit says, all of it or, where something is wrong, nothing."""
        header, *rest = [(line["key"], line["value"]) for line in lines]
        if header[1].get("parentCommit") not in (None, self.hub.commit(folder)):
            return self.refuse(412, "", {"X-Error-Message": "A commit has happened since"})
        done, contents = Commit(header[1]["summary"], [], []), {}
        try:
            for key, value in rest:
                path = value["path"]
                if key == "deletedFile" and not (folder / path).is_file():
                    return self.refuse(404, "EntryNotFound")
                if key == "deletedFile":
                    done.deleted.append(path)
                    continue
                done.added.append(path)
                contents[path] = (
                    base64.b64decode(value["content"], validate=True)
                    if key == "file"
                    else self.hub.stored(value["oid"]).read_bytes()
                )
        except (binascii.Error, FileNotFoundError):
            return self.refuse(400, "", {"X-Error-Message": "A file has not arrived"})
        for path in done.deleted:
            (folder / path).unlink()
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        self.hub.commits.append(done)
        oid = self.hub.commit(folder)
        name = folder.relative_to(self.hub.root / "models").as_posix()
        self.give({"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid})

    def give(self, answer: Any, status: int = 200) -> None:
        self.send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})
