//! A throw-away PostgreSQL server on a unix socket, one for all tests of a process.
//!
//! A shell watches over it: it stops the server and removes its folder when the pipe to the tests
//! closes, however they end. Without PostgreSQL the tests fail: a missing server is no reason to skip.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::storage::postgres::Site;

/// `$1` the folder, `$2` how to become somebody whom the server lets run it.
const WATCH: &str = r#"
set -e
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
for bin in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
    [ -x "$bin/initdb" ] && PATH="$bin:$PATH"
done
[ "$(id -u)" != 0 ] || chown postgres "$1"
run initdb -D "$1/data" -U nightjar -A trust --locale=C -E UTF8 -N >/dev/null
run pg_ctl -D "$1/data" -l "$1/log" -o "-k $1 -c listen_addresses= -c max_prepared_transactions=0" -w start >/dev/null
echo ready
cat >/dev/null
run pg_ctl -D "$1/data" -m immediate -w stop >/dev/null
rm -rf "$1"
"#;

/// The server.
pub(crate) struct Cluster {
    folder: PathBuf,
    _watch: Child,
}

/// The one of this process.
pub(crate) fn cluster() -> &'static Cluster {
    static ONE: OnceLock<Cluster> = OnceLock::new();
    ONE.get_or_init(Cluster::start)
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nightjar-pg")
            .tempdir()
            .unwrap()
            .keep();
        let mut watch = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&folder)
            // What stops the tests does not stop the watch.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = std::io::BufReader::new(watch.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        assert_eq!(
            line, "ready\n",
            "no PostgreSQL server could be started, see above"
        );
        Self {
            folder,
            _watch: watch,
        }
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        let folder = percent(&self.folder);
        format!("postgresql://nightjar@{folder}/postgres")
    }

    /// A site of its own for one test.
    pub(crate) fn site(&self, name: &str) -> Site {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Site::new(&self.url(), &format!("{name}_{number}"), "of the tests").unwrap()
    }
}

fn percent(folder: &Path) -> String {
    folder.to_str().unwrap().replace('/', "%2F")
}
