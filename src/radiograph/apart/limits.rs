//! Limits on the decoding process, set by itself before it reads a byte.
//!
//! Separate because it is the one place that speaks to the system; where the system knows no such limit, the time
//! limit of the program still holds.

/// Memory of the process beyond the file that it reads, bytes.
pub(super) const MOST_MEMORY: u64 = 1 << 30;

/// Address space of at most `MOST_MEMORY` and `file_bytes`, and no core file.
#[cfg(unix)]
pub(super) fn set(file_bytes: u64) {
    let limit = |what, bytes: u64| {
        let mut now = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        #[expect(
            unsafe_code,
            reason = "the limits of a process have no other interface"
        )]
        // SAFETY: both calls read or write the one structure given to them, which lives until they return.
        unsafe {
            if libc::getrlimit(what, &raw mut now) == 0 {
                now.rlim_cur = (bytes as libc::rlim_t).min(now.rlim_max);
                // Refused on a system without this limit: then the time limit remains.
                libc::setrlimit(what, &raw const now);
            }
        }
    };
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_AS, MOST_MEMORY.saturating_add(file_bytes));
}

/// No limits on memory here; the time limit of the program holds.
#[cfg(not(unix))]
pub(super) fn set(_file_bytes: u64) {}
