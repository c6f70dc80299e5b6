//! Cursors: the place where a page of a list ended, as a text that clients send back unread.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// The cursor of the page after `end`. Nothing in it is for a client to rely on.
pub fn seal(end: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(json!(end).to_string())
}

/// The end that a cursor was made of; `None` where the text is no cursor of such an end.
pub fn open<T: DeserializeOwned>(cursor: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn it_opens_a_cursor_to_the_end_that_it_was_made_of_and_opens_nothing_else() {
        let id = Uuid::now_v7();
        assert_eq!(open(&seal(&id)), Some(id));
        let end = (3, Some("a \"b\"".to_owned()));
        assert_eq!(open(&seal(&end)), Some(end));
        for cursor in ["", "x", "AAAA", &id.to_string(), &seal(&"a"), &seal(&1)] {
            assert_eq!(open::<Uuid>(cursor), None, "{cursor}");
        }
    }
}
