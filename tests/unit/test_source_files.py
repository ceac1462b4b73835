"""What a command writes replaces no list that is to be read."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.world import RAW


@pytest.mark.parametrize("option", ["--report", "--profile"])
@pytest.mark.parametrize("name", ["regional.json", "kps_stations/part-1.json"])
def test_a_report_or_profile_takes_the_place_of_no_list(option: str, name: str) -> None:
    with pytest.raises(CommandError, match="names a list that is to be read") as refused:
        call_command("import_facilities", "--data-dir", str(RAW), option, str(Path(RAW) / ".." / RAW.name / name))
    assert refused.value.returncode == 2
