//! A way to a PostgreSQL that a test can cut: the PostgreSQL itself is every test's.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The only way to a PostgreSQL, which can be cut and mended.
pub struct Way {
    pub address: SocketAddr,
    to: u16,
    carrier: JoinHandle<()>,
}

impl Way {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        Self {
            address,
            to: port,
            carrier: tokio::spawn(carry(listener, port)),
        }
    }

    /// Ends every connection, and refuses new ones.
    pub async fn cut(&mut self) {
        self.carrier.abort();
        let ended = (&mut self.carrier).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Lets connections through again.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port");
        self.carrier = tokio::spawn(carry(listener, self.to));
    }
}

async fn carry(listener: TcpListener, port: u16) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.expect("accepted");
        connections.spawn(async move {
            let far = TcpStream::connect(("127.0.0.1", port)).await;
            let mut far = far.expect("the tests' PostgreSQL");
            // Either side may hang up.
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
