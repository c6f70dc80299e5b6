//! A session reads every answer that is due, refusals or not.

use config::SslMode;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::wire::MessageBounds;

/// A session whose server has given these answers.
async fn answered(answers: &[&[u8]]) -> (Session, tokio::io::DuplexStream) {
    let bounds = MessageBounds {
        row: 100,
        notice: 100,
    };
    let login = Login {
        host: String::new(),
        port: 1,
        user: String::new(),
        password: None,
        database: String::new(),
        ssl_mode: SslMode::Disable,
        ssl_root_cert: None,
        bounds,
    };
    let backend = Backend {
        process: 1,
        secret: 1,
        encrypted: false,
    };
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    for answer in answers {
        theirs.write_all(answer).await.expect("there is room");
    }
    let wire = Wire::new(Box::new(ours), bounds);
    (Session::on(wire, &Arc::new(login), backend), theirs)
}

const REFUSED: &[u8] = b"E\0\0\0\x1cVERROR\0C25P02\0Mrefused\0\0Z\0\0\0\x05E";

const DONE: &[u8] = b"Z\0\0\0\x05I";

#[tokio::test]
async fn it_reads_the_answers_behind_a_refusal_too() {
    let (mut session, _server) = answered(&[REFUSED, DONE, DONE]).await;
    session.forget_later("p1".to_owned());
    session.forget_later("p2".to_owned());
    let rolled_back = session.roll_back().await;
    assert!(rolled_back.is_err_and(|error| error.to_string() == "refused"));
    assert!(session.is_quiet());

    let (mut session, _server) = answered(&[REFUSED, DONE]).await;
    session.forget_later("p1".to_owned());
    session.forget_later("p2".to_owned());
    assert!(session.forget().await.is_err());
    assert!(session.is_quiet());
}

#[tokio::test]
async fn it_is_at_rest_only_when_everything_is_answered() {
    let (mut session, mut server) = answered(&[DONE]).await;
    session.send_close("p1").expect("it is short");
    session.send_simple("SELECT 1").expect("it is short");
    session.flush().await.expect("there is room");
    session.reply().await.expect("it is answered");
    assert!(!session.is_quiet());
    server.write_all(DONE).await.expect("there is room");
    session.reply().await.expect("it is answered");
    assert!(session.is_quiet());
}
