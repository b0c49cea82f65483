//! Lines for the terminal and for a file, and whether the run can be believed.

use std::path::Path;

use anyhow::Result;

use crate::support::proxies::Kind;
use crate::support::tool;

#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    errors: Vec<String>,
}

impl Report {
    /// What is measured, on what.
    pub(crate) fn machine(&mut self, kinds: &[Kind]) -> Result<()> {
        self.line(tool::machine());
        for kind in kinds {
            self.line(format!("- {}", kind.version()?));
        }
        for (program, flag) in
            [("wrk", "-v"), ("h2load", "--version"), ("redis-server", "--version"), ("valgrind", "--version")]
        {
            if let Some(found) = tool::find(program) {
                self.line(format!("- {program}: {}", tool::version(&found, flag)));
            }
        }
        Ok(())
    }

    pub(crate) fn line(&mut self, line: impl Into<String>) {
        let line = line.into();
        println!("{line}");
        self.lines.push(line);
    }

    /// Something that makes the figures worthless; the run goes on, its exit code tells.
    pub(crate) fn error(&mut self, text: String) {
        eprintln!("ERROR: {text}");
        self.errors.push(text);
    }

    /// Whether there was no error.
    pub(crate) fn end(mut self, file: Option<&Path>) -> Result<bool> {
        for error in &self.errors {
            println!("ERROR: {error}");
            self.lines.push(format!("- ERROR: {error}"));
        }
        if let Some(file) = file {
            std::fs::write(file, self.lines.join("\n") + "\n")?;
        }
        Ok(self.errors.is_empty())
    }
}
