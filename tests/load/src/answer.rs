//! The form that an answer must have to count.

use anyhow::{Result, ensure};

/// The status and a part of the body that every answer must have.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The HTTP status that the answer must have.
    pub status: u16,
    /// Bytes that occur in the body.
    pub body: Vec<u8>,
}

impl Expectation {
    /// # Errors
    /// The answer has another status, or its body lacks the expected part; the message shows the
    /// answer's beginning.
    pub fn check(&self, head: &[u8], body: &[u8]) -> Result<()> {
        let status = head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let met = status.and_then(|digits| digits.parse().ok()) == Some(self.status)
            && memchr::memmem::find(body, &self.body).is_some();
        ensure!(
            met,
            "expected status {} and `{}` in the body, got `{}`",
            self.status,
            String::from_utf8_lossy(&self.body),
            String::from_utf8_lossy(&[head, body].concat())
                .chars()
                .take(600)
                .collect::<String>()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_only_the_expected_answer() {
        let expectation = Expectation {
            status: 200,
            body: b"\"result\"".to_vec(),
        };
        let check =
            |head: &str, body: &str| expectation.check(head.as_bytes(), body.as_bytes()).is_ok();
        assert!(check("HTTP/1.1 200 OK\r\n\r\n", r#"{"result":1}"#));
        assert!(!check(
            "HTTP/1.1 429 Too Many Requests\r\n\r\n",
            r#"{"result":1}"#
        ));
        assert!(!check("HTTP/1.1 200 OK\r\n\r\n", r#"{"error":1}"#));
        assert!(!check("", ""));
    }
}
