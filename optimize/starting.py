"""A dataset without a file: prompts that were typed, stored as an import like any other."""

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from datasets.imports import check as imports_check
from datasets.imports import store as imports_store
from datasets.models import Dataset, Import

if TYPE_CHECKING:
    from annotate.models import User


def create_dataset(slug: str, prompts: Sequence[str], by: "User | None" = None) -> Dataset:
    """A new draft with these prompts and no answers yet."""
    rows = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
    run = imports_check.check([(_("typed prompts"), io.BytesIO(rows.encode()))], slug)
    Import.objects.filter(pk=run.pk).update(created_by=by)
    run.created_by, run.dataset_settings = by, {"state": Dataset.State.DRAFT}
    imports_store.store(run)
    return Dataset.objects.get(slug=slug)
