//! Where in the configuration something stands: `service[0].canary.weight`.

use std::fmt;

/// A path from the top of the configuration to one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Index(usize),
}

impl Key {
    pub(super) fn top(field: &str) -> Self {
        Self::default().field(field)
    }

    pub(super) fn field(&self, field: &str) -> Self {
        self.then(Step::Field(field.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    pub(super) fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The nearest key above or at this one that ends in a field: a list is one value.
    pub(super) fn nearest_field(&self) -> Self {
        let fields = self.0.iter().rposition(|step| matches!(step, Step::Field(_))).map_or(0, |last| last + 1);
        Self(self.0[..fields].to_vec())
    }

    /// Whether it ends in one of these fields.
    pub(super) fn ends_in(&self, fields: &[&str]) -> bool {
        matches!(self.0.last(), Some(Step::Field(last)) if fields.contains(&last.as_str()))
    }

    /// The heading of a table that stands here.
    pub(super) fn heading(&self) -> String {
        let fields = self.0.iter().filter_map(|step| match step {
            Step::Field(field) => Some(field.as_str()),
            Step::Index(_) => None,
        });
        fields.collect::<Vec<_>>().join(".")
    }

    /// Whether this key is `other` or stands below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(field) if position == 0 => f.write_str(field)?,
                Step::Field(field) => write!(f, ".{field}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
