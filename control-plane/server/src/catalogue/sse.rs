//! Server-sent events, as far as a reply to one request needs them (HTML Living Standard, 9.2.6).

/// Takes bytes as they arrive and gives the data of each complete event.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    data: Vec<u8>,
    after_carriage_return: bool,
}

impl EventReader {
    /// The data of every event that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_carriage_return =
                std::mem::replace(&mut self.after_carriage_return, *byte == b'\r');
            match byte {
                b'\n' if after_carriage_return => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                _ => self.line.push(*byte),
            }
        }
        events
    }

    fn end_of_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let mut data = std::mem::take(&mut self.data);
            // Each line of data added a line feed; the last one is not part of it.
            data.pop();
            return (!data.is_empty()).then_some(data);
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            self.data
                .extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.data.push(b'\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_joins_the_data_of_an_event_however_the_bytes_are_cut() {
        let stream = b": hello\r\nid: 1\r\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata\n\ndata: two\n\n";
        for cut in 1..stream.len() {
            let mut reader = EventReader::default();
            let events: Vec<Vec<u8>> = stream
                .chunks(cut)
                .flat_map(|chunk| reader.push(chunk))
                .collect();
            assert_eq!(
                events,
                [b"{\"a\":\n1}".to_vec(), b"two".to_vec()],
                "cut every {cut} bytes"
            );
        }
    }
}
