"""The pipeline's pages, and what it adds to the pages of the apps below, which know nothing of it."""

from django.contrib import admin
from django_tasks_db.models import DBTaskResult

from etl import facility_tabs, record_admin, reject_admin, request_admin, review_admin, run_admin  # noqa: F401 - they register their pages
from etl.facility_tabs import (
    CleanContactForm,
    PinInline,
    ReplayingFacilityTypeAdmin,
    ReplayingPlaceAliasAdmin,
    SourceRecordInline,
    compare_chosen,
    disputed,
    quality,
    read_contacts,
)
from facilities.admin import FacilityAdmin
from facilities.inlines import ContactInline
from facilities.models import FacilityType
from geography.models import PlaceAlias

FacilityAdmin.read_contacts = staticmethod(read_contacts)  # type: ignore[assignment,method-assign] # as a subclass would
ContactInline.form = CleanContactForm
FacilityAdmin.inlines += [SourceRecordInline, PinInline]
FacilityAdmin.actions = [*FacilityAdmin.actions, compare_chosen]
FacilityAdmin.disputed, FacilityAdmin.quality = disputed, quality
FacilityAdmin.readonly_fields += ["disputed", "quality"]
FacilityAdmin.fieldsets += [("What sources say", {"fields": ["disputed", "quality"]})]
admin.site.unregister(DBTaskResult)  # what waits for a worker is seen as requests; its own page would show arguments
for model, page in ((PlaceAlias, ReplayingPlaceAliasAdmin), (FacilityType, ReplayingFacilityTypeAdmin)):
    admin.site.unregister(model)
    admin.site.register(model, page)
admin.site.index_template = "admin/etl/dashboard.html"  # etl/dashboard.py fills it
admin.site.index_title = "Overview"
