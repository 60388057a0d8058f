"""The Django app of optimize."""

from django.apps import AppConfig


class OptimizeConfig(AppConfig):
    name = "optimize"

    def ready(self) -> None:
        from datasets.exports.conversations import PATH_LISTERS
        from optimize.chat.paths import list_paths

        PATH_LISTERS.append(list_paths)
