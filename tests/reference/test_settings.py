"""The pages of settings have every setting, as the program itself tells it."""

import pytest

from settings_page import PAGES, help_of, settings, settings_written


@pytest.mark.parametrize("page", PAGES, ids=[page.program for page in PAGES])
def test_it_is_written_from_the_help_of_the_program(installation, page):
    said = help_of(installation.binary(page.program))
    written = settings_written(page, said)
    assert page.path.read_text() == written, "type `make reference`, and commit it"


def test_it_reads_options_with_defaults_values_and_neither():
    text = """
Options:
      --plain
          Does
          it

      --mode <MODE>
          How it is done [default: the
          usual way]

          Possible values:
          - slow: With care
          - fast: Without

          [env: MODE=]

      --most <MOST>
          How many

          [env: MOST=]
          [default: 3]
          [possible values: 1, 3]

  -h, --help
          Print help
"""
    assert [(one.flag, one.variable, one.default, one.meaning) for one in settings(text)] == [
        ("--plain", "", "", "Does it"),
        ("--mode", "MODE", "the usual way", "How it is done; one of `slow`, `fast`"),
        ("--most", "MOST", "3", "How many; one of `1`, `3`"),
    ]
