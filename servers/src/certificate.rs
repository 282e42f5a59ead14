//! A certificate for loopback, and the authority that vouches for it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const CURVE: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// A certificate of `127.0.0.1` and `localhost` that only those trust who know its authority.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// Makes both.
    pub fn make() -> io::Result<Self> {
        let made = Self { folder: TempDir::new()? };
        let folder = made.folder.path();
        std::fs::write(folder.join("names"), "subjectAltName = IP:127.0.0.1, DNS:localhost\n")?;
        let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2"];
        openssl(folder, &[&["req", "-x509", "-nodes"][..], &CURVE, &authority].concat())?;
        let request = ["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"];
        openssl(folder, &[&["req", "-nodes"][..], &CURVE, &request].concat())?;
        let signs =
            ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        openssl(folder, &[&["x509", "-req", "-in", "request.pem", "-out", "cert.pem"][..], &signs].concat())?;
        Ok(made)
    }

    /// The authority, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let made = command.output().map_err(|error| {
        io::Error::new(error.kind(), format!("openssl: {error}; Debian's package openssl has it"))
    })?;
    if made.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()))
}
