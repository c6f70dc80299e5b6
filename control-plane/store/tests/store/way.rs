//! A way to a PostgreSQL that a test can cut: the PostgreSQL itself is every test's.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The only way to a PostgreSQL, which can be cut and mended.
pub struct Way {
    pub address: SocketAddr,
    to: u16,
    is_silent: watch::Sender<bool>,
    carrier: JoinHandle<()>,
}

impl Way {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let is_silent = watch::Sender::new(false);
        Self {
            address,
            to: port,
            carrier: tokio::spawn(carry(listener, port, is_silent.subscribe())),
            is_silent,
        }
    }

    /// Swallows whatever is sent, and tells nobody; the connections that were open then stay so.
    pub fn swallow(&self) {
        self.is_silent.send_replace(true);
    }

    /// Carries new connections again. Those that were swallowed stay so.
    pub fn carry_again(&self) {
        self.is_silent.send_replace(false);
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
        self.carrier = tokio::spawn(carry(listener, self.to, self.is_silent.subscribe()));
    }
}

async fn carry(listener: TcpListener, port: u16, is_silent: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.expect("accepted");
        let mut is_silent = is_silent.clone();
        connections.spawn(async move {
            let far = TcpStream::connect(("127.0.0.1", port)).await;
            let mut far = far.expect("the tests' PostgreSQL");
            let is_swallowed = tokio::select! {
                // Either side may hang up.
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => false,
                silent = is_silent.wait_for(|silent| *silent) => silent.is_ok(),
            };
            if is_swallowed {
                std::future::pending::<()>().await;
            }
        });
    }
}
