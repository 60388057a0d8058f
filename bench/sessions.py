"""`sessions.py PREFIX N [ROLE]` creates N signed-in people and prints their session keys as JSON.

Runs as a command in the environment of a benchmark.
"""

import json
import os
import sys
from pathlib import Path


def main(prefix: str, n: int, role: str = "annotator") -> None:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from annotate.models import User

    keys = []
    for number in range(n):
        user = User.objects.create(username=f"{prefix}{number}", password="!", role=role)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        keys.append(session.session_key)
    print(json.dumps(keys))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
