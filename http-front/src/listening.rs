//! The socket that clients knock at.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// How many connections wait to be accepted, as far as the system allows (`net.core.somaxconn`).
/// `TcpListener::bind` keeps 128; each client beyond them is not answered, and tries again a second
/// later: a fleet or a crowd that comes at once, after a restart say, would lose that second.
const BACKLOG: u32 = 4096;

/// Listens on `address`, where thousands of clients may knock at once.
///
/// # Errors
/// When the address is not this machine's, or somebody else listens there.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server can have the address again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::try_join_all;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn it_lets_hundreds_of_clients_knock_before_it_accepts_one() {
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("the address");
        let knocking = try_join_all((0..400).map(|_| TcpStream::connect(address)));
        let connected = timeout(Duration::from_secs(20), knocking).await;
        let connected = connected.expect("all are answered though nobody accepts");
        assert_eq!(connected.expect("nobody is turned away").len(), 400);
    }

    #[tokio::test]
    async fn it_listens_where_a_server_was_a_moment_ago() {
        let first = listen("[::1]:0".parse().expect("an address")).expect("a free port");
        let address = first.local_addr().expect("the address");
        let client = TcpStream::connect(address).await.expect("it listens");
        let (accepted, _) = first.accept().await.expect("the client");
        drop((accepted, first));
        listen(address).expect("the address is free again");
        drop(client);
    }
}
