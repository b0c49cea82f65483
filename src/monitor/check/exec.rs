//! A program that prints a number.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::monitor::sample::Missing;

/// How much of what it prints is looked at, in bytes.
const MOST: u64 = 4096;

/// Runs a program without a shell. Its value is the number on the first line that it prints; when that is no number, 0
/// for exit code 0 and 1 for any other.
///
/// After `limit`, and when the future is dropped, it is killed with all that it started. The future ends after the
/// program, so that one that even then does not end, because it waits for a disk, is alone.
pub(super) async fn run(words: &[String], limit: Duration) -> Result<f64, Missing> {
    let Some((program, arguments)) = words.split_first() else { return Err(Missing::NotYet) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    let wrong = |error: &dyn std::fmt::Display| Missing::Unreadable(format!("{program}: {error}"));
    let mut child = command.spawn().map_err(|error| wrong(&error))?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let stdout = child.stdout.take();
    let work = async {
        let text = match stdout {
            Some(stdout) => first_line(stdout).await?,
            None => String::new(),
        };
        Ok::<_, std::io::Error>((text, child.wait().await?))
    };
    match tokio::time::timeout(limit, work).await {
        Ok(Ok((text, status))) => {
            group.release();
            Ok(value(&text, status))
        }
        Ok(Err(error)) => Err(wrong(&error)),
        Err(_) => {
            drop(group);
            let _ = child.wait().await;
            Err(wrong(&format!("killed after {}", humantime::format_duration(limit))))
        }
    }
}

/// Reads to the end, so that nobody who prints is stopped by a pipe without a reader.
async fn first_line(stdout: impl AsyncRead + Unpin) -> std::io::Result<String> {
    let mut kept = Vec::new();
    let mut stdout = stdout.take(MOST);
    stdout.read_to_end(&mut kept).await?;
    tokio::io::copy(&mut stdout.into_inner(), &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).lines().next().unwrap_or_default().trim().to_owned())
}

fn value(line: &str, status: ExitStatus) -> f64 {
    let number = line.parse::<f64>().ok().filter(|number| number.is_finite());
    number.unwrap_or(if status.success() { 0.0 } else { 1.0 })
}

/// Kills a program and all that it started, unless it was released.
struct Group(Option<Pid>);

impl Group {
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended a moment ago.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;
    use std::time::Instant;

    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn bash(script: &str, limit: Duration) -> Result<f64, Missing> {
        run(&["/bin/bash", "-c", script].map(str::to_owned), limit).await
    }

    #[tokio::test]
    async fn the_value_is_the_first_line_if_it_is_a_number_and_else_the_exit_code() {
        for (script, value) in [
            ("echo ' 12.5 '; echo 99", 12.5),
            ("echo -3; exit 4", -3.0),
            ("echo fine", 0.0),
            ("exit 0", 0.0),
            ("exit 4", 1.0),
            ("echo inf", 0.0),
            ("kill -9 $$", 1.0),
            ("echo 5; head -c 300000 /dev/zero", 5.0),
        ] {
            assert_eq!(bash(script, PATIENCE).await, Ok(value), "{script}");
        }
    }

    #[tokio::test]
    async fn what_cannot_run_has_no_value() {
        let missing = run(&["/no/such/program".to_owned()], PATIENCE).await.unwrap_err().to_string();
        assert!(missing.contains("/no/such/program"), "{missing}");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("alive");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut alive = std::fs::File::from(rustix::fs::open(&fifo, OFlags::RDONLY | flags, Mode::empty()).unwrap());
        let pid = directory.path().join("pid");
        let script = format!("echo $$ > {}; sleep 600 > {} & wait", pid.display(), fifo.display());
        let mut limit = Duration::from_secs(1);
        // On a busy machine it may not even have begun.
        let pid = loop {
            let missing = bash(&script, limit).await.unwrap_err().to_string();
            assert!(missing.contains("killed after") && limit < PATIENCE, "{missing}");
            limit *= 2;
            match std::fs::read_to_string(&pid) {
                Ok(pid) if !pid.is_empty() => break pid,
                _ => {}
            }
        };
        assert!(!Path::new("/proc").join(pid.trim()).exists(), "nobody waited for its end");
        let deadline = Instant::now() + PATIENCE;
        // Its end is read when nobody is left who could write.
        while alive.read(&mut [0]).is_err() {
            assert!(Instant::now() < deadline, "what it started is still alive");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
