//! Limits on the decoding process: memory and processor time, set by itself before it reads a byte, and how the program
//! sees whether it still works.
//!
//! Separate because it is the one place that speaks to the system; where the system knows no such limit, the clock of
//! the program still holds.

use std::time::Duration;

/// Memory of the process beyond the file that it reads, bytes.
pub(super) const MOST_MEMORY: u64 = 1 << 30;

/// A process that was given `most_seconds` of processor time and has used none for so long is asleep for good.
///
/// A machine that is busy with other things gives little time, but some. Where the system counts none, this is the
/// whole of the time that an answer is waited for.
pub(super) const fn most_quiet(most_seconds: u64) -> Duration {
    if cfg!(unix) {
        Duration::from_secs(most_seconds.saturating_mul(4))
    } else {
        Duration::from_secs(most_seconds)
    }
}

/// Address space of at most `MOST_MEMORY` and `file_bytes`, and no core file.
#[cfg(unix)]
pub(super) fn set(file_bytes: u64) {
    system::limit(system::CORE, 0);
    system::limit(system::MEMORY, MOST_MEMORY.saturating_add(file_bytes));
}

/// At most `seconds` of processor time from now on, of all threads together and rounded up to whole seconds; beyond it
/// the system ends the process by `SIGXCPU`.
#[cfg(unix)]
pub(super) fn allow_seconds(seconds: u64) {
    if let Some(used) = system::used_seconds() {
        system::limit(system::TIME, used.saturating_add(seconds));
    }
}

/// No limits on memory here; the clock of the program holds.
#[cfg(not(unix))]
pub(super) fn set(_file_bytes: u64) {}

/// No limit on processor time here; the clock of the program holds.
#[cfg(not(unix))]
pub(super) fn allow_seconds(_seconds: u64) {}

/// Whether the system ended a process by this signal because its processor time was over.
#[cfg(unix)]
pub(super) const fn is_out_of_time(signal: i32) -> bool {
    signal == libc::SIGXCPU
}

/// Processor time that a process has used, in ticks of the system; absent where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn ticks(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in brackets and may hold anything; fields 14 and 15 (proc(5)) are utime and stime.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Not told here.
#[cfg(not(target_os = "linux"))]
pub(super) fn ticks(_process: u32) -> Option<u64> {
    None
}

#[cfg(unix)]
mod system {
    //! The calls themselves.

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    type Resource = libc::__rlimit_resource_t;
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    type Resource = libc::c_int;

    pub(super) const CORE: Resource = libc::RLIMIT_CORE;
    pub(super) const MEMORY: Resource = libc::RLIMIT_AS;
    pub(super) const TIME: Resource = libc::RLIMIT_CPU;

    /// Sets the soft limit on `what`, as far as the hard one allows.
    pub(super) fn limit(what: Resource, most: u64) {
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
                now.rlim_cur = (most as libc::rlim_t).min(now.rlim_max);
                // Refused on a system without this limit: then the clock remains.
                libc::setrlimit(what, &raw const now);
            }
        }
    }

    /// Processor time of this process so far, whole seconds, rounded up.
    pub(super) fn used_seconds() -> Option<u64> {
        let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        #[expect(unsafe_code, reason = "the time of a process has no other interface")]
        // SAFETY: the call writes the one structure given to it, and zeros are a valid one before that.
        let used = unsafe {
            if libc::getrusage(libc::RUSAGE_SELF, used.as_mut_ptr()) != 0 {
                return None;
            }
            used.assume_init()
        };
        let whole = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        Some((whole(used.ru_utime) + whole(used.ru_stime)).div_ceil(1_000_000))
    }
}
