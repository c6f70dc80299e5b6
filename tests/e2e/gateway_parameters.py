"""Parameters that many tests share."""

import pytest

from mcp_messages import Era
from raw_http import Connection
from raw_http2 import Http2Connection

WIRES = [Connection, Http2Connection]
"""The versions of HTTP that a gateway is spoken to by."""

over_http1 = pytest.mark.parametrize("wire", [Connection], ids=["http1"])
over_http2 = pytest.mark.parametrize("wire", [Http2Connection], ids=["http2"])
"""For a test about one version of HTTP; its docstring says why. Others run over both."""

in_both_eras = pytest.mark.parametrize("era", Era, ids=lambda era: era.name.lower())
