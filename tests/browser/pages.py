"""The site's main pages: each is looked at by axe, and photographed by `make screenshots`. A new page is one line here."""

from dataclasses import dataclass

from tests.browser.site import Site


@dataclass(frozen=True)
class MainPage:
    """A page, by an address whose {names} are filled from `known`, as somebody of this role sees it."""

    name: str
    address: str
    role: str = "data_engineer"

    def of(self, site: Site) -> str:
        return self.address.format(**known(site))


MAIN_PAGES = (
    MainPage("login", "/admin/login/", role=""),
    MainPage("overview", "/admin/"),
    MainPage("find-help", "/admin/facilities/facility/find-help/?service=hiv-pep&county=032"),
    MainPage("stale-contacts", "/admin/facilities/facility/stale-contacts/"),
    MainPage("map", "/admin/facilities/facility/map/"),
    MainPage("facilities", "/admin/facilities/facility/"),
    MainPage("facility", "/admin/facilities/facility/{facility}/change/"),
    MainPage("facility-as-viewer", "/admin/facilities/facility/{facility}/change/", role="viewer"),
    MainPage("history", "/admin/facilities/facility/{facility}/history/"),
    MainPage("protected", "/admin/facilities/facility/{confidential}/protected/", role="safeguarding_lead"),
    MainPage("duplicates", "/admin/etl/duplicatepair/"),
    MainPage("duplicate", "/admin/etl/duplicatepair/{pair}/change/"),
    MainPage("rejects-by-rule", "/admin/etl/sourcerecordversion/by-rule/"),
    MainPage("rejects", "/admin/etl/sourcerecordversion/?state__exact=rejected"),
    MainPage("runs", "/admin/etl/importrun/"),
    MainPage("run", "/admin/etl/importrun/1/change/"),
    MainPage("report", "/admin/etl/importrun/1/report/"),
    MainPage("import-now", "/admin/etl/runrequest/add/"),
    MainPage("audit-trail", "/admin/core/auditentry/"),
)
PAGES_BY_NAME = {page.name: page for page in MAIN_PAGES}

# an open place with a phone, an address and more than one source; a confidential one; a pair, of facilities that are two
_WELL_KNOWN = """
SELECT facility_id FROM facilities f WHERE NOT is_confidential AND address <> ''
AND EXISTS (SELECT FROM facility_contacts c JOIN contact_types t USING (contact_type_id)
            WHERE c.facility_id = f.facility_id AND t.code = 'phone')
ORDER BY (SELECT count(*) FROM source_records s WHERE s.facility_id = f.facility_id) DESC, facility_id LIMIT 1
"""
_CONFIDENTIAL = "SELECT facility_id FROM facilities WHERE is_confidential ORDER BY facility_id LIMIT 1"
_PAIR = "SELECT pair_id FROM duplicate_pairs WHERE decision = 'to_review' ORDER BY score DESC LIMIT 1"


def known(site: Site) -> dict[str, object]:
    """Return the rows that addresses name."""
    return {"facility": site.one(_WELL_KNOWN), "confidential": site.one(_CONFIDENTIAL), "pair": site.one(_PAIR)}
