"""A client's connection over TLS."""

import ssl

from cryptography import x509

from raw_http import Connection


class TlsConnection(Connection):
    """One connection of HTTP/1.1 over TLS, to a host of the certificate's name."""

    def __init__(self, port: int, context: ssl.SSLContext, host: str) -> None:
        super().__init__(port)
        self.socket = context.wrap_socket(self.socket, server_hostname=host)

    def serial(self) -> int:
        """The serial number of the certificate that it was shown."""
        shown = self.socket.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).serial_number
