//! Inputs made from a corpus: bytes changed, moved, repeated, and mixed between files.

use fastrand::Rng;

use crate::corpus::Corpus;

/// The longest input. Limits that lie higher have tests of their own; here many inputs count.
const LONGEST: usize = 64 * 1024;

/// The most changes to one input: with more, hardly anything of the file is left to be read.
const MOST_CHANGES: usize = 6;

/// Pieces at which readers of text, JSON, YAML and SQL have gone wrong.
const PIECES: [&[u8]; 48] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b"\\",
    b",",
    b":",
    b"(",
    b")",
    b"*",
    b"/",
    b";",
    b"--",
    b"/*",
    b"*/",
    b"$$",
    b"E'",
    b"#",
    b"&a",
    b"*a",
    b"|",
    b"- ",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud800",
    b"\\u017f",
    b"\xc5\xbf",
    b"\xe2\x84\xaa",
    b"null",
    b"true",
    b"-0",
    b"0.1e-400",
    b"1e400",
    b"9007199254740993",
    b"18446744073709551616",
    b"\"id\":",
    b"{\"a\":{\"a\":",
];

/// Makes inputs, the same ones from the same seed.
pub(crate) struct Mutator<'a> {
    corpus: &'a Corpus,
    random: Rng,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(corpus: &'a Corpus, seed: u64) -> Self {
        Self {
            corpus,
            random: Rng::with_seed(seed),
        }
    }

    /// A file with some changes; one time in sixteen, random bytes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        if self.random.u8(..16) == 0 {
            let length = self.random.usize(..200);
            return (0..length).map(|_| self.random.u8(..)).collect();
        }
        let mut input = self.file().to_vec();
        for _ in 0..self.random.usize(1..=MOST_CHANGES) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn file(&mut self) -> &'a [u8] {
        let corpus = self.corpus;
        &corpus.files[self.random.usize(..corpus.files.len())].1
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let start = self.random.usize(..=input.len());
        let end = (start + self.length()).min(input.len());
        match self.random.u8(..9) {
            0 => self.flip(input),
            1 => replace(input, start, start, &[self.random.u8(..)]),
            2 => drop(input.drain(start..end)),
            3 => {
                let piece = PIECES[self.random.usize(..PIECES.len())];
                let end = if self.random.bool() { start } else { end };
                replace(input, start, end, piece);
            }
            4 => {
                // Repeated pieces: duplicate keys, deep nesting, long names.
                let piece = input[start..end].repeat(self.random.usize(1..=8));
                replace(input, start, start, &piece);
            }
            5 => {
                let piece = self.piece_of_a_file();
                let end = if self.random.bool() { start } else { end };
                replace(input, start, end, &piece);
            }
            6 => {
                let piece: Vec<u8> = input.drain(start..end).collect();
                let place = self.random.usize(..=input.len());
                replace(input, place, place, &piece);
            }
            7 => input[start..end].iter_mut().for_each(|byte| {
                if byte.is_ascii_alphabetic() {
                    *byte ^= 0x20;
                }
            }),
            _ => input.truncate(start),
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        if !input.is_empty() {
            let place = self.random.usize(..input.len());
            input[place] ^= 1 << self.random.u8(..8);
        }
    }

    /// Mostly a few bytes, as long as a token; seldom much of a file.
    fn length(&mut self) -> usize {
        let widest = if self.random.u8(..8) == 0 { 4096 } else { 12 };
        self.random.usize(1..=widest)
    }

    fn piece_of_a_file(&mut self) -> Vec<u8> {
        let file = self.file();
        let start = self.random.usize(..=file.len());
        let end = (start + self.length()).min(file.len());
        file[start..end].to_vec()
    }
}

fn replace(input: &mut Vec<u8>, start: usize, end: usize, piece: &[u8]) {
    input.splice(start..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn corpus(text: &str) -> Corpus {
        Corpus {
            files: vec![("file".to_owned(), text.as_bytes().to_vec())],
        }
    }

    #[test]
    fn it_makes_inputs_that_differ_and_stay_short() {
        let corpus = corpus(&"abcdefgh".repeat(2000));
        let mut mutator = Mutator::new(&corpus, 1);
        let inputs: HashSet<Vec<u8>> = (0..2000).map(|_| mutator.next_input()).collect();
        assert!(inputs.len() > 1900, "{} of 2000 differ", inputs.len());
        assert!(inputs.iter().all(|input| input.len() <= LONGEST));
    }

    #[test]
    fn it_changes_an_empty_file_too() {
        let corpus = corpus("");
        let mut mutator = Mutator::new(&corpus, 1);
        assert!((0..200).any(|_| !mutator.next_input().is_empty()));
    }

    #[test]
    fn it_repeats_a_key_and_nests_deeper() {
        let corpus = corpus(r#"{"name":[1]}"#);
        let mut mutator = Mutator::new(&corpus, 1);
        let inputs: Vec<_> = (0..5000).map(|_| mutator.next_input()).collect();
        let holds = |piece: &[u8]| {
            let found = |input: &Vec<u8>| input.windows(piece.len()).any(|part| part == piece);
            inputs.iter().any(found)
        };
        assert!(holds(b"[[["), "nests deeper");
        assert!(holds(br#""name":"name":"#), "repeats a key");
    }
}
