//! The processes of the host, from `proc_pid(5)`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::sample::Proc;
use crate::decode::{MASK, is_secret_name, redacted};
use crate::event::trace::ProcessSeen;

/// Longest command line that is kept, characters.
const CMDLINE_CHARS: usize = 512;

/// What `stat` of a process tells.
#[derive(Debug)]
struct Stat {
    seen: ProcessSeen,
    /// Ticks after the host's start.
    started: u64,
}

/// The processes whose pid or name is `wanted`, then those that use most of the processor over
/// their lives, and those that hold most memory, in turns; `most` in all. A process that ends
/// meanwhile is left out.
pub(super) fn processes(proc: &mut Proc, wanted: &[String], most: usize) -> Vec<ProcessSeen> {
    let uptime = uptime_ticks(proc);
    let mut all: Vec<Stat> = pids(proc)
        .into_iter()
        .filter_map(|pid| {
            let text = proc.text(&format!("{pid}/stat")).ok()?;
            parse(text, rustix::param::page_size() as i64)
        })
        .collect();
    let mut chosen = choose(&mut all, wanted, most, uptime);
    for process in &mut chosen {
        complete(proc, process);
    }
    chosen
}

fn pids(proc: &Proc) -> Vec<u32> {
    let entries = std::fs::read_dir(proc.root()).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pids: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

fn uptime_ticks(proc: &mut Proc) -> u64 {
    let seconds = proc
        .text("uptime")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    seconds.map_or(0, |seconds| (seconds * ticks) as u64)
}

/// The name stands in brackets and may hold anything, brackets and blanks too.
fn parse(stat: &str, page_bytes: i64) -> Option<Stat> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.to_owned();
    let numbers: Vec<i64> = fields
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    // Numbered as in proc_pid_stat(5), from (4) ppid on.
    let number = |field: usize| numbers.get(field - 4).copied();
    let seen = ProcessSeen {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        state,
        parent_pid: number(4)?,
        cpu_utime: number(14)?,
        cpu_stime: number(15)?,
        threads: number(20)?,
        memory_vm: number(23)?,
        memory_rss: number(24)?.saturating_mul(page_bytes),
        ..ProcessSeen::default()
    };
    Some(Stat {
        seen,
        started: number(22)? as u64,
    })
}

fn choose(all: &mut [Stat], wanted: &[String], most: usize, uptime: u64) -> Vec<ProcessSeen> {
    let is_wanted = |seen: &ProcessSeen| {
        let pid = seen.pid.to_string();
        wanted
            .iter()
            .any(|want| *want == pid || is_called(&seen.name, want))
    };
    // Ticks of work per 10,000 ticks of life.
    let use_of = |stat: &Stat| {
        let worked = stat.seen.cpu_utime.saturating_add(stat.seen.cpu_stime) as u64;
        worked.saturating_mul(10_000) / uptime.saturating_sub(stat.started).max(1)
    };
    let mut by_use: Vec<usize> = (0..all.len()).collect();
    let mut by_memory = by_use.clone();
    by_use.sort_by_key(|&index| Reverse(use_of(&all[index])));
    by_memory.sort_by_key(|&index| Reverse(all[index].seen.memory_rss));
    let first = (0..all.len()).filter(|&index| is_wanted(&all[index].seen));
    let others = by_use.iter().zip(&by_memory).flat_map(|(a, b)| [*a, *b]);
    let mut taken = BTreeSet::new();
    let order: Vec<usize> = first
        .chain(others)
        .filter(|index| taken.insert(*index))
        .collect();
    let chosen = order.into_iter().take(most);
    chosen
        .map(|index| std::mem::take(&mut all[index].seen))
        .collect()
}

/// The kernel cuts names to 15 bytes; `sshd` stands for `sshd-session` too.
fn is_called(name: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_suffix(".service").unwrap_or(wanted);
    let cut = wanted.get(..15).unwrap_or(wanted);
    !wanted.is_empty()
        && name
            .strip_prefix(cut)
            .is_some_and(|behind| behind.is_empty() || behind.starts_with(['-', ':', '/']))
}

/// What only the processes that were chosen are asked for. Those of other users tell their input
/// and output to root alone.
fn complete(proc: &mut Proc, process: &mut ProcessSeen) {
    if let Ok(text) = proc.text(&format!("{}/cmdline", process.pid)) {
        process.cmdline = cmdline(text);
    }
    if let Ok(text) = proc.text(&format!("{}/io", process.pid)) {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        process.read_bytes = value("read_bytes:");
        process.write_bytes = value("write_bytes:");
        process.read_syscalls = value("syscr:");
        process.write_syscalls = value("syscw:");
    }
}

/// Options whose values are secret though their names do not say so, by the beginning of the program's
/// name.
const SECRET_OPTIONS: &[(&str, &[&str])] = &[
    ("curl", &["-u", "-U", "--user", "--proxy-user"]),
    (
        "wget",
        &["-u", "--user", "--http-user", "--ftp-user", "--proxy-user"],
    ),
    ("sshpass", &["-p"]),
    ("mysql", &["-p", "-u"]),
    ("mariadb", &["-p", "-u"]),
    ("mosquitto_", &["-P", "-u", "--pw"]),
    ("redis-cli", &["-a", "-u", "--pass"]),
];

/// Which options are secret at this place of a command line. A program may be started by another one,
/// or stand with its options in one argument of a shell.
#[derive(Default)]
struct SecretOptions {
    names: &'static [&'static str],
    is_next: bool,
}

impl SecretOptions {
    /// An argument without the values of such options.
    fn masked(&mut self, argument: &str) -> String {
        if std::mem::take(&mut self.is_next) {
            return MASK.to_owned();
        }
        let words = argument.split(' ').map(|word| self.word(word));
        words.collect::<Vec<_>>().join(" ")
    }

    fn word(&mut self, word: &str) -> String {
        if !word.is_empty() && std::mem::take(&mut self.is_next) {
            return MASK.to_owned();
        }
        if !word.starts_with('-') {
            self.program(word);
            return word.to_owned();
        }
        let Some((name, value)) = self.names.iter().find_map(|name| parted(word, name)) else {
            return word.to_owned();
        };
        self.is_next = value.is_empty();
        if value.is_empty() {
            word.to_owned()
        } else {
            format!("{name}{MASK}")
        }
    }

    fn program(&mut self, word: &str) {
        let name = word
            .rsplit(['/', '\'', '"', '(', '`'])
            .next()
            .unwrap_or(word);
        let known = |(begins, _): &&(&str, &[&str])| name.starts_with(begins);
        if let Some((_, names)) = SECRET_OPTIONS.iter().find(known) {
            self.names = names;
        }
    }
}

/// `-usecret`, `-su secret`, `--user=secret` as what goes before the value, and the value.
fn parted<'w>(word: &'w str, name: &str) -> Option<(&'w str, &'w str)> {
    if name.starts_with("--") {
        let behind = word.strip_prefix(name)?;
        let at = word.len() - behind.len();
        return match behind.strip_prefix('=') {
            Some(_) => Some(word.split_at(at + 1)),
            None => behind.is_empty().then_some((word, "")),
        };
    }
    // Other letters may stand before it in one word, but no value does.
    let letter = name.strip_prefix('-')?;
    let letters = word
        .strip_prefix('-')
        .filter(|word| !word.starts_with('-'))?;
    let at = letters.find(letter)?;
    let is_flags = at <= 4 && letters[..at].bytes().all(|byte| byte.is_ascii_alphabetic());
    is_flags.then(|| word.split_at(at + 2))
}

/// Arguments parted by blanks, without secrets. `--password hunter2` is known by its first half.
fn cmdline(text: &str) -> String {
    let mut arguments: Vec<String> = Vec::new();
    let mut secret_next = false;
    let mut options = SecretOptions::default();
    for argument in text.trim_end_matches('\0').split('\0') {
        let masked = if secret_next && !argument.starts_with('-') {
            MASK.to_owned()
        } else {
            redacted(&options.masked(argument))
        };
        secret_next = is_secret_name(argument.trim_start_matches('-')) && argument.starts_with('-');
        arguments.push(masked);
    }
    // Once more as a whole: some secrets are told by the word before.
    let whole = redacted(&arguments.join(" "));
    whole.chars().take(CMDLINE_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn stat(pid: i64, name: &str, worked: i64, pages: i64, started: u64) -> Stat {
        let text = format!(
            "{pid} ({name}) S 1 {pid} {pid} 0 -1 4194560 900 0 0 0 {worked} 0 0 0 20 0 1 0 {started} \
             1000000 {pages} 18446744073709551615 1 1 0 0 0 0 0 4096"
        );
        parse(&text, 4_096).unwrap()
    }

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let seen = stat(7, "a) (b", 5, 3, 10).seen;
        assert_eq!(
            (seen.pid, seen.name.as_str(), seen.state.as_str()),
            (7, "a) (b", "S")
        );
        assert_eq!((seen.parent_pid, seen.cpu_utime, seen.threads), (1, 5, 1));
        assert_eq!((seen.memory_rss, seen.memory_vm), (12_288, 1_000_000));
        assert!(parse("", 4_096).is_none());
        assert!(parse("7 (x) S 1 2", 4_096).is_none());
    }

    #[test]
    fn those_that_are_named_go_first_then_the_busiest_and_the_largest() {
        let mut all = vec![
            stat(1, "init", 900, 10, 0),
            stat(50, "sshd-session", 1, 1, 0),
            stat(60, "burner", 500, 1, 99_000),
            stat(70, "hoarder", 1, 9_000, 0),
            stat(80, "idle", 0, 0, 0),
            stat(90, "sshdx", 0, 0, 0),
        ];
        let chosen = choose(&mut all, &["sshd".into(), "80".into()], 5, 100_000);
        let pids: Vec<_> = chosen.iter().map(|process| process.pid).collect();
        assert_eq!(pids, [50, 80, 60, 70, 1]);
    }

    #[test]
    fn arguments_lose_their_secrets() {
        let line = cmdline("mysqldump\0--password\0hunter2\0--host\0db\0");
        assert!(
            !line.contains("hunter2") && line.contains("--host db"),
            "{line}"
        );
        let line = cmdline("app\0--api-key=abc123def\0rtsp://mara:geheim@192.0.2.9/x\0");
        assert!(
            !line.contains("abc123def") && !line.contains("geheim"),
            "{line}"
        );
        for line in [
            "curl -u mara:geheim https://192.0.2.9/",
            "/usr/bin/curl -umara:geheim https://192.0.2.9/",
            "curl -sSu mara:geheim https://192.0.2.9/",
            "curl --user=mara:geheim https://192.0.2.9/",
            "timeout 5 curl --user mara:geheim https://192.0.2.9/",
            "wget -u geheim https://192.0.2.9/",
            "sshpass -p geheim ssh mara@192.0.2.9",
            "sshpass -pgeheim ssh mara@192.0.2.9",
            "mysqldump -pgeheim stock 192.0.2.9",
            "mysql -u mara -p geheim -h 192.0.2.9",
            "mosquitto_pub -u mara -P geheim -h 192.0.2.9 -p 1883",
            "redis-cli -a geheim -h 192.0.2.9",
        ] {
            for parted in [line.replace(' ', "\0"), format!("sh\0-c\0{line}")] {
                let kept = cmdline(&parted);
                assert!(
                    !kept.contains("geheim") && kept.contains("192.0.2.9"),
                    "{kept}"
                );
            }
        }
        let line = "mosquitto_sub -h 192.0.2.9 -p 1883 -t a/b";
        assert_eq!(cmdline(&line.replace(' ', "\0")), line);
        assert_eq!(cmdline("curl\0-u\0mara:a b geheim"), "curl -u [redacted]");
        assert_eq!(cmdline(""), "");
        assert_eq!(cmdline(&"x".repeat(2_000)).len(), CMDLINE_CHARS);
    }
}
