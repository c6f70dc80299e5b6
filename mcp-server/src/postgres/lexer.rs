//! Splits SQL into tokens by PostgreSQL's own rules (documentation, chapter "Lexical Structure"; scan.l), for the checks that must see what
//! PostgreSQL will see and not what another parser makes of the text.
//!
//! It assumes `standard_conforming_strings = on`, which every transaction sets.

/// One token; white space and comments are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a keyword: folded to lower case when it was not quoted.
    Name(String),
    /// A string constant of any kind; what it says is data.
    String,
    /// `$1`.
    Parameter,
    /// A number.
    Number,
    /// Any other character.
    Symbol(char),
}

/// Why text is no sequence of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LexError {
    #[error("a quoted string or name is not closed")]
    OpenQuote,
    #[error("a comment is not closed")]
    OpenComment,
    #[error("a dollar-quoted string is not closed")]
    OpenDollar,
    #[error(
        "names and strings with Unicode escapes (`U&\"…\"`, `U&'…'`) are not taken; write the characters themselves"
    )]
    UnicodeEscapes,
    #[error("the text holds a NUL character")]
    Nul,
}

/// The tokens of `sql`.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token>, LexError> {
    if sql.contains('\0') {
        return Err(LexError::Nul);
    }
    let mut lexer = Lexer { rest: sql };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Option<Token>, LexError> {
        self.skip_blank()?;
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '\'' => self.string(Backslash::Plain)?,
            '"' => self.quoted_name()?,
            '$' => self.dollar()?,
            '0'..='9' => self.number(),
            '.' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            c if starts_name(c) => self.word()?,
            c => {
                self.rest = &self.rest[c.len_utf8()..];
                Token::Symbol(c)
            }
        };
        Ok(Some(token))
    }

    fn skip_blank(&mut self) -> Result<(), LexError> {
        loop {
            self.rest = self
                .rest
                .trim_start_matches([' ', '\t', '\n', '\r', '\u{c}', '\u{b}']);
            if self.rest.starts_with("--") {
                let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            } else if self.rest.starts_with("/*") {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) -> Result<(), LexError> {
        let bytes = self.rest.as_bytes();
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(pair) = bytes.get(at..at + 2) {
            match pair {
                b"/*" => {
                    depth += 1;
                    at += 2;
                }
                b"*/" => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        self.rest = &self.rest[at..];
                        return Ok(());
                    }
                }
                _ => at += 1,
            }
        }
        Err(LexError::OpenComment)
    }

    fn word(&mut self) -> Result<Token, LexError> {
        let end = self
            .rest
            .find(|c| !continues_name(c))
            .unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        let prefix = |letter: &str| word.eq_ignore_ascii_case(letter);
        if prefix("u") && (after.starts_with("&'") || after.starts_with("&\"")) {
            return Err(LexError::UnicodeEscapes);
        }
        self.rest = after;
        if after.starts_with('\'') {
            if prefix("e") {
                return self.string(Backslash::Escapes);
            }
            if prefix("b") || prefix("x") || prefix("n") {
                return self.string(Backslash::Plain);
            }
        }
        // PostgreSQL folds ASCII letters alone in UTF-8 databases.
        Ok(Token::Name(word.to_ascii_lowercase()))
    }

    /// From the opening quote on. Two quotes in a row are one in the string.
    fn string(&mut self, backslash: Backslash) -> Result<Token, LexError> {
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' if backslash == Backslash::Escapes => {
                    characters.next();
                }
                '\'' if characters.next_if(|(_, c)| *c == '\'').is_none() => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(Token::String);
                }
                _ => {}
            }
        }
        Err(LexError::OpenQuote)
    }

    fn quoted_name(&mut self) -> Result<Token, LexError> {
        let mut name = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            if c == '"' && characters.next_if(|(_, c)| *c == '"').is_none() {
                self.rest = &self.rest[at + 1..];
                return Ok(Token::Name(name));
            }
            name.push(c);
        }
        Err(LexError::OpenQuote)
    }

    /// `$1`, `$$…$$`, `$tag$…$tag$`, or a stray dollar sign.
    fn dollar(&mut self) -> Result<Token, LexError> {
        let after = &self.rest[1..];
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            self.rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            return Ok(Token::Parameter);
        }
        let tag_end = after
            .char_indices()
            .find(|&(at, c)| {
                !(if at == 0 {
                    starts_name(c)
                } else {
                    continues_name(c) && c != '$'
                })
            })
            .map_or(after.len(), |(at, _)| at);
        if !after[tag_end..].starts_with('$') {
            self.rest = after;
            return Ok(Token::Symbol('$'));
        }
        let delimiter = &self.rest[..tag_end + 2];
        let body = &self.rest[delimiter.len()..];
        let end = body.find(delimiter).ok_or(LexError::OpenDollar)?;
        self.rest = &body[end + delimiter.len()..];
        Ok(Token::String)
    }

    /// Digits, point, exponent; `1e5` and `0x1f` too. Letters right behind a number are a name of their own to older servers, so they
    /// are left for the next token unless they belong to the number.
    fn number(&mut self) -> Token {
        let digits =
            |text: &'a str| text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
        let mut rest = digits(self.rest);
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = digits(fraction);
        }
        if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if unsigned.starts_with(|c: char| c.is_ascii_digit()) {
                rest = digits(unsigned);
            }
        }
        self.rest = rest;
        Token::Number
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Plain,
    Escapes,
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_ascii_digit() || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        let found = match tokens(sql) {
            Ok(tokens) => tokens
                .iter()
                .map(|token| match token {
                    Token::Name(name) => format!("<{name}>"),
                    Token::String => "'".to_owned(),
                    Token::Parameter => "$".to_owned(),
                    Token::Number => "9".to_owned(),
                    Token::Symbol(c) => c.to_string(),
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn it_reads_text_as_postgresql_does() {
        check("SELECT a.B, \"C d\"", "<select> <a> . <b> , <C d>");
        check("\"a\"\"b\"", "<a\"b>");
        check(
            "pg_read_file /* x /* y */ */ ( 'a''b' )",
            "<pg_read_file> ( ' )",
        );
        check("a -- b\nc", "<a> <c>");
        check("a --b", "<a>");
        check("'a\\' b", "' <b>");
        check("e'a\\' b' c", "' <c>");
        check("E'\\\\' c", "' <c>");
        check("N'x' X'ff' b'1'", "' ' '");
        check("$$ a ' \" $$ b", "' <b>");
        check("$x$ $$ $y$ $x$ b", "' <b>");
        check("$1+$23", "$ + $");
        check("a$b$ c", "<a$b$> <c>");
        check("1.5e-3 .5 1e 0x1f", "9 9 9 <e> 9 <x1f>");
        check("select 1\u{a0}x", "<select> 9 <\u{a0}x>");
        check("héLLo ÀB", "<héllo> <Àb>");
        check("u + a", "<u> + <a>");
        check("U&\"x\"", "UnicodeEscapes");
        check("u&'x'", "UnicodeEscapes");
        check("'open", "OpenQuote");
        check("\"open", "OpenQuote");
        check("/* /* */", "OpenComment");
        check("$a$ b $b$", "OpenDollar");
        check("a\0b", "Nul");
    }
}
