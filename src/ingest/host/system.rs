//! What the processor, the memory and the disks are used, from the texts of proc(5). Pure.

/// Bytes of a sector in diskstats, whatever the disk's own are (Documentation/admin-guide/iostats).
const SECTOR_BYTES: u64 = 512;
/// Block devices whose traffic is that of other ones, or none of a disk: loop mounts, memory,
/// optical drives, floppies, and what is stacked upon disks (device mapper, RAID).
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd"];

/// Time of all cores together since the host started, clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTimes {
    /// All of it.
    pub(super) total: u64,
    /// Of that with nothing to do, or waiting for a disk.
    pub(super) idle: u64,
}

/// The times of the line `cpu`, and how many cores there are. A guest's time is part of `user`
/// already.
pub(super) fn cpu(stat: &str) -> Option<(CpuTimes, i64)> {
    let mut times = None;
    let mut cores = 0;
    for line in stat.lines().take_while(|line| line.starts_with("cpu")) {
        let Some(fields) = line.strip_prefix("cpu ") else {
            cores += 1;
            continue;
        };
        // user nice system idle iowait irq softirq steal; old kernels tell fewer.
        let ticks: Vec<u64> = fields
            .split_ascii_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        let idle = ticks.get(3)? + ticks.get(4).copied().unwrap_or_default();
        let total = ticks.iter().sum();
        times = Some(CpuTimes { total, idle });
    }
    Some((times?, cores))
}

/// How much of the time between two looks was worked, percent. None when no time has passed, or
/// when the counters went backwards, as after a wrap.
pub(super) fn cpu_percent(before: CpuTimes, now: CpuTimes) -> Option<f64> {
    let total = now.total.checked_sub(before.total).filter(|&all| all > 0)?;
    // The time of waiting for a disk may run backwards (proc(5)).
    let idle = now.idle.saturating_sub(before.idle).min(total);
    Some(percent(total - idle, total))
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl Memory {
    pub(super) fn percent(self) -> f64 {
        percent(self.total.saturating_sub(self.available), self.total)
    }
}

/// Kernels before 3.14 do not tell what is available: then it is what is free or easily freed.
pub(super) fn memory(meminfo: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let total = kib("MemTotal")?;
    let available = kib("MemAvailable").or_else(|| {
        let freed = kib("Buffers").unwrap_or_default() + kib("Cached").unwrap_or_default();
        Some(kib("MemFree")? + freed)
    })?;
    Some(Memory {
        total: total * 1024,
        available: available.min(total) * 1024,
    })
}

/// The averages over 1, 5 and 15 minutes.
pub(super) fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut fields = loadavg.split_ascii_whitespace();
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

/// Bytes read from and written to whole disks since the host started. Partitions are part of their
/// disk. None where no disk is told of, as in most containers.
pub(super) fn disk_bytes(diskstats: &str) -> Option<(u64, u64)> {
    let devices: Vec<(&str, u64, u64)> = diskstats.lines().filter_map(device).collect();
    let mut sum = None;
    for (name, read, written) in &devices {
        let part = devices.iter().any(|(disk, ..)| is_part(name, disk));
        let other = NO_DISKS.iter().any(|prefix| is_numbered(name, prefix));
        if !part && !other {
            let (all_read, all_written) = sum.unwrap_or((0_u64, 0_u64));
            sum = Some((
                all_read.saturating_add(read.saturating_mul(SECTOR_BYTES)),
                all_written.saturating_add(written.saturating_mul(SECTOR_BYTES)),
            ));
        }
    }
    sum
}

/// Name, sectors read, sectors written.
fn device(line: &str) -> Option<(&str, u64, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(2);
    let name = fields.next()?;
    let mut counters = fields.map_while(|field| field.parse().ok());
    Some((name, counters.nth(2)?, counters.nth(3)?))
}

/// `sda1` is part of `sda`, `nvme0n1p2` of `nvme0n1`; `sdaa` is none of `sda`.
fn is_part(name: &str, disk: &str) -> bool {
    let Some(behind) = name.strip_prefix(disk) else {
        return false;
    };
    let number = if disk.ends_with(|letter: char| letter.is_ascii_digit()) {
        behind.strip_prefix('p').unwrap_or_default()
    } else {
        behind
    };
    is_number(number)
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|behind| behind.starts_with(|letter: char| letter.is_ascii_digit()))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// With two decimals: more is noise, and costs bytes in every sample.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 10_000.0).round() / 100.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn percent_of_the_processor_is_what_was_worked_between_two_looks() {
        let at = |total, idle| CpuTimes { total, idle };
        assert_eq!(cpu_percent(at(1_000, 900), at(1_400, 1_200)), Some(25.0));
        assert_eq!(cpu_percent(at(1_000, 900), at(1_400, 1_300)), Some(0.0));
        assert_eq!(cpu_percent(at(1_000, 900), at(1_003, 901)), Some(66.67));
        // Nothing passed; a wrap; a wait for the disk that runs backwards.
        assert_eq!(cpu_percent(at(1_000, 900), at(1_000, 900)), None);
        assert_eq!(cpu_percent(at(1_000, 900), at(7, 5)), None);
        assert_eq!(cpu_percent(at(1_000, 900), at(1_100, 890)), Some(100.0));
    }

    #[test]
    fn a_guest_and_a_core_are_not_counted_twice() {
        let stat = "cpu  10 1 2 80 5 1 1 0 4 0\ncpu0 5 0 1 40 3 1 0 0 2 0\ncpu1 5 1 1 40 2 0 1 0 2 0\nintr 9\n";
        let (times, cores) = cpu(stat).unwrap();
        assert_eq!((times.total, times.idle, cores), (100, 85, 2));
        // Linux 2.4 told four numbers.
        assert_eq!(cpu("cpu  1 2 3 4\n").unwrap().0.total, 10);
        assert_eq!(cpu(""), None);
        assert_eq!(cpu("cpu  x y\n"), None);
    }

    #[test]
    fn memory_without_its_line_for_what_is_available_is_what_is_free_or_easily_freed() {
        let old = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\n";
        let memory = memory(old).unwrap();
        assert_eq!((memory.total, memory.available), (1_024_000, 409_600));
        assert!((memory.percent() - 60.0).abs() < f64::EPSILON);
        assert_eq!(super::memory("MemTotal: 1000 kB\n"), None);
        assert_eq!(super::memory("MemTotalHigh: 1 kB\n"), None);
    }

    #[test]
    fn partitions_and_what_is_stacked_upon_disks_are_not_counted_twice() {
        let line = |name: &str| format!("   8  0 {name} 1 0 2 0 1 0 3 0 0 0 0\n");
        let sum =
            |names: &[&str]| disk_bytes(&names.iter().map(|name| line(name)).collect::<String>());
        assert_eq!(sum(&["sda", "sda1", "sda12"]), Some((1_024, 1_536)));
        assert_eq!(sum(&["sda", "sdaa", "sdaa1"]), Some((2_048, 3_072)));
        let nvme = ["nvme0n1", "nvme0n1p1", "nvme0n1p12", "nvme1n1"];
        assert_eq!(sum(&nvme), Some((2_048, 3_072)));
        let card = ["mmcblk0", "mmcblk0p1", "mmcblk0p2", "mmcblk0boot0"];
        assert_eq!(sum(&card), Some((2_048, 3_072)));
        assert_eq!(sum(&["loop0", "zram0", "dm-0", "md127", "sr0"]), None);
        // A partition without its disk, as some hypervisors show, is a disk.
        assert_eq!(sum(&["xvda1"]), Some((1_024, 1_536)));
        assert_eq!(disk_bytes("nonsense\n 8 0 sda 1\n"), None);
    }
}
