from django.apps import AppConfig


class AnalyzeConfig(AppConfig):
    name = "analyze"

    def ready(self):
        from analyze import tasks  # noqa: F401 - a worker finds its kind of task there
