"""JSON Schema findings: the compiled gate and the explainer are of one mind, and no message shows a value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from etl.stages.validate import SCHEMAS_DIR, find_schema_errors

SCHEMAS = sorted(path.stem for path in SCHEMAS_DIR.glob("*.json"))
EXPLAINERS = {
    name: Draft202012Validator(json.loads((SCHEMAS_DIR / f"{name}.json").read_text(encoding="utf-8")))
    for name in SCHEMAS
}
MEMBERS = sorted({member for explainer in EXPLAINERS.values() for member in explainer.schema["properties"]})

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), texts),
    st.sampled_from(["x" * 51, "x" * 256, "x" * 1001, "x" * 2001, "001", "001\n", "GVRC-1", "GVRC-1\n", ""]),
)
members = st.one_of(st.sampled_from([*MEMBERS, "lat", "type", "value", "position", "accuracy"]), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members, inner, max_size=6), max_leaves=12
)


@pytest.mark.parametrize("schema", SCHEMAS)
@given(value=st.one_of(st.dictionaries(members, values, max_size=8), values))
def test_gate_and_jsonschema_agree_on_any_value(schema, value):
    assert bool(find_schema_errors(value, schema=schema, rule="r")) is not EXPLAINERS[schema].is_valid(value)


CANONICAL = {"facility_name": "Iten", "facility_code": "GVRC-7K3M", "location": {"county": "028"}}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("facility_code", "GVRC-7K3M\n"),
        ("facility_code", "gvrc-7k3m"),
        ("facility_code", ""),
        ("location", {"county": "028\n"}),
        ("location", {"county": "028", "ward": "0681\n"}),
        ("location", {"county": "028", "constituency": "14\n"}),
        ("location", {}),
        ("facility_name", ""),
        ("motto", "Care"),
    ],
)
def test_the_canonical_schema_refuses(member, value):
    assert find_schema_errors(CANONICAL | {member: value}, schema="canonical_facility", rule="canonical-schema")


def test_the_canonical_schema_accepts_the_least_record():
    assert find_schema_errors(CANONICAL, schema="canonical_facility", rule="canonical-schema") == ()


@pytest.mark.parametrize(
    ("payload", "message", "pointer"),
    [
        ({"name": ["0712000239"]}, "/name is a list, expected string or null", "/regions/0/name"),
        ({"name": "0712000239" * 101}, "/name is 1010 characters long, at most 1000 are kept", "/regions/0/name"),
        (
            {"services": ["a", True]},
            "/services/1 is a boolean, expected string or number or null",
            "/regions/0/services/1",
        ),
        (["0712000239"], "the record is a list, expected object", "/regions/0"),
    ],
)
def test_a_message_names_member_and_rule_and_never_the_value(payload, message, pointer):
    (finding,) = find_schema_errors(payload, schema="nested_regional", rule="raw-schema", pointer="/regions/0")
    assert (finding.message, finding.pointer, finding.rule) == (message, pointer, "raw-schema")
    assert "0712000239" not in repr(finding)


@pytest.mark.parametrize("payload", [{"name": "\ud800"}, {"name": "\x00"}, {"status": 10**400}])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_hostile_record_raises(schema, payload):
    find_schema_errors(payload, schema=schema, rule="raw-schema")
