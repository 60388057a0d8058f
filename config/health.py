from django.db import Error, connection
from django.http import HttpResponse

from datasets.views.access import anyone


@anyone
def healthz(request):
    """200 `ok` when the database answers, 503 when not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return HttpResponse("the database does not answer", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")
