from django.apps import AppConfig


class EtlConfig(AppConfig):
    name = "etl"
    verbose_name = "Imports"

    def ready(self) -> None:
        from core.health import add_checks  # noqa: PLC0415 - models are known by now
        from etl import sealing  # noqa: F401, PLC0415 - listens to places that turn confidential
        from etl.health_checks import CHECKS  # noqa: PLC0415

        add_checks(CHECKS)
