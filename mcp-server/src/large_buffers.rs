//! The memory of large answers, which goes back to the system when it is freed.

/// The bytes from which on a buffer is a mapping of its own. Rows and blocks are smaller, and a
/// mapping costs as much as filling some pages; what is larger is an answer or a request.
#[cfg(target_env = "gnu")]
const OWN_MAPPING: i32 = 1 << 20;

/// Has the allocator give each large buffer a mapping of its own, which ends with it.
///
/// glibc raises that size by itself, up to 32 MiB, when such a buffer is freed. Answers then lie
/// among small things that live longer, and the process keeps what a burst of them took.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
pub fn give_back_when_freed() {
    // SAFETY: it sets a number of the allocator, which may be set at any time.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING) };
}

/// Leaves it to the allocator, which is another one here.
#[cfg(not(target_env = "gnu"))]
pub fn give_back_when_freed() {}
