//! A result as one file: the bytes of its blocks, a record of each block, the facts about the
//! whole, and eight bytes that only a complete file ends with.
//!
//! The bytes come first and are the result itself, so that they are written as rows arrive and a
//! block is read with one look at its record. The facts are written last: a file without its end is
//! none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cutting::Cut;

/// The media type of Arrow's IPC stream, the one form that is no text.
pub(crate) const ARROW: &str = "application/vnd.apache.arrow.stream";

/// The last bytes of a complete file; a later form of the file has others.
const END: [u8; 8] = *b"results1";

/// The bytes of one record, in which every number is big-endian.
const RECORD: usize = 64;

/// The bytes after the facts: how many bytes these have, and [`END`].
const TAIL: u64 = 16;

/// The most bytes that facts have: 1 600 columns, each with the longest name and type there are, in
/// letters that JSON writes with six bytes each, need a third of this.
const LONGEST_FACTS: u64 = 4 << 20;

/// The facts about a whole result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultFacts {
    /// Under whom it is kept; `None` for callers without identity.
    pub owner: Option<String>,
    /// The media type of its bytes.
    pub mime_type: String,
    /// Its columns, as answers show them.
    pub columns: Value,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many blocks it has.
    pub blocks: u64,
    /// The SHA-256 of all of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// One block, as its record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) cut: Cut,
    pub(crate) sha256: [u8; 32],
}

impl Record {
    fn to_bytes(self) -> [u8; RECORD] {
        let Self { cut, sha256 } = self;
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&cut.offset.to_be_bytes());
        bytes[8..16].copy_from_slice(&cut.end.to_be_bytes());
        bytes[16..24].copy_from_slice(&cut.first_row.to_be_bytes());
        bytes[24..28].copy_from_slice(&cut.rows.to_be_bytes());
        bytes[28] = u8::from(cut.continues_row);
        bytes[32..].copy_from_slice(&sha256);
        bytes
    }

    fn of_bytes(bytes: &[u8; RECORD]) -> Self {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(number)
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&bytes[32..]);
        Self {
            cut: Cut {
                offset: number(0),
                end: number(8),
                first_row: number(16),
                rows: (number(24) >> 32) as u32,
                continues_row: bytes[28] == 1,
            },
            sha256,
        }
    }
}

/// The bytes of the file after those of the blocks.
pub(crate) fn end_of_file(records: &[Record], facts: &ResultFacts) -> io::Result<Vec<u8>> {
    let facts = serde_json::to_vec(facts)?;
    if facts.len() as u64 > LONGEST_FACTS {
        return Err(io::Error::other("the columns of the result are too long"));
    }
    let mut end = Vec::with_capacity(records.len() * RECORD + facts.len() + TAIL as usize);
    for record in records {
        end.extend_from_slice(&record.to_bytes());
    }
    end.extend_from_slice(&facts);
    end.extend_from_slice(&(facts.len() as u64).to_be_bytes());
    end.extend_from_slice(&END);
    Ok(end)
}

/// Reads the facts of a complete file.
pub(crate) fn read_facts(file: &File) -> io::Result<ResultFacts> {
    let length = file.metadata()?.len();
    let tail_at = length.checked_sub(TAIL).ok_or_else(broken)?;
    let mut tail = [0; TAIL as usize];
    file.read_exact_at(&mut tail, tail_at)?;
    let (announced, end) = tail.split_at(8);
    let announced = u64::from_be_bytes(announced.try_into().unwrap_or_default());
    if end != END || announced > LONGEST_FACTS.min(tail_at) {
        return Err(broken());
    }
    let mut facts = vec![0; usize::try_from(announced).map_err(|_| broken())?];
    file.read_exact_at(&mut facts, tail_at - announced)?;
    Ok(serde_json::from_slice(&facts)?)
}

/// Reads the record of one block of a complete file, which has so many bytes before its records.
pub(crate) fn read_record(file: &File, bytes: u64, block: u64) -> io::Result<Record> {
    let mut record = [0; RECORD];
    file.read_exact_at(&mut record, bytes + block * RECORD as u64)?;
    Ok(Record::of_bytes(&record))
}

/// Reads the bytes of a block.
pub(crate) fn read_block(file: &File, cut: &Cut) -> io::Result<Vec<u8>> {
    let length = cut.end.checked_sub(cut.offset).ok_or_else(broken)?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| broken())?];
    file.read_exact_at(&mut bytes, cut.offset)?;
    Ok(bytes)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is no kept result")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn it_reads_back_what_it_has_written_and_nothing_that_is_cut_off() {
        let record = |offset, end| Record {
            cut: Cut {
                offset,
                end,
                first_row: 7,
                rows: u32::MAX,
                continues_row: offset > 0,
            },
            sha256: [9; 32],
        };
        let records = [record(0, 3), record(3, 5)];
        let facts = ResultFacts {
            owner: Some("ada".to_owned()),
            mime_type: "text/csv".to_owned(),
            columns: Value::from(vec!["a"]),
            rows: 2,
            bytes: 5,
            blocks: 2,
            sha256: "00".to_owned(),
        };
        let whole = [
            b"abcde".to_vec(),
            end_of_file(&records, &facts).expect("short"),
        ]
        .concat();
        for length in 0..=whole.len() {
            let mut file = tempfile::tempfile().expect("a disk");
            file.write_all(&whole[..length]).expect("a disk");
            let read = read_facts(&file).ok();
            assert_eq!(read.as_ref(), (length == whole.len()).then_some(&facts));
            if read.is_some() {
                let second = read_record(&file, 5, 1).expect("it is there");
                assert_eq!(second, records[1]);
                assert_eq!(read_block(&file, &second.cut).expect("bytes"), b"de");
            }
        }
    }
}
