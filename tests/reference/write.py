"""Writes docs/api-reference.md from the data server's lists of tools, resources and prompts, and
the pages of settings from what `--help` of the data server and of the control plane says.

python tests/reference/write.py

The words that a list for models has no room for, and one example of each thing, are in
`notes.json`.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from announced import announced  # noqa: E402
from installation import Installation  # noqa: E402
from reference_page import PAGE, read_notes, written  # noqa: E402
from settings_page import PAGES, help_of, settings_written  # noqa: E402


def main() -> None:
    installation = Installation.from_environment(os.environ)
    PAGE.write_text(written(announced(installation.binary("mcp-server")), read_notes()))
    print(f"{PAGE}: written")
    for page in PAGES:
        said = help_of(installation.binary(page.program))
        page.path.write_text(settings_written(page, said))
        print(f"{page.path}: written")


if __name__ == "__main__":
    main()
