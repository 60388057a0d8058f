"""Client addresses: behind a proxy, the connection has the proxy's address and a header has the client's."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def find_client_address(request: HttpRequest) -> str | None:
    """The client's address for limits per client; None if it is unknown.

    Reduces IPv6 addresses to their /64 network, since one person has any number of addresses in it.
    """
    address = find_client_ip(request)
    return None if address is None else normalize_address(address)


def find_client_ip(request: HttpRequest) -> str | None:
    """The client's address, without a zone; None if it is unknown.

    Uses only the last hop of X-Forwarded-For, the one that our own proxy saw: the client controls everything before it.
    """
    addresses = [request.META.get("REMOTE_ADDR", "")]
    if settings.BEHIND_PROXY:
        addresses.insert(0, request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", 1)[-1].strip())
    return next((address.split("%", maxsplit=1)[0] for address in addresses if is_address(address)), None)


def is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def normalize_address(text: str) -> str:
    address = ip_address(text)
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False).network_address)
    return str(getattr(address, "ipv4_mapped", None) or address)
