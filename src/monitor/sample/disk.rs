//! How full a file system is.

use super::{Missing, unreadable};

/// Percent of what an unprivileged user may use, as `df` shows it. Blocks, for ever where a network file system is
/// gone.
#[expect(clippy::cast_precision_loss, reason = "blocks of the largest disks fit")]
pub(in crate::monitor) fn used(path: &str) -> Result<f64, Missing> {
    let found = rustix::fs::statvfs(path).map_err(|error| unreadable(path, &error))?;
    let used = found.f_blocks.saturating_sub(found.f_bfree) as f64;
    let all = used + found.f_bavail as f64;
    // A file system without blocks, such as /proc, is never full.
    Ok(if all > 0.0 { used / all * 100.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_between_empty_and_full_and_one_that_is_not_there_says_so() {
        assert!((0.0..=100.0).contains(&used("/").unwrap()));
        assert_eq!(used("/proc"), Ok(0.0));
        assert!(used("/no/such/path").unwrap_err().to_string().contains("/no/such/path"));
    }
}
