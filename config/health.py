"""The health check."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

from datasets.views.access import anyone


@anyone
def healthz(request: HttpRequest) -> HttpResponse:
    """200 `ok` if the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return HttpResponse("the database does not answer", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")
