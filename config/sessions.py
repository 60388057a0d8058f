"""Sessions in the database, read with SQL of our own: each request does it, and Django takes longer to put its query
together than the database to answer."""

from django.contrib.sessions.backends import db
from django.db import connection
from django.utils import timezone

READ_SESSION_SQL = (
    "SELECT session_key, session_data, expire_date FROM django_session WHERE session_key = %s AND expire_date > %s"
)


class SessionStore(db.SessionStore):
    def _get_session_from_db(self):
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        for session in self.model.objects.raw(READ_SESSION_SQL, [self.session_key, now]):
            return session
        self._session_key = None
        return None
