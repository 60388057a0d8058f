"""Lists that go on by key: the cost of a page does not depend on how far it is."""

from django.core.exceptions import BadRequest


def after_of(request):
    """The key after which a list goes on."""
    after = request.GET.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        raise BadRequest("after")
    return int(after)
