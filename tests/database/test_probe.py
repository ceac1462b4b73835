import time
from tests.conftest import *


def test_probe(db):
    for i in range(3):
        t = time.time()
        s = run_import(RAW)
        print(i, time.time() - t, s["totals"], s["rejects_by_rule"], s["duplicates"])
    recs = [provider(i) for i in range(200)]


def test_prov(db, tmp_path):
    write_providers(tmp_path, [provider(i) for i in range(200)])
    t = time.time()
    s = run_import(tmp_path, "other_services")
    print(time.time() - t, s["totals"], s["duplicates"], s["findings"])


def test_cmd(db, data_dir, run_command):
    print(run_command("--data-dir", data_dir))
    print(run_command("--json", "--data-dir", data_dir))
