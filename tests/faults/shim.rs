//! Faults of the file system and the wall clock for a child process: `shim.c`, built once and preloaded.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Folder;

/// What can be made to happen; the numbers are those of `shim.c`.
#[derive(Clone, Copy)]
pub enum Slot {
    /// Writes below the folder fail with this errno once the budget is spent; 0: they do not.
    WriteErrno,
    /// Bytes that may be written before that.
    WriteBudget,
    /// Reads through libc (libtorrent's) fail with this errno.
    ReadErrno,
    /// Opening for writing, making folders and renaming fail with this errno.
    CreateErrno,
    /// Before a data file is made, or opened as one that may have to be, this much time passes.
    CreateDelayMs,
    /// The wall clock is off by this many seconds.
    ClockOffsetS,
    /// The engine's thread hangs this long, once, the next time it asks for a file.
    EngineDelayMs,
    /// How often any of these came to pass.
    Refused,
    /// The engine's own reads fail with this errno once their budget is spent; see [`Shim::preload_with_reads`].
    OwnReadErrno,
    /// How many of them may succeed before that.
    OwnReadBudget,
}

/// The faults of one child. No fault at first.
pub struct Shim {
    control: File,
    path: PathBuf,
    _folder: Folder,
}

impl Shim {
    pub fn new() -> Self {
        let folder = Folder::new();
        let path = folder.0.join("control");
        std::fs::write(&path, [0; 80]).expect("control file");
        let control = File::options().read(true).write(true).open(&path).expect("control file");
        Self { control, path, _folder: folder }
    }

    /// Makes `command` run with the faults, which concern files below `root`.
    pub fn preload(&self, command: &mut Command, root: &Path) {
        command
            .env("LD_PRELOAD", library())
            .env("VZ_SHIM_CONTROL", &self.path)
            .env("VZ_SHIM_ROOT", root.canonicalize().expect("root"));
    }

    /// The same, for a child whose own reads, which go to the kernel and not through libc, can fail too. They cost a
    /// signal each.
    pub fn preload_with_reads(&self, command: &mut Command, root: &Path) {
        self.preload(command, root);
        command.env("VZ_SHIM_OWN_READS", "1");
    }

    pub fn set(&self, slot: Slot, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), slot as u64 * 8).expect("control file");
    }

    pub fn get(&self, slot: Slot) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, slot as u64 * 8).expect("control file");
        i64::from_ne_bytes(bytes)
    }
}

/// Built by the system's C compiler, which building libvozduxan needs anyway.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        // Tests of other processes may build it too: each its own, put in place whole.
        let (own, place) =
            (folder.join(format!("faults-{}.so", std::process::id())), folder.join("faults.so"));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&own).arg(source).args(["-ldl", "-pthread"]);
        assert!(cc.status().expect("cc").success(), "the shim does not build");
        std::fs::rename(own, &place).expect("rename");
        place
    })
}
