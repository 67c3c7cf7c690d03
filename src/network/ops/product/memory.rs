//! Memory of results: buffers that are written before they are read, and one output shared by threads.
//!
//! Separate because these two are what keeps zero-filling and locks out of the operations.
#![expect(
    unsafe_code,
    reason = "zero-filling large results costs as much as a light operation itself"
)]

use std::marker::PhantomData;

/// An output that several threads write at the same time, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Output<'a> {
    start: *mut f32,
    length: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is only a place; whoever writes vouches for disjoint elements (`multiply`, `Output::slice`).
unsafe impl Send for Output<'_> {}
// SAFETY: as above.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    /// The output in a slice that nobody else can reach meanwhile.
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            length: slice.len(),
            borrow: PhantomData,
        }
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The address of an element; using it is up to the caller.
    pub(crate) fn at(&self, index: usize) -> *mut f32 {
        self.start.wrapping_add(index)
    }
}

/// A buffer of `length` elements. The contract of the crate: `fill` writes every element and reads none before.
pub(crate) fn filled(length: usize, fill: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut buffer = Vec::with_capacity(length);
    // SAFETY: the capacity is there, every bit pattern is an f32, and `fill` writes before anything reads, as every
    // caller in `ops` does; dropping f32 does nothing, so a panic inside is harmless.
    unsafe {
        let slice = std::slice::from_raw_parts_mut(buffer.as_mut_ptr(), length);
        fill(slice);
        buffer.set_len(length);
    }
    buffer
}

/// Runs `work` with a buffer of `length` elements of unknown content that stays with the thread for the next call.
pub(crate) fn with_scratch<T>(length: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let mut buffer = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    if buffer.len() <= MOST_KEPT {
        KEPT.with_borrow_mut(|kept| kept.push(buffer));
    }
    result
}

/// Largest buffer that a thread keeps, in elements (64 MiB).
pub(crate) const MOST_KEPT: usize = 16 << 20;
