//! What the kernel says of a process that is measured.

use crate::error::{Doing as _, Failure};

/// Ticks of the kernel's accounting in a second: 100 on every Linux there is (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

/// Resident memory, KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<f64, Failure> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).doing("reading a process's memory")?;
    text.lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .and_then(|l| l.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Failure::new("the kernel does not say how much memory a process uses"))
}

/// Memory of several processes that share some of it, KiB: what they share counts once (the proportional set size).
pub(crate) fn proportional_kib(pids: &[u32]) -> Result<f64, Failure> {
    let mut all = 0.0;
    for pid in pids {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .doing("reading a process's memory")?;
        all += text
            .lines()
            .find_map(|l| l.strip_prefix("Pss:"))
            .and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok())
            .ok_or_else(|| Failure::new("the kernel does not say how much memory a process uses"))?;
    }
    Ok(all)
}

/// The process that started another.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time of all its threads so far, ms.
pub(crate) fn cpu_ms(pid: u32) -> Result<f64, Failure> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).doing("reading a process's processor time")?;
    ticks(&text)
        .map(|t| t * 1_000.0 / TICKS_PER_S)
        .ok_or_else(|| Failure::new("the kernel does not say how much processor time a process used"))
}

/// User's and system's ticks: the 14th and 15th field; the second, the name, may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let after = stat.rsplit_once(')')?.1;
    let mut fields = after.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "12 (a) (b)) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 4 0 5";
        assert_eq!(ticks(stat), Some(100.0));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(resident_kib(std::process::id()).is_ok_and(|kib| kib > 100.0));
        assert!(proportional_kib(&[std::process::id()]).is_ok_and(|kib| kib > 100.0));
        assert!(cpu_ms(std::process::id()).is_ok());
        assert_eq!(
            parent(std::process::id()),
            Some(std::os::unix::process::parent_id())
        );
    }
}
