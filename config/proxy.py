"""Behind a proxy the connection tells the proxy's address, and the header that the proxy writes tells the client's."""

from ipaddress import ip_address, ip_network

from django.conf import settings


def find_client_address(request):
    """The address that a request came from, as text; None where it is unknown.

    Of X-Forwarded-For only the last hop counts, the one that our own proxy saw: the client writes what it likes before
    it. Of IPv6 the /64, since one person has as many addresses of it as they like.
    """
    addresses = [request.META.get("REMOTE_ADDR", "")]
    if settings.BEHIND_PROXY:
        addresses.insert(0, request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", 1)[-1].strip())
    return next((normalize_address(address) for address in addresses if is_address(address)), None)


def is_address(text):
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def normalize_address(text):
    address = ip_address(text.split("%")[0])
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False).network_address)
    return str(getattr(address, "ipv4_mapped", None) or address)
