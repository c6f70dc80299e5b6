//! The URI of a kept result, and of each of its blocks.

use std::fmt;
use std::str::FromStr;

/// The beginning of every such URI.
const SCHEME: &str = "result://";

/// The word before the number of a block.
const BLOCK: &str = "?block=";

/// The URI of a kept result, `result://{node}/{id}`, or of one of its blocks, which has
/// `?block={number}` behind it. There need not be such a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultUri {
    node: String,
    id: String,
    block: Option<u64>,
}

/// A text that is the URI of no result and of no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no URI of a result or of a block, such as result://n1/3f0c… or \
     result://n1/3f0c…?block=0"
)]
pub struct InvalidResultUri(String);

impl ResultUri {
    /// The form of all such URIs, as a template of RFC 6570.
    pub const TEMPLATE: &str = "result://{node}/{id}{?block}";

    /// The URI of the result with this id on this node. Both stand in it as they are.
    pub fn new(node: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            id: id.into(),
            block: None,
        }
    }

    /// The URI of a block of the same result.
    #[must_use]
    pub fn at_block(&self, number: u64) -> Self {
        Self {
            block: Some(number),
            ..self.clone()
        }
    }

    /// Reads the number of a block, which has one spelling: without a sign, and without zeros in
    /// front.
    pub fn read_block_number(text: &str) -> Option<u64> {
        let number: u64 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    }

    /// The name of the server that keeps the result.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The id of the result on its node.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the block, where it is the URI of one.
    pub fn block(&self) -> Option<u64> {
        self.block
    }
}

impl fmt::Display for ResultUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, id, block } = self;
        write!(f, "{SCHEME}{node}/{id}")?;
        match block {
            Some(number) => write!(f, "{BLOCK}{number}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ResultUri {
    type Err = InvalidResultUri;

    fn from_str(text: &str) -> Result<Self, InvalidResultUri> {
        read(text).ok_or_else(|| InvalidResultUri(text.to_owned()))
    }
}

fn read(text: &str) -> Option<ResultUri> {
    let (node, rest) = text.strip_prefix(SCHEME)?.split_once('/')?;
    let (id, block) = match rest.split_once(BLOCK) {
        Some((id, number)) => (id, Some(ResultUri::read_block_number(number)?)),
        None => (rest, None),
    };
    let is_id = !id.is_empty() && !id.contains(['/', '?', '#']);
    is_id.then(|| ResultUri {
        block,
        ..ResultUri::new(node, id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_takes_nothing_else_for_a_uri() {
        for (text, block) in [
            ("result://n1/3f0c", None),
            ("result://n1/3f0c?block=7", Some(7)),
        ] {
            let uri: ResultUri = text.parse().expect(text);
            assert_eq!((uri.node(), uri.id(), uri.block()), ("n1", "3f0c", block));
            assert_eq!(uri.to_string(), text);
        }
        let uri = ResultUri::new("n1", "3f0c");
        assert_eq!(uri.at_block(7).to_string(), "result://n1/3f0c?block=7");
        for text in [
            "result://n1",
            "result://n1/",
            "result://n1/x/y",
            "result://n1/x?block=-1",
            "result://n1/x?block=",
            "result://n1/x?block=07",
            "result://n1/x?block=+7",
            "result://n1/x?other=1",
            "result://n1/x#y",
            "postgres://n1/x",
        ] {
            assert!(text.parse::<ResultUri>().is_err(), "{text}");
        }
    }
}
