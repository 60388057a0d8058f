"""Lists that go on by key: the cost of a page does not depend on how far it is."""

from django.core.exceptions import BadRequest


def parse_after(request, name="after"):
    """The key after which a list goes on; 0 at its beginning."""
    after = request.GET.get(name, "0")
    if not after.isdecimal() or len(after) > 18:
        raise BadRequest(name)
    return int(after)
