"""Import now: choose or upload, look at the preview, confirm; and the requests for an undo or a replay beside it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from core.admin_pages import ReadOnlyAdmin
from core.middleware import in_own_transactions
from core.models import User
from core.roles import Action, may
from core.row_numbers import row_number
from etl.models import RunRequest
from etl.request_forms import OptionsForm, ServerForm, UploadForm
from etl.request_page import heading_of, page_of, step_of, watched_state
from etl.run_requests import ask_import, cancel, confirm, folders_in_use, settle, submit, try_again
from etl.uploads import forget_old, store

STATES = {
    "queued": "info", "working": "info", "ready": "warning", "refused": "danger", "failed": "danger",
    "interrupted": "danger", "done": "success", "cancelled": "default",
}  # fmt: skip


@admin.register(RunRequest)
class RunRequestAdmin(ReadOnlyAdmin):
    action_to_view = Action.TRANSFORM
    list_display = ["title", "state_label", "asked_by", "asked_at", "confirmed_by", "run"]
    list_filter = ["kind", "state"]
    list_filter_sheet = False
    list_select_related = ["asked_by", "confirmed_by", "run"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        return may(request.user, Action.TRANSFORM)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunRequest]:
        return super().get_queryset(request).defer("preview", "summary")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "What was asked for", **(extra_context or {})})

    @display(description="Request", ordering="request_id")
    def title(self, asked: RunRequest) -> str:
        return heading_of(asked)

    @display(description="State", label=STATES, ordering="state")
    def state_label(self, asked: RunRequest) -> str:
        return asked.state

    def get_urls(self) -> list[URLPattern]:
        status = path("<path:object_id>/status/", self.own_view(self.status_view), name="etl_runrequest_status")
        return [status, *super().get_urls()]

    # ask

    @in_own_transactions
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer with the two forms; a POST stores the file and has it previewed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        forget_old(folders_in_use())
        is_server = request.method == "POST" and request.POST.get("from") == "server"
        is_upload = request.method == "POST" and not is_server
        server = ServerForm(request.POST if is_server else None)
        upload = UploadForm(request, is_filled=is_upload)
        form: OptionsForm = server if is_server else upload
        if request.method == "POST" and form.is_valid():
            return self._ask(request, form)
        context = {
            **self.admin_site.each_context(request),
            "title": "Import now",
            "opts": self.opts,
            "upload": upload,
            "server": server,
            "folder": settings.RAW_DATA_DIR,
            "most_mb": settings.ETL_MAX_FILE_MB,
            "inline_records": settings.ETL_INLINE_RECORDS,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/etl/runrequest/import_now.html", context)

    def _ask(self, request: HttpRequest, form: OptionsForm) -> HttpResponse:
        assert isinstance(request.user, User)
        values = form.cleaned_data
        sources = [values["source"]] if values["source"] else []
        folder, told = Path(settings.RAW_DATA_DIR), list[dict[str, object]]()
        if isinstance(form, UploadForm):
            folder, told = store(values["source"], values["parts"])
        asked = ask_import(
            data_dir=folder,
            sources=sources,
            user=request.user,
            allow_shrink=values["allow_shrink"],
            allow_drift=values["allow_drift"],
            deactivate_missing=values["deactivate_missing"],
            files=told,
        )
        submit(asked)
        return HttpResponseRedirect(reverse("admin:etl_runrequest_change", args=[asked.pk]))

    # look, and decide

    @in_own_transactions
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer with what is about to happen; a POST confirms, tries again or cancels."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = self._find(object_id)
        if asked is None:
            return super().change_view(request, object_id, form_url, extra_context)  # says so, as every page does
        if request.method == "POST":
            return self._decide(request, asked)
        settle(asked)
        context = {
            **self.admin_site.each_context(request),
            "title": heading_of(asked),
            "opts": self.opts,
            **page_of(asked, request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/etl/runrequest/request.html", context)

    def _decide(self, request: HttpRequest, asked: RunRequest) -> HttpResponse:
        assert isinstance(request.user, User)
        what = request.POST.get("do", "")
        if what == "confirm" and not confirm(asked, user=request.user):
            messages.info(request, "This was confirmed already, or is not ready: nothing is done twice.")
        elif what == "again" and not try_again(asked):
            messages.info(request, "It is at work already.")
        elif what == "cancel":
            done = cancel(asked)
            messages.info(request, "Cancelled. Nothing was changed." if done else "It cannot be cancelled any more.")
        asked.refresh_from_db()
        if asked.state == RunRequest.State.DONE and asked.run_id:
            messages.success(request, f"{heading_of(asked)}: done.")
            return HttpResponseRedirect(reverse("admin:etl_importrun_change", args=[asked.run_id]))
        return HttpResponseRedirect(request.path)

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the state of a request as JSON, for the page that waits."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = self._find(object_id)
        if asked is None:
            raise Http404
        settle(asked)
        return JsonResponse({"state": watched_state(asked), "step": step_of(asked.run)})

    @staticmethod
    def _find(object_id: str) -> RunRequest | None:
        found = RunRequest.objects.select_related("asked_by", "confirmed_by", "run", "of_run")
        return found.filter(pk=row_number(unquote(object_id))).first()
