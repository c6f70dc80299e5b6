"""docs/operator/settings.md has every setting, as the data server itself tells it."""

from settings_page import PAGE, help_of, settings, settings_written


def test_it_is_written_from_the_help_of_the_server(installation):
    said = help_of(installation.binary("mcp-server"))
    assert PAGE.read_text() == settings_written(said), "type `make reference`, and commit it"


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
