//! A header map as the proxy hands it over: one block of bytes, read in place.

/// All pairs of a header map, names in lower case.
///
/// The block is that of the proxy-wasm ABI: the number of pairs, the lengths of each name and value
/// (all as little-endian 32-bit integers), then each name and each value with a NUL after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPairs(Vec<u8>);

const WORD: usize = 4;

impl HeaderPairs {
    /// Takes over a block from the proxy.
    #[must_use]
    pub fn from_block(block: Vec<u8>) -> Self {
        Self(block)
    }

    /// The block for these pairs.
    #[must_use]
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])> + Clone) -> Self {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let count = u32::try_from(pairs.clone().into_iter().count()).unwrap_or(u32::MAX);
        let mut block = count.to_le_bytes().to_vec();
        for (name, value) in pairs.clone() {
            block.extend(length(name.as_bytes()));
            block.extend(length(value));
        }
        for (name, value) in pairs {
            for text in [name.as_bytes(), value] {
                block.extend_from_slice(text);
                block.push(0);
            }
        }
        Self(block)
    }

    /// The block, as the proxy takes it.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        &self.0
    }

    /// How many pairs there are, as the block says; [`Self::iter`] finds fewer where it is cut
    /// short.
    #[must_use]
    pub fn count(&self) -> usize {
        word(&self.0, 0).unwrap_or(0)
    }

    /// Whether all names and values are ASCII: one look at all of them is quicker than one at each.
    #[must_use]
    pub fn are_ascii(&self) -> bool {
        let lengths = self.count().saturating_mul(2 * WORD).saturating_add(WORD);
        let (rows, rest) = self.0.get(lengths..).unwrap_or_default().as_chunks::<16>();
        let high_bits = rows
            .iter()
            .fold(0, |bits, row| bits | u128::from_le_bytes(*row));
        high_bits & (u128::MAX / 0xff * 0x80) == 0 && rest.is_ascii()
    }

    /// The pairs in their order. A block that is cut short ends the iteration.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let count = word(&self.0, 0).unwrap_or(0);
        let mut texts = count.saturating_mul(2 * WORD).saturating_add(WORD);
        let mut take = move |length: usize| {
            let end = texts.checked_add(length)?;
            let text = self.0.get(texts..end)?;
            texts = end + 1;
            Some(text)
        };
        (0..count).map_while(move |pair| {
            let lengths = WORD + pair * 2 * WORD;
            let name = take(word(&self.0, lengths)?)?;
            let value = take(word(&self.0, lengths + WORD)?)?;
            Some((name, value))
        })
    }
}

fn word(block: &[u8], at: usize) -> Option<usize> {
    let bytes = block.get(at..at.checked_add(WORD)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes() {
        let pairs = [
            (":method", &b"POST"[..]),
            ("x", b""),
            ("x", b"\xff\0"),
            ("", b"v"),
        ];
        let block = HeaderPairs::of(pairs);
        let read: Vec<(&[u8], &[u8])> = block.iter().collect();
        assert_eq!(read, pairs.map(|(name, value)| (name.as_bytes(), value)));
    }

    #[test]
    fn it_finds_the_one_byte_that_is_not_ascii() {
        for length in 0..70 {
            let value = vec![b'v'; length];
            let block = HeaderPairs::of([("name", value.as_slice())]);
            assert!(block.are_ascii());
            for place in 0..length {
                let mut value = value.clone();
                value[place] = 0x80;
                assert!(!HeaderPairs::of([("name", value.as_slice())]).are_ascii());
            }
        }
        // The length of this one is a byte that is not ASCII.
        assert!(HeaderPairs::of([("name", &[b'v'; 200][..])]).are_ascii());
    }

    #[test]
    fn it_never_panics_on_a_block_that_is_cut_or_lies() {
        let block = HeaderPairs::of([("name", &b"value"[..]), ("other", b"x")]).0;
        for length in 0..block.len() {
            assert!(
                HeaderPairs::from_block(block[..length].to_vec())
                    .iter()
                    .count()
                    <= 2
            );
        }
        for lie in [[0xff; 4], [0xff, 0xff, 0xff, 0x1f]] {
            for at in [0, 4, 8, 12] {
                let mut block = block.clone();
                block[at..at + 4].copy_from_slice(&lie);
                assert!(HeaderPairs::from_block(block).iter().count() <= 2);
            }
        }
        assert_eq!(HeaderPairs::from_block(Vec::new()).iter().count(), 0);
    }
}
