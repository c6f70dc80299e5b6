//! The ports that a test may reach: those of its own servers. The default document names a server
//! on port 8000, where the real one may be listening on the same machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;

use control_plane::catalogue::CatalogueClient;
use tokio::net::TcpSocket;

static OURS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Takes a port that nobody else gets while the socket lives, and on which the caller may listen.
pub fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Lets tests reach this port.
pub fn allow(port: u16) {
    OURS.lock().unwrap().insert(port);
}

/// A client that finds nobody at any port but those of the test's own servers.
pub fn client() -> CatalogueClient {
    CatalogueClient::reaching(|port| OURS.lock().unwrap().contains(&port))
}
