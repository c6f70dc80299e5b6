//! The tokens of PostgreSQL's `pg_strtok`.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    OpenNode,
    CloseNode,
    OpenList,
    CloseList,
    Word(&'a [u8]),
}

/// The tokens of PostgreSQL's `pg_strtok`.
pub(super) struct Tokens<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\n' | b'\t'))?;
        let text = &self.rest[start..];
        let sign = match text.first()? {
            b'{' => Some(Token::OpenNode),
            b'}' => Some(Token::CloseNode),
            b'(' => Some(Token::OpenList),
            b')' => Some(Token::CloseList),
            _ => None,
        };
        if let Some(sign) = sign {
            self.rest = &text[1..];
            return Some(sign);
        }
        let mut end = 0;
        while let Some(byte) = text.get(end) {
            match byte {
                b' ' | b'\n' | b'\t' | b'{' | b'}' | b'(' | b')' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let (word, rest) = text.split_at(end.min(text.len()));
        self.rest = rest;
        Some(Token::Word(word))
    }
}
