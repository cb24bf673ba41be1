//! What is on this machine: settings, the state directory, the master key.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Doctor, Finding};

/// With less, the daemon soon stands still.
const FREE_BYTES_MIN: u64 = 100 << 20;
/// A busy day writes this much.
const FREE_BYTES_FEW: u64 = 1 << 30;

impl Doctor {
    pub(super) fn public_url(&self) -> Finding {
        match &self.config.http.public_url {
            Some(url) => Finding::ok("public address", url),
            None => Finding::warn(
                "public address",
                "http.public_url is not set: mails carry no link to stop them or to change preferences",
                "set it to where your users reach the daemon",
            ),
        }
    }

    pub(super) fn state_directory(&self) -> Finding {
        const PART: &str = "state directory";
        let directory = self.config.state_directory();
        let name = directory.display();
        let mode = match std::fs::metadata(&directory) {
            Ok(data) if data.is_dir() => data.permissions().mode(),
            Ok(_) => {
                return Finding::fail(PART, format!("{name} is no directory"), "set store.state_directory to one");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Finding::warn(PART, format!("{name} is not there yet"), "the first start makes it");
            }
            Err(error) => return Finding::fail(PART, format!("{name}: {error}"), "run this as the daemon's user"),
        };
        if let Err(error) = tempfile::tempfile_in(&directory) {
            let mend = "run this as the daemon's user; give the directory to it";
            return Finding::fail(PART, format!("{name} cannot be written to: {error}"), mend);
        }
        match free_bytes(&directory) {
            Some(free) if free < FREE_BYTES_MIN => {
                Finding::fail(PART, format!("{name}: {} MB are free", free >> 20), "make room on its disk")
            }
            Some(free) if free < FREE_BYTES_FEW => {
                Finding::warn(PART, format!("{name}: {} MB are free", free >> 20), "make room on its disk soon")
            }
            _ if mode & 0o077 != 0 => {
                let said = format!("{name} has mode {:04o}: others on this machine may look into it", mode & 0o7777);
                Finding::warn(PART, said, format!("chmod 700 {name}"))
            }
            Some(free) => Finding::ok(PART, format!("{name}, {} GB free", free >> 30)),
            None => Finding::ok(PART, name.to_string()),
        }
    }

    /// Whether others may read the file that has the master key.
    pub(super) fn master_key_file(&self) -> Option<Finding> {
        let file = self.vault.file()?;
        let mode = std::fs::metadata(file).ok()?.permissions().mode();
        let said = format!("{} has mode {:04o}: others on this machine may read it", file.display(), mode & 0o7777);
        (mode & 0o077 != 0).then(|| Finding::warn("master key", said, format!("chmod 600 {}", file.display())))
    }
}

/// What a file system has left for us.
fn free_bytes(directory: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(directory).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}
