//! Lists of what is summed up: for each sum, places and the scales of what is there.

/// Lists of (place, scale), each with a place for its sum, in scratch memory.
pub(super) struct Lists<'a> {
    /// The scales.
    pub(super) values: &'a mut [f32],
    /// What they scale.
    pub(super) places: &'a mut [u32],
    /// Entries in all lists.
    pub(super) length: usize,
    /// For each list the place of its sum, and where it ends.
    pub(super) ends: &'a mut [[u32; 2]],
    /// How many lists there are.
    pub(super) count: usize,
}

impl<'a> Lists<'a> {
    /// Floats for so many entries in so many lists.
    pub(super) const fn scratch(entries: usize, lists: usize) -> usize {
        2 * (entries + lists)
    }

    pub(super) fn new(scratch: &'a mut [f32], entries: usize, lists: usize) -> Self {
        let (values, scratch) = scratch.split_at_mut(entries);
        let (places, scratch) = scratch.split_at_mut(entries);
        let places = as_u32(places);
        let (ends, _) = as_u32(&mut scratch[..2 * lists]).as_chunks_mut();
        Self {
            values,
            places,
            length: 0,
            ends,
            count: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.count = 0;
    }

    /// Ends a list, with so many entries in all lists. Its sum goes to `to`. One without entries is dropped.
    #[inline(always)]
    pub(super) fn end(&mut self, to: u32, length: usize) {
        self.ends[self.count] = [to, length as u32];
        self.count += usize::from(length > self.length);
        self.length = length;
    }
}

/// The same memory, for whole numbers.
pub(super) fn as_u32(scratch: &mut [f32]) -> &mut [u32] {
    // SAFETY: both have the same size and alignment and take any bits, and the slice stays borrowed.
    unsafe { core::slice::from_raw_parts_mut(scratch.as_mut_ptr().cast(), scratch.len()) }
}
