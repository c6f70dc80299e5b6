//! Where a result is cut into blocks: between rows, and within a row only where that alone is
//! longer than a block. Positions alone, no bytes.

/// One block of a result, by its place in the bytes and in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The byte that it begins at, counted from the beginning of the result.
    pub(crate) offset: u64,
    /// The byte after its last one.
    pub(crate) end: u64,
    /// The number of the first row that begins in it, counted from 0.
    pub(crate) first_row: u64,
    /// How many rows begin in it.
    pub(crate) rows: u32,
    /// Whether it begins within a row that began in an earlier block.
    pub(crate) continues_row: bool,
}

/// The blocks of one result that may end because of their rows. Each block takes memory and a
/// record, and a caller may ask for blocks of one row.
const MOST_BY_ROWS: u32 = 10_000;

/// Decides where blocks end while a result grows.
#[derive(Debug, Clone)]
pub(crate) struct Cutter {
    most_bytes: u64,
    most_rows: u32,
    /// How many blocks have ended because of their rows.
    ended_by_rows: u32,
    block: Cut,
    /// Where the rows begin that were begun last, and how many they are.
    last_start: u64,
    last_rows: u32,
    rows_begun: u64,
}

impl Cutter {
    /// A cutter of blocks that have at most so many bytes, and, for the first ten thousand, so many
    /// rows.
    pub(crate) fn new(most_bytes: usize, most_rows: Option<u32>) -> Self {
        Self {
            most_bytes: most_bytes.max(4) as u64,
            most_rows: most_rows.unwrap_or(u32::MAX).max(1),
            ended_by_rows: 0,
            block: Cut {
                offset: 0,
                end: 0,
                first_row: 0,
                rows: 0,
                continues_row: false,
            },
            last_start: 0,
            last_rows: 0,
            rows_begun: 0,
        }
    }

    /// Rows that stay together, mostly one, begin at this byte; the block that ends there, if one
    /// does.
    pub(crate) fn begin_rows(&mut self, at: u64, rows: u32) -> Option<Cut> {
        let is_full = self.block.rows > 0
            && self.block.rows.saturating_add(rows) > self.most_rows
            && self.ended_by_rows < MOST_BY_ROWS;
        let full = is_full.then(|| {
            self.ended_by_rows += 1;
            let rows = self.block.rows;
            self.close(at, rows, false)
        });
        self.last_start = at;
        self.last_rows = rows;
        self.block.rows = self.block.rows.saturating_add(rows);
        self.rows_begun += u64::from(rows);
        full
    }

    /// The result has grown to this byte; a block that has ended, if one has. Asked again until
    /// none has. `floor` moves a place within a row back to where it may be cut.
    pub(crate) fn grow(&mut self, end: u64, floor: impl Fn(u64) -> u64) -> Option<Cut> {
        if end - self.block.offset <= self.most_bytes {
            return None;
        }
        if self.last_start > self.block.offset {
            let (last, rows) = (self.last_rows, self.block.rows);
            let cut = self.close(self.last_start, rows.saturating_sub(last), false);
            self.block.first_row = self.rows_begun - u64::from(last);
            self.block.rows = last;
            return Some(cut);
        }
        let at = floor(self.block.offset + self.most_bytes);
        let rows = self.block.rows;
        Some(self.close(at, rows, true))
    }

    /// The last block of a result that ends at this byte.
    pub(crate) fn finish(&mut self, end: u64) -> Cut {
        let rows = self.block.rows;
        self.close(end, rows, false)
    }

    fn close(&mut self, at: u64, rows: u32, is_within_row: bool) -> Cut {
        let next = Cut {
            offset: at,
            end: at,
            first_row: self.rows_begun,
            rows: 0,
            continues_row: is_within_row,
        };
        let mut cut = std::mem::replace(&mut self.block, next);
        cut.end = at;
        cut.rows = rows;
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of rows with these lengths, as (length, rows, whether it continues a row).
    fn blocks(rows: &[u64], most_bytes: usize, most_rows: Option<u32>) -> Vec<(u64, u32, bool)> {
        let mut cutter = Cutter::new(most_bytes, most_rows);
        let (mut at, mut cuts) = (0, Vec::new());
        for length in rows {
            cuts.extend(cutter.begin_rows(at, 1));
            at += length;
            while let Some(cut) = cutter.grow(at, |place| place) {
                cuts.push(cut);
            }
        }
        cuts.push(cutter.finish(at));
        let (mut end, mut row) = (0, 0);
        for cut in &cuts {
            assert_eq!((cut.offset, cut.first_row), (end, row), "{cuts:?}");
            (end, row) = (cut.end, row + u64::from(cut.rows));
        }
        assert_eq!((end, row), (at, rows.len() as u64));
        let shown = cuts.iter();
        shown
            .map(|cut| (cut.end - cut.offset, cut.rows, cut.continues_row))
            .collect()
    }

    #[test]
    fn it_cuts_between_rows_as_late_as_the_limits_allow() {
        assert_eq!(blocks(&[5; 4], 10, None), [(10, 2, false), (10, 2, false)]);
        assert_eq!(blocks(&[6; 2], 10, None), [(6, 1, false), (6, 1, false)]);
        let by_rows = [(2, 2, false), (1, 1, false)];
        assert_eq!(blocks(&[1; 3], 10, Some(2)), by_rows);
        assert_eq!(blocks(&[], 10, None), [(0, 0, false)]);
    }

    #[test]
    fn it_has_a_bounded_number_of_blocks_that_end_by_their_rows() {
        let most = MOST_BY_ROWS as usize;
        let cut = blocks(&vec![1; most + 10], 10, Some(1));
        assert_eq!(cut.len(), most + 1);
        assert_eq!(cut.last(), Some(&(10, 10, false)));
    }

    #[test]
    fn it_cuts_a_row_that_is_longer_than_a_block_and_says_where_it_goes_on() {
        let expected = [(3, 1, false), (10, 1, false), (10, 0, true), (8, 1, true)];
        assert_eq!(blocks(&[3, 24, 4], 10, None), expected);
    }
}
