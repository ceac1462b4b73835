"""What `make test` runs of the long tests: a sample. FAULTS=all (`make faults`) runs every case of every test."""

import os
from collections import defaultdict
from collections.abc import Sequence

import pytest

IS_FULL = os.environ.get("FAULTS") == "all"
# what takes long, and fails no sooner than a shorter test beside it
in_full = pytest.mark.skipif(not IS_FULL, reason="make faults runs it")

# test -> how many of its cases, spread evenly over all of them, `make test` runs
CASES = {
    # tests/commands
    "test_a_refusal_is_one_line_that_says_what_to_do_and_quotes_no_secret": 12,
    "test_an_unsound_file_is_refused_whole_in_one_line_and_the_others_load": 5,
    "test_a_gate_ends_a_finished_run_with_4": 3,
    "test_the_application_role_alone_cannot_migrate": 0,
    "test_one_role_for_everything_is_warned_of": 0,
    "test_a_database_that_nobody_vouches_for_is_told_nothing": 0,
    "test_a_database_with_the_certificate_of_another_host_is_told_nothing": 0,
    # tests/database
    "test_merging_in_any_order_then_splitting_any_gives_the_originals_back": 2,
    "test_a_random_survivor_changes_nothing_in_what_a_split_gives_back": 2,
    "test_any_history_of_merges_and_splits_comes_back_to_the_originals": 2,
    "test_neither_the_order_of_records_nor_of_keys_matters": 2,
    "test_the_size_of_a_batch_does_not_matter": 1,
    "test_a_source_in_parts_gives_the_same_registry": 1,
    "test_its_sources_are_unchanged_after_it": 0,
    "test_neither_its_order_nor_its_parts_matter": 0,
    "test_half_a_position_or_one_off_the_map_is_an_error_of_the_form": 1,
    "test_what_was_not_on_the_page_marks_nothing": 2,
    "test_a_record_that_is_not_known_to_be_open_is_shown_as_little": 1,
    "test_a_number_that_new_places_claim_goes_to_the_smallest_code_and_the_others_name_its_holder": 1,
    "test_records_that_inherit_them_are_rejected": 3,
    "test_where_a_facility_reaches_into_two_counties_the_batch_size_does_not_matter": 0,
    "test_a_thousand_canaries_stay_out_of_the_log": 4,
    # tests/unit
    "test_a_megabyte_takes_every_cleaner_seconds_at_most": 3,
    "test_the_candidates_of_300_to_2000_records_are_all_pairs_that_the_score_flags": 8,
    "test_a_fault_at_the_end_of_a_large_file_is_found_with_its_line": 2,
    "test_gate_and_jsonschema_agree_on_any_value": 2,
    "test_a_closed_tree_of_root_stays_closed_and_its_data_go_to_the_shelter": 0,
    "test_an_initdb_killed_midway_is_done_again": 0,
    "test_a_database_is_made_once_when_two_processes_want_it": 0,
    "test_data_deleted_under_a_running_server_give_an_empty_new_one": 0,
    "test_a_half_finished_initdb_is_done_again": 0,
    "test_a_deep_path_works": 0,
    "test_spaces_quotes_and_dollars_in_the_path_work": 0,
    "test_a_misspelling_never_turns_the_name_of_a_ward_elsewhere_into_a_constituency": 0,
    "test_a_typo_yields_the_right_place_or_none": 1,
    # tests/faults
    "test_a_damaged_file_ends_with_1_and_changes_nothing_of_its_source": 3,
    "test_a_file_that_changes_between_its_two_readings_is_refused_whole": 1,
    "test_one_record_that_only_the_database_refuses_leaves_forty_nine": 2,
    "test_one_record_that_validation_refuses_leaves_forty_nine": 2,
    "test_a_transient_fault_at_any_statement_is_retried_inside_the_run": 1,
}  # fmt: skip


def all_or_sample[T](every: Sequence[T], sample: Sequence[T]) -> Sequence[T]:
    """Return every case where FAULTS=all, else the sample."""
    return every if IS_FULL else sample


def leave_to_make_faults(items: Sequence[pytest.Item]) -> None:
    """Mark the cases that `make test` does not run; a test that is named by itself runs them all the same with FAULTS=all."""
    cases_of: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases_of[getattr(item, "originalname", item.name)].append(item)
    for name, wanted in CASES.items():
        cases = cases_of[name]
        kept = {round(number * len(cases) / wanted) for number in range(wanted)} if wanted < len(cases) else None
        for number, item in enumerate(cases):
            if kept is not None and number not in kept:
                item.add_marker(in_full)
