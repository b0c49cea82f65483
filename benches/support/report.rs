//! Lines for the terminal and for a file, and whether the run can be believed.

use std::path::Path;

use anyhow::Result;

use super::proxies::Kind;
use super::tool;

#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    errors: Vec<String>,
}

impl Report {
    /// What is measured, on what, with which tools; of each the argument that makes it tell its version.
    pub(crate) fn machine(&mut self, kinds: &[Kind], tools: &[(&str, &str)]) -> Result<()> {
        self.line(tool::machine());
        for kind in kinds {
            self.line(format!("- {}", kind.version()?));
        }
        for (program, flag) in tools {
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
