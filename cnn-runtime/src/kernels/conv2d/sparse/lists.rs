//! Lists of what is summed up: for each sum, offsets of values and their scales.

/// Lists of (offset, scale), each with the offset of its sum, in scratch memory. The entries of all lists are
/// contiguous.
pub(super) struct Lists<'a> {
    /// The scale of each entry.
    pub(super) scales: &'a mut [f32],
    /// The offset of what it scales.
    pub(super) offsets: &'a mut [u32],
    /// Entries in all lists.
    pub(super) length: usize,
    /// For each list the offset of its sum, and the index of the entry behind its last.
    pub(super) ends: &'a mut [[u32; 2]],
    /// How many lists there are.
    pub(super) count: usize,
}

impl<'a> Lists<'a> {
    /// Floats for so many entries in so many lists.
    pub(super) const fn scratch(entries: usize, lists: usize) -> usize {
        2 * (entries + lists)
    }

    /// No lists, with room for so many entries in so many lists.
    pub(super) fn new(scratch: &'a mut [f32], entries: usize, lists: usize) -> Self {
        let (scales, scratch) = scratch.split_at_mut(entries);
        let (offsets, scratch) = scratch.split_at_mut(entries);
        let offsets = as_u32(offsets);
        let (ends, _) = as_u32(&mut scratch[..2 * lists]).as_chunks_mut();
        Self {
            scales,
            offsets,
            length: 0,
            ends,
            count: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.count = 0;
    }

    /// Ends a list, after which all lists have `length` entries. Its sum is at offset `to`. An empty list is dropped.
    #[inline(always)]
    pub(super) fn end(&mut self, to: u32, length: usize) {
        self.ends[self.count] = [to, length as u32];
        self.count += usize::from(length > self.length);
        self.length = length;
    }
}

/// The same memory, for whole numbers.
pub(super) fn as_u32(scratch: &mut [f32]) -> &mut [u32] {
    // SAFETY: both types have the same size and alignment and any bits are valid, and the slice stays borrowed.
    unsafe { core::slice::from_raw_parts_mut(scratch.as_mut_ptr().cast(), scratch.len()) }
}
