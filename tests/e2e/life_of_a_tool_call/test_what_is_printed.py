"""What `portcullis up` prints: commands to try, which work as they are printed, and a line when it
starts a program again.
"""

import json
import re
import subprocess
from pathlib import Path

from polling import until

RESTART = re.compile(
    r"^\d\d:\d\d:\d\d UTC  data server was ended by signal 9; it is started again in "
    r"\d+\.\d s; log: (/.*)$",
    re.MULTILINE,
)
BACK = re.compile(r"^\d\d:\d\d:\d\d UTC  data server is back$", re.MULTILINE)


def printed_commands(announcement: str) -> list[str]:
    """Returns the commands that are to be pasted into a second terminal, in order."""
    _, _, rest = announcement.partition("In a second terminal, try\n")
    commands, _, _ = rest.partition("For an MCP client's configuration:")
    # A command may go over several lines, as the shell reads them.
    lines = commands.replace("\\\n", "").splitlines()
    return [line.strip() for line in lines if line.startswith("    ")]


def test_it_prints_commands_that_work(stack):
    commands = printed_commands(stack.announcement)
    assert len(commands) >= 5, stack.announcement
    for command in commands:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (command, done.stderr)
        if command.startswith("curl"):
            answer = json.loads(done.stdout)
            assert "error" not in answer and answer.get("status", 200) == 200, (command, answer)


def test_it_prints_a_configuration_that_names_the_gateway(stack):
    (line,) = [line for line in stack.announcement.splitlines() if "mcpServers" in line]
    assert json.loads(line)["mcpServers"]["portcullis"]["url"] == stack.url


def test_it_prints_a_line_for_a_program_that_it_starts_again(stack):
    before = len(stack.process.log_end(1_000_000))
    stack.kill("mcp-server")
    printed = until(
        "the restart is told",
        lambda: RESTART.search(stack.process.log_end(1_000_000), before),
    )
    assert Path(printed[1]) == stack.data / "logs/mcp-server.log"
    assert Path(printed[1]).is_file()
    until(
        "its return is told", lambda: BACK.search(stack.process.log_end(1_000_000), printed.end())
    )
