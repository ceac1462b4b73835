from django.apps import AppConfig


class EtlConfig(AppConfig):
    name = "etl"
    verbose_name = "Imports"

    def ready(self) -> None:
        from etl import sealing  # noqa: F401, PLC0415 - listens to places that turn confidential
