"""Parameters that many tests share."""

import pytest

from mcp_messages import Era

in_both_eras = pytest.mark.parametrize("era", Era, ids=lambda era: era.name.lower())
