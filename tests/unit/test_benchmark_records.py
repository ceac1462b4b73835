"""The generator of deliveries: what a seed determines, what is planted, and that nothing is held."""

import io
import json
from collections import Counter

import pytest

from benchmarks.records import write_sources
from benchmarks.shapes import SHAPES
from benchmarks.streaming import Members, write_json
from etl.sources import SOURCES
from etl.stages.extract import inspect_file, read_records


def records_of(delivery, name):
    source = SOURCES[name]
    sound = inspect_file(delivery.folder / f"{name}.json", source=name, layout=source.layout, max_bytes=10**9)
    return list(read_records(sound, source=name, layout=source.layout))


@pytest.fixture(scope="module")
def delivery(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("delivery"), 1_000)


def bytes_of(delivery):
    return {name: (delivery.folder / f"{name}.json").read_bytes() for name in SHAPES}


def test_a_seed_gives_the_same_bytes_again(delivery, tmp_path):
    assert bytes_of(write_sources(tmp_path, 1_000)) == bytes_of(delivery)


def test_another_seed_gives_another_delivery(delivery, tmp_path):
    assert bytes_of(write_sources(tmp_path, 1_000, seed=2)).items().isdisjoint(bytes_of(delivery).items())


def test_every_source_has_its_shape(delivery):
    assert SHAPES.keys() == SOURCES.keys()
    for name, count in delivery.records.items():
        records = records_of(delivery, name)
        assert len(records) == count
        assert not any(record.findings for record in records)
    assert delivery.count == 1_000


def test_one_in_twenty_repeats_another_exactly_and_one_nearly(delivery):
    assert 45 <= delivery.exact <= 50
    assert 45 <= delivery.near <= 50


def test_exact_duplicates_stand_inside_a_list_and_across_lists(delivery):
    seen = {
        name: Counter(record.payload.get("name") for record in records_of(delivery, name)) for name in ("regional",)
    }
    assert max(seen["regional"].values()) == 2
    elsewhere = {record.payload["organization_name"] for record in records_of(delivery, "category_B")}
    assert elsewhere & seen["regional"].keys()


def test_one_in_a_hundred_says_something_else_later(delivery, tmp_path):
    later = write_sources(tmp_path, 1_000, is_changed=True)
    changed = [
        (before.payload, after.payload)
        for name in SHAPES
        for before, after in zip(records_of(delivery, name), records_of(later, name), strict=True)
        if before.payload != after.payload
    ]
    assert len(changed) == 10
    for before, after in changed:
        assert {k: v for k, v in before.items() if "name" in k} == {k: v for k, v in after.items() if "name" in k}


def test_a_single_shape_can_be_written_alone(tmp_path):
    delivery = write_sources(tmp_path, 100, shapes=("kps_stations",))
    assert [path.name for path in tmp_path.iterdir()] == ["kps_stations.json"]
    assert delivery.records == {"kps_stations": 100}


def test_what_an_iterator_yields_is_written_before_it_is_asked_for_more():
    file = io.StringIO()

    def items():
        yield {"number": 1}
        assert '{"number": 1}' in file.getvalue()
        yield {"number": 2}

    write_json(
        file, {"plain": [1], "items": items(), "none": Members(iter(())), "some": Members(iter({"a": 1}.items()))}
    )
    written = {"plain": [1], "items": [{"number": 1}, {"number": 2}], "none": {}, "some": {"a": 1}}
    assert json.loads(file.getvalue()) == written
