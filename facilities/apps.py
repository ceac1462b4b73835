from django.apps import AppConfig


class FacilitiesConfig(AppConfig):
    name = "facilities"

    def ready(self) -> None:
        from facilities import lowering  # noqa: F401, PLC0415 - listens to approvals
