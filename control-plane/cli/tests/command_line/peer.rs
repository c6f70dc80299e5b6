//! The peers that the program asks in a test: each answers a request, whatever it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answers one request, whatever it is, with this tool result; gives the request.
pub fn answer_once(listener: TcpListener, result: &str) -> std::thread::JoinHandle<String> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    std::thread::spawn(move || answer_body(&listener, &body))
}

/// Answers one request with this body, whatever it is; gives the request.
pub fn answer_body(listener: &TcpListener, body: &str) -> String {
    let (peer, request) = receive(listener);
    answer(peer, "200 OK", body);
    request
}

/// Takes in one request, whatever it is, and leaves it unanswered for now.
pub fn receive(listener: &TcpListener) -> (TcpStream, String) {
    let (peer, _) = listener.accept().unwrap();
    let request = read_request(&peer);
    (peer, request)
}

/// Reads a request, its body included.
pub fn read_request(peer: impl Read) -> String {
    let mut request = String::new();
    let mut reader = BufReader::new(peer);
    while !request.ends_with("\r\n\r\n") {
        reader.read_line(&mut request).unwrap();
    }
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut sent = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut sent).unwrap();
    request.push_str(std::str::from_utf8(&sent).unwrap());
    request
}

/// Answers with JSON, and ends the connection.
pub fn answer(mut peer: impl Write, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    peer.write_all((head + body).as_bytes()).unwrap();
    peer.flush().unwrap();
}

/// Answers each of so many requests, whatever it is, with this JSON.
pub fn serve(
    listener: TcpListener,
    requests: usize,
    body: &'static str,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..requests {
            answer_body(&listener, body);
        }
    })
}
