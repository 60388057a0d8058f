"""Which addresses an endpoint may have, checked at each connection.

A host's name may lead to another address at any time, so the check of the URL (`parse_base_url`) is not enough:
`CheckedBackend` resolves the name, checks each address, and connects to the address that it has checked.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpcore2
from httpcore2 import NetworkBackend, NetworkStream

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Services of clouds that give credentials to any process. The IPv4 ones are link-local or Alibaba's.
METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
LONGEST_URL = 500  # characters
LONGEST_SILENCE_S = 60.0  # between two pieces of an answer
DEFAULT_PORTS = {"http": 80, "https": 443}


class WrongURL(ValueError):
    """A URL that no endpoint can have. `reason`: a code of optimize.reasons."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ForbiddenAddress(Exception):
    """A host has an address to which this installation does not connect."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}")
        self.host, self.address = host, address


def parse_base_url(text: str) -> str:
    """The URL of an endpoint, up to `/chat/completions` and without a slash at the end. Raises WrongURL.

    >>> parse_base_url("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000/v1'
    """
    url = text.strip()
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or any(sign in url for sign in ' \\"<>'):
        raise WrongURL("not_a_url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongURL("not_a_url") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        raise WrongURL("not_a_url")
    if "@" in parts.netloc:
        raise WrongURL("user_in_url")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise WrongURL("query_in_url")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def find_origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port) of a URL: what decides whether a key may go there.

    >>> find_origin("https://API.example.com/v1")
    ('https', 'api.example.com', 443)
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme, host, parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def parse_networks(words: Iterable[str]) -> tuple[Network, ...]:
    """The networks of ENDPOINT_NETS. Raises ValueError.

    >>> parse_networks(["10.0.0.0/8"])
    (IPv4Network('10.0.0.0/8'),)
    """
    return tuple(ipaddress.ip_network(word, strict=False) for word in words)


def is_allowed(address: IPAddress, networks: Sequence[Network]) -> bool:
    """Whether a connection may go to an address: a public one, or one in these networks; never to some.

    networks: private networks in which an endpoint may be.

    >>> is_allowed(ipaddress.ip_address("169.254.169.254"), parse_networks(["0.0.0.0/0"]))
    False
    """
    forms = list_forms(address)
    if any(is_never_allowed(form) for form in forms):
        return False
    if all(form.is_global for form in forms):
        return True
    inside = (forms[0].version == network.version and forms[0] in network for network in networks)
    return len(forms) == 1 and any(inside)


def is_never_allowed(address: IPAddress) -> bool:
    """Whether no setting opens an address: metadata services, link-local, multicast, unspecified, reserved ones."""
    if address in METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("0.0.0.0/8") or (address.is_reserved and not address.is_loopback)
    return address.is_site_local


def list_forms(address: IPAddress) -> list[IPAddress]:
    """The address, and the IPv4 address within an IPv6 one (compatible, 6to4, Teredo, NAT64); a mapped one alone."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    inner: ipaddress.IPv4Address | None = address.sixtofour
    if address.teredo:
        inner = address.teredo[1]
    elif any(address in network for network in NAT64) or (address in V4_COMPATIBLE and int(address) > 1):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return [address, inner] if inner else [address]


def resolve_host(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """The addresses of a host. Raises ForbiddenAddress if one of them is not allowed, OSError if there is none."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        if "%" in text or not is_allowed(address, networks):
            raise ForbiddenAddress(host, text)
    return addresses


class Deadline(threading.local):
    """When the request of this thread has to end, on the clock `time.monotonic`; and its bytes so far.

    first_byte: when the first byte of the answer must be there; None once it is.
    """

    end: float | None = None
    first_byte: float | None = None
    received = 0
    most = 0

    def begin(self, first_byte_s: float, total_s: float, max_bytes: int) -> None:
        """Begins a request: the limits count from now."""
        now = time.monotonic()
        self.end, self.first_byte = now + total_s, now + first_byte_s
        self.received, self.most = 0, max_bytes

    def find_rest(self, timeout: float | None) -> float | None:
        """The seconds that an operation of the network may take. Raises ReadTimeout when none are left."""
        ends = [end for end in (self.end, self.first_byte) if end is not None]
        if not ends:
            return timeout
        rest = min(ends) - time.monotonic()
        if rest <= 0:
            raise httpcore2.ReadTimeout("the time limit of the request")
        if self.first_byte is None:
            rest = min(rest, LONGEST_SILENCE_S)
        return rest if timeout is None else min(rest, timeout)


class TooManyBytes(Exception):
    """A server has sent more bytes than the limit of its endpoint."""


class CheckedStream(NetworkStream):
    """A connection that keeps to the deadline and the byte limit of the request that uses it."""

    def __init__(self, stream: NetworkStream, deadline: Deadline) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self.stream.read(max_bytes, self.deadline.find_rest(timeout))
        self.deadline.received += len(data)
        if self.deadline.end is not None and self.deadline.received > self.deadline.most:
            raise TooManyBytes
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self.deadline.find_rest(timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        secure = self.stream.start_tls(ssl_context, server_hostname, self.deadline.find_rest(timeout))
        return CheckedStream(secure, self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class CheckedBackend(NetworkBackend):
    """Opens connections to allowed addresses only.

    networks: private networks in which an endpoint may be.
    """

    def __init__(self, networks: Sequence[Network], deadline: Deadline) -> None:
        self.networks, self.deadline, self.inner = networks, deadline, httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> NetworkStream:
        try:
            addresses = resolve_host(host, port, self.networks)
        except (OSError, UnicodeError) as why:
            raise httpcore2.ConnectError(str(why)) from None
        for number, address in enumerate(addresses, start=1):
            try:
                rest = self.deadline.find_rest(timeout)
                stream = self.inner.connect_tcp(address, port, rest, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return CheckedStream(stream, self.deadline)
        raise httpcore2.ConnectError("no address")
