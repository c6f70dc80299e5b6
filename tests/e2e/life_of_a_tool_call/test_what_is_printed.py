"""The commands that `portcullis up` prints to try work as they are printed."""

import json
import subprocess


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
