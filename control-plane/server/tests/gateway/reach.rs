//! The ports that a test may reach: those of its own servers. The default document names a server
//! on port 8000, where the real one may be listening on the same machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};

use control_plane::catalogue::CatalogueClient;
use reqwest::{Client, Proxy};
use tokio::net::TcpSocket;

static OURS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// An address at which nobody listens as long as the process lives: it is ours, and we do not
/// listen either.
static NOBODY: LazyLock<(TcpSocket, SocketAddr)> = LazyLock::new(reserve);

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
    let proxy = Proxy::custom(|url| {
        let ours = url
            .port()
            .is_some_and(|port| OURS.lock().unwrap().contains(&port));
        (!ours).then(|| format!("http://{}", NOBODY.1))
    });
    CatalogueClient::with(Client::builder().proxy(proxy)).unwrap()
}
