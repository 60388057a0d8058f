"""The nginx configuration of docs/operating.md in front of a real server: TLS, and protection from slow clients."""

import contextlib
import http.client
import http.cookiejar
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings

from tests.serving import Person, find_free_port, make_place, read_fields, running_server

DOCS = (Path(settings.BASE_DIR) / "docs/operating.md").read_text(encoding="utf-8")
NAME = "chosen.example.org"
UNPACKED = Path(settings.BASE_DIR) / ".venv/nginx/usr/sbin/nginx"  # by `make nginx`
NGINX = shutil.which("nginx") or (str(UNPACKED) if UNPACKED.exists() else None)
TRUSTING = ssl._create_unverified_context()  # the test generates the certificate

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.once,  # what nginx lets through does not depend on the database
    pytest.mark.skipif(not NGINX, reason="no nginx here"),
]


class Visitor(Person):
    """A browser that speaks https to the proxy."""

    def __init__(self, name, port):
        self.jar = http.cookiejar.CookieJar()
        handlers = [urllib.request.HTTPCookieProcessor(self.jar), urllib.request.HTTPSHandler(context=TRUSTING)]
        self.browser = urllib.request.build_opener(*handlers)
        self.browser.addheaders = [("Referer", f"https://127.0.0.1:{port}/"), ("Origin", f"https://127.0.0.1:{port}")]
        self.base = f"https://127.0.0.1:{port}"
        self.post(
            "/accounts/login/", {**read_fields(self.get("/accounts/login/")), "username": name, "password": "demo"}
        )


@pytest.fixture(scope="module")
def proxied(with_demo, tmp_path_factory, django_db_blocker):
    """The https port of nginx in front of a running server; the docs' configuration with other ports and paths."""
    tmp_path = tmp_path_factory.mktemp("proxied")
    with django_db_blocker.unblock(), make_place(tmp_path, with_demo) as place:
        place |= {"BEHIND_PROXY": "1", "ALLOWED_HOSTS": f"127.0.0.1,{NAME}", "START_WORKERS": "0"}
        with running_server(place), running_proxy(place, tmp_path) as port:
            yield port


@contextlib.contextmanager
def running_proxy(place, tmp_path):
    plain, secure = find_free_port(), find_free_port()
    files = [tmp_path / f"{NAME}.key", tmp_path / f"{NAME}.pem"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}"]
    subprocess.run([*made, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    (server,) = re.findall(r"^```nginx\n(.*?)^```$", DOCS, re.M | re.S)
    for old, new in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
        ("/etc/ssl", str(tmp_path)),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{place['PORT']}"),
        (f"server_name {NAME};", f"server_name {NAME} 127.0.0.1;"),
    ):
        assert old in server
        server = server.replace(old, new)
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"pid {tmp_path}/pid;\ndaemon off;\nworker_rlimit_nofile 20000;\nevents {{ worker_connections 8192; }}\n"
    (tmp_path / "nginx.conf").write_text(f"{head}http {{\naccess_log off;\n{paths}{server}}}\n")
    nginx = subprocess.Popen([NGINX, "-e", "stderr", "-c", tmp_path / "nginx.conf"])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", secure)):
                break
            time.sleep(0.05)
        yield secure
    finally:
        nginx.terminate()
        nginx.wait()


def send(port, text):
    """A connection through the proxy on which these bytes were sent."""
    line = TRUSTING.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60))
    line.sendall(text.encode())
    return line


HEAD = f"Host: {NAME}\r\nCookie: csrftoken={'a' * 32}\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def test_people_judge_through_the_proxy_whatever_others_send(proxied):
    alice = Visitor("alice", proxied)
    page = alice.get("/annotate/models/")
    assert all(cookie.secure for cookie in alice.jar)
    half = [send(proxied, f"POST /annotate/x/ HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\na=") for _ in range(60)]
    headless = [send(proxied, "GET / HTTP/1.1\r\nHost: x\r\nX-") for _ in range(60)]
    for _ in range(10):
        started = time.monotonic()
        page = alice.post("/annotate/models/", {**read_fields(page), "verdict": "left"})
        assert alice.get("/healthz") == "ok"
        assert time.monotonic() - started < 5, "whoever waits for one of them waits for 10 seconds or more"
    assert "You: 10" in page
    for line in [*half, *headless]:
        line.close()
    for sent, status in (
        (f"POST /annotate/x/ HTTP/1.1\r\n{HEAD}Content-Length: 3200000\r\n\r\n", 413),
        (f"POST /annotate/x/ HTTP/1.1\r\n{HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ):
        with send(proxied, sent) as line:
            assert int(line.recv(1000).split()[1]) == status
    with pytest.raises(urllib.error.HTTPError, match="413"):
        alice.post("/annotate/models/", {**read_fields(page), "verdict": "left", "reason": "a" * 3_200_000})


def test_an_upload_goes_through_the_proxy(proxied):
    admin = Visitor("admin", proxied)
    token = read_fields(admin.get("/datasets/upload/"))["csrfmiddlewaretoken"]
    rows = "".join(f'{{"prompt": "{n}", "response_1": "{"a" * 500}", "response_2": "b"}}\n' for n in range(10_000))
    parts = [("csrfmiddlewaretoken", token), ("slug", "big"), ('files"; filename="r.jsonl', rows), ("overlap", "1")]
    lines = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts)
    line = http.client.HTTPSConnection("127.0.0.1", proxied, context=TRUSTING, timeout=60)
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Cookie": admin.format_cookies(),
        "Referer": f"{admin.base}/",
    }
    line.request("POST", "/datasets/upload/", f"{lines}--b--\r\n".encode(), headers)
    assert line.getresponse().status == 302
