"""The check inside Spark, on a Spark of its own: statements, and plans built without SQL."""

import subprocess

from installation import REPOSITORY

OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)
"""What Spark wants opened of Java's own packages."""


def test_it_judges_every_row_of_its_table_as_the_row_says(installation, tmp_path):
    extension = REPOSITORY / "mcp-server/spark-extension"
    jars = f"{installation.home / 'spark'}/jars/*"
    classes, folder = tmp_path / "classes", tmp_path / "folder"
    folder.mkdir()
    sources = sorted(str(path) for path in extension.rglob("*.java"))
    compiled = subprocess.run(
        ["javac", "-nowarn", "--release", "17", "-cp", jars, "-d", classes, *sources],
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stderr
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    java = installation.home / "java/bin/java"
    small = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx1g"]
    command = [
        java,
        *opened,
        *small,
        "-cp",
        f"{classes}:{jars}",
        "portcullis.spark.RuleTable",
        folder,
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
