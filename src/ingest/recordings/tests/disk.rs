//! A recordings folder on a small disk of its own, which is full or takes no more.
//!
//! A file with an ext4 in it, mounted: that takes root and loop devices. Where they are not to be
//! had, these tests say so on stderr, past the harness, and prove nothing.

use std::io::Write as _;

use super::*;

const KIB: u64 = 1_024;

/// A mounted ext4 with blocks of 1 KiB, which goes away with this.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts a new one at the recordings folder of `house`; none if that cannot be done here.
    fn mount(house: &House, size_kib: u64, inodes: u32) -> Option<Self> {
        let (image, folder) = (house.dir.path().join("image"), house.rec(""));
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(size_kib * KIB).unwrap();
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-b", "1024", "-m", "0", "-N", &inodes.to_string()]);
        make.args(["-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]);
        for command in [make.arg(&image), mount.arg(&image).arg(&folder)] {
            let output = command
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .output();
            let failure = match output {
                Ok(output) if output.status.success() => continue,
                Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
                Err(error) => error.to_string(),
            };
            let line = format!("NOT TESTED, no disk to be had: {command:?}: {failure}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        std::fs::remove_dir(folder.join("lost+found")).unwrap();
        Some(Self { folder })
    }

    fn free(&self) -> u64 {
        crate::base::fsutil::free_bytes_at(&self.folder).unwrap()
    }

    /// Leaves `free_bytes` free, by a file that is no recording.
    fn fill(&self, free_bytes: u64) {
        let filler = std::fs::File::create(self.folder.join("filler")).unwrap();
        let mut size_bytes = 0;
        // The list of its blocks takes blocks as well.
        for _ in 0..4 {
            let excess = self.free().saturating_sub(free_bytes);
            if excess == 0 {
                break;
            }
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&filler, flags, size_bytes, excess).unwrap();
            size_bytes += excess;
            filler.sync_all().unwrap();
        }
        assert!(self.free() <= free_bytes, "{} are free", self.free());
    }

    fn empty(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", options]).arg(&self.folder);
        assert!(mount.status().unwrap().success(), "{mount:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "{} stays mounted",
            self.folder.display()
        );
    }
}

/// The watcher over a folder with no reserve asked for.
fn watcher(house: &House) -> Watcher {
    let mut options = house.options();
    options.admission.reserve_bytes = 0;
    house.watcher_with(options)
}

fn trouble(watcher: &Watcher) -> Option<String> {
    watcher.health().lock().unwrap().trouble.clone()
}

/// Lets the watcher try in vain, ends the want by `help`, and lets it go on; returns what was told.
///
/// None if nothing was wanting.
fn want_and_help(house: &House, plain: &[u8], help: &dyn Fn()) -> Option<String> {
    let (mut watcher, mut now) = (watcher(house), Instant::now());
    watcher.drain_from(&mut now);
    let told = trouble(&watcher);
    if told.is_some() {
        assert!(house.get("clip.mp4") == plain, "{told:?}");
        let names = house.names();
        let ours: Vec<_> = names
            .iter()
            .filter(|name| !name.starts_with("filler"))
            .collect();
        assert_eq!(ours, ["clip.mp4"], "{told:?}");
        assert_eq!(house.kinds(), ["recording.found", "recording.failed"]);
    }
    help();
    now += Duration::from_secs(61);
    watcher.scan_again(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", plain);
    assert_eq!(trouble(&watcher), None);
    let sql = "SELECT integrity FROM recordings WHERE original_name = ?1";
    assert_eq!(house.text(sql, "clip.mp4").as_deref(), Some("verified"));
    let key = Key::from_bytes(KEY);
    let folder = Folder::open(&house.rec("")).unwrap();
    let sealed = unseal::open_sealed(&folder, Path::new("clip.vge")).unwrap();
    let expected = crate::vault::reader::Expected::default();
    let verdict = crate::vault::verify::verify(&sealed.unwrap(), &key, expected, &|_| {}).unwrap();
    assert!(matches!(
        verdict,
        crate::vault::verify::Verdict::Verified { .. }
    ));
    told
}

#[test]
fn a_disk_that_is_full_at_any_block_costs_nothing_and_sealing_goes_on_when_there_is_space() {
    // The way of small clips, and that of large ones.
    for plain_bytes in [5_000, 1_200_000] {
        let plain: Vec<u8> = (0..plain_bytes).map(|n: u32| (n >> 3) as u8).collect();
        let needed = u64::from(plain_bytes).div_ceil(KIB);
        let mut told = Vec::new();
        for free_blocks in (0..2).chain(needed - 1..needed + 6) {
            let house = House::new();
            let Some(disk) = Disk::mount(&house, 8 * KIB, 64) else {
                return;
            };
            // Before the disk is full, so that the clip itself has its blocks.
            house.put("clip.mp4", &plain);
            std::fs::File::open(house.rec("clip.mp4"))
                .unwrap()
                .sync_all()
                .unwrap();
            disk.fill(free_blocks * KIB);
            told.push(want_and_help(&house, &plain, &|| disk.empty()));
        }
        let count = |text: &str| {
            let says = |told: &&Option<String>| told.as_ref().is_some_and(|t| t.contains(text));
            told.iter().filter(says).count()
        };
        let (refused, cut_short) = (count("are free"), count("no space to seal"));
        println!("{plain_bytes} bytes: refused {refused} times, cut short {cut_short} times");
        assert!(refused >= 3, "{told:?}");
        assert!(cut_short >= 1, "{told:?}");
        assert!(told.contains(&None), "in the end there is enough: {told:?}");
    }
}

#[test]
fn a_disk_without_inodes_costs_nothing_and_sealing_goes_on_when_there_are_some() {
    // None for the sealed file, none for its sidecar, enough.
    let mut told = Vec::new();
    for left in 0..3 {
        let house = House::new();
        let Some(disk) = Disk::mount(&house, 8 * KIB, 16) else {
            return;
        };
        house.put("clip.mp4", b"clip");
        let fillers = house.rec("fillers");
        std::fs::create_dir(&fillers).unwrap();
        let mut made = Vec::new();
        let full = loop {
            let path = fillers.join(made.len().to_string());
            match std::fs::File::create(&path) {
                Ok(_) => made.push(path),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        for path in made.drain(..left) {
            std::fs::remove_file(path).unwrap();
        }
        assert!(
            disk.free() > 100 * KIB,
            "it is not the blocks that are wanting"
        );
        let help = || std::fs::remove_dir_all(&fillers).unwrap();
        told.push(want_and_help(&house, b"clip", &help));
    }
    let lacks = |told: &Option<String>| told.as_ref().is_some_and(|t| t.contains("no space"));
    assert!(lacks(&told[0]) && lacks(&told[1]), "{told:?}");
    assert_eq!(told[2], None);
}

#[test]
fn a_disk_that_became_read_only_costs_nothing_and_is_told() {
    let house = House::new();
    let Some(disk) = Disk::mount(&house, 8 * KIB, 64) else {
        return;
    };
    house.put("clip.mp4", b"clip");
    disk.remount("remount,ro");
    let (mut watcher, mut now) = (watcher(&house), Instant::now());
    watcher.drain_from(&mut now);
    let told = trouble(&watcher).unwrap();
    assert!(told.contains("Read-only file system"), "{told}");
    assert_eq!(house.get("clip.mp4"), b"clip");
    disk.remount("remount,rw");
    now += Duration::from_secs(61);
    watcher.scan_again(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", b"clip");
    assert_eq!(trouble(&watcher), None);
}
