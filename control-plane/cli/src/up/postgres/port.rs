//! The port of the local PostgreSQL: a free one, and the same each time.

use std::path::Path;

use anyhow::Context;

/// The port that the user chose, or the one of the last time, or a free one, which is remembered.
pub(crate) fn port(place: &Path, chosen: Option<u16>) -> anyhow::Result<u16> {
    let file = place.join("port");
    if let Some(port) = chosen {
        return Ok(port);
    }
    let remembered = std::fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = remembered
        && supervisor::is_free(([127, 0, 0, 1], port).into())?
    {
        return Ok(port);
    }
    let port = supervisor::free_port().context("no port is free for PostgreSQL")?;
    std::fs::write(&file, port.to_string())
        .with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_its_port() {
        let place = tempfile::tempdir().unwrap();
        let chosen = port(place.path(), None).unwrap();
        let remembered = std::fs::read_to_string(place.path().join("port")).unwrap();
        assert_eq!(remembered, chosen.to_string());
        // Ours while the socket lives, so that nobody can begin to listen meanwhile.
        let reserved = tokio::net::TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = reserved.local_addr().unwrap().port();
        std::fs::write(place.path().join("port"), own.to_string()).unwrap();
        assert_eq!(port(place.path(), None).unwrap(), own);
        assert_eq!(port(place.path(), Some(1)).unwrap(), 1);
    }

    #[test]
    fn it_takes_another_port_when_its_own_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        std::fs::write(place.path().join("port"), number.to_string()).unwrap();
        assert_ne!(port(place.path(), None).unwrap(), number);
    }
}
