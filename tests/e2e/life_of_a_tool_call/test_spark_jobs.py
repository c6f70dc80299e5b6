"""Spark jobs through the gateway, on a real Spark; one outlives a crash of the data server.

Invariant 8 of docs/architecture.md.
"""

import pytest

from outcomes import failure, structured
from polling import until
from sdk_client import Sdk, SdkClient

PATIENCE = 240.0
"""Seconds for one job: a driver and an executor start for each."""
FINAL = {"finished", "failed", "killed", "unknown"}

FAILING = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
raise SystemExit(f"nothing to do for {spark.range(10).count()} rows")
"""
# Counts, then waits for a file, so that a test decides when it ends; the count goes into another.
GATED = """
import os, sys, time
from pyspark.sql import SparkSession
folder, rows = sys.argv[1], int(sys.argv[2])
spark = SparkSession.builder.getOrCreate()
counted = spark.range(rows).repartition(4).count()
while not os.path.exists(f"{folder}/go-on"):
    time.sleep(0.1)
with open(f"{folder}/counted", "w") as result:
    result.write(str(counted))
"""


def wait_for(what: str, condition) -> None:
    """Asks a few times a second: a job takes many of them, and every question is a call."""
    until(what, condition, PATIENCE, pause=0.3)


def job(client: SdkClient, job_id: str) -> dict:
    return structured(client.call("get_job_status", {"job_id": job_id}))


@pytest.fixture(scope="session")
def failed_job(installation, stack):
    """A job that has ended with an error, as it was when it was submitted."""
    with SdkClient(Sdk("client", "modern"), stack.url, installation.home) as client:
        submitted = structured(client.call("submit_spark_job", {"source": FAILING}))
        wait_for("the job is over", lambda: job(client, submitted["job_id"])["status"] in FINAL)
    return submitted


def test_it_knows_a_submitted_job_at_once(failed_job):
    assert failed_job["status"] in ("submitting", "submitted", "running")
    assert failed_job["finished_at"] is None


def test_it_tells_every_client_why_a_job_failed(client, failed_job):
    seen = job(client, failed_job["job_id"])
    assert seen["status"] == "failed"
    assert "nothing to do for 10 rows" in seen["error"]
    assert seen["finished_at"] and seen["submission_id"] and seen["application_id"]


def test_it_lists_a_job_for_every_client(client, failed_job):
    job_id = failed_job["job_id"]
    wanted = {"status": "failed", "since": failed_job["submitted_at"], "limit": 10}
    assert job_id in [
        one["job_id"] for one in structured(client.call("list_spark_jobs", wanted))["jobs"]
    ]
    before = {"until": failed_job["submitted_at"]}
    assert job_id not in [
        one["job_id"] for one in structured(client.call("list_spark_jobs", before))["jobs"]
    ]


def test_it_finds_no_job_that_nobody_submitted(client):
    nobody = {"job_id": "00000000-0000-7000-8000-000000000000"}
    assert nobody["job_id"] in failure(client.call("get_job_status", nobody))


def test_it_reads_the_logs_of_a_job_for_every_client(client, failed_job):
    job_id = failed_job["job_id"]
    script = structured(client.call("get_job_logs", {"job_id": job_id}))
    assert "nothing to do for 10 rows" in script["text"]
    head = {"job_id": job_id, "log": "driver", "offset": 0, "bytes": 8000}
    driver = structured(client.call("get_job_logs", head))
    assert driver["offset"] == 0 < driver["next_offset"] <= 8000
    assert f"spark.portcullis.job.id={job_id}" in driver["text"]
    executor = structured(client.call("get_job_logs", {"job_id": job_id, "log": "executor"}))
    assert executor["executors"] and executor["total_bytes"] > 0


def test_it_cancels_a_job_that_runs_and_one_that_runs_too_long(installation, stack):
    """Spark frees both; a repeated submission under one key starts no second driver."""
    with SdkClient(Sdk("client", "modern"), stack.url, installation.home) as client:
        folder = stack.data / "never"
        arguments = {"source": GATED, "args": [str(folder), "10"]}
        limited = {**arguments, "max_run_seconds": 5, "idempotency_key": "too long"}
        slow, again, too_long = (
            structured(client.call("submit_spark_job", job))["job_id"]
            for job in (arguments, limited, limited)
        )
        assert again == too_long
        wait_for("the job is ended", lambda: job(client, too_long)["status"] in FINAL)
        ended = job(client, too_long)
        assert ended["status"] == "killed" and "5 s" in ended["message"], ended
        wait_for("the job runs", lambda: job(client, slow)["status"] == "running")
        structured(client.call("cancel_job", {"job_id": slow}))
        wait_for("the job is over", lambda: job(client, slow)["status"] in FINAL)
        ended = job(client, slow)
        assert (ended["status"], ended["message"]) == ("killed", "it was cancelled")


@pytest.mark.run_last
def test_it_keeps_a_job_through_a_crash_of_the_data_server(installation, stack):
    """Submitted in one era, found again in the other after SIGKILL, watched to the end."""
    folder = stack.data / "gate"
    folder.mkdir()
    folder.chmod(0o777)
    with SdkClient(Sdk("python", "legacy"), stack.url, installation.home) as client:
        arguments = {
            "source": GATED,
            "args": [str(folder), "12345"],
            "conf": {"spark.sql.shuffle.partitions": "3"},
        }
        job_id = structured(client.call("submit_spark_job", arguments))["job_id"]
        wait_for("the job runs", lambda: job(client, job_id)["status"] == "running")
    stack.kill("mcp-server")
    with SdkClient(Sdk("python", "modern"), stack.url, installation.home) as client:
        until("the data server answers", lambda: "result" in client.call("list_spark_jobs"))
        assert job(client, job_id)["status"] == "running"
        (folder / "go-on").touch()
        wait_for("the job is over", lambda: job(client, job_id)["status"] in FINAL)
        ended = job(client, job_id)
    assert (ended["status"], ended["progress"], ended["error"]) == ("finished", 100, None)
    assert (folder / "counted").read_text() == "12345"
