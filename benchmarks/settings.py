"""The benchmarks' settings: those of the tests, on a database of their own that every process of a run finds by its name."""

import os

from core.settings.test import *  # noqa: F403 - settings modules extend one another
from core.settings.test import DATABASES as OF_THE_TESTS

DATABASE_VARIABLE = "BENCH_DATABASE"
DATABASES = {"default": OF_THE_TESTS["default"] | {"NAME": os.environ.get(DATABASE_VARIABLE, "gvrc_bench")}}
