//! When the next certificate is due. Pure.

use std::time::{Duration, SystemTime};

use crate::tls::Certificate;

/// How often the authority is asked at least when it wants a certificate renewed, and at most (RFC 9773, 4.3.2).
const ASK: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));
/// The first pause after a failed order. Each further one is four times as long, up to the longest: an authority that
/// could not reach this balancer counts the tries of an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// The shortest time between two certificates for one domain, but for those that live for less than four times of it.
const LEAST_REST: Duration = Duration::from_secs(3600);

/// The moment at which to renew by the authority's word: any of its window, so that not all come at once. `chance` is
/// 0 to 1.
pub(super) fn within(start: SystemTime, end: SystemTime, chance: f64) -> SystemTime {
    let window = end.duration_since(start).unwrap_or_default();
    start.checked_add(window.mul_f64(chance.clamp(0.0, 1.0))).unwrap_or(start)
}

/// The moment without such a word: when two thirds of the certificate's life have passed.
pub(super) fn by_age(certificate: &Certificate) -> SystemTime {
    let life = certificate.to.duration_since(certificate.from).unwrap_or_default();
    certificate.from.checked_add(life * 2 / 3).unwrap_or(certificate.to)
}

/// The latest moment, whatever the authority says: with a sixth of the certificate's life left for tries that fail.
pub(super) fn latest(certificate: &Certificate) -> SystemTime {
    let life = certificate.to.duration_since(certificate.from).unwrap_or_default();
    certificate.from.checked_add(life * 5 / 6).unwrap_or(certificate.to)
}

/// How long a certificate that has just come is kept, whatever the clock and the authority say: one of them is wrong when
/// it is due at once.
pub(super) fn rest(certificate: &Certificate) -> Duration {
    let life = certificate.to.duration_since(certificate.from).unwrap_or_default();
    (life / 4).min(LEAST_REST)
}

/// When to ask again for the authority's word, which says `hint`.
pub(super) fn ask_in(hint: Duration) -> Duration {
    hint.clamp(ASK.0, ASK.1)
}

/// How long to wait after so many failures in a row, of which there is one at least. `chance` is 0 to 1.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let factor = 4_u32.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    pause.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_used_in_its_whole_width_and_nowhere_else() {
        let (start, end) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!((within(start, end, 0.0), within(start, end, 1.0), within(start, end, 7.0)), (start, end, end));
        assert_eq!(within(start, end, 0.5), start + Duration::from_secs(50));
        assert_eq!(within(end, start, 0.5), end, "a window that ends before it begins is its beginning");
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pauses: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 99].map(|failures| pause(failures, 0.0).as_secs()).into();
        assert_eq!(pauses, [15, 60, 240, 960, 3840, 15360, 21600, 21600]);
        assert!(pause(1, 1.0) < pause(1, 0.0) && pause(1, 1.0) > Duration::from_secs(10));
    }

    #[test]
    fn what_has_just_come_is_kept_for_a_while_whatever_the_clock_says() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.pem");
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
        let files = crate::model::CertificateSettings { cert: file.clone(), key: file, hosts: Vec::new() };
        let mut certificate = Certificate::load(&files).unwrap();
        for (life, expected) in [(90 * 86_400, 3600), (20, 5), (0, 0)] {
            certificate.from = SystemTime::UNIX_EPOCH;
            certificate.to = SystemTime::UNIX_EPOCH + Duration::from_secs(life);
            assert_eq!(rest(&certificate).as_secs(), expected, "{life}");
        }
    }

    #[test]
    fn the_authority_is_asked_neither_at_once_nor_never() {
        for (hint, seconds) in [(0, 3600), (7200, 7200), (u64::MAX, 86400)] {
            assert_eq!(ask_in(Duration::from_secs(hint)).as_secs(), seconds);
        }
    }
}
