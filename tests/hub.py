"""A fake of the Hugging Face Hub's HTTP API on 127.0.0.1, with what the real client needs to create a dataset
repository and commit to it. It stores only the SHA-256 of each file, and reads bodies in chunks."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_good"
LARGE = 3000  # bytes; larger files use LFS, as do files of some megabytes on the Hub


class Hub:
    """The fake's state.

    repos: {name: {"private", "files": {path: SHA-256}, "git": {path: git's hash}, "commits": […]}}.
    fails: {(method, path pattern): (status, body)} of failures to return.
    """

    def __init__(self):
        self.repos, self.stored, self.sent, self.fails = {}, {}, [], {}
        self.organisations = {"org"}

    def make(self, name, private=True, **files):
        start = {"private": private, "files": {}, "git": {}, "commits": ["0" * 40]}
        self.repos[name] = {**start, "files": {path.replace("_", "."): "" for path in files}}

    def answer(self, method, path, read):
        """(status, JSON) for a request."""
        for (verb, pattern), failure in self.fails.items():
            if method == verb and re.search(pattern, path):
                read()
                return failure
        for (verb, pattern), act in ACTIONS.items():
            if method == verb and (found := re.fullmatch(pattern, path)):
                return act(self, read, *found.groups())
        return 404, {"error": f"no such address: {method} {path}"}

    def create(self, read):
        said = json.loads(b"".join(read()))
        name = f"{said['organization']}/{said['name']}"
        if said["organization"] not in self.organisations:
            return 404, {"error": "Organization not found"}
        if name in self.repos:
            return 409, {"error": "You already created this dataset repo", "url": f"{self.url}/datasets/{name}"}
        self.make(name, private=said.get("visibility") == "private")
        return 200, {"url": f"{self.url}/datasets/{name}"}

    def describe(self, read, name):
        repo = self.repos.get(name)
        if repo is None:
            return 404, {"error": "Repository not found"}
        files = [{"rfilename": path} for path in repo["files"]]
        return 200, {"id": name, "sha": repo["commits"][-1], "private": repo["private"], "siblings": files}

    def validate(self, read):
        said = json.loads(b"".join(read()))
        assert said["content"].startswith("---\n")
        return 200, {"errors": [], "warnings": []}

    def preupload(self, read, name):
        repo = self.repos[name]
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] > LARGE else "regular",
                "shouldIgnore": False,
                "oid": (repo["files"] if file["size"] > LARGE else repo["git"]).get(file["path"]),
            }
            for file in json.loads(b"".join(read()))["files"]
        ]
        return 200, {"files": files}

    def plan_uploads(self, read, name):
        objects = json.loads(b"".join(read()))["objects"]
        for one in objects:
            if one["oid"] not in self.stored:
                one["actions"] = {"upload": {"href": f"{self.url}/store/{one['oid']}"}}
        return 200, {"transfer": "basic", "objects": objects}

    def store(self, read, oid):
        digest, size = hashlib.sha256(), 0
        for piece in read():
            digest.update(piece)
            size += len(piece)
        assert digest.hexdigest() == oid
        self.stored[oid] = size
        return 200, {}

    def commit(self, read, name):
        repo, lines = self.repos[name], [json.loads(line) for line in b"".join(read()).splitlines()]
        for line in lines:
            said = line["value"]
            if line["key"] == "file":
                data = base64.b64decode(said["content"])
                repo["files"][said["path"]] = hashlib.sha256(data).hexdigest()
                repo["git"][said["path"]] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            elif line["key"] == "lfsFile":
                assert self.stored[said["oid"]] == said["size"]
                repo["files"][said["path"]] = said["oid"]
            elif line["key"] == "deletedFile":
                del repo["files"][said["path"]]
        repo["commits"].append(hashlib.sha1(repr(lines).encode()).hexdigest())
        repo["summary"] = lines[0]["value"]["summary"]
        return 200, {"commitUrl": f"{self.url}/datasets/{name}/commit/1", "commitOid": repo["commits"][-1]}


ACTIONS = {
    ("POST", "/api/repos/create"): Hub.create,
    ("GET", "/api/datasets/([^/]+/[^/]+)(?:/revision/main)?"): Hub.describe,
    ("POST", "/api/validate-yaml"): Hub.validate,
    ("POST", "/api/datasets/(.+)/preupload/main"): Hub.preupload,
    ("POST", r"/datasets/(.+)\.git/info/lfs/objects/batch"): Hub.plan_uploads,
    ("PUT", "/store/(.+)"): Hub.store,
    ("POST", "/api/datasets/(.+)/commit/main"): Hub.commit,
}


@contextlib.contextmanager
def fake_hub():
    """A running fake Hub at hub.url."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            hub.sent.append((self.command, self.path))
            token = self.headers.get("Authorization")
            signed = self.path.startswith("/store/")  # such a URL needs no token, and must not receive one
            if signed == (token is None) and (signed or token == f"Bearer {TOKEN}"):
                status, body = hub.answer(self.command, self.path, self.iter_pieces)
            else:
                list(self.iter_pieces())
                status, body = 401, {"error": f"Invalid username or password: {token}"}
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(body, bytes) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def iter_pieces(self):
            left = int(self.headers.get("Content-Length") or 0)
            while left and (piece := self.rfile.read(min(left, 1 << 16))):
                left -= len(piece)
                yield piece

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
