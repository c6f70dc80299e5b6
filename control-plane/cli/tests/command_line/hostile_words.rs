//! Words of servers that are made for a terminal, which would obey them.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::peer::{answer_body, serve};
use crate::program::{portcullis, said, words};

/// A title that is set, a colour by C0 and by C1, a mark that turns the direction of text, and a
/// line that looks like one of the program's own.
const HOSTILE: &str = "x\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}31m\u{202e}y\r\nportcullis: all is well";

fn is_obeyed(letter: char) -> bool {
    letter != '\n' && (letter.is_control() || letter == '\u{202e}')
}

#[test]
fn it_tells_the_words_of_a_refusal_on_one_line_with_nothing_that_a_terminal_obeys() {
    let folder = tempfile::tempdir().unwrap();
    let error = json!({"code": -32000, "message": HOSTILE});
    let refusal = json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string();
    for (body, is_on_one_line) in [(refusal, true), (HOSTILE.to_owned(), false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || answer_body(&listener, &body));
        let output = portcullis(folder.path(), &["tools", "call", "x", "--url", &url])
            .output()
            .unwrap();
        answering.join().unwrap();
        let words = words(&output);
        assert!(words.contains("]0;owned"), "{words:?}");
        assert!(!words.contains(is_obeyed), "{words:?}");
        assert_eq!(
            words.trim_end().contains('\n'),
            !is_on_one_line,
            "{words:?}"
        );
    }
}

#[test]
fn it_shows_what_servers_wrote_in_every_form_with_nothing_that_a_terminal_obeys() {
    let folder = tempfile::tempdir().unwrap();
    let tool = json!({"name": "a", "listener": "mcp", "server": "s", "state": "withheld",
        "access": null, "limits": [], "reason": HOSTILE, "review": null});
    let answer = json!({"revision": 1, "standing": "in_force", "tools": [tool]}).to_string();
    let answer: &'static str = answer.leak();
    for form in ["table", "json", "yaml"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = serve(listener, 1, answer);
        let arguments = ["tools", "list", "-o", form, "--rest-address", &address];
        let output = portcullis(folder.path(), &arguments).output().unwrap();
        serving.join().unwrap();
        let said = said(&output);
        assert!(said.contains("]0;owned"), "{form}: {said:?}");
        assert!(!said.contains(is_obeyed), "{form}: {said:?}");
        if form == "json" {
            let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(shown["tools"][0]["reason"], HOSTILE);
        }
    }
}
