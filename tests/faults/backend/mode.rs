//! How a backend answers.

use std::fmt;
use std::str::FromStr;

/// What becomes of some of the requests; the others are answered well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) answer: Answer,
    /// How many of the requests, in percent.
    pub(crate) percent: u8,
    /// Whether probes are answered well.
    pub(crate) probes_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Well,
    /// A whole answer with status 500.
    Error,
    /// Well, but long after everybody's timeout.
    Late,
    /// The connection is reset without a byte.
    Reset,
    /// The connection ends within the head.
    HalfHead,
    /// The connection ends within the body.
    HalfBody,
}

impl Mode {
    pub(crate) fn of(answer: Answer, percent: u8) -> Self {
        Self { answer, percent, probes_pass: true }
    }

    pub(crate) fn and_fails_probes(self) -> Self {
        Self { probes_pass: false, ..self }
    }
}

impl Default for Mode {
    fn default() -> Self {
        Self::of(Answer::Well, 100)
    }
}

impl Answer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Well, Self::Error, Self::Late, Self::Reset, Self::HalfHead, Self::HalfBody];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Error => "error",
            Self::Late => "late",
            Self::Reset => "reset",
            Self::HalfHead => "half-head",
            Self::HalfBody => "half-body",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.answer.name(), self.percent, self.probes_pass)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("not a mode: `{text}`");
        let words: Vec<_> = text.split_whitespace().collect();
        let [answer, percent, probes] = words[..] else { return Err(wrong()) };
        Ok(Self {
            answer: Answer::ALL.into_iter().find(|known| known.name() == answer).ok_or_else(wrong)?,
            percent: percent.parse().map_err(|_| wrong())?,
            probes_pass: probes.parse().map_err(|_| wrong())?,
        })
    }
}

#[test]
fn a_mode_is_read_as_it_was_written() {
    for answer in Answer::ALL {
        let mode = Mode::of(answer, 20).and_fails_probes();
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
}
