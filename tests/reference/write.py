"""Writes docs/api-reference.md and docs/operator/settings.md from what the data server says of
itself: its lists of tools, resources and prompts, and its `--help`.

python tests/reference/write.py

The words that a list for models has no room for, and one example of each thing, are in
`notes.json`.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import settings_page  # noqa: E402
from announced import announced  # noqa: E402
from installation import Installation  # noqa: E402
from reference_page import PAGE, read_notes, written  # noqa: E402


def main() -> None:
    program = Installation.from_environment(os.environ).binary("mcp-server")
    PAGE.write_text(written(announced(program), read_notes()))
    settings_page.PAGE.write_text(settings_page.settings_written(settings_page.help_of(program)))
    print(f"{PAGE} and {settings_page.PAGE}: written")


if __name__ == "__main__":
    main()
