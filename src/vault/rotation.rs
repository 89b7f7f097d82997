//! Rotation: another key becomes the current one, and the earlier one goes into the keyring.
//!
//! In this order, each step durable before the next: the plan (`rotation.json` in the keyring: two
//! ids, no secret); the old key into the keyring; the new key into the keyring; its recovery sheet
//! shown; the key file replaced; the rotation recorded by the caller; the plan deleted. So no key
//! that sealed anything is ever in no file, and a rotation that was cut short at any moment is taken
//! up by the next one where it stopped. A new key that had not reached the keyring yet has sealed
//! nothing and is made anew.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

use super::key::{self, KEY_BYTES, Key, KeyEnvironment, KeyError, KeyId, KeyOptions, KeySource};
use super::keyring::{self, Keyring, KeyringError, LockedKeyring};
use super::sheet::RecoverySheet;
use crate::base::fsutil::FsError;

/// Name of the plan inside the keyring.
pub const PLAN: &str = "rotation.json";

/// What a rotation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The key until now.
    pub from: KeyId,
    /// The key from now on.
    pub to: KeyId,
    /// Whether what earlier keys sealed is to be encrypted anew.
    pub reencrypt: bool,
}

/// Why a key is not rotated. Whatever was done until then stands, and another try goes on from it.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The key is not ours to replace.
    #[error(
        "the storage key comes from systemd's credential {}, which only its unit can change: run \
         this with vault.key_file set to the file that LoadCredential= names, then restart the \
         service",
        path.display()
    )]
    Credential {
        /// The credential.
        path: PathBuf,
    },
    /// The key is in the environment.
    #[error(
        "the storage key comes from the variable VIGILAR_ENCRYPTION_KEY, which cannot be replaced \
         from here: put its 64 digits into the file {} with mode 0600, unset the variable, and try \
         again",
        key_file.display()
    )]
    Environment {
        /// The configured key file.
        key_file: PathBuf,
    },
    /// The key file could not be replaced in the end, so nothing is begun.
    #[error("the key file cannot be replaced, because {} is not writable: {source}", folder.display())]
    Folder {
        /// The folder that holds the key file.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody put a third key in place before a rotation was finished.
    #[error(
        "{} is about a rotation from {from} to {to}, but the key file holds {current}: put one of \
         the two back, or delete that file if the rotation is no longer meant",
        path.display()
    )]
    OtherPlan {
        /// The plan.
        path: PathBuf,
        /// Its first key.
        from: KeyId,
        /// Its second key.
        to: KeyId,
        /// The key that is there.
        current: KeyId,
    },
    /// The plan cannot be read as one.
    #[error(
        "{} is damaged ({reason}); delete it and try again, no key depends on it",
        path.display()
    )]
    Plan {
        /// The plan.
        path: PathBuf,
        /// In what.
        reason: String,
    },
    /// There is no key to replace, or it is unfit.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The system refused.
    #[error(transparent)]
    System(#[from] FsError),
}

/// The plan of a rotation that is not finished, if there is one.
pub fn unfinished(ring: &Keyring) -> Result<Option<Plan>, RotationError> {
    let path = ring.path().join(PLAN);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FsError::new("read", &path, e).into()),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| RotationError::Plan {
            path,
            reason: error.to_string(),
        })
}

/// What is asked of a rotation.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether what earlier keys sealed is to be encrypted anew.
    pub reencrypt: bool,
    /// Whether a rotation that was cut short is finished and nothing begun.
    pub only_finish: bool,
}

/// What the caller has to do before the next step.
#[derive(Debug)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Show the recovery sheet of the new key.
    Show(RecoverySheet),
    /// Record the rotation durably, unless it is recorded already.
    Record(Plan),
    /// The rotation is finished.
    End,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Plan,
    KeepOld,
    KeepNew,
    Show,
    Replace,
    Record,
    Forget,
    End,
}

/// A rotation at work; nobody else can change the keyring meanwhile.
#[derive(Debug)]
pub struct Rotation<'a> {
    ring: LockedKeyring<'a>,
    key_file: &'a Path,
    plan: Plan,
    current: Key,
    new: Key,
    resumed: bool,
    next: Step,
}

impl<'a> Rotation<'a> {
    /// Takes up the rotation that was cut short, else begins one to the key `fresh`, which must come
    /// from the system's random source. None if there is nothing to finish and no more is wished.
    pub fn begin(
        options: &'a KeyOptions,
        environment: &KeyEnvironment,
        ring: &'a Keyring,
        fresh: [u8; KEY_BYTES],
        wish: Wish,
    ) -> Result<Option<Self>, RotationError> {
        let fresh = Key::from_bytes(fresh);
        let current = match key::find(options, environment)? {
            (key, KeySource::KeyFile(_)) => key,
            (_, KeySource::Credential(path)) => return Err(RotationError::Credential { path }),
            (_, KeySource::Environment) => {
                return Err(RotationError::Environment {
                    key_file: options.key_file.clone(),
                });
            }
        };
        if wish.only_finish && unfinished(ring)?.is_none() {
            return Ok(None);
        }
        refuse_closed_folder(&options.key_file)?;
        let ring_lock = ring.lock()?;
        let mut rotation = Self {
            plan: Plan {
                from: current.id(),
                to: fresh.id(),
                reencrypt: wish.reencrypt,
            },
            ring: ring_lock,
            key_file: &options.key_file,
            current,
            new: fresh,
            resumed: false,
            next: Step::Plan,
        };
        match unfinished(ring)? {
            Some(plan) => rotation.take_up(plan)?,
            // Another process has just finished it.
            None if wish.only_finish => return Ok(None),
            None => {}
        }
        Ok(Some(rotation))
    }

    fn take_up(&mut self, earlier: Plan) -> Result<(), RotationError> {
        let ring = self.ring.ring();
        let current = self.current.id();
        self.plan.reencrypt |= earlier.reencrypt;
        self.resumed = true;
        if current != earlier.from && current != earlier.to {
            return Err(RotationError::OtherPlan {
                path: ring.path().join(PLAN),
                from: earlier.from,
                to: earlier.to,
                current,
            });
        }
        if current == earlier.to {
            // Both were kept before the key file was replaced.
            self.plan.from = earlier.from;
            self.plan.to = earlier.to;
            self.new = self.current.duplicate();
        } else if let Some(new) = ring.load(&earlier.to)? {
            self.plan.to = earlier.to;
            self.new = new;
        }
        Ok(())
    }

    /// Whether it was begun earlier and cut short.
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// What it does.
    pub const fn plan(&self) -> Plan {
        self.plan
    }

    /// Does the next step, and says what the caller has to do before the one after it.
    pub fn advance(&mut self) -> Result<Due, RotationError> {
        let (due, next) = match self.next {
            Step::Plan => {
                let path = self.plan_path();
                let text = serde_json::to_vec(&self.plan).expect("plain data");
                keyring::replace_secret(&path, &text)?;
                (Due::Nothing, Step::KeepOld)
            }
            Step::KeepOld => {
                self.ring.add(&self.current)?;
                (Due::Nothing, Step::KeepNew)
            }
            Step::KeepNew => {
                self.ring.add(&self.new)?;
                (Due::Nothing, Step::Show)
            }
            Step::Show => (Due::Show(RecoverySheet::of(&self.new)), Step::Replace),
            Step::Replace => {
                if self.current.id() == self.plan.to {
                    // A crash may have come between its name and this.
                    keyring::sync_beside(self.key_file)?;
                } else {
                    keyring::replace_secret(self.key_file, self.new.bytes())?;
                }
                (Due::Nothing, Step::Record)
            }
            Step::Record => (Due::Record(self.plan), Step::Forget),
            Step::Forget => {
                let path = self.plan_path();
                std::fs::remove_file(&path)
                    .map_err(|e| FsError::new("delete the finished plan", &path, e))?;
                keyring::sync_beside(&path)?;
                (Due::Nothing, Step::End)
            }
            Step::End => (Due::End, Step::End),
        };
        self.next = next;
        Ok(due)
    }

    fn plan_path(&self) -> PathBuf {
        self.ring.ring().path().join(PLAN)
    }
}

fn refuse_closed_folder(key_file: &Path) -> Result<(), RotationError> {
    let folder = key_file.parent().filter(|f| !f.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| {
        RotationError::Folder {
            folder: folder.to_owned(),
            source: e.into(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::base::fsutil;
    use crate::vault::keyring::KeyRing;

    const OLD: [u8; KEY_BYTES] = *b"0123456789abcdefghijklmnopqrstuv";
    const NEW: [u8; KEY_BYTES] = *b"vutsrqponmlkjihgfedcba9876543210";
    const NEWER: [u8; KEY_BYTES] = *b"another key, should it be needed";

    const ROTATE: Wish = Wish {
        reencrypt: false,
        only_finish: false,
    };

    struct House {
        dir: tempfile::TempDir,
        options: KeyOptions,
        ring: Keyring,
    }

    /// What came out of a rotation, or of the part of it that ran.
    #[derive(Debug, Default)]
    struct Ran {
        resumed: bool,
        shown: Vec<String>,
        recorded: Vec<Plan>,
        steps: usize,
    }

    impl House {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let options = KeyOptions {
                key_file: dir.path().join("storage.key"),
                ..KeyOptions::default()
            };
            fsutil::write_new(&options.key_file, &OLD, 0o600).unwrap();
            let ring = Keyring::of(&options);
            Self { dir, options, ring }
        }

        fn begin(
            &self,
            fresh: [u8; KEY_BYTES],
            wish: Wish,
        ) -> Result<Option<Rotation<'_>>, RotationError> {
            let environment = KeyEnvironment::default();
            Rotation::begin(&self.options, &environment, &self.ring, fresh, wish)
        }

        /// Runs at most `steps` steps, and then the process is dead.
        fn rotate(&self, fresh: [u8; KEY_BYTES], wish: Wish, steps: usize) -> Ran {
            let mut rotation = self.begin(fresh, wish).unwrap().unwrap();
            let mut ran = Ran {
                resumed: rotation.is_resumed(),
                ..Ran::default()
            };
            while ran.steps < steps {
                match rotation.advance().unwrap() {
                    Due::Nothing => {}
                    Due::Show(sheet) => ran.shown.push(sheet.reveal().to_owned()),
                    Due::Record(plan) => ran.recorded.push(plan),
                    Due::End => break,
                }
                ran.steps += 1;
            }
            ran
        }

        fn current(&self) -> Key {
            let environment = KeyEnvironment::default();
            key::find(&self.options, &environment).unwrap().0
        }

        fn has(&self, bytes: [u8; KEY_BYTES]) -> bool {
            let id = Key::from_bytes(bytes).id();
            KeyRing::load(self.current(), &self.ring)
                .get(&id)
                .is_some_and(|key| key.bytes() == &bytes)
        }
    }

    fn put(path: &Path, bytes: &[u8]) {
        use std::io::Write as _;
        std::fs::File::create(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn sheet(bytes: [u8; KEY_BYTES]) -> String {
        RecoverySheet::of(&Key::from_bytes(bytes))
            .reveal()
            .to_owned()
    }

    #[test]
    fn a_rotation_keeps_both_keys_shows_one_sheet_and_leaves_no_plan() {
        let house = House::new();
        let ran = house.rotate(NEW, ROTATE, usize::MAX);
        assert_eq!((ran.resumed, ran.steps), (false, 7));
        assert_eq!(ran.shown, [sheet(NEW)]);
        let plan = ran.recorded[0];
        assert_eq!(
            (plan.from, plan.to),
            (Key::from_bytes(OLD).id(), Key::from_bytes(NEW).id())
        );
        assert_eq!(house.current().bytes(), &NEW);
        assert!(house.has(OLD) && house.has(NEW));
        assert_eq!(unfinished(&house.ring).unwrap(), None);
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode(house.ring.path()), 0o700);
        assert_eq!(mode(&house.ring.file(&plan.from)), 0o600);
        assert_eq!(mode(&house.options.key_file), 0o600);
        let digits = format!("{}\n", crate::vault::hex::encode(&OLD));
        assert_eq!(
            std::fs::read_to_string(house.ring.file(&plan.from)).unwrap(),
            digits
        );
        let mut names: Vec<_> = std::fs::read_dir(house.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["keyring", "storage.key"]);
    }

    #[test]
    fn cut_short_after_any_step_every_key_is_there_and_another_run_finishes() {
        for steps in 0..7 {
            // And the second run is cut short as well, anywhere.
            for again in 0..7 {
                let house = House::new();
                let first = house.rotate(NEW, ROTATE, steps);
                assert!(house.has(OLD), "after {steps}");
                let second = house.rotate(NEWER, ROTATE, again);
                assert!(house.has(OLD), "after {steps} and {again}");
                let wish = Wish {
                    only_finish: true,
                    ..ROTATE
                };
                let last = match house.begin(NEWER, wish).unwrap() {
                    Some(rotation) => {
                        assert!(rotation.is_resumed());
                        drop(rotation);
                        house.rotate(NEWER, wish, usize::MAX)
                    }
                    None => Ran::default(),
                };
                let current = house.current();
                assert!(house.has(OLD), "after {steps} and {again}");
                let finished = steps + again > 0;
                assert_eq!(current.bytes() != &OLD, finished, "{steps} and {again}");
                // Whatever key became the current one, its sheet was shown first, and it is kept.
                let shown = [&first, &second, &last]
                    .map(|ran| ran.shown.clone())
                    .concat();
                if finished {
                    assert!(shown.contains(&RecoverySheet::of(&current).reveal().to_owned()));
                    assert!(house.ring.load(&current.id()).unwrap().is_some());
                }
                // A key whose sheet was shown is never lost.
                for bytes in [NEW, NEWER] {
                    assert!(
                        !shown.contains(&sheet(bytes)) || house.has(bytes),
                        "{steps} {again}"
                    );
                }
                assert_eq!(unfinished(&house.ring).unwrap(), None);
                assert_eq!(second.resumed, steps > 0);
                assert!(!house.ring.path().join(".nightjar-key.tmp").exists());
            }
        }
    }

    #[test]
    fn what_is_asked_for_later_is_added_to_the_plan() {
        let house = House::new();
        house.rotate(NEW, ROTATE, 5);
        let wish = Wish {
            reencrypt: true,
            ..ROTATE
        };
        let ran = house.rotate(NEWER, wish, usize::MAX);
        assert!(ran.resumed && ran.recorded[0].reencrypt);
        assert_eq!(house.current().bytes(), &NEW, "no third key");
    }

    #[test]
    fn only_a_key_of_the_key_file_is_rotated_and_others_are_told_what_to_do() {
        let house = House::new();
        let credentials = house.dir.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        fsutil::write_new(&credentials.join("storage.key"), &OLD, 0o600).unwrap();
        let refused = |environment: KeyEnvironment| {
            Rotation::begin(&house.options, &environment, &house.ring, NEW, ROTATE)
                .unwrap_err()
                .to_string()
        };
        let text = refused(KeyEnvironment {
            credentials_directory: Some(credentials.into()),
            ..KeyEnvironment::default()
        });
        assert!(text.contains("LoadCredential="), "{text}");
        std::fs::remove_file(&house.options.key_file).unwrap();
        let text = refused(KeyEnvironment {
            vigilar_encryption_key: Some(crate::vault::hex::encode(&OLD).into()),
            ..KeyEnvironment::default()
        });
        assert!(text.contains("unset the variable"), "{text}");
        let text = refused(KeyEnvironment::default());
        assert!(text.contains("no storage key"), "{text}");
        assert!(!house.ring.path().exists(), "nothing was begun");
    }

    #[test]
    fn a_third_key_a_damaged_plan_and_a_second_process_are_refused() {
        let house = House::new();
        let rotation = house.begin(NEW, ROTATE).unwrap().unwrap();
        let error = house.begin(NEWER, ROTATE).unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        drop(rotation);
        house.rotate(NEW, ROTATE, 3);
        put(&house.options.key_file, &NEWER);
        let error = house.begin(NEW, ROTATE).unwrap_err().to_string();
        assert!(error.contains("put one of the two back"), "{error}");
        put(&house.ring.path().join(PLAN), b"{");
        let error = house.begin(NEW, ROTATE).unwrap_err().to_string();
        assert!(error.contains("delete it and try again"), "{error}");
    }

    #[test]
    fn a_keyring_that_others_can_write_is_refused_before_anything_happens() {
        let house = House::new();
        std::fs::create_dir(house.ring.path()).unwrap();
        let open = std::fs::Permissions::from_mode(0o770);
        std::fs::set_permissions(house.ring.path(), open).unwrap();
        let error = house.begin(NEW, ROTATE).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
        assert_eq!(house.current().bytes(), &OLD);
    }
}
