"""What a golden record changes in the rows that stand."""

from dataclasses import replace
from decimal import Decimal

from etl.stages.plan import Action, ContactKey, FacilityState, PlannedPosition, plan_change, target_state
from etl.stages.records import Accuracy, Contact, FacilityRecord, Position

ITEN = FacilityRecord(
    source="regional",
    key="id:14586",
    facility_code="GVRC-1",
    name="Iten Hospital",
    facility_type="hospital",
    county_code="028",
    position=Position(Decimal("0.6703"), Decimal("35.5081"), Accuracy.EXACT),
    contacts=(Contact("phone", "1"), Contact("phone", "2"), Contact("email", "a@b.ke")),
    services=("legal-aid", "counselling"),
)


def plan(golden: FacilityRecord, existing: FacilityState | None):
    return plan_change(golden, code="GVRC-1", existing=existing, index_of=lambda value: f"index of {value}")


def standing(golden: FacilityRecord = ITEN) -> FacilityState:
    return target_state(golden, existing=None, index_of=lambda value: f"index of {value}")


PHONE, SECOND_PHONE, EMAIL = (
    ContactKey("phone", "index of 1"),
    ContactKey("phone", "index of 2"),
    ContactKey("email", "index of a@b.ke"),
)


def test_a_facility_that_does_not_stand_is_created_with_all_its_children():
    change = plan(ITEN, None)
    assert change.action is Action.CREATE
    assert change.fields["name"] == (None, "Iten Hospital")
    assert (change.services_to_add, change.position_changed) == ({"legal-aid", "counselling"}, True)


def test_the_first_contact_of_each_type_is_the_primary_one():
    assert plan(ITEN, None).contacts_to_set == {PHONE: True, SECOND_PHONE: False, EMAIL: True}


def test_a_facility_that_says_the_same_is_kept():
    change = plan(replace(ITEN, services=("counselling", "legal-aid")), standing())
    assert (change.action, change.fields, change.contacts_to_set) == (Action.KEEP, {}, {})


def test_a_position_with_more_zeros_is_the_same():
    longer = Position(Decimal("0.67030000"), Decimal("35.50810000"), Accuracy.EXACT)
    assert plan(replace(ITEN, position=longer), standing()).action is Action.KEEP


def test_a_changed_field_is_an_update_from_old_to_new():
    change = plan(replace(ITEN, town="Iten"), standing())
    assert (change.action, change.fields) == (Action.UPDATE, {"town": ("", "Iten")})


def test_children_are_reconciled_as_sets():
    change = plan(
        replace(ITEN, contacts=(Contact("phone", "2"),), services=("legal-aid", "shelter"), position=None), standing()
    )
    assert change.action is Action.UPDATE
    assert change.contacts_to_set == {SECOND_PHONE: True}
    assert change.contacts_to_remove == {PHONE, EMAIL}
    assert (change.services_to_add, change.services_to_remove) == ({"shelter"}, {"counselling"})
    assert change.position_changed


def test_an_import_never_lowers_confidentiality():
    change = plan(ITEN, standing(replace(ITEN, is_confidential=True)))
    assert (change.action, change.target.fields["is_confidential"]) == (Action.KEEP, True)


def test_a_place_that_becomes_confidential_has_its_position_sealed():
    change = plan(replace(ITEN, is_confidential=True), standing())
    assert change.fields == {"is_confidential": (False, True)}
    assert change.position_changed
    assert change.target.position == PlannedPosition(
        Decimal("0.6703"), Decimal("35.5081"), Accuracy.EXACT, is_sealed=True
    )


def test_a_facility_out_of_service_stays_out():
    state = standing()
    change = plan(ITEN, replace(state, fields={**state.fields, "is_active": False}))
    assert (change.action, change.target.fields["is_active"]) == (Action.KEEP, False)
