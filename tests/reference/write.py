"""Writes docs/api-reference.md from what the data server says that it offers.

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


def main() -> None:
    program = Installation.from_environment(os.environ).binary("mcp-server")
    PAGE.write_text(written(announced(program), read_notes()))
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
