import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from annotate.models import User
from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Dataset
from optimize.models import ChatSettings, Endpoint, ModelVersion
from optimize.wire.demo_bot import ADDRESS

DEMO = Path(settings.BASE_DIR) / "datasets" / "demo"
PEOPLE = {"admin": User.Role.ADMIN, "alice": User.Role.ANNOTATOR, "bob": User.Role.ANNOTATOR}
BOT, BOTS_DATASET = "travel-bot", "travel"
NAMES = {"travel": "旅行 · Travel", "models": "Four models · 四个模型"}


class Command(BaseCommand):
    help = "Load demo data and accounts into an empty database, else do nothing. For use on a loopback address only."

    def handle(self, **options: Any) -> None:
        loaded = not User.objects.exists() and not Dataset.objects.exists()
        if loaded:
            for name, role in PEOPLE.items():
                User.objects.create_user(name, password="demo", role=role)
            for slug, name in NAMES.items():
                with open(DEMO / f"{slug}.jsonl", "rb") as file:
                    imports_store.store(imports_check.check([(f"{slug}.jsonl", file)], slug))
                Dataset.objects.filter(slug=slug).update(name=name)
            create_bot(Dataset.objects.get(slug=BOTS_DATASET))
        self.stdout.write(json.dumps({"loaded": loaded}))


def create_bot(dataset: Dataset) -> None:
    """A bot that needs no network, and answers in the chat of the dataset."""
    endpoint = Endpoint.objects.create(base_url=ADDRESS)
    ModelVersion.objects.create(name=BOT, number=1, endpoint=endpoint, model_id=BOT, parameters={})
    ChatSettings.objects.create(dataset=dataset, names=[BOT], show_names=True)
    Dataset.objects.filter(pk=dataset.pk).update(has_chat=True)
