from django.apps import AppConfig


class AnalyzeConfig(AppConfig):
    name = "analyze"

    def ready(self) -> None:
        from analyze import tasks  # noqa: F401 - registers its kind of task with the worker
