"""A statement that lasts longer than Spark Connect's stream of answers, which its client asks for
again and again.
"""

from own_spark import DataServer, SparkConnect

SHORT_STREAMS = (
    "spark.connect.execute.reattachable.senderMaxStreamDuration=500ms",
    "spark.connect.execute.manager.detachedTimeout=10s",
    "spark.connect.execute.manager.maintenanceInterval=1s",
)
NAPS = "SELECT id, java_method('java.lang.Thread', 'sleep', 400L) AS nap FROM range(0, 30, 1, 1)"
"""One task that takes twelve seconds: longer than many streams, and than a statement may be without
a client.
"""


def test_it_waits_for_a_statement_through_many_streams_of_answers(installation, tmp_path):
    spark = SparkConnect(installation, tmp_path, *SHORT_STREAMS)
    try:
        server = DataServer(installation, tmp_path, spark, "--tools=all", "--spark-allow-writes")
        rows = server.run(NAPS, confirm=True)["rows"]
        assert [number for number, _ in rows] == list(range(30))
    finally:
        spark.process.stop()
