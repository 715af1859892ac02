//! A set of open minutes, as bits. A year takes 64 KiB. Every question about windows is a scan over these bits, so its cost does not
//! depend on how often a window opens.

/// Minutes in a day without a change of the clock.
pub const DAY: i64 = 24 * 60;
/// Words that hold the bits of one day.
const WORDS: usize = 23;

/// The open minutes of one day.
pub type DayBits = [u64; WORDS];

/// The open minutes of a period. Minutes are counted from 1970-01-01T00:00:00Z.
#[derive(Debug)]
pub struct Minutes {
    start: i64,
    length: i64,
    bits: Vec<u64>,
}

impl Minutes {
    /// All of them closed.
    pub fn closed(start: i64, length: i64) -> Self {
        let words = usize::try_from(length.div_euclid(64) + 1).unwrap_or(0);
        Self { start, length, bits: vec![0; words] }
    }

    /// All of them open.
    pub fn open(start: i64, length: i64) -> Self {
        let mut all = Self::closed(start, length);
        all.bits.fill(u64::MAX);
        all
    }

    /// The first minute.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The first minute after the period.
    pub fn end(&self) -> i64 {
        self.start + self.length
    }

    /// Opens `from..to`.
    pub fn fill(&mut self, from: i64, to: i64) {
        let from = from.max(self.start) - self.start;
        let to = to.min(self.end()) - self.start;
        let mut at = from;
        while at < to {
            let (word, shift) = (at.div_euclid(64), at.rem_euclid(64));
            let count = (64 - shift).min(to - at);
            self.or(word, (u64::MAX >> (64 - count)) << shift);
            at += count;
        }
    }

    /// Opens the open minutes of a day that starts at the minute `at`.
    pub fn fill_day(&mut self, at: i64, day: &DayBits) {
        let offset = at - self.start;
        if offset <= -DAY || offset >= self.length {
            return;
        }
        let (first, shift) = (offset.div_euclid(64), offset.rem_euclid(64));
        for (word, bits) in (first..).zip(day) {
            self.or(word, bits << shift);
            if shift > 0 {
                self.or(word + 1, bits >> (64 - shift));
            }
        }
    }

    /// Closes the minutes that are open in `other`, which covers the same period.
    pub fn close(&mut self, other: &Self) {
        for (word, closed) in self.bits.iter_mut().zip(&other.bits) {
            *word &= !closed;
        }
    }

    /// Whether a minute is open.
    pub fn is_open(&self, at: i64) -> bool {
        self.next(at, true) == Some(at)
    }

    /// The first minute from `from` on that is open, or closed.
    pub fn next(&self, from: i64, open: bool) -> Option<i64> {
        let from = from.max(self.start) - self.start;
        let flip = if open { 0 } else { u64::MAX };
        let first = from.div_euclid(64);
        let words = self.bits.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
        let mut wanted = u64::MAX << from.rem_euclid(64);
        for (word, bits) in (first..).zip(words) {
            let hits = (bits ^ flip) & wanted;
            if hits != 0 {
                let at = word * 64 + i64::from(hits.trailing_zeros());
                return (at < self.length).then_some(self.start + at);
            }
            wanted = u64::MAX;
        }
        None
    }

    fn or(&mut self, word: i64, bits: u64) {
        if let Some(word) = usize::try_from(word).ok().and_then(|word| self.bits.get_mut(word)) {
            *word |= bits;
        }
    }
}
