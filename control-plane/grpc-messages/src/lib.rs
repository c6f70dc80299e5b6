//! The messages of a gRPC request, each as the bytes that came in.
//!
//! The streams of Envoys last for hours and say little after their first message. tonic reads into
//! a buffer that has the size of the longest message until the stream ends; [`Messages`] keeps
//! nothing of a message that it has handed out, and only the part that has come in of the one that
//! is under way. Where the frames of a body are whole messages, what it hands out are slices of
//! them, and whatever belongs to a frame (a part of a budget) goes with the last slice.
//!
//! It decodes nothing, and reads no compressed messages: Envoy sends none.
//!
//! The layout is that of gRPC's "Length-Prefixed-Message".

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::{Code, Status};

/// The bytes before each message: whether it is compressed, and its length.
pub const PREFIX: usize = 5;

/// The messages of one request, in order.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    most: usize,
    /// The frame that came last, but for what was handed out.
    frame: Bytes,
    /// The part of a message that has come in; the frame is empty meanwhile.
    begun: Vec<u8>,
}

impl Messages {
    /// The messages of this body, of which none is longer than `most` bytes.
    #[must_use]
    pub fn new(body: Body, most: usize) -> Self {
        Self {
            body,
            most,
            frame: Bytes::new(),
            begun: Vec::new(),
        }
    }

    /// Waits for the next message; none when its sender has ended the request, or is gone.
    ///
    /// # Errors
    /// When a message is too long, compressed, or breaks off, and where the body fails. Nothing is
    /// to be read after an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.split()? {
                return Ok(Some(message));
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(status)) if status.code() == Code::Cancelled => return Ok(None),
                Some(Err(status)) => return Err(status),
                None if self.begun.is_empty() => return Ok(None),
                None => return Err(Status::internal("the request ended within a message")),
            };
            if let Ok(data) = frame.into_data() {
                self.take(data);
            }
        }
    }

    fn take(&mut self, data: Bytes) {
        if self.begun.is_empty() {
            self.frame = data;
            return;
        }
        self.begun.extend_from_slice(&data);
        if whole_messages(&self.begun, self.most) > 0 {
            self.frame = std::mem::take(&mut self.begun).into();
        }
    }

    /// Takes the next message off the frame; where the whole of it is not there, its beginning
    /// waits for the rest.
    fn split(&mut self) -> Result<Option<Bytes>, Status> {
        if let Some((prefix, rest)) = self.frame.split_first_chunk::<PREFIX>() {
            let [compressed, ..] = *prefix;
            let length = length(*prefix);
            if length > self.most {
                return Err(Status::out_of_range(format!(
                    "a message of {length} bytes is too long: at most {} are read",
                    self.most
                )));
            }
            if compressed != 0 {
                return Err(Status::unimplemented(
                    "compressed messages are not read: send them as they are",
                ));
            }
            if rest.len() >= length {
                self.frame.advance(PREFIX);
                let message = self.frame.split_to(length);
                if self.frame.is_empty() {
                    self.frame = Bytes::new();
                }
                return Ok(Some(message));
            }
        }
        if !self.frame.is_empty() {
            // A copy: the frame may be the end of something much larger.
            self.begun = std::mem::take(&mut self.frame).to_vec();
        }
        Ok(None)
    }
}

/// How many bytes, from the beginning, are whole messages; all of them where a message is longer
/// than `most`, which its reader refuses by its length alone.
#[must_use]
pub fn whole_messages(bytes: &[u8], most: usize) -> usize {
    let mut whole = 0;
    while let Some((prefix, rest)) = bytes
        .get(whole..)
        .and_then(<[u8]>::split_first_chunk::<PREFIX>)
    {
        let length = length(*prefix);
        if length > most {
            return bytes.len();
        }
        if rest.len() < length {
            break;
        }
        whole += PREFIX + length;
    }
    whole
}

/// The length of a message, in bytes.
fn length([_, length @ ..]: [u8; PREFIX]) -> usize {
    usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
