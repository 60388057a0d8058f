"""The settings of a policy and the models that answer by it. Loads no numerical libraries."""

from datasets.models import Dataset
from optimize.models import ChatSettings, ModelVersion, PolicySettings
from optimize.versions import find_version

KIND = "policy"  # of the task that tries a policy


class NoAnswer(Exception):
    """No model answered. reason: a code of optimize.reasons: `no_model`, or why the last answer failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def find_policy(dataset: Dataset) -> PolicySettings:
    """The settings of a dataset's policy, as stored or by default."""
    return PolicySettings.objects.filter(dataset=dataset).first() or PolicySettings(dataset=dataset)


def list_versions(policy: PolicySettings) -> list[ModelVersion]:
    """The versions that answer. Raises NoAnswer if there is none."""
    chat = ChatSettings.objects.filter(dataset=policy.dataset_id).values_list("names", flat=True).first()
    try:
        versions = [find_version(name) for name in policy.names or chat or []]
    except ModelVersion.DoesNotExist:
        raise NoAnswer("no_model") from None
    if not versions:
        raise NoAnswer("no_model")
    return versions
